//! What was heard before anybody said whether it may be kept. It is in memory only.

use std::collections::VecDeque;

use sidetone_fleet::take::Take;
use sidetone_media::{MediaTime, Packet};
use sidetone_wire::{GapReason, Party};

use crate::metrics;
use crate::permit::Permit;

/// So much of a call is held, for a control plane that starts anew or changes its database; of
/// more, the oldest is lost.
const HELD_SAMPLES: u64 = 10 * MediaTime::RATE_HZ;
/// What it may cost, with [`OVERHEAD_BYTES`] a packet: 10 s of two tracks of 50 packets a second
/// at 128 kbit/s.
const HELD_BYTES: usize = 512 * 1024;
/// A packet's place in the queue and the counters of its shared payload.
const OVERHEAD_BYTES: usize = size_of::<(Party, Packet)>() + 2 * size_of::<usize>();

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hold {
    packets: VecDeque<(Party, Packet)>,
    bytes: usize,
    /// From here to the first packet something is missing.
    lost_from: Option<MediaTime>,
}

impl Hold {
    /// One that holds nothing: everything since then is lost.
    pub(super) fn lost_since(since: MediaTime) -> Self {
        Self {
            lost_from: Some(since),
            ..Self::default()
        }
    }

    /// Holds a packet, unless it lies in a pause.
    pub(super) fn put(&mut self, party: Party, packet: &Packet, permit: &Permit) {
        if !permit.is_open(packet.at) {
            self.lost_from.get_or_insert(packet.at);
            return;
        }
        self.bytes += cost(packet);
        self.packets.push_back((party, packet.clone()));
        while self.bytes > HELD_BYTES || self.held_samples(packet.at) > HELD_SAMPLES {
            let Some((_, oldest)) = self.packets.pop_front() else {
                break;
            };
            self.bytes -= cost(&oldest);
            self.lost_from.get_or_insert(oldest.at);
            metrics::held_packets_lost(1);
        }
    }

    fn held_samples(&self, until: MediaTime) -> u64 {
        let first = self.packets.front();
        first.map_or(0, |(_, packet)| until.since(packet.at))
    }

    /// When the first packet was said, lost or not.
    pub(super) fn first(&self) -> Option<MediaTime> {
        let first = self.packets.front().map(|(_, packet)| packet.at);
        self.lost_from.or(first)
    }

    /// Forgets everything: it is paused, and since when is not known for certain.
    pub(super) fn lose(&mut self) {
        self.lost_from = self.first();
        metrics::held_packets_lost(self.packets.len() as u64);
        self.packets.clear();
        self.bytes = 0;
    }

    /// Gives a take what was said, but not from `paused_at` on, and says what is missing.
    pub(super) fn release(self, take: &mut dyn Take, paused_at: Option<MediaTime>, now: MediaTime) {
        let first = self.packets.front().map_or(now, |(_, packet)| packet.at);
        let missing_until = paused_at.map_or(first, |paused_at| first.min(paused_at));
        if let Some(lost_from) = self.lost_from.filter(|from| *from < missing_until) {
            take.gap(lost_from, missing_until, GapReason::Degraded);
        }
        for (party, packet) in &self.packets {
            if paused_at.is_none_or(|paused_at| packet.at < paused_at) {
                take.write(*party, packet);
            }
        }
    }
}

fn cost(packet: &Packet) -> usize {
    packet.payload.len() + OVERHEAD_BYTES
}
