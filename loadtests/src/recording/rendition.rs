//! A recording as WAV, against nothing but libopus decoding the same packets.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sidetone_codec::{EncoderConfig, MultistreamDecoder, OpusEncoder};
use sidetone_media::{ogg, opus};
use sidetone_rendition::{Channel, Format, Rendition, Source};
use sidetone_service::clock;

use crate::child::say;

/// Length of the recording.
const SECONDS: u64 = 120;
/// Each is measured so often; the fastest counts.
const ROUNDS: usize = 5;
/// The goal: our time over libopus'.
const TARGET: f64 = 1.3;

/// What a rendition costs.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    seconds_of_sound: u64,
    wav_ms: f64,
    decode_ms: f64,
    ratio: f64,
    target: f64,
    pub(super) passed: bool,
}

/// Makes a WAV of a recording of two speakers, and decodes the same packets.
pub(super) fn measure() -> Result<Cost> {
    let (file, packets) = recording()?;
    let samples = SECONDS * 48_000;
    let (mut wav, mut decode) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let begun = clock::now();
        let rendition = Rendition {
            format: Format::Wav,
            channel: Channel::Both,
        };
        let media = Source {
            first_channel: 0,
            media: file.as_slice(),
        };
        rendition.write(vec![media], samples, std::io::sink())?;
        wav = wav.min(clock::now() - begun);
        let begun = clock::now();
        let mut decoder = MultistreamDecoder::new(2)?;
        let mut loudest = 0;
        for packet in &packets {
            loudest = decoder
                .decode(packet)?
                .iter()
                .copied()
                .fold(loudest, i16::max);
        }
        decode = decode.min(clock::now() - begun);
        anyhow::ensure!(loudest > 1_000, "the recording is silent");
    }
    let ratio = wav.as_secs_f64() / decode.as_secs_f64();
    let cost = Cost {
        seconds_of_sound: SECONDS,
        wav_ms: wav.as_secs_f64() * 1e3,
        decode_ms: decode.as_secs_f64() * 1e3,
        ratio,
        target: TARGET,
        passed: ratio <= TARGET,
    };
    say(&format!(
        "{SECONDS} s of two channels as WAV: {:.0} ms, libopus alone {:.0} ms: {ratio:.3} of it \
         (target {TARGET})",
        cost.wav_ms, cost.decode_ms
    ));
    Ok(cost)
}

/// Two voices that glide, as a file and as its packets.
fn recording() -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut encoders = [
        OpusEncoder::new(EncoderConfig::default())?,
        OpusEncoder::new(EncoderConfig::default())?,
    ];
    let head = ogg::opus_head(2, 48_000);
    let mut file = Vec::new();
    let tags = ogg::opus_tags("loadtests", &[]);
    let mut writer = ogg::Writer::new(1, &head, &tags, &mut file);
    let mut packets = Vec::new();
    for slot in 0..=SECONDS * 50 {
        let mut packet = Vec::new();
        let voices = [(150.0, 3.0), (220.0, 4.0)];
        for (n, (encoder, (pitch, glide))) in encoders.iter_mut().zip(voices).enumerate() {
            let encoded = encoder.encode(&voice(slot, pitch, glide))?;
            if n == 0 {
                opus::write_self_delimited(&encoded, &mut packet)?;
            } else {
                packet.extend_from_slice(&encoded);
            }
        }
        packets.push(packet);
    }
    let (last, before) = packets.split_last().context("there are packets")?;
    for (slot, packet) in before.iter().enumerate() {
        writer.packet(packet, (slot as u64 + 1) * 960, &mut file);
    }
    let end = SECONDS * 48_000 + u64::from(ogg::PRE_SKIP_SAMPLES);
    writer.end(last, end, &mut file);
    Ok((file, packets))
}

/// 20 ms of a buzzing, gliding tone.
fn voice(slot: u64, pitch_hz: f64, glide_hz: f64) -> Vec<i16> {
    let sample = |n: u64| {
        let t = n as f64 / 48_000.0;
        let phase = std::f64::consts::TAU * pitch_hz * t + (glide_hz * t).sin() * 8.0;
        let buzz: f64 = (1..12)
            .map(|k| (phase * f64::from(k)).sin() / f64::from(k))
            .sum();
        (buzz * 6_000.0) as i16
    };
    (slot * 960..(slot + 1) * 960).map(sample).collect()
}
