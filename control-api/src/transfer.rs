//! A transfer, without a clock, a database or a telephone.
//!
//! **Invariants**, each in the property test below:
//! 1. Whatever happens and in whatever order, it comes to one end and stays there.
//! 2. Nobody is given the customer who has not answered: an attended transfer is completed by
//!    whoever talks with them, and by nobody else.
//! 3. Time ends what nobody ends: rung too long, left alone for too long.

use std::time::{Duration, Instant};

use TransferStage as Stage;
use sidetone_wire::TransferStage;

/// Whoever transfers is waited for: the browser asks for the microphone, or is reloaded.
const AUTHOR_COMES_WITHIN: Duration = Duration::from_secs(15);
/// Whom it is transferred to likewise. A telephone that is put down leaves at once.
const TARGET_COMES_WITHIN: Duration = Duration::from_secs(5);

/// What happens to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    /// Whoever is rung answers.
    Answered,
    /// They get the call, or the customer was sent to them.
    Completed,
    /// Whoever transfers goes back to the customer, or is lost.
    Returned,
    /// Whoever is rung does not want it, or hangs up.
    Refused,
    /// It rang long enough.
    Late,
    /// It cannot be done.
    Failed,
    /// The call is over.
    CallOver,
}

/// Where a transfer stands after that; `None` when it changes nothing.
pub(crate) fn next(stage: Stage, happening: Happening) -> Option<Stage> {
    match (stage, happening) {
        (Stage::Ringing, Happening::Answered) => Some(Stage::Talking),
        (Stage::Talking | Stage::Referring, Happening::Completed) => Some(Stage::Completed),
        (Stage::Ringing | Stage::Talking, Happening::Returned) => Some(Stage::Returned),
        (Stage::Ringing | Stage::Talking | Stage::Referring, Happening::Refused) => {
            Some(Stage::Refused)
        }
        // a customer who was sent elsewhere may be there although nobody said so
        (Stage::Ringing | Stage::Referring, Happening::Late) => Some(Stage::Unanswered),
        (Stage::Ringing | Stage::Talking | Stage::Referring, Happening::Failed) => {
            Some(Stage::Failed)
        }
        // of a customer who is sent elsewhere the call ends before that is said
        (Stage::Ringing | Stage::Talking, Happening::CallOver) => Some(Stage::Abandoned),
        (Stage::Talking, Happening::Answered | Happening::Late)
        | (Stage::Ringing, Happening::Completed)
        | (Stage::Referring, Happening::Answered | Happening::Returned | Happening::CallOver)
        | (
            Stage::Completed
            | Stage::Returned
            | Stage::Refused
            | Stage::Unanswered
            | Stage::Failed
            | Stage::Abandoned,
            _,
        ) => None,
    }
}

/// Who is in the room in which they talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// Whoever transfers.
    pub(crate) author: bool,
    /// Whom it is transferred to has answered and is there.
    pub(crate) target: bool,
}

/// Who has been missing there, and since when.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    author_missing: Option<Instant>,
    target_missing: Option<Instant>,
}

impl Watch {
    /// What it means for a transfer who is there now. `late`: it has rung for long enough.
    pub(crate) fn look(
        &mut self,
        stage: Stage,
        seen: Seen,
        late: bool,
        now: Instant,
    ) -> Option<Happening> {
        if stage == Stage::Referring || stage == Stage::Ringing {
            *self = Self::default();
            let answered = seen.target && stage == Stage::Ringing;
            return match (answered, late) {
                (true, _) => Some(Happening::Answered),
                (false, true) => Some(Happening::Late),
                (false, false) => None,
            };
        }
        if stage != Stage::Talking {
            return None;
        }
        let over = |missing: &mut Option<Instant>, there: bool, within: Duration| {
            if there {
                *missing = None;
                return false;
            }
            now.saturating_duration_since(*missing.get_or_insert(now)) >= within
        };
        let target = over(&mut self.target_missing, seen.target, TARGET_COMES_WITHIN);
        let author = over(&mut self.author_missing, seen.author, AUTHOR_COMES_WITHIN);
        match (target, author) {
            (true, _) => Some(Happening::Refused),
            (false, true) => Some(Happening::Returned),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sidetone_service::clock;

    use super::*;

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            Just(Happening::Answered),
            Just(Happening::Completed),
            Just(Happening::Returned),
            Just(Happening::Refused),
            Just(Happening::Late),
            Just(Happening::Failed),
            Just(Happening::CallOver),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn whatever_happens_a_transfer_comes_to_one_end_and_nobody_gets_a_call_unanswered(
            attended in any::<bool>(),
            happenings in prop::collection::vec(happening(), 0..30),
        ) {
            let mut stage = if attended { Stage::Ringing } else { Stage::Referring };
            let (mut ends, mut answered) = (0, false);
            for happening in happenings {
                let before = stage;
                let Some(after) = next(stage, happening) else { continue };
                prop_assert!(before.is_open(), "what has ended stays so");
                prop_assert_ne!(after, before);
                answered |= after == Stage::Talking;
                ends += usize::from(!after.is_open());
                if after == Stage::Completed {
                    prop_assert_eq!(happening, Happening::Completed);
                    prop_assert_eq!(answered, attended);
                }
                stage = after;
            }
            prop_assert!(ends <= 1);
            // nobody does anything any more: time and the call's end suffice
            let mut watch = Watch::default();
            let start = clock::now();
            for second in 0..60 {
                let now = start + Duration::from_secs(second);
                let seen = Seen::default();
                if let Some(happening) = watch.look(stage, seen, true, now) {
                    stage = next(stage, happening).unwrap_or(stage);
                }
            }
            prop_assert!(!stage.is_open(), "{stage} for ever");
        }
    }

    #[test]
    fn who_is_gone_for_a_moment_is_waited_for_and_who_stays_away_is_not() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = Watch::default();
        let mut look = |author, target, seconds| {
            watch.look(Stage::Talking, Seen { author, target }, false, at(seconds))
        };
        assert_eq!(look(false, true, 0), None, "the browser is on its way");
        assert_eq!(look(false, true, 14), None);
        assert_eq!(look(true, true, 15), None);
        assert_eq!(look(true, false, 20), None);
        assert_eq!(look(true, true, 24), None, "they are back");
        assert_eq!(look(true, false, 30), None);
        assert_eq!(look(true, false, 35), Some(Happening::Refused));
        assert_eq!(look(false, true, 40), None);
        assert_eq!(look(false, true, 55), Some(Happening::Returned));
    }

    #[test]
    fn who_answers_is_found_also_by_a_process_that_did_not_ring() {
        let now = clock::now();
        let mut watch = Watch::default();
        let there = Seen {
            author: true,
            target: true,
        };
        let answered = watch.look(Stage::Ringing, there, true, now);
        assert_eq!(answered, Some(Happening::Answered));
        let nobody = watch.look(Stage::Ringing, Seen::default(), false, now);
        assert_eq!(nobody, None);
        let late = watch.look(Stage::Ringing, Seen::default(), true, now);
        assert_eq!(late, Some(Happening::Late));
    }
}
