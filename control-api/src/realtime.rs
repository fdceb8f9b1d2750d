//! Socket.IO: a snapshot on connecting, then idempotent changes.
//!
//! Clients are in the rooms of their tenant (`calls:<tenant>`, `metrics:<tenant>`), of their user
//! and session (to be cut off at once), and of the calls whose levels they look at (`call:<id>`).
//!
//! **Invariant**: a client that cannot take what it is sent is cut off; nothing waits for it and
//! nothing is kept for it beyond [`CLIENT_QUEUE`].

mod backlogs;
mod connect;
pub(crate) mod levels;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sidetone_fleet::Fleet;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::socket::{CallEventMessage, CallEventType};
use sidetone_wire::{Call, CallId, Signal, TenantId, Timestamp, UserId};
use socketioxide::extract::SocketRef;
use socketioxide::layer::SocketIoLayer;
use socketioxide::operators::BroadcastOperators;
use socketioxide::{BroadcastError, SendError, SocketError, SocketIo};
use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, error, info};
use uuid::Uuid;

use crate::app::{App, now};
use crate::metrics;
use crate::routes::dashboard::{self, ActiveCall, Metrics};
use crate::store::{Identity, Member};
use backlogs::Backlogs;
use levels::Levels;

pub(crate) use connect::serve;

/// Messages kept for one client: some seconds of a busy tenant. A client that is further behind is
/// cut off and starts over with a snapshot.
const CLIENT_QUEUE: usize = 512;
/// Bytes of one message from a client: subscriptions are short.
const MESSAGE_LIMIT: u64 = 64 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(25);
const PING_TIMEOUT: Duration = Duration::from_mins(1);
/// How often lists and figures are sent at most.
const COALESCE: Duration = Duration::from_secs(1);
/// How often sockets whose session's time is over are looked for.
const EXPIRY: Duration = Duration::from_secs(15);
/// Calls in `active_calls_update`, newest first; `count` says how many there are.
const LISTED: usize = 200;

/// The calls of every tenant, for admins of the default one.
const GLOBAL: &str = "global-calls";

/// The real-time connections.
pub(crate) struct Realtime {
    io: SocketIo,
    pub(crate) levels: Levels,
    pub(crate) backlogs: Backlogs,
    /// Tenants whose lists and figures changed since they were last sent.
    changed: Mutex<HashSet<TenantId>>,
}

#[derive(Serialize)]
struct MetricsUpdate<'a> {
    metrics: &'a Metrics,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct ActiveCallsUpdate {
    active_calls: Vec<ActiveCall>,
    count: usize,
    timestamp: Timestamp,
}

impl Realtime {
    /// The server, and the layer that serves its requests.
    pub(crate) fn new() -> (SocketIoLayer, Self) {
        let (layer, io) = SocketIo::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_TIMEOUT)
            .max_buffer_size(CLIENT_QUEUE)
            .max_payload(MESSAGE_LIMIT)
            .ws_max_message_size(MESSAGE_LIMIT as usize)
            .build_layer();
        let realtime = Self {
            io,
            levels: Levels::default(),
            backlogs: Backlogs::default(),
            changed: Mutex::default(),
        };
        (layer, realtime)
    }

    /// Tells a tenant's clients what a call is now.
    pub(crate) async fn call_changed(&self, kind: CallEventType, call: &Call) {
        self.levels.belongs_to(call.id, call.client_id);
        let rooms = vec![calls_room(call.client_id), GLOBAL.to_owned()];
        let message = CallEventMessage {
            kind,
            call: call.clone(),
            timestamp: now(),
        };
        self.emit(rooms.clone(), "call-upsert", call).await;
        self.emit(rooms, "call_event", &message).await;
        self.changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(call.client_id);
    }

    /// Tells all clients of a tenant.
    pub(crate) async fn tell<T: Serialize + Sync>(
        &self,
        tenant: TenantId,
        event: &'static str,
        message: &T,
    ) {
        self.emit(vec![calls_room(tenant)], event, message).await;
    }

    /// Whether somebody looks at a call.
    pub(crate) fn is_followed(&self, call: CallId) -> bool {
        !self.sockets_in(vec![levels::room(call)]).is_empty()
    }

    /// Tells the clients that look at a call.
    pub(crate) async fn tell_followers<T: Serialize + Sync>(
        &self,
        call: CallId,
        event: &'static str,
        message: &T,
    ) {
        self.emit(vec![levels::room(call)], event, message).await;
    }

    /// Cuts off the clients of one session.
    pub(crate) fn disconnect_session(&self, session: Uuid) {
        self.cut_room(session_room(session));
    }

    /// Cuts off the clients of a tenant's user.
    pub(crate) fn disconnect_user(&self, tenant: TenantId, user: UserId) {
        self.cut_room(user_room(tenant, user));
    }

    /// Cuts off the clients of a tenant, whoever they are.
    pub(crate) fn disconnect_tenant(&self, tenant: TenantId) {
        let sockets = self
            .all()
            .map_or_else(Vec::new, BroadcastOperators::sockets);
        for socket in sockets {
            let identity = socket.extensions.get::<Identity>();
            if identity.is_some_and(|identity| identity.tenant == tenant) {
                self.cut(socket);
            }
        }
    }

    fn cut_room(&self, room: String) {
        for socket in self.sockets_in(vec![room]) {
            self.cut(socket);
        }
    }

    /// Whose clients are connected, each once.
    pub(crate) fn present(&self) -> HashSet<Member> {
        let sockets = self
            .all()
            .map_or_else(Vec::new, BroadcastOperators::sockets);
        let member = |socket: &SocketRef| {
            let identity = socket.extensions.get::<Identity>()?;
            Some((identity.tenant, identity.user))
        };
        sockets.iter().filter_map(member).collect()
    }

    /// Everybody; nobody once the process drains, when all connections are closed.
    fn all(&self) -> Option<BroadcastOperators> {
        self.io.of("/")
    }

    fn sockets_in(&self, rooms: Vec<String>) -> Vec<SocketRef> {
        self.all()
            .map_or_else(Vec::new, |all| all.to(rooms).sockets())
    }

    /// Cuts off a client for good. One whose queue is full cannot even be told: it is left without
    /// rooms and identity, and the heartbeat ends it.
    fn cut(&self, socket: SocketRef) {
        socket.extensions.remove::<Identity>();
        socket.leave_all();
        self.levels.left(socket.id);
        if let Err(error) = socket.disconnect() {
            debug!(%error, "a client could not be told that it is cut off");
        }
    }

    /// Sends to everybody in any of the rooms; whoever cannot take it is cut off.
    async fn emit<T: Serialize + Sync>(&self, rooms: Vec<String>, event: &str, message: &T) {
        let Some(all) = self.all() else { return };
        match all.to(rooms.clone()).emit(event, message).await {
            Ok(()) => {}
            Err(BroadcastError::Socket(_)) => {
                // it does not say whose queue is full; sending again tells, and repeats to others
                // what repeats without harm
                for socket in self.sockets_in(rooms) {
                    let sent = socket.emit(event, message);
                    if let Err(SendError::Socket(SocketError::InternalChannelFull)) = sent {
                        info!(sid = %socket.id, "a client is too slow and is cut off");
                        metrics::slow_client();
                        self.cut(socket);
                    }
                }
            }
            Err(error) => error!(%error, event, "a message could not be sent"),
        }
    }

    fn take_changed(&self) -> HashSet<TenantId> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn cut_expired(&self, now: Timestamp) {
        let sockets = self
            .all()
            .map_or_else(Vec::new, BroadcastOperators::sockets);
        for socket in sockets {
            let identity = socket.extensions.get::<Identity>();
            if identity.is_some_and(|identity| identity.until <= now) {
                self.cut(socket);
            }
        }
    }
}

fn calls_room(tenant: TenantId) -> String {
    format!("calls:{tenant}")
}

fn metrics_room(tenant: TenantId) -> String {
    format!("metrics:{tenant}")
}

fn session_room(session: Uuid) -> String {
    format!("session:{session}")
}

fn user_room(tenant: TenantId, user: UserId) -> String {
    format!("user:{tenant}:{user}")
}

/// Sends what is sent without being asked, until the process drains: clients then connect again,
/// elsewhere or later.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut signals = app.fleet.signals();
    let mut coalesce = tokio::time::interval(COALESCE);
    let mut watching = tokio::time::interval(levels::WATCH_AGAIN);
    let mut expiry = tokio::time::interval(EXPIRY);
    for ticks in [&mut coalesce, &mut watching, &mut expiry] {
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            signal = signals.recv() => match signal {
                Ok(signal) => pass_on(&app, signal).await,
                Err(RecvError::Lagged(missed)) => metrics::signals_missed(missed),
                Err(RecvError::Closed) => anyhow::bail!("the fleet's signals ended"),
            },
            _ = coalesce.tick() => send_changed(&app).await,
            _ = watching.tick() => app.realtime.levels.ask_again(&app.fleet),
            _ = expiry.tick() => app.realtime.cut_expired(now()),
            () = lifecycle.draining() => break,
        }
    }
    app.realtime.io.close().await;
    Ok(())
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
            if let Some(message) = message
                && let Some(all) = app.realtime.all()
            {
                let sent = all.to(levels::room(call)).emit("levels", &message).await;
                if let Err(error) = sent {
                    debug!(%error, "levels were not sent to everybody");
                }
            }
        }
        // the binary tells it to the readiness
        Signal::LivekitLink { .. } => {}
        Signal::Backlog(backlog) => app.realtime.backlogs.heard(backlog, clock::now()),
    }
}

async fn send_changed(app: &App) {
    for tenant in app.realtime.take_changed() {
        if let Err(error) = send_lists(app, tenant).await {
            error!(%tenant, %error, "lists and figures could not be read for sending");
        }
    }
}

async fn send_lists(app: &App, id: TenantId) -> crate::store::Result<()> {
    let realtime = &app.realtime;
    let tenant = app.store.tenant(id);
    let timestamp = now();
    if !realtime.sockets_in(vec![metrics_room(id)]).is_empty() {
        let metrics = dashboard::figures(&tenant, dashboard::DEFAULT_HOURS).await?;
        let message = MetricsUpdate {
            metrics: &metrics,
            timestamp,
        };
        realtime
            .emit(vec![metrics_room(id)], "metrics_update", &message)
            .await;
    }
    if !realtime.sockets_in(vec![calls_room(id)]).is_empty() {
        let calls = dashboard::active(&tenant).await?;
        let message = ActiveCallsUpdate {
            count: calls.len(),
            active_calls: calls.iter().take(LISTED).map(ActiveCall::from).collect(),
            timestamp,
        };
        realtime
            .emit(vec![calls_room(id)], "active_calls_update", &message)
            .await;
    }
    Ok(())
}

/// Asks the gateway for levels of a call, without waiting.
fn ask_for_levels(fleet: &Fleet, call: sidetone_wire::CallId) {
    let fleet = fleet.clone();
    tokio::spawn(async move {
        let command = sidetone_wire::Command::WatchLevels { call };
        if let Err(error) = fleet.command(call, command).await {
            debug!(%call, %error, "nobody gives levels of this call");
        }
    });
}
