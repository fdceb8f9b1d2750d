//! `GET /api/calls/{id}/recordings`, `GET /api/recordings/{id}`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use sidetone_wire::{CallId, Recording, RecordingId};

use super::calls;
use super::page::Page;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::Path;
use crate::problem::{Problem, ProblemBody};

/// A call's recordings
///
/// All takes, the first one first.
#[utoipa::path(
    get, path = "/api/calls/{id}/recordings", tag = "recordings",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "Its recordings", body = Page<Recording>),
        (status = 404, description = "No such call", body = ProblemBody),
    ),
)]
pub(crate) async fn of_call(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
) -> Result<Answer<Page<Recording>>, Problem> {
    calls::find(&app, &caller, id).await?;
    let recordings = caller.tenant.recordings(id).await?;
    Ok(Answer(Page::whole(recordings)))
}

/// One recording
#[utoipa::path(
    get, path = "/api/recordings/{id}", tag = "recordings",
    params(("id" = RecordingId, Path, description = "The recording")),
    responses(
        (status = 200, description = "The recording", body = Recording),
        (status = 404, description = "No such recording", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    caller: Caller,
    Path(id): Path<RecordingId>,
) -> Result<Answer<Recording>, Problem> {
    let found = caller.tenant.recording(id).await?;
    let found = found.ok_or_else(|| Problem::not_found("recording"))?;
    Ok(Answer(found.recording))
}
