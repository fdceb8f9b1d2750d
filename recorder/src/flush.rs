//! The flusher: one thread that writes all takes' buffers to their spool files.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_fleet::take::{Outcome, TakeError};
use sidetone_service::clock;
use sidetone_wire::RecordingId;

use crate::buffer::{Budget, Shared};
use crate::spool::{self, SpoolFile};
use crate::store::{self, Store};
use crate::{FLUSH_EVERY, Settings, metrics};

/// How long an ended take waits for a disk that refuses before it is given up; what is in its
/// spool file is sealed at the next start.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);
/// Ended takes that wait for the sealer. When it is that far behind, further ones wait with the
/// flusher, where they are counted as running.
const SEAL_QUEUE: usize = 4_096;

/// What the recorder's threads and handles share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) budget: Budget,
    running: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
    /// Locked while the process uses the spool folder.
    lock: File,
}

#[derive(Default)]
struct State {
    begun: Vec<Begun>,
    some_ended: bool,
    sealing: VecDeque<Job>,
    /// Not counting the queue: a take that the sealer is at.
    busy: bool,
    stop: bool,
    flusher_done: bool,
    sealer_done: bool,
    /// What the disk said last, while it refuses.
    disk_error: Option<(PathBuf, String)>,
}

/// A take that the flusher does not know yet.
pub(crate) struct Begun {
    pub(crate) recording: RecordingId,
    /// Batch 0 of its spool file.
    pub(crate) start: Vec<u8>,
    pub(crate) shared: Arc<Shared>,
}

/// A take for the sealer.
pub(crate) struct Job {
    pub(crate) recording: RecordingId,
    pub(crate) outcome: Option<Outcome>,
}

impl Core {
    pub(crate) fn new(settings: Settings, store: Store, lock: File) -> Self {
        Self {
            settings,
            store,
            budget: Budget::default(),
            running: AtomicUsize::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
            lock,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // each change of it is a single assignment: a panic leaves nothing half done
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new take in, unless there is no room or the disk refuses.
    pub(crate) fn begin(&self, begun: Begun) -> Result<(), TakeError> {
        let limit = self.settings.max_takes;
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
                let path = self.settings.spool_dir.display().to_string();
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

    /// Says that a take ended, so that it need not wait for the next flush.
    pub(crate) fn take_ended(&self) {
        self.state().some_ended = true;
        self.changed.notify_all();
    }

    /// Tells both threads to finish what ended and to stop.
    pub(crate) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Waits until both threads are done, at most `within`; whether they are. The spool folder is
    /// free for another process then.
    pub(crate) fn wait_done(&self, within: Duration) -> bool {
        let not_done = |s: &mut State| !(s.flusher_done && s.sealer_done);
        let state = self.state();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, within, not_done)
            .unwrap_or_else(PoisonError::into_inner);
        let done = state.flusher_done && state.sealer_done;
        if done && let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the spool folder stays locked until the process ends");
        }
        done
    }

    /// Waits for the next take to seal; `None` when there will be none.
    pub(crate) fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        state.busy = false;
        loop {
            if let Some(job) = state.sealing.pop_front() {
                state.busy = true;
                return Some(job);
            }
            if state.flusher_done {
                state.sealer_done = true;
                self.changed.notify_all();
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until `due`, a take's end or the stop; gives the new takes.
    fn wait(&self, due: Instant) -> (Vec<Begun>, bool) {
        let mut state = self.state();
        loop {
            let left = due.saturating_duration_since(clock::now());
            if left.is_zero() || state.some_ended || state.stop {
                state.some_ended = false;
                return (std::mem::take(&mut state.begun), state.stop);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hands takes that are whole on disk to the sealer; leaves what finds no room, but for the
    /// last time.
    fn hand_over(&self, ended: &mut Vec<Job>, stop: bool) {
        let mut state = self.state();
        let room = if stop {
            usize::MAX
        } else {
            SEAL_QUEUE.saturating_sub(state.sealing.len())
        };
        let room = room.min(ended.len());
        self.running.fetch_sub(room, Ordering::AcqRel);
        state.sealing.extend(ended.drain(..room));
        let sealing = state.sealing.len() + usize::from(state.busy);
        metrics::takes(self.running.load(Ordering::Acquire), sealing);
        if room > 0 {
            self.changed.notify_all();
        }
    }

    /// Takes in how one pass over the takes went.
    fn report(&self, pass: Pass) {
        if pass.error.is_some() || pass.written_bytes > 0 {
            metrics::spool_written(pass.written_bytes);
            self.set_disk_error(pass.error);
        }
    }

    fn set_disk_error(&self, error: Option<(PathBuf, String)>) {
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

    /// Whether the disk takes writes, tried with a small file while no take does.
    fn probe(&self) {
        if self.state().disk_error.is_none() {
            return;
        }
        let path = self.settings.spool_dir.join(".probe");
        let tried = std::fs::write(&path, b"probe").and_then(|()| std::fs::remove_file(&path));
        self.set_disk_error(tried.err().map(|error| (path, error.to_string())));
    }
}

/// Writes buffers to disk until told to stop.
pub(crate) fn run(core: &Core) {
    let mut takes: Vec<Open> = Vec::new();
    let mut ended: Vec<Job> = Vec::new();
    let mut due = clock::now() + FLUSH_EVERY;
    loop {
        let (begun, stop) = core.wait(due);
        takes.extend(begun.into_iter().map(|begun| Open::new(core, begun)));
        let started = clock::now();
        let all = stop || started >= due;
        let mut outcome = Pass::default();
        for take in &mut takes {
            if all || take.shared.has_ended() {
                take.flush(started, &mut outcome);
            }
        }
        core.report(outcome);
        takes.retain_mut(|take| match take.finished() {
            None => true,
            Some(Finished::Whole(job)) => {
                ended.push(job);
                false
            }
            Some(Finished::GivenUp) => {
                core.running.fetch_sub(1, Ordering::AcqRel);
                false
            }
        });
        core.hand_over(&mut ended, stop);
        if all {
            metrics::flushed(clock::now().saturating_duration_since(started));
            due = started + FLUSH_EVERY;
            if takes.is_empty() {
                core.probe();
            }
        }
        if stop {
            break;
        }
    }
    core.state().flusher_done = true;
    core.changed.notify_all();
}

/// How one pass over the takes went.
#[derive(Default)]
struct Pass {
    written_bytes: usize,
    error: Option<(PathBuf, String)>,
}

/// A take as the flusher sees it.
struct Open {
    recording: RecordingId,
    path: PathBuf,
    start: Vec<u8>,
    shared: Arc<Shared>,
    spool: Option<SpoolFile>,
    /// Drained and not yet written.
    batch: Vec<u8>,
    ended: bool,
    outcome: Option<Outcome>,
    /// Since when the disk has refused.
    refused_since: Option<Instant>,
    given_up: bool,
}

enum Finished {
    Whole(Job),
    GivenUp,
}

impl Open {
    fn new(core: &Core, begun: Begun) -> Self {
        Self {
            path: spool::path_of(&core.settings.spool_dir, begun.recording),
            recording: begun.recording,
            start: begun.start,
            shared: begun.shared,
            spool: None,
            batch: Vec::new(),
            ended: false,
            outcome: None,
            refused_since: None,
            given_up: false,
        }
    }

    fn flush(&mut self, now: Instant, pass: &mut Pass) {
        if self.batch.is_empty() && !self.ended {
            let drained = self.shared.drain(&mut self.batch);
            self.ended = drained.ended;
            self.outcome = drained.outcome;
        }
        match self.write() {
            Ok(written) => {
                pass.written_bytes += written;
                self.refused_since = None;
            }
            Err(error) => {
                pass.error = Some((self.path.clone(), error.to_string()));
                let since = *self.refused_since.get_or_insert(now);
                if self.ended && now.saturating_duration_since(since) > GIVE_UP_AFTER {
                    self.give_up(&error);
                }
            }
        }
    }

    /// Writes what is due; gives the bytes written.
    fn write(&mut self) -> io::Result<usize> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(SpoolFile::create(&self.path, &self.start)?),
        };
        if self.batch.is_empty() {
            return Ok(0);
        }
        let written = spool.append(&self.batch)?;
        self.shared.release(self.batch.len());
        self.batch.clear();
        Ok(written)
    }

    fn give_up(&mut self, error: &io::Error) {
        self.given_up = true;
        self.shared.release(self.batch.len());
        self.batch.clear();
        tracing::error!(recording = %self.recording, %error, "recording given up: the spool refuses it");
        if let Some(outcome) = self.outcome.take() {
            outcome(Err(store::disk_error(&self.path, error)));
        }
    }

    fn finished(&mut self) -> Option<Finished> {
        if self.given_up {
            return Some(Finished::GivenUp);
        }
        let whole = self.ended && self.batch.is_empty() && self.spool.is_some();
        whole.then(|| {
            let job = Job {
                recording: self.recording,
                outcome: self.outcome.take(),
            };
            Finished::Whole(job)
        })
    }
}
