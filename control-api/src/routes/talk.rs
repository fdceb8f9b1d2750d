//! `POST /api/calls/{id}/talk`, `/mute` and `/end`: who speaks, who is heard, and no more.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sidetone_wire::{
    ActionKind, Call, CallId, Capability, Command, Party, Seat, TalkMode, Talking, WatchMode,
};
use utoipa::ToSchema;

use super::acts::{self, Refusal};
use super::calls;
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::control::Holder;
use crate::extract::{Json, Path};
use crate::livekit::monitor_room;
use crate::problem::{Problem, ProblemBody};
use crate::remote::{self, Order};

/// To whom the caller speaks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Talk {
    mode: TalkMode,
}

/// Who is to be heard, or not.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mute {
    /// `customer` or `agent`.
    party: Party,
    muted: bool,
}

/// Speak in a call
///
/// `whisper` is heard by the agents alone, `barge` by everybody, `off` by nobody. The first of
/// them arms the microphone: the listening connection of the session may publish one microphone
/// track. `armed` does only that, so that the next switch takes no time. A minute after `off` it
/// is disarmed. Who has the call speaks to everybody; `whisper` is then an aside to the agents.
#[utoipa::path(
    post, path = "/api/calls/{id}/talk", tag = "supervision", request_body = Talk,
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "It is so", body = Talking),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`unsupported_by_upstream`, `call_ended` or `call_not_live`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway failed", body = ProblemBody),
        (status = 504, description = "The gateway did not answer in time", body = ProblemBody),
    ),
)]
pub(crate) async fn talk(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
    Json(body): Json<Talk>,
) -> Result<Response, Refusal> {
    let caller = Arc::new(caller);
    let act = speak(app.clone(), caller.clone(), id, body.mode);
    let request = format!("talk {id} {}", body.mode);
    acts::once(&app, &caller, &headers, &request, act).await
}

async fn speak(
    app: Arc<App>,
    caller: Arc<Caller>,
    id: CallId,
    mode: TalkMode,
) -> Result<Talking, Refusal> {
    let needed = match mode {
        TalkMode::Whisper => Capability::WhisperVoice,
        TalkMode::Armed => {
            let upstream = calls::find(&app, &caller, id).await?.upstream;
            if remote::has_rooms(upstream) {
                // there the microphone is for a takeover alone
                Capability::Takeover
            } else {
                Capability::Barge
            }
        }
        TalkMode::Barge => Capability::Barge,
        // whoever speaks may always stop
        TalkMode::Off => Capability::Listen,
    };
    let note = ("call.talk", json!({ "mode": mode }));
    let act = Box::pin(speak_noted(&app, &caller, id, mode));
    acts::noted(&app, &caller, id, needed, note, act).await
}

async fn speak_noted(
    app: &Arc<App>,
    caller: &Caller,
    id: CallId,
    mode: TalkMode,
) -> Result<Talking, Refusal> {
    let _turn = app.floors.turn(id).await;
    let who = &caller.identity;
    let seat = Seat {
        monitor: monitor_room(who.user, who.session),
        name: who.name().to_owned(),
    };
    let wanted = app.store.wanted_floor(id).await?.ok_or(Refusal::Ended)?;
    let has_it = wanted.state.holder.session() == Some(who.session);
    let watches = match (has_it, mode) {
        (true, _) => WatchMode::Takeover,
        (false, TalkMode::Off | TalkMode::Armed) => WatchMode::Listen,
        (false, TalkMode::Whisper) => WatchMode::Whisper,
        (false, TalkMode::Barge) => WatchMode::Barge,
    };
    let author = caller.author();
    // before it is done: a session that has ended speaks to nobody
    let speaking = caller
        .tenant
        .speaks(id, who.session, watches, &author, now());
    if !speaking.await? {
        let session = app.store.session(who.session, now()).await?;
        return Err(session.map_or(Refusal::SessionOver, |_| Refusal::Ended));
    }
    let command = Command::Talk {
        call: id,
        seat,
        mode,
    };
    let told = app.fleet.command(id, command).await;
    if told.is_err() && !has_it {
        let session = who.session;
        let listens = WatchMode::Listen;
        let noted = caller.tenant.speaks(id, session, listens, &author, now());
        noted.await?;
    }
    app.tell_call(caller.tenant.id(), id).await;
    told?;
    let holds = matches!(wanted.state.holder, Holder::Supervisor(_)) && has_it;
    Ok(Talking { mode, holds })
}

/// Mute a party, or let it be heard again
///
/// Nobody else in the call hears a muted party; supervisors may.
#[utoipa::path(
    post, path = "/api/calls/{id}/mute", tag = "supervision", request_body = Mute,
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "It is so", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`unsupported_by_upstream`, `call_ended` or `call_not_live`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 503, description = "`mute_unconfirmed`: the gateway did not say that it is so. It is told again.", body = ProblemBody),
    ),
)]
pub(crate) async fn mute(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
    Json(body): Json<Mute>,
) -> Result<Response, Refusal> {
    let caller = Arc::new(caller);
    let act = silence(app.clone(), caller.clone(), id, body);
    let request = format!("mute {id} {} {}", body.party, body.muted);
    acts::once(&app, &caller, &headers, &request, act).await
}

async fn silence(
    app: Arc<App>,
    caller: Arc<Caller>,
    id: CallId,
    body: Mute,
) -> Result<Call, Refusal> {
    let needed = match body.party {
        Party::Customer => Capability::MuteCustomer,
        Party::Agent => Capability::MuteAgent,
        Party::Supervisor => {
            let message = "is neither customer nor agent";
            return Err(Problem::invalid_field("party", message).into());
        }
    };
    let upstream = calls::find(&app, &caller, id).await?.upstream;
    // whoever is muted may be heard again also when it is not there now
    let needed = if body.muted || remote::vendor(upstream).is_some() {
        needed
    } else {
        Capability::Listen
    };
    let note = ("call.muted", json!(body));
    let act = Box::pin(silence_noted(&app, &caller, id, body));
    acts::noted(&app, &caller, id, needed, note, act).await?;
    Ok(calls::find(&app, &caller, id).await?)
}

async fn silence_noted(
    app: &Arc<App>,
    caller: &Caller,
    id: CallId,
    Mute { party, muted }: Mute,
) -> Result<(), Refusal> {
    let _turn = app.floors.turn(id).await;
    let tenant = &caller.tenant;
    let now_muted = tenant.mute(id, party, muted, now()).await?;
    now_muted.ok_or(Refusal::Ended)?;
    let told = app.set_floor(id).await;
    app.tell_call(tenant.id(), id).await;
    let what = "the gateway that holds the call did not confirm who is muted";
    acts::confirmed(told, "mute_unconfirmed", what)
}

/// End a call
///
/// For everybody in it. The call's end is told by `call_ended` as any other.
#[utoipa::path(
    post, path = "/api/calls/{id}/end", tag = "supervision",
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "It is ending", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`unsupported_by_upstream`, `upstream_unauthorized`, `connection_incomplete`, `call_ended` or `call_not_live`", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway or the upstream failed", body = ProblemBody),
        (status = 504, description = "The gateway or the upstream did not answer in time", body = ProblemBody),
    ),
)]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
) -> Result<Response, Refusal> {
    let caller = Arc::new(caller);
    let act = hang_up(app.clone(), caller.clone(), id);
    acts::once(&app, &caller, &headers, &format!("end {id}"), act).await
}

async fn hang_up(app: Arc<App>, caller: Arc<Caller>, id: CallId) -> Result<Call, Refusal> {
    let note = ("call.ended", json!({}));
    let act = Box::pin(async {
        let call = calls::find(&app, &caller, id).await?;
        // a vendor's agent that is gone ends nothing
        let held = remote::has_rooms(call.upstream) && call.control.holder != "agent";
        if remote::vendor(call.upstream).is_some() && !held {
            remote::order(&app, id, Order::End).await?;
        } else {
            let command = Command::EndCall { call: id };
            app.fleet.command(id, command).await?;
        }
        let (kind, detail, by) = (ActionKind::EndCall, json!({}), caller.author());
        let noted = caller.tenant.acted(id, kind, &detail, &by, now());
        Ok(noted.await?)
    });
    acts::noted(&app, &caller, id, Capability::End, note, act).await?;
    Ok(calls::find(&app, &caller, id).await?)
}
