//! Events of calls: kept until taken, in order per call, delivered at least once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_wire::{CallEvent, CallId, Numbered};
use tokio::sync::Notify;
use tracing::error;

/// Events kept while nobody takes them (the database is away): about a minute of 500 calls with
/// 2 events a second. Beyond it the newest are refused, counted and reported.
pub const EVENT_QUEUE: usize = 65_536;

#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Numbered>>,
    arrived: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Numbered>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Numbered) {
        let mut waiting = self.lock();
        if waiting.len() >= EVENT_QUEUE {
            drop(waiting);
            metrics::counter!("fleet_events_refused_total").increment(1);
            error!(call = %event.call, seq = event.seq, "event queue is full: event refused");
            return;
        }
        waiting.push_back(event);
        drop(waiting);
        self.arrived.notify_one();
    }
}

/// The sender of one call's events. Clones number them together.
#[derive(Clone)]
pub struct EventLog {
    queue: Arc<Queue>,
    call: CallId,
    fence: u64,
    last_seq: Arc<AtomicU64>,
}

impl EventLog {
    pub(crate) fn new(queue: Arc<Queue>, call: CallId, fence: u64) -> Self {
        Self {
            queue,
            call,
            fence,
            last_seq: Arc::default(),
        }
    }

    /// Sends an event. Never waits.
    pub fn send(&self, event: CallEvent) {
        let seq = self.last_seq.fetch_add(1, Ordering::Relaxed) + 1;
        self.queue.push(Numbered {
            call: self.call,
            fence: self.fence,
            seq,
            event,
        });
    }
}

/// The receiver of events.
pub struct Events {
    queue: Arc<Queue>,
}

/// Events that were handed out: one, and those that were asked for along with it. They are
/// delivered again unless [`Delivery::taken`] is called.
pub struct Delivery {
    queue: Arc<Queue>,
    events: Vec<Numbered>,
}

impl Events {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The next event; cancel-safe.
    pub async fn recv(&mut self) -> Delivery {
        loop {
            let arrived = self.queue.arrived.notified();
            let event = self.queue.lock().pop_front();
            if let Some(event) = event {
                return Delivery {
                    queue: self.queue.clone(),
                    events: vec![event],
                };
            }
            arrived.await;
        }
    }
}

impl Delivery {
    /// The event, the first of them.
    pub fn event(&self) -> &Numbered {
        self.events.first().expect("present until taken")
    }

    /// All of them, in the order in which they came.
    pub fn events(&self) -> &[Numbered] {
        &self.events
    }

    /// Takes along what waits next, as long as it is wanted and until there are `limit` events.
    pub fn take_along(&mut self, limit: usize, wanted: impl Fn(&CallEvent) -> bool) {
        let mut waiting = self.queue.lock();
        while self.events.len() < limit {
            match waiting.pop_front_if(|next| wanted(&next.event)) {
                Some(next) => self.events.push(next),
                None => break,
            }
        }
    }

    /// Says that the effect of each of them is durable.
    pub fn taken(mut self) {
        self.events.clear();
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let mut waiting = self.queue.lock();
        for event in self.events.drain(..).rev() {
            waiting.push_front(event);
        }
        drop(waiting);
        self.queue.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use crate::Fleet;
    use sidetone_wire::{CallEvent, CallId, Timestamp, UserId};

    fn event(n: u128) -> CallEvent {
        CallEvent::ListenerLeft {
            user: UserId(uuid_of(n)),
        }
    }

    fn uuid_of(n: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(n)
    }

    #[tokio::test]
    async fn an_event_that_was_not_taken_comes_again_before_the_next() {
        let fleet = Fleet::in_process();
        let call = CallId::of_upstream("livekit", "RM_1", Timestamp::from_unix_ms(1));
        let log = fleet.event_log(call, 7);
        log.send(event(1));
        log.send(event(2));
        let mut events = fleet.events();
        for _ in 0..2 {
            let delivery = events.recv().await;
            assert_eq!((delivery.event().fence, delivery.event().seq), (7, 1));
        }
        events.recv().await.taken();
        assert_eq!(events.recv().await.event().seq, 2);
    }

    #[tokio::test]
    async fn what_is_taken_along_comes_again_in_the_same_order() {
        let fleet = Fleet::in_process();
        let call = CallId::of_upstream("livekit", "RM_1", Timestamp::from_unix_ms(1));
        let log = fleet.event_log(call, 7);
        for n in [1, 1, 1, 2, 1] {
            log.send(event(n));
        }
        let is_of_one = |next: &CallEvent| *next == event(1);
        let mut events = fleet.events();
        for (limit, expected) in [
            (2, &[1, 2][..]),
            (9, &[1, 2, 3]),
            (0, &[1]),
            (9, &[1, 2, 3]),
        ] {
            let mut delivery = events.recv().await;
            delivery.take_along(limit, is_of_one);
            let seqs: Vec<u64> = delivery.events().iter().map(|one| one.seq).collect();
            assert_eq!(seqs, expected);
        }
        let mut delivery = events.recv().await;
        delivery.take_along(9, is_of_one);
        delivery.taken();
        assert_eq!(events.recv().await.event().seq, 4);
    }

    #[tokio::test]
    async fn a_waiting_receiver_is_woken() {
        let fleet = Fleet::in_process();
        let call = CallId::of_upstream("livekit", "RM_1", Timestamp::from_unix_ms(1));
        let mut events = fleet.events();
        let waiting = tokio::spawn(async move { events.recv().await.event().seq });
        tokio::task::yield_now().await;
        fleet.event_log(call, 1).send(event(1));
        assert_eq!(waiting.await.expect("no panic"), 1);
    }
}
