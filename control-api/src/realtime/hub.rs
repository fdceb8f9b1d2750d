//! Who is connected, what they subscribed, and the delivery to them: the one mechanism behind
//! Socket.IO and the plain WebSocket.
//!
//! **Invariant**: a client that cannot take what it is sent is cut off; nothing waits for it, and
//! nothing is kept for it beyond its [`Outbox`]. What it subscribes is whole: from joining on
//! everything is kept back until the snapshot is sent.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sidetone_wire::{CallId, TenantId, Timestamp, UserId};
use tokio::sync::Notify;
use tracing::info;
use uuid::Uuid;

use super::message::{Frame, Message};
use super::outbox::{Outbox, TooSlow};
use super::session::Budget;
use crate::metrics;
use crate::numbers::Viewer;
use crate::store::Identity;

/// How often those who are behind are tried again.
pub(super) const RETRY: Duration = Duration::from_millis(5);
/// How long a connection whose client is cut off is asked to close: longer than any heartbeat.
const LEAVING: Duration = Duration::from_secs(90);

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(super) u64);

/// What a client may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Room {
    /// Everybody of a tenant.
    Tenant(TenantId),
    /// A tenant's user, in all their windows.
    User(TenantId, UserId),
    /// Single events of a tenant's calls.
    Calls(TenantId),
    /// A tenant's figures.
    Metrics(TenantId),
    /// A tenant's calls and figures, once a second.
    Batch(TenantId),
    /// Single events of every tenant's calls.
    Global,
    /// Every tenant's calls, once a second.
    GlobalBatch,
    /// One call: its levels and its transcript.
    Call(CallId),
}

/// What became of a frame that a connection was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// It takes nothing more at the moment.
    Full,
    /// It is closed.
    Gone,
}

/// Why a client is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its session has ended.
    Revoked,
    TooSlow,
    /// It says too much.
    TooLoud,
    /// The process ends.
    Ending,
}

/// A connection, whatever its protocol.
pub(super) trait Wire: Send + Sync {
    /// Takes a frame if there is room for it.
    fn send(&self, frame: &Frame) -> Sent;
    /// Closes; `false` when not even that can be told now.
    fn close(&self, why: Why) -> bool;
}

/// Somebody who is connected.
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) identity: Identity,
    viewer: Option<Viewer>,
    wire: Box<dyn Wire>,
    outbox: Mutex<Outbox>,
    budget: Mutex<Budget>,
    /// One subscription after the other: each keeps back what comes until its snapshot is sent.
    pub(super) subscribing: tokio::sync::Mutex<()>,
}

/// How a delivery to one client went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Done,
    Waits,
    TooSlow,
}

impl Client {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, message: &Message, now: Instant) -> Delivery {
        let frame = message.seen_by(self.viewer.as_ref());
        let mut outbox = self.outbox();
        if !outbox.must_wait() {
            match self.wire.send(&frame) {
                Sent::Yes | Sent::Gone => return Delivery::Done,
                Sent::Full => {}
            }
        }
        match outbox.keep(frame, now) {
            Ok(()) => Delivery::Waits,
            Err(TooSlow) => Delivery::TooSlow,
        }
    }

    /// What is worth nothing later: not sent to those who are behind.
    fn deliver_now(&self, message: &Message) {
        let outbox = self.outbox();
        if !outbox.must_wait() {
            self.wire.send(&message.seen_by(self.viewer.as_ref()));
        }
    }

    fn flush(&self, now: Instant) -> Delivery {
        let mut outbox = self.outbox();
        while let Some(frame) = outbox.next() {
            match self.wire.send(frame) {
                Sent::Yes => outbox.sent(),
                Sent::Full => break,
                Sent::Gone => {
                    outbox.clear();
                    return Delivery::Done;
                }
            }
        }
        match outbox.check(now) {
            Err(TooSlow) => Delivery::TooSlow,
            Ok(()) if outbox.must_wait() => Delivery::Waits,
            Ok(()) => Delivery::Done,
        }
    }

    /// Whether what it says now is heard.
    pub(super) fn may_say_more(&self, now: Instant) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(now)
    }

    /// Keeps back what comes until [`Hub::release`].
    pub(super) fn hold(&self) {
        self.outbox().hold();
    }

    pub(super) fn view(&self, message: &Message) -> Frame {
        message.seen_by(self.viewer.as_ref())
    }
}

struct Member {
    client: Arc<Client>,
    rooms: HashSet<Room>,
}

#[derive(Default)]
struct State {
    clients: HashMap<ClientId, Member>,
    rooms: HashMap<Room, HashMap<ClientId, Arc<Client>>>,
}

/// Clients that are behind or are to be closed.
#[derive(Default)]
struct Behind {
    lagging: HashSet<ClientId>,
    leaving: Vec<(Arc<Client>, Why, Instant)>,
}

#[derive(Default)]
pub(super) struct Hub {
    state: RwLock<State>,
    behind: Mutex<Behind>,
    /// Somebody has fallen behind.
    fell_behind: Notify,
    next: AtomicU64,
}

impl Hub {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn behind(&self) -> MutexGuard<'_, Behind> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has connected: they are in `rooms`, and what comes is kept until
    /// [`Hub::release`].
    pub(super) fn enter(
        &self,
        identity: Identity,
        wire: Box<dyn Wire>,
        rooms: &[Room],
    ) -> Arc<Client> {
        let mut outbox = Outbox::default();
        outbox.hold();
        let client = Arc::new(Client {
            id: ClientId(self.next.fetch_add(1, Ordering::Relaxed)),
            viewer: Viewer::of(&identity),
            identity,
            wire,
            outbox: Mutex::new(outbox),
            budget: Mutex::new(Budget::new(sidetone_service::clock::now())),
            subscribing: tokio::sync::Mutex::default(),
        });
        let mut state = self.write();
        let member = Member {
            client: client.clone(),
            rooms: HashSet::new(),
        };
        state.clients.insert(client.id, member);
        for room in rooms {
            state.join(client.id, *room);
        }
        metrics::sockets(1.0);
        client
    }

    /// A connection is gone; gives whether it was still known.
    pub(super) fn left(&self, id: ClientId) -> bool {
        let gone = self.write().remove(id);
        let Some(client) = gone else { return false };
        client.outbox().clear();
        metrics::sockets(-1.0);
        true
    }

    /// `false` when the client is gone.
    pub(super) fn join(&self, id: ClientId, room: Room) -> bool {
        self.write().join(id, room)
    }

    pub(super) fn leave(&self, id: ClientId, room: Room) {
        self.write().leave(id, room);
    }

    /// Puts everybody of other tenants out of a room.
    pub(super) fn keep_to(&self, room: Room, tenant: TenantId) {
        let strangers: Vec<ClientId> = {
            let state = self.read();
            let members = state.rooms.get(&room).into_iter().flat_map(HashMap::values);
            members
                .filter(|client| client.identity.tenant != tenant)
                .map(|client| client.id)
                .collect()
        };
        for id in strangers {
            self.leave(id, room);
        }
    }

    /// Whether anybody is in one of the rooms.
    pub(super) fn has(&self, rooms: &[Room]) -> bool {
        let state = self.read();
        rooms.iter().any(|room| state.rooms.contains_key(room))
    }

    /// Sends a client its snapshot, and what came since.
    pub(super) fn release(&self, client: &Client, snapshot: Vec<Frame>, now: Instant) {
        client.outbox().release(snapshot, now);
        self.settle(client, client.flush(now));
    }

    /// Sends one client something.
    pub(super) fn send(&self, client: &Client, message: &Message, now: Instant) {
        self.settle(client, client.deliver(message, now));
    }

    /// Sends to everybody in any of the rooms.
    pub(super) fn deliver(&self, rooms: &[Room], message: &Message, now: Instant) {
        let mut seen = HashSet::new();
        let mut unsettled = Vec::new();
        {
            let state = self.read();
            let members = rooms.iter().filter_map(|room| state.rooms.get(room));
            for client in members.flat_map(HashMap::values) {
                if rooms.len() > 1 && !seen.insert(client.id) {
                    continue;
                }
                let delivery = client.deliver(message, now);
                if delivery != Delivery::Done {
                    unsettled.push((client.clone(), delivery));
                }
            }
        }
        for (client, delivery) in unsettled {
            self.settle(&client, delivery);
        }
    }

    /// Sends to those in the room who are not behind; others miss it.
    pub(super) fn deliver_now(&self, room: Room, message: &Message) {
        if let Some(members) = self.read().rooms.get(&room) {
            for client in members.values() {
                client.deliver_now(message);
            }
        }
    }

    fn settle(&self, client: &Client, delivery: Delivery) {
        match delivery {
            Delivery::Done => {}
            Delivery::Waits => {
                if self.behind().lagging.insert(client.id) {
                    self.fell_behind.notify_one();
                }
            }
            Delivery::TooSlow => {
                info!(user = %client.identity.user, "a client is too slow and is cut off");
                metrics::slow_client();
                self.cut(client.id, Why::TooSlow);
            }
        }
    }

    /// Waits until somebody is behind, then for the time to try again.
    pub(super) async fn behind_again(&self) {
        loop {
            let somebody = {
                let behind = self.behind();
                !behind.lagging.is_empty() || !behind.leaving.is_empty()
            };
            if somebody {
                tokio::time::sleep(RETRY).await;
                return;
            }
            self.fell_behind.notified().await;
        }
    }

    /// Tries again with those who are behind, and with those who are to be closed.
    pub(super) fn retry(&self, now: Instant) {
        let (lagging, leaving) = {
            let mut behind = self.behind();
            (
                std::mem::take(&mut behind.lagging),
                std::mem::take(&mut behind.leaving),
            )
        };
        for id in lagging {
            let client = self.read().clients.get(&id).map(|it| it.client.clone());
            if let Some(client) = client {
                self.settle(&client, client.flush(now));
            }
        }
        for (client, why, until) in leaving {
            if now < until && !client.wire.close(why) {
                self.behind().leaving.push((client, why, until));
            }
        }
    }

    /// Cuts a client off for good: nothing reaches it any more, whatever its connection still does.
    pub(super) fn cut(&self, id: ClientId, why: Why) {
        let Some(client) = self.write().remove(id) else {
            return;
        };
        client.outbox().clear();
        metrics::sockets(-1.0);
        if !client.wire.close(why) {
            let until = sidetone_service::clock::now() + LEAVING;
            self.behind().leaving.push((client, why, until));
            self.fell_behind.notify_one();
        }
    }

    /// Cuts off everybody of whom that is true.
    pub(super) fn cut_all(&self, why: Why, of: impl Fn(&Identity) -> bool) {
        let ids: Vec<ClientId> = {
            let state = self.read();
            let all = state.clients.values();
            all.filter(|member| of(&member.client.identity))
                .map(|member| member.client.id)
                .collect()
        };
        for id in ids {
            self.cut(id, why);
        }
    }

    /// Cuts off the clients of one session.
    pub(super) fn cut_session(&self, session: Uuid) {
        self.cut_all(Why::Revoked, |identity| identity.session == session);
    }

    /// Cuts off those whose session's time is over.
    pub(super) fn cut_expired(&self, now: Timestamp) {
        self.cut_all(Why::Revoked, |identity| identity.until <= now);
    }

    /// Everybody who is connected.
    pub(super) fn clients(&self) -> Vec<Arc<Client>> {
        let state = self.read();
        let all = state.clients.values();
        all.map(|member| member.client.clone()).collect()
    }
}

impl State {
    fn join(&mut self, id: ClientId, room: Room) -> bool {
        let Some(member) = self.clients.get_mut(&id) else {
            return false;
        };
        member.rooms.insert(room);
        let client = member.client.clone();
        self.rooms.entry(room).or_default().insert(id, client);
        true
    }

    fn leave(&mut self, id: ClientId, room: Room) {
        if let Some(member) = self.clients.get_mut(&id) {
            member.rooms.remove(&room);
        }
        self.leave_room(id, room);
    }

    fn leave_room(&mut self, id: ClientId, room: Room) {
        if let Some(members) = self.rooms.get_mut(&room) {
            members.remove(&id);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    fn remove(&mut self, id: ClientId) -> Option<Arc<Client>> {
        let member = self.clients.remove(&id)?;
        for room in member.rooms {
            self.leave_room(id, room);
        }
        Some(member.client)
    }
}
