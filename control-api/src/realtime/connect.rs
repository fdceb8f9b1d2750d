//! A client connects, subscribes, leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sidetone_wire::socket::StreamMessage;
use sidetone_wire::{Call, CallId, Role, Timestamp, UserId};
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use tracing::{debug, error};

use super::{GLOBAL, LISTED, calls_room, levels, metrics_room, session_room, user_room};
use crate::app::{App, now};
use crate::auth::Proof;
use crate::inbound::announce;
use crate::metrics;
use crate::routes::dashboard::{self, ActiveCall, Metrics};
use crate::store::{self, DEFAULT_TENANT, Identity};

/// What a client says of itself while connecting.
#[derive(Debug, Default, Deserialize)]
struct Auth {
    token: Option<String>,
    user_id: Option<String>,
}

/// Why a client is not let in. Its text reaches the client.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("unauthenticated: log in first")]
    Unauthenticated,
    #[error("forbidden: user_id is not the session's user")]
    OtherUser,
    #[error("forbidden: this page may not connect here")]
    Origin,
    #[error("unavailable: the database cannot be reached")]
    Unavailable,
}

#[derive(Serialize)]
struct Connected {
    user_id: UserId,
    sid: String,
}

/// The call object with the keys that older dashboards expect.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedCall {
    #[serde(flatten)]
    call: Call,
    phone_number: String,
    duration: u64,
    agent_config_id: Option<String>,
}

#[derive(Serialize)]
struct InitialState {
    active_calls: Vec<ListedCall>,
    metrics: Metrics,
    recent_calls: Vec<Call>,
    outcome_distribution: BTreeMap<String, u64>,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Pong {
    timestamp: Timestamp,
}

/// Why a stream was not subscribed.
#[derive(Serialize)]
struct SubscribeError<'a> {
    stream: &'a str,
    code: &'static str,
}

/// Lets clients in from now on.
pub(crate) fn serve(app: &Arc<App>) {
    let (admitting, admitted) = (app.clone(), app.clone());
    let admit = move |socket: SocketRef, TryData(auth): TryData<Auth>| {
        let app = admitting.clone();
        async move { admit(&app, &socket, auth.unwrap_or_default()).await }
    };
    let enter = move |socket: SocketRef| {
        let app = admitted.clone();
        async move { enter(app, socket).await }
    };
    app.realtime.io.ns("/", enter.with(admit));
}

async fn admit(app: &App, socket: &SocketRef, auth: Auth) -> Result<(), Refusal> {
    let headers = &socket.req_parts().headers;
    if !app.origins.allow(headers) {
        return Err(Refusal::Origin);
    }
    let token = match &auth.token {
        Some(token) => Some(token.as_str()),
        None => Proof::of(headers).map(Proof::token),
    };
    let token = token.ok_or(Refusal::Unauthenticated)?;
    let identity = app.identify(token).await.map_err(|error| {
        error!(%error, "a client could not be identified");
        Refusal::Unavailable
    })?;
    let identity = identity.ok_or(Refusal::Unauthenticated)?;
    if auth
        .user_id
        .is_some_and(|user| user != identity.user.to_string())
    {
        return Err(Refusal::OtherUser);
    }
    socket.extensions.insert(identity);
    Ok(())
}

async fn enter(app: Arc<App>, socket: SocketRef) {
    let Some(identity) = socket.extensions.get::<Identity>() else {
        return;
    };
    metrics::sockets(1.0);
    let leaving = app.clone();
    socket.on_disconnect(move |socket: SocketRef| {
        let app = leaving.clone();
        async move {
            app.realtime.levels.left(socket.id);
            metrics::sockets(-1.0);
        }
    });
    hear(&app, &socket);
    socket.join([
        session_room(identity.session),
        user_room(identity.tenant, identity.user),
        calls_room(identity.tenant),
        metrics_room(identity.tenant),
    ]);
    // whoever logged out while connecting was not in the room yet when it was emptied
    let valid = app.store.session(identity.session, now()).await;
    if !matches!(valid, Ok(Some(_))) {
        app.realtime.cut(socket);
        return;
    }
    let hello = Connected {
        user_id: identity.user,
        sid: socket.id.to_string(),
    };
    send(&socket, "connected", &hello);
    match snapshot(&app, &identity).await {
        Ok(state) => send(&socket, "initial_state", &state),
        Err(error) => error!(%error, "a client's first state could not be read"),
    }
}

/// What the client may say.
fn hear(app: &Arc<App>, socket: &SocketRef) {
    socket.on("ping", async |socket: SocketRef| {
        send(&socket, "pong", &Pong { timestamp: now() });
    });
    let subscribing = app.clone();
    socket.on(
        "subscribe",
        move |socket: SocketRef, TryData(message): TryData<StreamMessage>| {
            let app = subscribing.clone();
            async move {
                let stream = message.map_or_else(|_| String::new(), |message| message.stream);
                if let Err(code) = subscribe(&app, &socket, &stream).await {
                    let stream = stream.as_str();
                    send(&socket, "subscribe_error", &SubscribeError { stream, code });
                }
            }
        },
    );
    let leaving = app.clone();
    socket.on(
        "unsubscribe",
        move |socket: SocketRef, TryData(message): TryData<StreamMessage>| {
            let app = leaving.clone();
            async move {
                if let Ok(message) = message {
                    unsubscribe(&app, &socket, &message.stream);
                }
            }
        },
    );
}

async fn subscribe(app: &App, socket: &SocketRef, stream: &str) -> Result<(), &'static str> {
    let identity = socket.extensions.get::<Identity>();
    let identity = identity.ok_or("unauthenticated")?;
    match stream {
        "calls" => socket.join(calls_room(identity.tenant)),
        "metrics" => socket.join(metrics_room(identity.tenant)),
        GLOBAL => {
            if identity.role != Role::Admin || identity.tenant_slug != DEFAULT_TENANT {
                return Err("role_required");
            }
            socket.join(GLOBAL);
        }
        _ => {
            let call: CallId = stream
                .strip_prefix("call:")
                .and_then(|id| id.parse().ok())
                .ok_or("unknown_stream")?;
            let tenant = app.store.tenant(identity.tenant);
            match tenant.call(call, now()).await {
                Ok(Some(_)) => {}
                Ok(None) => return Err("not_found"),
                Err(error) => {
                    error!(%error, "a subscription could not be checked");
                    return Err("unavailable");
                }
            }
            // it may have been cut off meanwhile
            if !socket.connected() || socket.extensions.get::<Identity>().is_none() {
                return Err("unauthenticated");
            }
            let looks = app.realtime.levels.looks(socket.id, call, identity.tenant);
            let first = looks.ok_or("too_many_streams")?;
            socket.join(levels::room(call));
            // after joining: what comes meanwhile is in it, or comes after it
            if let Some(update) = announce::whole(app, identity.tenant, call).await {
                send(socket, "transcript-update", &update);
            }
            if first {
                super::ask_for_levels(&app.fleet, call);
            }
        }
    }
    Ok(())
}

fn unsubscribe(app: &App, socket: &SocketRef, stream: &str) {
    let Some(identity) = socket.extensions.get::<Identity>() else {
        return;
    };
    match stream {
        "calls" => socket.leave(calls_room(identity.tenant)),
        "metrics" => socket.leave(metrics_room(identity.tenant)),
        GLOBAL => socket.leave(GLOBAL),
        _ => {
            let call = stream.strip_prefix("call:").and_then(|id| id.parse().ok());
            if let Some(call) = call {
                app.realtime.levels.looks_away(socket.id, call);
                socket.leave(levels::room(call));
            }
        }
    }
}

async fn snapshot(app: &App, identity: &Identity) -> store::Result<InitialState> {
    let tenant = app.store.tenant(identity.tenant);
    let active = dashboard::active(&tenant).await?;
    let active_calls = active
        .into_iter()
        .take(LISTED)
        .map(|mut call| {
            app.enliven(&mut call);
            let older = ActiveCall::from(&call);
            let (phone_number, duration, agent_config_id) = older.into_extra();
            ListedCall {
                call,
                phone_number,
                duration,
                agent_config_id,
            }
        })
        .collect();
    let metrics = dashboard::figures(&tenant, dashboard::DEFAULT_HOURS).await?;
    Ok(InitialState {
        active_calls,
        outcome_distribution: metrics.outcomes().clone(),
        metrics,
        recent_calls: dashboard::recent(&tenant, dashboard::DEFAULT_RECENT).await?,
        timestamp: now(),
    })
}

fn send<T: Serialize>(socket: &SocketRef, event: &str, message: &T) {
    if let Err(error) = socket.emit(event, message) {
        debug!(%error, event, "a client was not told");
    }
}
