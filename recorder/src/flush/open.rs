//! One take as the flusher sees it: its segment, and what is not known to be durable.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sidetone_fleet::take::{Durable, TakeError};
use sidetone_wire::RecordingId;

use crate::FLUSH_EVERY;
use crate::buffer::Shared;
use crate::core::Begun;
use crate::disk::Disk;
use crate::spool::{self, Keys, MAX_UNSYNCED_BATCHES, SpoolFile};

/// A new segment waits for [`FLUSH_EVERY`] times two to the number of failed syncs, at most this
/// often doubled: some 13 s, so that a broken disk does not fill with empty segments.
const MAX_DOUBLINGS: u32 = 5;

/// A take that is being written.
pub(super) struct Open {
    keys: Keys,
    shared: Arc<Shared>,
    spool: Option<SpoolFile>,
    segment: u32,
    /// Batches that are not known to be durable, with their numbers; at most
    /// [`MAX_UNSYNCED_BATCHES`].
    pending: Vec<(u32, Vec<u8>)>,
    /// How many of them the segment has.
    written: usize,
    /// Whether the segment was written to since the latest sync, even if that failed.
    touched: bool,
    /// Number of the next batch.
    next: u32,
    /// Called when they are durable.
    waiting: Vec<Durable>,
    ended: bool,
    failed_syncs: u32,
    /// The disk has rest until then.
    not_before: Option<Instant>,
    spare: Vec<u8>,
}

impl Open {
    pub(super) fn new(begun: Begun) -> Self {
        Self {
            keys: begun.keys,
            shared: begun.shared,
            spool: None,
            segment: 0,
            pending: vec![(0, begun.start)],
            written: 0,
            touched: false,
            next: 1,
            waiting: Vec::new(),
            ended: false,
            failed_syncs: 0,
            not_before: None,
            spare: Vec::new(),
        }
    }

    pub(super) fn recording(&self) -> RecordingId {
        self.keys.recording
    }

    pub(super) fn path(&self, spool_dir: &Path) -> PathBuf {
        spool::path_of(spool_dir, self.keys.recording, self.segment)
    }

    /// Whether somebody waits for the disk.
    pub(super) fn is_awaited(&self) -> bool {
        self.shared.is_awaited()
    }

    /// Whether nothing of it is to be kept.
    pub(super) fn is_discarded(&self) -> bool {
        self.shared.is_discarded()
    }

    /// Keeps nothing of it.
    pub(super) fn discard(&self) {
        self.shared.discard();
    }

    /// Whether anything that was drained is not known to be durable.
    pub(super) fn holds_back(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes of memory that it keeps for batches.
    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        let pending = self.pending.iter().map(|(_, body)| body.capacity());
        self.spare.capacity() + pending.sum::<usize>()
    }

    /// Whether it ended and all of it is durable.
    pub(super) fn is_complete(&self) -> bool {
        self.ended && !self.holds_back()
    }

    /// Whether something was written and not synced.
    pub(super) fn is_unsynced(&self) -> bool {
        self.touched
    }

    /// Writes what is due; gives the bytes written.
    pub(super) fn write(
        &mut self,
        disk: &dyn Disk,
        spool_dir: &Path,
        now: Instant,
        scratch: &mut Vec<u8>,
    ) -> io::Result<usize> {
        if self.not_before.is_some_and(|due| now < due) {
            self.refuse(&io::Error::other(
                "the disk failed to keep what it was given",
            ));
            return Ok(0);
        }
        self.drain();
        let written = self.append(disk, spool_dir, scratch);
        match &written {
            Ok(_) if self.pending.is_empty() => self.tell(&Ok(())),
            Ok(_) => {}
            Err(error) => self.refuse(error),
        }
        written
    }

    /// Takes what the take heard, unless it would be more than may be unsynced at once.
    fn drain(&mut self) {
        let first = self.next == 1 && self.pending.len() < MAX_UNSYNCED_BATCHES;
        if self.ended || !(first || self.pending.is_empty()) {
            return;
        }
        let mut batch = std::mem::take(&mut self.spare);
        let drained = self.shared.drain(&mut batch);
        self.ended = drained.ended;
        self.waiting.extend(drained.waiting);
        if batch.is_empty() {
            self.spare = batch;
        } else {
            self.pending.push((self.next, batch));
            self.next += 1;
        }
    }

    fn append(
        &mut self,
        disk: &dyn Disk,
        spool_dir: &Path,
        scratch: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut bytes = 0;
        while let Some((number, body)) = self.pending.get(self.written) {
            let spool = match &mut self.spool {
                Some(spool) => spool,
                none => match SpoolFile::create(disk, spool_dir, &self.keys, self.segment) {
                    Ok(spool) => none.insert(spool),
                    Err(error) => {
                        // one that failed may be there all the same
                        let exists = error.kind() == io::ErrorKind::AlreadyExists;
                        self.segment += u32::from(exists);
                        return Err(error);
                    }
                },
            };
            self.touched = true;
            bytes += spool.append(disk, *number, body, scratch)?;
            self.written += 1;
        }
        Ok(bytes)
    }

    /// Takes in how the sync after its write went.
    pub(super) fn handle_sync(&mut self, synced: &Result<(), String>, now: Instant) {
        if !std::mem::take(&mut self.touched) {
            return;
        }
        match synced {
            Ok(()) => {
                self.failed_syncs = 0;
                self.not_before = None;
                for (number, mut body) in self.pending.drain(..self.written) {
                    if number > 0 {
                        self.shared.release(body.len());
                        body.clear();
                        self.spare = body;
                    }
                }
                self.written = 0;
                // what a failed write left over is written and synced next time
                if self.pending.is_empty() {
                    self.tell(&Ok(()));
                }
            }
            Err(error) => {
                let rest = FLUSH_EVERY * (1 << self.failed_syncs.min(MAX_DOUBLINGS));
                self.not_before = Some(now + rest);
                self.failed_syncs += 1;
                self.spool = None;
                self.segment += 1;
                self.written = 0;
                self.refuse(&io::Error::other(error.clone()));
            }
        }
    }

    /// Tells who waits that the disk refuses. What it waited for is kept, and written when it can
    /// be.
    fn refuse(&mut self, error: &io::Error) {
        self.waiting.extend(self.shared.take_waiting());
        if !self.waiting.is_empty() {
            self.tell(&Err(TakeError::Disk {
                path: format!("the spool file of {}", self.keys.recording),
                error: error.to_string(),
            }));
        }
    }

    fn tell(&mut self, result: &Result<(), TakeError>) {
        for durable in self.waiting.drain(..) {
            // a bug of who is told must not cost the other takes their flusher
            if catch_unwind(AssertUnwindSafe(|| durable(result.clone()))).is_err() {
                tracing::error!(recording = %self.keys.recording, "who waited for the spool panicked");
            }
        }
    }

    /// Nothing of it will be kept: which is what whoever waits for a pause wanted.
    pub(super) fn forget(&mut self) {
        let held = self.pending.iter().filter(|(number, _)| *number > 0);
        self.shared.release(held.map(|(_, body)| body.len()).sum());
        self.pending.clear();
        self.waiting.extend(self.shared.take_waiting());
        self.tell(&Ok(()));
    }

    /// The flusher stops: says what could not be written.
    pub(super) fn leave(&mut self) {
        self.refuse(&io::Error::other("the recorder is shutting down"));
        if self.holds_back() {
            tracing::error!(
                recording = %self.keys.recording,
                batches = self.pending.len(),
                "the end of a recording is lost: the spool refused it until the shutdown"
            );
        }
    }
}
