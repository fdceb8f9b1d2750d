//! The room's audio tracks, and which of them are tapped.

use crate::metrics;

/// Tracks tapped of one call. A call has two or three; what a conference has beyond that is not
/// worth its packets.
pub(super) const TAPPED: usize = 32;
/// Tracks that are known at once. Further ones are not remembered.
const KNOWN: usize = 4096;

/// In the order in which they were published.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    known: Vec<Track>,
    tapped: usize,
}

#[derive(Debug)]
struct Track {
    sid: String,
    identity: String,
    tapped: bool,
}

impl Tracks {
    pub(super) fn add(&mut self, sid: &str, identity: &str) {
        if self.known.len() >= KNOWN || self.known.iter().any(|track| track.sid == sid) {
            return;
        }
        if self.tapped >= TAPPED {
            metrics::tracks_left_out();
        }
        let (sid, identity) = (sid.to_owned(), identity.to_owned());
        self.known.push(Track {
            sid,
            identity,
            tapped: false,
        });
    }

    /// The track ended; `true` if it was tapped.
    pub(super) fn remove(&mut self, sid: &str) -> bool {
        let Some(at) = self.known.iter().position(|track| track.sid == sid) else {
            return false;
        };
        let tapped = self.known.remove(at).tapped;
        self.tapped -= usize::from(tapped);
        tapped
    }

    /// The next track to tap, with its publisher's identity; it counts as tapped from now on.
    pub(super) fn next(&mut self) -> Option<(&str, &str)> {
        if self.tapped >= TAPPED {
            return None;
        }
        let next = self.known.iter_mut().find(|track| !track.tapped)?;
        next.tapped = true;
        self.tapped += 1;
        Some((&next.sid, &next.identity))
    }

    /// Whose it is: identity.
    pub(super) fn owner_of(&self, sid: &str) -> Option<&str> {
        let track = self.known.iter().find(|track| track.sid == sid)?;
        Some(&track.identity)
    }

    /// The tapped tracks of a participant.
    pub(super) fn tapped_of(&self, identity: &str) -> impl Iterator<Item = &str> {
        let of = self
            .known
            .iter()
            .filter(move |track| track.tapped && track.identity == identity);
        of.map(|track| track.sid.as_str())
    }

    /// Forgets every track; gives those that were tapped.
    pub(super) fn clear(&mut self) -> Vec<String> {
        self.tapped = 0;
        let known = std::mem::take(&mut self.known);
        known
            .into_iter()
            .filter(|track| track.tapped)
            .map(|track| track.sid)
            .collect()
    }
}
