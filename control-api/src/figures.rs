//! Figures that many ask for: read from the database once, remembered for a while.
//!
//! A tenant's metrics are good for 30 s, and for one second once a call of the tenant changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_service::clock;
use sidetone_wire::TenantId;
use sidetone_wire::analytics::Metrics;

use crate::store::{Result, Tenant};

/// How long metrics are good while nothing changes that we know of.
const METRICS: Duration = Duration::from_secs(30);
/// How long they are good otherwise.
const BRIEF: Duration = Duration::from_secs(1);
/// Tenants and periods that are remembered; beyond it everything is forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(crate) struct Figures {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metrics: HashMap<(TenantId, u32), (Instant, Metrics)>,
    /// When each tenant's calls changed last.
    changed: HashMap<TenantId, Instant>,
}

impl Known {
    fn metrics(&self, tenant: TenantId, hours: u32, now: Instant) -> Option<Metrics> {
        let (read, metrics) = self.metrics.get(&(tenant, hours))?;
        let changed = self.changed.get(&tenant).is_some_and(|at| at >= read);
        let good_for = if changed { BRIEF } else { METRICS };
        (now.duration_since(*read) < good_for).then(|| metrics.clone())
    }

    fn keep_bounded(&mut self) {
        if self.metrics.len() > REMEMBERED || self.changed.len() > REMEMBERED {
            *self = Self::default();
        }
    }
}

impl Figures {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of that tenant changed.
    pub(crate) fn changed(&self, tenant: TenantId) {
        let mut known = self.lock();
        known.changed.insert(tenant, clock::now());
        known.keep_bounded();
    }

    /// A tenant's figures of the last `hours`; the active calls are counted elsewhere.
    pub(crate) async fn metrics(&self, tenant: &Tenant, hours: u32) -> Result<Metrics> {
        let now = clock::now();
        let known = self.lock().metrics(tenant.id(), hours, now);
        if let Some(metrics) = known {
            return Ok(metrics);
        }
        let metrics = tenant.metrics(hours, crate::app::now()).await?;
        let mut known = self.lock();
        known.keep_bounded();
        // what changed while it was read may not be in it
        let entry = (now, metrics.clone());
        known.metrics.insert((tenant.id(), hours), entry);
        Ok(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_wire::TenantId;

    #[test]
    fn metrics_are_good_for_thirty_seconds_and_for_one_when_a_call_changed() {
        let now = clock::now();
        let tenant = TenantId(clock::new_id());
        let mut known = Known::default();
        let metrics = Metrics::default();
        known.metrics.insert((tenant, 24), (now, metrics));
        let second = Duration::from_secs(1);
        assert!(known.metrics(tenant, 24, now + 29 * second).is_some());
        assert!(known.metrics(tenant, 24, now + 30 * second).is_none());
        assert!(known.metrics(tenant, 12, now).is_none());
        known.changed.insert(tenant, now + second / 2);
        assert!(known.metrics(tenant, 24, now + second / 2).is_some());
        assert!(known.metrics(tenant, 24, now + second).is_none());
    }
}
