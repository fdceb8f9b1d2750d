//! The identification header, read back.

/// Most channels of a file: what channel mapping family 1 knows (RFC 7845 section 5.1.1.2).
const MAX_CHANNELS: u8 = 8;

/// What an identification header says of a file whose channels are mono streams of their own:
/// each Ogg packet holds one Opus packet per channel, all but the last self-delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusHead {
    /// Channels, and streams: 1 to 8.
    pub channels: u8,
    /// Samples at 48 kHz to leave out at the start.
    pub pre_skip_samples: u16,
    /// What to amplify by, in decibels times 256; 0 in our own files.
    pub gain_q8_db: i16,
}

/// Why an identification header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It is none, or of a version that is not known.
    #[error("the first packet is not an Opus header")]
    NotOpus,
    /// Channels share streams, or are in another order.
    #[error(
        "{channels} channels in {streams} streams (mapping family {family}): \
         only one mono stream per channel can be read"
    )]
    Layout {
        /// Channels.
        channels: u8,
        /// Streams.
        streams: u8,
        /// Mapping family.
        family: u8,
    },
}

impl OpusHead {
    /// Reads a file's first packet.
    ///
    /// # Errors
    /// When it is not such a header, or one with streams of two channels.
    pub fn parse(packet: &[u8]) -> Result<Self, HeadError> {
        let (fixed, mapping) = packet
            .strip_prefix(b"OpusHead")
            .and_then(|rest| rest.split_first_chunk::<11>())
            .ok_or(HeadError::NotOpus)?;
        let [version, channels, s0, s1, _, _, _, _, g0, g1, family] = *fixed;
        if version >> 4 != 0 {
            return Err(HeadError::NotOpus);
        }
        let (streams, separate) = match (family, mapping) {
            (0, _) => (1, channels == 1),
            (1, [streams, coupled, map @ ..]) => {
                let separate = (1..=MAX_CHANNELS).contains(&channels)
                    && (*streams, *coupled) == (channels, 0)
                    && map.iter().copied().eq(0..channels);
                (*streams, separate)
            }
            (1, _) => return Err(HeadError::NotOpus),
            _ => (0, false),
        };
        if !separate {
            return Err(HeadError::Layout {
                channels,
                streams,
                family,
            });
        }
        Ok(Self {
            channels,
            pre_skip_samples: u16::from_le_bytes([s0, s1]),
            gain_q8_db: i16::from_le_bytes([g0, g1]),
        })
    }
}
