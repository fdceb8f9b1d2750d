//! `POST` and `DELETE /api/calls/{id}/listen`: the right to hear a call, and its return.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sidetone_wire::{
    Call, CallId, Capability, Command, CommandError, ListenGrant, ListenTrack, LivekitListen,
    MonitorRoom, Reply, Timestamp, WatchMode,
};
use tracing::{info, warn};

use super::calls;
use crate::app::{App, now};
use crate::audit::{self, Outcome};
use crate::auth::{Caller, Supervisor, TICKET_TTL};
use crate::extract::Path;
use crate::livekit::{Livekit, TOKEN_TTL, monitor_room};
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, Subject};

/// Calls one session listens to at once: far above what a person can follow, and the gateway's
/// publisher connections for one supervisor stay few.
pub(crate) const LISTENS_MAX: i64 = 100;

/// Why the call is not heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Caller(Problem),
    #[error("the call has ended")]
    Ended,
    #[error("the call's upstream has no audio to hear")]
    Unsupported(Option<String>),
    #[error("no gateway holds the call now: it has ended or is being taken over; try again")]
    NotLive,
    #[error("the gateway that holds the call did not answer in time")]
    TimedOut,
    #[error("the gateway that holds the call has too much to do")]
    Overloaded,
    #[error("the gateway could not do it: {0}")]
    Failed(String),
    #[error("one session can listen to {LISTENS_MAX} calls at once")]
    TooMany,
    #[error("the session has ended meanwhile")]
    SessionOver,
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Caller(problem)
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NoHolder => Self::NotLive,
            CommandError::TimedOut => Self::TimedOut,
            CommandError::Overloaded => Self::Overloaded,
            CommandError::Unsupported { detail } => Self::Unsupported(Some(detail)),
            CommandError::Failed { detail } => Self::Failed(detail),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::Caller(problem) => problem,
            Self::Ended => Problem::conflict("call_ended", detail),
            Self::Unsupported(why) => {
                Problem::conflict("unsupported_by_upstream", why.unwrap_or(detail))
            }
            Self::NotLive => Problem::conflict("call_not_live", detail),
            Self::TimedOut => Problem::new(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", detail),
            Self::Overloaded => Problem::unavailable("gateway_overloaded", detail),
            Self::Failed(_) => Problem::new(StatusCode::BAD_GATEWAY, "gateway_failed", detail),
            Self::TooMany => Problem::conflict("too_many_listens", detail),
            Self::SessionOver => Problem::unauthenticated(&detail),
            Self::Store(error) => error.into(),
        }
        .into_response()
    }
}

/// Listen to a call
///
/// Join `livekit.room` with `livekit.token` without auto-subscribe and subscribe the tracks by
/// name. The room and the identity are the same for every call of a session: one connection serves
/// them all. Repeating it is harmless. `livekit` is `null` where no LiveKit is configured.
/// `listenProxyUrl` is heard without LiveKit: see `GET /listen/{token}`.
#[utoipa::path(
    post, path = "/api/calls/{id}/listen", tag = "supervision",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The grant", body = ListenGrant),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "It has ended, is held by no gateway, or cannot be heard: see `code`", body = ProblemBody),
        (status = 502, description = "The gateway failed", body = ProblemBody),
        (status = 504, description = "The gateway did not answer in time", body = ProblemBody),
    ),
)]
pub(crate) async fn listen(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
) -> Result<Answer<ListenGrant>, Refusal> {
    let call = calls::find(&app, &caller, id).await?;
    if call.ended_at.is_some() {
        return Err(Refusal::Ended);
    }
    if !call.capabilities.contains(&Capability::Listen) {
        return Err(Refusal::Unsupported(None));
    }
    let at = now();
    let (livekit, ttl) = match &app.livekit {
        Some(livekit) => {
            let granted = noted(&app, &caller, livekit, &call).await?;
            (Some(granted), TOKEN_TTL)
        }
        // who connects is noted then
        None => (None, TICKET_TTL),
    };
    let expires_at =
        Timestamp::from_unix_ms(at.unix_ms() + ttl.as_millis().try_into().unwrap_or(0));
    Ok(Answer(ListenGrant {
        expires_at,
        livekit,
        listen_proxy_url: Some(app.listen_proxy_url(&caller.identity, call.id)),
    }))
}

/// Gives the grant between the two rows that tell of it. Who cannot be noted hears nothing.
async fn noted(
    app: &App,
    caller: &Caller,
    livekit: &Livekit,
    call: &Call,
) -> Result<LivekitListen, Refusal> {
    let (tenant, subject) = (&caller.tenant, Subject::Call(call.id));
    let detail = json!({ "mode": WatchMode::Listen });
    let intent = audit::begin(tenant, &caller.actor(), "call.listened", subject, &detail).await?;
    let granted = grant(app, caller, livekit, call).await;
    let (outcome, detail) = match &granted {
        Ok(_) => (Outcome::Done, detail),
        Err(refusal) => (Outcome::Refused, json!({ "reason": refusal.to_string() })),
    };
    audit::result(tenant, intent, outcome, detail).await;
    granted
}

async fn grant(
    app: &App,
    caller: &Caller,
    livekit: &Livekit,
    call: &Call,
) -> Result<LivekitListen, Refusal> {
    let who = &caller.identity;
    if caller.tenant.watched_by(who.session).await? >= LISTENS_MAX {
        return Err(Refusal::TooMany);
    }
    let monitor = monitor_room(who.user, who.session);
    let command = Command::Listen {
        call: call.id,
        monitor: monitor.clone(),
    };
    let Reply::Listening { tracks } = app.fleet.command(call.id, command).await? else {
        let text = "it answered something else than tracks".to_owned();
        return Err(Refusal::Failed(text));
    };
    let token = livekit
        .listener_token(&monitor, who.name())
        .map_err(|error| Refusal::Failed(error.to_string()))?;
    // logout may have happened while the gateway worked, and must not be outlived
    let watching = caller
        .tenant
        .watch(
            call.id,
            who.session,
            WatchMode::Listen,
            &caller.author(),
            now(),
        )
        .await;
    if !matches!(watching, Ok(true)) {
        withdraw(app, call.id, monitor).await;
        let session = app.store.session(who.session, now()).await?;
        watching?;
        return Err(match session {
            Some(_) => Refusal::Ended,
            None => Refusal::SessionOver,
        });
    }
    info!(call = %call.id, user = %who.user, room = monitor.room, "listening granted");
    app.tell_call(caller.tenant.id(), call.id).await;
    let tracks = tracks
        .into_iter()
        .map(|(name, party)| ListenTrack { name, party })
        .collect();
    Ok(LivekitListen {
        url: livekit.ws_url().to_owned(),
        token,
        room: monitor.room,
        tracks,
    })
}

/// Takes a grant back; a call without a holder has nothing left to take back.
async fn withdraw(app: &App, call: CallId, monitor: MonitorRoom) {
    let user = monitor.user;
    match app
        .fleet
        .command(call, Command::Unlisten { call, monitor })
        .await
    {
        Ok(_) | Err(CommandError::NoHolder) => {}
        Err(error) => {
            warn!(%call, %error, "one grant could not be taken back: taking back all of the user");
            app.fleet.command_all(Command::UnlistenAll { user }).await;
        }
    }
}

/// Stop listening
///
/// The call's tracks disappear from the monitor room within a second. Harmless when nothing was
/// heard.
#[utoipa::path(
    delete, path = "/api/calls/{id}/listen", tag = "supervision",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 204, description = "Not listening"),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
    ),
)]
pub(crate) async fn unlisten(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
) -> Result<StatusCode, Refusal> {
    let call = calls::find(&app, &caller, id).await?;
    if call.ended_at.is_some() {
        return Ok(StatusCode::NO_CONTENT); // its tracks went with it
    }
    let who = &caller.identity;
    withdraw(&app, id, monitor_room(who.user, who.session)).await;
    if caller.tenant.unwatch(id, who.session).await? {
        let (actor, detail) = (caller.actor(), json!({}));
        let (action, subject) = ("call.unlistened", Subject::Call(id));
        let noted = caller.tenant.note(&actor, action, subject, &detail, now());
        noted.await?;
        app.tell_call(caller.tenant.id(), id).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
