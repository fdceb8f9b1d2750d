//! The sound of what came, for the sinks that need it: each packet is decoded once for all of them.

use sidetone_codec::{OpusDecoder, Resampler, SAMPLE_RATE_HZ};
use sidetone_media::{Codec, Packet, TrackId};
use tracing::debug;

use super::plain::Plain;

/// The decoders of a call, one for each lane that is listened to.
#[derive(Default)]
pub(crate) struct Decoders(Vec<Option<Decoding>>);

/// What is to be known of a lane.
struct Decoding {
    track: TrackId,
    codec: Codec,
    decoder: Decoder,
}

enum Decoder {
    /// `None`: libopus refused, which was said.
    Opus(Option<Box<OpusDecoder>>),
    Plain(Plain, Option<Box<Resampler>>),
}

impl Decoders {
    /// The packet's sound at 48 kHz; empty if it is none.
    pub(crate) fn decode(&mut self, lane: usize, packet: &Packet) -> Vec<i16> {
        if self.0.len() <= lane {
            self.0.resize_with(lane + 1, || None);
        }
        let is_of = |one: &Decoding| one.track == packet.track && one.codec == packet.codec;
        let known = self.0[lane].take().filter(is_of);
        let known = self.0[lane].insert(known.unwrap_or_else(|| Decoding::new(packet)));
        known.decoder.decode(packet)
    }

    /// Nobody needs a lane's sound for now.
    pub(crate) fn end(&mut self, lane: usize) {
        if let Some(decoding) = self.0.get_mut(lane) {
            *decoding = None;
        }
    }

    /// How many run.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }
}

impl Decoding {
    fn new(packet: &Packet) -> Self {
        let resampler = |rate_hz| {
            let other = rate_hz != SAMPLE_RATE_HZ;
            other.then(|| Box::new(Resampler::new(rate_hz)))
        };
        let decoder = match packet.codec {
            Codec::Opus => {
                let opus = OpusDecoder::new();
                let opus = opus.inspect_err(|error| debug!(%error, "a track cannot be decoded"));
                Decoder::Opus(opus.ok().map(Box::new))
            }
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Linear16(_) => {
                let resampler = resampler(packet.codec.sample_rate_hz());
                Decoder::Plain(Plain::default(), resampler)
            }
        };
        Self {
            track: packet.track,
            codec: packet.codec,
            decoder,
        }
    }
}

impl Decoder {
    fn decode(&mut self, packet: &Packet) -> Vec<i16> {
        match self {
            Self::Opus(Some(opus)) => match opus.decode(&packet.payload) {
                Ok(sound) => sound.to_vec(),
                Err(error) => {
                    debug!(%error, "a packet is not heard");
                    Vec::new()
                }
            },
            Self::Opus(None) => Vec::new(),
            Self::Plain(plain, Some(resampler)) => resampler.push(&plain.samples(packet)),
            Self::Plain(plain, None) => plain.samples(packet),
        }
    }
}
