//! Starting the recorder: the folder, what the last process left, the threads and tasks.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sidetone_fleet::ledger::{Ledger, LedgerError};
use sidetone_fleet::take::{Take, TakeError, TakeStart};
use sidetone_vault::Store;
use sidetone_wire::{Backlog, Manifest, RecordingId};
use tokio::task::JoinHandle;

use crate::buffer::Shared;
use crate::core::{Begun, Core};
use crate::disk::{self, Disk};
use crate::identity::{self, IdentityError};
use crate::spool::Keys;
use crate::take::Running;
use crate::{SOFTWARE, Settings, flush, sealing, tell, upload};

/// Why the recorder cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder cannot be used.
    #[error("the spool folder {path}: {error}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process records into the same spool folder.
    #[error("the spool folder {0} is in use by another process; give each its own")]
    InUse(PathBuf),
    /// The control plane does not let the folder be used, or cannot be asked.
    #[error("the spool folder {path}: {error}")]
    Ledger {
        /// Which.
        path: PathBuf,
        /// Its words.
        error: LedgerError,
    },
    /// No thread.
    #[error("the recorder's thread cannot be started: {0}")]
    Thread(io::Error),
}

/// The recorder. Dropping it lets its threads finish what ended, without waiting for them; see
/// [`Recorder::shutdown`].
pub struct Recorder {
    core: Arc<Core>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Starts the recorder: makes the folder, has the ledger agree to it, seals what the last process
/// left there, starts the threads, and the tasks on the current runtime.
///
/// # Errors
/// When the folder cannot be used, another process uses it, or the ledger refuses it.
pub async fn load(
    settings: Settings,
    store: Store,
    ledger: Arc<dyn Ledger>,
) -> Result<Recorder, LoadError> {
    load_on(Box::new(disk::Local), settings, store, ledger).await
}

async fn load_on(
    disk: Box<dyn Disk>,
    settings: Settings,
    store: Store,
    ledger: Arc<dyn Ledger>,
) -> Result<Recorder, LoadError> {
    let path = settings.spool_dir.clone();
    let folder = |error| LoadError::Folder {
        path: path.clone(),
        error,
    };
    let lock = lock(&path)?;
    let core = Arc::new(Core::new(settings, disk, lock));
    let agreed = identity::agree(core.disk.as_ref(), &path, ledger.as_ref()).await;
    agreed.map_err(|error| match error {
        IdentityError::Disk(error) => folder(error),
        IdentityError::Ledger(error) => LoadError::Ledger {
            path: path.clone(),
            error,
        },
    })?;
    let recovering = core.clone();
    let recovered = tokio::task::spawn_blocking(move || {
        sealing::recover(&recovering)?;
        recovering.stock.count(recovering.spool_dir())
    });
    recovered
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(folder)?;
    start_threads(&core)?;
    let tasks = vec![
        tokio::spawn(upload::run(core.clone(), store, ledger.clone())),
        tokio::spawn(tell::lost(core.clone(), ledger)),
        tokio::spawn(tell::count(core.clone())),
    ];
    Ok(Recorder {
        core,
        tasks: Mutex::new(tasks),
    })
}

/// Locked while a process uses the folder.
pub(crate) const LOCK: &str = ".lock";

/// Makes the folder, and keeps other processes out of it.
fn lock(spool_dir: &Path) -> Result<File, LoadError> {
    let folder = |error| LoadError::Folder {
        path: spool_dir.to_owned(),
        error,
    };
    disk::create_folder(spool_dir).map_err(folder)?;
    let lock = File::create(spool_dir.join(LOCK)).map_err(folder)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LoadError::InUse(spool_dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(folder(error)),
    }
}

fn start_threads(core: &Arc<Core>) -> Result<(), LoadError> {
    let (flusher, sealer) = (core.clone(), core.clone());
    let thread = |name: &str| thread::Builder::new().name(format!("recorder-{name}"));
    thread("flush")
        .spawn(move || flush::run(&flusher))
        .map_err(LoadError::Thread)?;
    let sealing = thread("seal").spawn(move || sealing::run(&sealer));
    if let Err(error) = sealing {
        core.stop();
        return Err(LoadError::Thread(error));
    }
    Ok(())
}

impl Recorder {
    /// How far takes are on their way to the store.
    pub fn backlog(&self) -> Backlog {
        self.core.backlog()
    }

    /// Seals what has ended and stops; what is not in the store then, and takes still running, stay
    /// in the spool for the next start. Takes at most `within`; gives whether all that ended is
    /// sealed. Takes end before this is called: what they write later is lost.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.core.stop();
        let core = self.core.clone();
        let waiting = tokio::task::spawn_blocking(move || core.wait_done(within));
        let done = waiting.await.unwrap_or(false);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // each of their steps can be done again
            task.abort();
            drop(task.await);
        }
        if done {
            self.core.unlock();
        }
        done
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.core.stop();
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in tasks {
            task.abort();
        }
    }
}

impl sidetone_fleet::take::Recorder for Recorder {
    fn begin(&self, start: TakeStart) -> Result<Box<dyn Take>, TakeError> {
        let keys = Keys::new(&self.core.settings.keyring, &start.tenant, start.recording);
        let keys = keys.map_err(|error| TakeError::Key(error.to_string()))?;
        let manifest = Manifest {
            version: 2,
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
            key_id: Some(keys.wrapped.key_id.clone()),
            software: SOFTWARE.into(),
            extra: Vec::new(),
        };
        let batch = serde_json::to_vec(&manifest).map_err(|e| TakeError::Seal(e.to_string()))?;
        let shared = Arc::new(Shared::new(self.core.budget.clone()));
        self.core.begin(Begun {
            keys,
            start: batch,
            shared: shared.clone(),
        })?;
        Ok(Box::new(Running::new(self.core.clone(), shared)))
    }

    fn erase(&self, recordings: &[RecordingId]) {
        self.core.erase(recordings);
    }
}
