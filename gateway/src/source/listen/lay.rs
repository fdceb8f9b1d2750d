//! Slots that have their place, on their way out: at the pace of speech, and on the tracks of their
//! parties.

use std::time::Instant;

use sidetone_media::{Packet, TrackId};
use sidetone_wire::Party;

use super::pace::Pace;
use super::stream::Slot;
use crate::bus::Bus;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::source) struct Lay {
    pub(in crate::source) pace: Pace,
    /// Where whoever places them leaves slots, until they are pushed.
    pub(in crate::source) slots: Vec<Slot>,
    /// The parties that were heard, with their lanes on the bus.
    tracks: Vec<(Party, TrackId, usize)>,
}

impl Lay {
    /// Takes the slots that were placed.
    pub(in crate::source) fn push(&mut self, now: Instant) {
        self.pace.push(&mut self.slots, now);
    }

    /// The packets that are due, one of each party, with their lanes on the bus.
    pub(in crate::source) fn poll_packets(
        &mut self,
        bus: &mut Bus,
        now: Instant,
    ) -> Option<Vec<(usize, Party, Packet)>> {
        let slot = self.pace.pop(now)?;
        let mut packets = Vec::with_capacity(slot.channels.len());
        for channel in slot.channels {
            let party = channel.party;
            let (track, lane) = self.track(party, bus, now);
            let packet = Packet {
                track,
                ssrc: slot.ssrc,
                seq: slot.seq,
                at: slot.at,
                codec: slot.codec,
                marker: slot.marker,
                level_dbov: Some(channel.level_dbov),
                payload: channel.payload,
                arrived: now,
            };
            packets.push((lane, party, packet));
        }
        Some(packets)
    }

    fn track(&mut self, party: Party, bus: &mut Bus, now: Instant) -> (TrackId, usize) {
        if let Some((_, track, lane)) = self.tracks.iter().find(|(one, ..)| *one == party) {
            return (*track, *lane);
        }
        let track = TrackId(self.tracks.len() as u32);
        let lane = bus.enter(party, track, now);
        self.tracks.push((party, track, lane));
        (track, lane)
    }
}
