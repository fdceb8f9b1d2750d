//! What the recorder's threads, tasks and handles share.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_fleet::take::TakeError;
use sidetone_service::clock;
use sidetone_wire::{Backlog, RecordingId};
use tokio::sync::Notify;

use crate::backlog::Stock;
use crate::buffer::{Budget, Shared};
use crate::disk::Disk;
use crate::spool::Keys;
use crate::upload::InFlight;
use crate::{Settings, metrics};

/// Ended takes that wait for the sealer. When it is that far behind, further ones wait with the
/// flusher, where they are counted as running.
const SEAL_QUEUE: usize = 4_096;
/// When a take that the disk did not let be sealed is tried again.
const SEAL_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Takes to erase that wait for the flusher, which has them within a flush. Of more, what is in the
/// spool goes when it is booked, since the ledger knows that they are erased.
const ERASE_QUEUE: usize = 65_536;
/// Takes that are lost and not told yet. More are in the log and told at the next start.
const LOST_QUEUE: usize = 4_096;

/// What the recorder's threads, tasks and handles share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) disk: Box<dyn Disk>,
    /// Bytes in the buffers.
    pub(crate) budget: Budget,
    /// Bytes and takes on the disk.
    pub(crate) stock: Stock,
    /// The takes that are being sent to the store.
    pub(crate) in_flight: InFlight,
    /// A take was sealed: the uploader looks at the folder.
    pub(crate) sealed: Notify,
    /// A take is in `lost`.
    pub(crate) some_lost: Notify,
    running: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
    /// Locked while the process uses the spool folder.
    lock: File,
}

#[derive(Default)]
struct State {
    begun: Vec<Begun>,
    /// Somebody does not want to wait for the next flush.
    wanted: bool,
    erase: Vec<RecordingId>,
    sealing: VecDeque<Job>,
    /// Not in the queue: the take that the sealer is at, and whether it was erased meanwhile.
    sealing_now: Option<(RecordingId, bool)>,
    lost: Vec<(RecordingId, String)>,
    stop: bool,
    flusher_done: bool,
    sealer_done: bool,
    /// What the disk said last, while it refuses.
    disk_error: Option<(PathBuf, String)>,
}

/// A take that the flusher does not know yet.
pub(crate) struct Begun {
    pub(crate) keys: Keys,
    /// Batch 0 of its spool file.
    pub(crate) start: Vec<u8>,
    pub(crate) shared: Arc<Shared>,
}

/// A take for the sealer.
#[derive(Debug, Clone, Copy)]
struct Job {
    recording: RecordingId,
    /// Not before.
    due: Instant,
}

/// What the flusher is woken with.
pub(crate) struct Wanted {
    pub(crate) begun: Vec<Begun>,
    pub(crate) erase: Vec<RecordingId>,
    pub(crate) stop: bool,
}

impl Core {
    pub(crate) fn new(settings: Settings, disk: Box<dyn Disk>, lock: File) -> Self {
        Self {
            settings,
            disk,
            budget: Budget::default(),
            stock: Stock::default(),
            in_flight: InFlight::default(),
            sealed: Notify::new(),
            some_lost: Notify::new(),
            running: AtomicUsize::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
            lock,
        }
    }

    /// The folder of the takes that are not yet stored.
    pub(crate) fn spool_dir(&self) -> &Path {
        &self.settings.spool_dir
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // each change of it is a single assignment: a panic leaves nothing half done
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new take in, unless there is no room or the disk refuses.
    pub(crate) fn begin(&self, begun: Begun) -> Result<(), TakeError> {
        let (limit, bytes) = (self.settings.max_takes, self.stock.bytes());
        if bytes >= self.settings.spool_bytes {
            return Err(TakeError::OverBudget { bytes });
        }
        let room = self
            .running
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| {
                (running < limit).then_some(running + 1)
            });
        if room.is_err() {
            return Err(TakeError::Full { limit });
        }
        let mut state = self.state();
        let refusal = match &state.disk_error {
            Some((path, error)) => Some((path.display().to_string(), error.clone())),
            None if state.stop => {
                let path = self.spool_dir().display().to_string();
                Some((path, "the recorder is shutting down".into()))
            }
            None => None,
        };
        if let Some((path, error)) = refusal {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return Err(TakeError::Disk { path, error });
        }
        state.begun.push(begun);
        Ok(())
    }

    /// Has the flusher look at once.
    pub(crate) fn wake(&self) {
        self.state().wanted = true;
        self.changed.notify_all();
    }

    /// Has the flusher destroy what the spool has of these takes.
    pub(crate) fn erase(&self, recordings: &[RecordingId]) {
        let mut state = self.state();
        let room = ERASE_QUEUE.saturating_sub(state.erase.len());
        if recordings.len() > room {
            tracing::warn!(
                left_out = recordings.len() - room,
                "too many takes to erase at once: the others go from the spool when they are booked"
            );
        }
        state.erase.extend(recordings.iter().take(room));
        state.wanted = true;
        self.changed.notify_all();
    }

    /// Tells both threads to finish what ended and to stop.
    pub(crate) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Waits until both threads are done, at most `within`; whether they are.
    pub(crate) fn wait_done(&self, within: Duration) -> bool {
        let not_done = |s: &mut State| !(s.flusher_done && s.sealer_done);
        let state = self.state();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, within, not_done)
            .unwrap_or_else(PoisonError::into_inner);
        state.flusher_done && state.sealer_done
    }

    /// Frees the spool folder for another process.
    pub(crate) fn unlock(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the spool folder stays locked until the process ends");
        }
    }

    /// How far takes are on their way to the store.
    pub(crate) fn backlog(&self) -> Backlog {
        let mut backlog = self.stock.backlog();
        let state = self.state();
        let sealing = state.sealing.len() + usize::from(state.sealing_now.is_some());
        backlog.node.clone_from(&self.settings.node);
        backlog.recording = self.running.load(Ordering::Acquire) as u32;
        backlog.sealing = sealing as u32;
        backlog.budget_bytes = self.settings.spool_bytes;
        if let Some((path, error)) = &state.disk_error {
            backlog.error = Some(format!("{}: {error}", path.display()));
        }
        backlog
    }
}

/// For the flusher.
impl Core {
    /// Waits until `due`, somebody's wish or the stop.
    pub(crate) fn wait(&self, due: Instant) -> Wanted {
        let mut state = self.state();
        loop {
            let left = due.saturating_duration_since(clock::now());
            if left.is_zero() || state.wanted || state.stop {
                state.wanted = false;
                return Wanted {
                    begun: std::mem::take(&mut state.begun),
                    erase: std::mem::take(&mut state.erase),
                    stop: state.stop,
                };
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hands takes that are whole on disk to the sealer; leaves what finds no room, but for the
    /// last time.
    pub(crate) fn hand_over(&self, ended: &mut Vec<RecordingId>, stop: bool) {
        let mut state = self.state();
        let room = if stop {
            usize::MAX
        } else {
            SEAL_QUEUE.saturating_sub(state.sealing.len())
        };
        let (room, due) = (room.min(ended.len()), clock::now());
        let jobs = ended.drain(..room).map(|recording| Job { recording, due });
        state.sealing.extend(jobs);
        let sealing = state.sealing.len() + usize::from(state.sealing_now.is_some());
        metrics::takes(self.running.load(Ordering::Acquire) - room, sealing);
        drop(state);
        self.leave(room);
        if room > 0 {
            self.changed.notify_all();
        }
    }

    /// Says that takes are no longer running.
    pub(crate) fn leave(&self, takes: usize) {
        self.running.fetch_sub(takes, Ordering::AcqRel);
    }

    /// Takes erased recordings, sorted, from the sealer. The one that it is at, it removes itself,
    /// and the uploader those that it is at: these are taken out.
    pub(crate) fn unseal(&self, erased: &mut Vec<RecordingId>) {
        let mut state = self.state();
        state
            .sealing
            .retain(|job| erased.binary_search(&job.recording).is_err());
        if let Some((now, is_erased)) = &mut state.sealing_now
            && let Ok(at) = erased.binary_search(now)
        {
            *is_erased = true;
            erased.remove(at);
        }
        self.in_flight.spare(erased);
    }

    /// Takes in what the disk said last.
    pub(crate) fn set_disk_error(&self, error: Option<(PathBuf, String)>) {
        let mut state = self.state();
        match (&state.disk_error, &error) {
            (None, Some((path, text))) => {
                metrics::spool_error();
                tracing::warn!(path = %path.display(), error = %text, "the spool refuses writes; buffering");
            }
            (Some(_), Some(_)) => metrics::spool_error(),
            (Some((path, _)), None) => {
                tracing::info!(path = %path.display(), "the spool takes writes again");
            }
            (None, None) => {}
        }
        state.disk_error = error;
    }

    /// Whether the disk refuses.
    pub(crate) fn is_refused(&self) -> bool {
        self.state().disk_error.is_some()
    }

    /// Says that the flusher is done.
    pub(crate) fn flusher_is_done(&self) {
        self.state().flusher_done = true;
        self.changed.notify_all();
    }
}

/// For the sealer and who tells what became of takes.
impl Core {
    /// Has a take sealed, now or when it can be.
    pub(crate) fn seal_later(&self, recording: RecordingId) {
        let due = clock::now() + SEAL_AGAIN_AFTER;
        self.state().sealing.push_back(Job { recording, due });
        self.changed.notify_all();
    }

    /// Waits for the next take to seal; `None` when there will be none.
    pub(crate) fn next_job(&self) -> Option<RecordingId> {
        let mut state = self.state();
        loop {
            let now = clock::now();
            let due = state.sealing.iter().position(|job| job.due <= now);
            if let Some(job) = due.and_then(|due| state.sealing.remove(due)) {
                state.sealing_now = Some((job.recording, false));
                return Some(job.recording);
            }
            if state.flusher_done {
                // what the disk refuses stays in the spool for the next start
                state.sealer_done = true;
                self.changed.notify_all();
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, SEAL_AGAIN_AFTER)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Says that the sealer is done with its take; gives whether that was erased meanwhile.
    pub(crate) fn finish_job(&self) -> bool {
        let now = self.state().sealing_now.take();
        now.is_some_and(|(_, erased)| erased)
    }

    /// Has the ledger told that a take is lost.
    pub(crate) fn lose(&self, recording: RecordingId, error: String) {
        let mut state = self.state();
        if state.lost.len() < LOST_QUEUE {
            state.lost.push((recording, error));
        }
        self.some_lost.notify_one();
    }

    /// Takes away what is lost and not told.
    pub(crate) fn take_lost(&self) -> Vec<(RecordingId, String)> {
        std::mem::take(&mut self.state().lost)
    }
}
