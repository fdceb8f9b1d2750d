//! Wrong passwords are counted per user and address.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tries in a window, for a user name from an address.
pub(crate) const TRIES_PER_MINUTE: usize = 10;

/// The window.
const WINDOW: Duration = Duration::from_mins(1);

/// Pairs of user and address that are remembered: about 10 MB. When it is full, pairs without
/// tries in the window are dropped, then the one whose last try is the oldest.
const REMEMBERED: usize = 65_536;

/// The counts.
#[derive(Default)]
pub(crate) struct Attempts {
    tries: Mutex<HashMap<(String, IpAddr), VecDeque<Instant>>>,
}

impl Attempts {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, IpAddr), VecDeque<Instant>>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a try before it is known whether it is right, so that many at once are many.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(crate) fn begin(&self, user: &str, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut all = self.lock();
        let key = (user.to_owned(), network(from));
        if !all.contains_key(&key) && all.len() >= REMEMBERED {
            make_room(&mut all, now);
        }
        let tries = all.entry(key).or_default();
        forget_old(tries, now);
        if tries.len() >= TRIES_PER_MINUTE {
            let oldest = tries.front().expect("there are some");
            return Err(WINDOW.saturating_sub(now - *oldest));
        }
        tries.push_back(now);
        Ok(())
    }

    /// The password was right: the tries are forgotten.
    pub(crate) fn succeeded(&self, user: &str, from: IpAddr) {
        self.lock().remove(&(user.to_owned(), network(from)));
    }
}

fn forget_old(tries: &mut VecDeque<Instant>, now: Instant) {
    while tries.front().is_some_and(|at| now - *at >= WINDOW) {
        tries.pop_front();
    }
}

fn make_room(all: &mut HashMap<(String, IpAddr), VecDeque<Instant>>, now: Instant) {
    all.retain(|_, tries| tries.back().is_some_and(|at| now - *at < WINDOW));
    if all.len() < REMEMBERED {
        return;
    }
    let oldest = all
        .iter()
        .min_by_key(|(_, tries)| tries.back().copied())
        .map(|(key, _)| key.clone());
    if let Some(key) = oldest {
        all.remove(&key);
    }
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
    fn memory_is_bounded_however_many_names_are_tried() {
        let attempts = Attempts::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let now = clock::now();
        for n in 0..REMEMBERED + 3 {
            attempts
                .begin(&n.to_string(), here, now + Duration::from_nanos(n as u64))
                .unwrap();
        }
        assert_eq!(attempts.lock().len(), REMEMBERED);
    }
}
