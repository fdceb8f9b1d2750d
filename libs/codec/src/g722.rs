//! G.722 at 64 kbit/s (ITU-T G.722, RFC 3551 section 4.5.2): each byte is two samples of 16 kHz.
//!
//! What a byte means depends on those before it. Whoever begins or goes on anywhere else hears the
//! right thing a few milliseconds later.

use audio_codec::g722;
use audio_codec::{Decoder as _, Encoder as _};

/// Samples a second.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples of a byte.
pub const SAMPLES_PER_BYTE: usize = 2;
/// Of such bytes nothing is heard, whatever was before.
pub const SILENCE: u8 = 0xff;

/// From payloads to sound.
pub struct Decoder(g722::G722Decoder);

impl Decoder {
    /// One that has heard nothing yet.
    pub fn new() -> Self {
        Self(g722::G722Decoder::new())
    }

    /// The sound of any bytes.
    pub fn decode(&mut self, bytes: &[u8]) -> Vec<i16> {
        self.0.decode(bytes)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// From sound to payloads.
pub struct Encoder(g722::G722Encoder);

impl Encoder {
    /// One that has said nothing yet.
    pub fn new() -> Self {
        Self(g722::G722Encoder::new())
    }

    /// A byte for each two samples.
    pub fn encode(&mut self, samples: &[i16]) -> Vec<u8> {
        self.0.encode(samples)
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::pcm;

    /// Samples that the filters of both sides hold back.
    const DELAY: usize = 22;

    /// A second and a half of two tones, the higher one beyond what a telephone hears.
    fn speech() -> Vec<i16> {
        let tone = |n: u32, hz: f64| (f64::from(n) * hz * std::f64::consts::TAU / 16_000.0).sin();
        let loud = |n: u32| (f64::from(n) / 4_000.0).fract();
        let sample = |n| (loud(n) * (tone(n, 440.0) * 9_000.0 + tone(n, 5_600.0) * 3_000.0)) as i16;
        (0..24_000).map(sample).collect()
    }

    /// How far what differs is below what was meant, in dB.
    fn snr_db(meant: &[i16], heard: &[i16]) -> f64 {
        let pairs = || {
            meant
                .iter()
                .zip(heard)
                .map(|(a, b)| (f64::from(*a), f64::from(*b)))
        };
        let signal: f64 = pairs().map(|(a, _)| a * a).sum();
        let noise: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
        10.0 * (signal / noise.max(1.0)).log10()
    }

    fn ffmpeg(from: &[&str], to: &[&str], input: Vec<u8>) -> Vec<u8> {
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error"])
            .args(from)
            .args(["-i", "-"])
            .args(to)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());
        output.stdout
    }

    const PCM: [&str; 6] = ["-f", "s16le", "-ar", "16000", "-ac", "1"];
    const G722: [&str; 4] = ["-c:a", "g722", "-f", "g722"];

    #[test]
    fn what_is_written_is_heard_as_ffmpeg_hears_it_and_the_other_way_round() {
        let said = speech();
        let ours = Encoder::new().encode(&said);
        assert_eq!(ours.len(), said.len() / SAMPLES_PER_BYTE);
        let theirs = ffmpeg(&PCM, &G722, pcm::to_bytes(&said));
        for bytes in [ours, theirs] {
            let heard = Decoder::new().decode(&bytes);
            let reference = ffmpeg(&["-f", "g722"], &PCM, bytes);
            let same = snr_db(&pcm::from_bytes(&reference), &heard);
            assert!(same > 45.0, "ffmpeg hears something else: {same} dB");
            let good = snr_db(&said, &heard[DELAY..]);
            assert!(good > 20.0, "{good} dB of what was said");
        }
    }

    #[test]
    fn packets_are_one_stream_and_who_begins_later_hears_the_same_soon() {
        let bytes = Encoder::new().encode(&speech());
        let whole = Decoder::new().decode(&bytes);
        let mut decoder = Decoder::new();
        let pieces = bytes.chunks(77).flat_map(|piece| decoder.decode(piece));
        assert_eq!(pieces.collect::<Vec<_>>(), whole);
        let late = Decoder::new().decode(&bytes[3_000..]);
        let same = snr_db(&whole[6_000 + 800..], &late[800..]);
        assert!(same > 20.0, "after 50 ms: {same} dB");
    }

    #[test]
    fn silence_is_not_heard_after_anything() {
        let mut decoder = Decoder::new();
        decoder.decode(&Encoder::new().encode(&speech()));
        let quiet = decoder.decode(&[SILENCE; 1_600]);
        let loudest = quiet[320..].iter().map(|one| one.unsigned_abs()).max();
        assert!(loudest < Some(100), "{loudest:?}");
    }
}
