//! Starting the recorder: the folders, what the last process left, the threads.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sidetone_fleet::take::{Outcome, Take, TakeError, TakeStart};
use sidetone_wire::Manifest;

use crate::buffer::Shared;
use crate::flush::{self, Begun, Core};
use crate::seal;
use crate::store::Store;
use crate::take::Running;
use crate::{SOFTWARE, Settings, spool};

/// Why the recorder cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A folder cannot be used.
    #[error("{what} {path}: {error}")]
    Folder {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process records into the same spool folder.
    #[error("the spool folder {0} is in use by another process; give each its own")]
    InUse(PathBuf),
    /// No thread.
    #[error("the recorder's thread cannot be started: {0}")]
    Thread(io::Error),
}

/// A take that the last process did not finish: now in the store, or why not. Its spool file is
/// kept when it is not.
#[derive(Debug)]
pub struct Recovered {
    /// Its spool file.
    pub spool: PathBuf,
    /// What became of it.
    pub result: Result<Manifest, TakeError>,
}

/// The recorder. Dropping it lets its threads finish what ended, without waiting for them; see
/// [`Recorder::shutdown`].
pub struct Recorder {
    core: Arc<Core>,
    recovered: Mutex<Vec<Recovered>>,
}

/// Starts the recorder: makes the folders, seals what the last process left in the spool, starts
/// the threads. Blocks for as long as the sealing takes.
///
/// # Errors
/// When a folder cannot be used, or another process uses the spool.
pub fn load(settings: Settings) -> Result<Recorder, LoadError> {
    let folder = |what, path: &Path| {
        let path = path.to_owned();
        move |error| LoadError::Folder { what, path, error }
    };
    let spool_dir = &settings.spool_dir;
    // the store's way of making folders: for their owner only
    Store::open(spool_dir).map_err(folder("the spool folder", spool_dir))?;
    let lock = File::create(spool_dir.join(".lock"))
        .map_err(folder("the lock in the spool folder", spool_dir))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LoadError::InUse(spool_dir.clone())),
        Err(TryLockError::Error(error)) => {
            return Err(folder("the lock in the spool folder", spool_dir)(error));
        }
    }
    let store = Store::open(&settings.store_dir)
        .map_err(folder("the store's folder", &settings.store_dir))?;
    let recovered = recover(spool_dir, &store).map_err(folder("the spool folder", spool_dir))?;

    let core = Arc::new(Core::new(settings, store, lock));
    let (flusher, sealer) = (core.clone(), core.clone());
    let spawn = |name: &str| thread::Builder::new().name(format!("recorder-{name}"));
    spawn("flush")
        .spawn(move || flush::run(&flusher))
        .map_err(LoadError::Thread)?;
    spawn("seal")
        .spawn(move || seal::run(&sealer))
        .map_err(|error| {
            core.stop();
            LoadError::Thread(error)
        })?;
    Ok(Recorder {
        core,
        recovered: Mutex::new(recovered),
    })
}

fn recover(spool_dir: &Path, store: &Store) -> io::Result<Vec<Recovered>> {
    let mut recovered = Vec::new();
    for spool in spool::list(spool_dir)? {
        let result = seal::seal(&spool, store);
        recovered.push(Recovered { spool, result });
    }
    Ok(recovered)
}

impl Recorder {
    /// What became of the takes that the last process did not finish; empty the second time.
    pub fn take_recovered(&self) -> Vec<Recovered> {
        std::mem::take(
            &mut *self
                .recovered
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Seals what has ended and stops; takes still running stay in the spool for the next start.
    /// Blocks until that is done, at most `within`; gives whether it is. Takes end before this is
    /// called: what they write later is lost.
    pub fn shutdown(&self, within: Duration) -> bool {
        self.core.stop();
        self.core.wait_done(within)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.core.stop();
    }
}

impl sidetone_fleet::take::Recorder for Recorder {
    fn begin(&self, start: TakeStart, outcome: Outcome) -> Result<Box<dyn Take>, TakeError> {
        let manifest = Manifest {
            version: 1,
            recording: start.recording,
            call: start.call,
            tenant: start.tenant,
            started_at: start.started_at,
            duration_ms: 0,
            channels: Vec::new(),
            gaps: Vec::new(),
            pauses: Vec::new(),
            object: String::new(),
            bytes: 0,
            sha256: String::new(),
            software: SOFTWARE.into(),
            extra: Vec::new(),
        };
        let batch = serde_json::to_vec(&manifest).map_err(|e| TakeError::Seal(e.to_string()))?;
        let shared = Arc::new(Shared::new(self.core.budget.clone(), outcome));
        let begun = Begun {
            recording: start.recording,
            start: batch,
            shared: shared.clone(),
        };
        self.core.begin(begun)?;
        Ok(Box::new(Running::new(self.core.clone(), shared)))
    }
}
