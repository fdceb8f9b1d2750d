//! `GET /api/calls/{id}/transcript`, `GET /api/calls/{id}/metadata`: what was said in a call, and
//! what was made of it.

use axum::Json as Answer;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sidetone_wire::{CallId, Transcript, TranscriptFormat};
use utoipa::IntoParams;

use crate::app::now;
use crate::auth::Caller;
use crate::calls::subtitles;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::Subject;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadTranscript {
    /// Default `json`.
    #[param(inline)]
    format: Option<TranscriptFormat>,
}

/// A call's transcript
///
/// As it is now: of a call that goes on, what was said so far. Empty when nothing was.
#[utoipa::path(
    get, path = "/api/calls/{id}/transcript", tag = "calls",
    params(("id" = CallId, Path, description = "The call"), ReadTranscript),
    responses(
        (status = 200, description = "The transcript; txt, vtt and srt are files to be kept", content(
            (Transcript = "application/json"), (String = "text/plain"), (String = "text/vtt"),
            (String = "application/x-subrip"),
        )),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn transcript(
    caller: Caller,
    Path(id): Path<CallId>,
    Query(query): Query<ReadTranscript>,
) -> Result<Response, Problem> {
    if caller.tenant.call(id, now()).await?.is_none() {
        return Err(Problem::not_found("call"));
    }
    let segments = caller.tenant.transcript(id).await?;
    let (kind, text) = match query.format.unwrap_or(TranscriptFormat::Json) {
        TranscriptFormat::Json => {
            let call_id = id;
            return Ok(Answer(Transcript { call_id, segments }).into_response());
        }
        TranscriptFormat::Txt => ("text/plain; charset=utf-8", subtitles::txt(&segments)),
        TranscriptFormat::Vtt => ("text/vtt; charset=utf-8", subtitles::vtt(&segments)),
        TranscriptFormat::Srt => (
            "application/x-subrip; charset=utf-8",
            subtitles::srt(&segments),
        ),
    };
    let format = query.format.unwrap_or(TranscriptFormat::Txt);
    let (actor, detail) = (caller.actor(), json!({ "format": format }));
    let noted = caller.tenant.note(
        &actor,
        "transcript.downloaded",
        Subject::Call(id),
        &detail,
        now(),
    );
    noted.await?;
    // the name is of our making: nothing of the call is in it but its id
    let name = format!("attachment; filename=\"transcript-{id}.{format}\"");
    let name = HeaderValue::from_str(&name).map_err(|_| Problem::internal())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, text).into_response())
}

/// What was reported of a call
///
/// An object of what its vendor told after it or of it, as far as it did: `summary`, `sentiment`,
/// `structuredData`, `successEvaluation`, `cost`, `costs`, `transferDestination` and others. Tags
/// and outcome are the call's own.
#[utoipa::path(
    get, path = "/api/calls/{id}/metadata", tag = "calls",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "What was reported", body = Object),
        (status = 404, description = "No such call", body = ProblemBody),
    ),
)]
pub(crate) async fn metadata(
    caller: Caller,
    Path(id): Path<CallId>,
) -> Result<Answer<Value>, Problem> {
    let metadata = caller.tenant.call_metadata(id).await?;
    metadata
        .map(Answer)
        .ok_or_else(|| Problem::not_found("call"))
}
