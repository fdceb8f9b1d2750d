//! Wrong passwords are counted per user and address, per user, and per address.
//!
//! The wide counts stop who guesses for one user from many addresses, or for many users from one.
//! They do not stop a pair of user and address that has logged in before: otherwise anybody could
//! lock anybody out by guessing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tries in a window, for a user name from an address.
const TRIES_PER_MINUTE: usize = 10;

/// Tries in a window for a user name from all addresses, and from an address for all user names.
const WIDE_TRIES_PER_MINUTE: usize = 100;

/// The window.
const WINDOW: Duration = Duration::from_mins(1);

/// Counts that are remembered: about 10 MB. When it is full, those without tries in the window are
/// dropped, then the quarter whose last tries are the oldest.
const REMEMBERED: usize = 65_536;

/// Pairs that have logged in that are remembered. When it is full, it is begun anew.
const KNOWN: usize = 65_536;

/// What tries are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Count {
    Pair(String, IpAddr),
    User(String),
    Address(IpAddr),
}

/// The counts.
#[derive(Default)]
pub(crate) struct Attempts {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    tries: HashMap<Count, VecDeque<Instant>>,
    known: HashSet<(String, IpAddr)>,
}

impl Attempts {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a try before it is known whether it is right, so that many at once are many.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(crate) fn begin(&self, user: &str, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut counts = self.lock();
        let (pair, wide) = of(user, from);
        let known = counts.known.contains(&(user.to_owned(), network(from)));
        let limits = [(&pair, TRIES_PER_MINUTE)].into_iter();
        let limits = limits.chain(
            wide.iter()
                .filter(|_| !known)
                .map(|count| (count, WIDE_TRIES_PER_MINUTE)),
        );
        for (count, limit) in limits {
            if let Some(wait) = counts.wait(count, limit, now) {
                return Err(wait);
            }
        }
        for count in wide.into_iter().chain([pair]) {
            counts.add(count, now);
        }
        Ok(())
    }

    /// The password was right: the pair's tries are forgotten, this one is also among the others,
    /// and the pair is known.
    pub(crate) fn succeeded(&self, user: &str, from: IpAddr) {
        let mut counts = self.lock();
        let (pair, wide) = of(user, from);
        counts.tries.remove(&pair);
        for count in wide {
            if let Some(tries) = counts.tries.get_mut(&count) {
                tries.pop_back();
            }
        }
        if counts.known.len() >= KNOWN {
            counts.known.clear();
        }
        counts.known.insert((user.to_owned(), network(from)));
    }
}

fn of(user: &str, from: IpAddr) -> (Count, [Count; 2]) {
    let from = network(from);
    let wide = [Count::User(user.to_owned()), Count::Address(from)];
    (Count::Pair(user.to_owned(), from), wide)
}

impl Counts {
    /// How long to wait before the next try.
    fn wait(&mut self, count: &Count, limit: usize, now: Instant) -> Option<Duration> {
        let tries = self.tries.get_mut(count)?;
        forget_old(tries, now);
        if tries.len() < limit {
            return None;
        }
        let oldest = tries.front()?;
        Some(WINDOW.saturating_sub(now - *oldest))
    }

    fn add(&mut self, count: Count, now: Instant) {
        if !self.tries.contains_key(&count) && self.tries.len() >= REMEMBERED {
            make_room(&mut self.tries, now);
        }
        self.tries.entry(count).or_default().push_back(now);
    }
}

fn forget_old(tries: &mut VecDeque<Instant>, now: Instant) {
    while tries.front().is_some_and(|at| now - *at >= WINDOW) {
        tries.pop_front();
    }
}

fn make_room(all: &mut HashMap<Count, VecDeque<Instant>>, now: Instant) {
    all.retain(|_, tries| tries.back().is_some_and(|at| now - *at < WINDOW));
    if all.len() < REMEMBERED {
        return;
    }
    // a quarter at once: looking through all for each try would be what an attacker wants
    let mut last: Vec<Instant> = all
        .values()
        .filter_map(|tries| tries.back().copied())
        .collect();
    let (_, quarter, _) = last.select_nth_unstable(REMEMBERED / 4);
    let quarter = *quarter;
    all.retain(|_, tries| tries.back().is_some_and(|at| *at > quarter));
}

/// A whole /64 belongs to one subscriber, so it counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(
            || {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            },
            IpAddr::V4,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    #[test]
    fn the_eleventh_try_in_a_minute_waits_for_the_first_to_be_a_minute_old() {
        let attempts = Attempts::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let start = clock::now();
        for n in 0..10 {
            attempts
                .begin("ann", here, start + Duration::from_secs(n))
                .unwrap();
        }
        let wait = attempts
            .begin("ann", here, start + Duration::from_secs(20))
            .unwrap_err();
        assert_eq!(wait, Duration::from_secs(40));
        let elsewhere = IpAddr::from([127, 0, 0, 2]);
        assert!(attempts.begin("ann", elsewhere, start).is_ok());
        assert!(attempts.begin("bob", here, start).is_ok());
        assert!(
            attempts
                .begin("ann", here, start + Duration::from_mins(1))
                .is_ok()
        );
    }

    #[test]
    fn a_right_password_starts_the_count_anew() {
        let attempts = Attempts::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let now = clock::now();
        for _ in 0..3 {
            for _ in 0..10 {
                attempts.begin("ann", here, now).unwrap();
            }
            attempts.succeeded("ann", here);
        }
    }

    #[test]
    fn neighbours_in_a_64_count_as_one() {
        let attempts = Attempts::default();
        let now = clock::now();
        for n in 0..10u16 {
            let from = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
            attempts.begin("ann", from, now).unwrap();
        }
        let from = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9));
        assert!(attempts.begin("ann", from, now).is_err());
    }

    #[test]
    fn many_users_from_one_address_and_one_user_from_many_are_too_many() {
        let now = clock::now();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let attempts = Attempts::default();
        for n in 0..100 {
            attempts.begin(&n.to_string(), address(1), now).unwrap();
        }
        assert!(attempts.begin("ann", address(1), now).is_err());
        assert!(attempts.begin("ann", address(2), now).is_ok());

        let attempts = Attempts::default();
        for n in 0..100 {
            attempts.begin("ann", address(n), now).unwrap();
        }
        assert!(attempts.begin("ann", address(1000), now).is_err());
        assert!(attempts.begin("bob", address(1000), now).is_ok());
    }

    #[test]
    fn who_has_logged_in_from_there_is_not_locked_out_by_others() {
        let now = clock::now();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let attempts = Attempts::default();
        attempts.begin("ann", address(7), now).unwrap();
        attempts.succeeded("ann", address(7));
        for n in 1000..1100 {
            attempts.begin("ann", address(n), now).unwrap();
        }
        assert!(attempts.begin("ann", address(2000), now).is_err());
        assert!(attempts.begin("ann", address(7), now).is_ok());
    }

    #[test]
    fn those_who_log_in_do_not_use_up_their_address() {
        let now = clock::now();
        let attempts = Attempts::default();
        let office = IpAddr::from([10, 0, 0, 1]);
        for n in 0..500 {
            attempts.begin(&n.to_string(), office, now).unwrap();
            attempts.succeeded(&n.to_string(), office);
        }
        assert!(attempts.begin("late", office, now).is_ok());
    }

    #[test]
    fn memory_is_bounded_however_many_names_are_tried() {
        let attempts = Attempts::default();
        let now = clock::now();
        for n in 0..22_000u32 {
            let from = IpAddr::from(n.to_be_bytes());
            let at = now + Duration::from_nanos(u64::from(n));
            attempts.begin(&n.to_string(), from, at).unwrap();
        }
        let counts = attempts.lock();
        assert!(counts.tries.len() <= REMEMBERED);
    }
}
