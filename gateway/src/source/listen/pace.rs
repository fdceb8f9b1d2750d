//! What comes in bursts, at the pace of speech.
//!
//! A browser plays what arrives at once only as far as it fits its buffer, and takes the rest for
//! lost. So packets leave one after the other; what would wait too long does not wait at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::stream::Slot;

/// Between two packets: a little less than they last, so that a queue always ends.
const STEP: Duration = Duration::from_millis(18);
/// The same while more than a few wait: what is late catches up.
const HURRIED_STEP: Duration = Duration::from_millis(10);
const FEW: usize = 5;
/// Packets that may wait, half a second of them: more is let go at once, late as it is.
const WAITING: usize = 25;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::source) struct Pace {
    waiting: VecDeque<Slot>,
    /// The next may leave.
    next: Option<Instant>,
    hurried: bool,
}

impl Pace {
    /// Takes packets.
    pub(in crate::source) fn push(&mut self, slots: &mut Vec<Slot>, now: Instant) {
        self.waiting.extend(slots.drain(..));
        self.next.get_or_insert(now);
    }

    /// When the next one is due.
    pub(in crate::source) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// The next one that is due.
    pub(in crate::source) fn pop(&mut self, now: Instant) -> Option<Slot> {
        let due = self.due()?;
        if self.waiting.len() <= WAITING && due > now && !self.hurried {
            return None;
        }
        let many = self.waiting.len() > FEW;
        let step = if many { HURRIED_STEP } else { STEP };
        self.next = Some(now.max(due.min(now + step)) + step);
        let slot = self.waiting.pop_front();
        self.hurried &= !self.waiting.is_empty();
        slot
    }

    /// What waits now is due.
    pub(in crate::source) fn hurry(&mut self) {
        self.hurried = !self.waiting.is_empty();
    }

    pub(in crate::source) fn held_bytes(&self) -> usize {
        let channels = self.waiting.iter().flat_map(|slot| &slot.channels);
        channels.map(|channel| channel.payload.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_media::{Codec, MediaTime};
    use sidetone_service::clock;

    fn slots(count: u64) -> Vec<Slot> {
        let slot = |seq| Slot {
            at: MediaTime::ZERO,
            ssrc: 1,
            seq,
            marker: false,
            codec: Codec::Pcmu,
            channels: Vec::new(),
        };
        (0..count).map(slot).collect()
    }

    #[test]
    fn a_steady_stream_waits_for_nothing() {
        let (mut pace, mut now) = (Pace::default(), clock::now());
        for _ in 0..100 {
            pace.push(&mut slots(1), now);
            assert!(pace.pop(now).is_some());
            assert!(pace.pop(now).is_none());
            now += Duration::from_millis(20);
        }
    }

    #[test]
    fn a_burst_leaves_one_after_the_other_and_in_order() {
        let (mut pace, mut now) = (Pace::default(), clock::now());
        pace.push(&mut slots(10), now);
        let mut left = Vec::new();
        while let Some(due) = pace.due() {
            now = now.max(due);
            left.push((pace.pop(now).unwrap().seq, now));
            assert!(pace.pop(now).is_none());
        }
        assert!(left.iter().map(|(seq, _)| *seq).eq(0..10));
        let steps: Vec<_> = left.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        assert_eq!(steps, [[HURRIED_STEP; 5].as_slice(), &[STEP; 4]].concat());
    }

    #[test]
    fn what_is_hurried_is_due_and_what_comes_later_waits_again() {
        let (mut pace, now) = (Pace::default(), clock::now());
        pace.push(&mut slots(20), now);
        pace.hurry();
        assert_eq!(std::iter::from_fn(|| pace.pop(now)).count(), 20);
        pace.push(&mut slots(2), now);
        assert!(pace.pop(now).is_none());
    }

    #[test]
    fn what_would_wait_for_more_than_half_a_second_does_not_wait() {
        let (mut pace, now) = (Pace::default(), clock::now());
        pace.push(&mut slots(100), now);
        let at_once = std::iter::from_fn(|| pace.pop(now)).count();
        assert!((75..=76).contains(&at_once), "{at_once}");
        assert!(pace.due() > Some(now));
    }
}
