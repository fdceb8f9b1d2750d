//! The life of a socket that an upstream opened, without a clock, a socket or a task.
//!
//! Nobody can dial an upstream that dials us: a stream that is lost is waited for, and a call whose
//! stream does not come again is over. What is wrong meanwhile is told within 5 s.

use std::time::{Duration, Instant};

use sidetone_wire::{EndClass, EndReason};

use crate::upstream::life::Problem;

/// A socket that says nothing for so long is asked whether it is there ...
const PING_AFTER: Duration = Duration::from_secs(2);
/// ... after so long without sound it is in trouble, and dead if it did not answer.
const STALLED_AFTER: Duration = Duration::from_secs(4);
/// A stream that was lost may come again for so long; then its call is over.
const AGAIN_WITHIN: Duration = Duration::from_secs(20);
/// Trouble that comes and goes is told once for so long.
const TROUBLE_FOR: Duration = Duration::from_secs(2);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Ask whether it is there.
    Ping,
    /// Let go of it.
    HangUp,
    /// The call is over, since then.
    End(Instant, EndReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open {
        /// When anything came, and when sound did.
        alive: Instant,
        sound: Instant,
        pinged: bool,
    },
    Lost {
        since: Instant,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Life {
    state: State,
    problem: Option<Problem>,
    /// The upstream said that no sound comes for now.
    held: bool,
    /// It cannot be heard, whatever comes.
    deaf: Option<&'static str>,
    too_fast_at: Option<Instant>,
    ended: Option<(Instant, EndReason)>,
}

impl Life {
    /// A socket that is open.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            state: open(now),
            problem: None,
            held: false,
            deaf: None,
            too_fast_at: None,
            ended: None,
        }
    }

    /// Whether there is a socket, as far as we know.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// When the upstream ended the stream.
    pub(super) fn ended_at(&self) -> Option<Instant> {
        self.ended.as_ref().map(|(at, _)| *at)
    }

    /// Since when nothing can be heard.
    pub(super) const fn lost_since(&self) -> Option<Instant> {
        match self.state {
            State::Open { .. } => None,
            State::Lost { since } => Some(since),
        }
    }

    /// What is wrong now.
    pub(super) fn problem(&self, now: Instant) -> Option<String> {
        if self.ended.is_some() {
            return None;
        }
        let too_fast = self.too_fast_at.filter(|at| now < *at + TROUBLE_FOR);
        let problem = self.problem.clone().or(too_fast.map(|_| Problem::TooFast));
        let deaf = self.deaf.map(str::to_owned);
        problem.map(|problem| problem.to_string()).or(deaf)
    }

    /// The stream comes over another socket.
    pub(super) const fn handle_opened(&mut self, now: Instant) {
        self.state = open(now);
        (self.held, self.deaf) = (false, None);
    }

    /// Something came that is no sound.
    pub(super) const fn handle_alive(&mut self, now: Instant) {
        if let State::Open { alive, pinged, .. } = &mut self.state {
            (*alive, *pinged) = (now, false);
        }
    }

    /// Sound came.
    pub(super) fn handle_sound(&mut self, now: Instant) {
        self.handle_alive(now);
        if let State::Open { sound, .. } = &mut self.state {
            *sound = now;
            self.problem = None;
        }
    }

    /// More came than can have been spoken.
    pub(super) const fn handle_surplus(&mut self, now: Instant) {
        self.too_fast_at = Some(now);
    }

    /// No sound comes for now, and that is as it should be; or it does again.
    pub(super) const fn handle_hold(&mut self, held: bool, now: Instant) {
        self.held = held;
        if let State::Open { sound, .. } = &mut self.state {
            *sound = now;
        }
    }

    /// What comes cannot be heard.
    pub(super) const fn handle_deaf(&mut self, why: &'static str) {
        self.deaf = Some(why);
    }

    /// The upstream says that the stream is over.
    pub(super) fn handle_over(&mut self, code: &'static str, now: Instant) {
        let reason = EndReason::new(EndClass::Completed, code);
        self.ended.get_or_insert((now, reason));
    }

    /// The socket was closed, in order or not.
    pub(super) fn handle_closed(&mut self, in_order: bool, why: String, now: Instant) {
        if in_order {
            self.handle_over("upstream_closed", now);
        }
        self.lose(Problem::Closed(why), now);
    }

    /// Time has passed; gives the next thing to do. To be called until there is none.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Act> {
        if let Some((at, reason)) = self.ended.clone() {
            return Some(Act::End(at, reason));
        }
        match &mut self.state {
            State::Lost { since } => {
                let reason = EndReason::new(EndClass::Upstream, "stream_lost");
                (now >= *since + AGAIN_WITHIN).then_some(Act::End(*since, reason))
            }
            State::Open {
                alive,
                sound,
                pinged,
            } => {
                if now >= *alive + STALLED_AFTER {
                    self.lose(Problem::Dead, now);
                    return Some(Act::HangUp);
                }
                let expected = self.deaf.is_none() && !self.held;
                if expected && now >= *sound + STALLED_AFTER {
                    self.problem = Some(Problem::Silent);
                }
                if now >= *alive + PING_AFTER && !*pinged {
                    *pinged = true;
                    return Some(Act::Ping);
                }
                None
            }
        }
    }

    fn lose(&mut self, problem: Problem, now: Instant) {
        let since = match self.state {
            State::Open { alive, .. } if problem == Problem::Dead => alive,
            State::Open { .. } => now,
            State::Lost { since } => since,
        };
        self.problem = Some(problem);
        self.state = State::Lost { since };
    }
}

const fn open(now: Instant) -> State {
    State::Open {
        alive: now,
        sound: now,
        pinged: false,
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
        let (mut acts, mut now) = (Vec::new(), from);
        while now <= from + s(seconds) {
            while let Some(act) = life.handle_timeout(now) {
                let over = matches!(act, Act::End(..));
                acts.push((now - from, act));
                if over {
                    return acts;
                }
            }
            now += s(0.25);
        }
        acts
    }

    #[test]
    fn a_socket_that_answers_nothing_is_dead_within_five_seconds_and_its_call_ends_where_it_was_heard()
     {
        let now = clock::now();
        let mut life = Life::new(now);
        life.handle_sound(now + s(1.0));
        let acts = pass(&mut life, now, 60.0);
        let lost = EndReason::new(EndClass::Upstream, "stream_lost");
        assert_eq!(
            acts,
            [
                (s(3.0), Act::Ping),
                (s(5.0), Act::HangUp),
                (s(21.0), Act::End(now + s(1.0), lost)),
            ]
        );
    }

    #[test]
    fn one_that_answers_and_sends_no_sound_is_told_of_and_kept() {
        let now = clock::now();
        let mut life = Life::new(now);
        let mut at = now;
        while at < now + s(120.0) {
            match life.handle_timeout(at) {
                Some(Act::Ping) => life.handle_alive(at),
                Some(other) => panic!("{other:?} at {:?}", at - now),
                None => at += s(0.25),
            }
            if at == now + s(4.5) {
                assert!(life.problem(at).is_some_and(|why| why.contains("no sound")));
            }
        }
        life.handle_sound(at);
        assert_eq!(life.problem(at), None);
    }

    #[test]
    fn a_stream_that_is_lost_may_come_again() {
        let now = clock::now();
        let mut life = Life::new(now);
        life.handle_closed(false, "1006".into(), now + s(1.0));
        assert!(
            life.problem(now + s(1.0))
                .is_some_and(|why| why.contains("1006"))
        );
        assert_eq!(pass(&mut life, now + s(1.0), 15.0), []);
        life.handle_opened(now + s(16.0));
        assert!(life.problem(now + s(16.0)).is_some(), "not heard yet");
        life.handle_sound(now + s(16.5));
        assert_eq!(life.problem(now + s(16.5)), None);
        assert_eq!(life.lost_since(), None);
    }

    #[test]
    fn a_stream_that_ends_in_order_ends_the_call_once_with_the_first_word() {
        let now = clock::now();
        let mut life = Life::new(now);
        life.handle_over("stream_stopped", now + s(1.0));
        life.handle_closed(true, "1000".into(), now + s(1.2));
        assert_eq!(life.problem(now + s(1.2)), None);
        let reason = EndReason::new(EndClass::Completed, "stream_stopped");
        let end = Act::End(now + s(1.0), reason);
        assert_eq!(life.handle_timeout(now + s(1.2)), Some(end));
    }

    #[test]
    fn silence_that_was_announced_is_no_trouble() {
        let now = clock::now();
        let mut life = Life::new(now);
        life.handle_hold(true, now);
        let mut at = now;
        while at < now + s(60.0) {
            if life.handle_timeout(at) == Some(Act::Ping) {
                life.handle_alive(at);
            }
            at += s(0.25);
            assert_eq!(life.problem(at), None);
        }
        life.handle_hold(false, at);
        life.handle_alive(at + s(4.0));
        assert_eq!(life.handle_timeout(at + s(4.0)), None);
        assert!(life.problem(at + s(4.0)).is_some(), "now it is expected");
    }

    #[test]
    fn what_cannot_be_heard_is_told_for_as_long_as_it_cannot() {
        let now = clock::now();
        let mut life = Life::new(now);
        life.handle_deaf("what a codec");
        assert_eq!(life.problem(now).as_deref(), Some("what a codec"));
        life.handle_surplus(now);
        assert!(
            life.problem(now)
                .is_some_and(|why| why.contains("more than"))
        );
        assert_eq!(life.problem(now + s(3.0)).as_deref(), Some("what a codec"));
    }
}
