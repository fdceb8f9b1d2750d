//! The one place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Uuid};

/// The monotonic clock: for durations, timers and leases.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that everybody else asks"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock in milliseconds since the Unix epoch: for what is stored and shown. It may jump
/// when the operator or NTP sets it; 0 when it stands before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that everybody else asks"
)]
pub fn wall() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}

/// A new UUIDv7 (RFC 9562): sorts by its time of creation, its other 74 bits are random.
pub fn new_id() -> Uuid {
    let unix_ms = wall().unsigned_abs();
    let at = uuid::Timestamp::from_unix(
        NoContext,
        unix_ms / 1000,
        u32::try_from(unix_ms % 1000 * 1_000_000).unwrap_or(0),
    );
    Uuid::new_v7(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_carry_the_time_and_differ() {
        let before = wall();
        let (a, b) = (new_id(), new_id());
        assert_ne!(a, b);
        assert_eq!(a.get_version_num(), 7);
        let (secs, nanos) = a.get_timestamp().expect("version 7").to_unix();
        let at = (secs * 1000 + u64::from(nanos) / 1_000_000).cast_signed();
        assert!((before..=wall()).contains(&at));
    }
}
