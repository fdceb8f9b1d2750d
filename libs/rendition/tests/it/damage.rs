//! Files that are broken, and readers and writers that fail.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use proptest::prelude::*;
use sidetone_media::ogg;
use sidetone_rendition::{Channel, Format, Rendition, RenditionError, Source};

use crate::support::{Coder, file, render, tone};

const MS: usize = 400;

fn small_file() -> Vec<u8> {
    let packets = tone(440.0, 8_000.0, MS, Coder::Silk, 20);
    file(&[&packets, &packets], MS)
}

const ALL: [(Format, Channel); 6] = [
    (Format::Ogg, Channel::Both),
    (Format::Ogg, Channel::Index(0)),
    (Format::Ogg, Channel::Mix),
    (Format::Wav, Channel::Both),
    (Format::Wav, Channel::Index(1)),
    (Format::Wav, Channel::Mix),
];

#[test]
fn a_channel_that_is_not_there_is_refused_by_number() {
    let file = small_file();
    let error = |channel, files: &[(u8, &[u8])]| {
        render(Format::Wav, channel, files, MS)
            .unwrap_err()
            .to_string()
    };
    assert!(error(Channel::Index(2), &[(0, &file)]).contains("no channel 2"));
    assert!(error(Channel::Index(0), &[]).contains("no channel 0"));
    assert!(error(Channel::Mix, &[]).contains("no channel 0"));
    let packets = tone(440.0, 8_000.0, MS, Coder::Celt, 20);
    let mono = crate::support::file(&[&packets], MS);
    assert!(error(Channel::Both, &[(0, &mono)]).contains("no channel 1"));
    assert!(error(Channel::Both, &[(1, &mono)]).contains("no channel 0"));
}

#[test]
fn what_is_too_long_for_a_wav_is_refused_before_anything_is_written() {
    let file = small_file();
    let rendition = Rendition {
        format: Format::Wav,
        channel: Channel::Both,
    };
    let seven_hours = 7 * 3_600 * 48_000;
    assert_eq!(rendition.len(seven_hours), None);
    let mut out = Vec::new();
    let sources = vec![Source {
        first_channel: 0,
        media: file.as_slice(),
    }];
    let result = rendition.write(sources, seven_hours, &mut out);
    assert!(matches!(result, Err(RenditionError::TooLong(_))) && out.is_empty());
}

#[test]
fn a_file_cut_anywhere_is_damaged_and_not_played_as_if_whole() {
    let file = small_file();
    let pages: Vec<usize> = (0..file.len())
        .filter(|&n| file[n..].starts_with(b"OggS"))
        .collect();
    for cut in (0..file.len()).filter(|n| !pages.contains(n)) {
        for (format, channel) in ALL
            .into_iter()
            .filter(|(f, _)| *f == Format::Ogg || cut < pages[2])
        {
            assert!(
                render(format, channel, &[(0, &file[..cut])], MS).is_err(),
                "{format:?} {channel:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn channels_of_different_lengths_in_one_packet_are_damage() {
    let long = tone(440.0, 8_000.0, MS, Coder::Celt, 20);
    let short = tone(440.0, 8_000.0, MS, Coder::Celt, 10);
    let file = file(&[&short, &long], MS);
    let error = render(Format::Wav, Channel::Both, &[(0, &file)], MS).unwrap_err();
    assert!(matches!(error, RenditionError::Uneven(0)), "{error}");
}

/// Gives its bytes a few at a time, then fails; tells how many it gave.
struct Failing<'a> {
    bytes: &'a [u8],
    given: Rc<Cell<usize>>,
}

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            return Err(io::Error::other("the store is away"));
        }
        let length = self.bytes.len().min(buffer.len()).min(700);
        let (now, rest) = self.bytes.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.bytes = rest;
        self.given.set(self.given.get() + length);
        Ok(length)
    }
}

/// Takes a number of bytes, then no more.
struct Leaving(usize);

impl Write for Leaving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_fails_is_told_apart() {
    let file = small_file();
    for (format, channel) in ALL {
        let rendition = Rendition { format, channel };
        let source = |bytes| {
            let media = Failing {
                bytes,
                given: Rc::default(),
            };
            vec![Source {
                first_channel: 0,
                media,
            }]
        };
        let half = &file[..file.len() / 2];
        let read = rendition.write(source(half), 48 * MS as u64, io::sink());
        assert!(
            matches!(read, Err(RenditionError::Read(_))),
            "{rendition:?}: {read:?}"
        );
        let whole = vec![Source {
            first_channel: 0,
            media: file.as_slice(),
        }];
        let written = rendition.write(whole, 48 * MS as u64, Leaving(50));
        assert!(
            matches!(written, Err(RenditionError::Write(_))),
            "{rendition:?}"
        );
    }
}

#[test]
fn a_long_recording_is_written_while_it_is_read() {
    let minute = tone(440.0, 8_000.0, 60_000, Coder::Celt, 20);
    let packets: Vec<_> = minute.iter().cycle().take(30_000).cloned().collect();
    let file = file(&[&packets, &packets], 599_000);
    assert!(file.len() > 8 << 20);
    let given = Rc::new(Cell::new(0));
    let media = Failing {
        bytes: &file,
        given: given.clone(),
    };
    let mut most = 0;
    let out = Follow {
        written: 0,
        check: |written| most = most.max(given.get().saturating_sub(2 * written)),
    };
    let rendition = Rendition {
        format: Format::Ogg,
        channel: Channel::Index(0),
    };
    let sources = vec![Source {
        first_channel: 0,
        media,
    }];
    // it fails at the very end, once all is read
    assert!(rendition.write(sources, 0, out).is_err());
    assert!(
        given.get() == file.len() && most < 512 << 10,
        "{most} bytes were held"
    );
}

/// Calls `check` with what was written.
struct Follow<F> {
    written: usize,
    check: F,
}

impl<F: FnMut(usize)> Write for Follow<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.check)(self.written);
        self.written += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_anywhere_is_found(bit in 0usize..1_000_000) {
        let mut file = small_file();
        let bit = bit % (file.len() * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        let out = render(Format::Ogg, Channel::Index(0), &[(0, &file)], MS);
        prop_assert!(out.is_err());
    }

    #[test]
    fn packets_of_any_bytes_are_refused_or_rendered(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20),
        channels in 1u8..4,
    ) {
        let mut media = Vec::new();
        let head = ogg::opus_head(channels, 48_000);
        let mut writer = ogg::Writer::new(1, &head, b"OpusTags", &mut media);
        let (last, before) = packets.split_last().unwrap();
        for (n, packet) in before.iter().enumerate() {
            writer.packet(packet, (n as u64 + 1) * 960, &mut media);
        }
        writer.end(last, packets.len() as u64 * 960, &mut media);
        for (format, channel) in ALL {
            if let Ok(out) = render(format, channel, &[(0, &media)], MS)
                && format == Format::Ogg
            {
                prop_assert!(ogg::Reader::new(&out).all(|packet| packet.is_ok()));
            }
        }
    }
}
