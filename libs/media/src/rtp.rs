//! RTP packets (RFC 3550 section 5.1) with header extensions (RFC 8285) and the client's audio
//! level (RFC 6464), read and written without copying the payload.

use crate::level::AudioLevel;

/// The fixed header's length.
const FIXED_BYTES: usize = 12;
/// Profile of one-byte extension elements (RFC 8285 section 4.2).
const ONE_BYTE_PROFILE: u16 = 0xbede;
/// Profiles of two-byte elements: the upper twelve bits (RFC 8285 section 4.3).
const TWO_BYTE_PROFILE: u16 = 0x1000;
const VERSION_BITS: u8 = 0x80;
const PADDING_BIT: u8 = 0x20;
const EXTENSION_BIT: u8 = 0x10;
const MARKER_BIT: u8 = 0x80;

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// It ends before what its header announces.
    #[error("an RTP packet of {bytes} bytes ends before its {what}")]
    Truncated {
        /// Bytes there are.
        bytes: usize,
        /// What should have followed.
        what: &'static str,
    },
    /// Not version 2.
    #[error("RTP version {0}, only 2 is known")]
    Version(u8),
    /// The padding is longer than what is there, or empty.
    #[error("{padding} bytes of padding in a payload of {room}")]
    Padding {
        /// Announced, its own count included.
        padding: u8,
        /// Bytes that it would have to be in.
        room: usize,
    },
}

/// Why a packet cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A payload type has 7 bits.
    #[error("payload type {0} is above 127")]
    PayloadType(u8),
    /// One-byte elements have ids 1 to 14 and 1 to 16 bytes.
    #[error("extension {id} of {bytes} bytes is no one-byte element (ids 1 to 14, 1 to 16 bytes)")]
    Extension {
        /// Its id.
        id: u8,
        /// Its length.
        bytes: usize,
    },
    /// At most 15.
    #[error("{0} contributing sources, 15 is the most")]
    TooManySources(usize),
}

/// An RTP packet read from bytes; everything variable lies in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// Marker: for audio, the first packet of a talk spurt (RFC 3551 section 4.1).
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Timestamp in ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources, four bytes each; see [`RtpPacket::csrcs`].
    csrcs: &'a [u8],
    /// Profile and data of the header extension.
    extension: Option<(u16, &'a [u8])>,
    /// The payload without padding.
    pub payload: &'a [u8],
    /// Bytes of padding, its count included; 0 without.
    pub padding: u8,
}

/// Whether these bytes are RTCP rather than RTP, where both share a port (RFC 5761 section 4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..] if first >> 6 == 2 && (192..=223).contains(second))
}

impl<'a> RtpPacket<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// What is wrong with it. Whatever the bytes are, it does not panic.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let short = |what| RtpError::Truncated {
            bytes: bytes.len(),
            what,
        };
        let (fixed, rest) = bytes
            .split_first_chunk::<FIXED_BYTES>()
            .ok_or(short("fixed header"))?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version(first >> 6));
        }
        let csrc_bytes = usize::from(first & 0x0f) * 4;
        let (csrcs, rest) = rest
            .split_at_checked(csrc_bytes)
            .ok_or(short("contributing sources"))?;
        let (extension, rest) = if first & EXTENSION_BIT == 0 {
            (None, rest)
        } else {
            let (head, rest) = rest
                .split_first_chunk::<4>()
                .ok_or(short("extension header"))?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (data, rest) = rest.split_at_checked(words * 4).ok_or(short("extension"))?;
            (Some((u16::from_be_bytes([head[0], head[1]]), data)), rest)
        };
        let padding = if first & PADDING_BIT == 0 {
            0
        } else {
            *rest.last().ok_or(short("padding"))?
        };
        if first & PADDING_BIT != 0 && (padding == 0 || usize::from(padding) > rest.len()) {
            return Err(RtpError::Padding {
                padding,
                room: rest.len(),
            });
        }
        Ok(Self {
            marker: second & MARKER_BIT != 0,
            payload_type: second & !MARKER_BIT,
            sequence_number: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            csrcs,
            extension,
            payload: &rest[..rest.len() - usize::from(padding)],
            padding,
        })
    }

    /// Contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrcs
            .chunks_exact(4)
            .map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]))
    }

    /// Elements of the header extension: id and data. Ends at the first malformed one; an
    /// extension of another profile has none.
    pub fn extensions(&self) -> Elements<'a> {
        match self.extension {
            Some((ONE_BYTE_PROFILE, data)) => Elements {
                data,
                two_byte: false,
            },
            Some((profile, data)) if profile & 0xfff0 == TWO_BYTE_PROFILE => Elements {
                data,
                two_byte: true,
            },
            _ => Elements {
                data: &[],
                two_byte: false,
            },
        }
    }

    /// The sender's audio level, where the extension with this id carries it (RFC 6464).
    pub fn audio_level(&self, id: u8) -> Option<AudioLevel> {
        let (_, data) = self.extensions().find(|(element, _)| *element == id)?;
        data.first().map(|&byte| AudioLevel::from_byte(byte))
    }
}

/// Iterator over a header extension's elements.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    data: &'a [u8],
    two_byte: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, length, rest) = loop {
            let (&first, rest) = self.data.split_first()?;
            if first == 0 {
                self.data = rest; // padding
            } else if self.two_byte {
                let (&length, rest) = rest.split_first()?;
                break (first, usize::from(length), rest);
            } else if first >> 4 == 15 {
                self.data = &[]; // reserved: stop (RFC 8285 section 4.2)
            } else {
                break (first >> 4, usize::from(first & 0x0f) + 1, rest);
            }
        };
        let Some((data, rest)) = rest.split_at_checked(length) else {
            self.data = &[];
            return None;
        };
        self.data = rest;
        Some((id, data))
    }
}

/// The header of a packet to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct RtpHeader<'a> {
    /// Marker.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Timestamp in ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources, at most 15.
    pub csrcs: &'a [u32],
    /// Elements of a one-byte header extension: ids 1 to 14, 1 to 16 bytes each.
    pub extensions: &'a [(u8, &'a [u8])],
}

impl RtpHeader<'_> {
    /// Appends a packet of this header and `payload` to `out`, without padding.
    ///
    /// # Errors
    /// When a field is out of its range; nothing is appended then.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), BuildError> {
        if self.payload_type > 127 {
            return Err(BuildError::PayloadType(self.payload_type));
        }
        if self.csrcs.len() > 15 {
            return Err(BuildError::TooManySources(self.csrcs.len()));
        }
        for (id, data) in self.extensions {
            if !(1..=14).contains(id) || !(1..=16).contains(&data.len()) {
                return Err(BuildError::Extension {
                    id: *id,
                    bytes: data.len(),
                });
            }
        }
        let extension = if self.extensions.is_empty() {
            0
        } else {
            EXTENSION_BIT
        };
        let marker = if self.marker { MARKER_BIT } else { 0 };
        out.extend_from_slice(&[
            VERSION_BITS | extension | self.csrcs.len() as u8,
            marker | self.payload_type,
        ]);
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        for csrc in self.csrcs {
            out.extend_from_slice(&csrc.to_be_bytes());
        }
        self.write_extensions(out);
        out.extend_from_slice(payload);
        Ok(())
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        if self.extensions.is_empty() {
            return;
        }
        let bytes: usize = self.extensions.iter().map(|(_, data)| data.len() + 1).sum();
        let words = bytes.div_ceil(4);
        out.extend_from_slice(&ONE_BYTE_PROFILE.to_be_bytes());
        out.extend_from_slice(&(words as u16).to_be_bytes());
        for (id, data) in self.extensions {
            out.push(id << 4 | (data.len() - 1) as u8);
            out.extend_from_slice(data);
        }
        out.resize(out.len() + words * 4 - bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_with_everything_is_read() {
        let bytes = [
            0xb2, 0xef, 0x12, 0x34, 0, 0, 0x03, 0xc0, 0xde, 0xad, 0xbe, 0xef, // 2 CSRCs, X, P
            0, 0, 0, 7, 0, 0, 0, 8, // CSRCs
            0xbe, 0xde, 0, 2, 0x10, 0x8a, 0, 0x32, 1, 2, 3, 0, // id 1: level, id 3: 3 bytes
            9, 9, 9, 0, 2, // payload and 2 bytes of padding
        ];
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert!(packet.marker);
        assert_eq!(packet.payload_type, 111);
        assert_eq!(packet.sequence_number, 0x1234);
        assert_eq!(packet.timestamp, 960);
        assert_eq!(packet.ssrc, 0xdead_beef);
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(packet.payload, [9, 9, 9]);
        let elements: Vec<_> = packet.extensions().collect();
        assert_eq!(elements, [(1, &[0x8a][..]), (3, &[1, 2, 3])]);
        let level = packet.audio_level(1).unwrap();
        assert_eq!((level.voice, level.dbov), (true, 10));
        assert_eq!(packet.audio_level(2), None);
    }

    #[test]
    fn two_byte_elements_are_read_and_unknown_profiles_are_not() {
        let mut bytes = vec![0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        bytes.extend_from_slice(&[0x10, 0x00, 0, 2, 20, 2, 5, 6, 21, 0, 0, 0]);
        let elements: Vec<_> = RtpPacket::parse(&bytes).unwrap().extensions().collect();
        assert_eq!(elements, [(20, &[5, 6][..]), (21, &[])]);
        bytes[12] = 0x77;
        assert_eq!(RtpPacket::parse(&bytes).unwrap().extensions().count(), 0);
    }

    #[test]
    fn what_ends_too_early_says_before_what() {
        let whole = [
            0x91, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0, 0, 0, 0,
        ];
        for (bytes, what) in [
            (11, "fixed header"),
            (15, "contributing sources"),
            (19, "extension header"),
            (23, "extension"),
        ] {
            let error = RtpPacket::parse(&whole[..bytes]).unwrap_err();
            assert_eq!(error, RtpError::Truncated { bytes, what });
        }
        assert!(RtpPacket::parse(&whole).is_ok());
        assert_eq!(RtpPacket::parse(&[0x40; 12]), Err(RtpError::Version(1)));
        let padded = [0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3];
        assert_eq!(
            RtpPacket::parse(&padded),
            Err(RtpError::Padding {
                padding: 3,
                room: 2
            })
        );
    }

    #[test]
    fn rtcp_is_told_from_rtp_with_a_marker() {
        assert!(is_rtcp(&[0x80, 200, 0, 6]));
        assert!(!is_rtcp(&[0x80, 0xef, 0, 6]));
        assert!(!is_rtcp(&[0x80]));
    }

    #[test]
    fn a_header_out_of_range_is_refused_and_nothing_is_written() {
        let mut out = vec![1];
        let bad = [
            RtpHeader {
                payload_type: 128,
                ..RtpHeader::default()
            },
            RtpHeader {
                csrcs: &[0; 16],
                ..RtpHeader::default()
            },
            RtpHeader {
                extensions: &[(15, &[0])],
                ..RtpHeader::default()
            },
            RtpHeader {
                extensions: &[(1, &[])],
                ..RtpHeader::default()
            },
        ];
        for header in bad {
            assert!(header.write(&[1], &mut out).is_err());
        }
        assert_eq!(out, [1]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            marker: bool,
            payload_type in 0u8..128,
            sequence_number: u16,
            timestamp: u32,
            ssrc: u32,
            csrcs in prop::collection::vec(any::<u32>(), 0..16),
            elements in prop::collection::vec(
                (1u8..15, prop::collection::vec(any::<u8>(), 1..17)), 0..5),
            payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let extensions: Vec<(u8, &[u8])> =
                elements.iter().map(|(id, data)| (*id, data.as_slice())).collect();
            let header = RtpHeader {
                marker,
                payload_type,
                sequence_number,
                timestamp,
                ssrc,
                csrcs: &csrcs,
                extensions: &extensions,
            };
            let mut bytes = Vec::new();
            header.write(&payload, &mut bytes).unwrap();
            let packet = RtpPacket::parse(&bytes).unwrap();
            prop_assert_eq!(packet.marker, marker);
            prop_assert_eq!(packet.payload_type, payload_type);
            prop_assert_eq!(packet.sequence_number, sequence_number);
            prop_assert_eq!(packet.timestamp, timestamp);
            prop_assert_eq!(packet.ssrc, ssrc);
            prop_assert_eq!(packet.csrcs().collect::<Vec<_>>(), csrcs);
            prop_assert_eq!(packet.extensions().collect::<Vec<_>>(), extensions);
            prop_assert_eq!(packet.payload, &payload);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                prop_assert!(packet.extensions().count() <= bytes.len());
                prop_assert!(packet.csrcs().count() <= 15);
            }
        }
    }
}
