//! `POST /api/webhooks/livekit`: livekit-server says that something happened in a room.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sidetone_room::webhook::Error as WebhookError;
use sidetone_wire::Command;
use tracing::{debug, warn};

use crate::app::{App, now};
use crate::extract::Body;
use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::store;

/// Why the webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("LiveKit is not configured here")]
    Off,
    #[error("it is not signed")]
    Unsigned,
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        metrics::webhook("livekit", "refused");
        let detail = self.to_string();
        match self {
            Self::Off => Problem::new(StatusCode::NOT_FOUND, "livekit_off", detail),
            Self::Unsigned | Self::Webhook(WebhookError::Signature(_)) => {
                warn!(reason = detail, "a LiveKit webhook was refused");
                Problem::new(StatusCode::UNAUTHORIZED, "bad_signature", detail)
            }
            Self::Webhook(WebhookError::Body(_)) => {
                Problem::new(StatusCode::BAD_REQUEST, "invalid_webhook", detail)
            }
            Self::Store(error) => error.into(),
        }
        .into_response()
    }
}

/// Take a LiveKit webhook
///
/// Signed by livekit-server with the API secret. A repeated one has no effect.
#[utoipa::path(
    post, path = "/api/webhooks/livekit", tag = "webhooks", security(()),
    request_body(content_type = "application/webhook+json", content = String),
    responses(
        (status = 200, description = "Taken, now or before"),
        (status = 401, description = "The signature does not fit", body = ProblemBody),
        (status = 503, description = "The database is away: send it again", body = ProblemBody),
    ),
)]
pub(crate) async fn livekit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<StatusCode, Refusal> {
    let livekit = app.livekit.as_ref().ok_or(Refusal::Off)?;
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or(Refusal::Unsigned)?;
    let event = livekit.verify(&body, authorization)?;
    if !app.store.take_webhook("livekit", &event.id, now()).await? {
        metrics::webhook("livekit", "duplicate");
        return Ok(StatusCode::OK);
    }
    metrics::webhook("livekit", "taken");
    debug!(kind = event.kind, room = event.room, "LiveKit webhook");
    if let Some(room) = event.room {
        app.fleet.command_all(Command::RoomChanged { room }).await;
    }
    Ok(StatusCode::OK)
}
