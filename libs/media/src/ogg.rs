//! Ogg Opus files (RFC 3533, RFC 7845), one logical stream: written packet by packet, read back
//! whole or as their bytes come.
//!
//! A recording of two parties is one stream of channel mapping family 1 with two mono streams:
//! each Ogg packet is a slot of 20 ms and holds the left channel's Opus packet in self-delimited
//! framing, then the right channel's as it is.

mod crc;
mod head;
mod read;
mod write;

pub use head::{HeadError, OpusHead};
pub use read::{Demuxer, OggError, OggPacket, Reader};
pub use write::Writer;

/// Samples at 48 kHz that a player leaves out at the start: what libopus' encoders look ahead.
pub const PRE_SKIP_SAMPLES: u16 = 312;

/// The identification header (RFC 7845 section 5.1) of `channels` mono streams, 1 to 8: family 0
/// for one, family 1 for more.
///
/// `input_rate_hz` is informative: the rate of the sound before it was encoded.
pub fn opus_head(channels: u8, input_rate_hz: u32) -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend_from_slice(&[1, channels]);
    head.extend_from_slice(&PRE_SKIP_SAMPLES.to_le_bytes());
    head.extend_from_slice(&input_rate_hz.to_le_bytes());
    head.extend_from_slice(&[0, 0]); // output gain
    if channels > 1 {
        head.extend_from_slice(&[1, channels, 0]); // family, streams, coupled ones
        head.extend(0..channels);
    } else {
        head.push(0);
    }
    head
}

/// The comment header (RFC 7845 section 5.2): who wrote it, and `NAME=value` comments.
pub fn opus_tags(vendor: &str, comments: &[(&str, &str)]) -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let mut text = |text: &str| {
        tags.extend_from_slice(&(text.len() as u32).to_le_bytes());
        tags.extend_from_slice(text.as_bytes());
    };
    text(vendor);
    tags.extend_from_slice(&(comments.len() as u32).to_le_bytes());
    for (name, value) in comments {
        let comment = format!("{name}={value}");
        tags.extend_from_slice(&(comment.len() as u32).to_le_bytes());
        tags.extend_from_slice(comment.as_bytes());
    }
    tags
}

#[cfg(test)]
mod tests;
