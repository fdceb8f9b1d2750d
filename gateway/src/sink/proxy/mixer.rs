//! A call's parties side by side: whatever they come in, one stereo frame every 20 ms.
//!
//! Listeners of a feed get frames and no timestamps, so this is where what came late or not at all
//! is made up for: a frame leaves a little after it was spoken, later once something came later
//! than that, and as soon as before when nothing did for a while and nobody speaks.

use std::collections::VecDeque;

use sidetone_codec::limit;
use sidetone_media::MediaTime;
use sidetone_wire::Party;

/// Samples of one side of a frame.
pub(super) const FRAME_SAMPLES: usize = 960;
/// A frame leaves so much after its last sample was spoken, at least: what a network does to
/// packets all the time.
const LATE_AT_LEAST: u64 = 60 * MS;
/// And at most: what comes later is not heard.
const LATE_AT_MOST: u64 = 1_000 * MS;
/// What came later than it could be heard is made room for with so much to spare.
const SPARE: u64 = 20 * MS;
/// Sound that lies further ahead than this is of a clock that is wrong: it is not heard.
const AHEAD: u64 = 1_500 * MS;
/// A packet that lies so close to its track's end follows on it.
const FOLLOWS: u64 = 5 * MS;
/// Every so often it is looked whether frames could leave sooner.
const LOOK_AFTER: u64 = 10_000 * MS;
/// Quieter than this, a frame that is left out is not missed.
const QUIET: i16 = 100;

const MS: u64 = 48;

/// See the module.
pub(super) struct Mixer {
    /// What was spoken from `next` on, left and right.
    sound: VecDeque<[i16; 2]>,
    /// The first sample that has not left.
    next: MediaTime,
    /// How much after it was spoken a frame leaves.
    late: u64,
    /// By how much everything was early, since when.
    spare: u64,
    since: MediaTime,
    /// Where each lane's sound ends.
    ends: Vec<Option<MediaTime>>,
}

impl Mixer {
    pub(super) fn new(at: MediaTime) -> Self {
        Self {
            sound: VecDeque::new(),
            next: at,
            late: LATE_AT_LEAST,
            spare: u64::MAX,
            since: at,
            ends: Vec::new(),
        }
    }

    /// Somebody said something at `at`; it is `now`.
    pub(super) fn write(
        &mut self,
        lane: usize,
        party: Party,
        at: MediaTime,
        sound: &[i16],
        now: MediaTime,
    ) {
        if self.ends.len() <= lane {
            self.ends.resize(lane + 1, None);
        }
        let end = self.ends[lane].unwrap_or(at);
        let mut at = at;
        if at.since(end).max(end.since(at)) <= FOLLOWS {
            at = end;
        }
        // what overlaps with what the lane said before is left out
        let skip = usize::try_from(end.since(at)).unwrap_or(usize::MAX);
        let sound = sound.get(skip..).unwrap_or_default();
        at = at.max(end);
        if !sound.is_empty() && at <= now.max(self.next) + AHEAD {
            self.make_room(at, now);
            self.put(at, party, sound);
            self.ends[lane] = Some(at + sound.len() as u64);
        }
    }

    /// When the next frame leaves.
    pub(super) fn due(&self) -> MediaTime {
        self.next + FRAME_SAMPLES as u64 + self.late
    }

    /// The next frame, if it is due: left and right interleaved.
    pub(super) fn pop(&mut self, now: MediaTime) -> Option<Vec<i16>> {
        if now < self.due() {
            return None;
        }
        let frame = self.take();
        if self.hurries(&frame) {
            self.late -= FRAME_SAMPLES as u64;
            return self.pop(now);
        }
        Some(frame)
    }

    /// The next frame of what was said, due or not.
    pub(super) fn rest(&mut self) -> Option<Vec<i16>> {
        (!self.sound.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Vec<i16> {
        let mut frame: Vec<i16> = Vec::with_capacity(FRAME_SAMPLES * 2);
        let there = self.sound.len().min(FRAME_SAMPLES);
        frame.extend(self.sound.drain(..there).flatten());
        frame.resize(FRAME_SAMPLES * 2, 0);
        self.next = self.next + FRAME_SAMPLES as u64;
        frame
    }

    /// Whether this frame can be left out, so that the following ones leave sooner.
    fn hurries(&mut self, frame: &[i16]) -> bool {
        if self.next.since(self.since) < LOOK_AFTER {
            return false;
        }
        let step = FRAME_SAMPLES as u64;
        let can = self.spare != u64::MAX
            && self.spare >= 2 * SPARE + step
            && self.late >= LATE_AT_LEAST + step;
        if !can {
            (self.spare, self.since) = (u64::MAX, self.next);
            return false;
        }
        let quiet = frame.iter().all(|sample| sample.saturating_abs() < QUIET);
        if quiet {
            self.spare -= step;
        }
        quiet
    }

    /// What lies before the next frame has come too late: from now on frames leave later.
    fn make_room(&mut self, at: MediaTime, now: MediaTime) {
        let behind = self.next.since(at);
        let most = LATE_AT_MOST.saturating_sub(self.late);
        if behind > most {
            return; // it is not heard
        }
        self.spare = self.spare.min((at + self.late).since(now));
        if behind == 0 {
            return;
        }
        let room = (behind + SPARE).min(most).min(self.next.samples());
        for _ in 0..room {
            self.sound.push_front([0; 2]);
        }
        self.next = self.next - room;
        self.late += room;
        (self.spare, self.since) = (u64::MAX, self.next);
    }

    fn put(&mut self, at: MediaTime, party: Party, sound: &[i16]) {
        let skip = usize::try_from(self.next.since(at)).unwrap_or(usize::MAX);
        let Some(sound) = sound.get(skip..) else {
            return; // too late to be heard
        };
        let from = usize::try_from(at.since(self.next)).unwrap_or(usize::MAX);
        let to = from + sound.len();
        if self.sound.len() < to {
            self.sound.resize(to, [0; 2]);
        }
        let sides: &[usize] = match party {
            Party::Customer => &[0],
            Party::Agent => &[1],
            Party::Supervisor => &[0, 1],
        };
        for (into, sample) in self.sound.range_mut(from..to).zip(sound) {
            for side in sides {
                into[*side] = add(into[*side], *sample);
            }
        }
    }
}

/// Whoever speaks alone stays as loud.
fn add(there: i16, more: i16) -> i16 {
    match (there, more) {
        (0, one) | (one, 0) => one,
        (there, more) => limit(i64::from(there) + i64::from(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * MS)
    }

    /// 20 ms of a level.
    const fn sound(level: i16) -> [i16; FRAME_SAMPLES] {
        [level; FRAME_SAMPLES]
    }

    /// Everything that leaves up to a moment.
    fn left(mixer: &mut Mixer, now: MediaTime) -> Vec<[i16; 2]> {
        let frames = std::iter::from_fn(|| mixer.pop(now)).flatten();
        let samples: Vec<i16> = frames.collect();
        samples.as_chunks::<2>().0.to_vec()
    }

    #[test]
    fn the_customer_is_left_the_agent_right_and_a_supervisor_in_the_middle() {
        let mut mixer = Mixer::new(at(0));
        let parties = [Party::Customer, Party::Agent, Party::Supervisor];
        for (n, party) in parties.into_iter().enumerate() {
            let from = at(n as u64 * 20);
            mixer.write(n, party, from, &sound(1_000), from);
        }
        let heard = left(&mut mixer, at(120));
        assert_eq!(heard.len(), 60 * MS as usize);
        assert!(heard[..960].iter().all(|pair| *pair == [1_000, 0]));
        assert!(heard[960..1_920].iter().all(|pair| *pair == [0, 1_000]));
        assert!(heard[1_920..].iter().all(|pair| *pair == [1_000, 1_000]));
    }

    #[test]
    fn frames_leave_as_often_as_they_last_whether_anybody_speaks_or_not() {
        let mut mixer = Mixer::new(at(500));
        let mut frames = 0;
        for ms in 500..10_500 {
            while mixer.pop(at(ms)).is_some() {
                frames += 1;
            }
        }
        assert_eq!(frames, (10_000 - 80) / 20);
    }

    #[test]
    fn what_always_comes_late_is_heard_whole_after_the_first_time() {
        let mut mixer = Mixer::new(at(0));
        let mut heard = Vec::new();
        for n in 0..150 {
            // spoken 300 ms before it comes
            mixer.write(0, Party::Agent, at(n * 20), &sound(1_000), at(n * 20 + 300));
            let sound = left(&mut mixer, at(n * 20 + 300));
            if n > 1 {
                heard.extend(sound);
            }
        }
        assert_eq!(heard.len(), 148 * FRAME_SAMPLES);
        let whole = heard.iter().all(|pair| *pair == [0, 1_000]);
        assert!(whole, "there is a hole");
    }

    #[test]
    fn what_comes_later_than_anybody_waits_is_not_heard_and_moves_nothing() {
        let mut mixer = Mixer::new(at(10_000));
        mixer.write(0, Party::Agent, at(2_000), &sound(1_000), at(10_000));
        assert!(
            left(&mut mixer, at(13_000))
                .iter()
                .all(|pair| *pair == [0, 0])
        );
        assert_eq!(mixer.late, LATE_AT_LEAST);
        mixer.write(0, Party::Agent, at(600_000), &sound(1_000), at(13_000));
        assert!(
            mixer.sound.len() <= 2 * AHEAD as usize,
            "{}",
            mixer.sound.len()
        );
    }

    #[test]
    fn what_came_late_once_is_not_waited_for_for_ever() {
        let mut mixer = Mixer::new(at(0));
        left(&mut mixer, at(600));
        mixer.write(0, Party::Agent, at(100), &sound(1_000), at(600));
        let waits = mixer.late;
        assert!(waits > 400 * MS, "{waits}");
        for n in 30..2_000 {
            let now = at(n * 20);
            mixer.write(0, Party::Agent, now, &sound(10), now);
            left(&mut mixer, now);
        }
        assert!(mixer.late < waits / 2, "{} of {waits}", mixer.late);
        assert!(mixer.late >= LATE_AT_LEAST);
    }

    #[test]
    fn a_clock_that_is_corrected_leaves_no_sound_twice() {
        let mut mixer = Mixer::new(at(0));
        for from in [0, 960, 1_800, 2_700, 3_800, 4_300] {
            let from = MediaTime::from_samples(from);
            mixer.write(0, Party::Customer, from, &sound(1_000), from);
        }
        let heard = left(&mut mixer, at(200));
        assert!(heard.iter().all(|pair| pair[0] == 0 || pair[0] == 1_000));
    }

    #[test]
    fn two_of_a_party_are_heard_together_and_never_clipped() {
        let mut mixer = Mixer::new(at(0));
        for lane in 0..2 {
            mixer.write(lane, Party::Customer, at(0), &sound(30_000), at(0));
        }
        let heard = left(&mut mixer, at(80));
        assert!(heard.iter().all(|pair| pair[0] > 30_000 && pair[1] == 0));
    }
}
