//! The one place of this crate that reads a clock or makes a random id.

use std::time::Instant;

/// The monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate's injected place for time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A random id, for streams and calls that others must not guess or repeat.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate's injected place for randomness"
)]
pub(crate) fn random_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A random number up to `limit`, for jitter.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate's injected place for randomness"
)]
pub(crate) fn random_below(limit: u64) -> u64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u64;
    if limit == 0 { 0 } else { bits % limit }
}
