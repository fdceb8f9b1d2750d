//! What lies in the spool: bytes against its budget, takes that wait for the store.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sidetone_service::clock;
use sidetone_wire::Backlog;

use crate::metrics;
use crate::spool::{self, Kind};

/// Figures of the spool. Counted anew from the folder every few seconds; between, what is written
/// is added.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    bytes: AtomicU64,
    sealed: AtomicU32,
    uploading: AtomicU32,
    /// Unix milliseconds at which the oldest take was sealed; 0: there is none.
    oldest_unix_ms: AtomicI64,
    /// Why the latest try to store a take failed, while it does.
    upload_error: Mutex<Option<String>>,
}

impl Stock {
    /// Bytes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Adds what was written.
    pub(crate) fn written(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts what is in the folder.
    pub(crate) fn count(&self, spool_dir: &Path) -> io::Result<()> {
        let (mut bytes, mut sealed, mut oldest) = (0, 0, 0);
        for file in spool::files(spool_dir)? {
            // a file that went since the folder was read counts nothing
            let Ok(data) = file.path.metadata() else {
                continue;
            };
            bytes += data.len();
            if file.kind == Kind::Sealed {
                sealed += 1;
                let unix_ms = unix_ms_of(&data);
                if oldest == 0 || unix_ms < oldest {
                    oldest = unix_ms;
                }
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        self.sealed.store(sealed, Ordering::Relaxed);
        self.oldest_unix_ms.store(oldest, Ordering::Relaxed);
        metrics::spool_bytes(bytes);
        Ok(())
    }

    /// Says how many takes are being sent to the store.
    pub(crate) fn set_uploading(&self, takes: usize) {
        self.uploading.store(takes as u32, Ordering::Relaxed);
    }

    /// Says why takes do not get to the store, or that they do.
    pub(crate) fn set_upload_error(&self, error: Option<String>) {
        *self
            .upload_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// The figures that are known here.
    pub(crate) fn backlog(&self) -> Backlog {
        let uploading = self.uploading.load(Ordering::Relaxed);
        let oldest = self.oldest_unix_ms.load(Ordering::Relaxed);
        let error = self.upload_error.lock();
        Backlog {
            uploading,
            waiting: self
                .sealed
                .load(Ordering::Relaxed)
                .saturating_sub(uploading),
            bytes: self.bytes(),
            oldest_seconds: match oldest {
                0 => 0,
                unix_ms => (clock::wall() - unix_ms).max(0).unsigned_abs() / 1_000,
            },
            error: error.unwrap_or_else(PoisonError::into_inner).clone(),
            ..Backlog::default()
        }
    }
}

fn unix_ms_of(data: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    data.mtime() * 1_000 + data.mtime_nsec() / 1_000_000
}
