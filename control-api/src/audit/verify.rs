//! Whether a tenant's rows, the head of their chain and its checkpoints are what was written.

use sidetone_wire::{Disagreement, DisagreementKind as Kind, TenantId};

use super::chain::{Hash, Head, Keys, Row, START};
use super::checkpoint::Found;

/// How long after the first row of a release that chains its rows one that does not may still be
/// serving: a rolling upgrade.
const UPGRADE_MS: i64 = 24 * 60 * 60 * 1000;

/// Takes a tenant's rows in the order of their places, and finds the first that disagrees. Holds
/// one row's worth of state, however long the log is.
pub(crate) struct Verifier<'a> {
    keys: &'a Keys,
    tenant: TenantId,
    /// In the order of their rows.
    checkpoints: Vec<Found>,
    /// How many of them were compared.
    compared: usize,
    /// The place of the next row.
    next: u64,
    before: Hash,
    /// A MAC was right: from then on all must be. Before it, `SECRET_KEY` was another.
    proven: bool,
    /// Times of rows that were chained when they were written: the first, and the latest so far.
    chained_ms: Option<(i64, i64)>,
    found: Option<Disagreement>,
    counts: Counts,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) adopted: u64,
    pub(crate) checkpoints: u64,
    pub(crate) foreign_checkpoints: u64,
    pub(crate) checkpoint_seq: u64,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) head: Hash,
    pub(crate) disagreement: Option<Disagreement>,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(keys: &'a Keys, tenant: TenantId, mut checkpoints: Vec<Found>) -> Self {
        checkpoints.sort_by_key(Found::seq);
        Self {
            keys,
            tenant,
            checkpoints,
            compared: 0,
            next: 1,
            before: START,
            proven: false,
            chained_ms: None,
            found: None,
            counts: Counts::default(),
        }
    }

    /// Something disagrees: further rows change nothing.
    pub(crate) fn is_done(&self) -> bool {
        self.found.is_some()
    }

    pub(crate) fn row(&mut self, row: &Row) {
        if self.is_done() {
            return;
        }
        self.counts.rows += 1;
        self.counts.adopted += u64::from(row.adopted);
        if let Some((kind, detail)) = self.judge(row) {
            let (seq, row_id) = if kind == Kind::Missing {
                (self.next, None)
            } else {
                (row.seq, Some(row.id))
            };
            self.found = Some(Disagreement {
                kind,
                seq,
                row_id,
                detail,
            });
            return;
        }
        self.before = row.hash;
        self.next = row.seq + 1;
        self.compare_checkpoints(row);
    }

    fn judge(&mut self, row: &Row) -> Option<(Kind, String)> {
        if row.seq < self.next {
            let detail = format!("there are two rows {}", row.seq);
            return Some((Kind::Doubled, detail));
        }
        if row.seq > self.next {
            let (first, last) = (self.next, row.seq - 1);
            return Some((Kind::Missing, format!("rows {first} to {last} are gone")));
        }
        if row.hash_after(self.tenant, &self.before) != row.hash {
            let detail = format!("row {} was edited, moved or put there", row.seq);
            return Some((Kind::Changed, detail));
        }
        if self.keys.proves(row) {
            self.proven = true;
        } else if self.proven {
            let detail = format!("row {} was not added by this system", row.seq);
            return Some((Kind::Forged, detail));
        }
        if !row.adopted {
            let (first, latest) = self.chained_ms.unwrap_or((row.at_ms, row.at_ms));
            self.chained_ms = Some((first, latest.max(row.at_ms)));
        } else if let Some((first, latest)) = self.chained_ms
            && latest - first > UPGRADE_MS
        {
            let detail = format!(
                "row {} was put into the table past this system, or by an older release",
                row.seq
            );
            return Some((Kind::Smuggled, detail));
        }
        None
    }

    /// Checkpoints of this row, and those of before the first.
    fn compare_checkpoints(&mut self, row: &Row) {
        while let Some(found) = self.checkpoints.get(self.compared)
            && found.seq() <= row.seq
            && self.found.is_none()
        {
            let found = found.clone();
            self.compared += 1;
            self.found = self.compare(&found, Some(row));
        }
    }

    fn compare(&mut self, found: &Found, row: Option<&Row>) -> Option<Disagreement> {
        let seq = found.seq();
        let disagree = |kind, detail| {
            Some(Disagreement {
                kind,
                seq,
                row_id: row.filter(|row| row.seq == seq).map(|row| row.id),
                detail,
            })
        };
        let checkpoint = match found {
            Found::Checkpoint(checkpoint) => checkpoint,
            Found::Damaged { why, .. } => {
                let detail = format!("the checkpoint of row {seq} is none: {why}");
                return disagree(Kind::CheckpointForged, detail);
            }
        };
        if checkpoint.client != self.tenant || !checkpoint.is_whole() {
            let detail = format!("the checkpoint of row {seq} is not as it was signed");
            return disagree(Kind::CheckpointForged, detail);
        }
        self.counts.checkpoints += 1;
        self.counts.foreign_checkpoints += u64::from(checkpoint.public_key != self.keys.public());
        self.counts.checkpoint_seq = seq;
        match row {
            Some(row) if row.seq == seq && row.hash == checkpoint.hash => None,
            Some(_) => {
                let detail = format!("row {seq} is not the one that its checkpoint tells of");
                disagree(Kind::Forked, detail)
            }
            None => {
                let detail = format!("a checkpoint tells of row {seq}, which is gone");
                disagree(Kind::Truncated, detail)
            }
        }
    }

    /// The last row has been taken. `head` was read before the first.
    pub(crate) fn finish(mut self, head: Option<&Head>) -> Outcome {
        if !self.is_done() {
            self.found = self.judge_end(head);
        }
        Outcome {
            counts: self.counts,
            head: self.before,
            disagreement: self.found,
        }
    }

    fn judge_end(&mut self, head: Option<&Head>) -> Option<Disagreement> {
        while let Some(found) = self.checkpoints.get(self.compared).cloned() {
            self.compared += 1;
            let disagreement = self.compare(&found, None);
            if disagreement.is_some() {
                return disagreement;
            }
        }
        let last = self.next - 1;
        let disagree = |kind, seq, detail: String| {
            Some(Disagreement {
                kind,
                seq,
                row_id: None,
                detail,
            })
        };
        let Some(head) = head else {
            if last == 0 {
                return None;
            }
            let detail = "the end of the chain is no longer noted".to_owned();
            return disagree(Kind::Truncated, last, detail);
        };
        if head.seq > last {
            let detail = format!("there were {} rows, of which {last} are left", head.seq);
            return disagree(Kind::Truncated, last + 1, detail);
        }
        if head.seq < last || head.hash != self.before {
            let detail = format!("row {last} is not the end of the chain that is noted");
            return disagree(Kind::Forked, head.seq.min(last), detail);
        }
        if head.checkpoint_seq > self.counts.checkpoint_seq {
            let seq = head.checkpoint_seq;
            let detail = format!("the checkpoint of row {seq} is no longer in the store");
            return disagree(Kind::CheckpointMissing, seq, detail);
        }
        None
    }
}
