//! The sealer: one thread that has ended takes sealed, and what a crash left at the start.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sidetone_wire::RecordingId;

use crate::core::Core;
use crate::seal::{SealError, seal};
use crate::spool::{self, Kind};
use crate::{disk, metrics};

/// Takes that are sealed at once at the start. Most of the time goes into waiting for the disk,
/// which makes several files durable as fast as one.
const RECOVER_AT_ONCE: usize = 8;

/// Seals ended takes until the flusher is done.
pub(crate) fn run(core: &Core) {
    while let Some(recording) = core.next_job() {
        attempt(core, recording);
        if core.finish_job() {
            let erased = spool::erase(core.disk.as_ref(), core.spool_dir(), &[recording]);
            if let Err(error) = erased {
                tracing::warn!(%recording, %error, "an erased take is still in the spool");
                core.erase(&[recording]);
            }
        }
    }
}

/// Seals one take. What the disk refuses is tried again later; what cannot be read stays in the
/// spool, and the ledger is told.
fn attempt(core: &Core, recording: RecordingId) {
    let started = sidetone_service::clock::now();
    // a bug that one take brings to light must not cost the others theirs
    let result = catch_unwind(AssertUnwindSafe(|| {
        seal(
            core.disk.as_ref(),
            core.spool_dir(),
            &core.settings.keyring,
            recording,
        )
    }));
    let took = sidetone_service::clock::now().saturating_duration_since(started);
    metrics::sealed(took, matches!(result, Ok(Ok(_))));
    match result {
        Ok(Ok(sealed)) => {
            let manifest = &sealed.booking.manifest;
            tracing::info!(
                %recording,
                call = %manifest.call,
                duration_ms = manifest.duration_ms,
                bytes = manifest.bytes,
                gaps = manifest.gaps.len(),
                pauses = manifest.pauses.len(),
                took_ms = took.as_millis() as u64,
                "recording sealed"
            );
            core.sealed.notify_one();
        }
        Ok(Err(SealError::Disk(error))) => {
            tracing::warn!(%recording, %error, "recording cannot be sealed now; trying again");
            core.seal_later(recording);
        }
        Ok(Err(error)) => lost(core, recording, &error.to_string()),
        Err(_) => lost(core, recording, "a bug: sealing panicked"),
    }
}

fn lost(core: &Core, recording: RecordingId, error: &str) {
    let spool = spool::path_of(core.spool_dir(), recording, 0);
    tracing::error!(%recording, spool = %spool.display(), error, "recording cannot be sealed; its spool file is kept");
    core.lose(recording, error.to_owned());
}

/// Seals what the last process left, and removes what it left half done.
pub(crate) fn recover(core: &Core) -> std::io::Result<()> {
    let (disk, spool_dir) = (core.disk.as_ref(), core.spool_dir());
    tidy(core, spool_dir)?;
    let files = spool::files(spool_dir)?;
    let mut sealed = Vec::new();
    let mut takes = Vec::new();
    let mut media = Vec::new();
    for file in files {
        match file.kind {
            Kind::Take(_) => takes.push(file.recording),
            Kind::Sealed => sealed.push(file.recording),
            Kind::Media => media.push(file),
            Kind::Damaged => {}
        }
    }
    takes.sort_unstable();
    takes.dedup();
    sealed.sort_unstable();
    for file in media {
        // of a seal that was cut off: it begins again
        if sealed.binary_search(&file.recording).is_err() {
            disk.remove(&file.path)?;
        }
    }
    // also those that are complete, of which only the segments are left to go
    seal_all(core, &takes);
    Ok(())
}

/// Seals takes, some at once.
fn seal_all(core: &Core, takes: &[RecordingId]) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(&recording) = takes.get(next.fetch_add(1, Ordering::Relaxed)) {
            attempt(core, recording);
        }
    };
    thread::scope(|scope| {
        for _ in 1..RECOVER_AT_ONCE.min(takes.len()) {
            let thread = thread::Builder::new().name("recorder-recover".into());
            if let Err(error) = thread.spawn_scoped(scope, work) {
                tracing::warn!(%error, "one thread fewer to recover takes");
            }
        }
        work();
    });
}

/// Removes files that were never whole, and names what does not belong here.
fn tidy(core: &Core, spool_dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(spool_dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(disk::TEMPORARY) {
            core.disk.remove(&path)?;
        } else if spool::is_foreign(&name) {
            tracing::error!(path = %path.display(), "not a spool file of a recording: left as it is");
        }
    }
    Ok(())
}
