//! Real-time connections: a snapshot on connecting, then idempotent changes.
//!
//! One [`Hub`] knows who is connected and what they subscribed; Socket.IO ([`socketio`]) and the
//! plain WebSocket ([`websocket`]) are two ways to reach it. [`Changes`] says when a call's change
//! is told, [`Relay`] tells other processes. docs/realtime.md is the clients' page.

mod backlogs;
mod begun;
mod changes;
mod hub;
pub(crate) mod levels;
mod message;
mod outbox;
pub(crate) mod relay;
mod session;
mod socketio;
pub(crate) mod websocket;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sidetone_fleet::Fleet;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::analytics::ActiveCall;
use sidetone_wire::socket::{
    ActiveCallsUpdate, CallEventMessage, CallEventType, CallsUpdate, MetricsUpdate,
};
use sidetone_wire::{Call, CallId, Signal, TenantId, TranscriptUpdate, UserId, Utterance};
use socketioxide::SocketIo;
use socketioxide::layer::SocketIoLayer;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, error};
use uuid::Uuid;

use crate::app::{App, now};
use crate::calls::redact::may_hold;
use crate::calls::transcript::saying;
use crate::figures::Figures;
use crate::metrics;
use crate::routes::dashboard;
use crate::store::{self, Member};
use backlogs::Backlogs;
use begun::Begun;
use changes::{Changed, Changes, Extra, Scope, Told};
use hub::{ClientId, Hub, Room, Why};
use levels::Levels;
use message::Message;
use relay::Relayed;

pub(crate) use relay::{Link, Relay};
pub(crate) use socketio::serve;

/// Frames that a connection has in hand beyond its outbox. Few, so that the outbox's bounds are
/// what counts; a heartbeat that finds no room ends the connection, so not fewer.
const IN_HAND: usize = 32;
/// Bytes of one message from a client: subscriptions are short.
pub(crate) const MESSAGE_LIMIT: usize = 64 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(25);
const PING_TIMEOUT: Duration = Duration::from_mins(1);
/// How often connections whose session's time is over are looked for.
const EXPIRY: Duration = Duration::from_secs(15);
/// Calls in lists of active ones, newest first; `count` says how many there are.
const LISTED: usize = 200;

/// The calls of every tenant, for admins of the default one.
const GLOBAL: &str = "global-calls";

/// The real-time connections.
pub(crate) struct Realtime {
    io: SocketIo,
    hub: Hub,
    relay: Relay,
    figures: Arc<Figures>,
    pub(crate) levels: Levels,
    pub(crate) backlogs: Backlogs,
    begun: Begun,
    changes: Mutex<Changes>,
    /// A call changed.
    changed: Notify,
}

impl Realtime {
    /// The server, and the layer that serves Socket.IO's requests. `figures` learn when calls
    /// change.
    pub(crate) fn new(figures: Arc<Figures>, relay: Relay) -> (SocketIoLayer, Self) {
        let (layer, io) = SocketIo::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_TIMEOUT)
            .max_buffer_size(IN_HAND)
            .max_payload(MESSAGE_LIMIT as u64)
            .ws_max_message_size(MESSAGE_LIMIT)
            .build_layer();
        let realtime = Self {
            io,
            hub: Hub::default(),
            relay,
            figures,
            levels: Levels::default(),
            backlogs: Backlogs::default(),
            begun: Begun::default(),
            changes: Mutex::default(),
            changed: Notify::new(),
        };
        (layer, realtime)
    }

    /// Tells a tenant's clients what a call is now: at once, or together with other changes within
    /// the second.
    #[allow(clippy::unused_async, reason = "telling may have to wait one day")]
    pub(crate) async fn call_changed(&self, kind: CallEventType, call: &Call) {
        self.relay.pass_call(kind, call);
        self.note(kind, call);
    }

    fn note(&self, kind: CallEventType, call: &Call) {
        let tenant = call.client_id;
        self.figures.changed(tenant);
        self.levels.belongs_to(call.id, tenant);
        self.begun.note(kind, call);
        self.hub.keep_to(Room::Call(call.id), tenant);
        let scopes = [
            (Scope::Tenant(tenant), rooms_of(Scope::Tenant(tenant))),
            (Scope::Global, rooms_of(Scope::Global)),
        ];
        for (scope, rooms) in scopes {
            // whoever comes later is told by the snapshot
            if self.hub.has(&rooms) {
                self.changes().note(scope, kind, call);
                self.changed.notify_one();
            }
        }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all clients of a tenant, at once.
    #[allow(clippy::unused_async, reason = "telling may have to wait one day")]
    pub(crate) async fn tell<T: Serialize + Sync>(
        &self,
        tenant: TenantId,
        event: &'static str,
        message: &T,
    ) {
        self.tell_room(Room::Tenant(tenant), event, message);
    }

    /// Tells the clients that follow a call, at once.
    #[allow(clippy::unused_async, reason = "telling may have to wait one day")]
    pub(crate) async fn tell_followers<T: Serialize + Sync>(
        &self,
        call: CallId,
        event: &'static str,
        message: &T,
    ) {
        self.tell_room(Room::Call(call), event, message);
    }

    /// Something was said in a call.
    pub(crate) fn said(&self, call: CallId) {
        self.begun.said(call);
    }

    /// Whether somebody follows a call, as far as can be known here.
    pub(crate) fn is_followed(&self, call: CallId) -> bool {
        self.relay.is_on() || self.hub.has(&[Room::Call(call)])
    }

    /// Whose clients are connected to this process, each once.
    pub(crate) fn present(&self) -> HashSet<Member> {
        let clients = self.hub.clients();
        let members = clients.iter().map(|client| &client.identity);
        members.map(|who| (who.tenant, who.user)).collect()
    }

    /// Tells one user in all their windows, at once.
    #[allow(dead_code, reason = "for what concerns one person")]
    pub(crate) fn tell_user<T: Serialize>(
        &self,
        tenant: TenantId,
        user: UserId,
        event: &'static str,
        message: &T,
    ) {
        self.tell_room(Room::User(tenant, user), event, message);
    }

    fn tell_room<T: Serialize>(&self, room: Room, event: &'static str, message: &T) {
        if let Some(message) = Message::new(event, message) {
            self.relay.pass_message(room, message.whole());
            self.hub.deliver(&[room], &message, clock::now());
        }
    }

    /// Cuts off the clients of one session.
    pub(crate) fn disconnect_session(&self, session: Uuid) {
        self.relay.pass(&Relayed::EndSession(session));
        self.hub.cut_session(session);
    }

    /// Cuts off the clients of a tenant's user.
    pub(crate) fn disconnect_user(&self, tenant: TenantId, user: UserId) {
        self.relay.pass(&Relayed::EndUser(tenant, user));
        self.cut_user(tenant, user);
    }

    fn cut_user(&self, tenant: TenantId, user: UserId) {
        self.hub.cut_all(Why::Revoked, |identity| {
            identity.tenant == tenant && identity.user == user
        });
    }

    /// Cuts off all clients of a tenant.
    pub(crate) fn disconnect_tenant(&self, tenant: TenantId) {
        self.relay.pass(&Relayed::EndTenant(tenant));
        self.cut_tenant(tenant);
    }

    fn cut_tenant(&self, tenant: TenantId) {
        self.hub
            .cut_all(Why::Revoked, |identity| identity.tenant == tenant);
    }

    /// A connection is gone.
    fn left(&self, client: ClientId) {
        self.hub.left(client);
        self.levels.left(client);
    }
}

/// The rooms that hear of a scope's calls: singly, figures, together.
fn rooms_of(scope: Scope) -> Vec<Room> {
    match scope {
        Scope::Tenant(id) => vec![Room::Calls(id), Room::Metrics(id), Room::Batch(id)],
        Scope::Global => vec![Room::Global, Room::GlobalBatch],
    }
}

/// Sends what is sent without being asked, until the process drains: clients then connect again,
/// elsewhere or later.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let realtime = &app.realtime;
    let mut signals = app.fleet.signals();
    let mut watching = interval(levels::WATCH_AGAIN);
    let mut expiry = interval(EXPIRY);
    for ticks in [&mut watching, &mut expiry] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            signal = signals.recv() => match signal {
                Ok(signal) => pass_on(&app, signal).await,
                Err(RecvError::Lagged(missed)) => metrics::signals_missed(missed),
                Err(RecvError::Closed) => anyhow::bail!("the fleet's signals ended"),
            },
            () = due(realtime) => send_changed(&app).await,
            () = realtime.hub.behind_again() => realtime.hub.retry(clock::now()),
            _ = watching.tick() => realtime.levels.ask_again(&app.fleet),
            _ = expiry.tick() => cut_ended(&app).await,
            () = lifecycle.draining() => break,
        }
    }
    realtime.hub.cut_all(Why::Ending, |_| true);
    realtime.io.close().await;
    Ok(())
}

/// Waits until some change is to be told.
async fn due(realtime: &Realtime) {
    loop {
        let now = clock::now();
        let next = realtime.changes().next(now);
        match next {
            Some(next) if next <= now => return,
            Some(next) => tokio::select! {
                () = tokio::time::sleep(next - now) => return,
                () = realtime.changed.notified() => {}
            },
            None => realtime.changed.notified().await,
        }
    }
}

/// Cuts off those whose session is over by time, or was ended by a process that could not tell us.
async fn cut_ended(app: &App) {
    let hub = &app.realtime.hub;
    hub.cut_expired(now());
    let mut sessions: Vec<Uuid> = hub
        .clients()
        .iter()
        .map(|client| client.identity.session)
        .collect();
    sessions.sort_unstable();
    sessions.dedup();
    match app.store.ended_sessions(&sessions, now()).await {
        Ok(ended) => {
            for session in ended {
                hub.cut_session(session);
            }
        }
        Err(error) => debug!(%error, "sessions could not be checked"),
    }
}

async fn pass_on(app: &App, signal: Signal) {
    match signal {
        Signal::Levels {
            call,
            levels,
            current_speaker,
        } => {
            app.alerts.levels(call, levels);
            let message = app.realtime.levels.heard(call, levels, current_speaker);
            if let Some(message) = message.and_then(|it| Message::new("levels", &it)) {
                app.realtime.hub.deliver_now(Room::Call(call), &message);
            }
        }
        Signal::Saying { call, utterance } => tell_saying(app, call, utterance).await,
        // the binary tells it to the readiness
        Signal::LivekitLink { .. } => {}
        Signal::Backlog(backlog) => app.realtime.backlogs.heard(backlog, clock::now()),
    }
}

/// Tells those who look what is being said; it is kept nowhere. Nor are numbers told that would not
/// be kept.
async fn tell_saying(app: &App, call: CallId, mut utterance: Utterance) {
    let realtime = &app.realtime;
    let Some(begun) = realtime.begun.of(call) else {
        return;
    };
    if may_hold(&utterance.text) {
        if !realtime.is_followed(call) {
            return;
        }
        let policy = app.store.tenant(begun.tenant).policy().await;
        let Ok(policy) = policy.inspect_err(|error| debug!(%error, "a version is not told")) else {
            return;
        };
        if let Some(text) = policy.redaction.of(&utterance.text) {
            utterance.text = text;
        }
    }
    let Some(segment) = saying(&utterance, begun.at) else {
        return;
    };
    let update = TranscriptUpdate {
        call_id: call,
        // a first segment is the whole transcript, too
        transcript: (!begun.said).then(|| vec![segment.clone()]),
        segment,
    };
    if let Some(message) = Message::new("transcript-update", &update) {
        realtime.hub.deliver_now(Room::Call(call), &message);
    }
}

async fn send_changed(app: &App) {
    let due = app.realtime.changes().take_due(clock::now());
    for told in due {
        let scope = told.scope;
        if let Err(error) = send_told(app, told).await {
            error!(?scope, %error, "lists and figures could not be read for sending");
        }
    }
}

async fn send_told(app: &App, told: Told) -> store::Result<()> {
    let (single, batch) = match told.scope {
        Scope::Tenant(id) => (Room::Calls(id), Room::Batch(id)),
        Scope::Global => (Room::Global, Room::GlobalBatch),
    };
    let hub = &app.realtime.hub;
    if hub.has(&[single]) {
        for changed in &told.single {
            send_single(hub, single, changed);
        }
    }
    if let Some(calls) = told.batch
        && hub.has(&[batch])
    {
        send_batch(app, told.scope, batch, calls).await?;
    }
    if let (Scope::Tenant(id), Some(extra)) = (told.scope, told.extra) {
        send_extra(app, id, extra).await?;
    }
    Ok(())
}

fn send(hub: &Hub, room: Room, event: &'static str, data: &impl Serialize) {
    if let Some(message) = Message::new(event, data) {
        hub.deliver(&[room], &message, clock::now());
    }
}

fn send_single(hub: &Hub, room: Room, changed: &Changed) {
    send(hub, room, "call-upsert", &changed.call);
    for kind in &changed.kinds {
        let message = CallEventMessage {
            kind: *kind,
            call: changed.call.clone(),
            timestamp: now(),
        };
        send(hub, room, "call_event", &message);
    }
}

async fn send_batch(app: &App, scope: Scope, room: Room, calls: Vec<Call>) -> store::Result<()> {
    let (count, metrics) = match scope {
        Scope::Tenant(id) => {
            let tenant = app.store.tenant(id);
            let metrics = app.metrics(&tenant, dashboard::DEFAULT_HOURS).await?;
            (Some(metrics.active_calls), Some(metrics))
        }
        Scope::Global => (None, None),
    };
    let message = CallsUpdate {
        calls,
        count,
        metrics,
        timestamp: now(),
    };
    send(&app.realtime.hub, room, "calls-update", &message);
    Ok(())
}

async fn send_extra(app: &App, id: TenantId, extra: Extra) -> store::Result<()> {
    let hub = &app.realtime.hub;
    let tenant = app.store.tenant(id);
    match extra {
        Extra::Figures if hub.has(&[Room::Metrics(id)]) => {
            let metrics = app.metrics(&tenant, dashboard::DEFAULT_HOURS).await?;
            let message = MetricsUpdate {
                metrics,
                timestamp: now(),
            };
            send(hub, Room::Metrics(id), "metrics_update", &message);
        }
        Extra::List if hub.has(&[Room::Calls(id)]) => {
            let calls = dashboard::active(&tenant, LISTED as u32).await?;
            let message = ActiveCallsUpdate {
                count: app.active.count(&tenant).await?.max(calls.len() as u64),
                active_calls: calls.iter().map(ActiveCall::from).collect(),
                timestamp: now(),
            };
            send(hub, Room::Calls(id), "active_calls_update", &message);
        }
        Extra::Figures | Extra::List => {}
    }
    Ok(())
}

/// Tells every client anew what there is: what other processes told may have been missed.
async fn greet_all_again(app: &App) {
    for client in app.realtime.hub.clients() {
        session::greet_again(app, &client).await;
    }
}

/// Asks the gateway for levels of a call, without waiting.
fn ask_for_levels(fleet: &Fleet, call: CallId) {
    let fleet = fleet.clone();
    tokio::spawn(async move {
        let command = sidetone_wire::Command::WatchLevels { call };
        if let Err(error) = fleet.command(call, command).await {
            debug!(%call, %error, "nobody gives levels of this call");
        }
    });
}
