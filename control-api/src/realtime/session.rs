//! What a connection is told first and what it may say, whatever its protocol.

use std::sync::Arc;

use serde_json::Value;
use sidetone_service::clock;
use sidetone_wire::socket::{
    Connected, InitialState, ListedCall, Pong, StreamMessage, SubscribeError,
};
use sidetone_wire::{CallId, Role};
use tracing::{debug, error};

use super::hub::{Client, Room, Why, Wire};
use super::message::{Frame, Message};
use super::{GLOBAL, LISTED};
use crate::app::{App, now};
use crate::inbound::announce;
use crate::routes::dashboard;
use crate::store::{self, DEFAULT_TENANT, Identity};

/// Messages that a client may send at once: after a reconnection it subscribes everything that it
/// looked at.
const BURST: f64 = 600.0;
/// And each second from then on. Whoever says more is cut off.
const PER_SECOND: f64 = 50.0;

/// How much a client may still say.
#[derive(Debug)]
pub(super) struct Budget {
    left: f64,
    at: std::time::Instant,
}

impl Budget {
    pub(super) fn new(now: std::time::Instant) -> Self {
        Self {
            left: BURST,
            at: now,
        }
    }

    /// Takes one message from it; `false` when there is none left.
    pub(super) fn take(&mut self, now: std::time::Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        self.left -= 1.0;
        self.left >= 0.0
    }
}

/// Somebody has connected: from now on they are told what changes, after [`greet`].
pub(super) fn enter(app: &App, identity: Identity, wire: Box<dyn Wire>) -> Arc<Client> {
    let tenant = identity.tenant;
    let rooms = [
        Room::Tenant(tenant),
        Room::User(tenant, identity.user),
        Room::Calls(tenant),
        Room::Metrics(tenant),
    ];
    app.realtime.hub.enter(identity, wire, &rooms)
}

/// Tells a client where it is and what there is, then what came since it entered.
pub(super) async fn greet(app: &App, client: &Client, token: &str, sid: String) {
    let _turn = client.subscribing.lock().await;
    let hello = Connected {
        user_id: client.identity.user,
        sid,
    };
    let hello = Message::new("connected", &hello);
    let state = snapshot(app, client).await;
    // whoever logged out while connecting was not there yet when their connections were cut
    if !matches!(app.identify(token).await, Ok(Some(_))) {
        app.realtime.hub.cut(client.id, Why::Revoked);
        return;
    }
    let frames = hello.map(|hello| hello.whole().clone()).into_iter();
    let frames = frames.chain(state).collect();
    app.realtime.hub.release(client, frames, clock::now());
}

/// Tells a client anew what there is: something may have been missed.
pub(super) async fn greet_again(app: &App, client: &Client) {
    let _turn = client.subscribing.lock().await;
    client.hold();
    let state = snapshot(app, client).await;
    let frames = state.into_iter().collect();
    app.realtime.hub.release(client, frames, clock::now());
}

async fn snapshot(app: &App, client: &Client) -> Option<Frame> {
    match initial_state(app, &client.identity).await {
        Ok(state) => {
            let message = Message::new("initial_state", &state)?;
            Some(client.view(&message))
        }
        Err(error) => {
            error!(%error, "a client's first state could not be read");
            None
        }
    }
}

async fn initial_state(app: &App, identity: &Identity) -> store::Result<InitialState> {
    let tenant = app.store.tenant(identity.tenant);
    let active = dashboard::active(&tenant, LISTED as u32).await?;
    let active_calls = active
        .into_iter()
        .map(|mut call| {
            app.enliven(&mut call);
            ListedCall::from(call)
        })
        .collect();
    let metrics = app.metrics(&tenant, dashboard::DEFAULT_HOURS).await?;
    Ok(InitialState {
        active_calls,
        outcome_distribution: metrics.outcome_counts.clone(),
        metrics,
        recent_calls: dashboard::recent(&tenant, dashboard::DEFAULT_RECENT).await?,
        timestamp: now(),
    })
}

/// A client said something.
pub(super) async fn hear(app: &App, client: &Client, event: &str, data: Value) {
    if !client.may_say_more(clock::now()) {
        debug!(user = %client.identity.user, "a client says too much and is cut off");
        app.realtime.hub.cut(client.id, Why::TooLoud);
        return;
    }
    match event {
        "ping" => send(app, client, "pong", &Pong { timestamp: now() }),
        "subscribe" => {
            let message = serde_json::from_value::<StreamMessage>(data).unwrap_or_default();
            if let Err(code) = subscribe(app, client, &message).await {
                let error = SubscribeError {
                    stream: message.stream,
                    code: code.to_owned(),
                };
                send(app, client, "subscribe_error", &error);
            }
        }
        "unsubscribe" => {
            if let Ok(message) = serde_json::from_value::<StreamMessage>(data) {
                unsubscribe(app, client, &message.stream);
            }
        }
        _ => {}
    }
}

async fn subscribe(
    app: &App,
    client: &Client,
    message: &StreamMessage,
) -> Result<(), &'static str> {
    let _turn = client.subscribing.lock().await;
    let hub = &app.realtime.hub;
    let tenant = client.identity.tenant;
    let batch = message.batch == Some(true);
    match message.stream.as_str() {
        "calls" if batch => {
            hub.join(client.id, Room::Batch(tenant));
            hub.leave(client.id, Room::Calls(tenant));
            hub.leave(client.id, Room::Metrics(tenant));
        }
        "calls" => {
            hub.join(client.id, Room::Calls(tenant));
            hub.leave(client.id, Room::Batch(tenant));
        }
        "metrics" => {
            hub.join(client.id, Room::Metrics(tenant));
        }
        GLOBAL => {
            let super_admin = client.identity.role == Role::Admin
                && client.identity.tenant_slug == DEFAULT_TENANT;
            if !super_admin {
                return Err("role_required");
            }
            let (to, from) = if batch {
                (Room::GlobalBatch, Room::Global)
            } else {
                (Room::Global, Room::GlobalBatch)
            };
            hub.join(client.id, to);
            hub.leave(client.id, from);
        }
        stream => {
            let call = stream.strip_prefix("call:").and_then(|id| id.parse().ok());
            follow(app, client, call.ok_or("unknown_stream")?).await?;
        }
    }
    Ok(())
}

/// Subscribes one call: what was said in it so far, then what is said and how loud it is.
async fn follow(app: &App, client: &Client, call: CallId) -> Result<(), &'static str> {
    let tenant = app.store.tenant(client.identity.tenant);
    match tenant.call(call, now()).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err("not_found"),
        Err(error) => {
            error!(%error, "a subscription could not be checked");
            return Err("unavailable");
        }
    }
    let looks = app.realtime.levels.looks(client.id, call, tenant.id());
    let first = looks.ok_or("too_many_streams")?;
    let hub = &app.realtime.hub;
    client.hold();
    let joined = hub.join(client.id, Room::Call(call));
    if !joined {
        // it was cut off meanwhile
        app.realtime.levels.left(client.id);
        return Ok(());
    }
    let transcript = announce::whole(app, tenant.id(), call).await;
    let said = transcript.and_then(|update| Message::new("transcript-update", &update));
    let snapshot = said.iter().map(|it| client.view(it)).collect();
    hub.release(client, snapshot, clock::now());
    if first {
        super::ask_for_levels(&app.fleet, call);
    }
    Ok(())
}

fn unsubscribe(app: &App, client: &Client, stream: &str) {
    let hub = &app.realtime.hub;
    let tenant = client.identity.tenant;
    match stream {
        "calls" => {
            hub.leave(client.id, Room::Calls(tenant));
            hub.leave(client.id, Room::Batch(tenant));
        }
        "metrics" => hub.leave(client.id, Room::Metrics(tenant)),
        GLOBAL => {
            hub.leave(client.id, Room::Global);
            hub.leave(client.id, Room::GlobalBatch);
        }
        _ => {
            let call = stream.strip_prefix("call:").and_then(|id| id.parse().ok());
            if let Some(call) = call {
                app.realtime.levels.looks_away(client.id, call);
                hub.leave(client.id, Room::Call(call));
            }
        }
    }
}

fn send<T: serde::Serialize>(app: &App, client: &Client, event: &'static str, data: &T) {
    if let Some(message) = Message::new(event, data) {
        app.realtime.hub.send(client, &message, clock::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_client_may_say_much_at_once_and_little_for_long() {
        let now = clock::now();
        let mut budget = Budget::new(now);
        let said = (0..1000).filter(|_| budget.take(now)).count();
        assert_eq!(said, BURST as usize);
        let mut budget = Budget::new(now);
        for n in 0..10_000 {
            assert!(budget.take(now + Duration::from_millis(20) * n));
        }
    }
}
