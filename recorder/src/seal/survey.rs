//! What a spool says of the take as a whole. It is read once for that before its packets are put
//! in order, since a pause, a name or the end may come behind what it concerns.

use sidetone_media::MediaTime;
use sidetone_media::opus;
use sidetone_vault::DataKey;
use sidetone_wire::{GapReason, Manifest, Party, WrappedKey};

use super::dual::Grid;
use super::extent::Extent;
use super::gaps::Gaps;
use super::pauses::{Paused, Pauses};
use super::tracks::{Channels, Tracks};
use super::{CHANNELS, MAX_TAKE_SAMPLES, SLOT_SAMPLES, SealError, Spool};
use crate::record::{Lane, Record, Records};
use crate::spool::{Batches, Tail};

/// A take, but for its packets.
pub(super) struct Survey {
    /// As it was known at the start.
    pub(super) manifest: Manifest,
    pub(super) key: DataKey,
    pub(super) wrapped: WrappedKey,
    /// Each party's name, as it was told last.
    pub(super) names: Vec<(Party, String)>,
    pub(super) gaps: Gaps,
    pub(super) paused: Paused,
    pub(super) channels: Channels,
    pub(super) grid: Grid,
    /// Length of the take: the call's, or up to the last packet when its end was never told.
    pub(super) total: MediaTime,
    /// Something is missing that had been durable.
    pub(super) damaged: bool,
}

impl Survey {
    /// Reads the spool.
    pub(super) fn of(spool: &Spool<'_>, mut batches: Batches) -> Result<Self, SealError> {
        let disk = |error| spool.disk(&error);
        let start = batches.next().map_err(disk)?;
        let manifest: Manifest = match start.filter(|batch| batch.number == 0) {
            Some(batch) => serde_json::from_slice(batch.body)
                .map_err(|error| spool.unreadable(&format!("its start: {error}")))?,
            None => return Err(spool.unreadable("its start is missing")),
        };
        if manifest.recording != spool.recording {
            return Err(spool.unreadable("its start is another take's"));
        }
        let mut told = Told::default();
        while let Some(batch) = batches.next().map_err(disk)? {
            if batch.behind_hole {
                told.miss();
            }
            let mut records = Records::new(batch.body);
            records.by_ref().for_each(|record| told.take_in(&record));
            if !records.is_whole() {
                told.miss();
            }
        }
        if batches.tail() == Tail::Damaged {
            told.miss();
        }
        let (key, wrapped) = (batches.key().clone(), batches.wrapped().clone());
        Ok(told.finish(manifest, key, wrapped))
    }
}

/// What was told so far.
#[derive(Default)]
struct Told {
    names: Vec<(Party, String)>,
    gaps: Gaps,
    pauses: Pauses,
    tracks: Tracks,
    grid: Grid,
    extent: Extent,
    /// The latest that a pause or resume spoke of.
    mark: MediaTime,
    end: Option<MediaTime>,
    /// Where something is missing, until a packet shows how far.
    missing_since: Option<MediaTime>,
    /// The end of the pause may be in what is missing.
    pause_in_doubt: bool,
    damaged: bool,
}

impl Told {
    /// Something is missing here.
    fn miss(&mut self) {
        self.damaged = true;
        self.pause_in_doubt = true;
        let end = self.extent.end();
        self.missing_since.get_or_insert(end);
    }

    fn take_in(&mut self, record: &Record<'_>) {
        match *record {
            Record::Packet {
                party,
                lane,
                payload,
            } => self.packet(party, lane, payload),
            Record::Name { party, name } => {
                self.names.retain(|(known, _)| *known != party);
                self.names.push((party, name.to_owned()));
            }
            Record::Gap { from, to, reason } => self.gaps.add(from, to, reason),
            Record::Pause { at, by } => {
                self.pause_in_doubt = false;
                self.mark = self.mark.max(at);
                self.pauses.pause(at, by);
            }
            Record::Resume { at } => {
                self.mark = self.mark.max(at);
                self.pauses.resume(at);
            }
            Record::End { at } => self.end = Some(at),
        }
    }

    fn packet(&mut self, party: Party, lane: Lane, payload: &[u8]) {
        let samples = opus::duration_samples(payload).map_or(0, u64::from);
        let end = lane.at + samples;
        if end.samples() > MAX_TAKE_SAMPLES {
            return;
        }
        if let Some(from) = self.missing_since.take() {
            self.gaps.add(from, lane.at, GapReason::Degraded);
        }
        if self.pause_in_doubt && self.pauses.open_since().is_none_or(|since| since < end) {
            // nothing is written while paused: so there was a resume
            self.pause_in_doubt = false;
            self.pauses.resume(lane.at);
        }
        self.extent.observe(lane.at, end);
        if opus::is_dtx(payload) {
            return;
        }
        let Ok(frames) = opus::parse(payload) else {
            // nobody can play it
            let end = end.max(lane.at + SLOT_SAMPLES);
            self.gaps.add(lane.at, end, GapReason::Degraded);
            return;
        };
        if CHANNELS.contains(&party) {
            self.grid.observe(lane.at);
        }
        let indivisible = u64::from(frames.toc().frame_samples()) > SLOT_SAMPLES;
        self.tracks
            .observe((party, lane.track), lane.at, end, indivisible);
    }

    fn finish(mut self, manifest: Manifest, key: DataKey, wrapped: WrappedKey) -> Survey {
        let total = self.end.unwrap_or(self.extent.end().max(self.mark));
        let total = total.min(MediaTime::from_samples(MAX_TAKE_SAMPLES));
        if let Some(from) = self.missing_since {
            self.gaps.add(from, total, GapReason::Degraded);
        }
        let channels = self.tracks.assign();
        for (from, to) in &channels.left_out {
            self.gaps.add(*from, *to, GapReason::Degraded);
        }
        Survey {
            manifest,
            key,
            wrapped,
            names: self.names,
            gaps: self.gaps,
            paused: self.pauses.finish(),
            channels,
            grid: self.grid,
            total,
            damaged: self.damaged,
        }
    }
}
