//! When rules fire and clear: a plain struct, driven by what happens and by the time.
//!
//! Each rule watches one subject, its tenant, or one subject per call. What is measured there is
//! bad, good, or between the two; a [`Watch`] turns that into alerts.
//!
//! **Invariant**: of a rule and subject, firings and clearings alternate, a firing comes only after
//! it was bad for the rule's time without a break, a clearing only after it was good for the
//! rule's time, and a further firing only after the cooldown. `alerts_do_not_flap`

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sidetone_wire::{AlertCondition, AlertKind, AlertRule, CallId, TenantId, Timestamp};
use uuid::Uuid;

/// How far back failures count unless the rule says otherwise, in seconds.
const DEFAULT_WINDOW_SECONDS: u32 = 300;
/// Failures remembered per tenant: beyond it the oldest is forgotten, and rules fire long before.
const FAILURES_MAX: usize = 20_000;
/// How long the pushed state of a call outweighs a reading of the database that may be older.
const FRESH_MS: u64 = 5_000;

/// What a rule watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    Tenant,
    Call(CallId),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Fire {
        tenant: TenantId,
        rule: Uuid,
        subject: Subject,
        value: f64,
        /// The keyword that was said.
        word: Option<String>,
    },
    Clear {
        tenant: TenantId,
        rule: Uuid,
        subject: Subject,
    },
}

/// What the database says of a tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Active calls and when they began.
    pub(crate) active: Vec<(CallId, Timestamp)>,
    /// Calls that failed lately, and when.
    pub(crate) failed: Vec<(CallId, Timestamp)>,
    /// Agents who would take a call.
    pub(crate) available: Option<u64>,
}

/// How what is measured stands to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Bad,
    Between,
    Good,
}

/// One rule's view of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Watch {
    #[default]
    Quiet,
    /// Bad, but not for long enough.
    Rising { since: Timestamp },
    /// Fired.
    Open,
    /// Fired, and good, but not for long enough.
    Falling { since: Timestamp },
    /// Cleared or refused: not to fire again before then.
    Resting { until: Timestamp },
}

/// What a step of a watch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fires,
    Clears,
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms() + i64::from(seconds) * 1000)
}

impl Watch {
    fn step(&mut self, level: Level, condition: &AlertCondition, now: Timestamp) -> Option<Step> {
        if let Self::Resting { until } = *self {
            if now < until {
                return None;
            }
            *self = Self::Quiet;
        }
        let long =
            |since: Timestamp, seconds: u32| now.ms_since(since) >= u64::from(seconds) * 1000;
        match (*self, level) {
            (Self::Quiet, Level::Bad) => {
                *self = Self::Rising { since: now };
            }
            (Self::Rising { .. }, Level::Between | Level::Good) => *self = Self::Quiet,
            (Self::Open, Level::Good) => *self = Self::Falling { since: now },
            (Self::Falling { .. }, Level::Bad | Level::Between) => *self = Self::Open,
            (
                Self::Quiet
                | Self::Rising { .. }
                | Self::Open
                | Self::Falling { .. }
                | Self::Resting { .. },
                _,
            ) => {}
        }
        match *self {
            Self::Rising { since } if long(since, condition.for_seconds) => {
                *self = Self::Open;
                Some(Step::Fires)
            }
            Self::Falling { since } if long(since, condition.clear_for_seconds) => {
                let until = later(now, condition.cooldown_seconds);
                *self = Self::Resting { until };
                Some(Step::Clears)
            }
            Self::Quiet
            | Self::Rising { .. }
            | Self::Open
            | Self::Falling { .. }
            | Self::Resting { .. } => None,
        }
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Falling { .. })
    }

    /// When it may change by the time alone.
    fn deadline(self, condition: &AlertCondition) -> Option<Timestamp> {
        match self {
            Self::Quiet | Self::Open => None,
            Self::Rising { since } => Some(later(since, condition.for_seconds)),
            Self::Falling { since } => Some(later(since, condition.clear_for_seconds)),
            Self::Resting { until } => Some(until),
        }
    }
}

/// What is heard in a call.
#[derive(Debug, Clone, Copy)]
enum Sound {
    Heard,
    QuietSince(Timestamp),
}

impl Sound {
    const fn quiet_since(self) -> Option<Timestamp> {
        match self {
            Self::Heard => None,
            Self::QuietSince(since) => Some(since),
        }
    }
}

/// What is known of a call.
#[derive(Debug, Clone)]
struct Known {
    started_at: Timestamp,
    /// When it was pushed here.
    seen: Timestamp,
    /// Whether somebody is heard, once that is known.
    sound: Option<Sound>,
    mood: Option<f64>,
    /// How often each rule's keywords were said, and which one first.
    said: BTreeMap<Uuid, (u32, String)>,
}

#[derive(Debug, Default)]
struct Watched {
    rules: BTreeMap<Uuid, Rule>,
    calls: HashMap<CallId, Known>,
    /// Calls that ended, and when that was pushed here.
    over: HashMap<CallId, Timestamp>,
    failed: BTreeSet<(Timestamp, CallId)>,
    available: Option<u64>,
    watches: BTreeMap<(Uuid, Subject), Watch>,
}

#[derive(Debug)]
struct Rule {
    condition: AlertCondition,
    /// Keywords as [`normalised`] has them.
    keywords: Vec<(String, String)>,
}

impl Rule {
    fn new(rule: &AlertRule) -> Self {
        let condition = rule.condition.clone();
        let keywords = condition
            .keywords
            .iter()
            .map(|word| (normalised(word), word.clone()))
            .filter(|(pattern, _)| pattern.len() > 2)
            .collect();
        Self {
            condition,
            keywords,
        }
    }

    fn level(&self, value: Option<f64>) -> Level {
        let Some(value) = value else {
            return Level::Between; // nobody has measured: nothing changes
        };
        let threshold = self.condition.threshold;
        let clear = self.condition.clear_threshold.unwrap_or(threshold);
        let (bad, good) = if fires_below(self.condition.kind) {
            (value <= threshold, value > clear)
        } else {
            (value >= threshold, value < clear)
        };
        match (bad, good) {
            (true, _) => Level::Bad,
            (false, true) => Level::Good,
            (false, false) => Level::Between,
        }
    }
}

/// Whether a kind fires when little is measured.
pub(crate) const fn fires_below(kind: AlertKind) -> bool {
    match kind {
        AlertKind::NoAgentAvailable | AlertKind::NegativeSentiment => true,
        AlertKind::ConcurrentCalls
        | AlertKind::LongCall
        | AlertKind::FailedCalls
        | AlertKind::Keyword
        | AlertKind::Silence => false,
    }
}

/// Whether a kind watches every call on its own.
const fn is_per_call(kind: AlertKind) -> bool {
    match kind {
        AlertKind::LongCall
        | AlertKind::NegativeSentiment
        | AlertKind::Keyword
        | AlertKind::Silence => true,
        AlertKind::ConcurrentCalls | AlertKind::FailedCalls | AlertKind::NoAgentAvailable => false,
    }
}

/// How far back a rule's failures count, in seconds.
pub(crate) fn window_seconds(condition: &AlertCondition) -> u32 {
    condition.window_seconds.unwrap_or(DEFAULT_WINDOW_SECONDS)
}

/// Words in lower case, one blank before and after each: so that whole words are found.
fn normalised(text: &str) -> String {
    let mut out = String::from(" ");
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() {
            out.push_str(&word.to_lowercase());
            out.push(' ');
        }
    }
    out
}

impl Watched {
    /// What a rule measures at a subject; `None` while that is not known.
    fn measure(&self, id: Uuid, rule: &Rule, subject: Subject, now: Timestamp) -> Option<f64> {
        let seconds = |since: Timestamp| now.ms_since(since) as f64 / 1000.0;
        let call = match subject {
            Subject::Tenant => None,
            Subject::Call(call) => self.calls.get(&call),
        };
        match rule.condition.kind {
            AlertKind::ConcurrentCalls => Some(self.calls.len() as f64),
            AlertKind::FailedCalls => {
                let window = i64::from(window_seconds(&rule.condition)) * 1000;
                let from = Timestamp::from_unix_ms(now.unix_ms() - window);
                let lately = self.failed.iter().filter(|(at, _)| *at > from);
                Some(lately.count() as f64)
            }
            AlertKind::NoAgentAvailable => self.available.map(|count| count as f64),
            AlertKind::LongCall => call.map(|call| seconds(call.started_at)),
            AlertKind::NegativeSentiment => call.and_then(|call| call.mood),
            AlertKind::Silence => call.and_then(|call| call.sound).map(|sound| match sound {
                Sound::Heard => 0.0,
                Sound::QuietSince(since) => seconds(since),
            }),
            AlertKind::Keyword => {
                let said = call.and_then(|call| call.said.get(&id));
                said.map(|(count, _)| f64::from(*count))
            }
        }
    }

    /// When the time alone makes what is measured bad or good.
    fn turns(&self, rule: &Rule, subject: Subject, now: Timestamp) -> Option<Timestamp> {
        let threshold_ms = (rule.condition.threshold * 1000.0).ceil() as i64;
        let after = |since: Timestamp| Timestamp::from_unix_ms(since.unix_ms() + threshold_ms);
        let call = match subject {
            Subject::Tenant => None,
            Subject::Call(call) => self.calls.get(&call),
        };
        match rule.condition.kind {
            AlertKind::LongCall => call.map(|call| after(call.started_at)),
            AlertKind::Silence => call
                .and_then(|call| call.sound)
                .and_then(Sound::quiet_since)
                .map(after),
            AlertKind::FailedCalls => {
                let window = window_seconds(&rule.condition);
                let ends = self.failed.iter().map(|(at, _)| later(*at, window));
                ends.filter(|end| *end > now).min()
            }
            AlertKind::ConcurrentCalls
            | AlertKind::NoAgentAvailable
            | AlertKind::NegativeSentiment
            | AlertKind::Keyword => None,
        }
    }

    /// Looks at one subject through all rules that watch such.
    fn look(&mut self, tenant: TenantId, subject: Subject, now: Timestamp, out: &mut Vec<Output>) {
        let mut watches = std::mem::take(&mut self.watches);
        for (id, rule) in &self.rules {
            if is_per_call(rule.condition.kind) != matches!(subject, Subject::Call(_)) {
                continue;
            }
            let value = self.measure(*id, rule, subject, now);
            let watch = watches.entry((*id, subject)).or_default();
            let level = rule.level(value);
            match watch.step(level, &rule.condition, now) {
                Some(Step::Fires) => out.push(Output::Fire {
                    tenant,
                    rule: *id,
                    subject,
                    value: value.unwrap_or_default(),
                    word: self.word(*id, subject),
                }),
                Some(Step::Clears) => out.push(Output::Clear {
                    tenant,
                    rule: *id,
                    subject,
                }),
                None => {}
            }
            if *watch == Watch::Quiet {
                watches.remove(&(*id, subject));
            }
        }
        self.watches = watches;
    }

    fn word(&self, rule: Uuid, subject: Subject) -> Option<String> {
        let Subject::Call(call) = subject else {
            return None;
        };
        let said = self.calls.get(&call)?.said.get(&rule)?;
        Some(said.1.clone())
    }

    /// A call is over: what was open about it is cleared.
    fn end(&mut self, tenant: TenantId, call: CallId, out: &mut Vec<Output>) {
        self.calls.remove(&call);
        let subject = Subject::Call(call);
        for rule in self.rules.keys() {
            let watch = self.watches.remove(&(*rule, subject));
            if watch.is_some_and(Watch::is_open) {
                out.push(Output::Clear {
                    tenant,
                    rule: *rule,
                    subject,
                });
            }
        }
    }

    fn begin(&mut self, call: CallId, started_at: Timestamp, now: Timestamp) {
        let known = self.calls.entry(call).or_insert_with(|| Known {
            started_at,
            seen: now,
            sound: None,
            mood: None,
            said: BTreeMap::new(),
        });
        known.started_at = started_at;
    }

    fn fail(&mut self, call: CallId, at: Timestamp) {
        if !self.failed.iter().any(|(_, known)| *known == call) {
            self.failed.insert((at, call));
        }
        while self.failed.len() > FAILURES_MAX {
            self.failed.pop_first();
        }
    }

    /// Forgets what no rule looks at any more.
    fn forget(&mut self, now: Timestamp) {
        let longest = self
            .rules
            .values()
            .map(|rule| window_seconds(&rule.condition));
        let window = i64::from(longest.max().unwrap_or(0)) * 1000;
        let from = Timestamp::from_unix_ms(now.unix_ms() - window);
        self.failed.retain(|(at, _)| *at > from);
        self.over
            .retain(|_, seen| now.ms_since(*seen) < 10 * FRESH_MS);
    }
}

/// The rules of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    tenants: HashMap<TenantId, Watched>,
    /// Whose a call is.
    owners: HashMap<CallId, TenantId>,
}

impl Engine {
    /// A tenant's enabled rules are these now. What was open of others is forgotten: whoever
    /// removes a rule clears its alerts.
    pub(crate) fn handle_rules(&mut self, tenant: TenantId, rules: &[AlertRule]) {
        if rules.is_empty() {
            self.tenants.remove(&tenant);
            self.owners.retain(|_, owner| *owner != tenant);
            return;
        }
        let watched = self.tenants.entry(tenant).or_default();
        watched.rules = rules
            .iter()
            .map(|rule| (rule.id, Rule::new(rule)))
            .collect();
        let rules = &watched.rules;
        watched.watches.retain(|(rule, subject), _| {
            rules.get(rule).is_some_and(|rule| {
                is_per_call(rule.condition.kind) == matches!(subject, Subject::Call(_))
            })
        });
    }

    /// What is open in the database: alerts that a former process, or another one, has opened are
    /// open here, those that another one has cleared are not.
    pub(crate) fn handle_standing(&mut self, open: &HashSet<(TenantId, Uuid, Subject)>) {
        for (tenant, watched) in &mut self.tenants {
            for ((rule, subject), watch) in &mut watched.watches {
                if watch.is_open() && !open.contains(&(*tenant, *rule, *subject)) {
                    *watch = Watch::Quiet;
                }
            }
        }
        for (tenant, rule, subject) in open {
            if let Some(watched) = self.tenants.get_mut(tenant)
                && watched.rules.contains_key(rule)
            {
                let watch = watched.watches.entry((*rule, *subject)).or_default();
                if !watch.is_open() {
                    *watch = Watch::Open;
                }
            }
        }
    }

    /// A firing was refused: it is not to be tried before `until`.
    pub(crate) fn handle_refused(
        &mut self,
        tenant: TenantId,
        rule: Uuid,
        subject: Subject,
        until: Timestamp,
    ) {
        if let Some(watched) = self.tenants.get_mut(&tenant)
            && let Some(watch) = watched.watches.get_mut(&(rule, subject))
        {
            *watch = Watch::Resting { until };
        }
    }

    /// A call began or changed.
    pub(crate) fn handle_call(
        &mut self,
        tenant: TenantId,
        call: CallId,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Vec<Output> {
        let mut out = Vec::new();
        // it may have become another tenant's
        if let Some(former) = self.owners.get(&call).copied().filter(|one| *one != tenant)
            && let Some(watched) = self.tenants.get_mut(&former)
        {
            watched.end(former, call, &mut out);
            watched.look(former, Subject::Tenant, now, &mut out);
        }
        let Some(watched) = self.tenants.get_mut(&tenant) else {
            self.owners.remove(&call);
            return out;
        };
        self.owners.insert(call, tenant);
        watched.over.remove(&call);
        watched.begin(call, started_at, now);
        watched.look(tenant, Subject::Call(call), now, &mut out);
        watched.look(tenant, Subject::Tenant, now, &mut out);
        out
    }

    /// A call ended; `failed`: by a failure of ours or its upstream's.
    pub(crate) fn handle_end(
        &mut self,
        tenant: TenantId,
        call: CallId,
        failed: bool,
        now: Timestamp,
    ) -> Vec<Output> {
        let mut out = Vec::new();
        self.owners.remove(&call);
        let Some(watched) = self.tenants.get_mut(&tenant) else {
            return out;
        };
        watched.end(tenant, call, &mut out);
        watched.over.insert(call, now);
        if failed {
            watched.fail(call, now);
        }
        watched.look(tenant, Subject::Tenant, now, &mut out);
        out
    }

    /// Something was said in a call, and will not change any more.
    pub(crate) fn handle_said(&mut self, call: CallId, text: &str, now: Timestamp) -> Vec<Output> {
        let text = normalised(text);
        self.of_call(call, now, |watched| {
            let (rules, calls) = (&watched.rules, &mut watched.calls);
            let Some(known) = calls.get_mut(&call) else {
                return;
            };
            for (id, rule) in rules {
                for (pattern, word) in &rule.keywords {
                    if text.contains(pattern) {
                        let said = known.said.entry(*id).or_insert((0, word.clone()));
                        said.0 = said.0.saturating_add(1);
                    }
                }
            }
        })
    }

    /// The customer's mood in a call is that now.
    pub(crate) fn handle_mood(&mut self, call: CallId, score: f64, now: Timestamp) -> Vec<Output> {
        self.of_call(call, now, |watched| {
            if let Some(known) = watched.calls.get_mut(&call) {
                known.mood = Some(score);
            }
        })
    }

    /// Somebody is heard in a call, or nobody.
    pub(crate) fn handle_sound(
        &mut self,
        call: CallId,
        heard: bool,
        now: Timestamp,
    ) -> Vec<Output> {
        self.of_call(call, now, |watched| {
            if let Some(known) = watched.calls.get_mut(&call) {
                known.sound = Some(match known.sound {
                    _ if heard => Sound::Heard,
                    Some(Sound::QuietSince(since)) => Sound::QuietSince(since),
                    Some(Sound::Heard) | None => Sound::QuietSince(now),
                });
            }
        })
    }

    fn of_call(
        &mut self,
        call: CallId,
        now: Timestamp,
        note: impl FnOnce(&mut Watched),
    ) -> Vec<Output> {
        let mut out = Vec::new();
        if let Some(tenant) = self.owners.get(&call).copied()
            && let Some(watched) = self.tenants.get_mut(&tenant)
        {
            note(watched);
            watched.look(tenant, Subject::Call(call), now, &mut out);
        }
        out
    }

    /// So many agents of a tenant would take a call.
    pub(crate) fn handle_agents(
        &mut self,
        tenant: TenantId,
        available: u64,
        now: Timestamp,
    ) -> Vec<Output> {
        let mut out = Vec::new();
        if let Some(watched) = self.tenants.get_mut(&tenant) {
            watched.available = Some(available);
            watched.look(tenant, Subject::Tenant, now, &mut out);
        }
        out
    }

    /// What the database says of a tenant: repairs what was never pushed here.
    pub(crate) fn handle_snapshot(
        &mut self,
        tenant: TenantId,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Vec<Output> {
        let mut out = Vec::new();
        let Some(watched) = self.tenants.get_mut(&tenant) else {
            return out;
        };
        let active: HashMap<CallId, Timestamp> = snapshot.active.iter().copied().collect();
        let mut gone: Vec<CallId> = watched
            .calls
            .iter()
            .filter(|(id, known)| !active.contains_key(id) && now.ms_since(known.seen) >= FRESH_MS)
            .map(|(id, _)| *id)
            .collect();
        // alerts of a former process about calls that ended meanwhile
        gone.extend(
            watched
                .watches
                .keys()
                .filter_map(|(_, subject)| match subject {
                    Subject::Call(call) => {
                        let known = watched.calls.contains_key(call) || active.contains_key(call);
                        (!known).then_some(*call)
                    }
                    Subject::Tenant => None,
                }),
        );
        for call in gone {
            self.owners.remove(&call);
            watched.end(tenant, call, &mut out);
        }
        for (call, started_at) in &snapshot.active {
            if !watched.over.contains_key(call) {
                self.owners.insert(*call, tenant);
                watched.begin(*call, *started_at, now);
            }
        }
        for (call, at) in &snapshot.failed {
            watched.fail(*call, *at);
        }
        watched.available = snapshot.available.or(watched.available);
        self.look_all(tenant, now, &mut out);
        out
    }

    /// Time passes.
    pub(crate) fn handle_tick(&mut self, now: Timestamp) -> Vec<Output> {
        let mut out = Vec::new();
        let tenants: Vec<TenantId> = self.tenants.keys().copied().collect();
        for tenant in tenants {
            self.look_all(tenant, now, &mut out);
        }
        out
    }

    fn look_all(&mut self, tenant: TenantId, now: Timestamp, out: &mut Vec<Output>) {
        let Some(watched) = self.tenants.get_mut(&tenant) else {
            return;
        };
        watched.forget(now);
        watched.look(tenant, Subject::Tenant, now, out);
        let per_call = |rule: &Rule| is_per_call(rule.condition.kind);
        if watched.rules.values().any(per_call) {
            let calls: Vec<CallId> = watched.calls.keys().copied().collect();
            for call in calls {
                watched.look(tenant, Subject::Call(call), now, out);
            }
        }
    }

    /// The next moment after `now` at which the time alone may make something fire or clear.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        let mut offer = |at: Option<Timestamp>| {
            if let Some(at) = at.filter(|at| *at > now) {
                next = Some(next.map_or(at, |known| known.min(at)));
            }
        };
        for watched in self.tenants.values() {
            for ((rule, _), watch) in &watched.watches {
                if let Some(rule) = watched.rules.get(rule) {
                    offer(watch.deadline(&rule.condition));
                }
            }
            for rule in watched.rules.values() {
                if is_per_call(rule.condition.kind) {
                    for call in watched.calls.keys() {
                        offer(watched.turns(rule, Subject::Call(*call), now));
                    }
                } else {
                    offer(watched.turns(rule, Subject::Tenant, now));
                }
            }
        }
        next
    }

    /// Tenants that have rules.
    pub(crate) fn tenants(&self) -> Vec<TenantId> {
        self.tenants.keys().copied().collect()
    }

    /// Whether a tenant has a rule of that kind.
    pub(crate) fn watches(&self, tenant: TenantId, kind: AlertKind) -> bool {
        self.tenants.get(&tenant).is_some_and(|watched| {
            let mut rules = watched.rules.values();
            rules.any(|rule| rule.condition.kind == kind)
        })
    }

    /// Calls whose silence somebody wants to know of.
    pub(crate) fn listened_to(&self) -> Vec<CallId> {
        let all = self.tenants.iter();
        all.filter(|(tenant, _)| self.watches(**tenant, AlertKind::Silence))
            .flat_map(|(_, watched)| watched.calls.keys().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests;
