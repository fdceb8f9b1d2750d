//! How to join a room and how hard to hold on to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::model::Audience;

/// Makes the token for an attempt to join; the argument counts attempts from 0. A fresh identity
/// for each attempt avoids what the server remembers of a former connection.
pub type TokenSource = Arc<dyn Fn(u32) -> Result<String, String> + Send + Sync>;

/// How to join a room.
#[derive(Clone)]
pub struct Options {
    /// The server's WebSocket address, for example `wss://sfu.example`.
    pub url: String,
    /// Who we are.
    pub token: TokenSource,
    /// Lets the server subscribe every track for us. Off by default: a video track that nobody
    /// here can decode makes the server give up on the connection.
    pub auto_subscribe: bool,
    /// Who may hear what we publish, said before the first track is announced.
    pub audience: Audience,
    /// Ask receivers to report lost packets of ours and send those again. Costs a copy of the
    /// last 64 packets of each local track. Default on.
    pub uplink_nack: bool,
    /// Ask the server to send lost packets again. Default on.
    pub downlink_nack: bool,
    /// How long to try to get back before the room is given up. Default 10 minutes.
    pub give_up_after: Duration,
    /// Spreads the joins of a process.
    pub pacer: JoinPacer,
}

impl Options {
    /// Joins the room and as the identity that `token` names; the same token is used again for
    /// every attempt.
    pub fn new(url: &str, token: String) -> Self {
        Self::with_token_source(url, Arc::new(move |_| Ok(token.clone())))
    }

    /// Joins with a token made for each attempt.
    pub fn with_token_source(url: &str, token: TokenSource) -> Self {
        Self {
            url: url.to_owned(),
            token,
            auto_subscribe: false,
            audience: Audience::Everybody,
            uplink_nack: true,
            downlink_nack: true,
            give_up_after: Duration::from_mins(10),
            pacer: JoinPacer::default(),
        }
    }
}

/// Lets at most so many joins a second begin, for all rooms that share it. Cheap to clone.
#[derive(Clone)]
pub struct JoinPacer {
    interval: Duration,
    next: Arc<Mutex<Option<Instant>>>,
}

impl Default for JoinPacer {
    /// 20 joins a second: what a server that has just restarted takes without falling behind.
    fn default() -> Self {
        Self::per_second(20)
    }
}

impl JoinPacer {
    /// At most `joins` a second, at least 1.
    pub fn per_second(joins: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / joins.max(1),
            next: Arc::default(),
        }
    }

    /// The moment at which a join that wants to begin at `now` may begin.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.interval);
        at
    }

    pub(crate) async fn wait(&self) {
        let at = self.reserve(clock::now());
        tokio::time::sleep_until(at.into()).await;
    }
}

/// Waits between attempts: doubles from `first` to `cap`, with up to a third of jitter.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    cap: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, cap: Duration) -> Self {
        Self { next: first, cap }
    }

    /// The next wait; `jitter` is a number up to 1000.
    pub(crate) fn wait(&mut self, jitter: u64) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(self.cap);
        base + base.mul_f64(jitter as f64 / 3000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_are_spread_and_a_pause_is_not_saved_up() {
        let pacer = JoinPacer::per_second(20);
        let now = clock::now();
        assert_eq!(pacer.reserve(now), now);
        assert_eq!(pacer.reserve(now), now + Duration::from_millis(50));
        assert_eq!(pacer.reserve(now), now + Duration::from_millis(100));
        let later = now + Duration::from_mins(1);
        assert_eq!(pacer.reserve(later), later);
        assert_eq!(pacer.reserve(later), later + Duration::from_millis(50));
    }

    #[test]
    fn backoff_doubles_to_its_cap_with_jitter_on_top() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(2));
        let waits: Vec<_> = (0..5).map(|_| backoff.wait(0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 2000]);
        assert!(backoff.wait(1000) > Duration::from_millis(2600));
        assert!(backoff.wait(1000) < Duration::from_millis(2700));
    }
}
