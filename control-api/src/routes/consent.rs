//! `PUT /api/calls/{id}/consent`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use sidetone_wire::{Call, CallId, CommandError, Consent};
use tracing::info;
use utoipa::ToSchema;

use super::calls;
use super::pausing::Refusal;
use crate::app::{App, now};
use crate::auth::Supervisor;
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::settling::Unsettled;

/// Whether the customer agrees to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetConsent {
    consent: Consent,
}

/// Note whether the customer agrees to be recorded
///
/// `denied` ends the call's recording and erases what there is of it, except what a legal hold
/// keeps; agreeing later brings nothing back. It can be noted after the call's end too.
#[utoipa::path(
    put, path = "/api/calls/{id}/consent", tag = "recordings",
    params(("id" = CallId, Path, description = "The call")), request_body = SetConsent,
    responses(
        (status = 200, description = "It is noted, and nothing of a denied call is kept any more", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 503, description = "`recording_stop_unconfirmed`: the gateway did not say that it stopped. What it keeps is refused and it is told again.", body = ProblemBody),
    ),
)]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<SetConsent>,
) -> Result<Answer<Call>, Refusal> {
    let turn = app.settling.turn(id).await;
    let (actor, consent) = (caller.actor(), body.consent);
    let noted = caller
        .tenant
        .set_consent(id, consent, &actor, now())
        .await?;
    let denied = noted.ok_or_else(|| Problem::not_found("call"))?;
    info!(call = %id, %consent, by = actor.name, erased = denied.erased.len(), "consent noted");
    if consent == Consent::Denied {
        app.erased(denied.erased).await;
        match app.settle(id).await {
            // nobody records it
            Ok(())
            | Err(Unsettled::Holder(CommandError::NoHolder | CommandError::Unsupported { .. })) => {
            }
            Err(error) => {
                app.tell_call(caller.tenant.id(), id).await;
                let what = "the gateway that holds the call did not confirm that it stopped";
                return Err(Refusal::of(error, "recording_stop_unconfirmed", what));
            }
        }
    }
    drop(turn);
    app.tell_call(caller.tenant.id(), id).await;
    Ok(Answer(calls::find(&app, &caller, id).await?))
}
