//! `POST /api/calls/{id}/transfer`: the customer is sent elsewhere, or somebody is asked to have
//! the call.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use sidetone_room::service;
use sidetone_service::clock;
use sidetone_wire::{
    ActionKind, Call, CallId, Capability, Transfer, TransferKind, TransferMode, TransferStage,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::acts::{self, Refusal};
use super::calls;
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::calls::Destination;
use crate::extract::{Json, Path};
use crate::fallback::USER;
use crate::livekit::{Livekit, side_room};
use crate::problem::{Problem, ProblemBody};
use crate::remote::{self, Order};
use crate::store::{Begun, User};
use crate::tending::rings_until;

/// Where a call is to go, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    /// A number in E.164, a SIP address, or `user:<id>`: that user's browser if attended, their
    /// forwarding number if blind.
    to: String,
    mode: TransferMode,
}

/// Transfer a call
///
/// Blind: the customer's telephone calls the other one. In a LiveKit room the customer stays in
/// the call until that one has answered. At Vapi the agent leaves and the customer is connected;
/// where the target does not answer, what happens is Vapi's affair.
///
/// Attended, in LiveKit rooms: the target is rung, a user in their browser (`transfer-update`), a
/// number through the trunk of `LIVEKIT_SIP_TRUNK_ID`. The caller joins the room of
/// `POST …/transfer/join`, talks to them there, which the customer does not hear, and gives them
/// the call (`…/transfer/complete`) or goes back to the customer (`DELETE …/transfer`). Where it
/// stands is in the call's `transfer`, and each step a `transfer-update`.
#[utoipa::path(
    post, path = "/api/calls/{id}/transfer", tag = "supervision", request_body = NewTransfer,
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "It is under way", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`unsupported_by_upstream`: not this call, or not in this way; `forwarding_number_missing`: the user has none; `trunk_missing`: no trunk to ring telephones is configured; `transfer_running`: another transfer goes on; `control_conflict`: somebody else has the call; or `upstream_unauthorized`, `call_ended`, `call_not_live`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The upstream failed", body = ProblemBody),
        (status = 503, description = "`transfer_unconfirmed`: the gateway did not say that the customer hears nothing of it. It is told again.", body = ProblemBody),
        (status = 504, description = "The upstream did not answer in time", body = ProblemBody),
    ),
)]
pub(crate) async fn transfer(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
    Json(body): Json<NewTransfer>,
) -> Result<Response, Refusal> {
    let to = Target::read(&caller, &body.to, body.mode).await?;
    let caller = Arc::new(caller);
    let request = format!("transfer {id} {} {}", body.mode, body.to);
    let act = send(app.clone(), caller.clone(), id, to, body.mode);
    acts::once(&app, &caller, &headers, &request, act).await
}

/// Whom a call is to go to.
enum Target {
    Away(Destination),
    /// Rung in their browser.
    Colleague(Box<User>),
}

impl Target {
    async fn read(caller: &Caller, to: &str, mode: TransferMode) -> Result<Self, Refusal> {
        let Some(user) = to.trim().strip_prefix(USER) else {
            let message = "is neither a number as +49301234567, a SIP address, nor user:<id>";
            let read = Destination::read(to).map(Self::Away);
            return Ok(read.ok_or_else(|| Problem::invalid_field("to", message))?);
        };
        let found = caller.tenant.user_named(user).await?;
        let found = found.filter(|user| !user.disabled);
        let user =
            found.ok_or_else(|| Problem::invalid_field("to", "is no user of this tenant"))?;
        if mode == TransferMode::Attended {
            return Ok(Self::Colleague(Box::new(user)));
        }
        let number = user.forwarding_number.as_deref();
        let number = number.and_then(Destination::read).map(Self::Away);
        Ok(number.ok_or_else(|| {
            let detail = "the user has no forwarding number that could be called";
            Problem::conflict("forwarding_number_missing", detail)
        })?)
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Away(to) => to.kind(),
            Self::Colleague(_) => "user",
        }
    }
}

async fn send(
    app: Arc<App>,
    caller: Arc<Caller>,
    id: CallId,
    to: Target,
    mode: TransferMode,
) -> Result<Call, Refusal> {
    let note = ("call.transfer", json!({ "mode": mode, "kind": to.kind() }));
    let act = Box::pin(send_noted(&app, &caller, id, to, mode));
    acts::noted(&app, &caller, id, Capability::Transfer, note, act).await?;
    Ok(calls::find(&app, &caller, id).await?)
}

async fn send_noted(
    app: &Arc<App>,
    caller: &Caller,
    id: CallId,
    to: Target,
    mode: TransferMode,
) -> Result<(), Refusal> {
    let call = calls::find(app, caller, id).await?;
    let _turn = app.floors.turn(id).await;
    match (remote::vendor(call.upstream), to, mode) {
        (Some(_), Target::Away(to), TransferMode::Blind) => {
            remote::order(app, id, Order::Transfer { to: &to }).await?;
            let (kind, by) = (ActionKind::TransferCall, caller.author());
            // under this key whoever may not see numbers sees none
            let detail = json!({ "number": to.text(), "mode": mode });
            Ok(caller.tenant.acted(id, kind, &detail, &by, now()).await?)
        }
        (Some(_), ..) => {
            let detail = format!("{} transfers calls blind only", call.upstream);
            Err(Refusal::Unsupported(detail))
        }
        (None, Target::Away(to), TransferMode::Blind) => refer(app, caller, &call, to).await,
        (None, to, _) => ring(app, caller, id, to).await,
    }
}

fn livekit(app: &App) -> Result<&Livekit, Refusal> {
    let why = "LiveKit is not configured: set LIVEKIT_URL";
    let livekit = app.livekit.as_ref();
    livekit.ok_or_else(|| Refusal::Unsupported(why.to_owned()))
}

fn unanswering(error: &service::Error) -> Refusal {
    let (status, code) = (StatusCode::BAD_GATEWAY, "upstream_failed");
    Problem::new(status, code, error.to_string()).into()
}

/// The customer's telephone calls another one.
async fn refer(
    app: &Arc<App>,
    caller: &Caller,
    call: &Call,
    to: Destination,
) -> Result<(), Refusal> {
    let room = call.livekit_room_name.clone().unwrap_or_default();
    let customer = livekit(app)?.caller(&room).await;
    let customer = customer.map_err(|error| unanswering(&error))?;
    let customer = customer.ok_or_else(|| {
        let why = "No customer is in the call by telephone: only telephones can be sent \
            elsewhere. Transfer it attended instead.";
        Refusal::Unsupported(why.to_owned())
    })?;
    let (kind, address) = match &to {
        Destination::Number(number) => (TransferKind::Number, format!("tel:{number}")),
        Destination::Sip(uri) => (TransferKind::Sip, uri.clone()),
    };
    let transfer = Transfer {
        kind,
        number: Some(to.text().to_owned()),
        ..new(caller, TransferMode::Blind, TransferStage::Referring)
    };
    let id = transfer.id;
    begin(app, caller, call.id, transfer).await?;
    app.refer_soon(call.id, id, (room, customer), address);
    Ok(())
}

/// Somebody is rung who may have the call after a word with the caller.
async fn ring(app: &Arc<App>, caller: &Caller, call: CallId, to: Target) -> Result<(), Refusal> {
    let livekit = livekit(app)?;
    let blank = new(caller, TransferMode::Attended, TransferStage::Ringing);
    let (transfer, telephone) = match to {
        Target::Colleague(user) if user.id == caller.identity.user => {
            let message = "is yourself: take the call over instead";
            return Err(Problem::invalid_field("to", message).into());
        }
        Target::Colleague(user) => {
            let name = user.full_name.unwrap_or(user.username);
            let transfer = Transfer {
                user_id: Some(user.id),
                name: Some(name),
                ..blank
            };
            (transfer, None)
        }
        Target::Away(Destination::Number(number)) => {
            let trunk = livekit.trunk.clone().ok_or_else(|| {
                let detail = "no trunk rings telephones: set LIVEKIT_SIP_TRUNK_ID to an outbound \
                    trunk of livekit-sip, or transfer to a colleague";
                Problem::conflict("trunk_missing", detail)
            })?;
            let transfer = Transfer {
                kind: TransferKind::Number,
                number: Some(number.clone()),
                ..blank
            };
            (transfer, Some((number, trunk)))
        }
        Target::Away(Destination::Sip(_)) => {
            let why = "The trunk rings numbers, not SIP addresses: transfer it there blind.";
            return Err(Refusal::Unsupported(why.to_owned()));
        }
    };
    let id = transfer.id;
    let side = side_room(id);
    let opened = livekit.rooms.create_room(&side.room, "").await;
    opened.map_err(|error| unanswering(&error))?;
    begin(app, caller, call, transfer).await?;
    if let Some((number, trunk)) = telephone {
        app.ring_soon(call, id, number, trunk);
    }
    // who has the call is heard in it no more, before they say something
    acts::confirmed(
        app.set_floor(call).await,
        "transfer_unconfirmed",
        "the gateway that holds the call did not confirm that the customer hears nothing of it",
    )
}

fn new(caller: &Caller, mode: TransferMode, stage: TransferStage) -> Transfer {
    Transfer {
        id: clock::new_id(),
        mode,
        stage,
        kind: TransferKind::User,
        number: None,
        user_id: None,
        name: None,
        by: caller.author(),
        since: now(),
        reason: None,
    }
}

async fn begin(
    app: &Arc<App>,
    caller: &Caller,
    call: CallId,
    transfer: Transfer,
) -> Result<(), Refusal> {
    let at = now();
    let session: Uuid = caller.identity.session;
    let begun = caller
        .tenant
        .begin_transfer(call, &transfer, session, rings_until(at), at);
    match begun.await? {
        Begun::Done => {}
        Begun::Running(other) => {
            let detail = format!("{} transfers it already", other.by.name);
            return Err(Problem::conflict("transfer_running", detail).into());
        }
        Begun::Taken(control) => return Err(Refusal::Taken(control)),
        Begun::NotLive => return Err(Refusal::Ended),
    }
    if let Some(tended) = app.store.tended_transfer(call).await? {
        app.tell_transfer(&tended).await;
    }
    Ok(())
}
