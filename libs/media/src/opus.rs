//! Opus packets from the outside: what they hold and how long they sound (RFC 6716 section 3),
//! and how to frame them anew without decoding.

mod framing;
mod regroup;

pub use framing::{SILENCE_20_MS, write_frames, write_self_delimited};
pub use regroup::{Regrouped, Regrouper};

/// The longest a packet may sound, in samples at 48 kHz: 120 ms.
pub const MAX_PACKET_SAMPLES: u32 = 5_760;
/// The most frames a packet may hold: 120 ms of 2.5 ms.
pub const MAX_FRAMES: usize = 48;
/// The largest frame in bytes (R2).
pub const MAX_FRAME_BYTES: usize = 1_275;

/// What is wrong with a packet. The requirement's number is that of RFC 6716 section 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// R1: a packet has at least its TOC byte.
    #[error("an Opus packet cannot be empty (R1)")]
    Empty,
    /// R2: a frame is too large.
    #[error("a frame of {0} bytes, 1275 is the most (R2)")]
    FrameTooLarge(usize),
    /// R3: two frames of equal size need an even number of bytes.
    #[error("{0} bytes cannot be two frames of equal size (R3)")]
    OddPair(usize),
    /// R4, R6, R7: it ends before what it announces.
    #[error("the packet ends before what it announces (R4, R6, R7)")]
    Truncated,
    /// R5: no frame, or more than 120 ms.
    #[error("{frames} frames of {frame_samples} samples are none or more than 120 ms (R5)")]
    Duration {
        /// Frames announced.
        frames: usize,
        /// Samples of each at 48 kHz.
        frame_samples: u32,
    },
    /// R6: the frames of equal size do not fill the packet.
    #[error("{bytes} bytes cannot be {frames} frames of equal size (R6)")]
    Uneven {
        /// Bytes there are.
        bytes: usize,
        /// Frames announced.
        frames: usize,
    },
}

/// Which of the two codecs makes the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Linear prediction, for speech up to 8 kHz.
    Silk,
    /// SILK below 8 kHz, CELT above.
    Hybrid,
    /// The transform codec alone.
    Celt,
}

/// The first byte of a packet (RFC 6716 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toc(pub u8);

impl Toc {
    /// The configuration, 0 to 31: mode, bandwidth and frame size.
    pub const fn config(self) -> u8 {
        self.0 >> 3
    }

    /// Two channels.
    pub const fn stereo(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// How frames are packed, 0 to 3.
    pub const fn code(self) -> u8 {
        self.0 & 0x03
    }

    /// Everything but the packing: frames may share a packet when this is the same.
    pub const fn kind(self) -> u8 {
        self.0 & 0xfc
    }

    /// The codec.
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// Samples of one frame at 48 kHz: 120 (2.5 ms) to 2880 (60 ms).
    pub const fn frame_samples(self) -> u32 {
        let size = self.config() & 3;
        match self.mode() {
            Mode::Silk => [480, 960, 1_920, 2_880][size as usize],
            Mode::Hybrid => [480, 960][(size & 1) as usize],
            Mode::Celt => [120, 240, 480, 960][size as usize],
        }
    }
}

/// A packet taken apart. The frames lie in the packet.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    toc: Toc,
    data: [&'a [u8]; MAX_FRAMES],
    count: usize,
}

impl<'a> Frames<'a> {
    /// The packet's TOC.
    pub const fn toc(&self) -> Toc {
        self.toc
    }

    /// The frames, in order. A frame without bytes stands for sound that was not sent.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.data[..self.count]
    }

    /// How long they sound together, in samples at 48 kHz.
    pub const fn duration_samples(&self) -> u32 {
        self.toc.frame_samples() * self.count as u32
    }
}

/// How long a packet sounds, in samples at 48 kHz, 120 to 5760. Looks at two bytes only.
///
/// # Errors
/// When the packet is empty, or announces no frame or more than 120 ms (R1, R5).
pub fn duration_samples(packet: &[u8]) -> Result<u32, OpusError> {
    let toc = Toc(*packet.first().ok_or(OpusError::Empty)?);
    let frames = match toc.code() {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(packet.get(1).ok_or(OpusError::Truncated)? & 0x3f),
    };
    checked_duration(toc, frames)
}

/// Takes a packet apart, checking R1 to R7.
///
/// # Errors
/// What is wrong with it.
pub fn parse(packet: &[u8]) -> Result<Frames<'_>, OpusError> {
    framing::parse(packet, false).map(|(frames, _)| frames)
}

/// Takes the self-delimited packet apart (RFC 6716 appendix B) that `bytes` begin with; also
/// gives its length in bytes.
///
/// # Errors
/// What is wrong with it.
pub fn parse_self_delimited(bytes: &[u8]) -> Result<(Frames<'_>, usize), OpusError> {
    framing::parse(bytes, true)
}

/// Whether the packet only says that nothing is said (DTX): at most 2 bytes, or no frame with
/// more than a byte.
pub fn is_dtx(packet: &[u8]) -> bool {
    packet.len() <= 2
        || parse(packet).is_ok_and(|frames| frames.as_slice().iter().all(|f| f.len() <= 1))
}

fn checked_duration(toc: Toc, frames: usize) -> Result<u32, OpusError> {
    let frame_samples = toc.frame_samples();
    let samples = frame_samples as usize * frames;
    if frames == 0 || samples > MAX_PACKET_SAMPLES as usize {
        return Err(OpusError::Duration {
            frames,
            frame_samples,
        });
    }
    Ok(samples as u32)
}

#[cfg(test)]
mod tests;
