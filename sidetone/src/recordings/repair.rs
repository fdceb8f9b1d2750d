//! What can be put right without losing anything: takes that wait in the spool are brought to
//! where they belong, as the next start would do it.

use std::collections::BTreeMap;
use std::time::Duration;

use recorder::{LoadError, Recorder, Stage};
use sidetone_service::clock;
use sidetone_wire::RecordingId;

use super::Bench;
use crate::tools;

/// How long nothing may move before it is given up: longer than a store that is slow needs for a
/// large take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Seals, stores and removes what lies in the spool, and says what became of each take.
pub(super) async fn spool(bench: &Bench) -> anyhow::Result<()> {
    let before = bench.inspect().await?;
    let unfinished = |stage| stage != Stage::Damaged;
    let mut left: BTreeMap<RecordingId, Stage> = before
        .takes
        .iter()
        .filter(|take| unfinished(take.stage))
        .map(|take| (take.recording, take.stage))
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    if before.in_use {
        return tools::print(
            "spool: a running sidetone uses it and finishes what lies there itself: left alone",
        );
    }
    let settings = recorder::Settings {
        spool_dir: bench.spool_dir.clone(),
        max_takes: 1,
        spool_bytes: u64::MAX,
        keyring: bench.keyring.clone(),
        node: "recordings-check".to_owned(),
    };
    let recorder = match recorder::load(settings, bench.store.clone(), bench.index.ledger()).await {
        Ok(recorder) => recorder,
        // what stands in the way of it is told by the check that follows
        Err(error @ (LoadError::Ledger { .. } | LoadError::InUse(_))) => {
            return tools::print(&format!("spool: nothing was repaired: {error}"));
        }
        Err(error) => return Err(error.into()),
    };
    let waited = settle(bench, &recorder).await;
    recorder.shutdown(PATIENCE).await;
    waited?;
    for take in bench.inspect().await?.takes {
        if unfinished(take.stage) {
            left.remove(&take.recording);
        }
    }
    said(bench, left).await
}

/// Waits until nothing is left to do, or nothing moves.
async fn settle(bench: &Bench, recorder: &Recorder) -> anyhow::Result<()> {
    let (mut fewest, mut moved) = (usize::MAX, clock::now());
    loop {
        let takes = bench.inspect().await?.takes;
        let waiting = takes
            .iter()
            .filter(|take| take.stage == Stage::Sealed)
            .count();
        let backlog = recorder.backlog();
        if waiting == 0 && backlog.sealing == 0 {
            return Ok(());
        }
        if waiting < fewest {
            (fewest, moved) = (waiting, clock::now());
        }
        let stuck = backlog.uploading == 0 && backlog.error.is_some();
        let patience = if stuck { PATIENCE / 12 } else { PATIENCE };
        if clock::now().saturating_duration_since(moved) > patience {
            let error = backlog.error.unwrap_or_else(|| "nothing moves".to_owned());
            return tools::print(&format!("spool: {waiting} takes are left: {error}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says what became of takes that have left the spool.
async fn said(bench: &Bench, gone: BTreeMap<RecordingId, Stage>) -> anyhow::Result<()> {
    let ids: Vec<RecordingId> = gone.into_keys().collect();
    let rows = bench.index.rows_of(&ids).await?;
    for id in ids {
        let now = rows.get(&id).map_or("unknown", |row| row.state.as_str());
        tools::print(&format!("recording {id}: left the spool, is {now} now"))?;
    }
    Ok(())
}
