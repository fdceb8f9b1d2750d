//! From a take's spool file to its media and manifest.

mod dual;
mod gaps;
mod mono;
mod replay;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use sidetone_fleet::take::TakeError;
use sidetone_media::MediaTime;
use sidetone_service::clock;
use sidetone_wire::{Channel, Manifest, MediaFile, Party};

use crate::flush::{Core, Job};
use crate::store::{Object, Store, disk_error, object_key};
use crate::{metrics, spool};
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

/// Why a pass over the spool file ended early.
#[derive(Debug)]
enum SealError {
    /// A frame of 40 or 60 ms: the channels cannot share a file.
    Indivisible,
    Disk(TakeError),
    Spool(String),
}

impl From<SealError> for TakeError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Disk(error) => error,
            SealError::Spool(text) => Self::Seal(text),
            SealError::Indivisible => Self::Seal("a channel's packets cannot be divided".into()),
        }
    }
}

/// Seals ended takes until the flusher is done.
pub(crate) fn run(core: &Arc<Core>) {
    while let Some(job) = core.next_job() {
        let Job { recording, outcome } = job;
        let path = spool::path_of(&core.settings.spool_dir, recording);
        // a bug that one take brings to light must not cost the others theirs
        let result = catch_unwind(AssertUnwindSafe(|| seal(&path, &core.store)));
        let result =
            result.unwrap_or_else(|_| Err(TakeError::Seal("a bug: sealing panicked".into())));
        let Some(outcome) = outcome else { continue };
        if catch_unwind(AssertUnwindSafe(|| outcome(result))).is_err() {
            tracing::error!(%recording, "who was told of the recording panicked");
        }
    }
}

/// Seals the take in the spool file at `path` and removes the file. Doing it again gives the same
/// bytes under the same name.
pub(crate) fn seal(path: &Path, store: &Store) -> Result<Manifest, TakeError> {
    let started = clock::now();
    let result = seal_file(path, store).map_err(TakeError::from);
    let took = clock::now().saturating_duration_since(started);
    metrics::sealed(took, result.is_ok());
    match &result {
        Ok(manifest) => tracing::info!(
            recording = %manifest.recording,
            call = %manifest.call,
            duration_ms = manifest.duration_ms,
            bytes = manifest.bytes,
            gaps = manifest.gaps.len(),
            took_ms = took.as_millis() as u64,
            "recording sealed"
        ),
        Err(error) => {
            tracing::error!(spool = %path.display(), %error, "recording cannot be sealed");
        }
    }
    result
}

fn seal_file(path: &Path, store: &Store) -> Result<Manifest, SealError> {
    let mut replay = Replay::open(path)?;
    let mut manifest = replay.start()?;
    manifest.object = object_key(&manifest, SUFFIXES[0]);
    let told = match seal_dual(replay, &mut manifest, store) {
        Err(SealError::Indivisible) => seal_mono(path, &mut manifest, store)?,
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
    store
        .put_manifest(&manifest)
        .map_err(|e| SealError::Disk(disk_error(Path::new(&manifest.object), &e)))?;
    let done = if told.damaged {
        spool::put_aside(path).map(|aside| {
            tracing::error!(kept = %aside.display(), "the spool file was damaged: sealed up to there");
        })
    } else {
        std::fs::remove_file(path)
    };
    done.map_err(|e| SealError::Disk(disk_error(path, &e)))?;
    Ok(manifest)
}

/// Both channels in one file.
fn seal_dual(replay: Replay, manifest: &mut Manifest, store: &Store) -> Result<Told, SealError> {
    let mut out = Media::create(store, &manifest.object)?;
    let mut dual = dual::Dual::new(manifest, &mut out.pending);
    let told = replay.run(|entry| {
        dual.entry(&entry, &mut out.pending)?;
        out.write_if_large()
    })?;
    let samples = dual.finish(told.total(), &mut out.pending);
    manifest.duration_ms = MediaTime::from_samples(samples).ms();
    let object = out.finish()?;
    (manifest.bytes, manifest.sha256) = (object.bytes, object.sha256);
    Ok(told)
}

/// One file per channel: the first is the manifest's object, the second stands in `extra`.
fn seal_mono(path: &Path, manifest: &mut Manifest, store: &Store) -> Result<Told, SealError> {
    let mut last = None;
    for (index, party) in (0u8..).zip(CHANNELS) {
        let mut replay = Replay::open(path)?;
        replay.start()?;
        let key = object_key(manifest, SUFFIXES[usize::from(index)]);
        let mut out = Media::create(store, &key)?;
        let mut mono = mono::Mono::new(manifest, party, &mut out.pending);
        let told = replay.run(|entry| {
            mono.entry(&entry, &mut out.pending);
            out.write_if_large()
        })?;
        let samples = mono.finish(told.total(), &mut out.pending);
        let Object { bytes, sha256 } = out.finish()?;
        if index == 0 {
            manifest.duration_ms = MediaTime::from_samples(samples).ms();
            (manifest.bytes, manifest.sha256) = (bytes, sha256);
        } else {
            manifest.extra.push(MediaFile {
                channel: index,
                object: key,
                bytes,
                sha256,
            });
        }
        last = Some(told);
    }
    last.ok_or_else(|| SealError::Spool("no channel to seal".into()))
}

/// A media file being written, in large pieces.
struct Media {
    object: crate::store::ObjectWriter,
    pending: Vec<u8>,
}

impl Media {
    fn create(store: &Store, key: &str) -> Result<Self, SealError> {
        let object = store
            .create(key)
            .map_err(|e| SealError::Disk(disk_error(Path::new(key), &e)))?;
        Ok(Self {
            object,
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
        let written = self.object.write(&self.pending);
        self.pending.clear();
        written.map_err(|e| SealError::Disk(disk_error(self.object.path(), &e)))
    }

    fn finish(mut self) -> Result<Object, SealError> {
        self.write()?;
        let path = self.object.path().to_owned();
        self.object
            .finish()
            .map_err(|e| SealError::Disk(disk_error(&path, &e)))
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
