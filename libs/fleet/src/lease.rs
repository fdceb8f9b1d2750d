//! Leases: who taps which call. One owner at a time, a fencing number that only grows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_wire::NodeId;

/// How long a lease lives without renewal: an owner renews every second, so four misses are
/// survived and a dead owner's call is free after 5 s.
pub const LEASE_TTL: Duration = Duration::from_secs(5);

struct Held {
    owner: NodeId,
    fence: u64,
    until: Instant,
}

#[derive(Default)]
pub(crate) struct Leases {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: HashMap<String, Held>,
    last_fence: u64,
}

/// A lease that is held. Dropping it frees the key at once.
pub struct Lease {
    leases: Arc<Leases>,
    key: String,
    fence: u64,
}

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Still ours.
    Held,
    /// Somebody else's, or expired and gone: stop at once.
    Lost,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn acquire(
        this: &Arc<Self>,
        key: &str,
        owner: &NodeId,
        now: Instant,
    ) -> Option<Lease> {
        let mut state = this.lock();
        if state.held.get(key).is_some_and(|held| held.until > now) {
            return None;
        }
        state.last_fence += 1;
        let fence = state.last_fence;
        let held = Held {
            owner: owner.clone(),
            fence,
            until: now + LEASE_TTL,
        };
        state.held.insert(key.to_owned(), held);
        Some(Lease {
            leases: this.clone(),
            key: key.to_owned(),
            fence,
        })
    }

    pub(crate) fn holder(&self, key: &str, now: Instant) -> Option<NodeId> {
        let state = self.lock();
        state
            .held
            .get(key)
            .filter(|held| held.until > now)
            .map(|held| held.owner.clone())
    }
}

impl Lease {
    /// Grows with every lease ever given: a message with a smaller one comes from a former owner.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Keeps the lease for another [`LEASE_TTL`].
    pub async fn renew(&self, now: Instant) -> Renewal {
        let mut state = self.leases.lock();
        match state.held.get_mut(&self.key) {
            Some(held) if held.fence == self.fence && held.until > now => {
                held.until = now + LEASE_TTL;
                Renewal::Held
            }
            _ => Renewal::Lost,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.leases.lock();
        if state
            .held
            .get(&self.key)
            .is_some_and(|held| held.fence == self.fence)
        {
            state.held.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "any moment will do to start from"
    )]

    use super::*;
    use crate::Fleet;

    fn node(name: &str) -> NodeId {
        NodeId(name.to_owned())
    }

    #[tokio::test]
    async fn a_lease_has_one_owner_until_it_is_dropped() {
        let fleet = Fleet::in_process();
        let now = Instant::now();
        let lease = fleet
            .acquire("room:a", &node("g1"), now)
            .await
            .expect("free");
        assert!(fleet.acquire("room:a", &node("g2"), now).await.is_none());
        assert_eq!(fleet.holder("room:a", now).await, Some(node("g1")));
        let fence = lease.fence();
        drop(lease);
        let next = fleet
            .acquire("room:a", &node("g2"), now)
            .await
            .expect("free again");
        assert!(next.fence() > fence, "fencing numbers only grow");
    }

    #[tokio::test]
    async fn a_dead_owners_lease_is_free_after_its_time_and_cannot_be_renewed() {
        let fleet = Fleet::in_process();
        let now = Instant::now();
        let dead = fleet
            .acquire("room:a", &node("g1"), now)
            .await
            .expect("free");
        assert_eq!(
            dead.renew(now + Duration::from_secs(4)).await,
            Renewal::Held
        );
        let later = now + Duration::from_secs(9);
        assert_eq!(fleet.holder("room:a", later).await, None);
        assert_eq!(dead.renew(later).await, Renewal::Lost);
        let next = fleet
            .acquire("room:a", &node("g2"), later)
            .await
            .expect("expired");
        drop(dead); // the former owner's end does not free the new owner's lease
        assert_eq!(fleet.holder("room:a", later).await, Some(node("g2")));
        drop(next);
    }
}
