//! How far each node's takes are on their way to the store, as it said last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sidetone_wire::Backlog;

/// Nodes kept: more than any fleet has. A further one is not shown.
const NODES: usize = 1024;
/// How long a node that says nothing more is shown: it reports every few seconds.
const SHOWN: Duration = Duration::from_mins(2);

/// The latest word of each node.
#[derive(Default)]
pub(crate) struct Backlogs {
    nodes: Mutex<BTreeMap<String, (Backlog, Instant)>>,
}

impl Backlogs {
    /// A node said something.
    pub(super) fn heard(&self, backlog: Backlog, now: Instant) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|_, (_, at)| now.duration_since(*at) < SHOWN);
        if nodes.len() < NODES || nodes.contains_key(&backlog.node) {
            nodes.insert(backlog.node.clone(), (backlog, now));
        }
    }

    /// The latest word of each node that still reports, by its name.
    pub(crate) fn latest(&self, now: Instant) -> Vec<Backlog> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes
            .values()
            .filter(|(_, at)| now.duration_since(*at) < SHOWN)
            .map(|(backlog, _)| backlog.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(node: &str, waiting: u32) -> Backlog {
        Backlog {
            node: node.to_owned(),
            waiting,
            ..Backlog::default()
        }
    }

    #[test]
    fn a_nodes_newest_word_counts_until_it_falls_silent() {
        let backlogs = Backlogs::default();
        let start = sidetone_service::clock::now();
        backlogs.heard(said("b", 1), start);
        backlogs.heard(said("a", 2), start + Duration::from_secs(100));
        backlogs.heard(said("a", 3), start + Duration::from_secs(110));
        let seen = |after| backlogs.latest(start + Duration::from_secs(after));
        assert_eq!(seen(110), [said("a", 3), said("b", 1)]);
        assert_eq!(seen(120), [said("a", 3)]);
        assert_eq!(seen(230), []);
    }

    #[test]
    fn names_made_up_without_end_are_not_kept() {
        let backlogs = Backlogs::default();
        let now = sidetone_service::clock::now();
        for n in 0..2 * NODES {
            backlogs.heard(said(&n.to_string(), 0), now);
        }
        assert_eq!(backlogs.latest(now).len(), NODES);
    }
}
