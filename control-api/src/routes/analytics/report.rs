//! Reports that are made of counts.

use std::collections::HashMap;

use sidetone_wire::analytics::{
    AgentFeedback, DurationBucket, DurationReport, DurationSlot, FeedbackBucket, FeedbackReport,
    PeakBucket, PeakSlot, PeaksReport, Span,
};

use crate::analytics::{Calendar, average_seconds, hundredths};
use crate::store::{Opinion, Slot};

/// The busiest buckets of a report.
const BUSIEST: usize = 10;
/// Agents that are told apart; opinions of further ones count in the whole only.
const AGENTS: usize = 10_000;
/// Agents in a report.
const LISTED: usize = 1_000;

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    calls: u64,
    ended: u64,
    duration_ms: i64,
}

impl Sum {
    fn add(&mut self, slot: &Slot) {
        self.calls += slot.calls;
        self.ended += slot.ended;
        self.duration_ms += slot.duration_ms;
    }

    fn average(self) -> f64 {
        average_seconds(self.duration_ms, self.ended)
    }
}

/// Counts by bucket, by hour of the day and by day of the week.
struct Sums {
    all: Sum,
    buckets: Vec<Sum>,
    hours: [Sum; 24],
    days: [Sum; 7],
}

impl Sums {
    fn of(calendar: &Calendar, slots: &[Slot]) -> Self {
        let mut sums = Self {
            all: Sum::default(),
            buckets: vec![Sum::default(); calendar.len()],
            hours: [Sum::default(); 24],
            days: [Sum::default(); 7],
        };
        for slot in slots {
            let (hour, day) = calendar.slots(slot.at);
            sums.all.add(slot);
            sums.buckets[calendar.bucket(slot.at)].add(slot);
            sums.hours[hour].add(slot);
            sums.days[day - 1].add(slot);
        }
        sums
    }
}

pub(super) fn duration(span: Span, calendar: &Calendar, slots: &[Slot]) -> DurationReport {
    let sums = Sums::of(calendar, slots);
    let buckets = sums.buckets.iter().enumerate();
    let buckets = buckets.map(|(n, sum)| DurationBucket {
        start: calendar.start(n),
        calls: sum.calls,
        ended: sum.ended,
        average_seconds: sum.average(),
    });
    let slot = |slot: u8, sum: &Sum| DurationSlot {
        slot,
        ended: sum.ended,
        average_seconds: sum.average(),
    };
    DurationReport {
        span,
        average_seconds: sums.all.average(),
        ended: sums.all.ended,
        buckets: buckets.collect(),
        by_hour: (0u8..)
            .zip(&sums.hours)
            .map(|(n, sum)| slot(n, sum))
            .collect(),
        by_weekday: (1u8..)
            .zip(&sums.days)
            .map(|(n, sum)| slot(n, sum))
            .collect(),
    }
}

pub(super) fn peaks(span: Span, calendar: &Calendar, slots: &[Slot]) -> PeaksReport {
    let sums = Sums::of(calendar, slots);
    let buckets: Vec<PeakBucket> = sums
        .buckets
        .iter()
        .enumerate()
        .map(|(n, sum)| PeakBucket {
            start: calendar.start(n),
            calls: sum.calls,
        })
        .collect();
    let mut busiest = buckets.clone();
    busiest.retain(|bucket| bucket.calls > 0);
    busiest.sort_by_key(|bucket| (std::cmp::Reverse(bucket.calls), bucket.start));
    busiest.truncate(BUSIEST);
    let (hours, days) = calendar.occurrences();
    let slot = |slot: u8, sum: &Sum, times: u64| PeakSlot {
        slot,
        calls: sum.calls,
        average_calls: if times == 0 {
            0.0
        } else {
            hundredths(sum.calls as f64 / times as f64)
        },
    };
    let by_hour = (0u8..).zip(&sums.hours).zip(hours);
    let by_weekday = (1u8..).zip(&sums.days).zip(days);
    PeaksReport {
        span,
        calls: sums.all.calls,
        buckets,
        busiest,
        by_hour: by_hour
            .map(|((n, sum), times)| slot(n, sum, times))
            .collect(),
        by_weekday: by_weekday
            .map(|((n, sum), times)| slot(n, sum, times))
            .collect(),
    }
}

/// Opinions as they come.
pub(super) struct Ratings<'a> {
    calendar: &'a Calendar,
    given: [u64; 5],
    /// How many, and the sum of their ratings.
    buckets: Vec<(u64, u64)>,
    agents: HashMap<String, (u64, u64)>,
}

fn mean((count, sum): (u64, u64)) -> f64 {
    if count == 0 {
        return 0.0;
    }
    hundredths(sum as f64 / count as f64)
}

impl<'a> Ratings<'a> {
    pub(super) fn new(calendar: &'a Calendar) -> Self {
        Self {
            calendar,
            given: [0; 5],
            buckets: vec![(0, 0); calendar.len()],
            agents: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, opinion: Opinion) {
        let Some(count) = opinion
            .rating
            .checked_sub(1)
            .and_then(|n| self.given.get_mut(n))
        else {
            return;
        };
        *count += 1;
        let rating = opinion.rating as u64;
        let add = |(count, sum): &mut (u64, u64)| {
            *count += 1;
            *sum += rating;
        };
        add(&mut self.buckets[self.calendar.bucket(opinion.at)]);
        if let Some(agent) = opinion.agent_id
            && (self.agents.len() < AGENTS || self.agents.contains_key(&agent))
        {
            add(self.agents.entry(agent).or_default());
        }
    }

    pub(super) fn finish(self, span: Span) -> FeedbackReport {
        let calendar = self.calendar;
        let count = self.given.iter().sum();
        let sum = (1u64..).zip(self.given).map(|(n, times)| n * times).sum();
        let mut agents: Vec<_> = self.agents.into_iter().collect();
        agents.sort_by(|(a_id, a), (b_id, b)| b.0.cmp(&a.0).then(a_id.cmp(b_id)));
        agents.truncate(LISTED);
        let agents = agents.into_iter().map(|(agent_id, of)| AgentFeedback {
            agent_id,
            count: of.0,
            average_rating: mean(of),
        });
        let buckets = self.buckets.into_iter().enumerate();
        let buckets = buckets.map(|(n, of)| FeedbackBucket {
            start: calendar.start(n),
            count: of.0,
            average_rating: mean(of),
        });
        FeedbackReport {
            span,
            count,
            average_rating: mean((count, sum)),
            ratings: self.given,
            buckets: buckets.collect(),
            agents: agents.collect(),
        }
    }
}
