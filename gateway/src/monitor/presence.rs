//! Whether a monitor room is still needed.

use std::time::{Duration, Instant};

/// A listener who was told where to listen comes within this time, or not at all.
const COMES_WITHIN: Duration = Duration::from_mins(1);
/// A listener who left is waited for: a browser that reloads, a network that changes.
const RETURNS_WITHIN: Duration = Duration::from_secs(30);
/// The connection is kept for the next grant while the listener is there: the first sound then
/// comes sooner.
const WARM: Duration = Duration::from_mins(1);
/// The same without a listener.
const WARM_ALONE: Duration = Duration::from_secs(5);

/// What to do about a monitor room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is needed, or soon may be.
    Stay,
    /// No call is listened to.
    Idle,
    /// The listener is gone, although calls are listened to.
    Left,
}

/// Who is there for what.
#[derive(Debug)]
pub(crate) struct Presence {
    listener: Listener,
    /// Since when nothing is granted.
    idle_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Listener {
    Expected { since: Instant },
    There,
    Left { at: Instant },
}

impl Presence {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            listener: Listener::Expected { since: now },
            idle_since: Some(now),
        }
    }

    pub(crate) fn handle_joined(&mut self) {
        self.listener = Listener::There;
    }

    pub(crate) fn handle_left(&mut self, now: Instant) {
        if let Listener::There = self.listener {
            self.listener = Listener::Left { at: now };
        }
    }

    /// Whether any call is granted now.
    pub(crate) fn handle_grants(&mut self, any: bool, now: Instant) {
        match (any, self.idle_since) {
            (true, Some(_)) => {
                self.idle_since = None;
                if !matches!(self.listener, Listener::There) {
                    // whoever was just given a grant is on the way
                    self.listener = Listener::Expected { since: now };
                }
            }
            (false, None) => self.idle_since = Some(now),
            (true, None) | (false, Some(_)) => {}
        }
    }

    pub(crate) fn verdict(&self, now: Instant) -> Verdict {
        if self.poll_timeout().is_none_or(|at| now < at) {
            Verdict::Stay
        } else if self.idle_since.is_some() {
            Verdict::Idle
        } else {
            Verdict::Left
        }
    }

    /// When the verdict changes if nothing happens.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match (self.idle_since, self.listener) {
            (Some(since), Listener::There) => Some(since + WARM),
            (Some(since), Listener::Expected { .. } | Listener::Left { .. }) => {
                Some(since + WARM_ALONE)
            }
            (None, Listener::There) => None,
            (None, Listener::Expected { since }) => Some(since + COMES_WITHIN),
            (None, Listener::Left { at }) => Some(at + RETURNS_WITHIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn a_listener_that_never_comes_is_given_up_after_a_minute() {
        let now = clock::now();
        let mut presence = Presence::new(now);
        presence.handle_grants(true, now);
        assert_eq!(presence.verdict(after(now, 59)), Verdict::Stay);
        assert_eq!(presence.verdict(after(now, 60)), Verdict::Left);
    }

    #[test]
    fn a_listener_that_leaves_has_half_a_minute_to_return() {
        let now = clock::now();
        let mut presence = Presence::new(now);
        presence.handle_grants(true, now);
        presence.handle_joined();
        assert_eq!(presence.verdict(after(now, 9999)), Verdict::Stay);
        presence.handle_left(after(now, 100));
        assert_eq!(presence.verdict(after(now, 129)), Verdict::Stay);
        assert_eq!(presence.verdict(after(now, 130)), Verdict::Left);
        presence.handle_joined();
        assert_eq!(presence.verdict(after(now, 9999)), Verdict::Stay);
    }

    #[test]
    fn the_connection_is_kept_for_the_next_grant_while_the_listener_is_there() {
        let now = clock::now();
        let mut presence = Presence::new(now);
        presence.handle_grants(true, now);
        presence.handle_joined();
        presence.handle_grants(false, now);
        assert_eq!(presence.verdict(after(now, 59)), Verdict::Stay);
        assert_eq!(presence.verdict(after(now, 60)), Verdict::Idle);
        presence.handle_left(after(now, 6));
        assert_eq!(
            presence.verdict(after(now, 6)),
            Verdict::Idle,
            "nobody, nothing"
        );
        presence.handle_grants(true, after(now, 7));
        assert_eq!(
            presence.verdict(after(now, 60)),
            Verdict::Stay,
            "a grant expects a listener"
        );
    }
}
