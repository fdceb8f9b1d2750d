//! Opus for one voice: mono, 48 kHz.

use crate::{CodecError, SAMPLE_RATE_HZ};

/// The longest an Opus packet may last, in samples at 48 kHz (120 ms, RFC 6716 section 3.1).
const MAX_PACKET_SAMPLES: usize = 5_760;

/// Room for an encoded packet: libopus keeps a packet of one frame below 1,276 bytes (RFC 6716
/// section 3.2.1), and 60 ms are three frames at most.
const MAX_PACKET_BYTES: usize = 4_000;

/// Frame lengths that libopus takes as one packet, in samples at 48 kHz (2.5 to 60 ms).
const FRAME_LENGTHS: [usize; 6] = [120, 240, 480, 960, 1_920, 2_880];

/// Rates of sound that can be encoded as they are; each divides 48 kHz.
pub const ENCODER_RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// What the encoder is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// Speech at low rates: linear prediction (SILK) where it pays.
    Voip,
    /// Anything faithful: mostly transform coding (CELT).
    Audio,
}

/// How much of the spectrum is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bandwidth {
    /// As the bitrate allows.
    Auto,
    /// 4 kHz.
    Narrow,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

/// How to encode. [`EncoderConfig::default`] is what browsers send for speech.
#[derive(Debug, Clone, Copy)]
pub struct EncoderConfig {
    /// Default [`Application::Voip`].
    pub application: Application,
    /// Target in bits a second, 500 to 512,000; default 32,000.
    pub bitrate_bps: i32,
    /// Effort, 0 (fast) to 10 (best); default 5, about half the time of 10.
    pub complexity: i32,
    /// Sends next to nothing in silence; default off.
    pub dtx: bool,
    /// Default [`Bandwidth::Auto`].
    pub bandwidth: Bandwidth,
    /// Every packet the same size; default off.
    pub constant_bitrate: bool,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            application: Application::Voip,
            bitrate_bps: 32_000,
            complexity: 5,
            dtx: false,
            bandwidth: Bandwidth::Auto,
            constant_bitrate: false,
        }
    }
}

/// Sound in, packets out.
pub struct OpusEncoder {
    inner: opus::Encoder,
    rate_hz: u32,
    lookahead_samples: u32,
}

impl OpusEncoder {
    /// An encoder set up by `config`.
    ///
    /// # Errors
    /// When libopus refuses a setting.
    pub fn new(config: EncoderConfig) -> Result<Self, CodecError> {
        Self::at(SAMPLE_RATE_HZ, config)
    }

    /// An encoder of sound with `rate_hz` samples a second: one of [`ENCODER_RATES_HZ`]. Packets
    /// are those of Opus: whoever decodes them hears the same at any rate.
    ///
    /// # Errors
    /// When libopus refuses the rate or a setting.
    pub fn at(rate_hz: u32, config: EncoderConfig) -> Result<Self, CodecError> {
        let application = match config.application {
            Application::Voip => opus::Application::Voip,
            Application::Audio => opus::Application::Audio,
        };
        let bandwidth = match config.bandwidth {
            Bandwidth::Auto => opus::Bandwidth::Auto,
            Bandwidth::Narrow => opus::Bandwidth::Narrowband,
            Bandwidth::Wide => opus::Bandwidth::Wideband,
            Bandwidth::SuperWide => opus::Bandwidth::Superwideband,
            Bandwidth::Full => opus::Bandwidth::Fullband,
        };
        let refused = |setting: String| {
            move |e: opus::Error| CodecError::Setting {
                setting,
                reason: e.description().into(),
            }
        };
        let mut inner = opus::Encoder::new(rate_hz, opus::Channels::Mono, application)
            .map_err(refused(format!("mono {rate_hz} Hz")))?;
        inner
            .set_bitrate(opus::Bitrate::Bits(config.bitrate_bps))
            .map_err(refused(format!("a bitrate of {}", config.bitrate_bps)))?;
        inner
            .set_complexity(config.complexity)
            .map_err(refused(format!("a complexity of {}", config.complexity)))?;
        inner
            .set_dtx(config.dtx)
            .map_err(refused(format!("DTX {}", config.dtx)))?;
        inner
            .set_bandwidth(bandwidth)
            .map_err(refused(format!("bandwidth {:?}", config.bandwidth)))?;
        inner
            .set_vbr(!config.constant_bitrate)
            .map_err(refused(format!(
                "a constant bitrate of {}",
                config.constant_bitrate
            )))?;
        let lookahead_samples = inner.get_lookahead().map_err(refused("lookahead".into()))?;
        Ok(Self {
            inner,
            rate_hz,
            lookahead_samples: lookahead_samples.unsigned_abs() * (SAMPLE_RATE_HZ / rate_hz),
        })
    }

    /// Encodes one frame of 120, 240, 480, 960, 1920 or 2880 samples at 48 kHz, or of as long at
    /// the encoder's rate. With DTX a packet of at
    /// most 2 bytes need not be sent.
    ///
    /// # Errors
    /// When the frame has another length.
    pub fn encode(&mut self, pcm: &[i16]) -> Result<Vec<u8>, CodecError> {
        let samples = pcm.len() * (SAMPLE_RATE_HZ / self.rate_hz) as usize;
        if !FRAME_LENGTHS.contains(&samples) {
            return Err(CodecError::FrameLength { samples });
        }
        self.inner
            .encode_vec(pcm, MAX_PACKET_BYTES)
            .map_err(|e| CodecError::Encode {
                reason: e.description().into(),
            })
    }

    /// Samples at 48 kHz by which the decoded sound is late: what a container calls pre-skip.
    pub const fn lookahead_samples(&self) -> u32 {
        self.lookahead_samples
    }
}

/// Packets in, sound out. A stereo packet is mixed to mono.
pub struct OpusDecoder {
    inner: opus::Decoder,
    pcm: Vec<i16>,
}

impl OpusDecoder {
    /// A decoder with no past.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn new() -> Result<Self, CodecError> {
        let inner = opus::Decoder::new(SAMPLE_RATE_HZ, opus::Channels::Mono).map_err(|e| {
            CodecError::Setting {
                setting: "mono 48 kHz".into(),
                reason: e.description().into(),
            }
        })?;
        Ok(Self {
            inner,
            pcm: vec![0; MAX_PACKET_SAMPLES],
        })
    }

    /// The sound of one packet.
    ///
    /// # Errors
    /// When the packet is empty or not Opus; the decoder can go on with the next one.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[i16], CodecError> {
        let bytes = packet.len();
        if bytes == 0 {
            return Err(CodecError::Packet {
                bytes,
                reason: "it is empty".into(),
            });
        }
        let samples = self
            .inner
            .decode(packet, &mut self.pcm, false)
            .map_err(|e| CodecError::Packet {
                bytes,
                reason: e.description().into(),
            })?;
        Ok(&self.pcm[..samples])
    }

    /// Sound in place of a packet that was lost, `samples` long: a multiple of 120, at most 5760.
    ///
    /// # Errors
    /// When `samples` is something else.
    pub fn conceal(&mut self, samples: usize) -> Result<&[i16], CodecError> {
        if samples == 0 || !samples.is_multiple_of(120) || samples > MAX_PACKET_SAMPLES {
            return Err(CodecError::FrameLength { samples });
        }
        let samples = self
            .inner
            .decode(&[], &mut self.pcm[..samples], false)
            .map_err(|e| CodecError::Packet {
                bytes: 0,
                reason: e.description().into(),
            })?;
        Ok(&self.pcm[..samples])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FRAME_SAMPLES, level};

    fn tone(hz: f64, from: usize, samples: usize) -> Vec<i16> {
        (from..from + samples)
            .map(|i| ((i as f64 * hz * std::f64::consts::TAU / 48_000.0).sin() * 12_000.0) as i16)
            .collect()
    }

    /// Strength of `hz` in `pcm` against all there is, 0 to 1.
    fn share(pcm: &[i16], hz: f64) -> f64 {
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (i, &s) in pcm.iter().enumerate() {
            let phase = i as f64 * hz * std::f64::consts::TAU / 48_000.0;
            re += f64::from(s) * phase.cos();
            im += f64::from(s) * phase.sin();
            all += f64::from(s) * f64::from(s);
        }
        2.0 * (re * re + im * im) / (pcm.len() as f64 * all)
    }

    #[test]
    fn a_tone_comes_back_as_that_tone_in_every_mode() {
        for (application, bandwidth, bitrate_bps) in [
            (Application::Voip, Bandwidth::Wide, 16_000),
            (Application::Voip, Bandwidth::Full, 32_000),
            (Application::Audio, Bandwidth::Full, 64_000),
        ] {
            let config = EncoderConfig {
                application,
                bitrate_bps,
                bandwidth,
                ..EncoderConfig::default()
            };
            let mut encoder = OpusEncoder::new(config).unwrap();
            let mut decoder = OpusDecoder::new().unwrap();
            let mut heard = Vec::new();
            for n in 0..50 {
                let packet = encoder
                    .encode(&tone(440.0, n * FRAME_SAMPLES, FRAME_SAMPLES))
                    .unwrap();
                heard.extend_from_slice(decoder.decode(&packet).unwrap());
            }
            assert_eq!(heard.len(), 50 * FRAME_SAMPLES);
            let steady = &heard[9_600..];
            assert!(
                share(steady, 440.0) > 0.95,
                "{application:?} {}",
                share(steady, 440.0)
            );
            assert!((level(steady) - level(&tone(440.0, 0, 48_000))).abs() < 0.05);
        }
    }

    #[test]
    fn sound_of_every_rate_comes_back_as_it_was_and_in_time() {
        for rate_hz in ENCODER_RATES_HZ {
            let mut encoder = OpusEncoder::at(rate_hz, EncoderConfig::default()).unwrap();
            let mut decoder = OpusDecoder::new().unwrap();
            let step = (SAMPLE_RATE_HZ / rate_hz) as usize;
            let pcm: Vec<i16> = tone(440.0, 0, 48_000).into_iter().step_by(step).collect();
            let mut heard = Vec::new();
            for frame in pcm.chunks(FRAME_SAMPLES / step) {
                let packet = encoder.encode(frame).unwrap();
                heard.extend_from_slice(decoder.decode(&packet).unwrap());
            }
            assert_eq!(heard.len(), 48_000);
            assert!(share(&heard[9_600..], 440.0) > 0.95, "{rate_hz} Hz");
            let late_us = encoder.lookahead_samples() * 1000 / 48;
            assert!(
                (2_500..=10_000).contains(&late_us),
                "{rate_hz} Hz: {late_us}"
            );
        }
        assert!(OpusEncoder::at(44_100, EncoderConfig::default()).is_err());
    }

    #[test]
    fn with_dtx_silence_is_sent_as_packets_of_two_bytes_at_most() {
        let mut encoder = OpusEncoder::new(EncoderConfig {
            dtx: true,
            ..EncoderConfig::default()
        })
        .unwrap();
        let short = (0..100)
            .filter(|_| encoder.encode(&[0; FRAME_SAMPLES]).unwrap().len() <= 2)
            .count();
        assert!(short > 50, "{short} of 100");
    }

    #[test]
    fn a_frame_of_another_length_is_refused_by_name() {
        let mut encoder = OpusEncoder::new(EncoderConfig::default()).unwrap();
        let error = encoder.encode(&[0; 961]).unwrap_err();
        assert!(error.to_string().contains("961 samples"), "{error}");
    }

    #[test]
    fn garbage_is_an_error_and_the_decoder_goes_on() {
        let mut encoder = OpusEncoder::new(EncoderConfig::default()).unwrap();
        let good = encoder.encode(&tone(440.0, 0, FRAME_SAMPLES)).unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        assert!(decoder.decode(&[]).is_err());
        assert!(decoder.decode(&[0xff, 0x00]).is_err());
        assert_eq!(decoder.decode(&good).unwrap().len(), FRAME_SAMPLES);
        assert_eq!(decoder.conceal(FRAME_SAMPLES).unwrap().len(), FRAME_SAMPLES);
        assert!(decoder.conceal(7).is_err());
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        let config = EncoderConfig {
            complexity: 11,
            ..EncoderConfig::default()
        };
        let error = OpusEncoder::new(config).err().unwrap();
        assert!(error.to_string().contains("complexity of 11"), "{error}");
    }
}
