//! What one party said and nobody has understood yet.

use std::collections::VecDeque;

use sidetone_media::MediaTime;

/// What a tape holds: 8 s at 16 kHz. Beyond it the oldest is lost, and counted.
const BYTES_MAX: usize = 256 * 1024;
/// Sound that lies so close to what was before goes on with it.
const FOLLOWS: u64 = 5 * MS;
/// So much silence is played after the last word, so that its end is heard; more of it is left
/// out.
pub(super) const TAIL: u64 = 1_500 * MS;
/// In pieces of so much, so that none is longer than providers take.
const SILENCE: u64 = 100 * MS;
/// Sound comes so late now and then: nothing is made up for what may still come.
const LATE: u64 = 120 * MS;
/// Stretches of a connection that are told apart: what is older is understood.
const MARKS: usize = 256;

const MS: u64 = 48;

/// A piece of sound.
#[derive(Debug)]
struct Chunk {
    at: MediaTime,
    pcm: Vec<i16>,
    /// What was said up to its end is to be understood then.
    ends: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tape {
    /// Samples at 48 kHz for one of these.
    step: u64,
    chunks: VecDeque<Chunk>,
    samples: usize,
    /// The first chunk that this connection has not got.
    next: usize,
    /// Where the sound ends; `None`: whatever comes begins anew.
    end: Option<MediaTime>,
    /// How much silence was made up since the last sound.
    tail: u64,
    /// All that was sent is to be understood now.
    flush: bool,
    /// Samples that this connection got.
    sent: u64,
    /// From which of them on the call's time is which.
    marks: VecDeque<(u64, MediaTime)>,
    lost: u64,
}

impl Tape {
    /// A tape of so many samples a second, a divisor of 48,000.
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self {
            step: MediaTime::RATE_HZ / u64::from(rate_hz.max(1)),
            chunks: VecDeque::new(),
            samples: 0,
            next: 0,
            end: None,
            tail: 0,
            flush: false,
            sent: 0,
            marks: VecDeque::new(),
            lost: 0,
        }
    }

    /// Something was said at `at`. What is missing before it is a silence as long, up to
    /// [`TAIL`]; what was there already is left out.
    pub(crate) fn write(&mut self, at: MediaTime, mut pcm: Vec<i16>) {
        let mut at = at;
        if let Some(end) = self.end {
            if at + FOLLOWS < end {
                let skip = usize::try_from(end.since(at) / self.step).unwrap_or(usize::MAX);
                if skip >= pcm.len() {
                    return;
                }
                pcm.drain(..skip);
                at = end;
            } else if at > end + FOLLOWS {
                self.silence(at.since(end));
            } else {
                at = end;
            }
        }
        self.tail = 0;
        self.push(at, pcm);
    }

    /// Nothing was said up to `now`.
    pub(crate) fn idle(&mut self, now: MediaTime) {
        let Some(end) = self.end else {
            return;
        };
        self.silence((now - LATE).since(end));
    }

    /// What is said from here on is not for anybody's ears: what was said before is to be
    /// understood now.
    pub(crate) fn pause(&mut self) {
        if self.end.take().is_some() {
            self.end_here();
        }
    }

    fn end_here(&mut self) {
        let unsent = self.next < self.chunks.len();
        match self.chunks.back_mut().filter(|_| unsent) {
            Some(last) => last.ends = true,
            None => self.flush = true,
        }
    }

    fn silence(&mut self, samples_48k: u64) {
        let Some(end) = self.end else {
            return;
        };
        let length = samples_48k.min(TAIL - self.tail);
        let samples = length / self.step;
        if samples == 0 {
            return;
        }
        self.tail += samples * self.step;
        let (mut at, mut left) = (end, samples);
        while left > 0 {
            let piece = left.min(SILENCE / self.step);
            self.push(at, vec![0; piece as usize]);
            at = at + piece * self.step;
            left -= piece;
        }
        if TAIL - self.tail < self.step {
            self.end_here();
        }
    }

    fn push(&mut self, at: MediaTime, pcm: Vec<i16>) {
        if pcm.is_empty() {
            return;
        }
        self.end = Some(at + pcm.len() as u64 * self.step);
        self.samples += pcm.len();
        self.chunks.push_back(Chunk {
            at,
            pcm,
            ends: false,
        });
        while self.samples * 2 > BYTES_MAX && self.chunks.len() > 1 {
            let unsent = self.next == 0;
            let gone = self.drop_first();
            if unsent {
                self.lost += gone;
            }
        }
    }

    fn drop_first(&mut self) -> u64 {
        let Some(chunk) = self.chunks.pop_front() else {
            return 0;
        };
        self.next = self.next.saturating_sub(1);
        self.samples -= chunk.pcm.len();
        chunk.pcm.len() as u64
    }

    /// A new connection begins with what nobody has understood.
    pub(crate) fn restart(&mut self) {
        self.next = 0;
        self.sent = 0;
        self.marks.clear();
    }

    /// What is to be sent next: at least `least` samples, where they are the last ones for now with
    /// silence after them, and about `most`.
    pub(crate) fn take(&mut self, least: usize, most: usize) -> Option<Vec<i16>> {
        let unsent = || self.chunks.iter().skip(self.next);
        let waits: usize = unsent().map(|chunk| chunk.pcm.len()).sum();
        if waits == 0 || (waits < least && !unsent().any(|chunk| chunk.ends)) {
            return None;
        }
        let mut taken = Vec::with_capacity(waits.min(most));
        while let Some(chunk) = self.chunks.get(self.next) {
            if taken.len() >= most {
                break;
            }
            let expected = self.marks.back().map(|(sent, at)| {
                let since = self.sent - sent;
                *at + since * self.step
            });
            let follows = |expected: MediaTime| {
                chunk.at.since(expected).max(expected.since(chunk.at)) <= FOLLOWS
            };
            if !expected.is_some_and(follows) {
                self.marks.push_back((self.sent, chunk.at));
                if self.marks.len() > MARKS {
                    self.marks.pop_front();
                }
            }
            self.sent += chunk.pcm.len() as u64;
            taken.extend_from_slice(&chunk.pcm);
            self.flush |= chunk.ends;
            self.next += 1;
            if self.flush {
                break;
            }
        }
        if taken.len() < least {
            self.sent += (least - taken.len()) as u64;
            taken.resize(least, 0);
        }
        Some(taken)
    }

    /// Whether all that was sent is to be understood now; asked after each piece.
    pub(crate) fn take_flush(&mut self) -> bool {
        std::mem::take(&mut self.flush)
    }

    /// Whether there is anything that nobody has understood.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// When that was which this connection got so many milliseconds after its first sound.
    pub(crate) fn at(&self, ms: u64) -> MediaTime {
        let offset = ms.saturating_mul(MS) / self.step;
        let mark = self.marks.iter().rev().find(|(sent, _)| *sent <= offset);
        mark.or(self.marks.front())
            .map_or(MediaTime::ZERO, |(sent, at)| {
                *at + (offset.saturating_sub(*sent)).min(self.sent) * self.step
            })
    }

    /// The same for the end of something: right after a stretch is its end, not the next one's
    /// beginning.
    pub(crate) fn until(&self, ms: u64) -> MediaTime {
        match ms.checked_sub(1) {
            Some(before) => self.at(before) + MS,
            None => self.at(ms),
        }
    }

    /// Everything up to there is understood: it is not played again.
    pub(crate) fn understood(&mut self, ms: u64) {
        let until = self.until(ms);
        let over = |chunk: &Chunk, step: u64| chunk.at + chunk.pcm.len() as u64 * step <= until;
        while self.next > 0 && self.chunks.front().is_some_and(|one| over(one, self.step)) {
            self.drop_first();
        }
        // the end of a word is not played as the beginning of the next one
        if let Some(first) = self.chunks.front_mut().filter(|_| self.next > 0) {
            let samples = usize::try_from(until.since(first.at) / self.step).unwrap_or(usize::MAX);
            let samples = samples.min(first.pcm.len());
            first.pcm.drain(..samples);
            first.at = first.at + samples as u64 * self.step;
            self.samples -= samples;
        }
        let offset = ms.saturating_mul(MS) / self.step;
        while self.marks.get(1).is_some_and(|(sent, _)| *sent <= offset) {
            self.marks.pop_front();
        }
    }

    /// Milliseconds that were lost since this was last asked.
    pub(crate) fn take_lost_ms(&mut self) -> u64 {
        std::mem::take(&mut self.lost) * self.step / MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * MS)
    }

    /// Milliseconds of a level, at 16 kHz.
    fn sound(ms: usize, level: i16) -> Vec<i16> {
        vec![level; ms * 16]
    }

    fn all(tape: &mut Tape) -> Vec<i16> {
        std::iter::from_fn(|| tape.take(1, 3_200))
            .flatten()
            .collect()
    }

    #[test]
    fn what_was_not_understood_is_played_again_and_has_its_time() {
        let mut tape = Tape::new(16_000);
        for n in 0..100 {
            tape.write(at(1_000 + n * 20), sound(20, n as i16));
        }
        assert_eq!(all(&mut tape).len(), 2_000 * 16);
        assert_eq!(tape.at(500), at(1_500));
        tape.understood(1_500);
        tape.restart();
        let again = all(&mut tape);
        assert_eq!((again.len(), again[0]), (500 * 16, 75));
        assert_eq!(tape.at(100), at(2_600));
        tape.understood(190);
        tape.restart();
        assert_eq!(all(&mut tape).len(), 310 * 16, "to the sample");
        tape.understood(310);
        assert!(tape.is_empty());
    }

    #[test]
    fn a_hole_is_a_silence_and_a_long_one_a_short_silence_with_the_right_time_after_it() {
        let mut tape = Tape::new(16_000);
        tape.write(at(0), sound(100, 1));
        tape.write(at(300), sound(100, 2));
        tape.write(at(60_000), sound(100, 3));
        let heard = all(&mut tape);
        let counted = |level| heard.iter().filter(|one| **one == level).count();
        assert_eq!(counted(0), (200 + 1_500) * 16);
        assert_eq!(tape.at(350), at(350));
        assert_eq!(tape.at(400 + 1_500 + 50), at(60_050));
        assert_eq!(tape.until(400 + 1_500), at(1_900), "an end is no beginning");
    }

    #[test]
    fn what_ends_is_followed_by_silence_and_then_to_be_understood_once() {
        let mut tape = Tape::new(16_000);
        tape.write(at(0), sound(100, 1));
        tape.idle(at(300));
        all(&mut tape);
        assert!(!tape.take_flush());
        tape.idle(at(10_000));
        let silence = all(&mut tape).len();
        assert!(silence > 0 && tape.take_flush() && !tape.take_flush());
        tape.idle(at(20_000));
        assert!(all(&mut tape).is_empty(), "it is silent enough");
        tape.write(at(30_000), sound(100, 2));
        assert_eq!(all(&mut tape).len(), 1_600);
        tape.pause();
        assert!(tape.take_flush(), "all of it was sent already");
    }

    #[test]
    fn a_pause_ends_what_was_said_and_leaves_no_silence() {
        let mut tape = Tape::new(16_000);
        tape.write(at(0), sound(30, 1));
        assert_eq!(tape.take(1_600, 3_200), None, "more may come");
        tape.pause();
        let end = tape.take(1_600, 3_200).unwrap();
        assert_eq!(end.len(), 1_600, "no provider takes less");
        assert_eq!(end.iter().filter(|sample| **sample == 1).count(), 30 * 16);
        assert!(tape.take_flush());
        tape.idle(at(9_000));
        assert_eq!(tape.take(1, 3_200), None);
        tape.write(at(10_000), sound(100, 2));
        assert_eq!(all(&mut tape).len(), 100 * 16);
        assert_eq!(tape.at(150), at(10_050));
    }

    #[test]
    fn of_what_nobody_takes_the_oldest_is_lost_and_counted() {
        let mut tape = Tape::new(16_000);
        for n in 0..1_000 {
            tape.write(at(n * 20), sound(20, 1));
        }
        let left = all(&mut tape).len();
        assert!(left * 2 <= BYTES_MAX);
        assert_eq!(tape.take_lost_ms(), 20_000 - left as u64 / 16);
    }

    proptest! {
        #[test]
        fn whatever_comes_a_tape_is_bounded_and_its_time_goes_forward(
            steps in prop::collection::vec((0_u64..4_000, 0_usize..300, 0_u8..8), 1..200),
        ) {
            let mut tape = Tape::new(16_000);
            let mut now = 0;
            for (after, ms, act) in steps {
                now += after;
                match act {
                    0 => tape.pause(),
                    1 => tape.restart(),
                    2 => tape.understood(after),
                    3 => tape.idle(at(now)),
                    4 => {
                        let taken = tape.take(800, 3_200).map_or(800, |taken| taken.len());
                        prop_assert!((800..=3_200 + 300 * 16).contains(&taken), "{}", taken);
                    }
                    _ => tape.write(at(now.saturating_sub(after / 2)), sound(ms, 1)),
                }
                prop_assert!(tape.samples * 2 <= BYTES_MAX + 300 * 32);
                prop_assert!(tape.next <= tape.chunks.len());
                prop_assert!(tape.marks.len() <= MARKS);
                let times: Vec<MediaTime> = (0..20).map(|n| tape.at(n * 100)).collect();
                prop_assert!(times.is_sorted());
            }
        }
    }
}
