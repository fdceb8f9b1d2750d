//! The uploader: brings sealed takes to the store and books them. The spool folder is its queue,
//! and nothing live waits for it.
//!
//! A take is booked as sealed, its files are put, its manifest is put, it is booked as stored, and
//! goes from the spool, `.sealed` last. Each step may be done again, so after a crash it simply
//! begins anew. When the ledger says that the recording was erased, what is here and what was put
//! are destroyed instead.

mod queue;

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use sidetone_fleet::ledger::{Ledger, LedgerError};
use sidetone_service::clock;
use sidetone_vault::{Store, StoreError};
use sidetone_wire::{Booked, Booking, Manifest, RecordingId, TakeState};
use tokio::task::JoinSet;

use crate::core::Core;
use crate::sealed::{self, Sealed};
use crate::{metrics, spool};
use queue::{Ended, Queue};

/// Takes that are sent at once: enough to fill a link whose answers take long, few enough for a
/// store that asks us to slow down.
const AT_ONCE: usize = 16;

/// The folder is read at most that often, however many takes are sealed.
const SCAN_EVERY: Duration = Duration::from_millis(500);

/// How often what puts that were cut off have left in the store is looked for, and how old it is
/// then: no put takes that long.
const TIDY_EVERY: Duration = Duration::from_hours(24);

/// The takes that are being sent. What the spool has of them goes when they are booked, not before:
/// so a recording that is erased meanwhile is known to the next process too if this one dies.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<Vec<RecordingId>>);

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, Vec<RecordingId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes these out of recordings whose remains are to be removed.
    pub(crate) fn spare(&self, erased: &mut Vec<RecordingId>) {
        let in_flight = self.lock();
        erased.retain(|recording| !in_flight.contains(recording));
    }
}

/// Uploads until it is dropped, which may be at any moment.
pub(crate) async fn run(core: Arc<Core>, store: Store, ledger: Arc<dyn Ledger>) {
    let uploader = Arc::new(Uploader {
        core,
        store,
        ledger,
    });
    let mut queue = Queue::default();
    let mut uploads = JoinSet::new();
    let (mut scan_due, mut tidy_due) = (Some(clock::now()), clock::now());
    let mut scanned = clock::now();
    loop {
        let now = clock::now();
        if scan_due.is_some_and(|due| due <= now) {
            (scan_due, scanned) = (None, now);
            if !uploader.scan(&mut queue).await {
                scan_due = Some(now + SCAN_EVERY * 10);
            }
        }
        if tidy_due <= now {
            tidy_due = now + TIDY_EVERY;
            // beside the uploads: a store that is away must not keep anything waiting
            let store = uploader.store.clone();
            uploads.spawn(async move {
                tidy(&store).await;
                None
            });
        }
        while let Some(recording) = queue.next(now) {
            let uploader = uploader.clone();
            uploads.spawn(async move { Some((recording, uploader.upload(recording).await)) });
        }
        uploader.tell(&queue);
        let due = [scan_due, queue.due(now), Some(tidy_due)];
        let due = due.into_iter().flatten().min().unwrap_or(tidy_due);
        tokio::select! {
            Some(ended) = uploads.join_next() => {
                // they catch their panics
                if let Ok(Some((recording, ended))) = ended {
                    queue.ended(recording, ended, clock::now());
                }
                if queue.is_short() {
                    scan_due = scan_due.or(Some(scanned + SCAN_EVERY));
                }
            }
            () = uploader.core.sealed.notified() => {
                scan_due = scan_due.or(Some(scanned + SCAN_EVERY));
            }
            () = tokio::time::sleep(due.saturating_duration_since(now)) => {}
        }
    }
}

async fn tidy(store: &Store) {
    match store.abort_orphans(crate::seal::OBJECTS, TIDY_EVERY).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "puts that were cut off are removed from the store"),
        Err(error) => tracing::warn!(%error, "puts that were cut off stay in the store for a day"),
    }
}

struct Uploader {
    core: Arc<Core>,
    store: Store,
    ledger: Arc<dyn Ledger>,
}

/// What became of a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Stored,
    Erased,
    /// It is not in the spool any more.
    Gone,
}

/// Why a take is not in the store yet.
#[derive(Debug)]
enum Failure {
    /// The store or the ledger is away, or refuses everybody: the others need not try.
    Away(String),
    /// It is this take's own.
    Own(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Temporary(_) | StoreError::Refused(_) => Self::Away(error.to_string()),
            StoreError::NotFound => Self::Own("a file of the take is not in the spool".to_owned()),
            StoreError::Exists | StoreError::Damaged(_) => Self::Own(error.to_string()),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match &error {
            LedgerError::Away(_) => Self::Away(error.to_string()),
            LedgerError::Refused(_) => Self::Own(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Own(format!("the spool: {error}"))
    }
}

impl Uploader {
    /// Looks which takes wait; whether the folder could be read.
    async fn scan(&self, queue: &mut Queue) -> bool {
        match self.blocking(|core| sealed::list(core.spool_dir())).await {
            Ok(waiting) => {
                queue.found(&waiting);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the spool folder cannot be read; takes wait for the store");
                false
            }
        }
    }

    /// Tells metrics and backlog how far it is.
    fn tell(&self, queue: &Queue) {
        self.core.stock.set_uploading(queue.uploading());
        self.core
            .stock
            .set_upload_error(queue.error().map(str::to_owned));
        metrics::uploads(queue.waiting(), queue.uploading());
    }

    /// Brings one take to the store.
    async fn upload(&self, recording: RecordingId) -> Ended {
        let started = clock::now();
        self.core.in_flight.lock().push(recording);
        // a bug that one take brings to light must not cost the others theirs
        let outcome = AssertUnwindSafe(self.attempt(recording))
            .catch_unwind()
            .await;
        self.core
            .in_flight
            .lock()
            .retain(|other| *other != recording);
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::Own("a bug: it panicked".into())));
        said(recording, outcome, started)
    }

    async fn attempt(&self, recording: RecordingId) -> Result<Outcome, Failure> {
        let read =
            move |core: &Core| Sealed::read(core.spool_dir(), recording, &core.settings.keyring);
        let Some(sealed) = self.blocking(read).await? else {
            return Ok(Outcome::Gone);
        };
        if self.book(&sealed.booking, TakeState::Sealed).await? == Booked::Erased {
            return self.destroy(&sealed).await;
        }
        for file in &sealed.files {
            let path = self.core.spool_dir().join(&file.file);
            match self.store.put_file(&file.object, &path).await {
                // sealed a second time from remains of its spool: what was booked is there
                Err(StoreError::Exists) if self.is_stored(recording).await? => {
                    tracing::warn!(%recording, "what the spool had of a stored recording is removed");
                    self.remove(recording).await?;
                    return Ok(Outcome::Stored);
                }
                put => put?,
            };
        }
        let manifest = &sealed.booking.manifest;
        let json = serde_json::to_vec_pretty(&without_names(manifest)).map_err(io::Error::from)?;
        self.store
            .put_bytes(&manifest_name(&manifest.object), json)
            .await?;
        if self.book(&sealed.booking, TakeState::Stored).await? == Booked::Erased {
            return self.destroy(&sealed).await;
        }
        self.remove(recording).await?;
        let stored = sealed.files.len();
        tracing::info!(%recording, call = %manifest.call, files = stored, "recording stored");
        Ok(Outcome::Stored)
    }

    async fn book(&self, booking: &Booking, state: TakeState) -> Result<Booked, Failure> {
        let booking = Booking {
            state,
            ..booking.clone()
        };
        match self.ledger.book(&booking).await? {
            Booked::UnknownCall => Err(Failure::Own("its call is not known (yet)".to_owned())),
            booked @ (Booked::Kept | Booked::Erased) => Ok(booked),
        }
    }

    async fn is_stored(&self, recording: RecordingId) -> Result<bool, Failure> {
        let found = self.ledger.find(recording).await?;
        Ok(found.is_some_and(|(state, _)| state == TakeState::Stored))
    }

    /// Destroys what was put of a take, and what the spool has of it: first its sound, last what
    /// says that there is something to destroy.
    async fn destroy(&self, sealed: &Sealed) -> Result<Outcome, Failure> {
        let recording = sealed.recording();
        let media: Vec<PathBuf> = sealed
            .files
            .iter()
            .map(|file| self.core.spool_dir().join(&file.file))
            .collect();
        self.blocking(move |core| media.iter().try_for_each(|path| core.disk.remove(path)))
            .await?;
        for file in &sealed.files {
            self.store.erase(&file.object).await?;
        }
        let manifest = manifest_name(&sealed.booking.manifest.object);
        self.store.erase(&manifest).await?;
        self.remove(recording).await?;
        tracing::info!(%recording, "erased recording destroyed on its way to the store");
        Ok(Outcome::Erased)
    }

    async fn remove(&self, recording: RecordingId) -> io::Result<()> {
        self.blocking(move |core| {
            let (disk, spool_dir) = (core.disk.as_ref(), core.spool_dir());
            // a sealer that was killed may have left them, and would be taken for unsealed ones
            spool::remove_segments(disk, spool_dir, recording)?;
            sealed::remove(disk, spool_dir, recording)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let core = self.core.clone();
        let working = tokio::task::spawn_blocking(move || work(&core));
        working
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Counts and logs how a try ended.
fn said(recording: RecordingId, outcome: Result<Outcome, Failure>, started: Instant) -> Ended {
    let took = clock::now().saturating_duration_since(started);
    match outcome {
        Ok(outcome) => {
            if outcome == Outcome::Gone {
                return Ended::Gone;
            }
            metrics::uploaded(outcome == Outcome::Stored, took);
            Ended::Done
        }
        Err(Failure::Away(error)) => {
            metrics::upload_failed("away");
            tracing::debug!(%recording, error, "the store or the ledger is away");
            Ended::Away(error)
        }
        Err(Failure::Own(error)) => {
            metrics::upload_failed("own");
            tracing::warn!(%recording, error, "a recording cannot be stored now; it stays in the spool and is tried again");
            Ended::Failed(format!("{recording}: {error}"))
        }
    }
}

/// The manifest as it lies in the store, which nobody there needs the parties' names for.
fn without_names(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    for channel in &mut manifest.channels {
        channel.name = None;
    }
    manifest
}

/// The name of the manifest in the store: that of the take's first media file, `.json`.
pub fn manifest_name(object: &str) -> String {
    let stem = object.rsplit_once('.').map_or(object, |(stem, _)| stem);
    format!("{stem}.json")
}
