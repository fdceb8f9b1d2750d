//! From a take's spool to its media, encrypted, and what says that it is complete.
//!
//! The spool is read twice: once for what concerns the take as a whole (its end, pauses, who
//! speaks beside whom), once for its packets in the order of their time.

mod dual;
mod extent;
mod gaps;
mod media;
mod mono;
mod object;
mod pauses;
mod replay;
mod survey;
mod tracks;

use std::io;
use std::path::{Path, PathBuf};

use sidetone_fleet::take::TakeError;
use sidetone_media::MediaTime;
use sidetone_vault::Keyring;
use sidetone_wire::{Booking, Channel, Manifest, MediaFile, Party, RecordingId, TakeState};

use crate::disk::Disk;
use crate::sealed::{self, MAX_FILES, Sealed, SealedFile};
use crate::spool::{self, Batches, SpoolError};
use media::{Done, MediaFiles};
pub(crate) use object::OBJECTS;
use object::object_name;
use replay::Replay;
use survey::Survey;

/// The longest take, in samples at 48 kHz: 24 h. What lies later is a fault of a clock.
const MAX_TAKE_SAMPLES: u64 = 24 * 3_600 * MediaTime::RATE_HZ;
/// Samples of a slot: 20 ms.
const SLOT_SAMPLES: u64 = 960;
/// The parties that always have a channel, left first.
const CHANNELS: [Party; 2] = [Party::Customer, Party::Agent];
/// Channels of a take; who comes when all are taken is left out.
const MAX_CHANNELS: usize = MAX_FILES;

/// Why a take cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
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

/// A take in a spool folder.
struct Spool<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
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
    let spool = Spool {
        disk,
        dir: spool_dir,
        keyring,
        recording,
    };
    let failed = |error: io::Error| SealError::disk(spool_dir, &error);
    if let Some(sealed) = spool.sealed()? {
        spool::remove_segments(disk, spool_dir, recording).map_err(failed)?;
        return Ok(sealed);
    }
    let segments = spool::segments_of(spool_dir, recording).map_err(failed)?;
    let survey = Survey::of(&spool, spool.open(&segments)?)?;
    let damaged = survey.damaged;
    let sealed = spool.write(survey, spool.open(&segments)?)?;
    sealed.write(disk, spool_dir, keyring).map_err(failed)?;
    if damaged {
        tracing::error!(%recording, "the spool file was damaged: what can be read of it is sealed, and it is kept");
        spool::put_aside(disk, spool_dir, recording).map_err(failed)?;
    } else {
        spool::remove_segments(disk, spool_dir, recording).map_err(failed)?;
    }
    Ok(sealed)
}

impl Spool<'_> {
    fn disk(&self, error: &io::Error) -> SealError {
        SealError::disk(self.dir, error)
    }

    fn unreadable(&self, why: &str) -> SealError {
        let path = spool::path_of(self.dir, self.recording, 0);
        SealError::Spool(format!("{}: {why}", path.display()))
    }

    /// What says that the take is complete, if it is.
    fn sealed(&self) -> Result<Option<Sealed>, SealError> {
        match Sealed::read(self.dir, self.recording, self.keyring) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(recording = %self.recording, %error, "the take is sealed again");
                Ok(None)
            }
            read => read.map_err(|error| self.disk(&error)),
        }
    }

    fn open(&self, segments: &[PathBuf]) -> Result<Batches, SealError> {
        Batches::open(segments, self.keyring).map_err(|error| match error {
            SpoolError::Disk(error) => self.disk(&error),
            SpoolError::Former | SpoolError::Foreign | SpoolError::Empty | SpoolError::Key(_) => {
                self.unreadable(&error.to_string())
            }
        })
    }

    /// Writes the media; what is complete then is told in what it gives.
    fn write(&self, survey: Survey, batches: Batches) -> Result<Sealed, SealError> {
        let Survey {
            mut manifest,
            key,
            wrapped,
            names,
            mut gaps,
            paused,
            channels,
            grid,
            total,
            damaged: _,
        } = survey;
        let mut files = MediaFiles::create(self, &manifest, &channels, &grid, &key)?;
        let replay = Replay::new(&paused, &channels, total);
        replay.run(self, batches, &mut gaps, |entry| files.entry(entry))?;
        let objects = note_files(&mut manifest, files.finish(total)?);
        manifest.channels = named(&channels.parties, names);
        manifest.gaps = gaps.into_list(manifest.duration_ms);
        manifest.pauses = paused.into_list(manifest.duration_ms);
        let files = objects
            .into_iter()
            .enumerate()
            .map(|(n, object)| SealedFile {
                file: sealed::file_name(self.recording, n),
                object,
            });
        Ok(Sealed {
            files: files.collect(),
            booking: Booking {
                manifest,
                key: wrapped,
                state: TakeState::Sealed,
            },
        })
    }
}

/// Notes the media files in the manifest; gives their names in the store.
fn note_files(manifest: &mut Manifest, files: Vec<Done>) -> Vec<String> {
    let mut objects = Vec::with_capacity(files.len());
    for file in files {
        let object = object_name(manifest, file.first_channel);
        let (bytes, sha256) = (file.sealed.plain_bytes, file.sealed.plain_sha256);
        if objects.is_empty() {
            manifest.duration_ms = MediaTime::from_samples(file.samples).ms();
            manifest.object.clone_from(&object);
            (manifest.bytes, manifest.sha256) = (bytes, sha256);
        } else {
            manifest.extra.push(MediaFile {
                channel: file.first_channel,
                object: object.clone(),
                bytes,
                sha256,
            });
        }
        objects.push(object);
    }
    objects
}

/// The channels with their parties' names: a party's name is that of who was there first.
fn named(parties: &[Party], mut names: Vec<(Party, String)>) -> Vec<Channel> {
    let channels = (0u8..).zip(parties).map(|(index, &party)| {
        let known = names.iter().position(|(named, _)| *named == party);
        Channel {
            index,
            party,
            name: known.map(|n| names.swap_remove(n).1),
        }
    });
    channels.collect()
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
