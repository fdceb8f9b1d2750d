//! `DELETE /api/recordings/{id}`, `PUT /api/recordings/{id}/hold`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_wire::{Recording, RecordingId};
use tracing::info;
use utoipa::ToSchema;

use super::pausing;
use crate::app::{App, now};
use crate::auth::Admin;
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::store::Erasure;

/// Whether it is held, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetHold {
    held: bool,
    /// 1 to 500 characters; kept in the audit log.
    reason: String,
}

/// Erase a recording
///
/// Its key is destroyed at once, so that no copy of its file can be read any more; its files
/// follow. What is left is a tombstone and the audit log. Repeating it is harmless.
#[utoipa::path(
    delete, path = "/api/recordings/{id}", tag = "recordings",
    params(("id" = RecordingId, Path, description = "The recording")),
    responses(
        (status = 204, description = "It is erased"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such recording", body = ProblemBody),
        (status = 409, description = "`legal_hold`: it must be kept", body = ProblemBody),
    ),
)]
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<RecordingId>,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    match caller.tenant.erase(id, &actor, now()).await? {
        Erasure::Unknown => Err(Problem::not_found("recording")),
        Erasure::Held => {
            let detail = "the recording or its tenant is under a legal hold";
            Err(Problem::conflict("legal_hold", detail))
        }
        Erasure::Done => Ok(StatusCode::NO_CONTENT),
        Erasure::Now(call) => {
            info!(recording = %id, by = actor.name, "recording erased");
            app.erased(vec![id]).await;
            app.tell_call(caller.tenant.id(), call).await;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

/// Put a recording under legal hold, or lift it
///
/// Nobody erases a recording that is held: no person, no policy, no denied consent.
#[utoipa::path(
    put, path = "/api/recordings/{id}/hold", tag = "recordings",
    params(("id" = RecordingId, Path, description = "The recording")), request_body = SetHold,
    responses(
        (status = 200, description = "The recording", body = Recording),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such recording", body = ProblemBody),
        (status = 409, description = "`recording_erased`: nothing is left to hold", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn hold(
    Admin(caller): Admin,
    Path(id): Path<RecordingId>,
    Json(body): Json<SetHold>,
) -> Result<Answer<Recording>, Problem> {
    let reason = pausing::reason(Some(body.reason))?;
    let reason = reason.ok_or_else(|| Problem::invalid_field("reason", "is empty"))?;
    let actor = caller.actor();
    let held = caller
        .tenant
        .hold_recording(id, body.held, &actor, &reason, now());
    match held.await? {
        None => return Err(Problem::not_found("recording")),
        Some(false) => {
            let detail = "the recording was erased: nothing is left to hold";
            return Err(Problem::conflict("recording_erased", detail));
        }
        Some(true) => info!(recording = %id, held = body.held, by = actor.name, "legal hold"),
    }
    let found = caller.tenant.recording(id).await?;
    let found = found.ok_or_else(|| Problem::not_found("recording"))?;
    Ok(Answer(found.recording))
}
