//! Taps live calls and fans them out: monitor rooms, recorder, levels.
//!
//! The gateway looks for rooms of a LiveKit server, and each that it may have (one lease per room)
//! becomes a task on one of its shards: threads with a runtime of their own. The task holds an
//! invisible connection to the room, says what happens to the call, and hands each packet, still
//! encoded, to the call's sinks by plain method calls. The only queue on a packet's way is the one
//! to a supervisor's monitor room or feed. A call that lives behind a vendor's socket, or in a
//! room of its vendor, is such a task, too (one lease per call): the control plane says what to
//! dial, or the vendor dials us.
//!
//! **Invariants**
//! - A call, its tap and its sinks live on one thread; there is no lock on a packet's path.
//! - A slow or failed sink loses packets of its own; it never delays the call or another sink.
//! - A call ends once, with a reason; a call that goes to another gateway, or outlives this
//!   process, is not ended here.
//! - Nothing that a room or a participant says makes anything grow without bound.

#![warn(missing_docs)]

mod bus;
mod call;
mod commands;
mod diallers;
mod directory;
mod forwarding;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod inward;
mod keeper;
mod link;
mod live;
mod metrics;
mod microphones;
mod monitor;
mod pace;
mod permit;
mod recognise;
mod routes;
mod shard;
mod sink;
mod source;
mod streams;
mod timer;
mod upstream;

use std::sync::{Arc, OnceLock};

use anyhow::bail;
use sidetone_fleet::ingress::Porter;
use sidetone_fleet::ledger::Ledger;
use sidetone_fleet::{Fleet, take};
use sidetone_room::JoinPacer;
use sidetone_room::token::Credentials;
use sidetone_service::Lifecycle;
use sidetone_wire::NodeId;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::info;

pub use metrics::describe as describe_metrics;

/// Joins that begin in a second, for the whole gateway: what a server that has just restarted
/// takes without falling behind.
const JOINS_PER_SECOND: u32 = 20;

/// A LiveKit server.
#[derive(Debug, Clone)]
pub struct Sfu {
    /// Its address: `ws`, `wss`, `http` or `https`.
    pub url: String,
    /// Its API key and secret.
    pub credentials: Credentials,
}

/// What the gateway needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server whose rooms are tapped, and in which supervisors listen. Without one there are
    /// calls behind sockets only, and whoever listens does so by a feed.
    pub livekit: Option<Sfu>,
    /// Who we are in the fleet; part of our identities in monitor rooms.
    pub node: NodeId,
    /// Threads that carry calls; 0 takes one for each core.
    pub shards: usize,
    /// Whether calls are recorded.
    pub record: bool,
    /// Upstreams may be on this machine: tests and the demo only.
    pub allow_loopback: bool,
}

/// A gateway, ready to run.
pub struct Gateway {
    shared: Arc<Shared>,
    shards: usize,
}

/// What every part of the gateway shares. Nothing in it is touched for a packet.
pub(crate) struct Shared {
    pub(crate) livekit: Option<Sfu>,
    pub(crate) node: NodeId,
    pub(crate) fleet: Fleet,
    pub(crate) recorder: Arc<dyn take::Recorder>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) record: bool,
    pub(crate) diallers: diallers::Diallers,
    /// Calls whose upstream dialled us.
    pub(crate) streams: inward::Streams,
    /// Where calls go, once the gateway runs.
    pub(crate) placement: OnceLock<shard::Placement>,
    pub(crate) pacer: JoinPacer,
    pub(crate) routes: routes::Routes,
    pub(crate) microphones: microphones::Microphones,
}

impl Shared {
    /// The server of whatever is in a room.
    pub(crate) fn sfu(&self) -> &Sfu {
        let livekit = self.livekit.as_ref();
        livekit.expect("rooms are looked for, and joined, on a server only")
    }
}

/// Prepares a gateway; nothing happens before [`Gateway::run`]. The ledger is asked what may be
/// recorded of each call.
///
/// # Errors
/// When there is no TLS.
pub fn load(
    settings: Settings,
    fleet: Fleet,
    recorder: Arc<dyn take::Recorder>,
    ledger: Arc<dyn Ledger>,
) -> anyhow::Result<Gateway> {
    let shards = match settings.shards {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    let shared = Shared {
        livekit: settings.livekit.map(|livekit| Sfu {
            url: websocket_url(&livekit.url),
            ..livekit
        }),
        node: settings.node,
        fleet,
        recorder,
        ledger,
        record: settings.record,
        diallers: diallers::Diallers::new(settings.allow_loopback)?,
        streams: inward::Streams::default(),
        placement: OnceLock::new(),
        pacer: JoinPacer::per_second(JOINS_PER_SECOND),
        routes: routes::Routes::default(),
        microphones: microphones::Microphones::default(),
    };
    Ok(Gateway {
        shared: Arc::new(shared),
        shards,
    })
}

/// Counts the calls that go on here. Cheap to clone.
#[derive(Clone)]
pub struct Calls(routes::Routes);

impl Calls {
    /// How many there are now.
    pub fn count(&self) -> usize {
        self.0.count()
    }
}

impl Gateway {
    /// The calls that go on, while it runs.
    pub fn calls(&self) -> Calls {
        Calls(self.shared.routes.clone())
    }

    /// What vendors dial that bring a call's sound themselves, for the public listener: what comes
    /// is heard while the gateway runs. `porter` says whose it is.
    pub fn streams(&self, porter: Arc<dyn Porter>) -> axum::Router {
        streams::router(self.shared.clone(), porter)
    }

    /// Takes AudioSocket connections on a listener, until the drain. Danger: whoever reaches it is
    /// believed.
    pub fn audiosocket(
        &self,
        listener: TcpListener,
        porter: Arc<dyn Porter>,
        lifecycle: Lifecycle,
    ) -> impl Future<Output = ()> + Send + 'static {
        streams::audiosocket(self.shared.clone(), porter, listener, lifecycle)
    }

    /// Finds and carries calls until the drain. Then takes are ended, rooms are left, and no call
    /// is said to be over: it goes on without us. What has not left when
    /// [`Lifecycle::stopping`] resolves is cut off.
    pub async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let Self { shared, shards } = self;
        let incoming = shared.fleet.serve(&shared.node);
        let mut shards = shard::Shards::start(&shared, shards, &lifecycle)?;
        let url = shared.livekit.as_ref().map(|livekit| &livekit.url);
        info!(node = %shared.node, shards = shards.len(), url, "gateway runs");
        let (changed, changes) = mpsc::channel(directory::CHANGES);
        let (senders, placement) = (shards.senders(), shards.placement());
        drop(shared.placement.set(shards.placement())); // it runs once
        let commands = commands::run(incoming, shared.clone(), senders, placement, changed);
        let placement = shards.placement();
        let directory = async {
            match shared.livekit {
                Some(_) => directory::run(shared.clone(), placement, changes).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased; // the drain ends shards too
            () = lifecycle.draining() => {}
            () = commands => bail!("the fleet sends no more commands"),
            () = Box::pin(directory) => bail!("the directory of rooms ended"),
            name = shards.died() => bail!("{name} ended unexpectedly"),
        }
        shards.drained(&lifecycle).await;
        info!(node = %shared.node, "gateway has left every room");
        Ok(())
    }
}

/// The signalling's address of a server.
fn websocket_url(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signalling_is_reached_at_the_servers_address_however_it_is_written() {
        assert_eq!(
            websocket_url("http://127.0.0.1:7880/"),
            "ws://127.0.0.1:7880"
        );
        assert_eq!(websocket_url("https://sfu.example"), "wss://sfu.example");
        assert_eq!(websocket_url("wss://sfu.example"), "wss://sfu.example");
    }
}
