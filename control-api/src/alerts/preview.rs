//! How often a rule would have fired over stored calls: the same engine, driven by the past.

use sidetone_wire::{
    AlertCondition, AlertKind, AlertPreview, AlertRule, CallId, PreviewFiring, Severity, TenantId,
    Timestamp,
};
use uuid::Uuid;

use super::engine::{Engine, Output, Subject};
use crate::store::PastCall;

/// Firings that are named.
const NAMED: usize = 100;
/// Moments looked at, at most: what is beyond it is not counted.
const STEPS_MAX: usize = 1_000_000;

/// Whether stored calls tell whether such a rule fires.
pub(crate) const fn is_known(kind: AlertKind) -> bool {
    match kind {
        AlertKind::ConcurrentCalls | AlertKind::LongCall | AlertKind::FailedCalls => true,
        AlertKind::NoAgentAvailable
        | AlertKind::NegativeSentiment
        | AlertKind::Keyword
        | AlertKind::Silence => false,
    }
}

struct Firings {
    count: u64,
    first: Vec<PreviewFiring>,
    from: Timestamp,
}

impl Firings {
    fn note(&mut self, out: &[Output], now: Timestamp) {
        for output in out {
            match output {
                Output::Fire { subject, .. } if now >= self.from => {
                    self.count += 1;
                    if self.first.len() < NAMED {
                        self.first.push(PreviewFiring {
                            fired_at: now,
                            cleared_at: None,
                            call_id: call(*subject),
                        });
                    }
                }
                Output::Fire { .. } => {}
                Output::Clear { subject, .. } => {
                    let of = |one: &&mut PreviewFiring| {
                        one.cleared_at.is_none() && one.call_id == call(*subject)
                    };
                    if let Some(open) = self.first.iter_mut().find(of) {
                        open.cleared_at = Some(now);
                    }
                }
            }
        }
    }
}

const fn call(subject: Subject) -> Option<CallId> {
    match subject {
        Subject::Tenant => None,
        Subject::Call(call) => Some(call),
    }
}

/// Lets the rule watch the past from `from` to `to`; `calls` are those that went on in that time.
pub(crate) fn preview(
    condition: &AlertCondition,
    calls: &[PastCall],
    from: Timestamp,
    to: Timestamp,
) -> AlertPreview {
    let known = is_known(condition.kind);
    let mut firings = Firings {
        count: 0,
        first: Vec::new(),
        from,
    };
    if known {
        run(condition, calls, to, &mut firings);
    }
    AlertPreview {
        known,
        count: firings.count,
        firings: firings.first,
        from,
        to,
        calls: calls.len() as u64,
    }
}

fn run(condition: &AlertCondition, calls: &[PastCall], to: Timestamp, firings: &mut Firings) {
    let tenant = TenantId(Uuid::nil());
    let mut engine = Engine::default();
    let rule = AlertRule {
        id: Uuid::nil(),
        name: String::new(),
        severity: Severity::Info,
        enabled: true,
        condition: condition.clone(),
        created_at: to,
        updated_at: to,
    };
    engine.handle_rules(tenant, &[rule]);
    // at one moment, calls end before others begin
    let mut moments: Vec<(Timestamp, bool, &PastCall)> = Vec::new();
    for call in calls {
        moments.push((call.started_at, true, call));
        if let Some(ended_at) = call.ended_at {
            moments.push((ended_at.max(call.started_at), false, call));
        }
    }
    moments.sort_by_key(|(at, begins, call)| (*at, *begins && call.ended_at != Some(*at), call.id));
    let mut now = Timestamp::from_unix_ms(0);
    let mut steps = 0;
    let pass = |engine: &mut Engine, now: &mut Timestamp, until: Timestamp, f: &mut Firings| {
        let mut steps = 0;
        while let Some(next) = engine.deadline(*now).filter(|next| *next <= until) {
            *now = next;
            f.note(&engine.handle_tick(next), next);
            steps += 1;
            if steps > STEPS_MAX {
                break;
            }
        }
        steps
    };
    for (at, begins, call) in moments {
        if at > to || steps > STEPS_MAX {
            break;
        }
        steps += 1 + pass(&mut engine, &mut now, at, firings);
        now = now.max(at);
        let out = if begins {
            engine.handle_call(tenant, call.id, call.started_at, now)
        } else {
            engine.handle_end(tenant, call.id, call.failed, now)
        };
        firings.note(&out, now);
    }
    pass(&mut engine, &mut now, to, firings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_790_000_000_000 + seconds * 1000)
    }

    fn past(start: i64, end: i64, failed: bool) -> PastCall {
        PastCall {
            id: CallId(clock::new_id()),
            started_at: at(start),
            ended_at: Some(at(end)),
            failed,
        }
    }

    fn condition(kind: AlertKind, threshold: f64) -> AlertCondition {
        AlertCondition {
            kind,
            threshold,
            clear_threshold: None,
            for_seconds: 0,
            clear_for_seconds: 0,
            cooldown_seconds: 0,
            window_seconds: Some(60),
            keywords: Vec::new(),
        }
    }

    #[test]
    fn a_rule_fires_over_the_past_as_it_would_have_then() {
        let calls = [
            past(0, 100, false),
            past(10, 20, true),
            past(15, 90, false),
            past(200, 900, true),
            past(210, 220, true),
            past(1000, 1010, false),
        ];
        let count = |kind, threshold| {
            let preview = preview(&condition(kind, threshold), &calls, at(0), at(2000));
            assert!(preview.known);
            preview
        };
        let busy = count(AlertKind::ConcurrentCalls, 3.0);
        assert_eq!(busy.count, 1);
        assert_eq!(busy.firings[0].fired_at, at(15));
        assert_eq!(busy.firings[0].cleared_at, Some(at(20)));
        assert_eq!(count(AlertKind::ConcurrentCalls, 2.0).count, 2);
        let long = count(AlertKind::LongCall, 80.0);
        assert_eq!(long.count, 2);
        assert_eq!(long.firings[0].fired_at, at(80));
        assert_eq!(long.firings[0].call_id, Some(calls[0].id));
        assert_eq!(long.firings[1].cleared_at, Some(at(900)));
        assert_eq!(count(AlertKind::FailedCalls, 1.0).count, 3);
        assert_eq!(count(AlertKind::FailedCalls, 2.0).count, 0);
    }

    #[test]
    fn what_fired_before_is_not_counted_and_what_calls_cannot_tell_is_not_known() {
        let calls = [past(0, 100, false)];
        let rule = condition(AlertKind::LongCall, 10.0);
        assert_eq!(preview(&rule, &calls, at(50), at(200)).count, 0);
        let unknown = preview(&condition(AlertKind::Silence, 10.0), &calls, at(0), at(200));
        assert!(!unknown.known);
        assert_eq!((unknown.count, unknown.calls), (0, 1));
    }
}
