//! Ogg out: packets as they are, or encoded anew.

use std::io::{Read, Write};

use sidetone_codec::{EncoderConfig, OpusEncoder, SAMPLE_RATE_HZ};
use sidetone_media::ogg::{self, PRE_SKIP_SAMPLES};
use sidetone_media::opus::{Frames, write_frames, write_self_delimited};

use crate::RenditionError;
use crate::file::File;
use crate::sound::{BLOCK_SAMPLES, Voices};

/// Serial number of the stream: it is alone in its file.
const SERIAL: u32 = 1;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 64 << 10;

/// An Ogg file being written.
struct Muxer<W> {
    out: W,
    writer: ogg::Writer,
    pending: Vec<u8>,
    /// The latest packet and where it ends: the last one of the file is written differently.
    held: Vec<u8>,
    end: u64,
}

impl<W: Write> Muxer<W> {
    fn new(head: &[u8], tags: &[u8], out: W) -> Self {
        let mut pending = Vec::with_capacity(2 * WRITE_BYTES);
        Self {
            out,
            writer: ogg::Writer::new(SERIAL, head, tags, &mut pending),
            pending,
            held: Vec::new(),
            end: 0,
        }
    }

    /// Appends a packet of `samples` samples, and empties it.
    fn push(&mut self, packet: &mut Vec<u8>, samples: u64) -> Result<(), RenditionError> {
        if self.end > 0 {
            self.writer.packet(&self.held, self.end, &mut self.pending);
        }
        std::mem::swap(&mut self.held, packet);
        packet.clear();
        self.end += samples;
        if self.pending.len() >= WRITE_BYTES {
            self.out
                .write_all(&self.pending)
                .map_err(RenditionError::Write)?;
            self.pending.clear();
        }
        Ok(())
    }

    /// Ends the file at `granule`, or with its packets when they end before.
    fn finish(mut self, granule: u64) -> Result<(), RenditionError> {
        if self.end == 0 {
            return Err(RenditionError::Empty);
        }
        let granule = granule.min(self.end);
        self.writer.end(&self.held, granule, &mut self.pending);
        self.out
            .write_all(&self.pending)
            .map_err(RenditionError::Write)
    }
}

/// Writes channels of one file, packets as they are.
pub(crate) fn copy<R: Read>(
    file: &mut File<R>,
    channels: &[u8],
    out: &mut impl Write,
) -> Result<(), RenditionError> {
    let source = file.head();
    let mut head = ogg::opus_head(channels.len() as u8, SAMPLE_RATE_HZ);
    head[10..12].copy_from_slice(&source.pre_skip_samples.to_le_bytes());
    head[16..18].copy_from_slice(&source.gain_q8_db.to_le_bytes());
    let mut muxer = Muxer::new(&head, file.tags(), out);
    let (mut packet, mut plain) = (Vec::new(), Vec::new());
    let mut granule = u64::MAX;
    while let Some(slot) = file.next_slot()? {
        let samples = slot.split(source.channels, |channel, frames| {
            if channels.contains(&channel) {
                let last = channels.last() == Some(&channel);
                join(frames, last, &mut plain, &mut packet);
            }
        })?;
        muxer.push(&mut packet, samples.into())?;
        if slot.packet.last {
            granule = slot.packet.granule.unwrap_or(granule);
        }
    }
    muxer.finish(granule)
}

/// Appends a channel's packet: the last one plain, those before it self-delimited.
fn join(frames: &Frames<'_>, last: bool, plain: &mut Vec<u8>, packet: &mut Vec<u8>) {
    plain.clear();
    let out = if last { &mut *packet } else { &mut *plain };
    let written = write_frames(frames.toc().kind(), frames.as_slice(), out);
    debug_assert!(written, "what was parsed can be written");
    if !last {
        write_self_delimited(plain, packet).expect("what was just written is a packet");
    }
}

/// Encodes what is heard, each channel as a stream of its own.
pub(crate) fn encode<R: Read>(
    voices: Voices<R>,
    samples: u64,
    out: &mut impl Write,
) -> Result<(), RenditionError> {
    let channels = voices.channels();
    let encoders: Result<Vec<_>, _> = (0..channels)
        .map(|_| OpusEncoder::new(EncoderConfig::default()))
        .collect();
    let mut encoders = encoders?;
    let head = ogg::opus_head(channels, SAMPLE_RATE_HZ);
    let mut muxer = Muxer::new(&head, voices.tags(), out);
    // what is heard comes out of the encoder this much later
    let total = samples + u64::from(PRE_SKIP_SAMPLES);
    let mut packet = Vec::new();
    voices.read(total.next_multiple_of(BLOCK_SAMPLES as u64), |blocks| {
        for (n, (encoder, block)) in encoders.iter_mut().zip(blocks).enumerate() {
            let encoded = encoder.encode(block)?;
            if n + 1 < blocks.len() {
                write_self_delimited(&encoded, &mut packet).expect("an encoder makes packets");
            } else {
                packet.extend_from_slice(&encoded);
            }
        }
        muxer.push(&mut packet, BLOCK_SAMPLES as u64)
    })?;
    muxer.finish(total)
}
