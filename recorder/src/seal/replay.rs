//! A spool file's packets in the order of their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use sidetone_media::{MediaTime, opus};
use sidetone_vault::{DataKey, Keyring};
use sidetone_wire::{GapReason, Manifest, Party, WrappedKey};

use super::gaps::{Gaps, Losses};
use super::pauses::Pauses;
use super::{CHANNELS, MAX_TAKE_SAMPLES, SealError};
use crate::record::{Lane, Record, Records};
use crate::spool::{Batches, Tail};

/// Packets are sorted over this much media time. It costs memory only (some 300 KB), so it is
/// long enough for what a stalled network delivers at last.
const WINDOW_SAMPLES: u64 = 30 * MediaTime::RATE_HZ;
/// And over at most this many packets: two parties' 30 s at 2.5 ms each.
const WINDOW_PACKETS: usize = 24_000;

/// A packet in its turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: MediaTime,
    /// Place in the file: earlier ones go first at the same time.
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

/// What a spool file told apart from packets.
pub(super) struct Told {
    /// Each channel's name.
    pub(super) names: [Option<String>; CHANNELS.len()],
    pub(super) gaps: Gaps,
    pub(super) pauses: Pauses,
    /// The call's end, where the take was ended.
    end: Option<MediaTime>,
    /// End of the last packet.
    last_end: MediaTime,
    /// The file was broken before its last batch.
    pub(super) damaged: bool,
}

impl Told {
    /// Length of the take: the call's, or up to the last packet when its end was never told.
    pub(super) fn total(&self) -> MediaTime {
        let total = self.end.unwrap_or(self.last_end);
        total.min(MediaTime::from_samples(MAX_TAKE_SAMPLES))
    }
}

impl Told {
    /// Gives `sink` a packet, unless it lies in a pause.
    fn give(
        &mut self,
        entry: Entry,
        losses: &mut Losses,
        sink: &mut impl FnMut(Entry) -> Result<(), SealError>,
    ) -> Result<(), SealError> {
        let samples = opus::duration_samples(&entry.payload).map_or(0, u64::from);
        if self.pauses.touch(entry.at, entry.at + samples) {
            return Ok(());
        }
        losses.observe(&entry, &mut self.gaps);
        sink(entry)
    }
}

/// Reads a spool file from its start.
pub(super) struct Replay {
    path: PathBuf,
    batches: Batches,
    heap: BinaryHeap<Reverse<Entry>>,
    newest: MediaTime,
    order: u64,
    losses: Losses,
    told: Told,
}

impl Replay {
    pub(super) fn open(
        path: &Path,
        segments: &[PathBuf],
        keyring: &Keyring,
    ) -> Result<Self, SealError> {
        let batches = Batches::open(segments, keyring).map_err(|error| (path, error))?;
        Ok(Self {
            path: path.to_owned(),
            batches,
            heap: BinaryHeap::new(),
            newest: MediaTime::ZERO,
            order: 0,
            losses: Losses::default(),
            told: Told {
                names: [const { None }; CHANNELS.len()],
                gaps: Gaps::default(),
                pauses: Pauses::default(),
                end: None,
                last_end: MediaTime::ZERO,
                damaged: false,
            },
        })
    }

    /// The take's data key.
    pub(super) fn key(&self) -> &DataKey {
        self.batches.key()
    }

    /// The same as it may be kept.
    pub(super) fn wrapped(&self) -> &WrappedKey {
        self.batches.wrapped()
    }

    /// The manifest as it was known at the start. Called once, first.
    pub(super) fn start(&mut self) -> Result<Manifest, SealError> {
        let batch = self
            .batches
            .next()
            .map_err(|e| SealError::disk(&self.path, &e))?;
        let batch = batch.ok_or_else(|| SealError::Spool("its spool file has no start".into()))?;
        if batch.number != 0 {
            return Err(SealError::Spool(
                "the start of its spool file is damaged".into(),
            ));
        }
        serde_json::from_slice(batch.body)
            .map_err(|e| SealError::Spool(format!("its spool file has no readable start: {e}")))
    }

    /// Gives `sink` each packet of a channel, sorted, up to the take's end.
    pub(super) fn run(
        mut self,
        mut sink: impl FnMut(Entry) -> Result<(), SealError>,
    ) -> Result<Told, SealError> {
        loop {
            let batch = self.batches.next();
            let Some(batch) = batch.map_err(|e| SealError::disk(&self.path, &e))? else {
                break;
            };
            if batch.behind_hole {
                self.told.damaged = true;
                let to = first_of(batch.body).unwrap_or(self.newest);
                self.told.gaps.add(self.newest, to, GapReason::Degraded);
            }
            let mut records = Records::new(batch.body);
            for record in &mut records {
                take_in(
                    record,
                    &mut self.heap,
                    &mut self.order,
                    &mut self.newest,
                    &mut self.told,
                );
            }
            self.told.damaged |= !records.is_whole();
            while self.is_ripe()
                && let Some(Reverse(entry)) = self.heap.pop()
            {
                self.told.give(entry, &mut self.losses, &mut sink)?;
            }
        }
        if self.batches.tail() == Tail::Damaged {
            self.told.damaged = true;
            let from = self.newest;
            self.told
                .gaps
                .add(from, self.told.total().max(from), GapReason::Degraded);
        }
        let end = self.told.total();
        while let Some(Reverse(entry)) = self.heap.pop() {
            if entry.at >= end {
                break;
            }
            self.told.give(entry, &mut self.losses, &mut sink)?;
        }
        Ok(self.told)
    }

    fn is_ripe(&self) -> bool {
        self.heap.len() > WINDOW_PACKETS
            || self
                .heap
                .peek()
                .is_some_and(|e| self.newest.since(e.0.at) > WINDOW_SAMPLES)
    }
}

fn take_in(
    record: Record<'_>,
    heap: &mut BinaryHeap<Reverse<Entry>>,
    order: &mut u64,
    newest: &mut MediaTime,
    told: &mut Told,
) {
    match record {
        Record::Packet {
            party,
            lane,
            payload,
        } => {
            let Some(channel) = channel_of(party) else {
                return;
            };
            let samples = opus::duration_samples(payload).map_or(0, u64::from);
            let end = lane.at + samples;
            if end.samples() > MAX_TAKE_SAMPLES {
                return;
            }
            told.last_end = told.last_end.max(end);
            *newest = (*newest).max(lane.at);
            *order += 1;
            let payload = payload.to_vec();
            heap.push(Reverse(Entry {
                at: lane.at,
                order: *order,
                channel,
                lane,
                payload,
            }));
        }
        Record::Name { party, name } => {
            if let Some(channel) = channel_of(party) {
                told.names[channel] = Some(name.to_owned());
            }
        }
        Record::Gap { from, to, reason } => told.gaps.add(from, to, reason),
        Record::End { at } => told.end = Some(at),
        Record::Pause { at, by } => told.pauses.pause(at, by),
        Record::Resume { at } => told.pauses.resume(at),
    }
}

/// Time of a batch's first packet.
fn first_of(batch: &[u8]) -> Option<MediaTime> {
    Records::new(batch)
        .filter_map(|record| match record {
            Record::Packet { lane, .. } => Some(lane.at),
            Record::Name { .. }
            | Record::Gap { .. }
            | Record::End { .. }
            | Record::Pause { .. }
            | Record::Resume { .. } => None,
        })
        .min()
}

fn channel_of(party: Party) -> Option<usize> {
    CHANNELS.iter().position(|p| *p == party)
}
