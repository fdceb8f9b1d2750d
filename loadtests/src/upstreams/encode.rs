//! The yardstick: libopus alone, making packets of what the simulated calls say.

use anyhow::Result;
use sidetone_codec::{EncoderConfig, FRAME_SAMPLES, OpusEncoder, StereoEncoder, g711};
use sidetone_simulate::listen::Sound as _;
use sidetone_simulate::script::{self, Side};
use sidetone_simulate::speech::Speech;

use crate::process::Usage;

/// Seconds of sound: enough for the kernel's ticks to be exact to some percent.
const SECONDS: usize = 120;
/// Frames of a second.
const FRAMES: usize = 50;

/// How a vendor has its sound, and at which rate Opus is made of it.
#[derive(Clone, Copy)]
pub(super) enum Sound {
    /// 16 kHz, at 28 kbit/s.
    Wide,
    /// 8 kHz in µ-law, at 16 kbit/s.
    Narrow,
}

/// Seconds of CPU for a second of one party: mono.
pub(super) fn mono(sound: Sound) -> Result<f64> {
    let (rate_hz, bitrate_bps) = match sound {
        Sound::Wide => (16_000, 28_000),
        Sound::Narrow => (8_000, 16_000),
    };
    let mut encoder = OpusEncoder::at(
        rate_hz,
        EncoderConfig {
            bitrate_bps,
            ..EncoderConfig::default()
        },
    )?;
    let mut pcm = said(rate_hz as usize, &[Side::Agent])?;
    if matches!(sound, Sound::Narrow) {
        for sample in &mut pcm {
            *sample = g711::decode_ulaw(g711::encode_ulaw(*sample));
        }
    }
    cpu_of(|| {
        for frame in pcm.chunks_exact(rate_hz as usize / FRAMES) {
            encoder.encode(frame)?;
        }
        Ok(())
    })
}

/// Seconds of CPU for a second of both parties in one stream, as listeners by WebSocket get them.
pub(super) fn stereo() -> Result<f64> {
    let mut encoder = StereoEncoder::new()?;
    let pcm = said(FRAME_SAMPLES * FRAMES, &[Side::Customer, Side::Agent])?;
    cpu_of(|| {
        for frame in pcm.chunks_exact(FRAME_SAMPLES * 2) {
            encoder.encode(frame)?;
        }
        Ok(())
    })
}

/// What some sides say, interleaved.
fn said(rate_hz: usize, sides: &[Side]) -> Result<Vec<i16>> {
    let speech = Speech::of(&script::all()[0])?;
    let samples = (0..SECONDS * rate_hz).flat_map(|n| {
        let seconds = n as f64 / rate_hz as f64;
        let speech = &speech;
        let said = sides.iter().map(move |side| speech.at(*side, seconds));
        said.map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16)
    });
    Ok(samples.collect())
}

/// Seconds of CPU that some work takes, for a second of its sound. Nothing else goes on meanwhile.
fn cpu_of(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let own = std::process::id();
    let before = Usage::of(own)?;
    work()?;
    let spent = Usage::of(own)?.since(&before).cpu();
    Ok(spent.as_secs_f64() / SECONDS as f64)
}
