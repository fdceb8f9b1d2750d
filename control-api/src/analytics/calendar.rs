//! Hours and days of a time zone.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp as Moment, Zoned};
use sidetone_wire::Timestamp;
use sidetone_wire::analytics::Bucket;

/// The buckets of a span of time.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    zone: TimeZone,
    /// Where each bucket begins, in milliseconds; the first one at `from` or before.
    starts: Vec<i64>,
    from: i64,
    to: i64,
}

fn zoned(zone: &TimeZone, ms: i64) -> Zoned {
    let moment = Moment::from_millisecond(ms).unwrap_or(Moment::UNIX_EPOCH);
    moment.to_zoned(zone.clone())
}

/// The bucket's beginning at `at` or before.
fn floor(at: &Zoned, bucket: Bucket) -> Result<Zoned, jiff::Error> {
    match bucket {
        Bucket::Hour => at.with().minute(0).second(0).subsec_nanosecond(0).build(),
        Bucket::Day => at.start_of_day(),
    }
}

fn next(start: &Zoned, bucket: Bucket) -> Result<Zoned, jiff::Error> {
    match bucket {
        Bucket::Hour => start.checked_add(Span::new().hours(1)),
        Bucket::Day => start.tomorrow()?.start_of_day(),
    }
}

impl Calendar {
    /// The buckets from `from` until before `to`.
    pub(crate) fn new(zone: TimeZone, bucket: Bucket, from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = (from.unix_ms(), to.unix_ms());
        let mut starts = Vec::new();
        let mut start = floor(&zoned(&zone, from), bucket).unwrap_or_else(|_| zoned(&zone, from));
        while start.timestamp().as_millisecond() < to {
            starts.push(start.timestamp().as_millisecond());
            match next(&start, bucket) {
                Ok(later) if later > start => start = later,
                Ok(_) | Err(_) => break,
            }
        }
        Self {
            zone,
            starts,
            from,
            to,
        }
    }

    pub(crate) fn from(&self) -> i64 {
        self.from
    }

    pub(crate) fn to(&self) -> i64 {
        self.to
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where a bucket begins.
    pub(crate) fn start(&self, bucket: usize) -> Timestamp {
        Timestamp::from_unix_ms(self.starts[bucket])
    }

    /// Where a bucket's part of the span begins and ends.
    pub(crate) fn part(&self, bucket: usize) -> (i64, i64) {
        let end = self.starts.get(bucket + 1).copied().unwrap_or(self.to);
        (self.starts[bucket].max(self.from), end.min(self.to))
    }

    /// The bucket of a moment of the span.
    pub(crate) fn bucket(&self, at: i64) -> usize {
        self.starts
            .partition_point(|start| *start <= at)
            .saturating_sub(1)
    }

    /// Hour of the day (0 to 23) and day of the week (1, Monday, to 7) of a moment.
    pub(crate) fn slots(&self, at: i64) -> (usize, usize) {
        let at = zoned(&self.zone, at);
        let hour = usize::try_from(at.hour()).unwrap_or(0);
        let day = usize::try_from(at.weekday().to_monday_one_offset()).unwrap_or(1);
        (hour, day)
    }

    /// How often each hour of the day, and each day of the week, begins in the span or is running
    /// when it begins.
    pub(crate) fn occurrences(&self) -> ([u64; 24], [u64; 7]) {
        let (mut hours, mut days) = ([0; 24], [0; 7]);
        let whole = |bucket| {
            let (from, to) = (
                Timestamp::from_unix_ms(self.from),
                Timestamp::from_unix_ms(self.to),
            );
            Self::new(self.zone.clone(), bucket, from, to).starts
        };
        for start in whole(Bucket::Hour) {
            hours[self.slots(start).0] += 1;
        }
        for start in whole(Bucket::Day) {
            days[self.slots(start).1 - 1] += 1;
        }
        (hours, days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        let moment: Moment = text.parse().unwrap();
        Timestamp::from_unix_ms(moment.as_millisecond())
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn a_day_has_twenty_three_to_twenty_five_hours() {
        let berlin = zone("Europe/Berlin");
        let calendar = Calendar::new(
            berlin.clone(),
            Bucket::Day,
            at("2025-10-25T00:00:00Z"),
            at("2025-10-28T00:00:00Z"),
        );
        let starts: Vec<String> = (0..calendar.len())
            .map(|n| calendar.start(n).to_string())
            .collect();
        assert_eq!(
            starts,
            [
                "2025-10-24T22:00:00.000Z",
                "2025-10-25T22:00:00.000Z",
                "2025-10-26T23:00:00.000Z",
                "2025-10-27T23:00:00.000Z"
            ]
        );
        let hours = Calendar::new(
            berlin,
            Bucket::Hour,
            at("2025-10-25T22:00:00Z"),
            at("2025-10-26T23:00:00Z"),
        );
        assert_eq!(hours.len(), 25);
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        let calendar = Calendar::new(
            zone("Asia/Kathmandu"),
            Bucket::Hour,
            at("2025-10-30T00:00:00Z"),
            at("2025-10-30T02:00:00Z"),
        );
        // 05:45 there
        assert_eq!(calendar.start(0), at("2025-10-29T23:15:00Z"));
        assert_eq!(calendar.part(0).0, calendar.from());
        assert_eq!(calendar.slots(calendar.from()), (5, 4));
        let (hours, days) = calendar.occurrences();
        assert_eq!(hours.iter().sum::<u64>(), 3);
        assert_eq!(days[3], 1);
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_bucket_and_the_parts_are_the_span(
            from in 1_600_000_000_000i64..1_800_000_000_000,
            days in 1i64..60,
            offset in 0.0f64..1.0,
            name in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York",
                "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]),
            bucket in prop::sample::select(vec![Bucket::Hour, Bucket::Day]),
        ) {
            let to = from + days * 86_400_000;
            let times = (Timestamp::from_unix_ms(from), Timestamp::from_unix_ms(to));
            let calendar = Calendar::new(zone(name), bucket, times.0, times.1);
            let moment = from + ((to - from) as f64 * offset) as i64;
            let (begin, end) = calendar.part(calendar.bucket(moment));
            prop_assert!(begin <= moment && moment < end.max(begin + 1));
            let whole: i64 = (0..calendar.len()).map(|n| {
                let (begin, end) = calendar.part(n);
                end - begin
            }).sum();
            prop_assert_eq!(whole, to - from);
        }
    }
}
