//! Who is on which channel.

use std::collections::HashMap;

use sidetone_media::{MediaTime, TrackId};
use sidetone_wire::Party;

use super::{CHANNELS, MAX_CHANNELS, SLOT_SAMPLES};

/// Tracks that are told apart: each time that somebody publishes again is one more. Those beyond
/// are on their party's first channel.
const MAX_TRACKS: usize = 1_024;
/// Two tracks of a party speak at the same time when both have sound in more slots than this: 200
/// ms. Less is one that follows the other, published again.
const TOGETHER_SLOTS: u32 = 10;
/// Nor do they when one sounds on for no longer than this after the other began, and is silent from
/// then on: what was sent in a burst lies that far behind its arrival at most.
const HANDOVER_SAMPLES: u64 = MediaTime::RATE_HZ;

/// The tracks of a take, and when each has sound.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    known: Vec<Track>,
    index: HashMap<(Party, TrackId), usize>,
}

#[derive(Debug)]
struct Track {
    party: Party,
    id: TrackId,
    first: MediaTime,
    end: MediaTime,
    /// It has frames of 40 or 60 ms, which cannot be divided into slots.
    indivisible: bool,
    /// Slots with sound: a bit each, by number / 64.
    slots: HashMap<u64, u64>,
}

impl Tracks {
    /// Takes in that a track sounds from `at` to `end`, in frames that can be divided into slots
    /// or not.
    pub(super) fn observe(
        &mut self,
        (party, id): (Party, TrackId),
        at: MediaTime,
        end: MediaTime,
        indivisible: bool,
    ) {
        let known = self.index.get(&(party, id)).copied();
        let Some(index) = known.or_else(|| self.add(party, id, at)) else {
            return;
        };
        let track = &mut self.known[index];
        track.first = track.first.min(at);
        track.end = track.end.max(end);
        track.indivisible |= indivisible;
        for slot in at.samples() / SLOT_SAMPLES..end.samples().div_ceil(SLOT_SAMPLES) {
            *track.slots.entry(slot / 64).or_default() |= 1 << (slot % 64);
        }
    }

    fn add(&mut self, party: Party, id: TrackId, at: MediaTime) -> Option<usize> {
        let index = self.known.len();
        if index == MAX_TRACKS {
            return None;
        }
        self.index.insert((party, id), index);
        self.known.push(Track {
            party,
            id,
            first: at,
            end: at,
            indivisible: false,
            slots: HashMap::new(),
        });
        Some(index)
    }

    /// Gives each track a channel: the first of its party's on which nobody speaks at the same
    /// time, else one more. Who finds none is left out.
    pub(super) fn assign(self) -> Channels {
        let mut parties = CHANNELS.to_vec();
        let mut of = HashMap::new();
        let mut on: Vec<Option<usize>> = Vec::with_capacity(self.known.len());
        let (mut left_out, mut indivisible) = (Vec::new(), false);
        for track in &self.known {
            let taken = |channel: usize| {
                let mut others = self.known.iter().zip(&on);
                others.any(|(other, &of)| of == Some(channel) && track.sounds_with(other))
            };
            let mut free = (0..parties.len()).filter(|&n| parties[n] == track.party && !taken(n));
            let mut channel = free.next();
            if channel.is_none() && parties.len() < MAX_CHANNELS {
                channel = Some(parties.len());
                parties.push(track.party);
            }
            match channel {
                Some(channel) => {
                    of.insert((track.party, track.id), channel);
                    indivisible |= track.indivisible && channel < CHANNELS.len();
                }
                None => left_out.push((track.first, track.end)),
            }
            on.push(channel);
        }
        let full = self.known.len() == MAX_TRACKS;
        Channels {
            parties,
            of,
            left_out,
            indivisible,
            others: full,
        }
    }
}

impl Track {
    /// Whether both have sound at the same time, and not only while one hands over to the other.
    fn sounds_with(&self, other: &Self) -> bool {
        let (former, next) = if self.first <= other.first {
            (self, other)
        } else {
            (other, self)
        };
        let follows = former.end <= next.end;
        if follows && former.end.since(next.first) <= HANDOVER_SAMPLES {
            return false;
        }
        let both = self.slots.iter().map(|(word, slots)| {
            let others = other.slots.get(word).copied().unwrap_or(0);
            (slots & others).count_ones()
        });
        both.sum::<u32>() > TOGETHER_SLOTS
    }
}

/// The channels of a take's files.
#[derive(Debug)]
pub(super) struct Channels {
    /// Each channel's party.
    pub(super) parties: Vec<Party>,
    of: HashMap<(Party, TrackId), usize>,
    /// Stretches of tracks that have no channel.
    pub(super) left_out: Vec<(MediaTime, MediaTime)>,
    /// The first two cannot share a file.
    pub(super) indivisible: bool,
    /// There are tracks that were not told apart.
    others: bool,
}

impl Channels {
    /// The channel of a track, `None` when it is left out.
    pub(super) fn of(&self, party: Party, track: TrackId) -> Option<usize> {
        let known = self.of.get(&(party, track)).copied();
        known.or_else(|| {
            let first = || self.parties.iter().position(|p| *p == party);
            self.others.then(first).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each track's channel: they speak from one second to another.
    fn channels(tracks: &[(Party, u64, u64)]) -> (Vec<Party>, Vec<Option<usize>>) {
        let mut packets: Vec<_> = (0u32..)
            .zip(tracks)
            .flat_map(|(id, &(party, from, to))| {
                (from * 50..to * 50).map(move |slot| (slot, party, TrackId(id)))
            })
            .collect();
        packets.sort_by_key(|packet| packet.0);
        let mut known = Tracks::default();
        for (slot, party, track) in packets {
            let at = MediaTime::from_samples(slot * SLOT_SAMPLES);
            known.observe((party, track), at, at + SLOT_SAMPLES, false);
        }
        let channels = known.assign();
        let of = (0u32..)
            .zip(tracks)
            .map(|(id, &(party, _, _))| channels.of(party, TrackId(id)))
            .collect();
        (channels.parties, of)
    }

    #[test]
    fn who_publishes_again_stays_on_the_channel_and_who_speaks_beside_gets_another() {
        use Party::{Agent, Customer, Supervisor};
        let (parties, of) = channels(&[
            (Customer, 0, 10),
            (Agent, 0, 60),
            (Customer, 10, 60),
            (Agent, 30, 50),
            (Supervisor, 35, 40),
            (Supervisor, 45, 50),
        ]);
        assert_eq!(parties, [Customer, Agent, Agent, Supervisor]);
        assert_eq!(of, [0, 1, 0, 2, 3, 3].map(Some));
    }

    #[test]
    fn who_publishes_again_stays_on_the_channel_while_what_was_sent_before_still_sounds() {
        use Party::{Agent, Customer};
        let (parties, of) = channels(&[
            (Customer, 0, 60),
            (Agent, 0, 21),
            (Agent, 20, 41),
            (Agent, 39, 60),
            (Agent, 50, 51),
        ]);
        assert_eq!(parties, [Customer, Agent, Agent]);
        assert_eq!(of, [0, 1, 1, 2, 1].map(Some));
    }

    #[test]
    fn who_finds_no_channel_is_left_out() {
        let mut tracks = vec![(Party::Customer, 0, 10); 9];
        tracks[8] = (Party::Supervisor, 5, 10);
        let (parties, of) = channels(&tracks);
        assert_eq!(parties.len(), MAX_CHANNELS);
        assert_eq!(of[0], Some(0));
        assert_eq!(of[7..], [None, None]);
    }
}
