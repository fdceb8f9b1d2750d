//! From a take's spool file to its media and manifest.

mod dual;
mod gaps;
mod mono;
mod object;
mod pauses;
mod replay;

use std::io::{self, Write as _};
use std::path::Path;

use sidetone_fleet::take::TakeError;
use sidetone_media::MediaTime;
use sidetone_vault::chunked::Sealer;
use sidetone_vault::{DataKey, Keyring};
use sidetone_wire::{Booking, Channel, Manifest, MediaFile, Party, RecordingId, TakeState};

use crate::disk::{Disk, Whole};
use crate::sealed::{self, Sealed, SealedFile};
use crate::spool::{self, SpoolError};
use object::object_key;
use replay::{Replay, Told};

/// The longest take, in samples at 48 kHz: 24 h. What lies later is a fault of a clock.
const MAX_TAKE_SAMPLES: u64 = 24 * 3_600 * MediaTime::RATE_HZ;
/// Samples of a slot: 20 ms.
const SLOT_SAMPLES: u64 = 960;
/// The parties that have a channel, left first.
const CHANNELS: [Party; 2] = [Party::Customer, Party::Agent];
/// File name's addition of each channel's own file.
const SUFFIXES: [&str; 2] = ["", ".agent"];
/// Bytes of media that are collected before they are written.
const WRITE_BYTES: usize = 64 << 10;

/// Why a take cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// A frame of 40 or 60 ms: the channels cannot share a file.
    #[error("a channel's packets cannot be divided")]
    Indivisible,
    /// The disk refuses: worth another try.
    #[error("{0}")]
    Disk(TakeError),
    /// What the spool has cannot be read.
    #[error("{0}")]
    Spool(String),
}

impl SealError {
    fn disk(path: &Path, error: &io::Error) -> Self {
        Self::Disk(TakeError::Disk {
            path: path.display().to_string(),
            error: error.to_string(),
        })
    }
}

/// Where a take is sealed.
struct Bench<'a> {
    disk: &'a dyn Disk,
    spool_dir: &'a Path,
    keyring: &'a Keyring,
    recording: RecordingId,
}

/// Seals a take: writes its media, encrypted, and last what says that it is complete; removes its
/// spool files. Does nothing but the last when it is complete already.
pub(crate) fn seal(
    disk: &dyn Disk,
    spool_dir: &Path,
    keyring: &Keyring,
    recording: RecordingId,
) -> Result<Sealed, SealError> {
    let bench = Bench {
        disk,
        spool_dir,
        keyring,
        recording,
    };
    let failed = |error: io::Error| SealError::disk(spool_dir, &error);
    if let Some(sealed) = Sealed::read(spool_dir, recording).map_err(failed)? {
        spool::remove_segments(disk, spool_dir, recording).map_err(failed)?;
        return Ok(sealed);
    }
    let (sealed, damaged) = bench.seal()?;
    sealed.write(disk, spool_dir).map_err(failed)?;
    if damaged {
        tracing::error!(%recording, "the spool file was damaged: sealed up to there, and kept");
        spool::put_aside(disk, spool_dir, recording).map_err(failed)?;
    } else {
        spool::remove_segments(disk, spool_dir, recording).map_err(failed)?;
    }
    Ok(sealed)
}

impl Bench<'_> {
    fn replay(&self) -> Result<Replay, SealError> {
        let path = spool::path_of(self.spool_dir, self.recording, 0);
        let segments = spool::segments_of(self.spool_dir, self.recording)
            .map_err(|error| SealError::disk(&path, &error))?;
        Replay::open(&path, &segments, self.keyring)
    }

    fn seal(&self) -> Result<(Sealed, bool), SealError> {
        let mut replay = self.replay()?;
        let mut manifest = replay.start()?;
        let key = replay.key().clone();
        let wrapped = replay.wrapped().clone();
        manifest.object = object_key(&manifest, SUFFIXES[0]);
        let told = match self.seal_dual(replay, &mut manifest, &key) {
            Err(SealError::Indivisible) => self.seal_mono(&mut manifest, &key)?,
            other => other?,
        };
        let mut names = told.names;
        manifest.channels = (0u8..)
            .zip(CHANNELS)
            .map(|(index, party)| Channel {
                index,
                party,
                name: names[usize::from(index)].take(),
            })
            .collect();
        manifest.gaps = told.gaps.into_list(manifest.duration_ms);
        manifest.pauses = told.pauses.into_list(manifest.duration_ms);
        let objects = std::iter::once(&manifest.object);
        let objects = objects.chain(manifest.extra.iter().map(|file| &file.object));
        let files = objects.enumerate().map(|(n, object)| SealedFile {
            file: sealed::file_name(self.recording, n),
            object: object.clone(),
        });
        let files = files.collect();
        let booking = Booking {
            manifest,
            key: wrapped,
            state: TakeState::Sealed,
        };
        Ok((Sealed { booking, files }, told.damaged))
    }

    /// Both channels in one file.
    fn seal_dual(
        &self,
        replay: Replay,
        manifest: &mut Manifest,
        key: &DataKey,
    ) -> Result<Told, SealError> {
        let mut out = Media::create(self, 0, key)?;
        let mut dual = dual::Dual::new(manifest, &mut out.pending);
        let told = replay.run(|entry| {
            dual.entry(&entry, &mut out.pending)?;
            out.write_if_large()
        })?;
        let samples = dual.finish(told.total(), &mut out.pending);
        manifest.duration_ms = MediaTime::from_samples(samples).ms();
        (manifest.bytes, manifest.sha256) = out.finish()?;
        Ok(told)
    }

    /// One file per channel: the first is the manifest's object, the second stands in `extra`.
    fn seal_mono(&self, manifest: &mut Manifest, key: &DataKey) -> Result<Told, SealError> {
        let mut last = None;
        for (index, party) in (0u8..).zip(CHANNELS) {
            let mut replay = self.replay()?;
            replay.start()?;
            let mut out = Media::create(self, usize::from(index), key)?;
            let mut mono = mono::Mono::new(manifest, party, &mut out.pending);
            let told = replay.run(|entry| {
                mono.entry(&entry, &mut out.pending);
                out.write_if_large()
            })?;
            let samples = mono.finish(told.total(), &mut out.pending);
            let (bytes, sha256) = out.finish()?;
            if index == 0 {
                manifest.duration_ms = MediaTime::from_samples(samples).ms();
                (manifest.bytes, manifest.sha256) = (bytes, sha256);
            } else {
                manifest.extra.push(MediaFile {
                    channel: index,
                    object: object_key(manifest, SUFFIXES[usize::from(index)]),
                    bytes,
                    sha256,
                });
            }
            last = Some(told);
        }
        last.ok_or_else(|| SealError::Spool("no channel to seal".into()))
    }
}

/// A media file being written, in large pieces.
struct Media<'a> {
    path: std::path::PathBuf,
    sealer: Sealer<Whole<'a>>,
    pending: Vec<u8>,
}

impl<'a> Media<'a> {
    fn create(bench: &Bench<'a>, n: usize, key: &DataKey) -> Result<Self, SealError> {
        let path = bench.spool_dir.join(sealed::file_name(bench.recording, n));
        let sealer = Whole::create(bench.disk, &path).and_then(|file| Sealer::new(file, key));
        Ok(Self {
            sealer: sealer.map_err(|error| SealError::disk(&path, &error))?,
            path,
            pending: Vec::with_capacity(2 * WRITE_BYTES),
        })
    }

    fn write_if_large(&mut self) -> Result<(), SealError> {
        if self.pending.len() >= WRITE_BYTES {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> Result<(), SealError> {
        let written = self.sealer.write_all(&self.pending);
        self.pending.clear();
        written.map_err(|error| SealError::disk(&self.path, &error))
    }

    /// Gives the size of what is in it and its hash.
    fn finish(mut self) -> Result<(u64, String), SealError> {
        self.write()?;
        let path = self.path;
        let finished = self.sealer.finish().and_then(|(file, sealed)| {
            file.finish()?;
            Ok((sealed.plain_bytes, sealed.plain_sha256))
        });
        finished.map_err(|error| SealError::disk(&path, &error))
    }
}

impl From<(&Path, SpoolError)> for SealError {
    fn from((path, error): (&Path, SpoolError)) -> Self {
        match error {
            SpoolError::Disk(error) => Self::disk(path, &error),
            SpoolError::Former | SpoolError::Foreign | SpoolError::Empty | SpoolError::Key(_) => {
                Self::Spool(format!("{}: {error}", path.display()))
            }
        }
    }
}

/// The Ogg stream's serial number: any will do, but the same each time the take is sealed.
fn serial_of(manifest: &Manifest) -> u32 {
    manifest.recording.0.as_u128() as u32
}

/// The comments that a file carries for who finds it alone.
fn tags_of(manifest: &Manifest) -> Vec<u8> {
    let recording = manifest.recording.to_string();
    let started = manifest.started_at.to_string();
    sidetone_media::ogg::opus_tags(
        crate::SOFTWARE,
        &[
            ("RECORDING", recording.as_str()),
            ("DATE", started.as_str()),
        ],
    )
}

#[cfg(test)]
mod tests;
