//! libopus behind safe names, G.711 and G.722: what turns sound into payloads and back.
//!
//! Sound is mono, signed 16 bit, 48 kHz unless a function says otherwise. This is the only crate
//! with C in it; nothing on the forwarding path uses it (packets stay encoded there).

#![warn(missing_docs)]

mod decimate;
pub mod g711;
pub mod g722;
mod level;
mod mix;
mod multistream;
mod opus;
pub mod pcm;
mod resample;
mod stereo;

pub use decimate::Decimator;
pub use level::level;
pub use mix::{limit, mix};
pub use multistream::MultistreamDecoder;
pub use opus::{Application, Bandwidth, ENCODER_RATES_HZ, EncoderConfig, OpusDecoder, OpusEncoder};
pub use resample::Resampler;
pub use stereo::{StereoDecoder, StereoEncoder};

/// Samples a second of all sound in and out of Opus.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples of the usual frame, 20 ms.
pub const FRAME_SAMPLES: usize = 960;

/// What libopus refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CodecError {
    /// A setting is out of range, or memory ran out.
    #[error("libopus refused {setting}: {reason}")]
    Setting {
        /// Which setting, with its value.
        setting: String,
        /// What libopus said.
        reason: String,
    },
    /// The sound has a length that Opus has no frame for.
    #[error("{samples} samples are no Opus frame (120, 240, 480, 960, 1920 or 2880 at 48 kHz)")]
    FrameLength {
        /// Samples given.
        samples: usize,
    },
    /// The packet is not Opus.
    #[error("packet of {bytes} bytes cannot be decoded: {reason}")]
    Packet {
        /// Its length.
        bytes: usize,
        /// What libopus said.
        reason: String,
    },
    /// The encoder failed on good input.
    #[error("libopus cannot encode: {reason}")]
    Encode {
        /// What libopus said.
        reason: String,
    },
}
