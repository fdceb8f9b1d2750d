//! Several mono Opus streams in one packet, as a recording holds them.

use crate::{CodecError, SAMPLE_RATE_HZ};

/// The longest an Opus packet may last, in samples at 48 kHz (120 ms, RFC 6716 section 3.1).
const MAX_PACKET_SAMPLES: usize = 5_760;

/// Decodes packets that hold one mono stream per channel (RFC 7845 section 5.1.1, mapping
/// family 1 with no coupled stream). For checking files and for renditions.
pub struct MultistreamDecoder {
    inner: opus::MSDecoder,
    channels: usize,
    pcm: Vec<i16>,
}

impl MultistreamDecoder {
    /// A decoder of `channels` mono streams, 1 to 8.
    ///
    /// # Errors
    /// When libopus refuses the number of channels.
    pub fn new(channels: u8) -> Result<Self, CodecError> {
        let mapping: Vec<u8> = (0..channels).collect();
        let inner = opus::MSDecoder::new(SAMPLE_RATE_HZ, channels, 0, &mapping).map_err(|e| {
            CodecError::Setting {
                setting: format!("{channels} channels"),
                reason: e.description().into(),
            }
        })?;
        let channels = usize::from(channels);
        Ok(Self {
            inner,
            channels,
            pcm: vec![0; MAX_PACKET_SAMPLES * channels],
        })
    }

    /// The sound of one packet, channels interleaved.
    ///
    /// # Errors
    /// When the packet is not such a packet.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[i16], CodecError> {
        let samples = self
            .inner
            .decode(packet, &mut self.pcm, false)
            .map_err(|e| CodecError::Packet {
                bytes: packet.len(),
                reason: e.description().into(),
            })?;
        Ok(&self.pcm[..samples * self.channels])
    }
}
