//! One continuous outgoing RTP stream from packets of changing sources.

use crate::{ClockRate, MediaTime, Packet, TrackId};

/// A step of the sequence numbers larger than this, either way, is not loss but a new start.
const RESTART_PACKETS: u64 = 1_000;

/// The header fields of a packet that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Sequence number, extended over wraps; RTP carries the lower 16 bits.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker: set where the sender set it, and where a source begins.
    pub marker: bool,
}

/// Gives packets the sequence numbers and timestamps of one stream without a seam, whatever
/// sources they come from (another SSRC, re-subscription, another track) and whatever was left
/// out between them (mute, DTX).
///
/// Invariants, each with a property test:
/// 1. Loss and reordering within a source are passed on as they are: the distance of two
///    sequence numbers of a source stays, so a late packet keeps its place.
/// 2. Where the source changes, the sequence goes on by one and time does not run backwards.
/// 3. Timestamps are those of [`Packet::at`], so they go on over sources and silences.
/// 4. No sequence number is given out for two different packets of the input.
#[derive(Debug)]
pub struct Rewriter {
    rate: ClockRate,
    first_timestamp: u32,
    next_seq: u64,
    /// Call time of the first timestamp, once known.
    first_at: Option<MediaTime>,
    source: Option<Source>,
    /// The source before this one, for its late packets.
    previous: Option<Source>,
    /// Start and end of the newest packet sent, on the outgoing stream's time.
    newest_at: MediaTime,
    newest_end: MediaTime,
}

/// A run of packets with one mapping.
#[derive(Debug, Clone, Copy)]
struct Source {
    track: TrackId,
    ssrc: u32,
    /// The first packet's sequence number, and what it became.
    first_seq: u64,
    first_out: u64,
    newest_seq: u64,
    /// Added to the packets' time.
    shift_samples: u64,
}

impl Source {
    fn owns(&self, packet: &Packet) -> bool {
        self.ssrc == packet.ssrc && self.track == packet.track
    }
}

impl Rewriter {
    /// A stream that begins with this sequence number and this RTP timestamp (both should be
    /// random, RFC 3550 section 5.1) and has timestamps of `rate`.
    pub const fn new(first_seq: u16, first_timestamp: u32, rate: ClockRate) -> Self {
        Self {
            rate,
            first_timestamp,
            next_seq: first_seq as u64,
            first_at: None,
            source: None,
            previous: None,
            newest_at: MediaTime::ZERO,
            newest_end: MediaTime::ZERO,
        }
    }

    /// Forgets where the source stood: what the next packet skips was left out on purpose and is
    /// not loss (the listener was muted or its grant taken back).
    pub fn resume(&mut self) {
        if let Some(source) = self.source.take() {
            self.previous = Some(source);
        }
    }

    /// The header of `packet` in the outgoing stream, or `None` when it must not go out: it is
    /// older than its source's first packet, or belongs to what [`Rewriter::resume`] skipped.
    pub fn rewrite(&mut self, packet: &Packet) -> Option<Outgoing> {
        match self.source {
            Some(source) if source.owns(packet) => self.next_of(source, packet),
            _ => match self.previous {
                Some(old) if old.owns(packet) && packet.seq <= old.newest_seq => {
                    self.late_of(&old, packet)
                }
                _ => Some(self.begin(packet)),
            },
        }
    }

    fn next_of(&mut self, mut source: Source, packet: &Packet) -> Option<Outgoing> {
        let newest = source.newest_seq;
        if packet.seq.abs_diff(newest) > RESTART_PACKETS {
            self.source = None;
            return Some(self.begin(packet));
        }
        if packet.seq <= newest {
            return self.late_of(&source, packet);
        }
        source.newest_seq = packet.seq;
        let seq = source.first_out + (packet.seq - source.first_seq);
        self.next_seq = seq + 1;
        let at = (packet.at + source.shift_samples).max(self.newest_at);
        self.source = Some(source);
        self.sent(packet, at);
        Some(self.header(seq, at, packet.marker))
    }

    fn late_of(&mut self, source: &Source, packet: &Packet) -> Option<Outgoing> {
        let place = packet.seq.checked_sub(source.first_seq)?;
        let at = packet.at + source.shift_samples;
        Some(self.header(source.first_out + place, at, packet.marker))
    }

    fn begin(&mut self, packet: &Packet) -> Outgoing {
        let seq = self.next_seq;
        // two tracks' times may overlap by some milliseconds; a receiver takes that for a replay
        let shift_samples = self.newest_end.since(packet.at);
        let at = packet.at + shift_samples;
        if let Some(old) = self.source.take() {
            self.previous = Some(old);
        }
        self.source = Some(Source {
            track: packet.track,
            ssrc: packet.ssrc,
            first_seq: packet.seq,
            first_out: seq,
            newest_seq: packet.seq,
            shift_samples,
        });
        self.next_seq = seq + 1;
        self.sent(packet, at);
        self.header(seq, at, true)
    }

    fn sent(&mut self, packet: &Packet, at: MediaTime) {
        self.newest_at = at;
        self.newest_end = at + packet.duration_samples();
    }

    fn header(&mut self, seq: u64, at: MediaTime, marker: bool) -> Outgoing {
        let first_at = *self.first_at.get_or_insert(at);
        let samples = at.samples() as i64 - first_at.samples() as i64;
        let ticks = self.rate.from_samples_48k(samples);
        Outgoing {
            seq,
            timestamp: self.first_timestamp.wrapping_add(ticks as u32),
            marker,
        }
    }
}

#[cfg(test)]
mod tests;
