//! `POST /api/calls/{id}/transfer/join` and `/complete`, `DELETE /api/calls/{id}/transfer`: a word
//! with whom a call is transferred to, and what comes of it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use sidetone_wire::{
    Call, CallId, Capability, ControlAnswer, Role, Transfer, TransferSeat, TransferStage,
};
use tracing::debug;

use super::acts::{self, Refusal};
use super::calls;
use crate::app::{App, now};
use crate::auth::{Agent, Caller, Supervisor};
use crate::control::Act;
use crate::extract::Path;
use crate::livekit::{side_author, side_room};
use crate::problem::{Problem, ProblemBody};
use crate::store::{Controlled, Occurrence, Tended};
use crate::transfer::Happening;

/// What the caller is to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// They transfer the call.
    Author,
    /// They are asked to have it.
    Target,
}

fn part(caller: &Caller, transfer: &Transfer) -> Option<Part> {
    let user = caller.identity.user;
    if transfer.by.user_id == user {
        return Some(Part::Author);
    }
    (transfer.user_id == Some(user)).then_some(Part::Target)
}

/// The call's transfer as far as there is something to be done about it, and the call is the
/// caller's tenant's.
async fn tended(app: &App, caller: &Caller, id: CallId) -> Result<Tended, Refusal> {
    calls::find(app, caller, id).await?;
    let found = app.store.tended_transfer(id).await?;
    let there =
        found.filter(|found| !found.over && (found.transfer.stage.is_open() || found.holds()));
    Ok(there.ok_or_else(|| {
        let detail = "the call is not being transferred, or not any more";
        Problem::conflict("transfer_over", detail)
    })?)
}

fn not_theirs(transfer: &Transfer) -> Refusal {
    let detail = format!("{} transfers this call", transfer.by.name);
    Problem::forbidden("transfer_of_another", detail).into()
}

/// Talk about a transfer
///
/// By whoever transfers, and by the user who is asked to have the call, who answers by this. Join
/// `room` with `token` and publish the microphone: the two hear each other, and the customer hears
/// neither. Whoever transfers and is not there for 15 s goes back to the customer.
#[utoipa::path(
    post, path = "/api/calls/{id}/transfer/join", tag = "supervision",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "Where to talk", body = TransferSeat),
        (status = 403, description = "Needs the role agent, and to be one of the two", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`transfer_over`: there is no attended transfer, or it is decided", body = ProblemBody),
    ),
)]
pub(crate) async fn join(
    State(app): State<Arc<App>>,
    Agent(caller): Agent,
    Path(id): Path<CallId>,
) -> Result<Answer<TransferSeat>, Refusal> {
    let tended = tended(&app, &caller, id).await?;
    let transfer = &tended.transfer;
    let part = part(&caller, transfer).ok_or_else(|| not_theirs(transfer))?;
    let mut is_open = match transfer.stage {
        TransferStage::Ringing | TransferStage::Talking => true,
        // whom it was given to comes back
        TransferStage::Completed => part == Part::Target,
        TransferStage::Referring
        | TransferStage::Returned
        | TransferStage::Refused
        | TransferStage::Unanswered
        | TransferStage::Failed
        | TransferStage::Abandoned => false,
    };
    if part == Part::Target && transfer.stage == TransferStage::Ringing {
        let what = Occurrence {
            happening: Happening::Answered,
            actor: &caller.actor(),
            reason: None,
            session: Some(caller.identity.session),
        };
        is_open = app.transfer_happens(id, transfer.id, what).await?;
    }
    let livekit = app.livekit.as_ref().filter(|_| is_open);
    let livekit = livekit.ok_or_else(|| {
        let detail = "there is nobody to talk to about a transfer of this call";
        Problem::conflict("transfer_over", detail)
    })?;
    let side = side_room(transfer.id);
    let identity = match part {
        Part::Author => side_author(transfer.id),
        Part::Target => side.listener,
    };
    let token = livekit.side_token(&side.room, &identity, caller.identity.name());
    Ok(Answer(TransferSeat {
        url: livekit.ws_url().to_owned(),
        token: token.map_err(|error| Refusal::Failed(error.to_string()))?,
        room: side.room,
    }))
}

/// Give a call to whom it is transferred to
///
/// After they have answered, by whoever transfers; an admin does it on their behalf. From now on
/// they hear the customer, and the customer hears them in place of the agent. Whoever transferred
/// leaves. When they hang up the agent has the call again.
#[utoipa::path(
    post, path = "/api/calls/{id}/transfer/complete", tag = "supervision",
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "They have the call", body = ControlAnswer),
        (status = 403, description = "Needs the role supervisor, and to be who transfers", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`transfer_over`; `transfer_unanswered`: they have not answered yet; `control_conflict`: somebody else has the call; or `unsupported_by_upstream`, `call_ended`, `call_not_live`", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway failed", body = ProblemBody),
        (status = 504, description = "The gateway did not answer in time: nothing has changed", body = ProblemBody),
    ),
)]
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
) -> Result<Response, Refusal> {
    let caller = Arc::new(caller);
    let act = merge(app.clone(), caller.clone(), id);
    let request = format!("transfer-complete {id}");
    acts::once(&app, &caller, &headers, &request, act).await
}

async fn merge(app: Arc<App>, caller: Arc<Caller>, id: CallId) -> Result<ControlAnswer, Refusal> {
    let note = ("call.transfer.complete", json!({}));
    let act = Box::pin(merge_noted(&app, &caller, id));
    acts::noted(&app, &caller, id, Capability::Listen, note, act).await
}

async fn merge_noted(
    app: &Arc<App>,
    caller: &Caller,
    id: CallId,
) -> Result<ControlAnswer, Refusal> {
    let _turn = app.floors.turn(id).await;
    let tended = tended(app, caller, id).await?;
    let transfer = &tended.transfer;
    let is_admin = caller.identity.role == Role::Admin;
    if part(caller, transfer) != Some(Part::Author) && !is_admin {
        return Err(not_theirs(transfer));
    }
    match transfer.stage {
        TransferStage::Talking | TransferStage::Completed => {}
        TransferStage::Ringing => {
            let detail = "they have not answered yet: wait, or go back to the customer";
            return Err(Problem::conflict("transfer_unanswered", detail).into());
        }
        TransferStage::Referring
        | TransferStage::Returned
        | TransferStage::Refused
        | TransferStage::Unanswered
        | TransferStage::Failed
        | TransferStage::Abandoned => {
            let detail = "there is nobody to give the call to";
            return Err(Problem::conflict("transfer_over", detail).into());
        }
    }
    let (tenant, by) = (&caller.tenant, transfer.by.user_id);
    let control = match app.pass_on(&tended, by).await? {
        Controlled::Changed(control) => control,
        Controlled::Same(control) => return Ok(ControlAnswer { control }),
        Controlled::Refused(control) => return Err(Refusal::Taken(control)),
        Controlled::SessionOver => return Err(Refusal::SessionOver),
        Controlled::NotLive => return Err(Refusal::Ended),
    };
    let what = Occurrence {
        happening: Happening::Completed,
        actor: &caller.actor(),
        reason: None,
        session: None,
    };
    app.transfer_happens(id, transfer.id, what).await?;
    let by = caller.identity.user.to_string();
    app.tell_control(tenant.id(), id, control.clone(), &by)
        .await;
    dismiss(app, transfer).await;
    Ok(ControlAnswer { control })
}

/// Whoever transferred a call leaves whom they talked with alone with the customer.
async fn dismiss(app: &App, transfer: &Transfer) {
    let Some(livekit) = &app.livekit else { return };
    let (room, author) = (side_room(transfer.id).room, side_author(transfer.id));
    if let Err(error) = livekit.rooms.remove_participant(&room, &author).await {
        debug!(room, %error, "whoever transferred a call has left already");
    }
}

/// Take a transfer back
///
/// By whoever transfers, or by another supervisor: they go back to the customer, and whoever was
/// rung is hung up. By the user who is asked: they do not want the call, or give it back to the
/// agent when they have it. A blind transfer cannot be taken back.
#[utoipa::path(
    delete, path = "/api/calls/{id}/transfer", tag = "supervision",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The call as it is now", body = Call),
        (status = 403, description = "Needs the role agent, and to be who is asked or a supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`transfer_over`: there is none, or it is decided; or `unsupported_by_upstream`: a blind one", body = ProblemBody),
    ),
)]
pub(crate) async fn take_back(
    State(app): State<Arc<App>>,
    Agent(caller): Agent,
    Path(id): Path<CallId>,
) -> Result<Answer<Call>, Refusal> {
    let _turn = app.floors.turn(id).await;
    let tended = tended(&app, &caller, id).await?;
    let transfer = &tended.transfer;
    let happening = match part(&caller, transfer) {
        Some(Part::Target) => Happening::Refused,
        Some(Part::Author) => Happening::Returned,
        None if caller.may(Role::Supervisor) => Happening::Returned,
        None => return Err(not_theirs(transfer)),
    };
    if transfer.stage == TransferStage::Referring {
        let why = "A blind transfer cannot be taken back: the customer's telephone is calling.";
        return Err(Refusal::Unsupported(why.to_owned()));
    }
    let over = || {
        let detail = "the transfer was decided meanwhile";
        Problem::conflict("transfer_over", detail)
    };
    if tended.holds() {
        give_back(&app, &caller, &tended).await?;
    } else {
        let what = Occurrence {
            happening,
            actor: &caller.actor(),
            reason: None,
            session: None,
        };
        if !app.transfer_happens(id, transfer.id, what).await? {
            return Err(over().into());
        }
    }
    app.tending.notify_one();
    Ok(Answer(calls::find(&app, &caller, id).await?))
}

/// Whom a call was transferred to has it no more: the agent does.
async fn give_back(app: &Arc<App>, caller: &Caller, tended: &Tended) -> Result<(), Refusal> {
    let act = Act::Lost(tended.holder);
    let (tenant, id) = (&caller.tenant, tended.call);
    let (actor, subject) = (caller.actor(), crate::store::Subject::Call(id));
    let (action, detail) = ("call.handback", json!({ "from": tended.holder.word() }));
    let noted = tenant.note(&actor, action, subject, &detail, now());
    noted.await?;
    if let Controlled::Changed(control) = tenant.hand_back(id, act, now()).await? {
        let by = caller.identity.user.to_string();
        app.tell_control(tenant.id(), id, control, &by).await;
        app.set_floor_soon(id);
    }
    Ok(())
}
