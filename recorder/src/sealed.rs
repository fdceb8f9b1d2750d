//! What a sealed take leaves in the spool for the uploader: `<recording>.sealed`, which is written
//! last and removed last, beside the encrypted files it names.
//!
//! It is JSON: whose it is, the wrapped data key, and under that key everything else, since a
//! booking has the names of who spoke.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sidetone_vault::{KeyError, Keyring, chunked};
use sidetone_wire::{Booking, RecordingId, WrappedKey};

use crate::disk::{self, Disk};

const EXTENSION: &str = "sealed";

/// A file's size at most: a manifest has at most a thousand gaps and pauses, and base64 adds a
/// third.
const MAX_BYTES: u64 = 6 << 20;

/// A take that is complete and waits for the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// As it is booked when its upload begins, in state `sealed`.
    pub(crate) booking: Booking,
    /// Its media files.
    pub(crate) files: Vec<SealedFile>,
}

/// The file as it lies there.
#[derive(Serialize, Deserialize)]
struct Envelope {
    recording: RecordingId,
    /// Slug of the tenant for whom the key is wrapped.
    tenant: String,
    key: WrappedKey,
    /// An encrypted object (libs/vault) with the [`Sealed`] as JSON; base64.
    sealed: String,
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
    pub(crate) fn write(
        &self,
        disk: &dyn Disk,
        spool_dir: &Path,
        keyring: &Keyring,
    ) -> io::Result<()> {
        let Booking { manifest, key, .. } = &self.booking;
        let data_key = keyring
            .unwrap(key, &manifest.tenant, manifest.recording)
            .map_err(io::Error::other)?;
        let mut sealer = chunked::Sealer::new(Vec::new(), &data_key)?;
        sealer.write_all(&serde_json::to_vec(self)?)?;
        let envelope = Envelope {
            recording: manifest.recording,
            tenant: manifest.tenant.clone(),
            key: key.clone(),
            sealed: STANDARD.encode(sealer.finish()?.0),
        };
        let path = path_of(spool_dir, self.recording());
        disk::write_whole(disk, &path, &serde_json::to_vec(&envelope)?)
    }

    /// Reads that of a recording; `None` when there is none.
    ///
    /// # Errors
    /// `InvalidData` when it is damaged; another kind when it is of another master key, or the
    /// disk refuses.
    pub(crate) fn read(
        spool_dir: &Path,
        recording: RecordingId,
        keyring: &Keyring,
    ) -> io::Result<Option<Self>> {
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
        let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|error| broken(&error))?;
        let data_key = keyring
            .unwrap(&envelope.key, &envelope.tenant, recording)
            .map_err(|error| match error {
                KeyError::Rejected | KeyError::Malformed => broken(&error),
                KeyError::OtherMaster { .. } | KeyError::NoRandomness => io::Error::other(error),
            })?;
        let stored = STANDARD.decode(&envelope.sealed);
        let stored = stored.map_err(|error| broken(&error))?;
        let plain = chunked::open_whole(&data_key, &stored).map_err(|error| broken(&error))?;
        let sealed: Self = serde_json::from_slice(&plain).map_err(|error| broken(&error))?;
        if envelope.recording != recording || sealed.recording() != recording {
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
    use sidetone_vault::DataKey;
    use sidetone_wire::{CallId, Channel, Manifest, Party, TakeState, Timestamp};

    use super::*;
    use crate::disk::Local;

    fn keyring(byte: u8) -> Keyring {
        Keyring::from_base64(&STANDARD.encode([byte; 32]).into()).unwrap()
    }

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
            channels: vec![Channel {
                index: 0,
                party: Party::Customer,
                name: Some("Zoë Marker".into()),
            }],
            gaps: Vec::new(),
            pauses: Vec::new(),
            object: object.clone(),
            bytes: 1,
            sha256: String::new(),
            key_id: Some("0".into()),
            software: String::new(),
            extra: Vec::new(),
        };
        let key = DataKey::generate().unwrap();
        let key = keyring(1).wrap(&key, "acme", recording).unwrap();
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
            sealed.write(&Local, spool, &keyring(1)).unwrap();
            std::fs::write(spool.join(&sealed.files[0].file), b"x").unwrap();
            assert_eq!(
                Sealed::read(spool, sealed.recording(), &keyring(1)).unwrap(),
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
        assert_eq!(Sealed::read(spool, ids[0], &keyring(1)).unwrap(), None);
        assert!(!spool.join(file_name(ids[0], 0)).exists());
    }

    #[test]
    fn a_file_that_is_damaged_or_names_what_is_not_its_own_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path();
        let good = sealed(1);
        let path = path_of(spool, good.recording());
        let written = |sealed: &Sealed| {
            sealed.write(&Local, spool, &keyring(1)).unwrap();
            std::fs::read(path_of(spool, sealed.recording())).unwrap()
        };
        let mut foreign = good.clone();
        foreign.files[0].file = "../secret".into();
        let foreign = written(&foreign);
        let other = written(&sealed(2));
        let whole = written(&good);
        let text = String::from_utf8(whole.clone()).unwrap();
        assert!(!text.contains("Marker"), "{text}");
        let mut flipped = whole.clone();
        let at = text.find("sealed\":\"").unwrap() + 200;
        flipped[at] ^= 1;
        for bytes in [foreign, other, whole[..90].to_vec(), vec![], flipped] {
            std::fs::write(&path, bytes).unwrap();
            let read = Sealed::read(spool, good.recording(), &keyring(1));
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        std::fs::write(&path, whole).unwrap();
        let read = Sealed::read(spool, good.recording(), &keyring(2));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::Other);
        assert!(Sealed::read(spool, good.recording(), &keyring(1)).is_ok());
    }
}
