//! Exact sweeps over calls in the order in which they began: memory for those that go on at once,
//! whatever their number.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use sidetone_wire::Timestamp;
use sidetone_wire::analytics::{AgentUtilization, ConcurrencyBucket, UtilizationBucket};

use super::Calendar;

/// Agents that are told apart; calls of further ones do not count.
const AGENTS: usize = 10_000;
/// Agents in a report.
const LISTED: usize = 1_000;

/// A call as a sweep sees it: it goes on from `start` until before `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) agent_id: Option<String>,
    pub(crate) agent_name: Option<String>,
}

/// How many calls there are at once.
pub(crate) struct Concurrency<'a> {
    calendar: &'a Calendar,
    ends: BinaryHeap<Reverse<i64>>,
    /// Until here everything is counted.
    at: i64,
    maximum: u64,
    maximum_at: Option<i64>,
    /// Maximum and call-milliseconds of each bucket.
    buckets: Vec<(u64, i64)>,
}

impl<'a> Concurrency<'a> {
    pub(crate) fn new(calendar: &'a Calendar) -> Self {
        Self {
            calendar,
            ends: BinaryHeap::new(),
            at: calendar.from(),
            maximum: 0,
            maximum_at: None,
            buckets: vec![(0, 0); calendar.len()],
        }
    }

    /// Adds a call that began no earlier than those before it.
    pub(crate) fn add(&mut self, call: &Held) {
        let start = call.start.max(self.calendar.from());
        let end = call.end.min(self.calendar.to());
        if end <= start {
            return;
        }
        self.advance(start);
        self.ends.push(Reverse(end));
        let level = self.ends.len() as u64;
        if level > self.maximum {
            self.maximum = level;
            self.maximum_at = Some(start);
        }
    }

    /// Counts until `to`.
    fn advance(&mut self, to: i64) {
        while let Some(Reverse(end)) = self.ends.peek().copied()
            && end <= to
        {
            self.count(end);
            self.ends.pop();
        }
        self.count(to);
    }

    /// Counts the calls that go on now until `to`.
    fn count(&mut self, to: i64) {
        let level = self.ends.len() as u64;
        while self.at < to {
            let bucket = self.calendar.bucket(self.at);
            let until = self.calendar.part(bucket).1.min(to);
            if until <= self.at {
                break;
            }
            let (maximum, sum) = &mut self.buckets[bucket];
            *maximum = (*maximum).max(level);
            *sum += (until - self.at) * level as i64;
            self.at = until;
        }
    }

    /// The most at any moment, the first such moment, and the buckets.
    pub(crate) fn finish(mut self) -> (u64, Option<Timestamp>, Vec<ConcurrencyBucket>) {
        self.advance(self.calendar.to());
        let calendar = self.calendar;
        let buckets = self.buckets.iter().enumerate();
        let buckets = buckets.map(|(n, (maximum, sum))| {
            let (begin, end) = calendar.part(n);
            let length = (end - begin).max(1) as f64;
            ConcurrencyBucket {
                start: calendar.start(n),
                maximum: *maximum,
                average: super::hundredths(*sum as f64 / length),
            }
        });
        let maximum_at = self.maximum_at.map(Timestamp::from_unix_ms);
        (self.maximum, maximum_at, buckets.collect())
    }
}

struct Agent {
    name: Option<String>,
    calls: u64,
    talk_ms: i64,
    busy_ms: i64,
    busy_until: i64,
    /// The last bucket in which it counted.
    bucket: Option<usize>,
}

/// How busy agents are.
pub(crate) struct Utilization<'a> {
    calendar: &'a Calendar,
    agents: HashMap<String, Agent>,
    /// Agents and busy milliseconds of each bucket.
    buckets: Vec<(u64, i64)>,
}

impl<'a> Utilization<'a> {
    pub(crate) fn new(calendar: &'a Calendar) -> Self {
        Self {
            calendar,
            agents: HashMap::new(),
            buckets: vec![(0, 0); calendar.len()],
        }
    }

    /// Adds a call that began no earlier than those before it.
    pub(crate) fn add(&mut self, call: Held) {
        let Some(id) = call.agent_id else { return };
        let start = call.start.max(self.calendar.from());
        let end = call.end.min(self.calendar.to());
        if end <= start || (self.agents.len() >= AGENTS && !self.agents.contains_key(&id)) {
            return;
        }
        let agent = self.agents.entry(id).or_insert_with(|| Agent {
            name: None,
            calls: 0,
            talk_ms: 0,
            busy_ms: 0,
            busy_until: i64::MIN,
            bucket: None,
        });
        agent.name = call.agent_name.or(agent.name.take());
        agent.calls += 1;
        agent.talk_ms += end - start;
        let mut at = start.max(agent.busy_until);
        agent.busy_ms += (end - at).max(0);
        agent.busy_until = agent.busy_until.max(end);
        while at < end {
            let bucket = self.calendar.bucket(at);
            let until = self.calendar.part(bucket).1.min(end);
            if until <= at {
                break;
            }
            let (agents, busy) = &mut self.buckets[bucket];
            if agent.bucket.is_none_or(|last| last < bucket) {
                agent.bucket = Some(bucket);
                *agents += 1;
            }
            *busy += until - at;
            at = until;
        }
    }

    /// The agents, busiest first, and the buckets.
    pub(crate) fn finish(self) -> (Vec<AgentUtilization>, Vec<UtilizationBucket>) {
        let calendar = self.calendar;
        let span = (calendar.to() - calendar.from()).max(1) as f64;
        let seconds = |ms: i64| u64::try_from(ms / 1000).unwrap_or(0);
        let mut agents: Vec<_> = self.agents.into_iter().collect();
        agents.sort_by(|(a_id, a), (b_id, b)| b.busy_ms.cmp(&a.busy_ms).then(a_id.cmp(b_id)));
        agents.truncate(LISTED);
        let agents = agents
            .into_iter()
            .map(|(agent_id, agent)| AgentUtilization {
                agent_id,
                agent_name: agent.name,
                calls: agent.calls,
                talk_seconds: seconds(agent.talk_ms),
                busy_seconds: seconds(agent.busy_ms),
                utilization: (agent.busy_ms as f64 / span * 10_000.0).round() / 10_000.0,
            });
        let buckets = self.buckets.iter().enumerate();
        let buckets = buckets.map(|(n, (agents, busy))| UtilizationBucket {
            start: calendar.start(n),
            agents: *agents,
            busy_seconds: seconds(*busy),
        });
        (agents.collect(), buckets.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use sidetone_wire::analytics::Bucket;

    const HOUR: i64 = 3_600_000;

    fn calendar(hours: i64) -> Calendar {
        let (from, to) = (
            Timestamp::from_unix_ms(0),
            Timestamp::from_unix_ms(hours * HOUR),
        );
        Calendar::new(TimeZone::UTC, Bucket::Hour, from, to)
    }

    fn held(start: i64, end: i64, agent: &str) -> Held {
        Held {
            start,
            end,
            agent_id: Some(agent.to_owned()),
            agent_name: None,
        }
    }

    #[test]
    fn calls_that_follow_each_other_are_not_at_once() {
        let calendar = calendar(2);
        let mut sweep = Concurrency::new(&calendar);
        sweep.add(&held(-HOUR, HOUR / 2, "a"));
        sweep.add(&held(HOUR / 2, HOUR, "a"));
        sweep.add(&held(HOUR / 2, 2 * HOUR, "b"));
        let (maximum, at, buckets) = sweep.finish();
        assert_eq!((maximum, at), (2, Some(Timestamp::from_unix_ms(HOUR / 2))));
        assert_eq!(buckets[0].maximum, 2);
        assert_eq!(buckets[1].maximum, 1);
        assert!((buckets[0].average - 1.5).abs() < 1e-9);
        assert!((buckets[1].average - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_agent_is_busy_once_however_many_calls_it_has() {
        let calendar = calendar(2);
        let mut sweep = Utilization::new(&calendar);
        sweep.add(held(0, HOUR, "a"));
        sweep.add(held(HOUR / 2, HOUR + HOUR / 2, "a"));
        sweep.add(held(HOUR, HOUR + HOUR / 4, "b"));
        let (agents, buckets) = sweep.finish();
        let found: Vec<_> = agents
            .iter()
            .map(|it| {
                (
                    it.agent_id.as_str(),
                    it.calls,
                    it.talk_seconds,
                    it.busy_seconds,
                )
            })
            .collect();
        assert_eq!(found, [("a", 2, 7200, 5400), ("b", 1, 900, 900)]);
        assert!((agents[0].utilization - 0.75).abs() < 1e-9);
        let found: Vec<_> = buckets
            .iter()
            .map(|it| (it.agents, it.busy_seconds))
            .collect();
        assert_eq!(found, [(1, 3600), (2, 2700)]);
    }

    proptest! {
        #[test]
        fn the_sweep_finds_what_looking_at_every_second_finds(
            calls in prop::collection::vec((0i64..10_000, 1i64..5_000, 0u8..4), 0..40)
        ) {
            let calendar = calendar(3);
            let mut calls: Vec<Held> = calls.into_iter().map(|(start, length, agent)| {
                held(start * 1000, (start + length) * 1000, &agent.to_string())
            }).collect();
            calls.sort_by_key(|call| call.start);
            let mut sweep = Concurrency::new(&calendar);
            let mut busy = Utilization::new(&calendar);
            for call in &calls {
                sweep.add(call);
                busy.add(call.clone());
            }
            let (maximum, _, buckets) = sweep.finish();
            let (agents, _) = busy.finish();
            let at = |second: i64| calls.iter()
                .filter(move |call| call.start <= second * 1000 && second * 1000 < call.end);
            let most = (0..3 * 3600).map(|second| at(second).count() as u64).max().unwrap();
            prop_assert_eq!(maximum, most);
            for (n, bucket) in buckets.iter().enumerate() {
                let seconds = n as i64 * 3600..(n as i64 + 1) * 3600;
                let counts: Vec<u64> = seconds.map(|second| at(second).count() as u64).collect();
                prop_assert_eq!(bucket.maximum, counts.iter().copied().max().unwrap());
                let mean = counts.iter().sum::<u64>() as f64 / 3600.0;
                prop_assert!((bucket.average - mean).abs() < 0.006);
            }
            for agent in agents {
                let wanted = (0..3 * 3600i64).filter(|second| {
                    at(*second).any(|call| call.agent_id.as_deref() == Some(&agent.agent_id))
                }).count() as u64;
                prop_assert_eq!(agent.busy_seconds, wanted);
            }
        }
    }
}
