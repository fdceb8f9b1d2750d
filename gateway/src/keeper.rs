//! Keeping a lease while its room is tapped.

use std::time::Duration;

use sidetone_fleet::{Lease, Renewal};
use sidetone_service::clock;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Well within [`sidetone_fleet::LEASE_TTL`]: four misses are survived.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// A lease that is renewed in the background, and free again when this is dropped.
pub(crate) struct Keeper {
    fence: u64,
    lost: CancellationToken,
    renewing: JoinHandle<()>,
}

impl Keeper {
    /// Keeps `lease`. Must be called on the gateway's own runtime: a busy shard must not lose
    /// its leases.
    pub(crate) fn new(lease: Lease, room: String) -> Self {
        let fence = lease.fence();
        let lost = CancellationToken::new();
        let renewing = tokio::spawn(renew(lease, room, lost.clone()));
        Self {
            fence,
            lost,
            renewing,
        }
    }

    /// The lease's fencing number.
    pub(crate) fn fence(&self) -> u64 {
        self.fence
    }

    /// Cancelled when somebody else may have the lease.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(lease: Lease, room: String, lost: CancellationToken) {
    let mut ticks = tokio::time::interval(RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if lease.renew(clock::now()).await == Renewal::Lost {
            warn!(
                room,
                "the lease was lost: the call is left to another gateway"
            );
            lost.cancel();
            return;
        }
    }
}
