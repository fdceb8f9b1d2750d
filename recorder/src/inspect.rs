//! Looking at a spool folder without using it: for tools.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use sidetone_vault::{Keyring, chunked};
use sidetone_wire::RecordingId;
use uuid::Uuid;

use crate::sealed::Sealed;
use crate::spool::{self, Batches, Kind, SpoolError, Tail};
use crate::{identity, load};

/// What lies in a spool folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// A process uses it now.
    pub in_use: bool,
    /// Who it says it is, and the token it keeps; `None` for a folder that was never used.
    pub identity: Option<(Uuid, Option<Uuid>)>,
    /// The takes in it, in the order of their ids.
    pub takes: Vec<Spooled>,
    /// Files that look like takes and are none.
    pub foreign: Vec<PathBuf>,
}

/// A take in a spool folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Whose it is.
    pub recording: RecordingId,
    /// How far it is.
    pub stage: Stage,
    /// What is wrong with its files.
    pub problem: Option<String>,
}

/// How far a take in the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Put aside because it was damaged; what could be read of it was sealed.
    Damaged,
    /// Media files of a seal that was cut off: the next start removes them.
    Remains,
    /// Being recorded, or cut off: the next start seals it.
    Unsealed,
    /// Complete: it waits for the store.
    Sealed,
}

/// Looks at a spool folder and verifies what is in it. Reads every take that is not sealed.
///
/// # Errors
/// When the folder cannot be read.
pub fn inspect(spool_dir: &Path, keyring: &Keyring) -> io::Result<Inspection> {
    let mut inspection = Inspection {
        in_use: false,
        identity: None,
        takes: Vec::new(),
        foreign: Vec::new(),
    };
    if !spool_dir.try_exists()? {
        return Ok(inspection);
    }
    inspection.in_use = is_in_use(spool_dir)?;
    inspection.identity = identity::read(spool_dir)?;
    for entry in std::fs::read_dir(spool_dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if spool::is_foreign(&name) {
            inspection.foreign.push(path);
        }
    }
    let mut takes = BTreeMap::new();
    for file in spool::files(spool_dir)? {
        let stage = match file.kind {
            Kind::Take(_) => Stage::Unsealed,
            Kind::Media => Stage::Remains,
            Kind::Sealed => Stage::Sealed,
            Kind::Damaged => Stage::Damaged,
        };
        let furthest = takes.entry(file.recording).or_insert(stage);
        *furthest = stage.max(*furthest);
    }
    inspection.takes = takes
        .into_iter()
        .map(|(recording, stage)| Spooled {
            recording,
            stage,
            problem: problem(spool_dir, keyring, recording, stage),
        })
        .collect();
    Ok(inspection)
}

fn is_in_use(spool_dir: &Path) -> io::Result<bool> {
    let lock = match File::open(spool_dir.join(load::LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        lock => lock?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What is wrong with a take's files, if anything. A take that goes meanwhile has no fault.
fn problem(
    spool_dir: &Path,
    keyring: &Keyring,
    recording: RecordingId,
    stage: Stage,
) -> Option<String> {
    match stage {
        Stage::Damaged | Stage::Remains => None,
        Stage::Unsealed => {
            let segments = spool::segments_of(spool_dir, recording).ok()?;
            match read_through(&segments, keyring) {
                Ok(Tail::Whole | Tail::Torn) => None,
                Ok(Tail::Damaged) => Some("its spool file is damaged".to_owned()),
                Err(SpoolError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => Some(error.to_string()),
            }
        }
        Stage::Sealed => match Sealed::read(spool_dir, recording, keyring) {
            Ok(sealed) => sealed.and_then(|sealed| missing(spool_dir, &sealed)),
            Err(error) => Some(error.to_string()),
        },
    }
}

fn read_through(segments: &[PathBuf], keyring: &Keyring) -> Result<Tail, SpoolError> {
    let mut batches = Batches::open(segments, keyring)?;
    let mut holes = false;
    while let Some(batch) = batches.next()? {
        holes |= batch.behind_hole;
    }
    Ok(if holes { Tail::Damaged } else { batches.tail() })
}

/// The file of a sealed take that is not as it was written, if any.
fn missing(spool_dir: &Path, sealed: &Sealed) -> Option<String> {
    let manifest = &sealed.booking.manifest;
    let extra = manifest.extra.iter().map(|file| file.bytes);
    let plain = std::iter::once(manifest.bytes).chain(extra);
    sealed.files.iter().zip(plain).find_map(|(file, plain)| {
        let expected = chunked::stored_len(plain);
        match spool_dir.join(&file.file).metadata() {
            Ok(data) if data.len() == expected => None,
            Ok(data) => Some(format!(
                "{} has {} bytes, {expected} were written",
                file.file,
                data.len()
            )),
            Err(error) => Some(format!("{}: {error}", file.file)),
        }
    })
}
