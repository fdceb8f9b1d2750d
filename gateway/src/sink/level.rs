//! How loud a call is and who speaks, for meters.

use std::time::{Duration, Instant};

use sidetone_codec::level;
use sidetone_fleet::Fleet;
use sidetone_room::Speaker;
use sidetone_wire::{CallId, Levels, Party, Signal};

/// Finer levels are measured for so long after somebody last asked for them.
const WATCHED_FOR: Duration = Duration::from_mins(1);
/// Who speaks at once: a call has two or three; of a larger room further ones are left out.
const SPEAKERS: usize = 32;
/// A measured level below this is breath and line noise.
const SPEECH_LEVEL: f32 = 0.01;
/// What is left of a level after a tick of silence.
const DECAY: f32 = 0.5;

/// Tells levels: from the SFU's speaker updates, or measured while somebody looks.
pub(crate) struct Level {
    fleet: Fleet,
    call: CallId,
    speakers: Vec<(String, Party, f32)>,
    watched_until: Option<Instant>,
    /// By lane.
    meters: Vec<Option<Meter>>,
    told: (Levels, Option<Party>),
}

/// Measures one lane.
struct Meter {
    party: Party,
    peak: f32,
    shown: f32,
}

impl Level {
    pub(crate) fn new(fleet: Fleet, call: CallId) -> Self {
        Self {
            fleet,
            call,
            speakers: Vec::new(),
            watched_until: None,
            meters: Vec::new(),
            told: (Levels::default(), None),
        }
    }

    /// Somebody looks.
    pub(crate) fn watch(&mut self, now: Instant) {
        self.watched_until = Some(now + WATCHED_FOR);
    }

    /// Takes in who speaks; only those that changed are named.
    pub(crate) fn handle_speakers(
        &mut self,
        changed: &[Speaker],
        party_of: impl Fn(&str) -> Option<Party>,
    ) {
        for speaker in changed {
            self.speakers
                .retain(|(identity, ..)| *identity != speaker.identity);
            if speaker.active
                && self.speakers.len() < SPEAKERS
                && let Some(party) = party_of(&speaker.identity)
            {
                let level = speaker.level.clamp(0.0, 1.0);
                self.speakers.push((speaker.identity.clone(), party, level));
            }
        }
    }

    /// Nobody is heard for now.
    pub(crate) fn reset(&mut self) {
        self.speakers.clear();
        self.meters.clear();
    }

    /// Whether somebody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched_until.is_some()
    }

    /// Measures sound while somebody looks.
    pub(crate) fn write(&mut self, lane: usize, party: Party, sound: &[i16]) {
        if self.watched_until.is_none() {
            return;
        }
        if self.meters.len() <= lane {
            self.meters.resize_with(lane + 1, || None);
        }
        let meter = &mut self.meters[lane];
        let meter = meter.get_or_insert_with(|| Meter {
            party,
            peak: 0.0,
            shown: 0.0,
        });
        meter.party = party;
        meter.peak = meter.peak.max(level(sound));
    }

    /// Tells what changed; called at most four times a second.
    pub(crate) fn handle_tick(&mut self, now: Instant) {
        if self.watched_until.is_some_and(|until| until <= now) {
            self.watched_until = None;
            self.meters.clear();
        }
        for meter in self.meters.iter_mut().flatten() {
            meter.tick();
        }
        let now = self.now();
        if now != self.told {
            self.told = now;
            let (levels, current_speaker) = now;
            self.fleet.signal(Signal::Levels {
                call: self.call,
                levels,
                current_speaker,
            });
        }
    }

    fn now(&self) -> (Levels, Option<Party>) {
        let loudest = |party: Party| {
            let measured = self
                .meters
                .iter()
                .flatten()
                .filter(|meter| meter.party == party);
            let told = self.speakers.iter().filter(|(_, of, _)| *of == party);
            let told = told.map(|(.., level)| *level).fold(0.0, f32::max);
            if self.watched_until.is_some() {
                measured.map(|meter| meter.shown).fold(0.0, f32::max)
            } else {
                told
            }
        };
        let [customer, agent, supervisor] = Party::ALL else {
            unreachable!("a call has three kinds of party")
        };
        let by_party = [customer, agent, supervisor].map(|party| (*party, loudest(*party)));
        let speaker = by_party
            .iter()
            .filter(|(_, level)| *level >= SPEECH_LEVEL)
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(party, _)| *party);
        let levels = Levels {
            customer: by_party[0].1,
            agent: by_party[1].1,
        };
        (levels, speaker)
    }
}

impl Meter {
    fn tick(&mut self) {
        self.shown = self.peak.max(self.shown * DECAY);
        if self.shown < 0.001 {
            self.shown = 0.0;
        }
        self.peak = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_codec::OpusDecoder;
    use sidetone_service::clock;
    use sidetone_testkit::Tone;
    use sidetone_wire::Timestamp;
    use tokio::sync::broadcast::Receiver;

    fn level() -> (Level, Receiver<Signal>) {
        let fleet = Fleet::in_process();
        let signals = fleet.signals();
        let call = CallId::of_upstream("livekit", "RM_1", Timestamp::from_unix_ms(1));
        (Level::new(fleet, call), signals)
    }

    fn speaker(identity: &str, level: f32, active: bool) -> Speaker {
        Speaker {
            sid: String::new(),
            identity: identity.into(),
            level,
            active,
        }
    }

    fn party(identity: &str) -> Option<Party> {
        identity.parse().ok()
    }

    fn told(signals: &mut Receiver<Signal>) -> Option<(f32, f32, Option<Party>)> {
        match signals.try_recv() {
            Ok(Signal::Levels {
                levels,
                current_speaker,
                ..
            }) => Some((levels.customer, levels.agent, current_speaker)),
            Ok(Signal::LivekitLink { .. } | Signal::Saying { .. } | Signal::Backlog(_))
            | Err(_) => None,
        }
    }

    #[test]
    fn who_speaks_is_told_once_and_silence_is_zero() {
        let (mut level, mut signals) = level();
        let now = clock::now();
        let both = [speaker("customer", 0.5, true), speaker("agent", 0.25, true)];
        level.handle_speakers(&both, party);
        level.handle_tick(now);
        assert_eq!(told(&mut signals), Some((0.5, 0.25, Some(Party::Customer))));
        level.handle_tick(now);
        assert_eq!(told(&mut signals), None, "nothing changed");
        level.handle_speakers(&[speaker("customer", 0.0, false)], party);
        level.handle_tick(now);
        assert_eq!(told(&mut signals), Some((0.0, 0.25, Some(Party::Agent))));
        level.reset();
        level.handle_tick(now);
        assert_eq!(told(&mut signals), Some((0.0, 0.0, None)));
    }

    #[test]
    fn a_crowd_of_speakers_is_bounded() {
        let (mut level, _signals) = level();
        for n in 0..2000 {
            let one = speaker(&format!("p-{n}"), 0.5, true);
            level.handle_speakers(&[one], |_| Some(Party::Customer));
        }
        assert_eq!(level.speakers.len(), SPEAKERS);
    }

    #[test]
    fn levels_are_measured_only_while_somebody_looks() {
        let (mut level, mut signals) = level();
        let now = clock::now();
        let mut tone = Tone::new(440.0, -6.0).unwrap();
        let mut opus = OpusDecoder::new().unwrap();
        let mut speak = |level: &mut Level| {
            for payload in tone.packets(12).unwrap() {
                let sound = opus.decode(&payload).unwrap();
                level.write(0, Party::Agent, sound);
            }
        };
        speak(&mut level);
        level.handle_tick(now);
        assert_eq!(told(&mut signals), None);
        level.watch(now);
        speak(&mut level);
        level.handle_tick(now);
        let (_, agent, speaker) = told(&mut signals).expect("a level");
        assert!(
            (agent - 0.354).abs() < 0.05,
            "half of a full-scale sine is {agent}"
        );
        assert_eq!(speaker, Some(Party::Agent));
        level.handle_tick(now);
        assert!(told(&mut signals).expect("it decays").1 < agent);
        level.handle_tick(now + WATCHED_FOR);
        assert_eq!(told(&mut signals), Some((0.0, 0.0, None)));
        assert!(level.meters.is_empty());
    }
}
