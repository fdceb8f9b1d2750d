//! Sound of any rate at 48 kHz: a polyphase filter with a windowed sinc.

use crate::SAMPLE_RATE_HZ;

/// Taps of each phase: 16 ms of sound at 8 kHz on both sides are more than speech needs, and the
/// images lie 60 dB down.
const TAPS: usize = 32;
/// A rate between two of these is taken for the nearest, so that there are at most 1,920 phases
/// (240 KiB). Those of 32 kHz are 3, of 44.1 kHz 160, of 11.025 kHz 640.
const GRID_HZ: u32 = 25;
/// How much of the band is kept; the rest is for the filter's slope.
const PASSED: f64 = 0.92;

/// Turns sound of one rate into sound at 48 kHz, piece by piece.
#[derive(Debug)]
pub struct Resampler {
    /// Output samples for each `down` input samples.
    up: usize,
    down: usize,
    /// Filters by phase.
    phases: Vec<[f32; TAPS]>,
    /// Input that is still needed; begins with silence, so that nothing is missing at the start.
    input: Vec<f32>,
    /// Where the next output sample lies, in input samples times `up`, from the input's start.
    next: usize,
}

impl Resampler {
    /// A resampler of sound with `rate_hz` samples a second, 8,000 to 48,000; what is outside of
    /// that is taken for the nearest.
    pub fn new(rate_hz: u32) -> Self {
        let rate_hz = rate_hz.clamp(8_000, SAMPLE_RATE_HZ);
        let rate_hz = (rate_hz + GRID_HZ / 2) / GRID_HZ * GRID_HZ;
        let divisor = gcd(rate_hz, SAMPLE_RATE_HZ);
        let up = (SAMPLE_RATE_HZ / divisor) as usize;
        Self {
            up,
            down: (rate_hz / divisor) as usize,
            phases: (0..up)
                .map(|phase| filter(phase as f64 / up as f64))
                .collect(),
            input: vec![0.0; TAPS / 2],
            next: 0,
        }
    }

    /// Sound that became known with `pcm`: as long as that, but late by half a filter.
    pub fn push(&mut self, pcm: &[i16]) -> Vec<i16> {
        self.input
            .extend(pcm.iter().map(|&sample| f32::from(sample)));
        let mut out = Vec::with_capacity(pcm.len() * self.up / self.down + 1);
        while self.next / self.up + TAPS <= self.input.len() {
            let (at, phase) = (self.next / self.up, self.next % self.up);
            let taps = self.phases[phase].iter().zip(&self.input[at..]);
            let sum: f32 = taps.map(|(tap, sample)| tap * sample).sum();
            out.push(sum.clamp(-32_768.0, 32_767.0) as i16);
            self.next += self.down;
        }
        let used = (self.next / self.up).min(self.input.len());
        self.input.drain(..used);
        self.next -= used * self.up;
        out
    }
}

/// The taps for a sample that lies `fraction` of the way from one input sample to the next.
fn filter(fraction: f64) -> [f32; TAPS] {
    let half = TAPS as f64 / 2.0;
    let mut taps = [0.0; TAPS];
    for (n, tap) in taps.iter_mut().enumerate() {
        let x = n as f64 - (half - 1.0) - fraction;
        let window = 0.5 + 0.5 * (std::f64::consts::PI * x / half).cos();
        let sinc = if x.abs() < 1e-9 {
            PASSED
        } else {
            (std::f64::consts::PI * PASSED * x).sin() / (std::f64::consts::PI * x)
        };
        *tap = (sinc * window) as f32;
    }
    let sum: f32 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate_hz: u32) -> Vec<i16> {
        let turn = hz * std::f64::consts::TAU / f64::from(rate_hz);
        let samples = 0..rate_hz;
        samples
            .map(|i| ((f64::from(i) * turn).sin() * 10_000.0) as i16)
            .collect()
    }

    #[test]
    fn a_tone_of_any_rate_is_that_tone_and_as_long_at_48_khz() {
        for rate_hz in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            let mut resampler = Resampler::new(rate_hz);
            let mut heard = Vec::new();
            for piece in tone(440.0, rate_hz).chunks(rate_hz as usize / 50) {
                heard.extend(resampler.push(piece));
            }
            // what is missing at the end is the half of a filter
            let missing = 48_000 - heard.len() as i64;
            assert!((0..=150).contains(&missing), "{rate_hz}: {missing}");
            let wanted = tone(440.0, 48_000);
            // the filter's delay is a whole number of input samples, give or take one
            let late = 48_000 / rate_hz as usize;
            let worst = (0..=late)
                .map(|late| {
                    let errors = heard[late..].iter().zip(&wanted).skip(2_000);
                    errors
                        .map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs())
                        .max()
                })
                .min()
                .flatten();
            // half a sample at 48 kHz is 288 of a tone of that height
            assert!(worst < Some(300), "{rate_hz}: {worst:?}");
        }
    }

    #[test]
    fn nonsense_is_taken_for_the_nearest_rate_and_pieces_of_any_length_do() {
        for rate_hz in [0, 1, 7_999, 48_001, u32::MAX] {
            let mut resampler = Resampler::new(rate_hz);
            for length in [0, 1, 2, 3, 1_000] {
                let out = resampler.push(&vec![1_000; length]);
                assert!(out.len() <= 6 * length + 6);
            }
        }
    }
}
