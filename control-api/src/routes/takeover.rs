//! `POST /api/calls/{id}/takeover` and `/handback`: who has the call.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use sidetone_wire::{CallId, Capability, ControlAnswer, Role};
use utoipa::ToSchema;

use super::acts::{self, Refusal};
use super::calls;
use crate::app::{App, now};
use crate::auth::{self, Caller};
use crate::calls::Destination;
use crate::control::{Act, Holder, Supervisor};
use crate::extract::{Body, Path};
use crate::floors::Untold;
use crate::problem::{Problem, ProblemBody};
use crate::remote::{self, Order};
use crate::store::Controlled;

impl Caller {
    /// Who they are to a call that they speak in.
    pub(super) fn supervisor(&self) -> Supervisor {
        Supervisor {
            user: self.identity.user,
            session: self.identity.session,
        }
    }

    /// The telephone that they asked to be reached at.
    fn telephone(&self) -> Result<Destination, Problem> {
        let number = self.identity.forwarding_number.as_deref();
        let number = number.and_then(Destination::read);
        number.ok_or_else(|| {
            let detail = "the customer is sent to your telephone: set forwarding_number with \
                PUT /api/me/profile (a number as +49301234567, or a SIP address)";
            Problem::conflict("forwarding_number_missing", detail)
        })
    }
}

/// What the caller knows of what they do. Other fields are ignored.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Takeover {
    /// The agent is gone for good, and the call cannot be handed back: needed where the call has no
    /// capability `hand_back`.
    irreversible: bool,
}

impl Takeover {
    /// A body that is none says nothing.
    fn read(Body(body): &Body) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

/// Take a call over
///
/// In a LiveKit room the customer hears the supervisor's microphone in place of the agent. The
/// listening connection of the session may publish one microphone track from now on. A microphone
/// that does not come within 15 s, or is lost for 5 s, gives the call back. At a vendor the agent
/// is muted, and the customer is sent to the caller's `forwarding_number`, which must be set
/// (`PUT /api/me/profile`). At Retell the agent is gone for good: the takeover needs
/// `irreversible: true`, and a microphone that is armed (`POST …/talk` {mode: armed}) and published;
/// there is no hand back, and the call ends when the supervisor leaves it or is lost. A body is
/// optional elsewhere. Repeating it is harmless.
#[utoipa::path(
    post, path = "/api/calls/{id}/takeover", tag = "supervision", request_body = Option<Takeover>,
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "The caller has the call", body = ControlAnswer),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`control_conflict`: another supervisor has it; `forwarding_number_missing`: the caller has no telephone to send the customer to; `takeover_irreversible`: there is no way back, and the body does not say that the caller knows; or `unsupported_by_upstream`, `upstream_unauthorized`, `call_ended`, `call_not_live`", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway or the upstream failed", body = ProblemBody),
        (status = 504, description = "The gateway or the upstream did not answer in time: the call is given back", body = ProblemBody),
    ),
)]
pub(crate) async fn take_over(
    State(app): State<Arc<App>>,
    auth::Supervisor(caller): auth::Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
    body: Body,
) -> Result<Response, Refusal> {
    taken(&app, caller, &headers, id, Takeover::read(&body)).await
}

/// Take a call over, at the path of older clients
#[utoipa::path(
    post, path = "/api/{client}/calls/{id}/takeover", tag = "supervision",
    request_body = Option<Takeover>,
    params(("client" = String, Path, description = "The caller's own tenant, by slug or id"),
        ("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "The caller has the call", body = ControlAnswer),
        (status = 403, description = "Needs the role supervisor, and the caller's own tenant", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "As of `/api/calls/{id}/takeover`", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway failed", body = ProblemBody),
        (status = 504, description = "The gateway did not answer in time: the call is given back", body = ProblemBody),
    ),
)]
pub(crate) async fn take_over_of(
    State(app): State<Arc<App>>,
    auth::Supervisor(caller): auth::Supervisor,
    headers: HeaderMap,
    Path(path): Path<(String, CallId)>,
    body: Body,
) -> Result<Response, Refusal> {
    taken(&app, caller, &headers, path.1, Takeover::read(&body)).await
}

/// Take a call over, at another path of older clients
#[utoipa::path(
    post, path = "/api/{client}/calls/{id}/force-transfer", tag = "supervision",
    request_body = Option<Takeover>,
    params(("client" = String, Path, description = "The caller's own tenant, by slug or id"),
        ("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "The caller has the call", body = ControlAnswer),
        (status = 403, description = "Needs the role supervisor, and the caller's own tenant", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "As of `/api/calls/{id}/takeover`", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway failed", body = ProblemBody),
        (status = 504, description = "The gateway did not answer in time: the call is given back", body = ProblemBody),
    ),
)]
pub(crate) async fn force_transfer(
    State(app): State<Arc<App>>,
    auth::Supervisor(caller): auth::Supervisor,
    headers: HeaderMap,
    Path(path): Path<(String, CallId)>,
    body: Body,
) -> Result<Response, Refusal> {
    taken(&app, caller, &headers, path.1, Takeover::read(&body)).await
}

async fn taken(
    app: &Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    id: CallId,
    body: Takeover,
) -> Result<Response, Refusal> {
    let caller = Arc::new(caller);
    let act = take(app.clone(), caller.clone(), id, body);
    let known = if body.irreversible {
        " irreversible"
    } else {
        ""
    };
    let request = format!("takeover {id}{known}");
    acts::once(app, &caller, headers, &request, act).await
}

async fn take(
    app: Arc<App>,
    caller: Arc<Caller>,
    id: CallId,
    body: Takeover,
) -> Result<ControlAnswer, Refusal> {
    let (needed, note) = (Capability::Takeover, ("call.takeover", json!({})));
    let act = Box::pin(take_noted(&app, &caller, id, body));
    acts::noted(&app, &caller, id, needed, note, act).await
}

async fn take_noted(
    app: &Arc<App>,
    caller: &Caller,
    id: CallId,
    body: Takeover,
) -> Result<ControlAnswer, Refusal> {
    let upstream = calls::find(app, caller, id).await?.upstream;
    let for_good = remote::has_rooms(upstream);
    if for_good && !body.irreversible {
        let detail = format!(
            "{upstream} ends its agent for good, and the call when you leave it: there is no hand \
             back. Say {{\"irreversible\": true}} to take it over"
        );
        return Err(Problem::conflict("takeover_irreversible", detail).into());
    }
    let reached = match remote::vendor(upstream) {
        Some(_) if !for_good => Some(caller.telephone()?),
        Some(_) | None => None,
    };
    let _turn = app.floors.turn(id).await;
    let (who, author) = (caller.supervisor(), caller.author());
    let taking = caller.tenant.take_over(id, who, &author, now());
    let (control, changed) = match taking.await? {
        Controlled::Changed(control) => (control, true),
        Controlled::Same(control) => (control, false),
        Controlled::Refused(control) => return Err(Refusal::Taken(control)),
        Controlled::SessionOver => return Err(Refusal::SessionOver),
        Controlled::NotLive => return Err(Refusal::Ended),
    };
    if changed && for_good {
        // its vendor tells of the end of the agent's part before we hear that it is ours
        app.store.hand_over(id).await?;
    }
    let mut done = app.set_floor(id).await;
    if changed
        && done.is_ok()
        && let Some(to) = &reached
    {
        let sent = remote::order(app, id, Order::Transfer { to }).await;
        done = sent.map_err(Untold::from);
    }
    if let Err(error) = done {
        // nobody would hear them: the agent keeps the call
        let back = Act::Lost(Holder::Supervisor(who));
        if changed && let Err(error) = caller.tenant.hand_back(id, back, now()).await {
            return Err(error.into());
        }
        if changed && for_good {
            app.keep(id).await?;
        }
        app.set_floor_soon(id);
        return Err(error.into());
    }
    if changed {
        let by = who.user.to_string();
        let tenant = caller.tenant.id();
        app.tell_control(tenant, id, control.clone(), &by).await;
    }
    Ok(ControlAnswer { control })
}

/// Give a call back to the agent
///
/// By who has it; an admin gives it back on behalf of whoever has it. Everybody is heard again as
/// before. Harmless when the agent has it.
#[utoipa::path(
    post, path = "/api/calls/{id}/handback", tag = "supervision",
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "The agent has the call", body = ControlAnswer),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`control_conflict`: another supervisor has it; or `unsupported_by_upstream`, `call_ended`", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 503, description = "`hand_back_unconfirmed`: the gateway did not say that the agent is heard. It is told again.", body = ProblemBody),
    ),
)]
pub(crate) async fn hand_back(
    State(app): State<Arc<App>>,
    auth::Supervisor(caller): auth::Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
) -> Result<Response, Refusal> {
    let caller = Arc::new(caller);
    let act = give(app.clone(), caller.clone(), id);
    acts::once(&app, &caller, &headers, &format!("handback {id}"), act).await
}

async fn give(app: Arc<App>, caller: Arc<Caller>, id: CallId) -> Result<ControlAnswer, Refusal> {
    let (needed, note) = (Capability::HandBack, ("call.handback", json!({})));
    let act = Box::pin(give_noted(&app, &caller, id));
    acts::noted(&app, &caller, id, needed, note, act).await
}

async fn give_noted(app: &Arc<App>, caller: &Caller, id: CallId) -> Result<ControlAnswer, Refusal> {
    let _turn = app.floors.turn(id).await;
    let by = caller.identity.user;
    let act = Act::HandBack {
        by,
        any: caller.identity.role == Role::Admin,
    };
    let control = match caller.tenant.hand_back(id, act, now()).await? {
        Controlled::Changed(control) => {
            let tenant = caller.tenant.id();
            let told = control.clone();
            app.tell_control(tenant, id, told, &by.to_string()).await;
            control
        }
        Controlled::Same(control) => return Ok(ControlAnswer { control }),
        Controlled::Refused(control) => return Err(Refusal::Taken(control)),
        Controlled::SessionOver => return Err(Refusal::SessionOver),
        Controlled::NotLive => return Err(Refusal::Ended),
    };
    acts::confirmed(
        app.set_floor(id).await,
        "hand_back_unconfirmed",
        "the gateway that holds the call did not confirm that the agent is heard",
    )?;
    Ok(ControlAnswer { control })
}
