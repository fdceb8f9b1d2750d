//! How many calls there are now.
//!
//! Counts of a tenant are remembered for a second, and until this process learns of a change. When
//! a branch's count changes, its tenant's clients are told, at most once a second.

pub(crate) mod mirror;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_service::{Lifecycle, clock};
use sidetone_wire::{BranchId, BranchPulse, Call, TenantId};
use tracing::error;

use crate::app::{App, now};
use crate::store::{self, Tenant};

/// How long a count is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// How often branches' counts are told at most.
const PULSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Active {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: HashMap<TenantId, (Instant, u64)>,
    /// Branches whose calls changed since they were last counted.
    changed: HashSet<(TenantId, BranchId)>,
    /// Clients whose calls changed since that was last written to Redis.
    touched: HashSet<TenantId>,
    /// What was told last.
    told: HashMap<BranchId, u64>,
}

impl Active {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls of a tenant have not ended.
    pub(crate) async fn count(&self, tenant: &Tenant) -> store::Result<u64> {
        let now = clock::now();
        if let Some((counted, count)) = self.lock().counts.get(&tenant.id())
            && now - *counted < BELIEVED
        {
            return Ok(*count);
        }
        let count = tenant.active_count().await?;
        let mut state = self.lock();
        state
            .counts
            .retain(|_, (counted, _)| now - *counted < BELIEVED);
        state.counts.insert(tenant.id(), (now, count));
        Ok(count)
    }

    /// A call began, changed or ended.
    pub(crate) fn changed(&self, call: &Call) {
        let branch = call.branch_id.as_deref().and_then(|id| id.parse().ok());
        let mut state = self.lock();
        state.counts.remove(&call.client_id);
        state.touched.insert(call.client_id);
        if let Some(branch) = branch {
            state.changed.insert((call.client_id, branch));
        }
    }

    /// A branch is no more.
    pub(crate) fn forget_branch(&self, branch: BranchId) {
        self.lock().told.remove(&branch);
    }

    fn take_changed(&self) -> HashSet<(TenantId, BranchId)> {
        std::mem::take(&mut self.lock().changed)
    }

    fn take_touched(&self) -> HashSet<TenantId> {
        std::mem::take(&mut self.lock().touched)
    }

    /// Whether a count is another than was told last; it counts as told then.
    fn is_news(&self, branch: BranchId, count: u64) -> bool {
        self.lock().told.insert(branch, count) != Some(count)
    }
}

/// Tells of branches until the process drains.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pulse.tick() => {}
            () = lifecycle.draining() => return Ok(()),
        }
        let changed = app.active.take_changed();
        let branches: Vec<BranchId> = changed.iter().map(|(_, branch)| *branch).collect();
        let counts = match app.store.branch_counts(&branches).await {
            Ok(counts) => counts,
            Err(error) => {
                error!(%error, "branches' calls could not be counted; the next second tries again");
                app.active.lock().changed.extend(changed);
                continue;
            }
        };
        for (tenant, branch_id) in changed {
            let active_calls = counts.get(&branch_id).copied().unwrap_or_default();
            if app.active.is_news(branch_id, active_calls) {
                let pulse = BranchPulse {
                    branch_id,
                    active_calls,
                    timestamp: now(),
                };
                app.realtime.tell(tenant, "branch_pulse", &pulse).await;
            }
        }
    }
}
