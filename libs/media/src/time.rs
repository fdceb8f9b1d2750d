//! Media time: samples at 48 kHz since a call's start.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a call's time: samples at 48 kHz since the call's start on our monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(u64);

impl MediaTime {
    /// Samples in a second.
    pub const RATE_HZ: u64 = 48_000;
    /// The call's start.
    pub const ZERO: Self = Self(0);

    /// The point `samples_48k` samples after the start.
    pub const fn from_samples(samples_48k: u64) -> Self {
        Self(samples_48k)
    }

    /// The point `elapsed` after the start, rounded down to a sample.
    pub fn from_duration(elapsed: Duration) -> Self {
        Self((elapsed.as_nanos() * u128::from(Self::RATE_HZ) / 1_000_000_000) as u64)
    }

    /// Samples since the start.
    pub const fn samples(self) -> u64 {
        self.0
    }

    /// Milliseconds since the start, rounded down.
    pub const fn ms(self) -> u64 {
        self.0 / 48
    }

    /// Samples from `earlier` to `self`, 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for MediaTime {
    type Output = Self;

    fn add(self, samples_48k: u64) -> Self {
        Self(self.0.saturating_add(samples_48k))
    }
}

impl Sub<u64> for MediaTime {
    type Output = Self;

    fn sub(self, samples_48k: u64) -> Self {
        Self(self.0.saturating_sub(samples_48k))
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.ms() / 1000, self.ms() % 1000)
    }
}

/// Ticks a second of an RTP clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClockRate(u32);

impl ClockRate {
    /// Opus, whatever the audio's bandwidth (RFC 7587 section 4.1).
    pub const OPUS: Self = Self(48_000);
    /// G.711 (RFC 3551 section 4.5.14).
    pub const G711: Self = Self(8_000);

    /// A clock of `hz` ticks a second, 1 to 192,000; `None` outside of that.
    pub const fn new(hz: u32) -> Option<Self> {
        if hz == 0 || hz > 192_000 {
            None
        } else {
            Some(Self(hz))
        }
    }

    /// Ticks a second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// `ticks` of this clock in samples at 48 kHz, rounded towards zero.
    pub const fn to_samples_48k(self, ticks: i64) -> i64 {
        ((ticks as i128 * MediaTime::RATE_HZ as i128) / self.0 as i128) as i64
    }

    /// Samples at 48 kHz in ticks of this clock, rounded towards zero.
    pub const fn from_samples_48k(self, samples_48k: i64) -> i64 {
        ((samples_48k as i128 * self.0 as i128) / MediaTime::RATE_HZ as i128) as i64
    }
}
