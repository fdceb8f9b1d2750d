use proptest::prelude::*;
use sidetone_service::clock;
use sidetone_wire::Severity;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000 + ms)
}

fn rule(kind: AlertKind, threshold: f64) -> AlertRule {
    AlertRule {
        id: clock::new_id(),
        name: kind.to_string(),
        severity: Severity::Warning,
        enabled: true,
        condition: AlertCondition {
            kind,
            threshold,
            clear_threshold: None,
            for_seconds: 0,
            clear_for_seconds: 0,
            cooldown_seconds: 0,
            window_seconds: None,
            keywords: Vec::new(),
        },
        created_at: at(0),
        updated_at: at(0),
    }
}

fn engine(rule: &AlertRule) -> (Engine, TenantId) {
    let mut engine = Engine::default();
    let tenant = TenantId(clock::new_id());
    engine.handle_rules(tenant, std::slice::from_ref(rule));
    (engine, tenant)
}

fn fired(out: &[Output]) -> Vec<f64> {
    out.iter()
        .filter_map(|output| match output {
            Output::Fire { value, .. } => Some(*value),
            Output::Clear { .. } => None,
        })
        .collect()
}

fn cleared(out: &[Output]) -> usize {
    out.len() - fired(out).len()
}

fn call() -> CallId {
    CallId(clock::new_id())
}

#[test]
fn too_many_calls_fire_at_the_threshold_and_clear_below_the_other_one() {
    let mut rule = rule(AlertKind::ConcurrentCalls, 3.0);
    rule.condition.clear_threshold = Some(2.0);
    let (mut engine, tenant) = engine(&rule);
    let calls: Vec<CallId> = (0..3).map(|_| call()).collect();
    assert!(
        engine
            .handle_call(tenant, calls[0], at(0), at(0))
            .is_empty()
    );
    assert!(
        engine
            .handle_call(tenant, calls[1], at(0), at(1))
            .is_empty()
    );
    assert_eq!(
        fired(&engine.handle_call(tenant, calls[2], at(0), at(2))),
        [3.0]
    );
    assert!(
        engine
            .handle_call(tenant, calls[2], at(0), at(3))
            .is_empty(),
        "it is known"
    );
    assert!(
        engine.handle_end(tenant, calls[0], false, at(4)).is_empty(),
        "between the two"
    );
    assert_eq!(
        cleared(&engine.handle_end(tenant, calls[1], false, at(5))),
        1
    );
}

#[test]
fn it_must_be_so_for_a_while_without_a_break() {
    let mut rule = rule(AlertKind::NoAgentAvailable, 0.0);
    rule.condition.for_seconds = 10;
    rule.condition.clear_for_seconds = 5;
    let (mut engine, tenant) = engine(&rule);
    assert!(engine.handle_tick(at(0)).is_empty(), "nobody knows yet");
    assert!(engine.handle_agents(tenant, 0, at(0)).is_empty());
    assert!(engine.handle_agents(tenant, 1, at(9_000)).is_empty());
    assert!(engine.handle_agents(tenant, 0, at(9_500)).is_empty());
    assert_eq!(engine.deadline(at(9_500)), Some(at(19_500)));
    assert!(engine.handle_tick(at(19_499)).is_empty());
    assert_eq!(fired(&engine.handle_tick(at(19_500))), [0.0]);
    assert!(engine.handle_agents(tenant, 2, at(20_000)).is_empty());
    assert!(engine.handle_agents(tenant, 0, at(24_000)).is_empty());
    assert!(engine.handle_agents(tenant, 2, at(25_000)).is_empty());
    assert_eq!(cleared(&engine.handle_tick(at(30_000))), 1);
}

#[test]
fn a_long_call_fires_once_and_clears_when_it_ends() {
    let rule = rule(AlertKind::LongCall, 600.0);
    let (mut engine, tenant) = engine(&rule);
    let (long, short) = (call(), call());
    engine.handle_call(tenant, long, at(0), at(0));
    engine.handle_call(tenant, short, at(300_000), at(300_000));
    assert_eq!(engine.deadline(at(300_000)), Some(at(600_000)));
    let out = engine.handle_tick(at(600_000));
    assert_eq!(fired(&out), [600.0]);
    assert!(matches!(out[0], Output::Fire { subject: Subject::Call(id), .. } if id == long));
    assert!(engine.handle_tick(at(700_000)).is_empty());
    assert_eq!(
        cleared(&engine.handle_end(tenant, long, false, at(800_000))),
        1
    );
    assert!(
        engine
            .handle_end(tenant, short, false, at(800_001))
            .is_empty()
    );
}

#[test]
fn failures_count_within_the_window() {
    let mut rule = rule(AlertKind::FailedCalls, 2.0);
    rule.condition.window_seconds = Some(60);
    let (mut engine, tenant) = engine(&rule);
    assert!(engine.handle_end(tenant, call(), true, at(0)).is_empty());
    assert!(
        engine
            .handle_end(tenant, call(), false, at(1_000))
            .is_empty()
    );
    assert_eq!(
        fired(&engine.handle_end(tenant, call(), true, at(59_000))),
        [2.0]
    );
    assert_eq!(engine.deadline(at(59_000)), Some(at(60_000)));
    assert_eq!(cleared(&engine.handle_tick(at(60_000))), 1);
}

#[test]
fn a_bad_mood_clears_when_it_is_better_than_the_other_threshold() {
    let mut rule = rule(AlertKind::NegativeSentiment, -0.5);
    rule.condition.clear_threshold = Some(0.0);
    let (mut engine, tenant) = engine(&rule);
    let id = call();
    assert!(
        engine.handle_mood(id, -1.0, at(0)).is_empty(),
        "the call is not known"
    );
    engine.handle_call(tenant, id, at(0), at(0));
    assert_eq!(fired(&engine.handle_mood(id, -0.5, at(1))), [-0.5]);
    assert!(engine.handle_mood(id, -0.2, at(2)).is_empty());
    assert!(engine.handle_mood(id, 0.0, at(3)).is_empty());
    assert_eq!(cleared(&engine.handle_mood(id, 0.1, at(4))), 1);
}

#[test]
fn keywords_are_whole_words_in_whatever_case_and_fire_once_per_call() {
    let mut rule = rule(AlertKind::Keyword, 1.0);
    rule.condition.keywords = vec!["refund".into(), "speak to a manager".into(), "--".into()];
    let (mut engine, tenant) = engine(&rule);
    let id = call();
    engine.handle_call(tenant, id, at(0), at(0));
    assert!(
        engine
            .handle_said(id, "Refunding is not -- my job", at(1))
            .is_empty()
    );
    let out = engine.handle_said(id, "Let me SPEAK, to a manager!", at(2));
    assert!(
        matches!(&out[..], [Output::Fire { word: Some(word), .. }] if word == "speak to a manager")
    );
    assert!(engine.handle_said(id, "a refund", at(3)).is_empty());
    assert_eq!(cleared(&engine.handle_end(tenant, id, false, at(4))), 1);
}

#[test]
fn silence_is_as_long_as_nobody_is_heard() {
    let rule = rule(AlertKind::Silence, 15.0);
    let (mut engine, tenant) = engine(&rule);
    let id = call();
    engine.handle_call(tenant, id, at(0), at(0));
    assert!(
        engine.handle_tick(at(60_000)).is_empty(),
        "nobody has listened yet"
    );
    engine.handle_sound(id, false, at(60_000));
    engine.handle_sound(id, false, at(70_000));
    assert_eq!(engine.deadline(at(70_000)), Some(at(75_000)));
    assert_eq!(fired(&engine.handle_tick(at(75_000))), [15.0]);
    assert_eq!(cleared(&engine.handle_sound(id, true, at(80_000))), 1);
    assert_eq!(engine.listened_to(), [id]);
}

#[test]
fn what_a_former_process_opened_is_not_opened_again_and_clears_when_its_call_is_gone() {
    let long = rule(AlertKind::LongCall, 60.0);
    let (mut engine, tenant) = engine(&long);
    let (gone, there) = (call(), call());
    let open = [gone, there].map(|id| (tenant, long.id, Subject::Call(id)));
    engine.handle_standing(&HashSet::from(open));
    let snapshot = Snapshot {
        active: vec![(there, at(0))],
        ..Snapshot::default()
    };
    let out = engine.handle_snapshot(tenant, &snapshot, at(100_000));
    let expected = Output::Clear {
        tenant,
        rule: long.id,
        subject: Subject::Call(gone),
    };
    assert_eq!(out, [expected]);
    assert!(engine.handle_tick(at(200_000)).is_empty());
}

#[test]
fn a_reading_that_is_older_than_what_was_pushed_changes_nothing() {
    let rule = rule(AlertKind::ConcurrentCalls, 1.0);
    let (mut engine, tenant) = engine(&rule);
    let id = call();
    assert_eq!(fired(&engine.handle_call(tenant, id, at(0), at(0))), [1.0]);
    assert!(
        engine
            .handle_snapshot(tenant, &Snapshot::default(), at(100))
            .is_empty()
    );
    assert_eq!(cleared(&engine.handle_end(tenant, id, false, at(200))), 1);
    let old = Snapshot {
        active: vec![(id, at(0))],
        ..Snapshot::default()
    };
    assert!(engine.handle_snapshot(tenant, &old, at(300)).is_empty());
}

#[test]
fn a_refused_firing_is_tried_again_later() {
    let rule = rule(AlertKind::ConcurrentCalls, 1.0);
    let (mut engine, tenant) = engine(&rule);
    let id = call();
    assert_eq!(fired(&engine.handle_call(tenant, id, at(0), at(0))), [1.0]);
    engine.handle_refused(tenant, rule.id, Subject::Tenant, at(30_000));
    assert!(engine.handle_tick(at(29_999)).is_empty());
    assert_eq!(engine.deadline(at(29_999)), Some(at(30_000)));
    assert_eq!(fired(&engine.handle_tick(at(30_000))), [1.0]);
}

#[test]
fn what_another_process_opened_is_cleared_by_what_is_measured_only() {
    let mut rule = rule(AlertKind::Keyword, 1.0);
    rule.condition.keywords = vec!["refund".into()];
    let (mut engine, tenant) = engine(&rule);
    let id = call();
    engine.handle_call(tenant, id, at(0), at(0));
    engine.handle_standing(&HashSet::from([(tenant, rule.id, Subject::Call(id))]));
    assert!(
        engine.handle_tick(at(1)).is_empty(),
        "the word was said elsewhere"
    );
    engine.handle_standing(&HashSet::new());
    assert_eq!(fired(&engine.handle_said(id, "refund", at(2))), [1.0]);
    assert_eq!(cleared(&engine.handle_end(tenant, id, false, at(3))), 1);
}

#[test]
fn a_rule_that_is_gone_says_nothing_more() {
    let rule = rule(AlertKind::ConcurrentCalls, 1.0);
    let (mut engine, tenant) = engine(&rule);
    engine.handle_call(tenant, call(), at(0), at(0));
    engine.handle_rules(tenant, &[]);
    assert!(engine.handle_tick(at(10_000)).is_empty());
    assert!(engine.tenants().is_empty());
}

#[derive(Debug, Clone)]
enum Input {
    Begin(usize),
    End(usize, bool),
    Agents(u64),
    Mood(usize, f64),
    Sound(usize, bool),
    Said(usize, bool),
    Snapshot,
    Tick,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        (0..6usize).prop_map(Input::Begin),
        ((0..6usize), any::<bool>()).prop_map(|(n, failed)| Input::End(n, failed)),
        (0..3u64).prop_map(Input::Agents),
        ((0..6usize), -1.0..1.0f64).prop_map(|(n, score)| Input::Mood(n, score)),
        ((0..6usize), any::<bool>()).prop_map(|(n, heard)| Input::Sound(n, heard)),
        ((0..6usize), any::<bool>()).prop_map(|(n, hit)| Input::Said(n, hit)),
        Just(Input::Snapshot),
        Just(Input::Tick),
    ]
}

fn rules(hold: u32, clear_hold: u32, cooldown: u32) -> Vec<AlertRule> {
    let thresholds = |kind| match kind {
        AlertKind::ConcurrentCalls | AlertKind::FailedCalls => (2.0, Some(1.0)),
        AlertKind::LongCall | AlertKind::Silence => (20.0, None),
        AlertKind::NoAgentAvailable => (0.0, Some(1.0)),
        AlertKind::NegativeSentiment => (-0.3, Some(0.2)),
        AlertKind::Keyword => (2.0, None),
    };
    let all = AlertKind::ALL.iter().map(|kind| {
        let (threshold, clear) = thresholds(*kind);
        let mut rule = rule(*kind, threshold);
        rule.condition.clear_threshold = clear;
        rule.condition.for_seconds = hold;
        rule.condition.clear_for_seconds = clear_hold;
        rule.condition.cooldown_seconds = cooldown;
        rule.condition.window_seconds = Some(30);
        rule.condition.keywords = vec!["refund".into()];
        rule
    });
    all.collect()
}

proptest! {
    #[test]
    fn alerts_do_not_flap(
        inputs in prop::collection::vec((input(), 0..8_000i64), 1..200),
        hold in 0..8u32,
        clear_hold in 0..8u32,
        cooldown in 0..15u32,
    ) {
        let rules = rules(hold, clear_hold, cooldown);
        let kinds: HashMap<Uuid, AlertKind> =
            rules.iter().map(|rule| (rule.id, rule.condition.kind)).collect();
        let mut engine = Engine::default();
        let tenant = TenantId(clock::new_id());
        engine.handle_rules(tenant, &rules);
        let mut ids: Vec<CallId> = (0..6).map(|_| call()).collect();
        let mut begun: HashMap<CallId, Timestamp> = HashMap::new();
        let mut open: HashMap<(Uuid, Subject), Timestamp> = HashMap::new();
        let mut over: HashMap<(Uuid, Subject), Timestamp> = HashMap::new();
        let mut now_ms = 0;
        for (input, wait) in inputs {
            now_ms += wait;
            let now = at(now_ms);
            let out = match input {
                Input::Begin(n) => {
                    let start = *begun.entry(ids[n]).or_insert(now);
                    engine.handle_call(tenant, ids[n], start, now)
                }
                Input::End(n, failed) => {
                    let id = std::mem::replace(&mut ids[n], call());
                    begun.remove(&id);
                    engine.handle_end(tenant, id, failed, now)
                }
                Input::Agents(count) => engine.handle_agents(tenant, count, now),
                Input::Mood(n, score) => engine.handle_mood(ids[n], score, now),
                Input::Sound(n, heard) => engine.handle_sound(ids[n], heard, now),
                Input::Said(n, hit) => {
                    engine.handle_said(ids[n], if hit { "a refund" } else { "hello" }, now)
                }
                Input::Snapshot => {
                    let active = begun.iter().map(|(id, start)| (*id, *start)).collect();
                    let snapshot = Snapshot { active, ..Snapshot::default() };
                    engine.handle_snapshot(tenant, &snapshot, now)
                }
                Input::Tick => engine.handle_tick(now),
            };
            for output in out {
                match output {
                    Output::Fire { rule, subject, value, .. } => {
                        let key = (rule, subject);
                        prop_assert!(open.insert(key, now).is_none(), "two open at once");
                        if let Some(cleared) = over.get(&key) {
                            prop_assert!(now.ms_since(*cleared) >= u64::from(cooldown) * 1000);
                        }
                        let per_call = is_per_call(kinds[&rule]);
                        prop_assert_eq!(per_call, matches!(subject, Subject::Call(_)));
                        prop_assert!(value.is_finite());
                    }
                    Output::Clear { rule, subject, .. } => {
                        let key = (rule, subject);
                        let since = open.remove(&key);
                        prop_assert!(since.is_some(), "cleared without being open");
                        let ended = matches!(subject, Subject::Call(id) if !begun.contains_key(&id));
                        let held = now.ms_since(since.unwrap()) >= u64::from(clear_hold) * 1000;
                        prop_assert!(ended || held, "it cleared too soon");
                        over.insert(key, now);
                    }
                }
            }
            // what is open about a call is about one that goes on
            for (_, subject) in open.keys() {
                if let Subject::Call(id) = subject {
                    prop_assert!(begun.contains_key(id));
                }
            }
            prop_assert!(engine.deadline(now).is_none_or(|next| next > now));
        }
    }
}
