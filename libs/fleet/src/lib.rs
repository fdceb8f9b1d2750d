//! What the parts of Sidetone say to each other: leases, commands, events, takes, streams that come
//! in.
//!
//! In one process all of it is memory ([`Fleet::in_process`]). The shapes are those of a
//! distributed store (keys, fencing numbers, serialisable messages, at-least-once delivery), so
//! that another transport changes nothing for the parts.

#![expect(
    clippy::unused_async,
    reason = "in one process nothing is waited for; over a network everything is"
)]

mod command;
mod event;
mod feed;
pub mod ingress;
mod lease;
pub mod ledger;
pub mod take;

use std::sync::Arc;

pub use command::{COMMAND_TIMEOUT, CommandRequest, Commands};
pub use event::{Delivery, EVENT_QUEUE, EventLog, Events};
pub use feed::{FEED_QUEUE, Feed, FeedEnd, Feeder};
pub use lease::{LEASE_TTL, Lease, Renewal};
use sidetone_wire::{CallId, Command, CommandError, FeedId, NodeId, Reply, Signal};
use tokio::sync::broadcast;

/// Signals kept for a slow reader before it misses the oldest: about a second of 500 calls.
pub const SIGNAL_QUEUE: usize = 2048;

/// The link between parts. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    leases: Arc<lease::Leases>,
    nodes: Arc<command::Nodes>,
    events: Arc<event::Queue>,
    feeds: Arc<feed::Feeds>,
    signals: broadcast::Sender<Signal>,
}

impl Fleet {
    /// A fleet whose parts all live in this process.
    pub fn in_process() -> Self {
        let (signals, _) = broadcast::channel(SIGNAL_QUEUE);
        Self {
            leases: Arc::default(),
            nodes: Arc::default(),
            events: Arc::default(),
            feeds: Arc::default(),
            signals,
        }
    }

    /// Takes the lease named `key` (`call:<id>` or `room:<name>`) for `owner`, unless somebody
    /// else has it. `now` is the caller's clock, as everywhere here.
    pub async fn acquire(
        &self,
        key: &str,
        owner: &NodeId,
        now: std::time::Instant,
    ) -> Option<Lease> {
        lease::Leases::acquire(&self.leases, key, owner, now)
    }

    /// Who holds the lease named `key` at `now`.
    pub async fn holder(&self, key: &str, now: std::time::Instant) -> Option<NodeId> {
        self.leases.holder(key, now)
    }

    /// Makes `node` reachable for commands until the returned receiver is dropped.
    pub fn serve(&self, node: &NodeId) -> Commands {
        command::Nodes::serve(&self.nodes, node)
    }

    /// Says that commands for `call` go to `node`, until the returned guard is dropped.
    pub fn route(&self, call: CallId, node: &NodeId) -> take::Guard {
        command::Nodes::route(&self.nodes, call, node)
    }

    /// Sends a command to the node that holds `call` and waits for its answer, at most
    /// [`COMMAND_TIMEOUT`].
    pub async fn command(&self, call: CallId, command: Command) -> Result<Reply, CommandError> {
        self.nodes.command(call, command).await
    }

    /// Sends a command to every node, without waiting for answers.
    pub async fn command_all(&self, command: Command) {
        self.nodes.command_all(&command);
    }

    /// Opens a feed for the call's holder to find under this id, which nobody else has.
    pub fn open_feed(&self, id: FeedId) -> Feed {
        feed::Feeds::open(&self.feeds, id)
    }

    /// The open feed of this id, once.
    pub fn pick_up(&self, id: FeedId) -> Option<Feeder> {
        self.feeds.pick_up(id)
    }

    /// The sender of one call's events under a lease with this fencing number.
    pub fn event_log(&self, call: CallId, fence: u64) -> EventLog {
        EventLog::new(self.events.clone(), call, fence)
    }

    /// The receiver of every call's events. Two receivers share the events between them.
    pub fn events(&self) -> Events {
        Events::new(self.events.clone())
    }

    /// Reports something that is worth knowing only now.
    pub fn signal(&self, signal: Signal) {
        // nobody listens: nothing to do
        drop(self.signals.send(signal));
    }

    /// Receives signals from now on; a slow receiver misses the oldest.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }
}
