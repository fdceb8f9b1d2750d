//! What a sealed take leaves in the spool for the uploader: `<recording>.sealed`, JSON that is
//! written last and removed last, beside the encrypted files it names.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sidetone_wire::{Booking, RecordingId};

use crate::disk::{self, Disk};

const EXTENSION: &str = "sealed";

/// A file's size at most: a manifest has at most a thousand gaps and pauses.
const MAX_BYTES: u64 = 4 << 20;

/// A take that is complete and waits for the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// As it is booked when its upload begins, in state `sealed`.
    pub(crate) booking: Booking,
    /// Its media files.
    pub(crate) files: Vec<SealedFile>,
}

/// An encrypted file of a take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedFile {
    /// Its name in the spool folder: `<recording>.<n>.enc`, 0 is the manifest's `object`.
    pub(crate) file: String,
    /// Its name in the store.
    pub(crate) object: String,
}

impl Sealed {
    /// Writes it durably. The files it names are durable before.
    pub(crate) fn write(&self, disk: &dyn Disk, spool_dir: &Path) -> io::Result<()> {
        let path = path_of(spool_dir, self.recording());
        disk::write_whole(disk, &path, &serde_json::to_vec(self)?)
    }

    /// Reads that of a recording; `None` when there is none.
    pub(crate) fn read(spool_dir: &Path, recording: RecordingId) -> io::Result<Option<Self>> {
        let path = path_of(spool_dir, recording);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        let broken = |why: &dyn std::fmt::Display| {
            let text = format!("{} is damaged: {why}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let sealed: Self = serde_json::from_slice(&bytes).map_err(|error| broken(&error))?;
        if sealed.recording() != recording {
            return Err(broken(&"it is another recording's"));
        }
        for (n, named) in sealed.files.iter().enumerate() {
            if named.file != file_name(recording, n) {
                return Err(broken(&"it names a file that is not the recording's"));
            }
        }
        Ok(Some(sealed))
    }

    /// Whose it is.
    pub(crate) fn recording(&self) -> RecordingId {
        self.booking.manifest.recording
    }
}

/// Where it lies.
pub(crate) fn path_of(spool_dir: &Path, recording: RecordingId) -> PathBuf {
    spool_dir.join(format!("{recording}.{EXTENSION}"))
}

/// The name of a take's `n`th encrypted file in the spool folder.
pub(crate) fn file_name(recording: RecordingId, n: usize) -> String {
    format!("{recording}.{n}.enc")
}

/// The takes of a spool folder that wait for the store, in the order of their ids, which is that
/// of their begin.
pub(crate) fn list(spool_dir: &Path) -> io::Result<Vec<RecordingId>> {
    let mut waiting = Vec::new();
    for entry in std::fs::read_dir(spool_dir)? {
        let name = entry?.file_name();
        let recording: Option<RecordingId> = Path::new(&name)
            .extension()
            .filter(|extension| *extension == EXTENSION)
            .and_then(|_| Path::new(&name).file_stem()?.to_str()?.parse().ok());
        waiting.extend(recording);
    }
    waiting.sort_unstable();
    Ok(waiting)
}

/// Removes what the spool has of a recording that was sealed: the encrypted files (also those of a
/// seal that was cut off), last the `.sealed` file. What is not there is fine.
pub(crate) fn remove(disk: &dyn Disk, spool_dir: &Path, recording: RecordingId) -> io::Result<()> {
    for n in 0..MAX_FILES {
        disk.remove(&spool_dir.join(file_name(recording, n)))?;
    }
    disk.sync_folder(spool_dir)?;
    disk.remove(&path_of(spool_dir, recording))
}

/// Media files that a take has at most: one for each channel.
pub(crate) const MAX_FILES: usize = 8;

#[cfg(test)]
mod tests {
    use sidetone_wire::{CallId, Manifest, TakeState, Timestamp, WrappedKey};

    use super::*;
    use crate::disk::Local;

    fn sealed(n: u128) -> Sealed {
        let recording = RecordingId(uuid::Uuid::from_u128(n));
        let object = format!("objects/acme/2026/11/{recording}.enc");
        let manifest = Manifest {
            version: 2,
            recording,
            call: CallId(uuid::Uuid::from_u128(7)),
            tenant: "acme".into(),
            started_at: Timestamp::from_unix_ms(1_793_000_000_000),
            duration_ms: 1,
            channels: Vec::new(),
            gaps: Vec::new(),
            pauses: Vec::new(),
            object: object.clone(),
            bytes: 1,
            sha256: String::new(),
            key_id: Some("0".into()),
            software: String::new(),
            extra: Vec::new(),
        };
        let key = WrappedKey {
            key_id: "0".into(),
            wrapped: "AAAA".into(),
        };
        Sealed {
            booking: Booking {
                manifest,
                key,
                state: TakeState::Sealed,
            },
            files: vec![SealedFile {
                file: file_name(recording, 0),
                object,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_listed_in_order_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path();
        for n in [3, 1, 2] {
            let sealed = sealed(n);
            sealed.write(&Local, spool).unwrap();
            std::fs::write(spool.join(&sealed.files[0].file), b"x").unwrap();
            assert_eq!(
                Sealed::read(spool, sealed.recording()).unwrap(),
                Some(sealed)
            );
        }
        std::fs::write(spool.join("other.sealed"), b"x").unwrap();
        std::fs::write(spool.join(".1.sealed.tmp"), b"x").unwrap();
        let ids: Vec<_> = (1..=3).map(|n| sealed(n).recording()).collect();
        assert_eq!(list(spool).unwrap(), ids);
        remove(&Local, spool, ids[0]).unwrap();
        remove(&Local, spool, ids[0]).unwrap();
        assert_eq!(list(spool).unwrap(), ids[1..]);
        assert_eq!(Sealed::read(spool, ids[0]).unwrap(), None);
        assert!(!spool.join(file_name(ids[0], 0)).exists());
    }

    #[test]
    fn a_file_that_is_damaged_or_names_what_is_not_its_own_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path();
        let good = sealed(1);
        let path = path_of(spool, good.recording());
        let mut foreign = good.clone();
        foreign.files[0].file = "../secret".into();
        let other = sealed(2);
        let json = |sealed: &Sealed| serde_json::to_vec(sealed).unwrap();
        let whole = json(&good);
        for bytes in [json(&foreign), json(&other), whole[..90].to_vec(), vec![]] {
            std::fs::write(&path, bytes).unwrap();
            let read = Sealed::read(spool, good.recording());
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
