//! Packets to sound, the channels of one or several files side by side.

use std::io::Read;

use sidetone_codec::{OpusDecoder, mix};
use sidetone_media::opus::write_frames;

use crate::RenditionError;
use crate::file::{File, Wanted};

/// Samples that are made at once: 20 ms.
pub(crate) const BLOCK_SAMPLES: usize = 960;

/// The channels that are wanted, and what is decoded of them and not yet taken.
pub(crate) struct Voices<R> {
    files: Vec<Decoding<R>>,
    /// They are one channel of the rendition.
    mixed: bool,
    sum: Vec<i16>,
}

struct Decoding<R> {
    file: File<R>,
    voices: Vec<Voice>,
    ended: bool,
    /// A channel's packet on its own.
    packet: Vec<u8>,
}

struct Voice {
    /// Its channel in the file.
    channel: u8,
    decoder: OpusDecoder,
    pcm: Vec<i16>,
    /// Samples still to be left out at the start.
    skip: usize,
    /// Amplification.
    gain: Option<f32>,
}

impl<R: Read> Voices<R> {
    /// The channels of each file; `mixed` makes one of them all.
    pub(crate) fn new(files: Vec<Wanted<R>>, mixed: bool) -> Result<Self, RenditionError> {
        let files: Result<_, RenditionError> = files
            .into_iter()
            .map(|(file, channels)| {
                let head = file.head();
                let gain_db = f32::from(head.gain_q8_db) / 256.0;
                let gain = (head.gain_q8_db != 0).then(|| 10f32.powf(gain_db / 20.0));
                let voices: Result<_, RenditionError> = channels
                    .into_iter()
                    .map(|channel| {
                        Ok(Voice {
                            channel,
                            decoder: OpusDecoder::new()?,
                            pcm: Vec::new(),
                            skip: usize::from(head.pre_skip_samples),
                            gain,
                        })
                    })
                    .collect();
                Ok(Decoding {
                    file,
                    voices: voices?,
                    ended: false,
                    packet: Vec::new(),
                })
            })
            .collect();
        Ok(Self {
            files: files?,
            mixed,
            sum: Vec::new(),
        })
    }

    /// Channels that [`Voices::read`] gives.
    pub(crate) fn channels(&self) -> u8 {
        if self.mixed {
            1
        } else {
            self.files.iter().map(|f| f.voices.len() as u8).sum()
        }
    }

    /// The comment header of the first file.
    pub(crate) fn tags(&self) -> &[u8] {
        self.files.first().map_or(&[], |f| f.file.tags())
    }

    /// Gives `sink` exactly `samples` samples of each channel, [`BLOCK_SAMPLES`] at a time but for
    /// the last; silence where a file has none.
    pub(crate) fn read(
        mut self,
        samples: u64,
        mut sink: impl FnMut(&[&[i16]]) -> Result<(), RenditionError>,
    ) -> Result<(), RenditionError> {
        let mut left = samples;
        while left > 0 {
            let block = left.min(BLOCK_SAMPLES as u64) as usize;
            for file in &mut self.files {
                file.fill(block)?;
            }
            let voices = || self.files.iter().flat_map(|file| &file.voices);
            let channels: Vec<&[i16]> = voices().map(|voice| &voice.pcm[..block]).collect();
            if self.mixed {
                mix(&channels, &mut self.sum);
                sink(&[&self.sum])?;
            } else {
                sink(&channels)?;
            }
            for voice in self.files.iter_mut().flat_map(|file| &mut file.voices) {
                voice.pcm.drain(..block);
            }
            left -= block as u64;
        }
        Ok(())
    }
}

impl<R: Read> Decoding<R> {
    /// Decodes until there are `samples` samples.
    fn fill(&mut self, samples: usize) -> Result<(), RenditionError> {
        while !self.ended && self.voices.iter().any(|voice| voice.pcm.len() < samples) {
            self.ended = !self.decode()?;
        }
        for voice in &mut self.voices {
            if voice.pcm.len() < samples {
                voice.pcm.resize(samples, 0);
            }
        }
        Ok(())
    }

    /// Decodes a packet; `false` at the end of the file.
    fn decode(&mut self) -> Result<bool, RenditionError> {
        let Some(slot) = self.file.next_slot()? else {
            return Ok(false);
        };
        let Self {
            file,
            voices,
            packet,
            ..
        } = self;
        slot.split(file.head().channels, |channel, frames| {
            let Some(voice) = voices.iter_mut().find(|v| v.channel == channel) else {
                return;
            };
            packet.clear();
            let written = write_frames(frames.toc().kind(), frames.as_slice(), packet);
            debug_assert!(written, "what was parsed can be written");
            voice.hear(packet, frames.duration_samples() as usize);
        })?;
        Ok(true)
    }
}

impl Voice {
    fn hear(&mut self, packet: &[u8], samples: usize) {
        let start = self.pcm.len();
        if let Ok(pcm) = self.decoder.decode(packet) {
            self.pcm.extend_from_slice(pcm);
        }
        // whatever libopus made of it, the sound behind it stays in its place
        self.pcm.resize(start + samples, 0);
        if let Some(gain) = self.gain {
            for sample in &mut self.pcm[start..] {
                *sample = (f32::from(*sample) * gain) as i16; // saturates
            }
        }
        let skipped = self.skip.min(self.pcm.len());
        self.pcm.drain(..skipped);
        self.skip -= skipped;
    }
}
