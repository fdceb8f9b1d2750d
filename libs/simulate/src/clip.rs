//! Recorded speech as the packets that a client would send: nothing is decoded, ever.

use std::sync::Arc;
use std::time::Duration;

/// What every packet here lasts.
pub const PACKET: Duration = Duration::from_millis(20);

/// Samples at 48 kHz in [`PACKET`].
pub const PACKET_SAMPLES: u32 = 960;

/// 20 ms of digital silence, fullband CELT: what an encoder without DTX sends in a pause.
pub const SILENT_PACKET: [u8; 3] = [0xf8, 0xff, 0xfe];

/// The loudness of silence (RFC 6464).
pub const SILENT_DBOV: u8 = 127;

/// One Opus packet of 20 ms with its loudness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// The packet.
    pub payload: Arc<[u8]>,
    /// Its loudness in -dBov, 0 (loudest) to 127 (silence).
    pub level_dbov: u8,
    /// It begins a talk spurt.
    pub marker: bool,
}

/// A piece of speech.
#[derive(Debug, Clone)]
pub struct Clip {
    packets: Vec<Sound>,
}

/// Why a clip is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClipError {
    /// The bytes are not Ogg.
    #[error("no Ogg page at byte {at}")]
    NoPage {
        /// Where one was expected.
        at: usize,
    },
    /// The stream is Ogg, but not Opus.
    #[error("the first packet is not an OpusHead (RFC 7845 section 5.1)")]
    NoOpus,
    /// Packets are not of 20 ms.
    #[error("packet {index} has TOC {toc:#04x}: only single frames of 20 ms are played")]
    NotTwentyMs {
        /// Which packet.
        index: usize,
        /// Its first byte.
        toc: u8,
    },
    /// There is no loudness for some packet.
    #[error("{packets} packets, but {levels} levels")]
    Levels {
        /// Packets in the stream.
        packets: usize,
        /// Levels given.
        levels: usize,
    },
}

impl Clip {
    /// Reads an Ogg Opus file of 20 ms packets, with the loudness of each packet in -dBov. Levels
    /// missing at the end (an encoder's padding) are silence.
    pub fn from_ogg(file: &[u8], levels_dbov: &[u8]) -> Result<Self, ClipError> {
        let mut packets = ogg_packets(file)?.into_iter();
        if !packets
            .next()
            .is_some_and(|head| head.starts_with(b"OpusHead"))
        {
            return Err(ClipError::NoOpus);
        }
        // the second packet is OpusTags
        let payloads: Vec<Vec<u8>> = packets.skip(1).collect();
        if levels_dbov.len() > payloads.len() || levels_dbov.len() + 2 < payloads.len() {
            return Err(ClipError::Levels {
                packets: payloads.len(),
                levels: levels_dbov.len(),
            });
        }
        Self::from_packets(&payloads, levels_dbov)
    }

    /// Packets made elsewhere, with their loudness in -dBov (silence where none is given).
    pub fn from_packets(payloads: &[Vec<u8>], levels_dbov: &[u8]) -> Result<Self, ClipError> {
        let levels = levels_dbov.iter().copied();
        let mut packets = Vec::with_capacity(payloads.len());
        let with_level = payloads
            .iter()
            .zip(levels.chain(std::iter::repeat(SILENT_DBOV)));
        for (index, (payload, level_dbov)) in with_level.enumerate() {
            let toc = payload.first().copied().unwrap_or(0xff);
            if !is_one_frame_of_20_ms(toc) {
                return Err(ClipError::NotTwentyMs { index, toc });
            }
            packets.push(Sound {
                payload: payload.as_slice().into(),
                level_dbov,
                marker: index == 0,
            });
        }
        Ok(Self { packets })
    }

    /// The packets in order.
    pub fn packets(&self) -> &[Sound] {
        &self.packets
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        PACKET * self.packets.len() as u32
    }
}

/// RFC 6716 section 3.1: the configuration gives mode and frame length, the last two bits the
/// number of frames.
fn is_one_frame_of_20_ms(toc: u8) -> bool {
    let config = toc >> 3;
    let lasts_20_ms = match config {
        0..=11 => config % 4 == 1,
        12..=15 => config % 2 == 1,
        _ => config % 4 == 3,
    };
    let frame_count_code = toc & 3;
    lasts_20_ms && frame_count_code == 0
}

/// The packets of the only logical stream in an Ogg file (RFC 3533 section 6).
fn ogg_packets(file: &[u8]) -> Result<Vec<Vec<u8>>, ClipError> {
    const HEADER_BYTES: usize = 27;
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let page = &file[at..];
        let no_page = ClipError::NoPage { at };
        if page.len() < HEADER_BYTES || !page.starts_with(b"OggS") {
            return Err(no_page);
        }
        let lacing_end = HEADER_BYTES + usize::from(page[HEADER_BYTES - 1]);
        let lacing = page.get(HEADER_BYTES..lacing_end).ok_or(no_page.clone())?;
        let mut from = lacing_end;
        for &bytes in lacing {
            let to = from + usize::from(bytes);
            packet.extend_from_slice(page.get(from..to).ok_or(no_page.clone())?);
            from = to;
            if bytes < u8::MAX {
                packets.push(std::mem::take(&mut packet));
            }
        }
        at += from;
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(segments: &[&[u8]]) -> Vec<u8> {
        let mut page = b"OggS".to_vec();
        page.resize(26, 0);
        page.push(segments.len() as u8);
        page.extend(segments.iter().map(|s| s.len() as u8));
        page.extend(segments.concat());
        page
    }

    #[test]
    fn a_packet_may_span_segments_and_pages() {
        let long = [7; 255];
        let file = [
            page(&[b"OpusHead", b"OpusTags", &long]),
            page(&[&[0x08, 1], &SILENT_PACKET]),
        ];
        let packets = ogg_packets(&file.concat()).unwrap();
        assert_eq!(packets.len(), 4);
        assert_eq!(packets[2].len(), 257);
        assert_eq!(packets[3], SILENT_PACKET);
    }

    #[test]
    fn what_is_no_ogg_or_no_opus_is_refused_with_its_place() {
        assert_eq!(
            ogg_packets(b"RIFF....").unwrap_err(),
            ClipError::NoPage { at: 0 }
        );
        let whole = page(&[b"OpusHead"]);
        for cut in 1..whole.len() {
            assert!(ogg_packets(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let error = Clip::from_ogg(&page(&[b"vorbis"]), &[]).unwrap_err();
        assert_eq!(error, ClipError::NoOpus);
    }

    #[test]
    fn only_single_frames_of_20_ms_are_taken() {
        for (toc, taken) in [
            (0x08, true),
            (0x78, true),
            (0xf8, true),
            (0x00, false),
            (0xf9, false),
            (0x18, false),
        ] {
            let clip = Clip::from_packets(&[vec![toc, 1, 2]], &[40]);
            assert_eq!(clip.is_ok(), taken, "{toc:#04x}");
        }
        assert!(Clip::from_packets(&[vec![]], &[]).is_err());
    }
}
