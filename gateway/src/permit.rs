//! What may be kept of a call: one answer for every sink that stores.
//!
//! The control plane is asked when there is something to keep, and until it has answered nothing
//! is. Whatever is in doubt is not kept: a pause is undone by a command only, never by an answer.

use std::time::{Duration, Instant};

use sidetone_fleet::ledger::LedgerError;
use sidetone_media::MediaTime;
use sidetone_service::random;
use sidetone_wire::RecordingRule;
use tracing::warn;

/// Who pauses when a digit does.
pub(crate) const BY_DTMF: &str = "rule:dtmf";
/// A digit is told of after it was pressed, and sounds from its beginning: so much before it is not
/// kept either.
pub(crate) const DTMF_LOOKBACK_SAMPLES: u64 = MediaTime::RATE_HZ;
/// Further digits are told of once in so long: each puts off the end of the pause.
const TELL_DTMF_EVERY: Duration = Duration::from_secs(1);
/// From an answer that did not come to the next question: this, doubled each time, ...
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// ... up to this: half of what is held back until there is an answer.
const ASK_AGAIN_WITHIN: Duration = Duration::from_secs(5);
/// So many questions without an answer are worth a line in the log: the first ones may come before
/// the call itself is known, which is on its way.
const WORTH_A_LINE: u32 = 4;

/// Nothing is kept from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) since: MediaTime,
    pub(crate) by: String,
}

#[derive(Debug, Default)]
enum Question {
    /// Nothing was there to be kept.
    #[default]
    Unasked,
    Due {
        at: Instant,
        attempt: u32,
    },
    /// A command that comes meanwhile makes the answer stale.
    Out {
        attempt: u32,
        stale: bool,
    },
    Allowed,
    Denied,
}

/// Whether anything may be kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not known yet.
    Unknown,
    /// Yes, but for what is paused.
    Allowed,
    /// Never of this call.
    Denied,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    question: Question,
    pause: Option<Pause>,
    /// The latest pause ended here.
    resumed_at: MediaTime,
    pause_on_dtmf: bool,
    /// The first digit that came before it was known whether digits pause.
    digit: Option<MediaTime>,
    /// The latest digit that was told of.
    told: Option<Instant>,
    untold: bool,
}

impl Permit {
    /// There is something to keep.
    pub(crate) fn want(&mut self, now: Instant) {
        if let Question::Unasked = self.question {
            self.question = Question::Due {
                at: now,
                attempt: 0,
            };
        }
    }

    /// Whether the control plane is to be asked now.
    pub(crate) fn poll_question(&mut self, now: Instant) -> bool {
        match self.question {
            Question::Due { at, attempt } if now >= at => {
                self.question = Question::Out {
                    attempt,
                    stale: false,
                };
                true
            }
            Question::Due { .. }
            | Question::Unasked
            | Question::Out { .. }
            | Question::Allowed
            | Question::Denied => false,
        }
    }

    /// The control plane's answer.
    pub(crate) fn handle_answer(
        &mut self,
        answer: Result<RecordingRule, LedgerError>,
        now: Instant,
    ) {
        let Question::Out { attempt, stale } = self.question else {
            return;
        };
        match answer {
            Ok(_) if stale => {
                self.question = Question::Due {
                    at: now,
                    attempt: 0,
                };
            }
            Ok(rule) => self.learn(rule),
            Err(error) => {
                if attempt == WORTH_A_LINE {
                    warn!(%error, "nobody says whether the call may be recorded: asking on");
                }
                self.question = Question::Due {
                    at: now + wait(attempt),
                    attempt: attempt.saturating_add(1),
                };
            }
        }
    }

    fn learn(&mut self, rule: RecordingRule) {
        if rule.denied {
            return self.deny();
        }
        self.question = Question::Allowed;
        self.pause_on_dtmf = rule.pause_on_dtmf;
        let digit = self.digit.take();
        if let Some(by) = rule.paused_by {
            // nobody says since when
            self.pause = Some(Pause {
                since: MediaTime::ZERO,
                by,
            });
        } else if rule.pause_on_dtmf
            && self.pause.is_none()
            && let Some(at) = digit
        {
            self.pause_for_digit(at);
        }
    }

    /// Nothing of the call is kept any more.
    pub(crate) fn deny(&mut self) {
        self.question = Question::Denied;
    }

    /// Somebody pauses at `at`, or again.
    pub(crate) fn pause(&mut self, at: MediaTime, by: &str) {
        self.doubt();
        let pause = self.pause.get_or_insert_with(|| Pause {
            since: at,
            by: String::new(),
        });
        by.clone_into(&mut pause.by);
    }

    /// The pause ends at `at`.
    pub(crate) fn resume(&mut self, at: MediaTime) {
        self.doubt();
        if self.pause.take().is_some() {
            self.resumed_at = at;
        }
        self.digit = None;
        self.told = None;
        self.untold = false;
    }

    fn doubt(&mut self) {
        if let Question::Out { stale, .. } = &mut self.question {
            *stale = true;
        }
    }

    /// Somebody pressed a key; `true` if that pauses what was not paused.
    pub(crate) fn handle_digit(&mut self, at: MediaTime, now: Instant) -> bool {
        match self.verdict() {
            Verdict::Unknown => {
                self.digit.get_or_insert(at);
                false
            }
            Verdict::Allowed if self.pause_on_dtmf => self.handle_digit_that_pauses(at, now),
            Verdict::Allowed | Verdict::Denied => false,
        }
    }

    fn handle_digit_that_pauses(&mut self, at: MediaTime, now: Instant) -> bool {
        let pauses = match &self.pause {
            None => {
                self.pause_for_digit(at);
                true
            }
            Some(pause) => {
                let due = self.told.is_none_or(|told| now >= told + TELL_DTMF_EVERY);
                self.untold |= due && pause.by == BY_DTMF;
                false
            }
        };
        if self.untold {
            self.told = Some(now);
        }
        pauses
    }

    fn pause_for_digit(&mut self, at: MediaTime) {
        self.pause = Some(Pause {
            since: at - DTMF_LOOKBACK_SAMPLES,
            by: BY_DTMF.to_owned(),
        });
        self.untold = true;
    }

    /// Whether a pause by digits is to be told of.
    pub(crate) fn is_untold(&self) -> bool {
        self.untold
    }

    /// It was.
    pub(crate) fn told(&mut self) {
        self.untold = false;
    }

    /// Whether anything may be kept.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.question {
            Question::Unasked | Question::Due { .. } | Question::Out { .. } => Verdict::Unknown,
            Question::Allowed => Verdict::Allowed,
            Question::Denied => Verdict::Denied,
        }
    }

    /// The pause that goes on.
    pub(crate) fn pause_now(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// Whether what was said at `at` lies in no pause, as far as is known.
    pub(crate) fn is_open(&self, at: MediaTime) -> bool {
        match &self.pause {
            Some(pause) => at >= self.resumed_at && at < pause.since,
            None => at >= self.resumed_at,
        }
    }
}

/// Drawn, so that calls do not ask all at once.
fn wait(attempt: u32) -> Duration {
    let doubled = ASK_AGAIN_AFTER * 2_u32.saturating_pow(attempt.min(16));
    random::jittered(doubled.min(ASK_AGAIN_WITHIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    const SECOND: u64 = MediaTime::RATE_HZ;

    fn at(seconds: u64) -> MediaTime {
        MediaTime::from_samples(seconds * SECOND)
    }

    fn asked(now: Instant) -> Permit {
        let mut permit = Permit::default();
        assert!(!permit.poll_question(now), "there is nothing to keep");
        permit.want(now);
        assert!(permit.poll_question(now));
        permit
    }

    fn answered(rule: RecordingRule) -> Permit {
        let now = clock::now();
        let mut permit = asked(now);
        permit.handle_answer(Ok(rule), now);
        permit
    }

    fn paused_by(by: &str) -> RecordingRule {
        RecordingRule {
            paused_by: Some(by.into()),
            ..RecordingRule::default()
        }
    }

    fn digits_pause() -> RecordingRule {
        RecordingRule {
            pause_on_dtmf: true,
            ..RecordingRule::default()
        }
    }

    #[test]
    fn nothing_may_be_kept_until_the_control_plane_says_so_once() {
        let now = clock::now();
        let mut permit = asked(now);
        permit.want(now);
        assert!(!permit.poll_question(now), "asked once");
        assert_eq!(permit.verdict(), Verdict::Unknown);
        permit.handle_answer(Ok(RecordingRule::default()), now);
        assert_eq!(permit.verdict(), Verdict::Allowed);
        assert!(permit.is_open(at(0)));
        assert!(!permit.poll_question(now + Duration::from_hours(1)));
    }

    #[test]
    fn a_control_plane_that_is_away_is_asked_again_ever_more_slowly() {
        let mut now = clock::now();
        let mut permit = asked(now);
        for attempt in 0..20 {
            permit.handle_answer(Err(LedgerError::Away("gone".into())), now);
            let wait = (ASK_AGAIN_AFTER * 2_u32.pow(attempt.min(10))).min(ASK_AGAIN_WITHIN);
            assert!(!permit.poll_question(now + wait / 3), "{attempt}");
            assert!(permit.poll_question(now + wait), "{attempt}");
            now += wait;
        }
        assert_eq!(permit.verdict(), Verdict::Unknown);
    }

    #[test]
    fn a_call_that_was_paused_elsewhere_is_paused_from_its_first_sound() {
        let mut permit = answered(paused_by("u1"));
        assert_eq!(permit.verdict(), Verdict::Allowed);
        assert!(!permit.is_open(at(0)));
        permit.resume(at(7));
        assert!(!permit.is_open(at(6)), "what comes late");
        assert!(permit.is_open(at(7)));
    }

    #[test]
    fn consent_that_was_denied_is_for_the_whole_call() {
        let denied = RecordingRule {
            denied: true,
            ..RecordingRule::default()
        };
        let mut permit = answered(denied);
        permit.resume(at(1));
        permit.want(clock::now());
        assert_eq!(permit.verdict(), Verdict::Denied);
    }

    #[test]
    fn an_answer_that_a_command_overtook_is_asked_for_again() {
        let now = clock::now();
        let mut permit = asked(now);
        permit.pause(at(3), "u1");
        permit.handle_answer(Ok(RecordingRule::default()), now);
        assert_eq!(permit.verdict(), Verdict::Unknown);
        assert!(permit.poll_question(now));
        permit.handle_answer(Ok(RecordingRule::default()), now);
        assert_eq!(permit.verdict(), Verdict::Allowed);
        assert!(!permit.is_open(at(3)), "an answer undoes no pause");
        assert!(permit.is_open(at(2)));

        let mut permit = asked(now);
        permit.resume(at(3));
        permit.handle_answer(Ok(paused_by("u1")), now);
        assert!(permit.poll_question(now));
        permit.handle_answer(Ok(RecordingRule::default()), now);
        assert!(permit.is_open(at(4)));
    }

    #[test]
    fn who_paused_last_is_named_and_the_first_pause_counts() {
        let mut permit = answered(RecordingRule::default());
        permit.pause(at(3), "u1");
        permit.pause(at(5), "u2");
        let pause = Pause {
            since: at(3),
            by: "u2".into(),
        };
        assert_eq!(permit.pause_now(), Some(&pause));
    }

    #[test]
    fn a_digit_pauses_from_before_it_and_further_ones_are_told_of_once_a_second() {
        let now = clock::now();
        let mut permit = answered(digits_pause());
        assert!(permit.handle_digit(at(10), now));
        assert!(permit.is_open(at(8)) && !permit.is_open(at(9)));
        let mut told = 0;
        for n in 0..30 {
            let now = now + Duration::from_millis(n * 100);
            assert!(
                n == 0 || !permit.handle_digit(at(10), now),
                "paused already"
            );
            told += u32::from(permit.is_untold());
            permit.told();
        }
        assert_eq!(told, 3);
        permit.resume(at(20));
        assert!(permit.handle_digit(at(30), now), "the next card");
    }

    #[test]
    fn a_digit_changes_nothing_where_no_rule_says_so_or_a_person_paused() {
        let now = clock::now();
        let mut permit = answered(RecordingRule::default());
        assert!(!permit.handle_digit(at(10), now));
        assert!(permit.is_open(at(10)));
        let mut permit = answered(digits_pause());
        permit.pause(at(3), "u1");
        assert!(!permit.handle_digit(at(10), now));
        assert!(!permit.is_untold());
        assert_eq!(permit.pause_now().unwrap().by, "u1");
    }

    #[test]
    fn a_digit_before_the_answer_pauses_when_the_answer_says_that_digits_do() {
        let now = clock::now();
        let mut permit = asked(now);
        assert!(!permit.handle_digit(at(5), now));
        assert!(!permit.handle_digit(at(6), now));
        permit.handle_answer(Ok(digits_pause()), now);
        assert!(permit.is_open(at(3)) && !permit.is_open(at(4)));
        assert!(permit.is_untold());
    }
}
