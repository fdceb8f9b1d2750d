//! Sound of 48 kHz at a lower rate: a low-pass with a windowed sinc, of which only the samples that
//! are kept are computed.

use crate::SAMPLE_RATE_HZ;

/// Taps for each step of the factor: what lies 10 % above the new band's edge is 50 dB down.
const TAPS_PER_STEP: usize = 32;
/// How much of the new band is kept; the rest is for the filter's slope.
const PASSED: f64 = 0.92;

/// Turns sound at 48 kHz into sound of a rate that divides it, piece by piece.
#[derive(Debug)]
pub struct Decimator {
    factor: usize,
    taps: Vec<f32>,
    /// Input that is still needed; begins with silence, so that nothing is missing at the start.
    input: Vec<f32>,
}

impl Decimator {
    /// A decimator to `rate_hz`; `None` if that does not divide 48 kHz.
    pub fn new(rate_hz: u32) -> Option<Self> {
        if rate_hz == 0 || !SAMPLE_RATE_HZ.is_multiple_of(rate_hz) {
            return None;
        }
        let factor = (SAMPLE_RATE_HZ / rate_hz) as usize;
        let taps = if factor == 1 {
            vec![1.0]
        } else {
            filter(factor)
        };
        Some(Self {
            factor,
            input: vec![0.0; taps.len() - 1],
            taps,
        })
    }

    /// The sound that became known with `pcm`, whose length is a multiple of the factor: late by
    /// half a filter.
    pub fn push(&mut self, pcm: impl IntoIterator<Item = i16>) -> Vec<i16> {
        self.input.extend(pcm.into_iter().map(f32::from));
        let mut out = Vec::with_capacity(self.input.len() / self.factor);
        let mut at = 0;
        // the last of the samples of a step is where it is taken
        while at + self.factor + self.taps.len() - 1 <= self.input.len() {
            let from = at + self.factor - 1;
            let taps = self.taps.iter().zip(&self.input[from..]);
            let sum: f32 = taps.map(|(tap, sample)| tap * sample).sum();
            out.push(sum.round().clamp(-32_768.0, 32_767.0) as i16);
            at += self.factor;
        }
        self.input.drain(..at);
        out
    }
}

fn filter(factor: usize) -> Vec<f32> {
    let length = TAPS_PER_STEP * factor + 1;
    let half = (length - 1) as f64 / 2.0;
    let cutoff = PASSED / factor as f64;
    let taps: Vec<f32> = (0..length)
        .map(|n| {
            let x = n as f64 - half;
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / (half + 1.0)).cos();
            let sinc = if x.abs() < 1e-9 {
                cutoff
            } else {
                (std::f64::consts::PI * cutoff * x).sin() / (std::f64::consts::PI * x)
            };
            (sinc * window) as f32
        })
        .collect();
    let sum: f32 = taps.iter().sum();
    taps.iter().map(|tap| tap / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

    /// A second of a tone at 48 kHz, in frames of 20 ms, at another rate.
    fn heard(rate_hz: u32, hz: f64) -> Vec<i16> {
        let turn = hz * std::f64::consts::TAU / f64::from(SAMPLE_RATE_HZ);
        let pcm: Vec<i16> = (0..SAMPLE_RATE_HZ)
            .map(|n| ((f64::from(n) * turn).sin() * 10_000.0) as i16)
            .collect();
        let mut decimator = Decimator::new(rate_hz).unwrap();
        let mut out = Vec::new();
        for frame in pcm.chunks(960) {
            let piece = decimator.push(frame.iter().copied());
            assert_eq!(piece.len(), rate_hz as usize / 50, "each frame is a frame");
            out.extend(piece);
        }
        out
    }

    fn amplitude(pcm: &[i16]) -> f64 {
        let after = &pcm[pcm.len() / 4..];
        let squares: f64 = after.iter().map(|x| f64::from(*x).powi(2)).sum();
        (squares * 2.0 / after.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_of_the_band_is_that_tone_and_one_above_it_is_gone() {
        for rate_hz in RATES_HZ {
            let inside = amplitude(&heard(rate_hz, f64::from(rate_hz) * 0.35));
            assert!(
                (inside / 10_000.0 - 1.0).abs() < 0.02,
                "{rate_hz}: {inside}"
            );
            if rate_hz < SAMPLE_RATE_HZ {
                let outside = amplitude(&heard(rate_hz, f64::from(rate_hz) * 0.6));
                assert!(outside < 30.0, "{rate_hz}: {outside}");
            }
        }
    }

    #[test]
    fn only_rates_that_divide_are_taken() {
        for rate_hz in [0, 7, 44_100, 96_000] {
            assert!(Decimator::new(rate_hz).is_none(), "{rate_hz}");
        }
    }
}
