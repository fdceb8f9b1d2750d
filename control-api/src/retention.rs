//! Erases what is too old, and finishes every erasure.
//!
//! An erasure is decided in one transaction, which destroys the key; from then on no copy of the
//! files can be read. What is left outside of the database is removed here: the spool's remains,
//! the media files with all their versions, the manifest, cached renditions.
//!
//! **Invariant**: an erasure that was decided is finished, whatever fails or restarts in between:
//! the row says so until the last object is gone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use sidetone_service::backoff::Backoff;
use sidetone_service::{Lifecycle, clock};
use sidetone_vault::StoreError;
use sidetone_wire::{Command, RecordingId};
use tracing::{error, info, warn};

use crate::app::{App, now, since_boot_ms};
use crate::metrics;
use crate::store::{self, Remains};

/// The first wait after something could not be erased; doubled up to [`SWEEP`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_mins(1);
/// Recordings erased in one transaction: others write in between.
const EXPIRE_AT_ONCE: u32 = 200;
/// Recordings whose remains are removed before that is noted.
const FINISH_AT_ONCE: u32 = 200;
/// Erasures in flight at the store.
const IN_FLIGHT: usize = 16;
/// Recordings named in one command to the nodes.
const NAMED_AT_ONCE: usize = 1000;
/// A wall clock that is further ahead of what has passed is told to the operator.
const AHEAD_MS: i64 = 10 * 60_000;

impl App {
    /// Recordings were erased in the database: their remains go now.
    pub(crate) async fn erased(&self, recordings: Vec<RecordingId>) {
        self.forget(&recordings).await;
        self.erasing.notify_one();
    }

    /// Tells all who have something of erased recordings outside of the store.
    async fn forget(&self, recordings: &[RecordingId]) {
        for recording in recordings {
            self.renditions.forget(*recording);
        }
        for some in recordings.chunks(NAMED_AT_ONCE) {
            let recordings = some.to_vec();
            self.fleet
                .command_all(Command::EraseTakes { recordings })
                .await;
        }
    }
}

/// Sweeps until the process drains; what is unfinished is finished after the next start.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(FIRST_WAIT, SWEEP);
    loop {
        let swept = tokio::select! {
            swept = sweep_once(&app) => swept,
            () = lifecycle.draining() => return Ok(()),
        };
        let wait = match swept {
            Ok(0) => {
                backoff.reset();
                SWEEP
            }
            Ok(_) => backoff.wait(),
            Err(error) => {
                let wait = backoff.wait();
                error!(%error, ?wait, "erasing stopped; it goes on soon");
                wait
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = app.erasing.notified() => {}
            () = lifecycle.draining() => return Ok(()),
        }
    }
}

/// Gives how many recordings have remains that could not be removed.
async fn sweep_once(app: &App) -> store::Result<usize> {
    let expired = expire(app).await?;
    if expired > 0 {
        info!(
            count = expired,
            "recordings were erased because of their age"
        );
    }
    let start = clock::now();
    let (gone, left) = finish(app).await?;
    if gone + left > 0 {
        info!(gone, left, took = ?clock::now() - start, "remains of erased recordings");
    }
    metrics::erasures_open(left);
    Ok(left)
}

/// Erases what is older than its tenant's policy lets it be; gives how many.
async fn expire(app: &App) -> store::Result<usize> {
    let (wall, up) = (clock::wall(), since_boot_ms());
    let ahead = app.clock.ahead_ms(wall, up);
    if ahead > AHEAD_MS {
        warn!(
            ahead_seconds = ahead / 1000,
            "the clock was set forward: what has become too old \
            by that is kept for as long; a restart of the machine ends that"
        );
    }
    let mut total = 0;
    loop {
        let mut trusted = app.trusted();
        if let Some(theirs) = app.store.clock().await? {
            trusted = trusted.min(theirs);
        }
        let expired = app.store.expire(trusted, EXPIRE_AT_ONCE, now()).await?;
        let count = expired.len();
        total += count;
        metrics::expired(count);
        app.forget(&expired).await;
        if count < EXPIRE_AT_ONCE as usize {
            break;
        }
    }
    loop {
        // of calls that have no recording
        let trusted = app.trusted();
        let expired = app.store.expire_transcripts(trusted, EXPIRE_AT_ONCE, now());
        if expired.await? < EXPIRE_AT_ONCE as usize {
            return Ok(total);
        }
    }
}

/// Removes what is left of erased recordings; gives of how many nothing and something is left.
async fn finish(app: &App) -> store::Result<(usize, usize)> {
    let (mut gone, mut left) = (0, 0);
    let mut after: Option<Remains> = None;
    loop {
        let remains = app.store.remains(after.as_ref(), FINISH_AT_ONCE).await?;
        let count = remains.len();
        after = remains.last().cloned();
        let done: Vec<Option<RecordingId>> = stream::iter(remains)
            .map(|remains| remove(app, remains))
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let done: Vec<RecordingId> = done.into_iter().flatten().collect();
        app.store.gone(&done, now()).await?;
        gone += done.len();
        left += count - done.len();
        if count < FINISH_AT_ONCE as usize {
            return Ok((gone, left));
        }
    }
}

/// Removes what is left of one recording; gives it when nothing is.
async fn remove(app: &App, remains: Remains) -> Option<RecordingId> {
    let recording = remains.recording;
    // whoever began to listen before the erasure may have had it made again meanwhile
    app.renditions.forget(recording);
    for object in &remains.objects {
        match app.objects.erase(object).await {
            Ok(()) | Err(StoreError::NotFound) => {}
            Err(error) => {
                warn!(%recording, object, %error, "an erased recording's file is still there");
                return None;
            }
        }
    }
    Some(recording)
}
