//! The flusher: one thread that writes all takes' buffers to their spool files and makes them
//! durable together.

mod open;

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use sidetone_service::clock;
use sidetone_wire::RecordingId;

use crate::core::{Core, Wanted};
use crate::disk::Disk;
use crate::{FLUSH_EVERY, metrics, spool};
use open::Open;

/// Capacity that the space for one batch keeps between flushes.
const KEPT_BYTES: usize = 64 << 10;

/// Writes buffers to disk until told to stop.
pub(crate) fn run(core: &Core) {
    let mut flusher = Flusher::new(core);
    let mut due = clock::now() + FLUSH_EVERY;
    loop {
        let wanted = core.wait(due);
        let stop = wanted.stop;
        let started = clock::now();
        let all = stop || started >= due;
        flusher.take_in(wanted);
        flusher.pass(all, started);
        flusher.sort_out(stop);
        if flusher.takes.iter().any(Open::is_awaited) {
            // behind what an earlier pass left over, which is on the disk now
            core.wake();
        }
        if all {
            metrics::flushed(clock::now().saturating_duration_since(started));
            due = started + FLUSH_EVERY;
            flusher.probe();
        }
        if stop {
            break;
        }
    }
    flusher.leave();
    core.flusher_is_done();
}

struct Flusher<'a> {
    core: &'a Core,
    takes: Vec<Open>,
    /// Whole on disk, and not with the sealer yet.
    ended: Vec<RecordingId>,
    /// Erased, and not gone yet.
    erased: Vec<RecordingId>,
    /// What the group is synced by; opened anew after it reported an error.
    folder: Option<File>,
    scratch: Vec<u8>,
}

/// How one pass over the takes went.
#[derive(Default)]
struct Pass {
    written_bytes: usize,
    error: Option<(PathBuf, String)>,
}

impl<'a> Flusher<'a> {
    fn new(core: &'a Core) -> Self {
        Self {
            core,
            takes: Vec::new(),
            ended: Vec::new(),
            erased: Vec::new(),
            folder: None,
            scratch: Vec::new(),
        }
    }

    fn take_in(&mut self, wanted: Wanted) {
        self.takes.extend(wanted.begun.into_iter().map(Open::new));
        self.erased.extend(wanted.erase);
        self.erased.sort_unstable();
        for take in &self.takes {
            if self.erased.binary_search(&take.recording()).is_ok() {
                take.discard();
            }
        }
    }

    /// Writes what is due, `all` takes or those somebody waits for, and syncs once.
    fn pass(&mut self, all: bool, now: Instant) {
        let (core, disk) = (self.core, self.core.disk.as_ref());
        let mut pass = Pass::default();
        // before anything is written: only what fails from here on is reported on it
        if let Err(error) = self.open_folder() {
            pass.error = Some((core.spool_dir().to_owned(), error.to_string()));
        }
        for take in &mut self.takes {
            if (all || take.is_awaited()) && !take.is_discarded() {
                let path = core.spool_dir();
                match take.write(disk, path, now, &mut self.scratch) {
                    Ok(bytes) => pass.written_bytes += bytes,
                    Err(error) => pass.error = Some((take.path(path), error.to_string())),
                }
            }
        }
        if self.takes.iter().any(Open::is_unsynced) {
            let synced = self.sync(disk);
            for take in &mut self.takes {
                take.handle_sync(&synced, now);
            }
            if let Err(error) = synced {
                pass.error = Some((core.spool_dir().to_owned(), error));
            }
        }
        self.scratch.clear();
        self.scratch.shrink_to(KEPT_BYTES);
        if pass.error.is_some() || pass.written_bytes > 0 {
            core.stock.written(pass.written_bytes);
            metrics::spool_written(pass.written_bytes);
            core.set_disk_error(pass.error);
        }
    }

    fn open_folder(&mut self) -> std::io::Result<()> {
        if self.folder.is_none() {
            self.folder = Some(self.core.disk.open_folder(self.core.spool_dir())?);
        }
        Ok(())
    }

    fn sync(&mut self, disk: &dyn Disk) -> Result<(), String> {
        let folder = self
            .folder
            .take()
            .ok_or("the spool folder cannot be opened")?;
        match disk.sync_all(&folder) {
            Ok(()) => {
                self.folder = Some(folder);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Parts with takes that are complete or discarded, and with what is erased.
    fn sort_out(&mut self, stop: bool) {
        let (ended, erased) = (&mut self.ended, &mut self.erased);
        let mut left = 0;
        self.takes.retain_mut(|take| {
            if take.is_discarded() {
                take.forget();
                erased.push(take.recording());
                left += 1;
            } else if take.is_complete() {
                ended.push(take.recording());
            } else {
                return true;
            }
            false
        });
        self.erased.sort_unstable();
        self.erased.dedup();
        let complete = self.ended.len();
        let erased = &self.erased;
        self.ended
            .retain(|recording| erased.binary_search(recording).is_err());
        self.core.leave(left + complete - self.ended.len());
        self.core.hand_over(&mut self.ended, stop);
        self.erase();
    }

    /// Destroys what the spool has of erased takes. What the disk refuses is tried again.
    fn erase(&mut self) {
        if self.erased.is_empty() {
            return;
        }
        let core = self.core;
        core.unseal(&mut self.erased);
        match spool::erase(core.disk.as_ref(), core.spool_dir(), &self.erased) {
            Ok(()) => self.erased.clear(),
            Err(error) => {
                tracing::warn!(%error, "erased takes are still in the spool; trying again");
            }
        }
    }

    /// Sees whether the disk takes writes again, with a small file while no take does.
    fn probe(&mut self) {
        if !self.takes.is_empty() || !self.core.is_refused() {
            return;
        }
        let (disk, path) = (
            self.core.disk.as_ref(),
            self.core.spool_dir().join(".probe"),
        );
        let tried = disk.remove(&path).and_then(|()| {
            let file = disk.create(&path)?;
            disk.write_at(&file, b"probe", 0)?;
            disk.sync(&file)?;
            disk.remove(&path)
        });
        let error = tried.err().map(|error| (path, error.to_string()));
        self.core.set_disk_error(error);
    }

    /// Tells who still waits that nothing more will be written.
    fn leave(mut self) {
        for take in &mut self.takes {
            take.leave();
        }
    }
}

#[cfg(test)]
mod tests;
