//! Has what is said in a call written down, where the control plane says by whom.
//!
//! Sound is held back for a moment: until it is known whether anybody writes, so that packets find
//! their order, and where keys pause, so long that the tone of a key is held when the key is told
//! of. **Invariant**: nothing that may not be kept leaves the gateway.

use std::collections::VecDeque;
use std::rc::Rc;

use sidetone_codec::Decimator;
use sidetone_media::MediaTime;
use sidetone_service::dial::Dialler;
use sidetone_wire::{CallId, Party, Recogniser};
use tracing::warn;

use crate::permit::{DTMF_LOOKBACK_SAMPLES, Permit};
use crate::recognise::{Inbox, Kind, Line, Of};

/// Those who are written down at once: of a conference further ones are left out.
const LINES: usize = 8;
/// Packets overtake each other by so much.
const ORDER_WITHIN: u64 = 60 * MS;
/// What is held of a lane while it is not known who writes: the oldest is dropped.
const HELD_MAX: u64 = 2_000 * MS;

const MS: u64 = 48;

/// See the module.
pub(crate) struct Recognise {
    state: State,
    /// By lane.
    ears: Vec<Option<Ear>>,
    /// Parties of whom others tell what they say.
    dismissed: Vec<Party>,
    inbox: Rc<Inbox>,
}

enum State {
    /// The control plane has not said.
    Unknown,
    /// Nobody.
    Off,
    On(Box<Writer>),
}

/// Who writes.
struct Writer {
    call: CallId,
    fence: u64,
    recogniser: Rc<Recogniser>,
    kind: Kind,
    dialler: Dialler,
    hold: u64,
}

/// A party that is listened to.
struct Ear {
    party: Party,
    held: VecDeque<(MediaTime, Vec<i16>)>,
    /// Made with the first sound that may be heard.
    line: Option<(Decimator, Line)>,
}

impl Default for Recognise {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            ears: Vec::new(),
            dismissed: Vec::new(),
            inbox: Rc::default(),
        }
    }
}

impl Recognise {
    /// What is understood.
    pub(crate) fn inbox(&self) -> Rc<Inbox> {
        self.inbox.clone()
    }

    /// Whether a party's sound is of any use.
    pub(crate) fn wants(&self, party: Party) -> bool {
        match self.state {
            State::Off => false,
            State::Unknown | State::On(_) => self.leads() || !self.dismissed.contains(&party),
        }
    }

    /// The control plane says who writes, and whether keys pause. Later answers change nothing.
    pub(crate) fn begin(
        &mut self,
        call: CallId,
        fence: u64,
        recogniser: Option<Recogniser>,
        keys_pause: bool,
        dialler: impl FnOnce(&Recogniser) -> Option<(Kind, Dialler)>,
    ) {
        let State::Unknown = self.state else {
            return;
        };
        let found = recogniser.and_then(|one| dialler(&one).map(|(kind, by)| (one, kind, by)));
        let Some((recogniser, kind, dialler)) = found else {
            return self.stop();
        };
        let keys = if keys_pause { DTMF_LOOKBACK_SAMPLES } else { 0 };
        self.state = State::On(Box::new(Writer {
            call,
            fence,
            recogniser: Rc::new(recogniser),
            kind,
            dialler,
            hold: ORDER_WITHIN + keys,
        }));
    }

    /// Nothing of the call may be kept.
    pub(crate) fn stop(&mut self) {
        self.state = State::Off;
        self.ears.clear();
    }

    /// Whether what it understands counts above what others tell.
    pub(crate) fn leads(&self) -> bool {
        matches!(&self.state, State::On(writer) if writer.recogniser.always)
    }

    /// Somebody else tells what a party says.
    pub(crate) fn dismiss(&mut self, party: Party) {
        if !self.dismissed.contains(&party) {
            self.dismissed.push(party);
        }
        if !self.leads() {
            let of_it = |ear: &Ear| ear.party == party;
            for ear in &mut self.ears {
                drop(ear.take_if(|ear| of_it(ear)));
            }
        }
    }

    /// Somebody said something.
    pub(crate) fn write(
        &mut self,
        lane: usize,
        party: Party,
        at: MediaTime,
        sound: &[i16],
        permit: &Permit,
    ) {
        if sound.is_empty() || !self.wants(party) {
            return;
        }
        if self.ears.len() <= lane {
            self.ears.resize_with(lane + 1, || None);
        }
        let ear = self.ears[lane].get_or_insert_with(|| Ear::new(party));
        ear.party = party;
        let place = ear.held.iter().rposition(|(before, _)| *before <= at);
        let place = place.map_or(0, |before| before + 1);
        ear.held.insert(place, (at, sound.to_vec()));
        while ear.held_for() > HELD_MAX {
            ear.held.pop_front();
        }
        let newest = ear.held.back().map_or(at, |(newest, _)| *newest);
        self.pass(lane, newest, permit);
    }

    /// It is `now`: what was held long enough goes on, and silence is heard, too.
    pub(crate) fn handle_tick(&mut self, now: MediaTime, permit: &Permit) {
        for lane in 0..self.ears.len() {
            self.pass(lane, now, permit);
            if let State::On(writer) = &self.state
                && let Some(Some(ear)) = self.ears.get_mut(lane)
                && let Some((_, line)) = &ear.line
            {
                let heard = now - writer.hold;
                if permit.is_open(heard) {
                    line.tape().idle(heard);
                } else {
                    line.tape().pause();
                }
            }
        }
    }

    fn pass(&mut self, lane: usize, now: MediaTime, permit: &Permit) {
        let lines = self.ears.iter().flatten().filter(|ear| ear.line.is_some());
        let full = lines.count() >= LINES;
        let (State::On(writer), Some(Some(ear))) = (&self.state, self.ears.get_mut(lane)) else {
            return;
        };
        while let Some((at, _)) = ear.held.front()
            && now.since(*at) >= writer.hold
            && let Some((at, sound)) = ear.held.pop_front()
        {
            if !permit.is_open(at) {
                if let Some((_, line)) = &ear.line {
                    line.tape().pause();
                }
                continue;
            }
            if ear.line.is_none() && !full {
                ear.line = writer.line(lane, ear.party, &self.inbox);
            }
            if let Some((decimator, line)) = &mut ear.line {
                let pcm = decimator.push(sound);
                line.tape().write(at, pcm);
            }
        }
    }

    /// Nothing more is said. What is held is let go; the lines are to be finished.
    pub(crate) fn end(&mut self, permit: &Permit) -> Vec<Line> {
        let end = MediaTime::from_samples(u64::MAX);
        for lane in 0..self.ears.len() {
            self.pass(lane, end, permit);
        }
        self.state = State::Off;
        let ears = std::mem::take(&mut self.ears).into_iter().flatten();
        ears.filter_map(|ear| ear.line.map(|(_, line)| line))
            .collect()
    }
}

impl Writer {
    fn line(&self, lane: usize, party: Party, inbox: &Rc<Inbox>) -> Option<(Decimator, Line)> {
        let Some(decimator) = Decimator::new(self.kind.rate_hz) else {
            warn!(call = %self.call, "a recogniser's rate cannot be made");
            return None;
        };
        let of = Of {
            lane,
            party,
            name: format!("{}-{}-{lane}", self.recogniser.kind, self.fence),
        };
        let (recogniser, dialler) = (self.recogniser.clone(), self.dialler.clone());
        let line = Line::new(self.kind, recogniser, dialler, of, inbox.clone());
        Some((decimator, line))
    }
}

impl Ear {
    fn new(party: Party) -> Self {
        Self {
            party,
            held: VecDeque::new(),
            line: None,
        }
    }

    fn held_for(&self) -> u64 {
        let (first, last) = (self.held.front(), self.held.back());
        first
            .zip(last)
            .map_or(0, |(first, last)| last.0.since(first.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use sidetone_service::clock;
    use sidetone_service::dial::Policy;
    use sidetone_wire::{ConnectionKind, Hidden, RecordingRule};
    use tokio::task::LocalSet;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * MS)
    }

    fn allowed(keys_pause: bool, now: Instant) -> Permit {
        let mut permit = Permit::default();
        permit.want(now);
        assert!(permit.poll_question(now));
        let rule = RecordingRule {
            pause_on_dtmf: keys_pause,
            ..RecordingRule::default()
        };
        permit.handle_answer(Ok(rule), now);
        permit
    }

    /// A sink with a recogniser that nobody reaches: what is for it stays on the tapes.
    fn written(keys_pause: bool) -> Recognise {
        let recogniser = Recogniser {
            kind: ConnectionKind::Deepgram,
            origin: "wss://127.0.0.1:1".to_owned(),
            key: Hidden("k".to_owned()),
            language: None,
            model: None,
            always: false,
        };
        let mut sink = Recognise::default();
        let call = CallId(clock::new_id());
        sink.begin(call, 1, Some(recogniser), keys_pause, |one| {
            let policy = Policy::live("deepgram", false).unwrap();
            let kind = crate::recognise::provider_of(one.kind)?;
            Some((kind, Dialler::new(policy).unwrap()))
        });
        sink
    }

    /// The levels that a lane's recogniser gets, of sounds of 20 ms at these levels.
    fn levels(sink: &Recognise, lane: usize) -> Vec<i16> {
        let Some((_, line)) = sink.ears[lane].as_ref().and_then(|ear| ear.line.as_ref()) else {
            return Vec::new();
        };
        let all = std::iter::from_fn(|| line.tape().take(1, 3_200));
        let mut levels: Vec<i16> = all.flatten().map(|one| (one + 50) / 100).collect();
        levels.dedup();
        levels
    }

    fn says(sink: &mut Recognise, from_ms: u64, to_ms: u64, level: i16, permit: &Permit) {
        for ms in (from_ms..to_ms).step_by(20) {
            let sound = [level * 100; 960];
            sink.write(0, Party::Customer, at(ms), &sound, permit);
        }
    }

    async fn here<T>(test: impl FnOnce() -> T) -> T {
        LocalSet::new().run_until(async { test() }).await
    }

    #[tokio::test]
    async fn the_tone_of_a_key_is_held_until_the_key_is_told_of_and_goes_nowhere() {
        here(|| {
            let now = clock::now();
            let (mut sink, mut permit) = (written(true), allowed(true, now));
            says(&mut sink, 0, 2_000, 10, &permit);
            says(&mut sink, 2_000, 2_800, 90, &permit);
            assert!(permit.handle_digit(at(2_800), now));
            says(&mut sink, 2_800, 6_000, 90, &permit);
            permit.resume(at(6_000));
            says(&mut sink, 6_000, 9_000, 30, &permit);
            let heard = levels(&sink, 0);
            assert!(heard.contains(&10) && heard.contains(&30), "{heard:?}");
            assert!(heard.iter().all(|level| *level < 40), "{heard:?}");
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_goes_anywhere_before_it_is_allowed_and_then_what_was_held_does() {
        here(|| {
            let mut sink = Recognise::default();
            let permit = allowed(false, clock::now());
            says(&mut sink, 0, 60_000, 10, &permit);
            assert!(sink.ears[0].as_ref().unwrap().held_for() <= HELD_MAX);
            sink.begin(CallId(clock::new_id()), 1, None, false, |_| None);
            assert!(sink.ears.is_empty() && !sink.wants(Party::Customer));

            let mut sink = written(false);
            says(&mut sink, 0, 200, 10, &permit);
            assert!(levels(&sink, 0).contains(&10));
            sink.stop();
            assert!(!sink.wants(Party::Customer), "consent was denied");
        })
        .await;
    }

    #[tokio::test]
    async fn who_tells_what_is_said_needs_nobody_to_write_it_down() {
        here(|| {
            let (mut sink, permit) = (written(false), allowed(false, clock::now()));
            sink.dismiss(Party::Agent);
            assert!(!sink.wants(Party::Agent) && sink.wants(Party::Customer));
            says(&mut sink, 0, 200, 10, &permit);
            sink.dismiss(Party::Customer);
            assert!(sink.ears[0].is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn packets_that_overtake_each_other_are_written_down_in_their_order() {
        here(|| {
            let (mut sink, permit) = (written(false), allowed(false, clock::now()));
            for (ms, level) in [(0, 10), (40, 30), (20, 20), (60, 40), (80, 50), (140, 60)] {
                says(&mut sink, ms, ms + 20, level, &permit);
            }
            let heard = levels(&sink, 0);
            let known: Vec<i16> = heard.into_iter().filter(|one| one % 10 == 0).collect();
            assert!(known.starts_with(&[0, 10, 20, 30, 40]), "{known:?}");
        })
        .await;
    }
}
