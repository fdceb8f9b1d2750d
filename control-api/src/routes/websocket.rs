//! `GET /api/ws`: the real-time events on a plain WebSocket.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Proof;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::realtime::{MESSAGE_LIMIT, websocket};

/// What is read of a message that is too long, in bytes: a connection that is closed with unread
/// bytes takes back what its client was told.
const READ_LIMIT: usize = 4 * MESSAGE_LIMIT;
/// The subprotocol whose next word is the token.
const BEARER: &str = "bearer";
/// Bytes for reading from a client: its messages are short, and there are many clients.
const READ_BUFFER: usize = 4 * 1024;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Connect {
    /// The session's token; or the `Authorization` header, the subprotocols `bearer, <token>`, or
    /// the cookie.
    token: Option<String>,
    /// If given, it must be the session's user.
    user_id: Option<String>,
}

/// Real-time events
///
/// The events of Socket.IO, as `{"event": …, "data": …}` both ways; docs/realtime.md lists them.
/// Messages over 64 KiB close with 1009, more than 50 a second with 1008, the session's end with
/// 4401, a client that is too slow with 4408.
#[utoipa::path(
    get, path = "/api/ws", tag = "realtime", params(Connect),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 400, description = "No WebSocket handshake", body = ProblemBody),
        (status = 401, description = "No valid session", body = ProblemBody),
        (status = 403, description = "A page of another origin, or `user_id` is another user", body = ProblemBody),
        (status = 422, description = "A parameter is unknown", body = ProblemBody),
    ),
)]
pub(crate) async fn connect(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(query): Query<Connect>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let token = query
        .token
        .or_else(|| subprotocol_token(&headers))
        .or_else(|| Proof::of(&headers).map(|proof| proof.token().to_owned()))
        .ok_or_else(|| Problem::unauthenticated("log in first"))?;
    let identity = app
        .identify(&token)
        .await?
        .ok_or_else(|| Problem::unauthenticated("the session is not valid or has ended"))?;
    if query
        .user_id
        .is_some_and(|user| user != identity.user.to_string())
    {
        let detail = "user_id is not the session's user";
        return Err(Problem::forbidden("other_user", detail));
    }
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "not_a_websocket",
            rejection.body_text(),
        )
    })?;
    Ok(upgrade
        .protocols([BEARER])
        .max_message_size(READ_LIMIT)
        .max_frame_size(READ_LIMIT)
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(move |socket| websocket::serve(app, identity, token, socket)))
}

/// The token among the subprotocols: browsers cannot set other headers.
fn subprotocol_token(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut words = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    words.find(|word| word.eq_ignore_ascii_case(BEARER))?;
    words.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_token_is_the_word_after_bearer() {
        for (offered, token) in [
            ("bearer, abc.def", Some("abc.def")),
            ("chat, Bearer,abc", Some("abc")),
            ("bearer", None),
            ("abc, def", None),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_static(offered);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
            assert_eq!(subprotocol_token(&headers).as_deref(), token, "{offered}");
        }
    }
}
