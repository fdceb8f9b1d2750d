//! Why nothing is heard.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sidetone_vault::{KeyError, StoreError};
use sidetone_wire::RecordingId;
use tracing::{error, warn};

use crate::problem::Problem;
use crate::renditions::Failure;
use crate::store;

/// When whoever was told that too much is being made comes back: about one rendition later.
const BUSY: Duration = Duration::from_secs(10);
/// When whoever was told that the store is away comes back.
const AWAY: Duration = Duration::from_secs(5);

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no such recording")]
    Unknown,
    #[error("the recording is still being made, or on its way to the store")]
    NotReady,
    #[error("the recording was erased")]
    Erased,
    #[error("the recording could not be made: {0}")]
    Failed(String),
    #[error("the recording is not to be had in this format")]
    Format,
    #[error("the recording has no such channel")]
    NoChannel,
    #[error("{0}")]
    Unsuitable(String),
    #[error("the range lies outside of the {0} bytes there are, or there are several")]
    Range(u64),
    #[error("too many recordings are being converted: try again soon")]
    Busy,
    #[error("recording {recording}: {error}")]
    Media {
        recording: RecordingId,
        error: StoreError,
    },
    #[error("recording {recording}: {error}")]
    Key {
        recording: RecordingId,
        error: KeyError,
    },
    #[error("recording {recording}: {why}")]
    Making { recording: RecordingId, why: String },
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Refusal {
    pub(super) fn media(recording: RecordingId) -> impl Fn(StoreError) -> Self {
        move |error| Self::Media { recording, error }
    }

    pub(super) fn rendition(recording: RecordingId) -> impl Fn(Failure) -> Self {
        move |failure| match failure {
            Failure::Busy => Self::Busy,
            Failure::Unsuitable(why) => Self::Unsuitable(why),
            Failure::Media(error) => Self::Media { recording, error },
            Failure::Making(why) => Self::Making { recording, why },
            Failure::Forgotten => Self::Erased,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        let problem = match self {
            Self::Unknown => Problem::not_found("recording"),
            Self::NotReady => Problem::conflict("recording_not_ready", detail),
            Self::Erased => Problem::new(StatusCode::GONE, "recording_erased", detail),
            Self::Failed(_) => Problem::conflict("recording_failed", detail),
            Self::Format | Self::Unsuitable(_) => {
                Problem::new(unprocessable, "unsupported_format", detail)
            }
            Self::NoChannel => Problem::new(unprocessable, "no_such_channel", detail),
            Self::Range(length) => return no_such_range(length, detail),
            Self::Busy => Problem::unavailable("renditions_busy", detail).retry_after(BUSY),
            Self::Media { error, .. } if error.is_temporary() => {
                warn!(
                    error = detail,
                    "a recording cannot be had from the store now"
                );
                let text = "the store of recordings does not answer: try again soon";
                Problem::unavailable("store_unavailable", text).retry_after(AWAY)
            }
            Self::Making { .. } => {
                error!(error = detail, "a recording cannot be converted");
                let text = "the recording cannot be converted now; the server's log says why";
                Problem::unavailable("rendition_failed", text).retry_after(BUSY)
            }
            Self::Media { .. } | Self::Key { .. } => {
                error!(error = detail, "a stored recording cannot be read");
                let text = "the recording's file cannot be read; the server's log says why";
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Problem::new(status, "recording_unreadable", text)
            }
            Self::Store(error) => error.into(),
        };
        problem.into_response()
    }
}

fn no_such_range(length: u64, detail: String) -> Response {
    let status = StatusCode::RANGE_NOT_SATISFIABLE;
    let problem = Problem::new(status, "range_not_satisfiable", detail);
    let mut response = problem.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: Refusal) -> (u16, bool) {
        let response = refusal.into_response();
        let waits = response.headers().contains_key(header::RETRY_AFTER);
        (response.status().as_u16(), waits)
    }

    #[test]
    fn a_store_that_is_away_is_worth_another_try_and_damage_is_not() {
        let recording = RecordingId(uuid::Uuid::nil());
        let media = |error| told(Refusal::media(recording)(error));
        assert_eq!(media(StoreError::Temporary("slow".into())), (503, true));
        assert_eq!(media(StoreError::Damaged("bits".into())), (500, false));
        assert_eq!(media(StoreError::NotFound), (500, false));
        assert_eq!(media(StoreError::Refused("who?".into())), (500, false));
        let rendition = |failure| told(Refusal::rendition(recording)(failure));
        assert_eq!(rendition(Failure::Busy), (503, true));
        assert_eq!(rendition(Failure::Making("disk".into())), (503, true));
        assert_eq!(rendition(Failure::Forgotten), (410, false));
        assert_eq!(rendition(Failure::Unsuitable("long".into())), (422, false));
        let away = StoreError::Temporary("slow".into());
        assert_eq!(rendition(Failure::Media(away)), (503, true));
    }
}
