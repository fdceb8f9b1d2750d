//! Tones in, tones out.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use anyhow::Result;
use sidetone_codec::{
    Application, EncoderConfig, FRAME_SAMPLES, OpusEncoder, SAMPLE_RATE_HZ, g711,
};

/// High enough that the codec's own noise stays 60 dB below the tone.
const TONE_BITRATE_BPS: i32 = 96_000;
/// A client with DTX goes on sending for so many packets of silence (libopus: 200 ms) ...
const HANGOVER_PACKETS: u64 = 10;
/// ... and sends one in so many of them afterwards (400 ms).
const COMFORT_EVERY_PACKETS: u64 = 20;

/// A sine, or two of them, as Opus packets of 20 ms, mono, 48 kHz; a made-up party that says one
/// thing.
pub struct Tone {
    encoder: OpusEncoder,
    hz: Vec<f64>,
    amplitude: f64,
    sample: u64,
    frame: u64,
    talk_frames: u64,
    pause_frames: u64,
}

impl Tone {
    /// A steady tone of `hz` at `level_dbfs` (0 is a full-scale sine, -6 half of that).
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new(hz: f64, level_dbfs: f64) -> Result<Self> {
        Self::with(&[hz], level_dbfs, 1, 0)
    }

    /// The same, but speaking for `talk_ms` and silent for `pause_ms` in turn (rounded down to
    /// 20 ms), sending nothing in silence but a packet every 400 ms, as clients with DTX do.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn with_pauses(hz: f64, level_dbfs: f64, talk_ms: u64, pause_ms: u64) -> Result<Self> {
        Self::with(&[hz], level_dbfs, (talk_ms / 20).max(1), pause_ms / 20)
    }

    /// Two steady tones at once, each at `level_dbfs`: a key of a telephone sounds so (ITU-T Q.23).
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn pair(hz: [f64; 2], level_dbfs: f64) -> Result<Self> {
        Self::with(&hz, level_dbfs, 1, 0)
    }

    fn with(hz: &[f64], level_dbfs: f64, talk: u64, pause: u64) -> Result<Self> {
        let encoder = OpusEncoder::new(EncoderConfig {
            application: Application::Audio,
            bitrate_bps: TONE_BITRATE_BPS,
            ..EncoderConfig::default()
        })?;
        Ok(Self {
            encoder,
            hz: hz.to_vec(),
            amplitude: 10f64.powf(level_dbfs / 20.0) * f64::from(i16::MAX),
            sample: 0,
            frame: 0,
            talk_frames: talk,
            pause_frames: pause,
        })
    }

    /// The next 20 ms; `None` when a client would send nothing (DTX). Time moves on either way.
    ///
    /// # Errors
    /// When libopus fails, which it does not on this input.
    pub fn packet(&mut self) -> Result<Option<Vec<u8>>> {
        let silent_frames = self.silent_frames();
        let pcm = self.pcm(silent_frames.is_none());
        let packet = self.encoder.encode(&pcm)?;
        let sends = silent_frames.is_none_or(|silent| {
            silent < HANGOVER_PACKETS || silent.is_multiple_of(COMFORT_EVERY_PACKETS)
        });
        Ok(sends.then_some(packet))
    }

    /// `count` packets ahead of time, to be sent in a loop by cheap publishers. A tone whose
    /// cycles fit 20 ms (a multiple of 50 Hz) loops without a click.
    ///
    /// # Errors
    /// When libopus fails, which it does not on this input.
    pub fn packets(&mut self, count: usize) -> Result<Vec<Vec<u8>>> {
        let mut packets = Vec::with_capacity(count);
        while packets.len() < count {
            packets.extend(self.packet()?);
        }
        Ok(packets)
    }

    /// Its loudness in -dBov (RFC 6464), 3 below its level in dBFS: what a client sends along.
    pub fn level_dbov(&self) -> u8 {
        let rms_dbfs = 20.0 * (self.amplitude / f64::from(i16::MAX)).log10() - 3.0;
        (-rms_dbfs).round().clamp(0.0, 127.0) as u8
    }

    /// Frames of silence before the next one, if it is silent.
    fn silent_frames(&self) -> Option<u64> {
        (self.frame % (self.talk_frames + self.pause_frames)).checked_sub(self.talk_frames)
    }

    fn pcm(&mut self, talks: bool) -> Vec<i16> {
        self.frame += 1;
        let from = self.sample;
        self.sample += FRAME_SAMPLES as u64;
        if !talks {
            return vec![0; FRAME_SAMPLES];
        }
        let turn = TAU / f64::from(SAMPLE_RATE_HZ);
        let sine = |i: u64, hz: &f64| (i as f64 * turn * hz).sin() * self.amplitude;
        (from..self.sample)
            .map(|i| self.hz.iter().map(|hz| sine(i, hz)).sum::<f64>() as i16)
            .collect()
    }
}

/// Says which tones are in decoded sound, mono, 48 kHz: the last window of what was pushed.
#[derive(Debug, Clone)]
pub struct ToneDetector {
    window: VecDeque<i16>,
    window_samples: usize,
}

impl Default for ToneDetector {
    /// A window of 400 ms: tones 20 Hz apart are told apart.
    fn default() -> Self {
        Self::new(400)
    }
}

impl ToneDetector {
    /// Looks at the last `window_ms`, at least 20.
    pub fn new(window_ms: usize) -> Self {
        let window_samples = window_ms.max(20) * SAMPLE_RATE_HZ as usize / 1000;
        Self {
            window: VecDeque::with_capacity(window_samples),
            window_samples,
        }
    }

    /// Takes G.711 µ-law at 8 kHz, each sample as long as it lasts.
    pub fn push_ulaw(&mut self, payload: &[u8]) {
        let samples = payload.iter().map(|byte| g711::decode_ulaw(*byte));
        let pcm: Vec<i16> = samples
            .flat_map(|sample| std::iter::repeat_n(sample, 6))
            .collect();
        self.push(&pcm);
    }

    /// Takes sound.
    pub fn push(&mut self, pcm: &[i16]) {
        self.window.extend(pcm);
        let surplus = self.window.len().saturating_sub(self.window_samples);
        self.window.drain(..surplus);
    }

    /// Whether a whole window was heard.
    pub fn is_full(&self) -> bool {
        self.window.len() == self.window_samples
    }

    /// Forgets what was heard.
    pub fn clear(&mut self) {
        self.window.clear();
    }

    /// Level of the tone of `hz` in dBFS; 0 is a full-scale sine, -200 is nothing at all.
    pub fn level_dbfs(&self, hz: f64) -> f64 {
        let pcm: Vec<i16> = self.window.iter().copied().collect();
        level_dbfs(&pcm, hz)
    }

    /// How far the tone of `unwanted_hz` lies below that of `wanted_hz`, in dB (negative).
    pub fn crosstalk_db(&self, wanted_hz: f64, unwanted_hz: f64) -> f64 {
        self.level_dbfs(unwanted_hz) - self.level_dbfs(wanted_hz)
    }

    /// The loudest of `candidates_hz`, if it is above -50 dBFS.
    pub fn heard(&self, candidates_hz: &[f64]) -> Option<f64> {
        candidates_hz
            .iter()
            .map(|&hz| (hz, self.level_dbfs(hz)))
            .filter(|(_, level)| *level > -50.0)
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(hz, _)| hz)
    }
}

/// Level of the tone of `hz` in `pcm` (mono, 48 kHz) in dBFS, by Goertzel's recurrence under a
/// Blackman-Harris window, whose side lobes lie 92 dB down; -200 for nothing.
pub fn level_dbfs(pcm: &[i16], hz: f64) -> f64 {
    const FLOOR_DBFS: f64 = -200.0;
    if pcm.is_empty() {
        return FLOOR_DBFS;
    }
    let step = TAU * hz / f64::from(SAMPLE_RATE_HZ);
    let coefficient = 2.0 * step.cos();
    let turn = TAU / pcm.len() as f64;
    let (mut before, mut now, mut gain) = (0.0, 0.0, 0.0);
    for (i, &sample) in pcm.iter().enumerate() {
        let at = turn * i as f64;
        let weight = 0.358_75 - 0.488_29 * at.cos() + 0.141_28 * (2.0 * at).cos()
            - 0.011_68 * (3.0 * at).cos();
        gain += weight;
        let next = f64::from(sample) / f64::from(i16::MAX) * weight + coefficient * now - before;
        before = now;
        now = next;
    }
    let power = now * now + before * before - coefficient * now * before;
    let amplitude = 2.0 * power.max(0.0).sqrt() / gain;
    if amplitude <= 1e-10 {
        FLOOR_DBFS
    } else {
        20.0 * amplitude.log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_codec::OpusDecoder;

    fn heard(tone: &mut Tone, packets: usize) -> ToneDetector {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut detector = ToneDetector::default();
        for _ in 0..packets {
            match tone.packet().unwrap() {
                Some(packet) => detector.push(decoder.decode(&packet).unwrap()),
                None => detector.push(&[0; FRAME_SAMPLES]),
            }
        }
        detector
    }

    #[test]
    fn a_tone_is_heard_at_its_level_and_no_other_is() {
        for (hz, other) in [(440.0, 1000.0), (1000.0, 440.0)] {
            let detector = heard(&mut Tone::new(hz, -12.0).unwrap(), 50);
            assert!(detector.is_full());
            let level = detector.level_dbfs(hz);
            assert!((level + 12.0).abs() < 0.5, "{hz} Hz at {level} dBFS");
            let crosstalk = detector.crosstalk_db(hz, other);
            assert!(crosstalk < -60.0, "{other} Hz lies {crosstalk} dB below");
            assert_eq!(detector.heard(&[440.0, 700.0, 1000.0]), Some(hz));
        }
    }

    #[test]
    fn a_faint_tone_beside_a_loud_one_is_measured_rightly() {
        let pcm: Vec<i16> = (0..19_200)
            .map(|i| {
                let t = f64::from(i) * TAU / 48_000.0;
                ((t * 440.0).sin() * 16_384.0 + (t * 1000.0).sin() * 32.767).round() as i16
            })
            .collect();
        let level = level_dbfs(&pcm, 1000.0);
        assert!((level + 60.0).abs() < 0.5, "{level}");
    }

    #[test]
    fn silence_is_no_tone() {
        let mut detector = ToneDetector::default();
        assert_eq!(detector.heard(&[440.0]), None);
        detector.push(&vec![0; 48_000]);
        assert_eq!(detector.heard(&[440.0]), None);
        assert!(detector.level_dbfs(440.0) <= -199.0);
    }

    #[test]
    fn pauses_send_next_to_nothing_and_speech_comes_back() {
        let mut tone = Tone::with_pauses(440.0, -12.0, 1000, 2000).unwrap();
        let sent: Vec<bool> = (0..300).map(|_| tone.packet().unwrap().is_some()).collect();
        let count = |frames: std::ops::Range<usize>| sent[frames].iter().filter(|s| **s).count();
        assert_eq!(count(0..50), 50, "speech");
        assert_eq!(count(60..150), 4, "comfort in silence");
        assert_eq!(count(150..200), 50, "speech again");
    }

    #[test]
    fn packets_made_ahead_can_be_looped() {
        let packets = Tone::new(1000.0, -12.0).unwrap().packets(50).unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut detector = ToneDetector::default();
        for packet in packets.iter().cycle().take(120) {
            detector.push(decoder.decode(packet).unwrap());
        }
        assert_eq!(detector.heard(&[440.0, 1000.0]), Some(1000.0));
    }
}
