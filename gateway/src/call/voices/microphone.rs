//! Whether a supervisor can still be heard, and whether their microphone is still needed.

use std::time::{Duration, Instant};

use sidetone_wire::TalkMode;

/// A microphone comes within this time of a takeover: the browser may have to ask for it.
const COMES_WITHIN: Duration = Duration::from_secs(15);
/// One that gives nothing for so long is lost: it is looked at every 250 ms, and 5 s are promised.
/// While nobody speaks, DTX still sends two packets a second.
const LOST_AFTER: Duration = Duration::from_millis(4_750);
/// It stays armed for so long after nobody is spoken to.
const DISARMED_AFTER: Duration = Duration::from_mins(1);

/// The outgoing track that gets a supervisor's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Permitted to agents.
    Coach,
    /// Permitted to everybody.
    Talk,
}

/// What is to become of a voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stays,
    /// The call has to go back to the agent.
    Lost,
    /// It is needed no more.
    Disarm,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Microphone {
    mode: TalkMode,
    /// Since when it has the call.
    holds_since: Option<Instant>,
    idle_since: Option<Instant>,
    last_packet: Option<Instant>,
    /// Its owner switched it off: no packets come.
    muted: bool,
    holding: Holding,
}

/// How somebody has a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Holding {
    /// They speak with somebody else meanwhile: nobody in the call hears them.
    pub(crate) aside: bool,
    /// They are on a telephone: it gives no sound while its own side is silent, and is lost when it
    /// is put down.
    pub(crate) telephone: bool,
}

impl Microphone {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            mode: TalkMode::Off,
            holds_since: None,
            idle_since: Some(now),
            last_packet: None,
            muted: false,
            holding: Holding::default(),
        }
    }

    pub(super) fn speak(&mut self, mode: TalkMode, now: Instant) {
        self.mode = mode;
        self.idle(now);
    }

    pub(super) fn hold(&mut self, holds: bool, now: Instant) {
        if holds {
            self.holds_since.get_or_insert(now);
        } else {
            self.holds_since = None;
        }
        self.idle(now);
    }

    /// How it has the call, if it does.
    pub(super) fn set_holding(&mut self, holding: Holding) {
        self.holding = holding;
    }

    fn idle(&mut self, now: Instant) {
        if self.mode == TalkMode::Off && self.holds_since.is_none() {
            self.idle_since.get_or_insert(now);
        } else {
            self.idle_since = None;
        }
    }

    pub(super) fn holds(&self) -> bool {
        self.holds_since.is_some()
    }

    pub(super) fn handle_packet(&mut self, now: Instant) {
        self.last_packet = Some(now);
        // a telephone that has spoken is there until it leaves
        self.muted = self.holding.telephone;
    }

    pub(super) fn handle_muted(&mut self, muted: bool, now: Instant) {
        self.muted = muted;
        self.last_packet = Some(now);
    }

    /// The track ended, or whoever has it left.
    pub(super) fn handle_gone(&mut self) {
        self.muted = false;
    }

    /// Where packets go now.
    pub(super) fn route(&self) -> Option<Route> {
        match (self.mode, self.holds()) {
            (_, true) if self.holding.aside => None,
            (TalkMode::Whisper, _) => Some(Route::Coach),
            (TalkMode::Barge, _) | (TalkMode::Off | TalkMode::Armed, true) => Some(Route::Talk),
            (TalkMode::Off | TalkMode::Armed, false) => None,
        }
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let since = |at: Instant| now.saturating_duration_since(at);
        if let Some(held) = self.holds_since {
            let lost = match self.last_packet {
                None => since(held) >= COMES_WITHIN,
                Some(last) => !self.muted && since(last.max(held)) >= LOST_AFTER,
            };
            return if lost { Verdict::Lost } else { Verdict::Stays };
        }
        match self.idle_since {
            Some(idle) if since(idle) >= DISARMED_AFTER => Verdict::Disarm,
            _ => Verdict::Stays,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn at(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn the_mode_is_which_track_gets_the_packets() {
        let now = clock::now();
        let mut microphone = Microphone::new(now);
        for (mode, alone, holding) in [
            (TalkMode::Off, None, Some(Route::Talk)),
            (TalkMode::Armed, None, Some(Route::Talk)),
            (TalkMode::Whisper, Some(Route::Coach), Some(Route::Coach)),
            (TalkMode::Barge, Some(Route::Talk), Some(Route::Talk)),
        ] {
            microphone.speak(mode, now);
            assert_eq!(microphone.route(), alone, "{mode}");
            microphone.hold(true, now);
            assert_eq!(microphone.route(), holding, "{mode}");
            microphone.hold(false, now);
        }
    }

    #[test]
    fn a_holder_who_gives_no_sound_for_five_seconds_is_lost_unless_they_muted_themselves() {
        let now = clock::now();
        let mut microphone = Microphone::new(now);
        microphone.hold(true, now);
        assert_eq!(microphone.verdict(at(now, 14)), Verdict::Stays);
        assert_eq!(microphone.verdict(at(now, 15)), Verdict::Lost);
        microphone.handle_packet(at(now, 10));
        assert_eq!(microphone.verdict(at(now, 14)), Verdict::Stays);
        assert_eq!(microphone.verdict(at(now, 15)), Verdict::Lost);
        microphone.handle_muted(true, at(now, 12));
        assert_eq!(microphone.verdict(at(now, 999)), Verdict::Stays);
        microphone.handle_gone();
        assert_eq!(microphone.verdict(at(now, 999)), Verdict::Lost);
    }

    #[test]
    fn a_holder_who_speaks_aside_is_heard_by_nobody_and_is_lost_as_any_other() {
        let now = clock::now();
        let mut microphone = Microphone::new(now);
        microphone.hold(true, now);
        microphone.set_holding(Holding {
            aside: true,
            telephone: false,
        });
        for mode in [TalkMode::Off, TalkMode::Barge, TalkMode::Whisper] {
            microphone.speak(mode, now);
            assert_eq!(microphone.route(), None, "{mode}");
        }
        microphone.handle_packet(now);
        assert_eq!(microphone.verdict(at(now, 5)), Verdict::Lost);
        microphone.hold(false, now);
        assert_eq!(
            microphone.route(),
            Some(Route::Coach),
            "of a call that is not theirs"
        );
    }

    #[test]
    fn a_telephone_that_is_silent_has_the_call_until_it_is_put_down() {
        let now = clock::now();
        let mut microphone = Microphone::new(now);
        microphone.set_holding(Holding {
            aside: false,
            telephone: true,
        });
        microphone.hold(true, now);
        assert_eq!(
            microphone.verdict(at(now, 15)),
            Verdict::Lost,
            "it never spoke"
        );
        microphone.handle_packet(at(now, 3));
        assert_eq!(microphone.verdict(at(now, 999)), Verdict::Stays);
        microphone.handle_gone();
        assert_eq!(microphone.verdict(at(now, 999)), Verdict::Lost);
    }

    #[test]
    fn one_that_speaks_to_nobody_is_disarmed_after_a_minute_unless_it_is_kept_armed() {
        let now = clock::now();
        let mut microphone = Microphone::new(now);
        microphone.speak(TalkMode::Whisper, now);
        assert_eq!(microphone.verdict(at(now, 999)), Verdict::Stays);
        microphone.speak(TalkMode::Off, at(now, 100));
        microphone.speak(TalkMode::Off, at(now, 130));
        assert_eq!(microphone.verdict(at(now, 159)), Verdict::Stays);
        assert_eq!(microphone.verdict(at(now, 160)), Verdict::Disarm);
        microphone.speak(TalkMode::Armed, at(now, 159));
        assert_eq!(microphone.verdict(at(now, 999)), Verdict::Stays);
    }
}
