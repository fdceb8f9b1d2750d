//! Reports over a time: buckets of a time zone, and exact sweeps over calls. Plain calculation;
//! [`crate::store`] reads what it works on.

mod calendar;
mod sweep;
mod tags;

pub(crate) use calendar::Calendar;
pub(crate) use sweep::{Concurrency, Held, Utilization};
pub(crate) use tags::{TagCounts, Tagged};

/// Mean of milliseconds in seconds, to a hundredth; 0 of nothing.
pub(crate) fn average_seconds(ms: i64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    hundredths(ms as f64 / 1000.0 / count as f64)
}

/// To a hundredth.
pub(crate) fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
