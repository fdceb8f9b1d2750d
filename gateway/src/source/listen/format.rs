//! In which format a stream is that does not say so, or says something wrong.

use sidetone_codec::{g711, g722, pcm};
use sidetone_media::{ClockRate, Codec, MediaTime};

/// How sound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// Of one channel.
    pub(crate) codec: Codec,
    /// One or two, their samples in turn.
    pub(crate) channels: usize,
}

impl Format {
    /// Linear PCM; `None` for a rate that has no whole number of samples in 20 ms, or none at all.
    pub(crate) fn linear16(rate_hz: u64, channels: u64) -> Option<Self> {
        let rate = ClockRate::new(u32::try_from(rate_hz).ok()?)?;
        let fits = (8_000..=48_000).contains(&rate_hz) && rate_hz.is_multiple_of(50);
        (fits && (1..=2).contains(&channels)).then_some(Self {
            codec: Codec::Linear16(rate),
            channels: channels as usize,
        })
    }

    /// µ-law at 8 kHz.
    pub(crate) fn ulaw(channels: u64) -> Option<Self> {
        (1..=2).contains(&channels).then_some(Self {
            codec: Codec::Pcmu,
            channels: channels as usize,
        })
    }

    /// One channel in a codec.
    pub(crate) const fn mono(codec: Codec) -> Self {
        Self { codec, channels: 1 }
    }

    /// The bytes of so many ticks of one channel in which nobody speaks.
    pub(crate) fn silence(self, samples: usize) -> Vec<u8> {
        let byte = match self.codec {
            Codec::Linear16(_) | Codec::Opus => 0,
            Codec::Pcmu => 0xff,
            Codec::Pcma => 0xd5,
            Codec::G722 => g722::SILENCE,
        };
        vec![byte; samples * self.sample_bytes()]
    }

    const fn sample_bytes(self) -> usize {
        match self.codec {
            Codec::Linear16(_) => 2,
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Opus => 1,
        }
    }

    /// Bytes of one sample of every channel.
    pub(crate) const fn frame_bytes(self) -> usize {
        self.sample_bytes() * self.channels
    }

    /// Samples of a channel in 20 ms.
    pub(crate) const fn slot_samples(self) -> usize {
        (self.codec.clock_rate().hz() / 50) as usize
    }

    /// Bytes of 20 ms.
    pub(crate) const fn slot_bytes(self) -> usize {
        self.slot_samples() * self.frame_bytes()
    }

    pub(crate) const fn bytes_per_second(self) -> usize {
        self.slot_bytes() * 50
    }

    /// The bytes of one channel.
    pub(crate) fn channel(self, bytes: &[u8], channel: usize) -> Vec<u8> {
        let (sample, frame) = (self.sample_bytes(), self.frame_bytes());
        let frames = bytes.chunks_exact(frame);
        let from = channel * sample;
        frames
            .flat_map(|frame| &frame[from..from + sample])
            .copied()
            .collect()
    }

    /// The samples of one channel's bytes.
    pub(crate) fn samples(self, channel: &[u8]) -> Vec<i16> {
        match self.codec {
            Codec::Linear16(_) => pcm::from_bytes(channel),
            Codec::Pcmu => g711::decode_ulaw_all(channel),
            Codec::Pcma => g711::decode_alaw_all(channel),
            Codec::Opus | Codec::G722 => Vec::new(), // whoever sends them says so
        }
    }
}

/// What a rate of bytes may differ from a format's and still be it: the next one is the double.
const SLACK: f64 = 1.35;

/// The formats that streams without a word about it are in, by their rate of bytes. That of 32,000
/// is one of two: see [`two_channels`].
const SILENT_ABOUT_IT: [(u64, u64, u64); 4] = [
    (16_000, 8_000, 1),
    (32_000, 16_000, 1),
    (64_000, 16_000, 2),
    (128_000, 32_000, 2),
];

/// Whether a stream of `format` comes at about this rate of bytes.
pub(crate) fn fits(format: Format, bytes_per_second: f64) -> bool {
    let ratio = bytes_per_second / format.bytes_per_second() as f64;
    (1.0 / SLACK..=SLACK).contains(&ratio)
}

/// The format that has about this rate of bytes.
pub(crate) fn of_rate(bytes_per_second: f64) -> Option<Format> {
    let linear = SILENT_ABOUT_IT.iter();
    let linear = linear.filter_map(|(_, rate, channels)| Format::linear16(*rate, *channels));
    Format::ulaw(1)
        .into_iter()
        .chain(linear)
        .find(|format| fits(*format, bytes_per_second))
}

/// One channel of 16 kHz, which two of 8 kHz cannot be told from by their rate.
pub(crate) fn is_ambiguous(format: Format) -> bool {
    Some(format) == Format::linear16(16_000, 1) || Some(format) == Format::linear16(8_000, 2)
}

/// Below this (-50 dBFS), sound says nothing about its channels.
const FAINT: f64 = 100.0;
/// Neighbours of one channel's samples are alike, those of two parties are not.
const ALIKE: f64 = 0.6;
/// Channels are of two parties if one is so much stronger (10 dB).
const UNLIKE: f64 = 10.0;

/// Whether 16-bit samples are of two channels in turn; `None` while nothing is heard.
pub(crate) fn two_channels(bytes: &[u8]) -> Option<bool> {
    let samples = pcm::from_bytes(bytes);
    let (mut left, mut right, mut both) = (0.0, 0.0, 0.0);
    let pairs = samples.as_chunks::<2>().0;
    for [a, b] in pairs {
        let (a, b) = (f64::from(*a), f64::from(*b));
        left += a * a;
        right += b * b;
        both += a * b;
    }
    let count = pairs.len().max(1) as f64;
    if (left.max(right) / count).sqrt() < FAINT {
        return None;
    }
    let apart = left > right * UNLIKE || right > left * UNLIKE;
    Some(apart || both / (left * right).sqrt() < ALIKE)
}

/// How fast bytes come, from the first frame's end to the last one's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    first: MediaTime,
    last: MediaTime,
    bytes: usize,
    frames: u32,
}

impl Rate {
    /// Measures from a frame on that arrived at `at`: its own bytes came before.
    pub(crate) const fn from(at: MediaTime) -> Self {
        Self {
            first: at,
            last: at,
            bytes: 0,
            frames: 0,
        }
    }

    pub(crate) fn handle_frame(&mut self, bytes: usize, at: MediaTime) {
        self.last = self.last.max(at);
        self.bytes = self.bytes.saturating_add(bytes);
        self.frames = self.frames.saturating_add(1);
    }

    /// Samples at 48 kHz from the first to the last.
    pub(crate) const fn span(&self) -> u64 {
        self.last.since(self.first)
    }

    pub(crate) const fn last(&self) -> MediaTime {
        self.last
    }

    pub(crate) const fn frames(&self) -> u32 {
        self.frames
    }

    pub(crate) fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 * MediaTime::RATE_HZ as f64 / self.span().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(rate_hz: u64, channels: u64) -> Format {
        Format::linear16(rate_hz, channels).unwrap()
    }

    #[test]
    fn a_format_is_known_by_its_rate_of_bytes_give_or_take_a_third() {
        for (rate, format) in [
            (8_000.0, Format::ulaw(1).unwrap()),
            (16_000.0, linear(8_000, 1)),
            (32_000.0, linear(16_000, 1)),
            (64_000.0, linear(16_000, 2)),
            (128_000.0, linear(32_000, 2)),
        ] {
            for off in [0.8, 1.0, 1.25] {
                assert_eq!(of_rate(rate * off), Some(format), "{rate} times {off}");
            }
        }
        for nonsense in [0.0, 3_000.0, 1e6, f64::INFINITY, f64::NAN] {
            assert_eq!(of_rate(nonsense), None);
        }
    }

    #[test]
    fn formats_that_nobody_can_cut_to_packets_are_none() {
        for (rate, channels) in [(0, 1), (7_999, 1), (22_049, 1), (96_000, 1), (16_000, 3)] {
            assert_eq!(Format::linear16(rate, channels), None);
        }
        assert_eq!(linear(44_100, 2).slot_bytes(), 3_528);
        assert_eq!(Format::ulaw(0), None);
    }

    #[test]
    fn channels_are_told_apart_by_what_is_alike_in_them() {
        let tone = |hz: f64, rate: f64, i: usize| {
            ((i as f64 * hz * std::f64::consts::TAU / rate).sin() * 8_000.0) as i16
        };
        let mono: Vec<i16> = (0..3_200).map(|i| tone(1_000.0, 16_000.0, i)).collect();
        assert_eq!(two_channels(&pcm::to_bytes(&mono)), Some(false));
        let both = |i: usize| [tone(440.0, 8_000.0, i), tone(1_000.0, 8_000.0, i)];
        let both: Vec<i16> = (0..1_600).flat_map(both).collect();
        assert_eq!(two_channels(&pcm::to_bytes(&both)), Some(true));
        let one: Vec<i16> = (0..1_600)
            .flat_map(|i| [0, tone(440.0, 8_000.0, i)])
            .collect();
        assert_eq!(two_channels(&pcm::to_bytes(&one)), Some(true));
        assert_eq!(two_channels(&[0; 3_200]), None);
        assert_eq!(two_channels(&[]), None);
    }
}
