//! `POST /api/calls/{id}/recording/pause` and `/resume`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sidetone_wire::{Call, CallId, CommandError};
use tracing::info;
use utoipa::ToSchema;

use super::calls;
use crate::app::{App, now};
use crate::auth::Supervisor;
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::settling::Unsettled;
use crate::store::{self, Actor, Pause, Tenant};

/// Characters of a reason, at most.
pub(super) const REASON_MAX: usize = 500;
/// Seconds of a pause that ends by itself, at most: longer than any collection of card data.
pub(super) const RESUME_AFTER_MAX: u32 = 3600;

/// Why and how long.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PauseRecording {
    /// At most 500 characters; kept in the audit log.
    reason: Option<String>,
    /// 1 to 3600: the pause then ends by itself. Missing: as the tenant's policy says.
    resume_after_seconds: Option<u32>,
}

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeRecording {
    /// At most 500 characters; kept in the audit log.
    reason: Option<String>,
}

/// Why it is not known to be so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Caller(#[from] Problem),
    #[error("the call has ended")]
    Ended,
    #[error("no gateway holds the call now; whoever takes it will do as asked")]
    NotLive,
    #[error("the call's upstream is not recorded here: {0}")]
    Unsupported(String),
    #[error("{what}; it is told again until it answers ({why})")]
    Unconfirmed {
        what: &'static str,
        code: &'static str,
        why: CommandError,
    },
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Refusal {
    /// What became of telling the holder. `code` and `what` are for when that is not known.
    pub(super) fn of(unsettled: Unsettled, code: &'static str, what: &'static str) -> Self {
        match unsettled {
            Unsettled::Holder(CommandError::NoHolder) => Self::NotLive,
            Unsettled::Holder(CommandError::Unsupported { detail }) => Self::Unsupported(detail),
            Unsettled::Holder(why) => Self::Unconfirmed { what, code, why },
            Unsettled::Store(error) => Self::Store(error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::Caller(problem) => problem,
            Self::Ended => Problem::conflict("call_ended", detail),
            Self::NotLive => Problem::conflict("call_not_live", detail),
            Self::Unsupported(_) => Problem::conflict("unsupported_by_upstream", detail),
            Self::Unconfirmed { code, .. } => Problem::unavailable(code, detail),
            Self::Store(error) => error.into(),
        }
        .into_response()
    }
}

/// Pause a call's recording
///
/// A 200 means that nothing that is said from now on is kept, also if a process dies. Repeating
/// it is harmless; it replaces who paused and when the pause ends by itself.
#[utoipa::path(
    post, path = "/api/calls/{id}/recording/pause", tag = "recordings",
    params(("id" = CallId, Path, description = "The call")), request_body = PauseRecording,
    responses(
        (status = 200, description = "Nothing is kept from now on", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "It has ended, or no gateway holds it: see `code`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 503, description = "`recording_pause_unconfirmed`: the gateway did not say that it paused. The pause stays and is told again.", body = ProblemBody),
    ),
)]
pub(crate) async fn pause(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<PauseRecording>,
) -> Result<Answer<Call>, Refusal> {
    let reason = reason(body.reason)?;
    seconds("resumeAfterSeconds", body.resume_after_seconds)?;
    calls::find(&app, &caller, id).await?;
    let pause = Pause {
        actor: caller.actor(),
        reason,
        resume_after_seconds: body.resume_after_seconds,
        at: now(),
        trusted: app.trusted(),
    };
    pause_call(&app, &caller.tenant, id, &pause).await?;
    Ok(Answer(calls::find(&app, &caller, id).await?))
}

/// Resume a call's recording
///
/// Repeating it is harmless.
#[utoipa::path(
    post, path = "/api/calls/{id}/recording/resume", tag = "recordings",
    params(("id" = CallId, Path, description = "The call")), request_body = ResumeRecording,
    responses(
        (status = 200, description = "It is kept again", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "It has ended, or no gateway holds it: see `code`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 503, description = "`recording_resume_unconfirmed`: the gateway did not say that it keeps the call again. It is told again.", body = ProblemBody),
    ),
)]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<ResumeRecording>,
) -> Result<Answer<Call>, Refusal> {
    let reason = reason(body.reason)?;
    calls::find(&app, &caller, id).await?;
    resume_call(&app, &caller.tenant, id, &caller.actor(), reason.as_deref()).await?;
    Ok(Answer(calls::find(&app, &caller, id).await?))
}

/// Pauses in the database, then where the call is.
pub(super) async fn pause_call(
    app: &App,
    tenant: &Tenant,
    call: CallId,
    pause: &Pause,
) -> Result<(), Refusal> {
    let _turn = app.settling.turn(call).await;
    if !tenant.pause(call, pause).await? {
        return Err(Refusal::Ended);
    }
    info!(%call, by = pause.actor.name, "recording paused");
    let settled = app.settle(call).await;
    app.tell_call(tenant.id(), call).await;
    let what = "the gateway that holds the call did not confirm the pause";
    settled.map_err(|error| Refusal::of(error, "recording_pause_unconfirmed", what))
}

/// Resumes in the database, then where the call is.
pub(super) async fn resume_call(
    app: &App,
    tenant: &Tenant,
    call: CallId,
    actor: &Actor,
    reason: Option<&str>,
) -> Result<(), Refusal> {
    let _turn = app.settling.turn(call).await;
    if !tenant.resume(call, actor, reason, now()).await? {
        return Err(Refusal::Ended);
    }
    info!(%call, by = actor.name, "recording resumed");
    let settled = app.settle(call).await;
    app.tell_call(tenant.id(), call).await;
    let what = "the gateway that holds the call did not confirm that it keeps it again";
    settled.map_err(|error| Refusal::of(error, "recording_resume_unconfirmed", what))
}

/// A reason without blanks around it; an empty one is none.
pub(super) fn reason(reason: Option<String>) -> Result<Option<String>, Problem> {
    let Some(reason) = reason else {
        return Ok(None);
    };
    let reason = reason.trim();
    if reason.chars().count() > REASON_MAX {
        let message = "has more than 500 characters";
        return Err(Problem::invalid_field("reason", message));
    }
    Ok((!reason.is_empty()).then(|| reason.to_owned()))
}

/// The seconds after which a pause ends by itself.
pub(super) fn seconds(field: &str, seconds: Option<u32>) -> Result<(), Problem> {
    match seconds {
        Some(seconds) if !(1..=RESUME_AFTER_MAX).contains(&seconds) => {
            Err(Problem::invalid_field(field, "is not between 1 and 3600"))
        }
        Some(_) | None => Ok(()),
    }
}
