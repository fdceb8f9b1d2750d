//! The packet: the one frame of reference of everything that carries media.

use std::sync::Arc;
use std::time::Instant;

use crate::{ClockRate, MediaTime, opus};

/// How a payload is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus (RFC 6716), RTP clock 48 kHz (RFC 7587).
    Opus,
    /// G.711 µ-law, 8 kHz (RFC 3551).
    Pcmu,
    /// G.711 A-law, 8 kHz (RFC 3551).
    Pcma,
    /// G.722 at 64 kbit/s: sound of 16 kHz whose clock counts 8,000 a second (RFC 3551 section
    /// 4.5.2), a byte at each tick.
    G722,
    /// Linear PCM as sockets send it: mono, signed 16 bit, little endian. It is on no RTP stream.
    Linear16(ClockRate),
}

impl Codec {
    /// The clock of its timestamps.
    pub const fn clock_rate(self) -> ClockRate {
        match self {
            Self::Opus => ClockRate::OPUS,
            Self::Pcmu | Self::Pcma | Self::G722 => ClockRate::G711,
            Self::Linear16(rate) => rate,
        }
    }

    /// What its sound has of samples in a second.
    pub const fn sample_rate_hz(self) -> u32 {
        match self {
            Self::G722 => 2 * ClockRate::G711.hz(),
            Self::Opus | Self::Pcmu | Self::Pcma | Self::Linear16(_) => self.clock_rate().hz(),
        }
    }
}

/// A track on one call's bus: small, dense, never re-used within a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u32);

/// One encoded packet as it came, placed on the call's own time.
///
/// Cloning shares the payload: every sink sees the same bytes.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The track it belongs to.
    pub track: TrackId,
    /// The RTP stream it came on. A new value means that sequence numbers start afresh
    /// (re-publish, re-subscription, rejoin).
    pub ssrc: u32,
    /// RTP sequence number, extended over wraps; starts anywhere.
    pub seq: u64,
    /// When its first sample was spoken, on the call's time.
    pub at: MediaTime,
    /// How it is encoded.
    pub codec: Codec,
    /// RTP marker: first packet of a talk spurt.
    pub marker: bool,
    /// Loudness in -dBov, 0 (loudest) to 127 (RFC 6464), where the sender gave it.
    pub level_dbov: Option<u8>,
    /// The encoded frames.
    pub payload: Arc<[u8]>,
    /// When it reached this process.
    pub arrived: Instant,
}

impl Packet {
    /// How long it sounds, in samples at 48 kHz; 0 when that cannot be told.
    pub fn duration_samples(&self) -> u64 {
        let bytes = self.payload.len() as i64;
        match self.codec {
            Codec::Opus => opus::duration_samples(&self.payload).map_or(0, u64::from),
            Codec::Pcmu | Codec::Pcma | Codec::G722 => ClockRate::G711.to_samples_48k(bytes) as u64,
            Codec::Linear16(rate) => rate.to_samples_48k(bytes / 2) as u64,
        }
    }
}
