//! One channel in a file of its own: packets as they came, of any length, silence between them.
//!
//! For supervisors and second participants of a party, and for takes with SILK frames of 40 or
//! 60 ms, which cannot be divided into slots.

use sidetone_media::ogg::{self, PRE_SKIP_SAMPLES};
use sidetone_media::{MediaTime, opus};
use sidetone_wire::Manifest;

use super::replay::Entry;
use super::{SLOT_SAMPLES, serial_of, tags_of};

/// Silent packets of 20, 10, 5 and 2.5 ms: CELT, full band, with the silence flag.
const SILENCES: [(u64, [u8; 3]); 4] = [
    (960, [0xf8, 0xff, 0xfe]),
    (480, [0xf0, 0xff, 0xfe]),
    (240, [0xe8, 0xff, 0xfe]),
    (120, [0xe0, 0xff, 0xfe]),
];
/// The shortest packet.
const STEP_SAMPLES: u64 = 120;
/// A packet this far from where the last one ended follows it at once: half a slot, as exact as
/// the grid of two channels.
const ADJOINING_SAMPLES: u64 = SLOT_SAMPLES / 2;

/// The file being made.
pub(super) struct Mono {
    writer: ogg::Writer,
    /// End of what is written or held, in samples.
    end: u64,
    /// The latest packet: the last one of the file is written differently.
    held: Option<Vec<u8>>,
}

impl Mono {
    pub(super) fn new(manifest: &Manifest, channel: usize, out: &mut Vec<u8>) -> Self {
        let head = ogg::opus_head(1, MediaTime::RATE_HZ as u32);
        let serial = serial_of(manifest).wrapping_add(channel as u32);
        Self {
            writer: ogg::Writer::new(serial, &head, &tags_of(manifest), out),
            end: 0,
            held: None,
        }
    }

    /// Takes a packet of the channel; packets come in the order of time.
    pub(super) fn entry(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let start = entry.at.samples();
        if opus::is_dtx(&entry.payload) || start + ADJOINING_SAMPLES < self.end {
            return;
        }
        let Ok(frames) = opus::parse(&entry.payload) else {
            tracing::debug!(at = %entry.at, "not an Opus packet: left out");
            return;
        };
        let samples = u64::from(frames.duration_samples());
        if start > self.end + ADJOINING_SAMPLES {
            self.fill_until(start, out);
        }
        self.push(&entry.payload, samples, out);
    }

    /// Writes the rest so that the file plays for `total`, or for as long as it is already. Gives
    /// its length in samples.
    pub(super) fn finish(mut self, total: MediaTime, out: &mut Vec<u8>) -> u64 {
        let skip = u64::from(PRE_SKIP_SAMPLES);
        let needed = (total.samples() + skip)
            .next_multiple_of(STEP_SAMPLES)
            .max(STEP_SAMPLES);
        self.fill_until(needed, out);
        // a last packet may be trimmed, but not left out
        let last_samples = self.held.as_deref().map_or(0, |packet| {
            opus::duration_samples(packet).map_or(0, u64::from)
        });
        let granule = (total.samples() + skip).max(self.end.saturating_sub(last_samples));
        let held = self.held.take().unwrap_or_default();
        self.writer.end(&held, granule, out);
        granule.saturating_sub(skip)
    }

    fn fill_until(&mut self, end: u64, out: &mut Vec<u8>) {
        for (samples, packet) in SILENCES {
            while self.end + samples <= end {
                self.push(&packet, samples, out);
            }
        }
    }

    fn push(&mut self, packet: &[u8], samples: u64, out: &mut Vec<u8>) {
        if let Some(held) = &mut self.held {
            self.writer.packet(held, self.end, out);
            held.clear();
            held.extend_from_slice(packet);
        } else {
            self.held = Some(packet.to_vec());
        }
        self.end += samples;
    }
}
