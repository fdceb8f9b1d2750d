//! Wall-clock time as it crosses a process.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;
use utoipa::ToSchema;

/// A moment on the wall clock, in milliseconds since the Unix epoch. As JSON it is RFC 3339 in
/// UTC with milliseconds (`2026-10-30T12:00:00.123Z`); in the database it is the bare number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, TS, ToSchema)]
#[ts(type = "string")]
#[schema(value_type = String, format = DateTime)]
pub struct Timestamp(i64);

/// 9999-12-30T22:00:00Z: about the last moment that jiff can print.
const MAX_UNIX_MS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The moment `ms` milliseconds after the epoch, clamped to what RFC 3339 can say.
    pub const fn from_unix_ms(ms: i64) -> Self {
        if ms < 0 {
            Self(0)
        } else if ms > MAX_UNIX_MS {
            Self(MAX_UNIX_MS)
        } else {
            Self(ms)
        }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`, 0 if `earlier` is later.
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{at:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: jiff::Timestamp = text.parse().map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is not a time such as 2026-10-30T12:00:00Z"
            ))
        })?;
        Ok(Self::from_unix_ms(at.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_rfc_3339_with_milliseconds() {
        let at = Timestamp::from_unix_ms(1_761_825_600_123);
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(json, "\"2025-10-30T12:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
        assert_eq!(
            serde_json::from_str::<Timestamp>("\"2025-10-30T13:00:00.123+01:00\"").unwrap(),
            at
        );
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }

    #[test]
    fn times_out_of_range_are_clamped_and_still_print() {
        assert_eq!(
            Timestamp::from_unix_ms(i64::MAX).to_string(),
            "9999-12-30T22:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_unix_ms(-5).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
