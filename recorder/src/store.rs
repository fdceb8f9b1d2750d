//! The store on the local disk: sealed files, whole or not there.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sidetone_fleet::take::TakeError;
use sidetone_wire::Manifest;

use crate::spool;

/// Owner only: recordings are personal data.
const FOLDER_MODE: u32 = 0o700;

/// Sealed files under one folder.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in this folder, which is created when it is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        create_folder(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Begins the object named `key`. It appears under that name when it is finished, in place of
    /// one of the same name.
    pub(crate) fn create(&self, key: &str) -> io::Result<ObjectWriter> {
        let path = self.root.join(key);
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let temporary = spool::temporary_of(&path);
        let file = spool::create(&temporary)?;
        Ok(ObjectWriter {
            file,
            path,
            temporary,
            hash: Sha256::new(),
            bytes: 0,
            finished: false,
        })
    }

    /// Puts the manifest beside its media.
    pub(crate) fn put_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let path = self.root.join(&manifest.object).with_extension("json");
        spool::write_whole(&path, &serde_json::to_vec_pretty(manifest)?)
    }
}

fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
}

/// The name of a take's media: `objects/<tenant>/<yyyy>/<mm>/<recording><suffix>.ogg`.
pub(crate) fn object_key(manifest: &Manifest, suffix: &str) -> String {
    let started = manifest.started_at.to_string();
    let (year, month) = (&started[..4], &started[5..7]);
    let tenant = folder_name(&manifest.tenant);
    format!(
        "objects/{tenant}/{year}/{month}/{}{suffix}.ogg",
        manifest.recording
    )
}

/// A tenant's slug as a folder: whatever else it may hold, it stays one folder below the root.
fn folder_name(tenant: &str) -> String {
    let mut name: String = tenant
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    if name.is_empty() {
        name.push('_');
    }
    name
}

/// A system's error as the take's.
pub(crate) fn disk_error(path: &Path, error: &io::Error) -> TakeError {
    TakeError::Disk {
        path: path.display().to_string(),
        error: error.to_string(),
    }
}

/// An object being written. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    hash: Sha256,
    bytes: u64,
    finished: bool,
}

/// A finished object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) bytes: u64,
    /// Lower-case hex.
    pub(crate) sha256: String,
}

impl ObjectWriter {
    /// Where it will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Makes it durable under its name.
    pub(crate) fn finish(mut self) -> io::Result<Object> {
        self.file.sync_all()?;
        spool::rename(&self.temporary, &self.path)?;
        self.finished = true;
        let sha256 = hex::encode(std::mem::take(&mut self.hash).finalize());
        Ok(Object {
            bytes: self.bytes,
            sha256,
        })
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if !self.finished {
            // what stays behind has a hidden name and is overwritten by the next try
            drop(std::fs::remove_file(&self.temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_one_folder_whatever_its_slug() {
        assert_eq!(folder_name("acme-2"), "acme-2");
        assert_eq!(folder_name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(folder_name(""), "_");
        assert_eq!(folder_name(&"x".repeat(500)).len(), 64);
    }

    #[test]
    fn an_object_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut object = store.create("a/b.ogg").unwrap();
        object.write(b"half").unwrap();
        drop(object);
        assert_eq!(
            std::fs::read_dir(folder.path().join("a")).unwrap().count(),
            0
        );
        let mut object = store.create("a/b.ogg").unwrap();
        object.write(b"abc").unwrap();
        let object = object.finish().unwrap();
        assert_eq!(object.bytes, 3);
        assert_eq!(
            object.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            std::fs::read(folder.path().join("a/b.ogg")).unwrap(),
            b"abc"
        );
    }
}
