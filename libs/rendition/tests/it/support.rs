//! Tones in recordings, and ears.

use sidetone_codec::{Application, Bandwidth, EncoderConfig, OpusDecoder, OpusEncoder};
use sidetone_media::{ogg, opus};
use sidetone_rendition::{Channel, Format, Rendition, RenditionError, Source};

pub(crate) const PRE_SKIP: usize = 312;
/// Samples in a millisecond.
pub(crate) const MS: usize = 48;

/// A tone's packets, as many as `ms` and the pre-skip take.
pub(crate) fn tone(
    hz: f64,
    amplitude: f64,
    ms: usize,
    coder: Coder,
    frame_ms: usize,
) -> Vec<Vec<u8>> {
    let (application, bandwidth, bitrate_bps) = match coder {
        Coder::Silk => (Application::Voip, Bandwidth::Wide, 16_000),
        Coder::Celt => (Application::Audio, Bandwidth::Full, 64_000),
    };
    let config = EncoderConfig {
        application,
        bandwidth,
        bitrate_bps,
        ..EncoderConfig::default()
    };
    let mut encoder = OpusEncoder::new(config).unwrap();
    let frame = frame_ms * MS;
    (0..(ms * MS + PRE_SKIP).div_ceil(frame))
        .map(|n| {
            let pcm: Vec<i16> = (n * frame..(n + 1) * frame)
                .map(|i| (i as f64 * hz * std::f64::consts::TAU / 48_000.0).sin() * amplitude)
                .map(|s| s as i16)
                .collect();
            encoder.encode(&pcm).unwrap()
        })
        .collect()
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Coder {
    Silk,
    Celt,
}

/// A file of these channels, `ms` long.
pub(crate) fn file(channels: &[&[Vec<u8>]], ms: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let head = ogg::opus_head(channels.len() as u8, 48_000);
    let tags = ogg::opus_tags("test", &[("RECORDING", "r1")]);
    let mut writer = ogg::Writer::new(9, &head, &tags, &mut out);
    let (left, right) = channels.split_at(channels.len() - 1);
    let mut slots: Vec<Vec<u8>> = Vec::new();
    for (n, last) in right[0].iter().enumerate() {
        let mut slot = Vec::new();
        for channel in left {
            opus::write_self_delimited(&channel[n], &mut slot).unwrap();
        }
        slot.extend_from_slice(last);
        slots.push(slot);
    }
    let (last, before) = slots.split_last().unwrap();
    let mut granule = 0;
    for (slot, packet) in before.iter().zip(right[0]) {
        granule += u64::from(opus::duration_samples(packet).unwrap());
        writer.packet(slot, granule, &mut out);
    }
    writer.end(last, (ms * MS + PRE_SKIP) as u64, &mut out);
    out
}

/// What a mono decoder makes of packets, `ms` of it.
pub(crate) fn heard(packets: &[Vec<u8>], ms: usize) -> Vec<i16> {
    let mut decoder = OpusDecoder::new().unwrap();
    let mut pcm = Vec::new();
    for packet in packets {
        pcm.extend_from_slice(decoder.decode(packet).unwrap());
    }
    pcm[PRE_SKIP..PRE_SKIP + ms * MS].to_vec()
}

/// The rendition of files that begin at these channels.
pub(crate) fn render(
    format: Format,
    channel: Channel,
    files: &[(u8, &[u8])],
    ms: usize,
) -> Result<Vec<u8>, RenditionError> {
    let sources = files
        .iter()
        .map(|&(first_channel, media)| Source {
            first_channel,
            media,
        })
        .collect();
    let mut out = Vec::new();
    Rendition { format, channel }.write(sources, (ms * MS) as u64, &mut out)?;
    Ok(out)
}

/// The sound in a mono Ogg file, as a player plays it.
pub(crate) fn play_ogg(file: &[u8]) -> Vec<i16> {
    let packets: Vec<_> = ogg::Reader::new(file).collect::<Result<_, _>>().unwrap();
    let head = ogg::OpusHead::parse(&packets[0].data).unwrap();
    assert_eq!(head.channels, 1);
    let end = packets.last().unwrap().granule.unwrap() as usize;
    let packets: Vec<_> = packets.into_iter().skip(2).map(|p| p.data).collect();
    heard(&packets, (end - usize::from(head.pre_skip_samples)) / MS)
}

/// The channels in a WAV file, as hound reads it.
pub(crate) fn play_wav(file: &[u8]) -> Vec<Vec<i16>> {
    let mut reader = hound::WavReader::new(file).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.sample_rate, spec.bits_per_sample), (48_000, 16));
    let channels = usize::from(spec.channels);
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().unwrap();
    (0..channels)
        .map(|n| samples.iter().skip(n).step_by(channels).copied().collect())
        .collect()
}

/// Power of the tone `hz` in `pcm` in dB of a full-scale sine.
pub(crate) fn tone_db(pcm: &[i16], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    let samples = pcm.len() as f64;
    for (n, &s) in pcm.iter().enumerate() {
        let phase = n as f64 * hz * std::f64::consts::TAU / 48_000.0;
        let window = 1.0 - (n as f64 * std::f64::consts::TAU / samples).cos();
        re += f64::from(s) * window * phase.cos();
        im += f64::from(s) * window * phase.sin();
    }
    20.0 * ((re.hypot(im) * 2.0 / samples).max(1e-3) / 32_768.0).log10()
}
