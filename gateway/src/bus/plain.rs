//! The samples of what is not Opus.

use sidetone_codec::{g711, g722, pcm};
use sidetone_media::{Codec, Packet};

/// What turns one track's packets of one codec into samples at the codec's own rate.
#[derive(Default)]
pub(super) struct Plain(Option<Box<g722::Decoder>>);

impl Plain {
    /// The packet's samples; none of Opus, which libopus decodes.
    pub(super) fn samples(&mut self, packet: &Packet) -> Vec<i16> {
        match packet.codec {
            Codec::Opus => Vec::new(),
            Codec::Pcmu => g711::decode_ulaw_all(&packet.payload),
            Codec::Pcma => g711::decode_alaw_all(&packet.payload),
            Codec::G722 => self.0.get_or_insert_default().decode(&packet.payload),
            Codec::Linear16(_) => pcm::from_bytes(&packet.payload),
        }
    }
}
