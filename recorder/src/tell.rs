//! Tasks beside the takes: telling the ledger what is lost, counting what lies in the spool.

use std::sync::Arc;
use std::time::Duration;

use sidetone_fleet::ledger::{Ledger, LedgerError};

use crate::core::Core;

/// How often the spool is counted.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// Between two tries to tell the ledger what is lost.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Tells the ledger of takes that are lost, until it has been told of each.
pub(crate) async fn lost(core: Arc<Core>, ledger: Arc<dyn Ledger>) {
    loop {
        for (recording, error) in core.take_lost() {
            while let Err(LedgerError::Away(_)) = ledger.lost(recording, &error).await {
                tokio::time::sleep(TELL_AGAIN_AFTER).await;
            }
        }
        core.some_lost.notified().await;
    }
}

/// Counts what lies in the spool, every [`COUNT_EVERY`].
pub(crate) async fn count(core: Arc<Core>) {
    let mut ticks = tokio::time::interval(COUNT_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let core = core.clone();
        let counted = tokio::task::spawn_blocking(move || core.stock.count(core.spool_dir()));
        if let Ok(Err(error)) = counted.await {
            tracing::warn!(%error, "the spool folder cannot be counted");
        }
    }
}
