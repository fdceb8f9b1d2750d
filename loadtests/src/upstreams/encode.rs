//! The yardstick: libopus alone, making packets of what the simulated calls say, all calls in turn
//! as they come.

use anyhow::Result;
use sidetone_codec::{CodecError, EncoderConfig, FRAME_SAMPLES, OpusEncoder, StereoEncoder, g711};
use sidetone_simulate::listen::Sound as _;
use sidetone_simulate::script::Side;

use super::calls::speech;
use crate::process::Usage;

/// Seconds of sound: enough of them that the kernel's ticks are exact to some percent.
const SECONDS: usize = 20;
/// Frames of a second.
const FRAMES: usize = 50;
const BOTH: [Side; 2] = [Side::Customer, Side::Agent];

/// How a vendor has its sound, and at which rate Opus is made of it.
#[derive(Clone, Copy)]
pub(super) enum Sound {
    /// 16 kHz, at 28 kbit/s.
    Wide,
    /// 8 kHz in µ-law, at 16 kbit/s.
    Narrow,
}

/// Seconds of CPU for a second of one of so many calls, a stream for each party.
pub(super) fn mono(sound: Sound, calls: usize) -> Result<f64> {
    let (rate_hz, bitrate_bps) = match sound {
        Sound::Wide => (16_000, 28_000),
        Sound::Narrow => (8_000, 16_000),
    };
    let frame = rate_hz as usize / FRAMES;
    let mut streams = Vec::new();
    for call in 0..calls {
        for side in BOTH {
            let config = EncoderConfig {
                bitrate_bps,
                ..EncoderConfig::default()
            };
            let mut pcm = said(call, rate_hz as usize, &[side])?;
            if matches!(sound, Sound::Narrow) {
                for sample in &mut pcm {
                    *sample = g711::decode_ulaw(g711::encode_ulaw(*sample));
                }
            }
            streams.push((OpusEncoder::at(rate_hz, config)?, pcm));
        }
    }
    let spent = in_turn(streams, frame, |encoder, frame| {
        encoder.encode(frame).map(drop)
    });
    Ok(spent? / calls as f64)
}

/// Seconds of CPU for a second of one of so many calls, both parties in one stream, as listeners by
/// WebSocket get them.
pub(super) fn stereo(calls: usize) -> Result<f64> {
    const FRAME: usize = FRAME_SAMPLES * BOTH.len();
    let mut streams = Vec::new();
    for call in 0..calls {
        let pcm = said(call, FRAME_SAMPLES * FRAMES, &BOTH)?;
        streams.push((StereoEncoder::new()?, pcm));
    }
    let spent = in_turn(streams, FRAME, |encoder, frame| {
        encoder.encode(frame).map(drop)
    });
    Ok(spent? / calls as f64)
}

/// What some sides of the `call`th call say, interleaved.
fn said(call: usize, rate_hz: usize, sides: &[Side]) -> Result<Vec<i16>> {
    let speech = speech(call)?;
    let samples = (0..SECONDS * rate_hz).flat_map(|n| {
        let seconds = n as f64 / rate_hz as f64;
        let speech = &speech;
        let said = sides.iter().map(move |side| speech.at(*side, seconds));
        said.map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16)
    });
    Ok(samples.collect())
}

/// Seconds of CPU that a second of all streams takes, frame by frame in turn. Nothing else goes on
/// meanwhile.
fn in_turn<E>(
    mut streams: Vec<(E, Vec<i16>)>,
    frame: usize,
    encode: impl Fn(&mut E, &[i16]) -> Result<(), CodecError>,
) -> Result<f64> {
    let own = std::process::id();
    let before = Usage::of(own)?;
    for n in 0..SECONDS * FRAMES {
        for (encoder, pcm) in &mut streams {
            encode(encoder, &pcm[n * frame..][..frame])?;
        }
    }
    let spent = Usage::of(own)?.since(&before).cpu();
    Ok(spent.as_secs_f64() / SECONDS as f64)
}
