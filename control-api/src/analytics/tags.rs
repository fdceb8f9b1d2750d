//! What calls were tagged with.

use std::collections::{HashMap, HashSet};

use sidetone_wire::analytics::TagFigures;

/// Tags that are told apart; further ones do not count.
const TAGS: usize = 10_000;
/// Tags in a report.
const LISTED: usize = 1_000;

/// A call as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tagged {
    pub(crate) tags: Vec<String>,
    /// Its length, once it has ended.
    pub(crate) ended_after_ms: Option<i64>,
    pub(crate) completed: bool,
}

#[derive(Default)]
struct Count {
    calls: u64,
    ended: u64,
    completed: u64,
    duration_ms: i64,
}

#[derive(Default)]
pub(crate) struct TagCounts {
    calls: u64,
    untagged: u64,
    tags: HashMap<String, Count>,
}

impl TagCounts {
    pub(crate) fn add(&mut self, call: Tagged) {
        self.calls += 1;
        if call.tags.is_empty() {
            self.untagged += 1;
        }
        let tags: HashSet<String> = call.tags.into_iter().collect();
        for tag in tags {
            if self.tags.len() >= TAGS && !self.tags.contains_key(&tag) {
                continue;
            }
            let count = self.tags.entry(tag).or_default();
            count.calls += 1;
            if let Some(ms) = call.ended_after_ms {
                count.ended += 1;
                count.duration_ms += ms;
                count.completed += u64::from(call.completed);
            }
        }
    }

    /// Calls, those without a tag, and the tags, most frequent first.
    pub(crate) fn finish(self) -> (u64, u64, Vec<TagFigures>) {
        let mut tags: Vec<_> = self.tags.into_iter().collect();
        tags.sort_by(|(a_tag, a), (b_tag, b)| b.calls.cmp(&a.calls).then(a_tag.cmp(b_tag)));
        tags.truncate(LISTED);
        let tags = tags.into_iter().map(|(tag, count)| TagFigures {
            tag,
            calls: count.calls,
            ended: count.ended,
            average_seconds: super::average_seconds(count.duration_ms, count.ended),
            success_rate: if count.ended == 0 {
                0.0
            } else {
                super::hundredths(count.completed as f64 * 100.0 / count.ended as f64)
            },
        });
        (self.calls, self.untagged, tags.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_counts_once_a_call_and_the_frequent_ones_come_first() {
        let mut counts = TagCounts::default();
        for (tags, ended_after_ms, completed) in [
            (vec!["sale", "sale", "vip"], Some(60_000), true),
            (vec!["sale"], Some(30_000), false),
            (vec!["sale"], None, false),
            (vec![], Some(1), true),
        ] {
            counts.add(Tagged {
                tags: tags.into_iter().map(str::to_owned).collect(),
                ended_after_ms,
                completed,
            });
        }
        let (calls, untagged, tags) = counts.finish();
        assert_eq!((calls, untagged), (4, 1));
        assert_eq!(
            (tags[0].tag.as_str(), tags[0].calls, tags[0].ended),
            ("sale", 3, 2)
        );
        assert!((tags[0].average_seconds - 45.0).abs() < 1e-9);
        assert!((tags[0].success_rate - 50.0).abs() < 1e-9);
        assert_eq!(tags[1].tag, "vip");
    }
}
