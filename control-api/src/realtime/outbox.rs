//! What waits for one client because its connection takes nothing more at the moment.
//!
//! A client that is further behind than [`BYTES`] or [`AGE`] is cut off: it connects again and
//! starts over with a snapshot, which is shorter than what it missed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::message::Frame;

/// Bytes that wait for one client at most: some seconds of a busy tenant.
pub(super) const BYTES: usize = 256 * 1024;
/// How long something waits for one client at most: then what it shows is wrong anyway.
pub(super) const AGE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<(Instant, Frame)>,
    bytes: usize,
    /// A snapshot is being made: what comes meanwhile is sent after it.
    held: bool,
}

/// The client is too far behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Outbox {
    /// Whether what comes must wait.
    pub(super) fn must_wait(&self) -> bool {
        self.held || !self.waiting.is_empty()
    }

    /// Keeps a frame behind those that wait already.
    pub(super) fn keep(&mut self, frame: Frame, now: Instant) -> Result<(), TooSlow> {
        self.bytes += frame.bytes();
        self.waiting.push_back((now, frame));
        self.check(now)
    }

    /// The frame whose turn it is.
    pub(super) fn next(&self) -> Option<&Frame> {
        if self.held {
            return None;
        }
        self.waiting.front().map(|(_, frame)| frame)
    }

    /// The frame whose turn it was is sent.
    pub(super) fn sent(&mut self) {
        if let Some((_, frame)) = self.waiting.pop_front() {
            self.bytes -= frame.bytes();
        }
    }

    /// # Errors
    /// When the client is too far behind.
    pub(super) fn check(&self, now: Instant) -> Result<(), TooSlow> {
        let oldest = self.waiting.front().map(|(at, _)| *at);
        if self.bytes > BYTES || oldest.is_some_and(|at| now.duration_since(at) > AGE) {
            return Err(TooSlow);
        }
        Ok(())
    }

    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Goes on with the snapshot, then with what came since it was begun.
    pub(super) fn release(&mut self, snapshot: Vec<Frame>, now: Instant) {
        self.held = false;
        for frame in snapshot.into_iter().rev() {
            self.bytes += frame.bytes();
            self.waiting.push_front((now, frame));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;
    use sidetone_service::clock;

    fn frame(text: &str) -> Frame {
        Message::new("event", &text).unwrap().whole().clone()
    }

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(frame) = outbox.next() {
            seen.push(frame.data().get().to_owned());
            outbox.sent();
        }
        seen
    }

    #[test]
    fn what_comes_while_a_snapshot_is_made_is_sent_after_it() {
        let now = clock::now();
        let mut outbox = Outbox::default();
        outbox.hold();
        assert!(outbox.must_wait());
        outbox.keep(frame("change"), now).unwrap();
        assert!(outbox.next().is_none());
        outbox.release(vec![frame("hello"), frame("state")], now);
        assert_eq!(drain(&mut outbox), ["\"hello\"", "\"state\"", "\"change\""]);
        assert!(!outbox.must_wait());
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn a_client_is_too_slow_by_bytes_or_by_age() {
        let now = clock::now();
        let mut outbox = Outbox::default();
        outbox.keep(frame("a"), now).unwrap();
        assert_eq!(outbox.check(now + AGE), Ok(()));
        assert_eq!(outbox.check(now + AGE * 2), Err(TooSlow));
        let large = frame(&"x".repeat(BYTES / 4));
        for _ in 0..3 {
            outbox.keep(large.clone(), now).unwrap();
        }
        assert_eq!(outbox.keep(large, now), Err(TooSlow));
        outbox.clear();
        assert!(!outbox.must_wait());
    }
}
