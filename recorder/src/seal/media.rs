//! A take's media files: Ogg Opus, encrypted as it is made.

use std::io::Write as _;
use std::path::PathBuf;

use sidetone_media::MediaTime;
use sidetone_vault::DataKey;
use sidetone_vault::chunked::{self, Sealer};
use sidetone_wire::Manifest;

use super::dual::{Dual, Grid};
use super::mono::Mono;
use super::replay::Entry;
use super::tracks::Channels;
use super::{CHANNELS, SealError, Spool};
use crate::disk::Whole;
use crate::sealed;

/// The files of one take.
pub(super) struct MediaFiles<'a>(Vec<Media<'a>>);

/// One file.
struct Media<'a> {
    path: PathBuf,
    sealer: Sealer<Whole<'a>>,
    first_channel: usize,
    ogg: Ogg,
    /// Pages that are not in the file yet.
    pending: Vec<u8>,
}

enum Ogg {
    Dual(Box<Dual>),
    Mono(Mono),
}

/// A file that is complete and durable.
pub(super) struct Done {
    pub(super) first_channel: u8,
    /// How long it plays, in samples at 48 kHz.
    pub(super) samples: u64,
    pub(super) sealed: chunked::Sealed,
}

impl<'a> MediaFiles<'a> {
    /// Begins the files for these channels: one for the first two, unless they cannot share it,
    /// and one for each other.
    pub(super) fn create(
        spool: &Spool<'a>,
        manifest: &Manifest,
        channels: &Channels,
        grid: &Grid,
        key: &DataKey,
    ) -> Result<Self, SealError> {
        let count = channels.parties.len();
        let together = if channels.indivisible {
            1
        } else {
            CHANNELS.len()
        };
        let firsts = std::iter::once(0).chain(together..count);
        let files = firsts.enumerate().map(|(n, first_channel)| {
            let path = spool.dir.join(sealed::file_name(spool.recording, n));
            let file = Whole::create(spool.disk, &path);
            let sealer = file.and_then(|file| Sealer::new(file, key));
            let mut pending = Vec::new();
            let ogg = if n == 0 && !channels.indivisible {
                Ogg::Dual(Box::new(Dual::new(manifest, grid, &mut pending)))
            } else {
                Ogg::Mono(Mono::new(manifest, first_channel, &mut pending))
            };
            Ok(Media {
                sealer: sealer.map_err(|error| SealError::disk(&path, &error))?,
                path,
                first_channel,
                ogg,
                pending,
            })
        });
        files.collect::<Result<_, _>>().map(Self)
    }

    /// Puts a packet in the file of its channel; packets come in the order of time.
    pub(super) fn entry(&mut self, entry: &Entry) -> Result<(), SealError> {
        let mut files = self.0.iter_mut().rev();
        let Some(file) = files.find(|file| file.first_channel <= entry.channel) else {
            return Ok(());
        };
        match &mut file.ogg {
            Ogg::Dual(dual) => dual.entry(entry, &mut file.pending),
            Ogg::Mono(mono) => mono.entry(entry, &mut file.pending),
        }
        file.write()
    }

    /// Completes the files, each as long as the take.
    pub(super) fn finish(self, total: MediaTime) -> Result<Vec<Done>, SealError> {
        self.0.into_iter().map(|file| file.finish(total)).collect()
    }
}

impl Media<'_> {
    fn write(&mut self) -> Result<(), SealError> {
        let written = self.sealer.write_all(&self.pending);
        self.pending.clear();
        written.map_err(|error| SealError::disk(&self.path, &error))
    }

    fn finish(mut self, total: MediaTime) -> Result<Done, SealError> {
        let samples = match self.ogg {
            Ogg::Dual(dual) => dual.finish(total, &mut self.pending),
            Ogg::Mono(mono) => mono.finish(total, &mut self.pending),
        };
        let written = self.sealer.write_all(&self.pending);
        let finished = written.and_then(|()| {
            let (file, sealed) = self.sealer.finish()?;
            file.finish()?;
            Ok(sealed)
        });
        Ok(Done {
            first_channel: self.first_channel as u8,
            samples,
            sealed: finished.map_err(|error| SealError::disk(&self.path, &error))?,
        })
    }
}
