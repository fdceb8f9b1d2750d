//! Which take is sent next, and when.
//!
//! While the store (or the ledger) is away, one take at a time finds out whether it is back, after
//! waits that grow; the others wait without trying. A take that fails for reasons of its own waits
//! by itself and lets the others pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sidetone_service::backoff::Backoff;
use sidetone_wire::RecordingId;

use super::AT_ONCE;

/// Takes whose names are held: 16 bytes each and what a tree needs. Further ones wait in the
/// folder, which is read again when these are through.
const NAMES_MAX: usize = 65_536;

/// Between two looks whether the store is back: one request each, and what a take waits longer than
/// the store was away.
const AWAY_FIRST: Duration = Duration::from_millis(500);
const AWAY_CAP: Duration = Duration::from_secs(15);

/// Between two tries of one take. It may fail for reasons of its own: a call whose row is on its
/// way, an object too large for the link, something that a person has to see to.
const OWN_FIRST: Duration = Duration::from_secs(1);
const OWN_CAP: Duration = Duration::from_mins(1);

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is where it should be.
    Done,
    /// Nothing of it was found to send.
    Gone,
    /// The store or the ledger is away.
    Away(String),
    /// It failed, the store did not.
    Failed(String),
}

/// The takes that wait for the store.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// In the order of their ids, which is that of their begin.
    waiting: BTreeSet<RecordingId>,
    uploading: BTreeSet<RecordingId>,
    /// Not before their time.
    own: BTreeMap<RecordingId, Own>,
    away: Option<Away>,
    own_error: Option<(RecordingId, String)>,
    /// There are more in the folder than are held.
    short: bool,
}

#[derive(Debug)]
struct Own {
    backoff: Backoff,
    due: Instant,
}

#[derive(Debug)]
struct Away {
    backoff: Backoff,
    due: Instant,
    /// The take that finds out.
    probe: Option<RecordingId>,
    error: String,
}

impl Queue {
    /// These are in the folder, in order.
    pub(super) fn found(&mut self, takes: &[RecordingId]) {
        self.short = takes.len() > NAMES_MAX;
        self.waiting = takes
            .iter()
            .copied()
            .filter(|take| !self.uploading.contains(take))
            .take(NAMES_MAX)
            .collect();
        // the wait of a take that went is over
        let (waiting, uploading) = (&self.waiting, &self.uploading);
        self.own
            .retain(|take, _| waiting.contains(take) || uploading.contains(take));
        self.forget_own_error();
    }

    /// The take to send now, if any.
    pub(super) fn next(&mut self, now: Instant) -> Option<RecordingId> {
        let limit = match &self.away {
            Some(away) if away.due > now || away.probe.is_some() => return None,
            Some(_) | None => AT_ONCE,
        };
        if self.uploading.len() >= limit {
            return None;
        }
        let own = &self.own;
        let is_due = |take: &&RecordingId| own.get(take).is_none_or(|own| own.due <= now);
        let next = *self.waiting.iter().find(is_due)?;
        self.waiting.remove(&next);
        self.uploading.insert(next);
        if let Some(away) = &mut self.away {
            away.probe = Some(next);
        }
        Some(next)
    }

    /// A take that was sent ended so.
    pub(super) fn ended(&mut self, take: RecordingId, ended: Ended, now: Instant) {
        self.uploading.remove(&take);
        match ended {
            Ended::Done => {
                self.own.remove(&take);
                self.is_back();
            }
            Ended::Gone => {
                self.own.remove(&take);
                self.probe_again(take, now);
            }
            Ended::Away(error) => {
                self.again(take, now);
                self.is_away(take, error, now);
            }
            Ended::Failed(error) => {
                self.again(take, now);
                self.own_error = Some((take, error));
                self.probe_again(take, now);
            }
        }
        self.forget_own_error();
    }

    fn again(&mut self, take: RecordingId, now: Instant) {
        self.waiting.insert(take);
        let own = self.own.entry(take).or_insert(Own {
            backoff: Backoff::new(OWN_FIRST, OWN_CAP),
            due: now,
        });
        own.due = now + own.backoff.wait();
    }

    /// A take that was to find out whether the store is back did not: another may, now.
    fn probe_again(&mut self, take: RecordingId, now: Instant) {
        if let Some(away) = &mut self.away
            && away.probe == Some(take)
        {
            away.probe = None;
            away.due = now;
        }
    }

    fn is_away(&mut self, take: RecordingId, error: String, now: Instant) {
        let Some(away) = &mut self.away else {
            tracing::warn!(error, "the store is away; recordings wait in the spool");
            let mut backoff = Backoff::new(AWAY_FIRST, AWAY_CAP);
            let due = now + backoff.wait();
            self.away = Some(Away {
                backoff,
                due,
                probe: None,
                error,
            });
            return;
        };
        // the others began before it was known
        if away.probe == Some(take) {
            away.probe = None;
            away.due = now + away.backoff.wait();
            away.error = error;
        }
    }

    fn is_back(&mut self) {
        if self.away.take().is_some() {
            let waiting = self.waiting.len();
            tracing::info!(waiting, "the store is back");
        }
    }

    fn forget_own_error(&mut self) {
        if let Some((take, _)) = &self.own_error
            && !self.own.contains_key(take)
        {
            self.own_error = None;
        }
    }

    /// When [`Queue::next`] may give another take without anything having ended.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() || self.uploading.len() >= AT_ONCE {
            return None;
        }
        let own = self.own.iter();
        let own = own.filter(|(take, _)| self.waiting.contains(take));
        let first = if self.waiting.len() > own.clone().count() {
            Some(now)
        } else {
            own.map(|(_, own)| own.due).min()
        };
        match &self.away {
            Some(away) if away.probe.is_some() => None,
            Some(away) => first.map(|first| first.max(away.due)),
            None => first,
        }
    }

    /// Whether the folder has more than is held here, and is to be read again.
    pub(super) fn is_short(&self) -> bool {
        self.short && self.waiting.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn uploading(&self) -> usize {
        self.uploading.len()
    }

    /// Why takes wait longer than they should.
    pub(super) fn error(&self) -> Option<&str> {
        let away = self.away.as_ref().map(|away| away.error.as_str());
        away.or(self.own_error.as_ref().map(|(_, error)| error.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use sidetone_service::clock;

    use super::*;

    fn take(n: usize) -> RecordingId {
        RecordingId(uuid::Uuid::from_u128(n as u128))
    }

    fn queue(takes: usize) -> (Queue, Instant) {
        let mut queue = Queue::default();
        queue.found(&(0..takes).map(take).collect::<Vec<_>>());
        (queue, clock::now())
    }

    fn all(queue: &mut Queue, now: Instant) -> Vec<RecordingId> {
        std::iter::from_fn(|| queue.next(now)).collect()
    }

    fn away() -> Ended {
        Ended::Away("away".into())
    }

    #[test]
    fn the_oldest_go_first_and_not_more_than_sixteen_at_once() {
        let (mut queue, now) = queue(20);
        assert_eq!(all(&mut queue, now), (0..16).map(take).collect::<Vec<_>>());
        assert_eq!(queue.due(now), None);
        queue.ended(take(3), Ended::Done, now);
        assert_eq!(all(&mut queue, now), [take(16)]);
        assert_eq!((queue.waiting(), queue.uploading()), (3, 16));
        // the folder still has those that are on their way
        queue.found(&(0..20).map(take).collect::<Vec<_>>());
        queue.ended(take(0), Ended::Done, now);
        assert_eq!(all(&mut queue, now), [take(3)]);
    }

    #[test]
    fn while_the_store_is_away_one_take_at_a_time_finds_out_ever_less_often() {
        let (mut queue, mut now) = queue(500);
        for sent in all(&mut queue, now) {
            queue.ended(sent, away(), now);
        }
        assert_eq!(queue.error(), Some("away"));
        let (began, mut probes) = (now, 0);
        while now < began + Duration::from_mins(10) {
            assert_eq!(all(&mut queue, now), []);
            now = queue.due(now).expect("it will look again");
            let probe = all(&mut queue, now);
            assert_eq!(probe.len(), 1);
            assert_eq!(queue.due(now), None);
            queue.ended(probe[0], away(), now);
            probes += 1;
        }
        assert!((40..=100).contains(&probes), "{probes} in ten minutes");

        now = queue.due(now).unwrap();
        let probe = queue.next(now).unwrap();
        assert_eq!(queue.next(now), None);
        queue.ended(probe, Ended::Done, now);
        assert_eq!(queue.error(), None);
        assert_eq!(all(&mut queue, now).len(), 16);
    }

    #[test]
    fn sixteen_failures_of_one_outage_count_as_one() {
        let (mut queue, now) = queue(16);
        let sent = all(&mut queue, now);
        for sent in sent {
            queue.ended(sent, away(), now);
        }
        let due = queue.due(now).unwrap();
        assert!(due <= now + OWN_FIRST, "{:?}", due - now);
    }

    #[test]
    fn a_take_that_the_store_never_takes_does_not_keep_the_others_waiting() {
        let (mut queue, mut now) = queue(100);
        let (began, mut tries) = (now, 0);
        while queue.waiting() > 1 || queue.uploading() > 0 {
            now = queue.due(now).unwrap();
            for sent in all(&mut queue, now) {
                let odd = sent == take(0);
                tries += u32::from(odd);
                queue.ended(sent, if odd { away() } else { Ended::Done }, now);
            }
        }
        assert!(now < began + Duration::from_mins(1) && tries < 20);
    }

    #[test]
    fn a_take_that_says_nothing_of_the_store_leaves_finding_out_to_another() {
        for ended in [Ended::Gone, Ended::Failed("odd".into())] {
            let (mut queue, mut now) = queue(3);
            queue.next(now);
            queue.ended(take(0), away(), now);
            now += AWAY_FIRST / 4;
            let mut now = queue.due(now).unwrap();
            let probe = queue.next(now).unwrap();
            queue.ended(probe, ended, now);
            assert_eq!(queue.error(), Some("away"));
            now = queue.due(now).unwrap();
            assert_eq!(all(&mut queue, now).len(), 1);
        }
    }

    #[test]
    fn a_take_with_a_trouble_of_its_own_lets_the_others_pass() {
        let (mut queue, mut now) = queue(3);
        queue.next(now);
        queue.ended(take(0), Ended::Failed("odd".into()), now);
        assert_eq!(queue.error(), Some("odd"));
        assert_eq!(all(&mut queue, now), [take(1), take(2)]);
        queue.ended(take(1), Ended::Done, now);
        queue.ended(take(2), Ended::Done, now);
        for _ in 0..12 {
            let due = queue.due(now).unwrap();
            assert!(due > now && due <= now + OWN_CAP);
            now = due;
            assert_eq!(all(&mut queue, now), [take(0)]);
            queue.ended(take(0), Ended::Failed("odd".into()), now);
        }
        assert!(queue.due(now).unwrap() >= now + OWN_CAP / 2);
        now = queue.due(now).unwrap();
        queue.next(now);
        queue.ended(take(0), Ended::Done, now);
        assert_eq!((queue.error(), queue.due(now)), (None, None));
    }

    #[test]
    fn a_take_that_goes_from_the_folder_is_forgotten_with_its_error() {
        let (mut queue, now) = queue(1);
        queue.next(now);
        queue.ended(take(0), Ended::Failed("odd".into()), now);
        queue.found(&[]);
        assert_eq!((queue.waiting(), queue.error()), (0, None));
        assert_eq!(queue.due(now), None);
    }

    #[test]
    fn however_many_wait_a_bounded_number_of_names_is_held() {
        let (mut queue, now) = queue(NAMES_MAX + 10);
        assert_eq!(queue.waiting(), NAMES_MAX);
        assert!(!queue.is_short());
        let mut sent = 0;
        while let Some(take) = queue.next(now) {
            queue.ended(take, Ended::Done, now);
            sent += 1;
        }
        assert_eq!(sent, NAMES_MAX);
        assert!(queue.is_short(), "the folder is to be read again");
        queue.found(&(sent..sent + 10).map(take).collect::<Vec<_>>());
        assert_eq!(all(&mut queue, now).len(), 10);
        assert!(!queue.is_short());
    }
}
