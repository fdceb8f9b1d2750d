//! What was said while the recording was paused: it is kept nowhere, whoever reports it.
//!
//! A card's number is in the vendor's transcript, too. A report says when something was said, or
//! only when it was recognised, some seconds late; what may be of a pause is left out, rather a
//! sentence too much than a digit.

use sidetone_wire::{Timestamp, Utterance};

use super::transcript::{Said, Spoken};

/// A word is recognised at most so much later than it was said.
const RECOGNISED_WITHIN_MS: i64 = 3_000;
/// What the vendor's clock may differ from ours.
const CLOCKS_DIFFER_MS: i64 = 1_000;
/// How long a character takes to say.
const CHARACTER_MS: i64 = 65;

/// When a call's recording was paused; the last pause may go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unheard(pub(crate) Vec<(Timestamp, Option<Timestamp>)>);

impl Unheard {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What may be kept of a report of `at` about a call that began at `started_at`.
    pub(crate) fn leave_out(&self, said: Said, at: Timestamp, started_at: Timestamp) -> Said {
        match said {
            Said::Nothing => Said::Nothing,
            Said::Piece { ref text, .. } => {
                let (to, took) = (at.unix_ms(), took_ms(text));
                if self.touches(to - RECOGNISED_WITHIN_MS - took, to) {
                    Said::Nothing
                } else {
                    said
                }
            }
            // one long text without a time in it
            Said::Whole { ref spoken, .. } if spoken.iter().all(is_timeless) => Said::Nothing,
            Said::Whole { layer, spoken } => {
                let kept = |one: &Spoken| {
                    let from = started_at.unix_ms() + one.start_ms.cast_signed();
                    let to = started_at.unix_ms() + one.end_ms.cast_signed();
                    !self.touches(from, to.max(from + took_ms(&one.text)))
                };
                let spoken = spoken.into_iter().filter(kept).collect();
                Said::Whole { layer, spoken }
            }
        }
    }

    /// Whether nothing of what was said may be of a pause.
    pub(crate) fn lets(&self, said: &Utterance) -> bool {
        let to = said.to.unix_ms();
        let from = said.from.unix_ms().min(to - took_ms(&said.text));
        !self.touches(from - RECOGNISED_WITHIN_MS, to)
    }

    fn touches(&self, from_ms: i64, to_ms: i64) -> bool {
        self.0.iter().any(|(begun, ended)| {
            let begins_before = begun.unix_ms() - CLOCKS_DIFFER_MS <= to_ms;
            let ended_after = ended.is_none_or(|at| at.unix_ms() + CLOCKS_DIFFER_MS >= from_ms);
            begins_before && ended_after
        })
    }
}

fn took_ms(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(0) * CHARACTER_MS
}

const fn is_timeless(spoken: &Spoken) -> bool {
    spoken.start_ms == 0 && spoken.end_ms == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::Layer;
    use sidetone_wire::Party;

    const START: i64 = 1_700_000_000_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(START + ms)
    }

    fn paused(spans: &[(i64, Option<i64>)]) -> Unheard {
        Unheard(
            spans
                .iter()
                .map(|(from, to)| (at(*from), to.map(at)))
                .collect(),
        )
    }

    fn piece() -> Said {
        Said::Piece {
            party: Party::Customer,
            text: "4111".to_owned(),
            is_final: true,
        }
    }

    fn spoken(start_ms: u64, end_ms: u64) -> Spoken {
        Spoken {
            party: Party::Customer,
            text: "1111".to_owned(),
            is_final: true,
            start_ms,
            end_ms,
        }
    }

    fn whole(spoken: Vec<Spoken>) -> Said {
        let layer = Layer::Report;
        Said::Whole { layer, spoken }
    }

    #[test]
    fn what_is_recognised_in_a_pause_or_soon_after_it_is_left_out() {
        let unheard = paused(&[(10_000, Some(20_000))]);
        for (ms, kept) in [
            (8_000, true),
            (10_000, false),
            (15_000, false),
            (20_000, false),
            (22_500, false),
            (26_000, true),
        ] {
            let left = unheard.leave_out(piece(), at(ms), at(0));
            assert_eq!(left == piece(), kept, "{ms} ms");
        }
        let goes_on = paused(&[(10_000, None)]);
        let left = goes_on.leave_out(piece(), at(3_600_000), at(0));
        assert_eq!(left, Said::Nothing);
    }

    #[test]
    fn what_was_heard_around_a_pause_is_left_out() {
        let unheard = paused(&[(10_000, Some(20_000))]);
        for (from, to, kept) in [
            (5_000, 8_000, true),
            (5_000, 9_500, false),
            (12_000, 14_000, false),
            (22_000, 23_000, false),
            (5_000, 30_000, false),
            (25_000, 26_000, true),
        ] {
            let said = Utterance {
                id: "a".to_owned(),
                party: Party::Customer,
                text: "4111".to_owned(),
                from: at(from),
                to: at(to),
                confidence: None,
            };
            assert_eq!(unheard.lets(&said), kept, "{from} to {to}");
        }
    }

    #[test]
    fn of_a_report_what_was_said_in_a_pause_is_left_out_and_the_rest_is_kept() {
        let unheard = paused(&[(10_000, Some(20_000)), (40_000, Some(41_000))]);
        let said = whole(vec![
            spoken(1_000, 4_000),
            spoken(8_000, 12_000),
            spoken(13_000, 13_000),
            spoken(25_000, 30_000),
            spoken(39_900, 39_900),
        ]);
        let left = unheard.leave_out(said, at(60_000), at(0));
        assert_eq!(
            left,
            whole(vec![spoken(1_000, 4_000), spoken(25_000, 30_000)])
        );
        // a text without times may have it anywhere
        let left = unheard.leave_out(whole(vec![spoken(0, 0)]), at(60_000), at(0));
        assert_eq!(left, Said::Nothing);
    }
}
