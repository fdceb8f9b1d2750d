//! A recording as one asks for it: both channels, one of them or a mix, as Ogg Opus or WAV.
//!
//! The media files go in as readers of plain bytes, the rendition comes out as it is made: what is
//! held is a page of each file and 120 ms of sound, however long the call. What is there already
//! is not encoded again: a channel as Ogg is that channel's packets, taken out of the file.
//!
//! ```
//! # fn demo(object: std::fs::File, duration_ms: u64) -> Result<(), sidetone_rendition::RenditionError> {
//! use sidetone_rendition::{Channel, Format, Rendition, Source};
//! let rendition = Rendition { format: Format::Wav, channel: Channel::Mix };
//! let samples = duration_ms * 48;
//! let length = rendition.len(samples); // a WAV's is known before it is made
//! let files = vec![Source { first_channel: 0, media: object }];
//! rendition.write(files, samples, std::io::sink())?;
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod file;
#[doc(hidden)]
pub mod fuzzing;
mod mux;
mod sound;
mod wav;

use std::io::{self, Read, Write};

use file::{File, Wanted};
use sidetone_codec::CodecError;
use sidetone_media::ogg::{HeadError, OggError};
use sidetone_media::opus::OpusError;
use sound::Voices;
pub use wav::wav_len;

/// Longest rendition, in samples at 48 kHz: 24 h, as long as a take can be.
const MAX_SAMPLES: u64 = 24 * 3_600 * 48_000;

/// How the sound is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Ogg Opus.
    Ogg,
    /// 16 bit PCM at 48 kHz.
    Wav,
}

/// Which of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The first two, left and right. A file of one channel has no such rendition.
    Both,
    /// All that there are, in one.
    Mix,
    /// The one with this index.
    Index(u8),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendition {
    /// How it is packed.
    pub format: Format,
    /// Which channels.
    pub channel: Channel,
}

/// A media file of the recording: plain (decrypted) Ogg Opus with one mono stream per channel.
#[derive(Debug)]
pub struct Source<R> {
    /// Index of its first channel in the recording: 0 for the manifest's `object`, `channel` for
    /// an `extra` file.
    pub first_channel: u8,
    /// Its bytes, from the start. Not read when no channel of it can be needed.
    pub media: R,
}

/// Why there is no rendition, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum RenditionError {
    /// The media cannot be read.
    #[error("the recording cannot be read: {0}")]
    Read(#[source] io::Error),
    /// Whoever wants the rendition takes no more.
    #[error("the rendition cannot be written: {0}")]
    Write(#[source] io::Error),
    /// A media file is damaged.
    #[error("the recording is damaged: {0}")]
    Ogg(#[from] OggError),
    /// A media file is none that we can take apart.
    #[error("the recording is not one of ours: {0}")]
    Head(#[from] HeadError),
    /// What is in a media file is not Opus.
    #[error("the recording's packet {packet} is broken: {error}")]
    Packet {
        /// Which, from 0.
        packet: u64,
        /// What is wrong.
        error: OpusError,
    },
    /// The channels of a packet are of different lengths.
    #[error("the recording's packet {0} has channels of different lengths")]
    Uneven(u64),
    /// A media file has headers only.
    #[error("the recording has no sound")]
    Empty,
    /// There is no such channel.
    #[error("the recording has no channel {0}")]
    NoChannel(u8),
    /// A rendition is 24 h at most; a WAV file can hold 4 GiB: 6 hours in stereo, 12 in mono.
    #[error("{0} samples are too many for one file")]
    TooLong(u64),
    /// The codec failed on good input.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Rendition {
    /// Length in bytes, where it is known before it is made: that of a WAV of `samples` samples
    /// at 48 kHz. `None` for Ogg, and for what is too long.
    pub fn len(self, samples: u64) -> Option<u64> {
        match self.format {
            Format::Ogg => None,
            Format::Wav => wav_len(samples, self.channels()),
        }
    }

    /// Channels of the rendition: 1 or 2.
    pub const fn channels(self) -> u8 {
        match self.channel {
            Channel::Both => 2,
            Channel::Mix | Channel::Index(_) => 1,
        }
    }

    /// Whether any channel of a file with this first channel can be needed.
    pub const fn needs(self, first_channel: u8) -> bool {
        match self.channel {
            Channel::Both => first_channel <= 1,
            Channel::Mix => true,
            Channel::Index(channel) => first_channel <= channel,
        }
    }

    /// Makes the rendition of a recording of `samples` samples at 48 kHz and writes it to `out`,
    /// some 64 KiB at a time. Blocks while it reads, decodes and writes.
    ///
    /// A WAV and a mix have exactly that length: what the files lack is silence, what they have
    /// beyond is left out. Packets that are only taken out of a file keep the file's own length.
    /// A packet that libopus refuses is silence.
    ///
    /// # Errors
    /// When a file is damaged or not ours, when there is no such channel, when reading or writing
    /// fails. What was written until then is no whole file.
    pub fn write<R: Read>(
        self,
        files: Vec<Source<R>>,
        samples: u64,
        mut out: impl Write,
    ) -> Result<(), RenditionError> {
        if samples > MAX_SAMPLES {
            return Err(RenditionError::TooLong(samples));
        }
        let mut files = self.open(files)?;
        match (self.format, files.as_mut_slice()) {
            (Format::Ogg, [(file, channels)]) if self.channel != Channel::Mix => {
                mux::copy(file, channels, &mut out)
            }
            (Format::Ogg, _) => mux::encode(self.voices(files)?, samples, &mut out),
            (Format::Wav, _) => wav::write(self.voices(files)?, samples, &mut out),
        }
    }

    /// The files that are needed, each with those of its channels (counted within the file) that
    /// are, in the order of the recording's channels.
    fn open<R: Read>(self, mut sources: Vec<Source<R>>) -> Result<Vec<Wanted<R>>, RenditionError> {
        sources.retain(|source| self.needs(source.first_channel));
        sources.sort_by_key(|source| source.first_channel);
        if let Channel::Index(_) = self.channel {
            sources.drain(..sources.len().saturating_sub(1));
        }
        let wanted: &[u8] = match &self.channel {
            Channel::Both => &[0, 1],
            Channel::Mix => &[],
            Channel::Index(channel) => std::slice::from_ref(channel),
        };
        let mut found = 0;
        let mut files = Vec::with_capacity(sources.len());
        for source in sources {
            let file = File::open(source.media)?;
            let mut channels = Vec::new();
            for n in 0..file.head().channels {
                let channel = source.first_channel.saturating_add(n);
                if self.channel == Channel::Mix || wanted.get(found) == Some(&channel) {
                    channels.push(n);
                    found += 1;
                }
            }
            if !channels.is_empty() {
                files.push((file, channels));
            }
        }
        match wanted.get(found) {
            Some(missing) => Err(RenditionError::NoChannel(*missing)),
            None if files.is_empty() => Err(RenditionError::NoChannel(0)),
            None => Ok(files),
        }
    }

    fn voices<R: Read>(self, files: Vec<Wanted<R>>) -> Result<Voices<R>, RenditionError> {
        Voices::new(files, self.channel == Channel::Mix)
    }
}
