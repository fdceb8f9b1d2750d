//! The one place that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;
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

/// What the wall clock says of a moment of [`now`]'s clock that is not in the future: it is counted
/// back from the present.
pub fn wall_at(moment: Instant) -> i64 {
    wall() - i64::try_from((now() - moment).as_millis()).unwrap_or(0)
}

/// How long the machine has been up, the time it slept included: nobody can set it, and it goes on
/// over a process's end. Zero where the system cannot say.
pub fn since_boot() -> Duration {
    let at = rustix::time::clock_gettime(ClockId::Boottime);
    let secs = u64::try_from(at.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(at.tv_nsec).unwrap_or(0))
}

/// Names the machine's present start: times of [`since_boot`] can be compared only where it is the
/// same. `None` where the system gives none.
pub fn boot_id() -> Option<Uuid> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    text.trim().parse().ok()
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
    fn the_time_since_boot_goes_on_and_the_boot_has_a_name() {
        let first = since_boot();
        assert!(first > Duration::ZERO);
        assert!(since_boot() >= first);
        assert_eq!(boot_id(), boot_id());
        assert!(boot_id().is_some());
    }

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
