//! `GET /listen/{token}`: a call's sound on a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sidetone_wire::FeedSound;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Path, Query};
use crate::feeds;
use crate::problem::{Problem, ProblemBody};

/// Bytes of what a listener may send: it has nothing to say.
const READ_LIMIT: usize = 4 * 1024;
/// Samples a second of Opus, and of linear PCM unless another rate is asked for.
const RATE_HZ: u32 = 48_000;
/// What can be asked for.
const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// One stereo packet a frame.
    #[default]
    Opus,
    /// Signed 16 bit, little endian, left and right interleaved.
    Linear16,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Listen {
    /// Default `opus`.
    #[serde(default)]
    #[param(inline)]
    encoding: Encoding,
    /// 8000, 12000, 16000, 24000 or 48000 for `linear16`; `opus` has 48000. Default 48000.
    sample_rate: Option<u32>,
}

impl Listen {
    fn sound(&self) -> Result<FeedSound, Problem> {
        let rate_hz = self.sample_rate.unwrap_or(RATE_HZ);
        match self.encoding {
            Encoding::Opus if rate_hz == RATE_HZ => Ok(FeedSound::Opus),
            Encoding::Linear16 if RATES_HZ.contains(&rate_hz) => {
                Ok(FeedSound::Linear16 { rate_hz })
            }
            Encoding::Opus => Err(Problem::invalid_field("sampleRate", "opus has 48000")),
            Encoding::Linear16 => {
                let detail = "is not one of 8000, 12000, 16000, 24000, 48000";
                Err(Problem::invalid_field("sampleRate", detail))
            }
        }
    }
}

/// Hear a call on a WebSocket
///
/// The token is that of `listenProxyUrl`: for one call and one session, good once and for a minute.
/// First comes `{"type":"start","encoding":…,"sampleRate":…,"channels":2,"frameMs":20}`, then a
/// binary frame every 20 ms, the customer left, the agent right, at the end
/// `{"type":"end","reason":…}` and 1000. It closes with 4401 when the token is not good, 4403 when
/// the right to listen was taken back, 4404 when there is no such call to hear, 4408 when the
/// listener is too slow, 1012 when another gateway takes the call over: ask for another URL then.
#[utoipa::path(
    get, path = "/listen/{token}", tag = "supervision", security(()),
    params(("token" = String, Path, description = "The token"), Listen),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 400, description = "No WebSocket handshake", body = ProblemBody),
        (status = 403, description = "A page of another origin", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn listen(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Query(query): Query<Listen>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let sound = query.sound()?;
    let upgrade = upgrade.map_err(|rejection| {
        let (status, detail) = (StatusCode::BAD_REQUEST, rejection.body_text());
        Problem::new(status, "not_a_websocket", detail)
    })?;
    Ok(upgrade
        .max_message_size(READ_LIMIT)
        .max_frame_size(READ_LIMIT)
        .read_buffer_size(READ_LIMIT)
        .on_upgrade(move |socket| feeds::serve(app, token, sound, from.ip(), socket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_made_is_taken_and_the_rest_is_named() {
        for (encoding, sample_rate, sound) in [
            (Encoding::Opus, None, Some(FeedSound::Opus)),
            (Encoding::Opus, Some(48_000), Some(FeedSound::Opus)),
            (Encoding::Opus, Some(16_000), None),
            (
                Encoding::Linear16,
                None,
                Some(FeedSound::Linear16 { rate_hz: 48_000 }),
            ),
            (
                Encoding::Linear16,
                Some(8_000),
                Some(FeedSound::Linear16 { rate_hz: 8_000 }),
            ),
            (Encoding::Linear16, Some(44_100), None),
            (Encoding::Linear16, Some(0), None),
        ] {
            let asked = Listen {
                encoding,
                sample_rate,
            };
            assert_eq!(asked.sound().ok(), sound, "{asked:?}");
        }
    }
}
