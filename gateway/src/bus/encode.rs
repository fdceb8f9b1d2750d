//! Opus of tracks that come as something else, for the sinks that take nothing else.

use std::collections::VecDeque;

use sidetone_codec::{
    CodecError, ENCODER_RATES_HZ, EncoderConfig, OpusEncoder, Resampler, SAMPLE_RATE_HZ,
};
use sidetone_media::{Codec, MediaTime, Packet, TrackId};
use sidetone_service::random;
use tracing::warn;

use super::plain::Plain;

/// What one packet lasts, in samples at 48 kHz.
const FRAME_SAMPLES: u64 = 960;
/// What is missing between two packets is filled with sound that goes on, up to here: a clock that
/// is corrected. More is a gap, and stays one.
const SLACK_SAMPLES: u64 = 1440;
/// Speech of 8 kHz and of more, as browsers send it.
const NARROW_BPS: i32 = 16_000;
const WIDE_BPS: i32 = 28_000;

/// The encoders of a call, one for each track that is listened to or kept.
#[derive(Default)]
pub(crate) struct Encoders(Vec<Encoder>);

/// See the module.
struct Encoder {
    track: TrackId,
    codec: Codec,
    /// `None` when libopus refused: it was said once.
    opus: Option<OpusEncoder>,
    plain: Plain,
    resampler: Option<Resampler>,
    /// Samples a second of `waiting`.
    rate_hz: u32,
    ssrc: u32,
    seq: u64,
    /// Sound that fills no packet yet, and when its first sample was spoken.
    waiting: Vec<i16>,
    since: MediaTime,
}

impl Encoders {
    /// The Opus packets that are complete with this one.
    pub(crate) fn encode(&mut self, packet: &Packet) -> VecDeque<Packet> {
        let of_it = |one: &Encoder| one.track == packet.track && one.codec == packet.codec;
        let at = self.0.iter().position(of_it).unwrap_or_else(|| {
            self.end(packet.track);
            self.0.push(Encoder::new(packet));
            self.0.len() - 1
        });
        self.0[at].encode(packet)
    }

    /// Nobody wants Opus of this track for now.
    pub(crate) fn end(&mut self, track: TrackId) {
        self.0.retain(|one| one.track != track);
    }

    /// How many run.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Encoder {
    fn new(packet: &Packet) -> Self {
        let given_hz = packet.codec.sample_rate_hz();
        let encodable = ENCODER_RATES_HZ.contains(&given_hz);
        let rate_hz = if encodable { given_hz } else { SAMPLE_RATE_HZ };
        let config = EncoderConfig {
            bitrate_bps: if given_hz <= 8_000 {
                NARROW_BPS
            } else {
                WIDE_BPS
            },
            ..EncoderConfig::default()
        };
        let opus = OpusEncoder::at(rate_hz, config);
        let opus = opus.inspect_err(|error| warn!(%error, "a track cannot be encoded"));
        Self {
            track: packet.track,
            codec: packet.codec,
            opus: opus.ok(),
            plain: Plain::default(),
            resampler: (!encodable).then(|| Resampler::new(given_hz)),
            rate_hz,
            ssrc: random::u64() as u32,
            seq: 0,
            waiting: Vec::new(),
            since: packet.at,
        }
    }

    fn encode(&mut self, packet: &Packet) -> VecDeque<Packet> {
        let mut out = VecDeque::new();
        let waits = self.samples_48k(self.waiting.len());
        if self.waiting.is_empty() {
            self.since = packet.at;
        } else if packet.at > self.since + waits + SLACK_SAMPLES {
            let rest = self.frame() - self.waiting.len();
            self.waiting.extend(std::iter::repeat_n(0, rest));
            self.pack(packet, &mut out);
            self.since = packet.at;
        } else {
            self.since = packet.at - waits;
        }
        let sound = self.plain.samples(packet);
        match &mut self.resampler {
            Some(resampler) => self.waiting.extend(resampler.push(&sound)),
            None => self.waiting.extend(sound),
        }
        self.pack(packet, &mut out);
        out
    }

    /// Makes packets of all that fills some. They came with `packet`.
    fn pack(&mut self, packet: &Packet, out: &mut VecDeque<Packet>) {
        let frame = self.frame();
        let whole = self.waiting.len() / frame * frame;
        for pcm in self.waiting[..whole].chunks_exact(frame) {
            match encoded(self.opus.as_mut(), pcm) {
                Ok(Some(payload)) => out.push_back(Packet {
                    track: self.track,
                    ssrc: self.ssrc,
                    seq: self.seq,
                    at: self.since,
                    codec: Codec::Opus,
                    marker: packet.marker && out.is_empty(),
                    level_dbov: packet.level_dbov,
                    payload: payload.into(),
                    arrived: packet.arrived,
                }),
                Ok(None) => {}
                Err(error) => {
                    warn!(%error, "a track cannot be encoded any more");
                    self.opus = None;
                }
            }
            self.seq += 1;
            self.since = self.since + FRAME_SAMPLES;
        }
        self.waiting.drain(..whole);
    }

    /// Samples of one packet.
    const fn frame(&self) -> usize {
        (self.rate_hz / 50) as usize
    }

    fn samples_48k(&self, samples: usize) -> u64 {
        samples as u64 * u64::from(SAMPLE_RATE_HZ / self.rate_hz)
    }
}

fn encoded(opus: Option<&mut OpusEncoder>, pcm: &[i16]) -> Result<Option<Vec<u8>>, CodecError> {
    opus.map(|opus| opus.encode(pcm)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_codec::{OpusDecoder, g722, pcm};
    use sidetone_media::ClockRate;
    use sidetone_service::clock;
    use sidetone_testkit::level_dbfs;

    fn packet(codec: Codec, at: u64, payload: &[u8]) -> Packet {
        Packet {
            track: TrackId(1),
            ssrc: 1,
            seq: at,
            at: MediaTime::from_samples(at),
            codec,
            marker: false,
            level_dbov: None,
            payload: payload.into(),
            arrived: clock::now(),
        }
    }

    /// A second of a tone in packets of `samples` each.
    fn tone(hz: f64, rate_hz: u32, samples: usize) -> Vec<Vec<i16>> {
        let turn = hz * std::f64::consts::TAU / f64::from(rate_hz);
        let pcm: Vec<i16> = (0..rate_hz)
            .map(|i| ((f64::from(i) * turn).sin() * 10_000.0) as i16)
            .collect();
        pcm.chunks(samples).map(<[i16]>::to_vec).collect()
    }

    fn heard(packets: &[Packet]) -> Vec<i16> {
        let mut decoder = OpusDecoder::new().unwrap();
        let sound = packets.iter().flat_map(|packet| {
            assert_eq!(packet.codec, Codec::Opus);
            decoder.decode(&packet.payload).unwrap().to_vec()
        });
        sound.collect()
    }

    #[test]
    fn whatever_the_rate_and_the_packets_the_same_is_heard_at_the_same_time() {
        for (rate_hz, samples) in [(8_000, 160), (16_000, 320), (16_000, 200), (32_000, 640)] {
            let codec = Codec::Linear16(ClockRate::new(rate_hz).unwrap());
            let mut encoders = Encoders::default();
            let mut out = Vec::new();
            let (mut at, step) = (4_800, samples as u64 * 48_000 / u64::from(rate_hz));
            for sound in tone(440.0, rate_hz, samples) {
                out.extend(encoders.encode(&packet(codec, at, &pcm::to_bytes(&sound))));
                at += step;
            }
            assert_eq!(encoders.count(), 1);
            assert!((48..=50).contains(&out.len()), "{rate_hz}: {}", out.len());
            for (n, packet) in out.iter().enumerate() {
                let off = packet.at.samples().abs_diff(4_800 + n as u64 * 960);
                assert!(off < 60, "{rate_hz}: packet {n} is {off} samples off");
                assert_eq!(packet.seq, n as u64);
            }
            let level = level_dbfs(&heard(&out)[9_600..38_400], 440.0);
            assert!((level + 10.3).abs() < 1.0, "{rate_hz}: {level} dBFS");
        }
    }

    #[test]
    fn g722_is_heard_beyond_what_a_telephone_hears() {
        let payloads = g722::Encoder::new().encode(&tone(5_600.0, 16_000, 320).concat());
        let (mut encoders, mut out) = (Encoders::default(), Vec::new());
        for (n, payload) in payloads.chunks(160).enumerate() {
            let packet = packet(Codec::G722, n as u64 * 960, payload);
            assert_eq!(packet.duration_samples(), 960);
            out.extend(encoders.encode(&packet));
        }
        assert_eq!(out.len(), 50);
        let level = level_dbfs(&heard(&out)[9_600..38_400], 5_600.0);
        assert!((level + 10.3).abs() < 2.0, "{level} dBFS");
    }

    #[test]
    fn a_gap_stays_one_and_a_correction_of_the_clock_is_none() {
        let codec = Codec::Pcmu;
        let (mut encoders, mut out) = (Encoders::default(), Vec::new());
        // 10 ms waits when the gap comes
        for at in [0, 480, 960, 48_000, 48_960, 49_900] {
            let bytes = vec![0xff; if at < 1_000 { 80 } else { 160 }];
            out.extend(encoders.encode(&packet(codec, at, &bytes)));
        }
        let at: Vec<u64> = out.iter().map(|packet| packet.at.samples()).collect();
        assert_eq!(at, [0, 960, 48_000, 48_960, 49_900]);
    }

    #[test]
    fn a_track_that_changes_its_codec_is_another_stream() {
        let mut encoders = Encoders::default();
        let first = encoders.encode(&packet(Codec::Pcmu, 0, &[0xff; 160]));
        let second = encoders.encode(&packet(Codec::Pcma, 960, &[0xd5; 160]));
        assert_eq!(encoders.count(), 1);
        assert_ne!(first[0].ssrc, second[0].ssrc);
        encoders.end(TrackId(1));
        assert_eq!(encoders.count(), 0);
    }
}
