//! When changes of calls are told: at once while little happens, once a second when much does.
//!
//! A tenant's changes are told in rounds, at most one a second; the first change after a quiet
//! second begins one at once. A call that changes several times between two rounds is told once, as
//! it is then; that it began or ended is never left out. A round has at most [`ROUND`] calls, those
//! that began or ended first, and single events are told [`CHUNK`] calls at a time, so that no
//! connection is flooded. With each round goes at most one of the list of active calls and the
//! figures, in turn.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Call, CallId, TenantId};

/// Between two rounds.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// Calls of a round at most.
pub(super) const ROUND: usize = 200;
/// Calls told singly in one go: some 50 KB for each client.
const CHUNK: usize = 32;
/// Between two such goes: time for the connections to take them.
const PACE: Duration = Duration::from_millis(25);

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    Tenant(TenantId),
    /// Those who see every tenant.
    Global,
}

/// A call that changed since it was last told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Changed {
    /// What happened, in order.
    pub(super) kinds: Vec<CallEventType>,
    /// The call as it is now.
    pub(super) call: Call,
}

impl Changed {
    fn add(&mut self, kind: CallEventType) {
        if kind == CallEventType::Updated {
            return; // whatever is told of it, the call goes along
        }
        self.kinds.retain(|kind| *kind != CallEventType::Updated);
        if self.kinds.last() != Some(&kind) {
            self.kinds.push(kind);
        }
    }

    fn is_event(&self) -> bool {
        self.kinds
            .iter()
            .any(|kind| *kind != CallEventType::Updated)
    }
}

/// What goes along with a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// The list of active calls.
    List,
    /// The figures.
    Figures,
}

/// Something to be told now.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) scope: Scope,
    /// At the beginning of a round: all its calls, for those who get them together.
    pub(super) batch: Option<Vec<Call>>,
    /// For those who get them singly.
    pub(super) single: Vec<Changed>,
    pub(super) extra: Option<Extra>,
}

#[derive(Debug, Default)]
struct Pending {
    /// What no round has yet.
    calls: HashMap<CallId, Changed>,
    /// Those of `calls`, oldest first.
    order: VecDeque<CallId>,
    /// What the running round still has to tell singly: as it was when the round began. What
    /// changes meanwhile is for the next one.
    round: VecDeque<Changed>,
    began: Option<Instant>,
    told: Option<Instant>,
    list: bool,
    figures: bool,
    last_extra: Option<Extra>,
}

impl Pending {
    /// When there is something to be told.
    fn due(&self, now: Instant) -> Option<Instant> {
        if !self.round.is_empty() {
            return Some(self.told.map_or(now, |told| told + PACE));
        }
        let waits = !self.order.is_empty() || self.list || self.figures;
        waits.then(|| self.began.map_or(now, |began| began + EVERY))
    }

    fn note(&mut self, kind: CallEventType, call: &Call) {
        self.list = true;
        self.figures = true;
        if let Some(changed) = self.calls.get_mut(&call.id) {
            changed.add(kind);
            changed.call = call.clone();
            return;
        }
        let changed = Changed {
            kinds: vec![kind],
            call: call.clone(),
        };
        self.calls.insert(call.id, changed);
        self.order.push_back(call.id);
    }

    fn tell(&mut self, scope: Scope, now: Instant) -> Told {
        let (batch, extra) = if self.round.is_empty() {
            self.began = Some(now);
            self.begin_round();
            let calls = self.round.iter().map(|changed| changed.call.clone());
            (Some(calls.collect()), self.next_extra())
        } else {
            (None, None)
        };
        self.told = Some(now);
        let chunk = self.round.len().min(CHUNK);
        let single = self.round.drain(..chunk).collect();
        Told {
            scope,
            batch,
            single,
            extra,
        }
    }

    /// Those that began or ended come first.
    fn begin_round(&mut self) {
        let (mut first, then): (VecDeque<_>, VecDeque<_>) = self
            .order
            .drain(..)
            .partition(|id| self.calls[id].is_event());
        first.extend(then);
        self.order = first.split_off(first.len().min(ROUND));
        let calls = &mut self.calls;
        self.round = first.iter().filter_map(|id| calls.remove(id)).collect();
    }

    fn next_extra(&mut self) -> Option<Extra> {
        let extra = match (self.list, self.figures) {
            (true, true) if self.last_extra == Some(Extra::List) => Some(Extra::Figures),
            (true, _) => Some(Extra::List),
            (false, true) => Some(Extra::Figures),
            (false, false) => None,
        };
        match extra {
            Some(Extra::List) => self.list = false,
            Some(Extra::Figures) => self.figures = false,
            None => {}
        }
        self.last_extra = extra.or(self.last_extra);
        extra
    }
}

/// The changes that are still to be told.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pending: HashMap<Scope, Pending>,
}

impl Changes {
    /// A call changed.
    pub(super) fn note(&mut self, scope: Scope, kind: CallEventType, call: &Call) {
        self.pending.entry(scope).or_default().note(kind, call);
    }

    /// What is to be told now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Told> {
        let mut told = Vec::new();
        for (scope, pending) in &mut self.pending {
            if pending.due(now).is_some_and(|due| due <= now) {
                told.push(pending.tell(*scope, now));
            }
        }
        // a scope is remembered as long as its last round counts
        self.pending.retain(|_, pending| {
            pending.due(now).is_some() || pending.began.is_some_and(|began| now < began + EVERY)
        });
        told
    }

    /// When there is something to be told next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.pending
            .values()
            .filter_map(|pending| pending.due(now))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sidetone_service::clock;
    use sidetone_wire::Timestamp;

    fn call(n: u64) -> Call {
        serde_json::from_value(serde_json::json!({
            "id": format!("00000000-0000-7000-8000-{n:012}"),
            "clientId": "00000000-0000-7000-8000-000000000000",
            "upstream": "api", "upstreamCallId": n.to_string(), "direction": "inbound",
            "from": "a", "to": "b", "status": "connected",
            "startedAt": Timestamp::from_unix_ms(0).to_string(), "durationSeconds": 0,
            "tags": [], "consent": "unknown", "capabilities": [], "watchers": [],
            "control": {"holder": "agent", "since": "1970-01-01T00:00:00Z", "version": 0},
            "recording": {"state": "off"},
        }))
        .unwrap()
    }

    const SCOPE: Scope = Scope::Global;

    fn one(told: Vec<Told>) -> Told {
        let [told] = <[Told; 1]>::try_from(told).expect("one scope");
        told
    }

    #[test]
    fn the_first_change_is_told_at_once_and_the_next_ones_together_a_second_later() {
        let start = clock::now();
        let mut changes = Changes::default();
        changes.note(SCOPE, CallEventType::Started, &call(1));
        let told = one(changes.take_due(start));
        assert_eq!(told.single[0].kinds, [CallEventType::Started]);
        assert_eq!(told.batch.unwrap().len(), 1);
        assert_eq!(told.extra, Some(Extra::List));

        for n in 0..10 {
            let mut changed = call(1);
            changed.duration_seconds = n;
            changes.note(SCOPE, CallEventType::Updated, &changed);
        }
        changes.note(SCOPE, CallEventType::Ended, &call(2));
        assert!(changes.take_due(start + EVERY / 2).is_empty());
        assert_eq!(changes.next(start), Some(start + EVERY));
        let told = one(changes.take_due(start + EVERY));
        assert_eq!(told.extra, Some(Extra::Figures));
        let calls: Vec<_> = told.single.iter().map(|it| (&it.call, &it.kinds)).collect();
        assert_eq!(calls[0], (&call(2), &vec![CallEventType::Ended]));
        assert_eq!(calls[1].0.duration_seconds, 9);
        assert_eq!(calls[1].1, &[CallEventType::Updated]);

        // the list that was passed over comes without a further change, then all is quiet
        let told = one(changes.take_due(start + EVERY * 2));
        assert!(told.single.is_empty());
        assert_eq!(told.extra, Some(Extra::List));
        assert_eq!(changes.next(start + EVERY * 2), None);
        assert!(changes.take_due(start + EVERY * 4).is_empty());
        assert!(changes.pending.is_empty());
    }

    #[test]
    fn a_call_that_begins_and_ends_within_a_second_does_both() {
        let start = clock::now();
        let mut changes = Changes::default();
        changes.note(SCOPE, CallEventType::Updated, &call(9));
        changes.take_due(start);
        for kind in [
            CallEventType::Started,
            CallEventType::Updated,
            CallEventType::Ended,
            CallEventType::Ended,
        ] {
            changes.note(SCOPE, kind, &call(1));
        }
        let told = one(changes.take_due(start + EVERY));
        let kinds = [CallEventType::Started, CallEventType::Ended];
        assert_eq!(told.single[0].kinds, kinds);
    }

    #[test]
    fn many_calls_are_told_in_goes_and_none_is_forgotten() {
        let start = clock::now();
        let mut changes = Changes::default();
        for n in 0..300 {
            changes.note(SCOPE, CallEventType::Updated, &call(n));
        }
        let mut now = start;
        let (mut singles, mut batches) = (Vec::new(), Vec::new());
        while let Some(next) = changes.next(now) {
            now = now.max(next);
            let told = one(changes.take_due(now));
            assert!(told.single.len() <= CHUNK);
            singles.extend(told.single.into_iter().map(|it| it.call.id));
            batches.extend(told.batch.map(|calls| calls.len()));
        }
        assert_eq!(batches[..2], [200, 100]);
        singles.sort_unstable();
        singles.dedup();
        assert_eq!(singles.len(), 300);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_last_state_is_told_and_lists_come_once_a_second(
            steps in prop::collection::vec((0u64..50, 0u64..3, 0u64..70), 1..150)
        ) {
            let start = clock::now();
            let mut now = start;
            let mut changes = Changes::default();
            let mut wanted = HashMap::new();
            let mut seen: HashMap<CallId, Call> = HashMap::new();
            let mut batched: HashMap<CallId, Call> = HashMap::new();
            let (mut extras, mut ends, mut ended) = (Vec::new(), 0, 0);
            let mut step = |changes: &mut Changes, now: Instant| {
                for told in changes.take_due(now) {
                    if told.extra.is_some() {
                        extras.push(now);
                    }
                    batched.extend(told.batch.into_iter().flatten().map(|call| (call.id, call)));
                    for changed in told.single {
                        ends += changed.kinds.iter().filter(|k| **k == CallEventType::Ended).count();
                        seen.insert(changed.call.id, changed.call);
                    }
                }
            };
            for (n, (id, kind, wait)) in steps.into_iter().enumerate() {
                let mut changed = call(id);
                changed.duration_seconds = n as u64;
                let kind = CallEventType::ALL[kind as usize];
                if kind == CallEventType::Ended {
                    ended += 1;
                }
                changes.note(SCOPE, kind, &changed);
                wanted.insert(changed.id, changed);
                step(&mut changes, now);
                now += Duration::from_millis(wait);
                step(&mut changes, now);
            }
            while let Some(next) = changes.next(now) {
                now = now.max(next);
                step(&mut changes, now);
            }
            prop_assert_eq!(&seen, &wanted);
            prop_assert_eq!(batched, wanted);
            prop_assert!(ends <= ended && (ended == 0 || ends > 0));
            for pair in extras.windows(2) {
                prop_assert!(pair[1] - pair[0] >= EVERY);
            }
        }
    }
}
