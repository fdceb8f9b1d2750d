//! Threads that carry calls.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use sidetone_room::service::RoomInfo;
use sidetone_service::Lifecycle;
use sidetone_wire::UserId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info_span};

use crate::directory::Fate;
use crate::keeper::Keeper;
use crate::metrics::PacketCounters;
use crate::monitor::Monitors;
use crate::{Shared, call, guest, inward, pace, sink, upstream};

/// Orders waiting at a shard. Starts are paced at a few a second, so more mean that the shard is
/// stuck: the room goes to another one.
const SHARD_QUEUE: usize = 256;

/// A room to tap.
pub(crate) struct Start {
    pub(crate) room: RoomInfo,
    pub(crate) keeper: Keeper,
    pub(crate) fate: Fate,
}

/// A call to hear, in a room or through a socket.
pub(crate) enum Work {
    /// A room.
    Room(Start),
    /// A socket of an upstream.
    Socket(upstream::Start),
    /// A room of an upstream.
    Guest(Box<guest::Start>),
    /// A socket that an upstream opened.
    Stream(Box<inward::Start>),
}

/// An order to a shard.
pub(crate) enum ToShard {
    /// Hear a call. The guard counts it towards the shard's load.
    Start(Box<Work>, Load),
    /// A user's grants end, whatever they listen to.
    UnlistenAll(UserId),
}

/// One room of a shard's load.
pub(crate) struct Load(Arc<AtomicUsize>);

impl Load {
    fn new(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(load.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the tasks of one shard share, on its thread.
pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    /// `None` without LiveKit.
    pub(crate) monitors: Option<Monitors>,
    pub(crate) feeds: sink::Feeds,
    pub(crate) counters: PacketCounters,
    /// Takes are ended and rooms left when this is cancelled.
    pub(crate) drain: CancellationToken,
}

impl Shard {
    /// Withdraws everything that a user hears.
    fn revoke(&self, user: UserId) {
        self.feeds.revoke(user);
        if let Some(monitors) = &self.monitors {
            monitors.revoke(user);
        }
    }
}

/// The shards of a gateway.
pub(crate) struct Shards {
    threads: Vec<Thread>,
}

struct Thread {
    name: String,
    orders: mpsc::Sender<ToShard>,
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

/// Chooses shards for rooms.
pub(crate) struct Placement {
    shards: Vec<(mpsc::Sender<ToShard>, Arc<AtomicUsize>)>,
}

impl Shards {
    /// Starts `count` threads; they end with the lifecycle's drain.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        count: usize,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Self> {
        let threads = (0..count.max(1)).map(|number| {
            let name = format!("shard-{number}");
            let (orders, queue) = mpsc::channel(SHARD_QUEUE);
            let (alive, ended) = oneshot::channel();
            let life = Life {
                number,
                shared: shared.clone(),
                queue,
                drain: lifecycle.drain_token(),
                stop: lifecycle.stop_token(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .on_thread_park(pace::gather)
                .build()
                .with_context(|| format!("{name} has no runtime"))?;
            std::thread::Builder::new()
                .name(name.clone())
                .spawn(move || {
                    let _alive: oneshot::Sender<()> = alive;
                    LocalSet::new().block_on(&runtime, life.run());
                })
                .with_context(|| format!("{name} has no thread"))?;
            Ok(Thread {
                name,
                orders,
                load: Arc::default(),
                ended,
            })
        });
        Ok(Self {
            threads: threads.collect::<anyhow::Result<_>>()?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Where to send orders.
    pub(crate) fn senders(&self) -> Vec<mpsc::Sender<ToShard>> {
        self.threads
            .iter()
            .map(|thread| thread.orders.clone())
            .collect()
    }

    pub(crate) fn placement(&self) -> Placement {
        let of = |thread: &Thread| (thread.orders.clone(), thread.load.clone());
        Placement {
            shards: self.threads.iter().map(of).collect(),
        }
    }

    /// The name of a shard that ended; cancel-safe.
    pub(crate) async fn died(&mut self) -> String {
        std::future::poll_fn(|cx| {
            for thread in &mut self.threads {
                if Future::poll(std::pin::Pin::new(&mut thread.ended), cx).is_ready() {
                    return std::task::Poll::Ready(thread.name.clone());
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// Waits until every shard has ended, or must.
    pub(crate) async fn drained(self, lifecycle: &Lifecycle) {
        for thread in self.threads {
            tokio::select! {
                _ = thread.ended => {}
                () = lifecycle.stopping() => {}
            }
        }
    }
}

impl Placement {
    /// Gives a call to the least loaded shard that takes it.
    pub(crate) fn place(&self, mut start: Box<Work>) -> Result<(), Box<Work>> {
        let mut by_load: Vec<_> = self.shards.iter().collect();
        by_load.sort_by_key(|(_, load)| load.load(Ordering::Relaxed));
        for (orders, load) in by_load {
            match orders.try_send(ToShard::Start(start, Load::new(load))) {
                Ok(()) => return Ok(()),
                Err(refused) => match refused.into_inner() {
                    ToShard::Start(refused, _) => start = refused,
                    ToShard::UnlistenAll(_) => unreachable!("it is what was sent"),
                },
            }
        }
        Err(start)
    }
}

/// What a shard's thread begins with.
struct Life {
    number: usize,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<ToShard>,
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Life {
    async fn run(self) {
        let Self {
            number,
            shared,
            mut queue,
            drain,
            stop,
        } = self;
        let livekit = shared.livekit.is_some();
        let monitors = livekit.then(|| Monitors::new(shared.clone(), number));
        let shard = Rc::new(Shard {
            monitors,
            feeds: sink::Feeds::default(),
            shared,
            counters: PacketCounters::new(),
            drain: drain.clone(),
        });
        let mut taps = JoinSet::new();
        loop {
            tokio::select! {
                () = drain.cancelled() => break,
                Some(ended) = taps.join_next(), if !taps.is_empty() => report(ended),
                order = queue.recv() => match order {
                    Some(ToShard::Start(start, load)) => spawn(&mut taps, &shard, *start, load),
                    Some(ToShard::UnlistenAll(user)) => shard.revoke(user),
                    None => break,
                },
            }
        }
        let left = async {
            while let Some(ended) = taps.join_next().await {
                report(ended);
            }
            if let Some(monitors) = &shard.monitors {
                monitors.left().await;
            }
        };
        tokio::select! {
            () = left => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Hears a call in a task of its own; its panic is its own too.
fn spawn(taps: &mut JoinSet<()>, shard: &Rc<Shard>, work: Work, load: Load) {
    let (shard, call) = (shard.clone(), tracing::field::Empty);
    let (span, tap): (_, Pin<Box<dyn Future<Output = ()>>>) = match work {
        Work::Room(start) => (
            info_span!("tap", room = start.room.name, call),
            Box::pin(call::run(start, shard)),
        ),
        Work::Socket(start) => (
            info_span!("tap", upstream = %start.socket.upstream, call),
            Box::pin(upstream::run(start, shard)),
        ),
        Work::Guest(start) => (
            info_span!("tap", upstream = %start.socket.upstream, call),
            Box::pin(guest::run(*start, shard)),
        ),
        Work::Stream(start) => (
            info_span!("tap", upstream = %start.arrival.who.upstream, call),
            Box::pin(inward::run(*start, shard)),
        ),
    };
    let tap = tracing::Instrument::instrument(tap, span);
    taps.spawn_local(async move {
        let _load = load;
        tap.await;
    });
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panicked) = ended {
        error!(error = %panicked, "a tap broke: its call is tapped again");
    }
}

/// Numbers that are never given twice on one thread.
#[derive(Default)]
pub(crate) struct Serial(Cell<u32>);

impl Serial {
    pub(crate) fn next(&self) -> u32 {
        let next = self.0.get();
        self.0.set(next.wrapping_add(1));
        next
    }
}
