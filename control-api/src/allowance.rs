//! How often somebody may act: a bucket of acts for each, refilled with time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sidetone_wire::UserId;

/// Acts at once: more than a person clicks, hold-to-whisper included.
const AT_ONCE: u32 = 60;
/// One more after this: ten a second.
const REFILL: Duration = Duration::from_millis(100);
/// People remembered. When it is full, those whose buckets are full again are forgotten, then all.
const REMEMBERED: usize = 10_000;

/// What everybody has left.
#[derive(Default)]
pub(crate) struct Allowance {
    /// When somebody's bucket is full again.
    full_at: Mutex<HashMap<UserId, Instant>>,
}

impl Allowance {
    /// Takes one act.
    ///
    /// # Errors
    /// How long to wait, when there is none left.
    pub(crate) fn take(&self, who: UserId, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= REMEMBERED && !full_at.contains_key(&who) {
            full_at.retain(|_, full| *full > now);
            if full_at.len() >= REMEMBERED {
                full_at.clear();
            }
        }
        let full = full_at.entry(who).or_insert(now);
        let after = (*full).max(now) + REFILL;
        let latest = now + REFILL * AT_ONCE;
        if after > latest {
            return Err(after - latest);
        }
        *full = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;
    use uuid::Uuid;

    #[test]
    fn sixty_at_once_then_ten_a_second_each_for_themselves() {
        let (allowance, now) = (Allowance::default(), clock::now());
        let [one, other] = [1, 2].map(|n| UserId(Uuid::from_u128(n)));
        for _ in 0..AT_ONCE {
            assert_eq!(allowance.take(one, now), Ok(()));
        }
        assert_eq!(allowance.take(one, now), Err(REFILL));
        assert_eq!(allowance.take(other, now), Ok(()));
        assert_eq!(allowance.take(one, now + REFILL), Ok(()));
        assert!(allowance.take(one, now + REFILL).is_err());
    }
}
