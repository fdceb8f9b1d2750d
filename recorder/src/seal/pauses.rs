//! Stretches that were paused on purpose.

use sidetone_media::MediaTime;
use sidetone_wire::Pause;

/// Pauses that a manifest lists. A further one is left out like every other, and belongs to the
/// last one in the list.
const MAX_LISTED: usize = 1_000;
/// What is missing this near to a pause is of the pause: a packet that reached into it.
const EDGE_SAMPLES: u64 = 120 * 48;

/// The pauses of a take, in the order in which they were told.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    spans: Vec<Span>,
    open: Option<Span>,
}

#[derive(Debug, Clone)]
struct Span {
    from: MediaTime,
    /// `None` while nobody has resumed.
    to: Option<MediaTime>,
    by: String,
}

impl Pauses {
    /// Begins a pause, or hands the one there is over; the earlier begin holds.
    pub(super) fn pause(&mut self, at: MediaTime, by: &str) {
        let from = self.open.as_ref().map_or(at, |open| open.from.min(at));
        self.open = Some(Span {
            from,
            to: None,
            by: by.to_owned(),
        });
    }

    /// Ends it.
    pub(super) fn resume(&mut self, at: MediaTime) {
        if let Some(mut span) = self.open.take() {
            span.to = Some(at.max(span.from));
            self.spans.push(span);
        }
    }

    /// When the pause began that nobody has ended.
    pub(super) fn open_since(&self) -> Option<MediaTime> {
        self.open.as_ref().map(|span| span.from)
    }

    /// As the file shall have them; nothing is told any more.
    pub(super) fn finish(mut self) -> Paused {
        self.spans.extend(self.open.take());
        self.spans.sort_by_key(|span| span.from);
        let mut union: Vec<(MediaTime, MediaTime)> = Vec::new();
        for span in &self.spans {
            let to = span.to.unwrap_or(MediaTime::from_samples(u64::MAX));
            match union.last_mut() {
                Some(last) if span.from <= last.1 => last.1 = last.1.max(to),
                _ => union.push((span.from, to)),
            }
        }
        Paused {
            spans: self.spans,
            union,
        }
    }
}

/// The pauses of a take, all told.
#[derive(Debug)]
pub(super) struct Paused {
    spans: Vec<Span>,
    /// Sorted, apart from each other.
    union: Vec<(MediaTime, MediaTime)>,
}

impl Paused {
    /// Whether any part of what sounds from `from` to `to` is paused.
    pub(super) fn leaves_out(&self, from: MediaTime, to: MediaTime) -> bool {
        let before_end = self.union.partition_point(|pause| pause.0 < to);
        self.union[..before_end]
            .last()
            .is_some_and(|pause| pause.1 > from)
    }

    /// The parts of a stretch that are not paused.
    pub(super) fn outside(
        &self,
        mut from: MediaTime,
        to: MediaTime,
    ) -> impl Iterator<Item = (MediaTime, MediaTime)> {
        let mut parts = Vec::new();
        for (pause_from, pause_to) in &self.union {
            let (near, far) = (*pause_from - EDGE_SAMPLES, *pause_to + EDGE_SAMPLES);
            if near >= to {
                break;
            }
            parts.push((from, near));
            from = from.max(far);
        }
        parts.push((from, to));
        parts.into_iter().filter(|(from, to)| from < to)
    }

    /// The list for a take of this length. A pause that nobody ended lasts until the end.
    pub(super) fn into_list(self, duration_ms: u64) -> Vec<Pause> {
        let mut list: Vec<Pause> = Vec::new();
        for span in self.spans {
            let open = span.to.is_none();
            let to_ms = span.to.map_or(duration_ms, |to| to.ms().min(duration_ms));
            let from_ms = span.from.ms().min(to_ms);
            if from_ms == to_ms && !open {
                continue;
            }
            let full = list.len() == MAX_LISTED;
            match list.last_mut() {
                Some(last) if full => last.to_ms = last.to_ms.max(to_ms),
                _ => list.push(Pause {
                    from_ms,
                    to_ms,
                    by: span.by,
                }),
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * 48)
    }

    fn listed(pauses: Pauses, duration_ms: u64) -> Vec<(u64, u64, String)> {
        let list = pauses.finish().into_list(duration_ms);
        list.into_iter()
            .map(|p| (p.from_ms, p.to_ms, p.by))
            .collect()
    }

    #[test]
    fn a_second_pause_changes_who_paused_and_may_begin_earlier() {
        let mut pauses = Pauses::default();
        pauses.pause(at(5_000), "ada");
        pauses.pause(at(4_000), "rule:dtmf");
        pauses.pause(at(6_000), "bob");
        pauses.resume(at(9_000));
        assert_eq!(listed(pauses, 20_000), [(4_000, 9_000, "bob".into())]);
    }

    #[test]
    fn a_pause_that_nobody_ended_lasts_until_the_end() {
        let mut pauses = Pauses::default();
        pauses.resume(at(1));
        pauses.pause(at(5_000), "ada");
        assert_eq!(listed(pauses, 8_000), [(5_000, 8_000, "ada".into())]);
    }

    #[test]
    fn whatever_touches_a_pause_is_left_out() {
        let mut pauses = Pauses::default();
        pauses.pause(at(5_000), "ada");
        pauses.resume(at(6_000));
        // reaches back before the resume, as a rule that looks back does
        pauses.pause(at(5_500), "rule:dtmf");
        pauses.resume(at(7_000));
        pauses.pause(at(9_000), "ada");
        let paused = pauses.finish();
        for (from, to, out) in [
            (4_980, 5_000, false),
            (4_981, 5_001, true),
            (6_500, 6_520, true),
            (6_999, 7_019, true),
            (7_000, 7_020, false),
            (8_970, 9_030, true),
            (99_000, 99_020, true),
        ] {
            assert_eq!(paused.leaves_out(at(from), at(to)), out, "{from}");
        }
    }

    #[test]
    fn what_was_not_kept_because_of_a_pause_is_no_loss() {
        let mut pauses = Pauses::default();
        pauses.pause(at(5_000), "ada");
        pauses.resume(at(7_000));
        let paused = pauses.finish();
        let outside = |from, to| -> Vec<_> {
            let parts = paused.outside(at(from), at(to));
            parts.map(|(from, to)| (from.ms(), to.ms())).collect()
        };
        assert_eq!(outside(4_990, 7_010), []);
        assert_eq!(outside(4_000, 8_000), [(4_000, 4_880), (7_120, 8_000)]);
        assert_eq!(outside(1_000, 2_000), [(1_000, 2_000)]);
    }

    #[test]
    fn a_take_that_was_paused_without_end_lists_a_thousand() {
        let mut pauses = Pauses::default();
        for n in 0..3_000 {
            pauses.pause(at(n * 1_000), "rule:dtmf");
            pauses.resume(at(n * 1_000 + 500));
        }
        let list = pauses.finish().into_list(3_000_000);
        assert_eq!(list.len(), MAX_LISTED);
        assert_eq!(list[MAX_LISTED - 1].to_ms, 2_999_500);
    }
}
