//! Whatever is done to a log is found: ten thousand random mutations, on rows and checkpoints in
//! memory. `tests/api/audit.rs` does some of it to a real database.

use secrecy::SecretString;
use sidetone_service::clock;
use sidetone_wire::{AuditPhase, DisagreementKind as Kind, TenantId, Timestamp};
use uuid::Uuid;

use super::chain::{Head, Keys, Row, START};
use super::checkpoint::{Checkpoint, Found};
use super::verify::{Outcome, Verifier};

/// Random numbers that are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[derive(Clone)]
struct Log {
    tenant: TenantId,
    rows: Vec<Row>,
    head: Option<Head>,
    checkpoints: Vec<Found>,
}

fn keys() -> Keys {
    Keys::new(&SecretString::from("a secret of at least 32 characters"))
}

fn row(n: u64) -> Row {
    Row {
        seq: n,
        id: clock::new_id(),
        at_ms: 1_790_000_000_000 + n as i64,
        actor: format!("user-{}", n % 7),
        address: n.is_multiple_of(3).then(|| "127.0.0.1".to_owned()),
        action: ["session.opened", "call.listened", "recording.erased"][n as usize % 3].to_owned(),
        subject_kind: "call".to_owned(),
        subject_id: clock::new_id().to_string(),
        detail: format!(r#"{{"n":{n}}}"#),
        phase: n.is_multiple_of(4).then_some(AuditPhase::Intent),
        intent: None,
        adopted: n <= 3,
        hash: START,
        mac: START,
    }
}

impl Log {
    /// A log as we write it, with a checkpoint for every tenth row and the last.
    fn written(keys: &Keys, length: u64) -> Self {
        let mut log = Self {
            tenant: TenantId(clock::new_id()),
            rows: (1..=length).map(row).collect(),
            head: None,
            checkpoints: Vec::new(),
        };
        log.chain(keys, 0);
        for n in (10..length).step_by(10).chain([length]) {
            let row = &log.rows[n as usize - 1];
            let head = Head {
                seq: row.seq,
                hash: row.hash,
                checkpoint_seq: 0,
            };
            let at = Timestamp::from_unix_ms(row.at_ms);
            let checkpoint = Checkpoint::new(keys, log.tenant, &head, at);
            log.checkpoints.push(Found::Checkpoint(checkpoint));
        }
        log.note_head(length);
        log
    }

    /// Chains rows from `from` on, under whatever keys.
    fn chain(&mut self, keys: &Keys, from: usize) {
        let mut before = match from {
            0 => START,
            from => self.rows[from - 1].hash,
        };
        for (n, row) in self.rows.iter_mut().enumerate().skip(from) {
            row.seq = n as u64 + 1;
            row.chain(keys, self.tenant, &before);
            before = row.hash;
        }
    }

    fn note_head(&mut self, checkpoint_seq: u64) {
        self.head = self.rows.last().map(|row| Head {
            seq: row.seq,
            hash: row.hash,
            checkpoint_seq,
        });
    }

    fn verify(&self, keys: &Keys) -> Outcome {
        let mut verifier = Verifier::new(keys, self.tenant, self.checkpoints.clone());
        for row in &self.rows {
            verifier.row(row);
        }
        verifier.finish(self.head.as_ref())
    }
}

/// Does something to a log that somebody might who can write to the database, to the store, or
/// both; gives what it was.
fn mutate(log: &mut Log, dice: &mut Dice, theirs: &Keys) -> String {
    let length = log.rows.len();
    let at = dice.below(length);
    match dice.below(12) {
        0 => edit(log, dice, at),
        1 => {
            log.rows.remove(at);
            "a row is deleted".into()
        }
        2 => {
            // and those behind it move up
            log.rows.remove(at);
            for row in &mut log.rows[at..] {
                row.seq -= 1;
            }
            "a row is deleted and the gap closed".into()
        }
        3 => {
            let mut forged = row(at as u64 + 1);
            forged.chain(theirs, log.tenant, &START);
            log.rows.insert(at, forged);
            "a row is inserted".into()
        }
        4 => {
            let other = (at + 1 + dice.below(length - 1)) % length;
            let (a, b) = (log.rows[at].seq, log.rows[other].seq);
            log.rows.swap(at, other);
            (log.rows[at].seq, log.rows[other].seq) = (a, b);
            "two rows change places".into()
        }
        5 => {
            log.rows.truncate(at);
            "rows are cut off".into()
        }
        6 => {
            log.rows.truncate(at);
            log.note_head(log.rows.len() as u64);
            "rows are cut off and the end noted anew".into()
        }
        7 => {
            log.rows[at].detail.push(' ');
            log.chain(theirs, at);
            log.note_head(length as u64);
            "a row is edited and everything behind it chained anew".into()
        }
        8 => {
            // the case without our key: hashes are made anew, the proofs stay
            let macs: Vec<_> = log.rows.iter().map(|row| row.mac).collect();
            log.rows[at].actor = "somebody else".into();
            log.chain(theirs, at);
            for (row, mac) in log.rows.iter_mut().zip(macs) {
                row.mac = mac;
            }
            log.note_head(length as u64);
            "a row is edited, hashes made anew and proofs kept".into()
        }
        9 => {
            log.rows.truncate(at + 1);
            let more = length as u64 + 1 - log.rows.len() as u64;
            let from = log.rows.len();
            log.rows.extend((0..more).map(|n| row(1000 + n)));
            log.chain(theirs, from);
            log.note_head(length as u64);
            "another history follows".into()
        }
        10 => {
            log.rows.push(row(length as u64 + 1));
            log.chain(theirs, length);
            log.note_head(length as u64);
            "a row is appended without our key".into()
        }
        _ => checkpoints(log, dice),
    }
}

fn edit(log: &mut Log, dice: &mut Dice, at: usize) -> String {
    let row = &mut log.rows[at];
    let field = dice.below(12);
    match field {
        0 => row.id = clock::new_id(),
        1 => row.at_ms += 1,
        2 => row.actor.push('x'),
        3 => row.address = Some("10.0.0.1".into()),
        4 => row.action.push('x'),
        5 => row.subject_kind.push('x'),
        6 => row.subject_id.push('x'),
        7 => row.detail = "{}".into(),
        8 => row.phase = Some(AuditPhase::Result),
        9 => row.intent = Some(Uuid::max()),
        10 => row.adopted = !row.adopted,
        _ => row.hash[dice.below(32)] ^= 1 << dice.below(8),
    }
    format!("field {field} is edited")
}

fn checkpoints(log: &mut Log, dice: &mut Dice) -> String {
    let last = log.checkpoints.len() - 1;
    let which = dice.below(4);
    match which {
        0 => {
            log.checkpoints.pop();
        }
        1 => {
            let at = dice.below(last + 1);
            if let Found::Checkpoint(checkpoint) = &mut log.checkpoints[at] {
                checkpoint.hash[dice.below(32)] ^= 1 << dice.below(8);
            }
        }
        2 => {
            let at = dice.below(last + 1);
            if let Found::Checkpoint(checkpoint) = &mut log.checkpoints[at] {
                let byte = dice.below(checkpoint.signature.len());
                checkpoint.signature[byte] ^= 1 << dice.below(8);
            }
        }
        _ => {
            let seq = log.checkpoints[last].seq();
            let why = "it is no JSON".to_owned();
            log.checkpoints[last] = Found::Damaged { seq, why };
        }
    }
    format!("checkpoints are changed ({which})")
}

#[test]
fn a_log_as_it_was_written_is_good() {
    let keys = keys();
    for length in [1, 2, 9, 10, 11, 57] {
        let outcome = Log::written(&keys, length).verify(&keys);
        assert_eq!(outcome.disagreement, None, "{length}");
        assert_eq!(outcome.counts.rows, length);
        assert_eq!(outcome.counts.checkpoint_seq, length);
        assert_eq!(outcome.counts.foreign_checkpoints, 0);
    }
}

#[test]
fn ten_thousand_random_mutations_are_all_found() {
    let (keys, theirs) = (
        keys(),
        Keys::new(&SecretString::from("whatever they may have")),
    );
    let mut dice = Dice(20_261_126);
    let written: Vec<Log> = (2..30).map(|length| Log::written(&keys, length)).collect();
    for n in 0..10_000 {
        let whole = &written[dice.below(written.len())];
        let length = whole.rows.len();
        let mut log = whole.clone();
        let what = mutate(&mut log, &mut dice, &theirs);
        let same = log.rows == whole.rows && log.checkpoints == whole.checkpoints;
        if same && log.head == whole.head {
            continue; // an address that was that one already
        }
        let outcome = log.verify(&keys);
        assert!(outcome.disagreement.is_some(), "{n}: {what}, {length} rows");
    }
}

#[test]
fn the_first_disagreement_has_a_name_and_a_place() {
    let keys = keys();
    let whole = Log::written(&keys, 25);
    let found = |change: &dyn Fn(&mut Log)| {
        let mut log = whole.clone();
        change(&mut log);
        let found = log.verify(&keys).disagreement.expect("it is found");
        (found.kind, found.seq)
    };
    assert_eq!(
        found(&|log| log.rows[6].detail = "{}".into()),
        (Kind::Changed, 7)
    );
    assert_eq!(found(&|log| drop(log.rows.remove(6))), (Kind::Missing, 7));
    assert_eq!(
        found(&|log| log.rows.insert(7, log.rows[6].clone())),
        (Kind::Doubled, 7)
    );
    assert_eq!(found(&|log| log.rows.truncate(24)), (Kind::Truncated, 25));
    let cut = |log: &mut Log| {
        log.rows.truncate(24);
        log.note_head(24);
    };
    assert_eq!(found(&cut), (Kind::Truncated, 25));
    let lost = |log: &mut Log| drop(log.checkpoints.pop());
    assert_eq!(found(&lost), (Kind::CheckpointMissing, 25));
    let theirs = Keys::new(&SecretString::from("whatever they may have"));
    let forged = |log: &mut Log| log.chain(&theirs, 24);
    assert_eq!(found(&forged), (Kind::Forged, 25));
}

#[test]
fn whoever_has_our_key_cannot_take_back_what_a_checkpoint_said() {
    let keys = keys();
    let mut log = Log::written(&keys, 25);
    log.rows[11].actor = "nobody".into();
    log.chain(&keys, 11);
    log.note_head(25);
    let found = log.verify(&keys).disagreement.unwrap();
    assert_eq!((found.kind, found.seq), (Kind::Forked, 20));
}

#[test]
fn a_row_that_comes_past_us_is_taken_in_during_an_upgrade_and_told_of_later() {
    let keys = keys();
    let day_ms = 24 * 60 * 60 * 1000;
    for (later_ms, good) in [(day_ms / 2, true), (2 * day_ms, false)] {
        let mut log = Log::written(&keys, 8);
        log.checkpoints.clear();
        log.rows[6].at_ms = log.rows[3].at_ms + later_ms;
        log.rows[7].adopted = true;
        log.chain(&keys, 0);
        log.note_head(0);
        let found = log
            .verify(&keys)
            .disagreement
            .map(|found| (found.kind, found.seq));
        assert_eq!(found, (!good).then_some((Kind::Smuggled, 8)));
    }
}

#[test]
fn rows_of_before_another_secret_key_are_covered_by_those_after_it() {
    let (former, keys) = (Keys::new(&SecretString::from("the key of before")), keys());
    let mut log = Log::written(&former, 20);
    log.rows.extend((21..=30).map(row));
    log.chain(&keys, 20);
    log.note_head(20);
    let outcome = log.verify(&keys);
    assert_eq!(outcome.disagreement, None);
    assert_eq!(outcome.counts.foreign_checkpoints, 2);
    log.rows[4].actor = "nobody".into();
    assert!(log.verify(&keys).disagreement.is_some());
    log.chain(&former, 4);
    assert!(log.verify(&keys).disagreement.is_some());
}
