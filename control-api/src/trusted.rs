//! The time by which things are erased and pauses end.
//!
//! **Invariant**: it is never ahead of the wall clock, nor of the wall clock at a former moment
//! plus the time that has passed since. Setting the clock forward therefore erases nothing early
//! and ends no pause; setting it back delays both.
//!
//! The former moment is the first start of a control plane since the machine started; it is kept
//! in the database, so that a restart does not forget it.

use sidetone_wire::Timestamp;

/// Knows what the wall clock said at a former moment. All times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrustedClock {
    wall: i64,
    since_boot: i64,
}

impl TrustedClock {
    /// The wall clock said `wall` when the machine had been up for `since_boot`.
    pub(crate) fn new(wall: i64, since_boot: i64) -> Self {
        Self { wall, since_boot }
    }

    /// The time, when the wall clock says `wall` and the machine has been up for `since_boot`.
    pub(crate) fn at(self, wall: i64, since_boot: i64) -> Timestamp {
        Timestamp::from_unix_ms(wall.min(self.passed(since_boot)))
    }

    /// By how much the wall clock is ahead of what has passed.
    pub(crate) fn ahead_ms(self, wall: i64, since_boot: i64) -> i64 {
        (wall - self.passed(since_boot)).max(0)
    }

    fn passed(self, since_boot: i64) -> i64 {
        self.wall + (since_boot - self.since_boot).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_790_000_000_000;
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn clock() -> TrustedClock {
        TrustedClock::new(NOON, 5 * MINUTE)
    }

    fn at(wall: i64, minutes_up: i64) -> i64 {
        clock().at(wall, minutes_up * MINUTE).unix_ms() - NOON
    }

    #[test]
    fn it_goes_on_as_the_wall_clock_does() {
        assert_eq!(at(NOON, 5), 0);
        assert_eq!(at(NOON + 90 * MINUTE, 95), 90 * MINUTE);
    }

    #[test]
    fn a_clock_set_forward_changes_nothing() {
        for step in [10 * MINUTE, DAY, 400 * DAY] {
            assert_eq!(at(NOON + 7 * MINUTE + step, 12), 7 * MINUTE);
            assert_eq!(
                clock().ahead_ms(NOON + 7 * MINUTE + step, 12 * MINUTE),
                step
            );
        }
    }

    #[test]
    fn a_clock_set_back_is_followed_until_it_is_right_again() {
        for step in [10 * MINUTE, DAY] {
            assert_eq!(at(NOON + 7 * MINUTE - step, 12), 7 * MINUTE - step);
            assert_eq!(at(NOON + 8 * MINUTE, 13), 8 * MINUTE);
        }
    }

    #[test]
    fn no_step_in_any_order_brings_it_ahead_of_what_has_passed() {
        let mut wall = NOON;
        for (n, step) in [DAY, -DAY, -10 * MINUTE, 2 * DAY, 10 * MINUTE, -DAY]
            .into_iter()
            .cycle()
            .take(600)
            .enumerate()
        {
            wall += step + MINUTE;
            let passed = (n as i64 + 1) * MINUTE;
            let now = at(wall, 5 + n as i64 + 1);
            assert!(now <= passed && now <= wall - NOON, "{now} {passed}");
        }
    }

    #[test]
    fn a_machine_that_seems_to_be_up_for_less_than_before_does_not_go_back_behind_the_start() {
        assert_eq!(clock().at(NOON + MINUTE, 0).unix_ms(), NOON);
    }
}
