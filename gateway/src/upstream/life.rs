//! The life of a connection to an upstream's socket, without a clock, a socket or a task.
//!
//! A call is over when the control plane says so. Until then its socket is dialled again whenever
//! it is lost, and what is wrong meanwhile is told: within 5 s, also when a socket is open and
//! nothing comes. An upstream that ended the stream in order and lets nobody in any more has ended
//! the call, also if its webhook is lost.

use std::fmt;
use std::time::{Duration, Instant};

use sidetone_service::backoff::Backoff;

/// Waits before dialling again.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// A socket that says nothing for so long is asked whether it is there ...
const PING_AFTER: Duration = Duration::from_secs(2);
/// ... after so long without sound it is in trouble, and dead if it did not answer.
const STALLED_AFTER: Duration = Duration::from_secs(4);
/// One that answers but sends no sound is dialled anew after so long.
const WEDGED_AFTER: Duration = Duration::from_secs(30);
/// An upstream that ended the stream is believed when nobody was let in for so long.
const OVER_AFTER: Duration = Duration::from_mins(1);
/// A socket that sent sound for so long is well: the next loss is the first.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// The word that a call is over comes about when its stream ends: so long that is no trouble.
const WORD_AFTER: Duration = Duration::from_secs(3);
/// Trouble that comes and goes is told once for so long.
const TROUBLE_FOR: Duration = Duration::from_secs(2);

/// Why a call is not heard as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It cannot be dialled.
    Unreachable(String),
    /// The socket was closed.
    Closed(String),
    /// It does not answer any more.
    Dead,
    /// It answers and sends no sound.
    Silent,
    /// More comes than can have been spoken.
    TooFast,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the upstream cannot be reached: {why}"),
            Self::Closed(why) => write!(f, "the upstream closed the connection: {why}"),
            Self::Dead => f.write_str("the upstream does not answer any more"),
            Self::Silent => f.write_str("the upstream sends no sound"),
            Self::TooFast => f.write_str("the upstream sends more than can have been spoken"),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Dial the socket.
    Dial,
    /// Ask whether it is there.
    Ping,
    /// Let go of it.
    HangUp,
    /// The call is over since then.
    End(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The answer is not there yet.
    Dialling,
    Open {
        since: Instant,
        /// When anything came, and when sound did.
        alive: Instant,
        sound: Instant,
        pinged: bool,
    },
    Waiting {
        until: Instant,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Life {
    state: State,
    backoff: Backoff,
    problem: Option<Problem>,
    /// More came than can have been spoken.
    too_fast_at: Option<Instant>,
    /// Nothing is heard since then; the socket was lost.
    lost: Option<Instant>,
    /// The upstream ended the stream in order, then.
    ended: Option<Instant>,
    /// It knows no such call any more.
    gone: bool,
}

impl Life {
    /// A socket that is being dialled.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Dialling,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            problem: None,
            too_fast_at: None,
            lost: None,
            ended: None,
            gone: false,
        }
    }

    /// Whether there is a socket, as far as we know.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// When the upstream ended the stream in order, if nothing came since.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        self.ended
    }

    /// Since when nothing can be heard.
    pub(crate) fn lost_since(&self) -> Option<Instant> {
        self.lost
    }

    /// What is wrong now.
    pub(crate) fn problem(&self, now: Instant) -> Option<Problem> {
        if self.ended.is_some_and(|at| now < at + WORD_AFTER) {
            return None;
        }
        let too_fast = self.too_fast_at.filter(|at| now < *at + TROUBLE_FOR);
        self.problem.clone().or(too_fast.map(|_| Problem::TooFast))
    }

    /// The socket is open.
    pub(crate) fn handle_opened(&mut self, now: Instant) {
        self.state = State::Open {
            since: now,
            alive: now,
            sound: now,
            pinged: false,
        };
    }

    /// Something came that is no sound.
    pub(crate) fn handle_alive(&mut self, now: Instant) {
        if let State::Open { alive, pinged, .. } = &mut self.state {
            (*alive, *pinged) = (now, false);
        }
    }

    /// Sound came.
    pub(crate) fn handle_sound(&mut self, now: Instant) {
        self.handle_alive(now);
        if let State::Open { sound, since, .. } = &mut self.state {
            *sound = now;
            (self.problem, self.lost, self.ended) = (None, None, None);
            self.gone = false;
            if now >= *since + STEADY_AFTER {
                self.backoff.reset();
            }
        }
    }

    /// More came than can have been spoken.
    pub(crate) fn handle_surplus(&mut self, now: Instant) {
        self.too_fast_at = Some(now);
    }

    /// The upstream says that there is no such call: if it had ended the stream, it is over.
    pub(crate) fn handle_gone(&mut self) {
        self.gone = true;
    }

    /// The socket cannot be opened.
    pub(crate) fn handle_refused(&mut self, why: String, now: Instant) {
        self.lose(Problem::Unreachable(why), now);
    }

    /// The socket was closed, in order or not.
    pub(crate) fn handle_closed(&mut self, in_order: bool, why: String, now: Instant) {
        if in_order {
            self.ended.get_or_insert(now);
        }
        self.lose(Problem::Closed(why), now);
    }

    /// Time has passed; gives the next thing to do. To be called until there is none.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Act> {
        if let Some(ended) = self.ended
            && (self.gone || now >= ended + OVER_AFTER)
        {
            return Some(Act::End(ended));
        }
        let State::Open {
            since,
            alive,
            sound,
            pinged,
        } = &mut self.state
        else {
            return self.redial(now);
        };
        if now < *sound + PING_AFTER {
            return None;
        }
        if !*pinged && now >= *alive + PING_AFTER {
            *pinged = true;
            return Some(Act::Ping);
        }
        if now < *sound + STALLED_AFTER {
            return None;
        }
        if now >= *alive + STALLED_AFTER {
            self.lose(Problem::Dead, now);
            return Some(Act::HangUp);
        }
        if now >= (*sound).max(*since) + WEDGED_AFTER {
            self.lose(Problem::Silent, now);
            return Some(Act::HangUp);
        }
        self.problem.get_or_insert(Problem::Silent);
        None
    }

    fn redial(&mut self, now: Instant) -> Option<Act> {
        match self.state {
            State::Waiting { until } if until <= now => {
                self.state = State::Dialling;
                Some(Act::Dial)
            }
            State::Waiting { .. } | State::Dialling | State::Open { .. } => None,
        }
    }

    fn lose(&mut self, problem: Problem, now: Instant) {
        let heard = match self.state {
            // what was not noticed at once was lost when sound was heard last
            State::Open { sound, .. } if problem == Problem::Dead => sound,
            State::Open { .. } | State::Dialling | State::Waiting { .. } => now,
        };
        self.lost.get_or_insert(heard);
        self.problem = Some(problem);
        let until = now + self.backoff.wait();
        self.state = State::Waiting { until };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Lets time pass in steps of a tick; gives what was to be done, and when.
    fn pass(life: &mut Life, from: Instant, seconds: f64) -> Vec<(Duration, Act)> {
        let mut acts = Vec::new();
        let mut now = from;
        while now <= from + s(seconds) {
            while let Some(act) = life.handle_timeout(now) {
                acts.push((now - from, act));
                if matches!(act, Act::End(_)) {
                    return acts;
                }
            }
            now += s(0.25);
        }
        acts
    }

    #[test]
    fn a_socket_that_answers_nothing_is_dead_within_five_seconds() {
        let (mut life, now) = (Life::new(), clock::now());
        life.handle_opened(now);
        life.handle_sound(now);
        let acts = pass(&mut life, now, 4.75);
        assert_eq!(acts[0], (s(2.0), Act::Ping));
        assert_eq!(acts[1], (s(4.0), Act::HangUp));
        assert_eq!(life.problem(now + s(4.0)), Some(Problem::Dead));
        assert_eq!(life.lost_since(), Some(now), "it was dead since then");
        assert_eq!(acts[2].1, Act::Dial);
    }

    #[test]
    fn a_socket_that_answers_and_sends_no_sound_is_told_of_and_kept_for_a_while() {
        let (mut life, now) = (Life::new(), clock::now());
        life.handle_opened(now);
        let mut at = now;
        let mut hung_up = None;
        while at < now + s(40.0) && hung_up.is_none() {
            match life.handle_timeout(at) {
                Some(Act::Ping) => life.handle_alive(at),
                Some(Act::HangUp) => hung_up = Some(at - now),
                Some(Act::Dial | Act::End(_)) => panic!("it is open"),
                None => at += s(0.25),
            }
            if at == now + s(5.0) {
                assert_eq!(life.problem(at), Some(Problem::Silent));
            }
        }
        assert_eq!(hung_up, Some(WEDGED_AFTER));
    }

    #[test]
    fn sound_ends_every_trouble() {
        let (mut life, now) = (Life::new(), clock::now());
        life.handle_refused("no".into(), now);
        assert!(life.problem(now).is_some());
        life.handle_opened(now + s(1.0));
        assert!(life.problem(now + s(1.0)).is_some(), "not heard yet");
        life.handle_sound(now + s(1.1));
        assert_eq!(life.problem(now + s(1.1)), None);
        assert_eq!(life.lost_since(), None);
        life.handle_surplus(now + s(2.0));
        assert_eq!(life.problem(now + s(2.1)), Some(Problem::TooFast));
        assert_eq!(life.problem(now + s(5.0)), None);
    }

    #[test]
    fn an_upstream_that_refuses_is_asked_again_ever_more_rarely_but_every_half_minute() {
        let (mut life, mut now) = (Life::new(), clock::now());
        let mut longest = Duration::ZERO;
        for n in 0..20 {
            life.handle_refused("503".into(), now);
            let refused = now;
            while life.handle_timeout(now) != Some(Act::Dial) {
                now += s(0.25);
            }
            longest = longest.max(now - refused);
            assert!(n > 0 || now - refused <= s(0.5));
        }
        assert!((s(14.0)..=s(30.5)).contains(&longest), "{longest:?}");
    }

    #[test]
    fn a_socket_that_is_closed_again_and_again_is_no_success() {
        let (mut life, mut now) = (Life::new(), clock::now());
        let mut wait = |life: &mut Life, up: f64| {
            life.handle_opened(now);
            life.handle_sound(now);
            now += s(up);
            life.handle_sound(now);
            life.handle_closed(false, "1011".into(), now);
            let closed = now;
            while life.handle_timeout(now) != Some(Act::Dial) {
                now += s(0.25);
            }
            now - closed
        };
        let waits: Vec<_> = (0..8).map(|_| wait(&mut life, 0.5)).collect();
        assert!(waits[7] > s(8.0), "{waits:?}");
        assert!(wait(&mut life, 6.0) <= s(0.5), "it was well for a while");
    }

    #[test]
    fn a_stream_that_ended_in_order_is_over_when_nobody_is_let_in_any_more() {
        let (mut life, now) = (Life::new(), clock::now());
        life.handle_opened(now);
        life.handle_sound(now);
        life.handle_closed(true, "1000".into(), now);
        assert_eq!(life.problem(now + s(1.0)), None, "the call may be over");
        assert!(life.problem(now + s(3.0)).is_some());
        let mut at = now;
        let end = loop {
            match life.handle_timeout(at) {
                Some(Act::Dial) => life.handle_refused("404".into(), at),
                Some(Act::End(since)) => break (at - now, since),
                Some(Act::Ping | Act::HangUp) => panic!("nothing is open"),
                None => at += s(0.25),
            }
        };
        assert_eq!(end, (OVER_AFTER, now));
        // at once if it is said that there is none
        let mut life = Life::new();
        life.handle_opened(now);
        life.handle_closed(true, "1000".into(), now);
        life.handle_gone();
        assert_eq!(life.handle_timeout(now + s(0.25)), Some(Act::End(now)));
        // one that was closed otherwise never is
        let mut life = Life::new();
        life.handle_closed(false, "1011".into(), now);
        let acts = pass(&mut life, now, 600.0);
        assert!(acts.iter().all(|(_, act)| *act == Act::Dial));
    }
}
