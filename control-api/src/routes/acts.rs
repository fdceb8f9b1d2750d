//! What all acts on a live call have in common: who may, on what, how often, and once.

use std::future::Future;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sidetone_service::clock;
use sidetone_wire::{CallId, Capability, CommandError, Control};
use tracing::warn;

use super::calls;
use crate::app::{App, now};
use crate::audit::{self, Outcome};
use crate::auth::Caller;
use crate::floors::Untold;
use crate::problem::Problem;
use crate::remote::Trouble;
use crate::store::{self, Once, Subject};

/// Names an act for whoever may have to repeat it.
pub(super) const KEY: &str = "idempotency-key";
/// Characters of a key, at most.
const KEY_MAX: usize = 255;

/// Why it is not done, or not known to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Caller(#[from] Problem),
    #[error("the call has ended")]
    Ended,
    #[error("{0}")]
    Unsupported(String),
    #[error("{} has the call", .0.holder_name.as_deref().unwrap_or("another supervisor"))]
    Taken(Control),
    #[error("no gateway holds the call now: it has ended or is being taken over; try again")]
    NotLive,
    #[error("the gateway that holds the call did not answer in time")]
    TimedOut,
    #[error("the gateway that holds the call has too much to do")]
    Overloaded,
    #[error("the gateway could not do it: {0}")]
    Failed(String),
    #[error("{what}; it is told again until it answers ({why})")]
    Unconfirmed {
        what: &'static str,
        code: &'static str,
        why: String,
    },
    #[error(transparent)]
    Remote(#[from] Trouble),
    #[error("the session has ended meanwhile")]
    SessionOver,
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NoHolder => Self::NotLive,
            CommandError::TimedOut => Self::TimedOut,
            CommandError::Overloaded => Self::Overloaded,
            CommandError::Unsupported { detail } => Self::Unsupported(detail),
            CommandError::Failed { detail } => Self::Failed(detail),
        }
    }
}

impl From<Untold> for Refusal {
    fn from(error: Untold) -> Self {
        match error {
            Untold::Holder(error) => error.into(),
            Untold::Remote(trouble) => trouble.into(),
            Untold::Store(error) => Self::Store(error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::Caller(problem) => problem,
            Self::Ended => Problem::conflict("call_ended", detail),
            Self::Unsupported(_) => Problem::conflict("unsupported_by_upstream", detail),
            Self::Taken(_) => Problem::conflict("control_conflict", detail),
            Self::NotLive => Problem::conflict("call_not_live", detail),
            Self::TimedOut => Problem::new(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", detail),
            Self::Overloaded => Problem::unavailable("gateway_overloaded", detail),
            Self::Failed(_) => Problem::new(StatusCode::BAD_GATEWAY, "gateway_failed", detail),
            Self::Unconfirmed { code, .. } => Problem::unavailable(code, detail),
            Self::Remote(trouble) => not_done(trouble, detail),
            Self::SessionOver => Problem::unauthenticated(&detail),
            Self::Store(error) => error.into(),
        }
        .into_response()
    }
}

/// Why a vendor did not do it, for whoever asked.
fn not_done(trouble: Trouble, detail: String) -> Problem {
    match trouble {
        Trouble::Gone(_) => Problem::conflict("call_not_live", detail),
        Trouble::Unauthorized(_) => Problem::conflict("upstream_unauthorized", detail),
        Trouble::NoKey(..) => Problem::conflict("connection_incomplete", detail),
        Trouble::Unable(_) => Problem::conflict("unsupported_by_upstream", detail),
        Trouble::Refused(..) => Problem::new(StatusCode::BAD_GATEWAY, "upstream_refused", detail),
        Trouble::Failed(..) | Trouble::Unreachable(_) => {
            Problem::new(StatusCode::BAD_GATEWAY, "upstream_failed", detail)
        }
        Trouble::Silent(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", detail),
        Trouble::Store(error) => error.into(),
    }
}

/// A call to act on: the caller's tenant's, not ended, and its upstream can do that now.
async fn able(app: &App, caller: &Caller, id: CallId, needed: Capability) -> Result<(), Refusal> {
    let call = calls::find(app, caller, id).await?;
    if call.ended_at.is_some() {
        return Err(Refusal::Ended);
    }
    if !call.capabilities.contains(&needed) {
        let upstream = call.upstream;
        let why = call.incapable.get(&needed).cloned();
        let detail = format!("{needed} is not possible now on a call at {upstream}");
        return Err(Refusal::Unsupported(why.unwrap_or(detail)));
    }
    Ok(())
}

/// What became of telling the holder what stays as it is wished: it is told until it answers.
pub(super) fn confirmed(
    told: Result<(), Untold>,
    code: &'static str,
    what: &'static str,
) -> Result<(), Refusal> {
    match told {
        // whoever takes the call is told with its first word
        Ok(()) | Err(Untold::Holder(CommandError::NoHolder) | Untold::Remote(Trouble::Gone(_))) => {
            Ok(())
        }
        Err(Untold::Holder(why)) => {
            let why = why.to_string();
            Err(Refusal::Unconfirmed { what, code, why })
        }
        Err(Untold::Remote(why)) => {
            let why = why.to_string();
            Err(Refusal::Unconfirmed { what, code, why })
        }
        Err(Untold::Store(error)) => Err(error.into()),
    }
}

/// Does what the call's upstream can do now, between two rows of the audit log: that it is about to
/// be done, and what came of it. What cannot be written is not done.
pub(super) async fn noted<T>(
    app: &App,
    caller: &Caller,
    id: CallId,
    needed: Capability,
    (action, detail): (&'static str, Value),
    act: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    able(app, caller, id, needed).await?;
    let (tenant, actor, subject) = (&caller.tenant, caller.actor(), Subject::Call(id));
    let intent = audit::begin(tenant, &actor, action, subject, &detail).await?;
    let done = act.await;
    let (outcome, detail) = match &done {
        Ok(_) => (Outcome::Done, json!({})),
        Err(refusal) => (Outcome::Refused, json!({ "reason": refusal.to_string() })),
    };
    audit::result(tenant, intent, outcome, detail).await;
    done
}

/// Does an act to its end, also when its client hangs up; with a key, only once.
pub(super) async fn once<T: Serialize + Send + Sync + 'static>(
    app: &Arc<App>,
    caller: &Arc<Caller>,
    headers: &HeaderMap,
    request: &str,
    act: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<Response, Refusal> {
    let key = key(headers)?;
    let user = caller.identity.user;
    if let Err(wait) = app.acts.take(user, clock::now()) {
        let detail = "so many acts in so short a time are no person's";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        return Err(problem.retry_after(wait).into());
    }
    let request = hex::encode(Sha256::digest(request));
    if let Some(key) = &key {
        match caller.tenant.begin_once(user, key, &request, now()).await? {
            Once::First => {}
            Once::Done { status, body } => return Ok(replayed(status, body)),
            Once::Running => {
                let detail = "the act of this key is being done";
                return Err(Problem::conflict("idempotency_key_in_use", detail).into());
            }
            Once::Other => {
                let message = "came with another request before";
                return Err(Problem::invalid_field(KEY, message).into());
            }
        }
    }
    let caller = caller.clone();
    let done = tokio::spawn(async move {
        let done = act.await;
        if let Some(key) = key {
            keep(&caller, &key, &done).await;
        }
        done
    });
    let done = done.await.map_err(|_| Problem::internal())??;
    Ok(axum::Json(done).into_response())
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(KEY) else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > KEY_MAX {
        let message = "is not 1 to 255 visible characters of ASCII";
        return Err(Problem::invalid_field(KEY, message));
    }
    Ok(Some(key.to_owned()))
}

/// Keeps the answer to an act that was done; a refused one may be tried again under its key.
async fn keep<T: Serialize + Sync>(caller: &Caller, key: &str, done: &Result<T, Refusal>) {
    let (tenant, user) = (&caller.tenant, caller.identity.user);
    let kept = match done {
        Ok(answer) => {
            let body = serde_json::to_string(answer).expect("plain data");
            tenant.end_once(user, key, 200, &body).await
        }
        Err(_) => tenant.forget_once(user, key).await,
    };
    if let Err(error) = kept {
        warn!(%error, "the answer to an act could not be kept for its key");
    }
}

fn replayed(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body).into_response()
}
