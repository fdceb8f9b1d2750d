//! The stretch that is missing when a room was lost and joined again.

use sidetone_media::MediaTime;

/// A connection that dies without a word is noticed within this time: what was heard last before
/// that is no sign of when it died.
const NOTICED_WITHIN_SAMPLES: u64 = 20 * MediaTime::RATE_HZ;

/// Follows one call's connection.
#[derive(Debug, Default)]
pub(crate) struct Gap {
    heard: Option<MediaTime>,
    /// Sound was last heard here, and the connection was lost since.
    lost: Option<MediaTime>,
    /// The session is new: the next packet ends the gap.
    back: bool,
}

impl Gap {
    /// A packet came; gives the gap that it ends.
    pub(crate) fn handle_packet(&mut self, at: MediaTime) -> Option<(MediaTime, MediaTime)> {
        let gap = if self.back { self.end(at) } else { None };
        self.heard = self.heard.max(Some(at));
        gap
    }

    /// The connection is lost.
    pub(crate) fn handle_lost(&mut self, now: MediaTime) {
        let silent_since = self.heard.unwrap_or(MediaTime::ZERO);
        self.lost
            .get_or_insert(silent_since.max(now - NOTICED_WITHIN_SAMPLES).min(now));
    }

    /// The connection is back as it was: packets may never have stopped.
    pub(crate) fn handle_resumed(&mut self) {
        if !self.back {
            self.lost = None;
        }
    }

    /// The session was lost and another begun.
    pub(crate) fn handle_rejoined(&mut self) {
        self.back = self.lost.is_some();
    }

    /// The gap up to `at`, if there is one.
    pub(crate) fn end(&mut self, at: MediaTime) -> Option<(MediaTime, MediaTime)> {
        self.back = false;
        self.lost
            .take()
            .filter(|from| *from < at)
            .map(|from| (from, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> MediaTime {
        MediaTime::from_samples(seconds * MediaTime::RATE_HZ)
    }

    #[test]
    fn a_rejoin_is_a_gap_from_the_last_packet_to_the_next() {
        let mut gap = Gap::default();
        assert_eq!(gap.handle_packet(s(9)), None);
        gap.handle_lost(s(10));
        gap.handle_lost(s(12));
        gap.handle_rejoined();
        assert_eq!(gap.handle_packet(s(14)), Some((s(9), s(14))));
        assert_eq!(gap.handle_packet(s(15)), None);
    }

    #[test]
    fn a_resume_is_no_gap() {
        let mut gap = Gap::default();
        gap.handle_packet(s(9));
        gap.handle_lost(s(10));
        gap.handle_resumed();
        assert_eq!(gap.handle_packet(s(11)), None);
        assert_eq!(gap.end(s(12)), None);
    }

    #[test]
    fn a_long_silence_before_the_loss_is_not_part_of_the_gap() {
        let mut gap = Gap::default();
        gap.handle_packet(s(9));
        gap.handle_lost(s(300));
        assert_eq!(gap.end(s(310)), Some((s(280), s(310))));
    }
}
