//! Both channels in one file: a grid of 20 ms slots, each one Ogg packet.

use std::collections::VecDeque;

use sidetone_media::ogg::{self, PRE_SKIP_SAMPLES};
use sidetone_media::opus::{self, Regrouped, Regrouper, SILENCE_20_MS};
use sidetone_media::{MediaTime, TrackId};
use sidetone_wire::Manifest;

use super::replay::Entry;
use super::{CHANNELS, SLOT_SAMPLES, serial_of, tags_of};

/// Slots kept open behind the packet in turn: the frames of a packet of 120 ms, and one more.
const OPEN_SLOTS: u64 = 7;

/// Where the slots lie: a fixed shift of all packets, at most half a slot, that brings most of
/// them to where a slot begins. Without it two steady legs may be a slot apart, one moved to the
/// slot before, the other to the one behind.
#[derive(Debug, Default)]
pub(super) struct Grid {
    /// Sum of the packets' places within a slot, as points on a circle. Those of a leg that
    /// drifts go round and cancel each other out.
    x: f64,
    y: f64,
    packets: f64,
}

impl Grid {
    /// Takes in that a packet starts at `at`.
    pub(super) fn observe(&mut self, at: MediaTime) {
        let place = (at.samples() % SLOT_SAMPLES) as f64 / SLOT_SAMPLES as f64;
        let (y, x) = (place * std::f64::consts::TAU).sin_cos();
        self.x += x;
        self.y += y;
        self.packets += 1.0;
    }

    /// Samples to add to each packet's time, -480 to 480; 0 when packets begin anywhere, as those
    /// of 10 or 30 ms do.
    pub(super) fn shift_samples(&self) -> i64 {
        if self.x.hypot(self.y) < self.packets / 4.0 {
            return 0;
        }
        let place = self.y.atan2(self.x) / std::f64::consts::TAU;
        -(place * SLOT_SAMPLES as f64).round() as i64
    }
}

/// The file being made.
pub(super) struct Dual {
    shift_samples: i64,
    writer: ogg::Writer,
    voices: [Voice; CHANNELS.len()],
    /// The first open slot's number and what is in it and those after.
    first: u64,
    slots: VecDeque<[Option<Vec<u8>>; CHANNELS.len()]>,
    /// The latest whole slot: the last one of the file is written differently.
    held: Vec<u8>,
    slot: Vec<u8>,
}

/// One channel's input.
#[derive(Default)]
struct Voice {
    /// Where the latest packet came from.
    source: Option<(TrackId, u32)>,
    regrouper: Regrouper,
}

impl Dual {
    pub(super) fn new(manifest: &Manifest, grid: &Grid, out: &mut Vec<u8>) -> Self {
        let head = ogg::opus_head(CHANNELS.len() as u8, MediaTime::RATE_HZ as u32);
        Self {
            shift_samples: grid.shift_samples(),
            writer: ogg::Writer::new(serial_of(manifest), &head, &tags_of(manifest), out),
            voices: Default::default(),
            first: 0,
            slots: VecDeque::new(),
            held: Vec::new(),
            slot: Vec::new(),
        }
    }

    /// Puts a packet of the first two channels in its slots; packets come in the order of time.
    pub(super) fn entry(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let start = shifted(entry.at, self.shift_samples);
        let slot = slot_of(start);
        self.write_until(slot.saturating_sub(OPEN_SLOTS), out);
        if opus::is_dtx(&entry.payload) {
            return;
        }
        let Self {
            voices,
            first,
            slots,
            ..
        } = self;
        let voice = &mut voices[entry.channel];
        let mut emit = |at: MediaTime, packet: &[u8]| {
            place(slots, *first, slot_of(at), entry.channel, packet);
        };
        let source = Some((entry.lane.track, entry.lane.ssrc));
        if std::mem::replace(&mut voice.source, source) != source {
            voice.regrouper.flush(&mut emit);
        }
        match voice.regrouper.push(start, &entry.payload, &mut emit) {
            Ok(Regrouped::Kept) => {}
            Ok(Regrouped::Indivisible) => {
                debug_assert!(false, "a take with such frames has one file per channel");
            }
            Err(error) => tracing::debug!(at = %entry.at, %error, "not an Opus packet: left out"),
        }
    }

    /// Writes the rest so that the file plays for `total`, or for as long as it is already. Gives
    /// its length in samples.
    pub(super) fn finish(mut self, total: MediaTime, out: &mut Vec<u8>) -> u64 {
        let Self {
            voices,
            first,
            slots,
            ..
        } = &mut self;
        for (channel, voice) in voices.iter_mut().enumerate() {
            voice.regrouper.flush(&mut |at: MediaTime, packet: &[u8]| {
                place(slots, *first, slot_of(at), channel, packet);
            });
        }
        let skip = u64::from(PRE_SKIP_SAMPLES);
        let total = total
            .samples()
            .max((self.first * SLOT_SAMPLES).saturating_sub(skip));
        let slots = (total + skip).div_ceil(SLOT_SAMPLES).max(1);
        self.write_until(slots, out);
        self.writer.end(&self.held, total + skip, out);
        total
    }

    /// Closes all slots before `slot`.
    fn write_until(&mut self, slot: u64, out: &mut Vec<u8>) {
        while self.first < slot {
            let [left, right] = self.slots.pop_front().unwrap_or_default();
            if self.first > 0 {
                self.writer
                    .packet(&self.held, self.first * SLOT_SAMPLES, out);
            }
            std::mem::swap(&mut self.held, &mut self.slot);
            self.held.clear();
            let left = left.as_deref().unwrap_or(&SILENCE_20_MS);
            let right = right.as_deref().unwrap_or(&SILENCE_20_MS);
            opus::write_self_delimited(left, &mut self.held)
                .expect("only packets that were parsed are placed");
            self.held.extend_from_slice(right);
            self.first += 1;
        }
    }
}

fn shifted(at: MediaTime, by_samples: i64) -> MediaTime {
    MediaTime::from_samples(at.samples().saturating_add_signed(by_samples))
}

/// The slot in which a packet that starts at `at` is heard: the nearest.
fn slot_of(at: MediaTime) -> u64 {
    (at.samples() + SLOT_SAMPLES / 2) / SLOT_SAMPLES
}

/// Fills a slot, unless it is closed or taken: the first wins.
fn place(
    slots: &mut VecDeque<[Option<Vec<u8>>; CHANNELS.len()]>,
    first: u64,
    slot: u64,
    channel: usize,
    packet: &[u8],
) {
    let Some(index) = slot
        .checked_sub(first)
        .and_then(|n| usize::try_from(n).ok())
    else {
        return;
    };
    if slots.len() <= index {
        slots.resize(index + 1, [None, None]);
    }
    slots[index][channel].get_or_insert_with(|| packet.to_vec());
}
