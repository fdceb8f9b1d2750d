//! What the fuzz target runs, and the test with the corpus: it takes any bytes and panics where a
//! promise of this crate is broken.

use sidetone_media::ogg;

use crate::{Channel, Format, Rendition, Source};

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz target's name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 1] = [("rendition", rendition)];

/// Samples asked for: some packets more than an input has, or fewer.
const SAMPLES: u64 = 9_600;

/// Bytes as a file, and as the packets of a sound file (a byte of length before each): every
/// rendition is made or refused; a WAV that is made has its length, an Ogg can be read.
///
/// The first byte is the number of channels, and which of them is asked for.
pub fn rendition(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else {
        return;
    };
    let channels = first % 8 + 1;
    for file in [rest.to_vec(), file_of(channels, rest)] {
        for channel in [Channel::Both, Channel::Mix, Channel::Index(first >> 4)] {
            for format in [Format::Ogg, Format::Wav] {
                check(Rendition { format, channel }, &file);
            }
        }
    }
}

fn check(rendition: Rendition, file: &[u8]) {
    let sources = [0, 2].map(|first_channel| Source {
        first_channel,
        media: file,
    });
    let mut out = Vec::new();
    if rendition.write(sources.into(), SAMPLES, &mut out).is_err() {
        return;
    }
    match rendition.format {
        Format::Wav => assert_eq!(Some(out.len() as u64), rendition.len(SAMPLES)),
        Format::Ogg => assert!(ogg::Reader::new(&out).all(|packet| packet.is_ok())),
    }
}

fn file_of(channels: u8, mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = ogg::opus_head(channels, 48_000);
    let mut writer = ogg::Writer::new(1, &head, &ogg::opus_tags("fuzz", &[]), &mut out);
    let (mut granule, mut held) = (0, None);
    while let [length, tail @ ..] = bytes {
        let (packet, after) = tail.split_at(usize::from(*length).min(tail.len()));
        bytes = after;
        if let Some(before) = held.replace(packet) {
            writer.packet(before, granule, &mut out);
        }
        granule += 960;
    }
    writer.end(held.unwrap_or_default(), granule, &mut out);
    out
}
