//! `GET /api/recordings/{id}/audio`: the sound, whole or in parts (RFC 9110 sections 13 and 14).

mod range;

use std::io::SeekFrom;
use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sidetone_wire::{Recording, RecordingId, TakeState};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use tracing::error;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Caller;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store;
use range::Wanted;

/// Bytes read from the disk at a time: a second or two of sound.
const CHUNK: usize = 64 * 1024;

/// The container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// As it was recorded: Opus, customer left, agent right.
    #[default]
    Ogg,
    /// Not available in this version.
    Wav,
}

/// The channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Channels {
    /// Customer left, agent right.
    #[default]
    Both,
    /// Not available in this version.
    Customer,
    /// Not available in this version.
    Agent,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wish {
    /// `ogg` (default). `wav` is not available in this version.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// `both` (default). The others are not available in this version.
    #[serde(default)]
    #[param(inline)]
    channel: Channels,
}

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no such recording")]
    Unknown,
    #[error("the recording is still being made")]
    NotReady,
    #[error("the recording was erased")]
    Erased,
    #[error("the recording could not be made: {0}")]
    Failed(String),
    #[error("this version serves format=ogg with channel=both only")]
    Format,
    #[error("the range lies outside of the {0} bytes there are, or there are several")]
    Range(u64),
    #[error("the file {path} of recording {recording} cannot be read: {error}")]
    File {
        recording: RecordingId,
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let problem = match self {
            Self::Unknown => Problem::not_found("recording"),
            Self::NotReady => Problem::conflict("recording_not_ready", detail),
            Self::Erased => Problem::new(StatusCode::GONE, "recording_erased", detail),
            Self::Failed(_) => Problem::conflict("recording_failed", detail),
            Self::Format => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unsupported_format",
                detail,
            ),
            Self::Range(length) => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let problem = Problem::new(status, "range_not_satisfiable", detail);
                let mut response = problem.into_response();
                let value = format!("bytes */{length}");
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(header::CONTENT_RANGE, value);
                }
                return response;
            }
            Self::File { .. } => {
                error!(error = detail, "a stored recording cannot be read");
                let text = "the recording's file cannot be read; the server's log says why";
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "recording_unreadable",
                    text,
                )
            }
            Self::Store(error) => error.into(),
        };
        problem.into_response()
    }
}

/// The sound of a recording
///
/// One range of bytes can be asked for.
#[utoipa::path(
    method(get, head), path = "/api/recordings/{id}/audio", tag = "recordings",
    params(("id" = RecordingId, Path, description = "The recording"), Wish),
    responses(
        (status = 200, description = "The whole file", content_type = "audio/ogg"),
        (status = 206, description = "A part of it", content_type = "audio/ogg"),
        (status = 304, description = "It is what the client has"),
        (status = 404, description = "No such recording", body = ProblemBody),
        (status = 409, description = "It is still being made, or failed", body = ProblemBody),
        (status = 416, description = "No such part", body = ProblemBody),
        (status = 422, description = "A format that this version does not serve", body = ProblemBody),
    ),
)]
pub(crate) async fn audio(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<RecordingId>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let found = caller.tenant.recording(id).await?;
    let found = found.ok_or(Refusal::Unknown)?;
    let recording = &found.recording;
    match recording.state {
        TakeState::Stored => {}
        TakeState::Recording | TakeState::Sealed => return Err(Refusal::NotReady),
        TakeState::Failed => {
            let error = recording.error.clone().unwrap_or_default();
            return Err(Refusal::Failed(error));
        }
        TakeState::Erased => return Err(Refusal::Erased),
    }
    if wish.format != Format::Ogg || wish.channel != Channels::Both {
        return Err(Refusal::Format);
    }
    let etag = format!("\"{}\"", recording.sha256);
    if range::is_known(&headers, &etag) {
        let headers = described(recording, &etag);
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let path = app.store_dir.join(&found.object);
    let unreadable = |error| Refusal::File {
        recording: id,
        path: path.clone(),
        error,
    };
    let (mut file, length) = open(&app.store_dir, &found.object)
        .await
        .map_err(unreadable)?;
    let (status, first, count) = match range::wanted(&headers, &etag, length) {
        Wanted::All => (StatusCode::OK, 0, length),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nothing => return Err(Refusal::Range(length)),
    };
    file.seek(SeekFrom::Start(first))
        .await
        .map_err(unreadable)?;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(count), CHUNK));
    let mut response = (status, described(recording, &etag), body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, count.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let value = format!("bytes {first}-{}/{length}", first + count - 1);
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

/// The headers that every answer about the sound has.
fn described(recording: &Recording, etag: &str) -> [(header::HeaderName, String); 5] {
    let started_at = recording.started_at.to_string();
    let day = started_at.split('T').next().unwrap_or_default();
    let name = format!("sidetone-{day}-{}.ogg", recording.id);
    [
        (header::CONTENT_TYPE, "audio/ogg".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag.to_owned()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("inline; filename=\"{name}\""),
        ),
    ]
}

/// Opens a file of the store, and nothing outside of it whatever the object's name says.
async fn open(root: &FsPath, object: &str) -> std::io::Result<(File, u64)> {
    let outside = || std::io::Error::other("the object lies outside of the store");
    let object = FsPath::new(object);
    let plain = |part| matches!(part, Component::Normal(_));
    if object.as_os_str().is_empty() || !object.components().all(plain) {
        return Err(outside());
    }
    let root = tokio::fs::canonicalize(root).await?;
    let path = tokio::fs::canonicalize(root.join(object)).await?;
    if !path.starts_with(&root) {
        return Err(outside());
    }
    let file = File::open(path).await?;
    let metadata = file.metadata().await?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("the object is not a file"));
    }
    Ok((file, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_files_inside_of_the_store_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        std::fs::create_dir_all(root.join("objects")).unwrap();
        std::fs::write(root.join("objects/a.ogg"), b"sound").unwrap();
        std::fs::write(dir.path().join("secret.key"), b"secret").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret.key"), root.join("objects/link"))
            .unwrap();
        assert_eq!(open(&root, "objects/a.ogg").await.unwrap().1, 5);
        let absolute = root.join("objects/a.ogg");
        for bad in [
            "../secret.key",
            "objects/../../secret.key",
            absolute.to_str().unwrap(),
            "objects/link",
            "objects",
            "",
            "./objects/a.ogg",
        ] {
            assert!(open(&root, bad).await.is_err(), "{bad}");
        }
    }
}
