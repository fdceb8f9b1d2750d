//! A spool's packets in the order of their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sidetone_media::{MediaTime, opus};
use sidetone_wire::{GapReason, Party};

use super::gaps::{Gaps, Losses};
use super::pauses::Paused;
use super::tracks::Channels;
use super::{MAX_TAKE_SAMPLES, SealError, Spool};
use crate::record::{Lane, Record, Records};
use crate::spool::Batches;

/// Packets are sorted over this much media time. It costs memory only (some 300 KB), so it is
/// long enough for what a stalled network delivers at last.
const WINDOW_SAMPLES: u64 = 30 * MediaTime::RATE_HZ;
/// And over at most this many packets: two parties' 30 s at 2.5 ms each.
const WINDOW_PACKETS: usize = 24_000;

/// A packet in its turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: MediaTime,
    /// Place in the spool: earlier ones go first at the same time.
    order: u64,
    pub(super) channel: usize,
    pub(super) lane: Lane,
    pub(super) payload: Vec<u8>,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Puts packets in order and leaves out what does not belong into the file: what was paused, what
/// lies behind the end, who has no channel.
pub(super) struct Replay<'a> {
    paused: &'a Paused,
    channels: &'a Channels,
    total: MediaTime,
    heap: BinaryHeap<Reverse<Entry>>,
    /// Time of the packet that was written last: one with a wild time moves it for one packet.
    latest: MediaTime,
    order: u64,
    losses: Losses,
}

impl<'a> Replay<'a> {
    pub(super) fn new(paused: &'a Paused, channels: &'a Channels, total: MediaTime) -> Self {
        Self {
            paused,
            channels,
            total,
            heap: BinaryHeap::new(),
            latest: MediaTime::ZERO,
            order: 0,
            losses: Losses::default(),
        }
    }

    /// Reads the spool and gives `sink` each packet of a channel, sorted. What never came is added
    /// to the gaps.
    pub(super) fn run(
        mut self,
        spool: &Spool<'_>,
        mut batches: Batches,
        gaps: &mut Gaps,
        mut sink: impl FnMut(&Entry) -> Result<(), SealError>,
    ) -> Result<(), SealError> {
        while let Some(batch) = batches.next().map_err(|error| spool.disk(&error))? {
            for record in Records::new(batch.body) {
                if let Record::Packet {
                    party,
                    lane,
                    payload,
                } = record
                {
                    self.take_in(party, lane, payload);
                }
            }
            while self.is_ripe()
                && let Some(Reverse(entry)) = self.heap.pop()
            {
                self.observe(&entry, gaps);
                sink(&entry)?;
            }
        }
        while let Some(Reverse(entry)) = self.heap.pop() {
            self.observe(&entry, gaps);
            sink(&entry)?;
        }
        Ok(())
    }

    fn take_in(&mut self, party: Party, lane: Lane, payload: &[u8]) {
        let samples = opus::duration_samples(payload).map_or(0, u64::from);
        let end = lane.at + samples;
        let Some(channel) = self.channels.of(party, lane.track) else {
            return;
        };
        if lane.at >= self.total
            || end.samples() > MAX_TAKE_SAMPLES
            || self.paused.leaves_out(lane.at, end)
        {
            return;
        }
        self.latest = lane.at;
        self.order += 1;
        self.heap.push(Reverse(Entry {
            at: lane.at,
            order: self.order,
            channel,
            lane,
            payload: payload.to_vec(),
        }));
    }

    fn observe(&mut self, entry: &Entry, gaps: &mut Gaps) {
        if let Some((from, to)) = self.losses.observe(entry) {
            for (from, to) in self.paused.outside(from, to) {
                gaps.add(from, to, GapReason::Loss);
            }
        }
    }

    fn is_ripe(&self) -> bool {
        self.heap.len() > WINDOW_PACKETS
            || self
                .heap
                .peek()
                .is_some_and(|e| self.latest.since(e.0.at) > WINDOW_SAMPLES)
    }
}
