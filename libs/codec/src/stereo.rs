//! Two voices in one Opus stream, each on its own side.

use crate::{CodecError, FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// The longest an Opus packet may last, in samples at 48 kHz (120 ms, RFC 6716 section 3.1).
const MAX_PACKET_SAMPLES: usize = 5_760;
/// Room for an encoded packet of one frame (RFC 6716 section 3.2.1: below 1,276 bytes).
const MAX_PACKET_BYTES: usize = 1_500;
/// Speech on both sides, transform coded.
const BITRATE_BPS: i32 = 96_000;
/// As [`EncoderConfig`](crate::EncoderConfig) has it.
const COMPLEXITY: i32 = 5;

/// Frames of 20 ms in, packets that any Opus decoder takes out.
///
/// Only the transform (CELT) is used: it has an energy of its own for each side of each band, so
/// that who is silent stays so beside who speaks. The speech coder (SILK) predicts one side from
/// the other, and leaks.
pub struct StereoEncoder(opus::Encoder);

impl StereoEncoder {
    /// # Errors
    /// When libopus refuses a setting, or memory runs out.
    pub fn new() -> Result<Self, CodecError> {
        let refused = |setting: &'static str| {
            move |e: opus::Error| CodecError::Setting {
                setting: setting.into(),
                reason: e.description().into(),
            }
        };
        let (stereo, celt) = (opus::Channels::Stereo, opus::Application::LowDelay);
        let mut inner =
            opus::Encoder::new(SAMPLE_RATE_HZ, stereo, celt).map_err(refused("stereo 48 kHz"))?;
        inner
            .set_bitrate(opus::Bitrate::Bits(BITRATE_BPS))
            .map_err(refused("the bitrate of stereo"))?;
        inner
            .set_complexity(COMPLEXITY)
            .map_err(refused("the complexity of stereo"))?;
        Ok(Self(inner))
    }

    /// Encodes 20 ms: left and right interleaved, 960 samples of each.
    ///
    /// # Errors
    /// When the frame has another length.
    pub fn encode(&mut self, frame: &[i16]) -> Result<Vec<u8>, CodecError> {
        if frame.len() != FRAME_SAMPLES * 2 {
            let samples = frame.len() / 2;
            return Err(CodecError::FrameLength { samples });
        }
        let encoded = self.0.encode_vec(frame, MAX_PACKET_BYTES);
        encoded.map_err(|e| CodecError::Encode {
            reason: e.description().into(),
        })
    }
}

/// Packets in, both sides out. For whoever checks what listeners get.
pub struct StereoDecoder {
    inner: opus::Decoder,
    pcm: Vec<i16>,
}

impl StereoDecoder {
    /// # Errors
    /// When memory runs out.
    pub fn new() -> Result<Self, CodecError> {
        let inner = opus::Decoder::new(SAMPLE_RATE_HZ, opus::Channels::Stereo).map_err(|e| {
            CodecError::Setting {
                setting: "stereo 48 kHz".into(),
                reason: e.description().into(),
            }
        })?;
        Ok(Self {
            inner,
            pcm: vec![0; MAX_PACKET_SAMPLES * 2],
        })
    }

    /// The sound of one packet, left and right interleaved.
    ///
    /// # Errors
    /// When the packet is not Opus.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[i16], CodecError> {
        let decoded = self.inner.decode(packet, &mut self.pcm, false);
        let samples = decoded.map_err(|e| CodecError::Packet {
            bytes: packet.len(),
            reason: e.description().into(),
        })?;
        Ok(&self.pcm[..samples * 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(n: usize, hz: f64) -> i16 {
        let turn = hz * std::f64::consts::TAU / f64::from(SAMPLE_RATE_HZ);
        ((n as f64 * turn).sin() * 10_000.0) as i16
    }

    /// Root mean square in dB below full scale.
    fn dbfs(samples: impl Iterator<Item = i16>) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for sample in samples {
            sum += (f64::from(sample) / 32_768.0).powi(2);
            count += 1.0;
        }
        10.0 * (sum / count + 1e-12_f64).log10()
    }

    fn round_trip(sound: impl Fn(usize) -> [i16; 2]) -> Vec<i16> {
        let (mut encoder, mut decoder) =
            (StereoEncoder::new().unwrap(), StereoDecoder::new().unwrap());
        let mut heard = Vec::new();
        for frame in 0..50 {
            let pcm: Vec<i16> = (frame * FRAME_SAMPLES..(frame + 1) * FRAME_SAMPLES)
                .flat_map(&sound)
                .collect();
            let packet = encoder.encode(&pcm).unwrap();
            heard.extend_from_slice(decoder.decode(&packet).unwrap());
        }
        heard
    }

    #[test]
    fn who_speaks_is_not_heard_on_the_silent_side() {
        for (left, right) in [(440.0, 0.0), (0.0, 440.0)] {
            let heard = round_trip(|n| [sine(n, left), sine(n, right)]);
            let after = heard.chunks_exact(2).skip(9_600);
            let sides = [0, 1].map(|side| dbfs(after.clone().map(|pair| pair[side])));
            let (loud, silent) = if left > 0.0 { (0, 1) } else { (1, 0) };
            assert!((sides[loud] + 13.3).abs() < 1.0, "{sides:?}");
            assert!(sides[silent] < -70.0, "{sides:?}");
        }
    }

    #[test]
    fn two_who_speak_at_once_stay_on_their_sides() {
        let heard = round_trip(|n| [sine(n, 440.0), sine(n, 1_000.0)]);
        // what is left of a side when its own tone is taken away by its best fit
        for (side, hz) in [(0, 440.0), (1, 1_000.0)] {
            let pcm: Vec<f64> = heard
                .chunks_exact(2)
                .skip(9_600)
                .map(|p| f64::from(p[side]))
                .collect();
            let turn = hz * std::f64::consts::TAU / f64::from(SAMPLE_RATE_HZ);
            let whole = &pcm[..pcm.len() / 4_800 * 4_800];
            let fit = |f: fn(f64) -> f64| {
                let sum: f64 = whole
                    .iter()
                    .enumerate()
                    .map(|(n, x)| x * f(n as f64 * turn))
                    .sum();
                sum * 2.0 / whole.len() as f64
            };
            let (a, b) = (fit(f64::sin), fit(f64::cos));
            let rest = whole.iter().enumerate().map(|(n, x)| {
                let at = n as f64 * turn;
                (x - a * at.sin() - b * at.cos()) as i16
            });
            let rest = dbfs(rest);
            assert!(
                rest < -43.0,
                "side {side} has {rest} dBFS of something else"
            );
        }
    }

    #[test]
    fn a_frame_of_another_length_is_refused() {
        let mut encoder = StereoEncoder::new().unwrap();
        assert!(encoder.encode(&[0; FRAME_SAMPLES]).is_err());
    }
}
