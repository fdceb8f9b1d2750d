//! `POST /api/calls/{id}/transfer`: the customer is sent elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use sidetone_wire::{ActionKind, Call, CallId, Capability, TransferMode, UserId};
use utoipa::ToSchema;

use super::acts::{self, Refusal};
use super::calls;
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::calls::Destination;
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::remote::{self, Order};

/// Names a user of the tenant.
const USER: &str = "user:";

/// Where a call is to go, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    /// A number in E.164, a SIP address, or `user:<id>`: that user's forwarding number.
    to: String,
    mode: TransferMode,
}

/// Transfer a call
///
/// Blind transfers of calls at Vapi: the agent leaves, and the customer is connected. Where the
/// target does not answer, what happens is the upstream's affair.
#[utoipa::path(
    post, path = "/api/calls/{id}/transfer", tag = "supervision", request_body = Transfer,
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "The upstream transfers it", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`unsupported_by_upstream`: not this call, or not in this way; `forwarding_number_missing`: the user has none; or `upstream_unauthorized`, `call_ended`, `call_not_live`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The upstream failed", body = ProblemBody),
        (status = 504, description = "The upstream did not answer in time", body = ProblemBody),
    ),
)]
pub(crate) async fn transfer(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
    Json(body): Json<Transfer>,
) -> Result<Response, Refusal> {
    let to = destination(&caller, &body.to).await?;
    let caller = Arc::new(caller);
    let request = format!("transfer {id} {} {}", body.mode, body.to);
    let act = send(app.clone(), caller.clone(), id, to, body.mode);
    acts::once(&app, &caller, &headers, &request, act).await
}

/// Where a call goes that is sent to `to`.
async fn destination(caller: &Caller, to: &str) -> Result<Destination, Refusal> {
    let Some(user) = to.trim().strip_prefix(USER) else {
        let message = "is neither a number as +49301234567, a SIP address, nor user:<id>";
        let read = Destination::read(to);
        return Ok(read.ok_or_else(|| Problem::invalid_field("to", message))?);
    };
    let found = match user.parse::<UserId>() {
        Ok(user) => caller.tenant.user(user).await?,
        Err(_) => None,
    };
    let user = found.ok_or_else(|| Problem::invalid_field("to", "is no user of this tenant"))?;
    let number = user.forwarding_number.as_deref();
    let number = number.and_then(Destination::read);
    Ok(number.ok_or_else(|| {
        let detail = "the user has no forwarding number that could be called";
        Problem::conflict("forwarding_number_missing", detail)
    })?)
}

async fn send(
    app: Arc<App>,
    caller: Arc<Caller>,
    id: CallId,
    to: Destination,
    mode: TransferMode,
) -> Result<Call, Refusal> {
    let note = ("call.transfer", json!({ "mode": mode, "kind": to.kind() }));
    let act = Box::pin(send_noted(&app, &caller, id, &to, mode));
    acts::noted(&app, &caller, id, Capability::Transfer, note, act).await?;
    Ok(calls::find(&app, &caller, id).await?)
}

async fn send_noted(
    app: &App,
    caller: &Caller,
    id: CallId,
    to: &Destination,
    mode: TransferMode,
) -> Result<(), Refusal> {
    let upstream = calls::find(app, caller, id).await?.upstream;
    if mode == TransferMode::Attended {
        let detail = format!("{upstream} transfers calls blind only");
        return Err(Refusal::Unsupported(detail));
    }
    let _turn = app.floors.turn(id).await;
    remote::order(app, id, Order::Transfer { to }).await?;
    let (kind, by) = (ActionKind::TransferCall, caller.author());
    // under this key whoever may not see numbers sees none
    let detail = json!({ "number": to.text(), "mode": mode });
    let noted = caller.tenant.acted(id, kind, &detail, &by, now());
    Ok(noted.await?)
}
