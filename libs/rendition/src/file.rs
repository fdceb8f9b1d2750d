//! A media file, packet by packet.

use std::io::{ErrorKind, Read};

use sidetone_media::ogg::{Demuxer, OggPacket, OpusHead};
use sidetone_media::opus::{self, Frames};

use crate::RenditionError;

/// Bytes that are asked for at once: an encrypted object's chunk.
const READ_BYTES: usize = 64 << 10;

/// A media file being read.
pub(crate) struct File<R> {
    media: R,
    demuxer: Demuxer,
    chunk: Vec<u8>,
    ended: bool,
    head: OpusHead,
    tags: Vec<u8>,
    /// The next packet's number.
    packet: u64,
}

/// A file, and those of its channels (counted within it) that are wanted.
pub(crate) type Wanted<R> = (File<R>, Vec<u8>);

/// A packet of sound.
pub(crate) struct Slot {
    pub(crate) number: u64,
    pub(crate) packet: OggPacket,
}

impl<R: Read> File<R> {
    /// Reads the headers.
    pub(crate) fn open(media: R) -> Result<Self, RenditionError> {
        let mut file = Self {
            media,
            demuxer: Demuxer::default(),
            chunk: vec![0; READ_BYTES],
            ended: false,
            head: OpusHead {
                channels: 0,
                pre_skip_samples: 0,
                gain_q8_db: 0,
            },
            tags: Vec::new(),
            packet: 0,
        };
        let head = file.read()?.ok_or(RenditionError::Empty)?;
        file.head = OpusHead::parse(&head.data)?;
        file.tags = file.read()?.ok_or(RenditionError::Empty)?.data;
        Ok(file)
    }

    pub(crate) fn head(&self) -> OpusHead {
        self.head
    }

    /// The comment header as it is.
    pub(crate) fn tags(&self) -> &[u8] {
        &self.tags
    }

    /// The next packet of sound, `None` at the end.
    pub(crate) fn next_slot(&mut self) -> Result<Option<Slot>, RenditionError> {
        let Some(packet) = self.read()? else {
            return Ok(None);
        };
        let number = self.packet;
        self.packet += 1;
        Ok(Some(Slot { number, packet }))
    }

    fn read(&mut self) -> Result<Option<OggPacket>, RenditionError> {
        loop {
            if let Some(packet) = self.demuxer.next_packet()? {
                return Ok(Some(packet));
            }
            if self.ended {
                return Ok(None);
            }
            match self.media.read(&mut self.chunk) {
                Ok(0) => {
                    self.ended = true;
                    self.demuxer.end()?;
                }
                Ok(bytes) => self.demuxer.push(&self.chunk[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RenditionError::Read(error)),
            }
        }
    }
}

impl Slot {
    /// Takes the packet of a file of `channels` channels apart: gives each channel's packet to
    /// `each`, and how long the slot sounds, in samples.
    pub(crate) fn split<'a>(
        &'a self,
        channels: u8,
        mut each: impl FnMut(u8, &Frames<'a>),
    ) -> Result<u32, RenditionError> {
        let broken = |error| RenditionError::Packet {
            packet: self.number,
            error,
        };
        let mut rest = self.packet.data.as_slice();
        let mut samples = None;
        for channel in 0..channels {
            let frames = if channel + 1 < channels {
                let (frames, length) = opus::parse_self_delimited(rest).map_err(broken)?;
                rest = &rest[length..];
                frames
            } else {
                opus::parse(rest).map_err(broken)?
            };
            if *samples.get_or_insert(frames.duration_samples()) != frames.duration_samples() {
                return Err(RenditionError::Uneven(self.number));
            }
            each(channel, &frames);
        }
        Ok(samples.unwrap_or(0))
    }
}
