//! Waiting times of a retry: doubled, capped, jittered.

use std::time::Duration;

use crate::random;

/// How long to wait before the next try. One layer owns a retry, and this is its state.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits about `first` before the first retry and never more than `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            next: first,
        }
    }

    /// The next waiting time: between half and the whole of what doubling arrived at.
    pub fn wait(&mut self) -> Duration {
        let full = self.next.min(self.cap);
        self.next = full.saturating_mul(2);
        random::jittered(full)
    }

    /// Something worked: the next failure waits `first` again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let ms = |range: std::ops::RangeInclusive<u64>, wait: Duration| {
            assert!(range.contains(&(wait.as_millis() as u64)), "{wait:?}");
        };
        ms(50..=100, backoff.wait());
        ms(100..=200, backoff.wait());
        ms(200..=400, backoff.wait());
        ms(400..=800, backoff.wait());
        ms(500..=1000, backoff.wait());
        ms(500..=1000, backoff.wait());
        backoff.reset();
        ms(50..=100, backoff.wait());
    }
}
