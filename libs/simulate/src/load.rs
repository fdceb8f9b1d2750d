//! Cheap publishers for load tests: many calls of two tracks, made of packets from elsewhere.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use futures_util::stream;
use sidetone_room::Kind;
use sidetone_room::token::Token;
use sidetone_service::clock;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::client::{Client, Server};
use crate::clip::{Clip, PACKET, Sound};
use crate::conversation::Silence;
use crate::script::Side;

/// Joins in flight at once: more only queue up at the server.
const JOINS_AT_ONCE: usize = 16;
/// Calls that share a task and its clock. Their packets leave together; other groups' clocks are
/// set apart, so that a thousand tracks do not send in the same millisecond.
const CALLS_PER_GROUP: usize = 16;

/// What a party says as its n-th packet. Asked when the packet is due, so that it may carry a
/// time stamp; cheap, since a load test asks 50 times a second for each track.
pub type Payloads = Arc<dyn Fn(Side, u64) -> Sound + Send + Sync>;

/// The packets of two clips over and over.
///
/// # Errors
/// When one of them is empty.
pub fn looped(customer: &Clip, agent: &Clip) -> Result<Payloads> {
    let packets = |clip: &Clip| -> Arc<[Sound]> { clip.packets().into() };
    let (customer, agent) = (packets(customer), packets(agent));
    ensure!(
        !customer.is_empty() && !agent.is_empty(),
        "a clip without packets cannot be looped"
    );
    Ok(Arc::new(move |side, number| {
        let packets = match side {
            Side::Customer => &customer,
            Side::Agent => &agent,
        };
        packets[(number % packets.len() as u64) as usize].clone()
    }))
}

/// Calls that send a packet on both tracks every 20 ms until they are stopped.
pub struct BurstPublisher {
    stop: CancellationToken,
    groups: JoinSet<()>,
    sent: Arc<AtomicU64>,
}

impl BurstPublisher {
    /// Joins one call of customer and agent in each of `rooms`; returns when every track takes
    /// packets.
    ///
    /// # Errors
    /// When one of them cannot be joined.
    pub async fn start(server: &Server, rooms: &[String], payloads: Payloads) -> Result<Self> {
        let mut joined = stream::iter(rooms)
            .map(|room| Box::pin(ToneCall::join(server, room)))
            .buffer_unordered(JOINS_AT_ONCE);
        let stop = CancellationToken::new();
        let sent = Arc::new(AtomicU64::new(0));
        let mut groups = JoinSet::new();
        let group_count = rooms.len().div_ceil(CALLS_PER_GROUP).max(1) as u32;
        let mut calls = Vec::new();
        for index in 0..rooms.len() {
            let call = joined.next().await.expect("there is one for each room")?;
            calls.push(call);
            if calls.len() == CALLS_PER_GROUP || index + 1 == rooms.len() {
                let group = Group {
                    calls: std::mem::take(&mut calls),
                    payloads: Arc::clone(&payloads),
                    sent: Arc::clone(&sent),
                };
                let offset = PACKET * groups.len() as u32 / group_count;
                groups.spawn(group.run(offset, stop.clone()));
            }
        }
        Ok(Self { stop, groups, sent })
    }

    /// Packets sent so far, over all tracks.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Everybody leaves.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.groups.join_next().await.is_some() {}
    }
}

/// A call whose parties say whatever they are given.
struct ToneCall {
    customer: Client,
    agent: Client,
}

impl ToneCall {
    async fn join(server: &Server, room: &str) -> Result<Self> {
        let customer = Token::publisher(room, "customer");
        let agent = Token::publisher(room, "agent").kind(Kind::Agent);
        let join = |token| Box::pin(Client::join(server, token, Silence::Continuous));
        let customer = join(customer)
            .await
            .with_context(|| format!("customer of {room}"))?;
        let agent = join(agent)
            .await
            .with_context(|| format!("agent of {room}"))?;
        Ok(Self { customer, agent })
    }
}

/// Calls on one clock.
struct Group {
    calls: Vec<ToneCall>,
    payloads: Payloads,
    sent: Arc<AtomicU64>,
}

impl Group {
    async fn run(mut self, offset: Duration, stop: CancellationToken) {
        let mut tick = tokio::time::interval_at((clock::now() + offset).into(), PACKET);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut number = 0;
        while !self.calls.is_empty() {
            tokio::select! {
                _ = tick.tick() => {
                    self.write(number);
                    number += 1;
                }
                lost = Self::drive(&mut self.calls) => {
                    self.calls.swap_remove(lost);
                }
                () = stop.cancelled() => break,
            }
        }
        let parties = self
            .calls
            .into_iter()
            .flat_map(|call| [call.customer, call.agent]);
        stream::iter(parties)
            .for_each_concurrent(JOINS_AT_ONCE, |party| Box::pin(party.leave()))
            .await;
    }

    fn write(&mut self, number: u64) {
        for call in &mut self.calls {
            let slot = number as u32;
            call.customer
                .write(slot, &(self.payloads)(Side::Customer, number));
            call.agent
                .write(slot, &(self.payloads)(Side::Agent, number));
        }
        self.sent
            .fetch_add(2 * self.calls.len() as u64, Ordering::Relaxed);
    }

    /// Drives every connection; completes with the index of a call that lost one. Each wake-up
    /// looks at all of them, which is cheap: publishers receive a few datagrams a second.
    async fn drive(calls: &mut [ToneCall]) -> usize {
        poll_fn(|cx| {
            for (index, call) in calls.iter_mut().enumerate() {
                for client in [&mut call.customer, &mut call.agent] {
                    if let Poll::Ready(error) = client.poll_drive(cx) {
                        warn!("a call of the load is lost: {error:#}");
                        return Poll::Ready(index);
                    }
                }
            }
            Poll::Pending
        })
        .await
    }
}
