//! What is asked of a call in its upstream's room, and who has it.
//!
//! **Invariant**: the upstream is asked for a call only while the microphone of whoever takes it is
//! there (`nobody_takes_a_call_at_retell_without_a_microphone`).

use std::time::Instant;

use serde_json::json;
use sidetone_fleet::CommandRequest;
use sidetone_room::{Kind, LocalTrack};
use sidetone_service::clock;
use sidetone_wire::{
    self as wire, Command, CommandError, EndClass, EndReason, Party, Reply, Seat, TalkMode,
};
use tracing::{debug, info};

use super::hand::{Hand, Wish};
use super::parties::party;
use super::way::headers;
use super::{Exit, Tap};
use crate::call::{Holding, Said};

const ALOOF: &str = "Retell lets nobody speak into a call that was not taken over";
const SPEECHLESS: &str = "this gateway has no LiveKit to hear microphones in";
const UNARMED: &str = "no microphone of yours is there: arm it (`talk` with the mode `armed`) and \
    publish it first. The agent keeps the call";
const UNHEARD: &str = "the call is not heard now. The agent keeps it";

fn unsupported(detail: &str) -> CommandError {
    CommandError::Unsupported {
        detail: detail.to_owned(),
    }
}

impl Tap {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything else is what any call does, which names each command"
    )]
    pub(super) fn handle_command(&mut self, request: CommandRequest) -> Option<Exit> {
        let ours = self.socket.call;
        match request.command.clone() {
            Command::CallOver { .. } => {
                request.answer(Ok(Reply::Done));
                return Some(Exit::Told);
            }
            Command::Unlisten { call, monitor } if call == ours => {
                self.live.bus.remove_listener(&monitor);
                let voices = self.voices.as_mut();
                let held = voices.and_then(|voices| voices.remove(&monitor));
                request.answer(Ok(Reply::Done));
                return held.and_then(|_| self.leave(EndClass::Ours, "supervisor_lost"));
            }
            Command::Talk { call, seat, mode } if call == ours => {
                self.talk(&seat, mode, request);
            }
            Command::SetFloor { call, floor } if call == ours => {
                return self.set_floor(&floor, request);
            }
            Command::EndCall { call } if call == ours && self.hand.is_full() => {
                request.answer(Ok(Reply::Done));
                return self.leave(EndClass::Completed, "supervisor_hangup");
            }
            _ => self.live.handle_command(request, clock::now(), &self.shard),
        }
        None
    }

    fn talk(&mut self, seat: &Seat, mode: TalkMode, request: CommandRequest) {
        let Some(voices) = &mut self.voices else {
            return request.answer(Err(unsupported(SPEECHLESS)));
        };
        match mode {
            TalkMode::Armed | TalkMode::Off => voices.speak(seat, mode, request),
            TalkMode::Whisper | TalkMode::Barge => request.answer(Err(unsupported(ALOOF))),
        }
    }

    /// Gives the call to whom it belongs now; from whom it was taken it is not taken back.
    fn set_floor(&mut self, floor: &wire::Floor, request: CommandRequest) -> Option<Exit> {
        let holding = Holding {
            aside: floor.aside,
            telephone: floor.telephone,
        };
        match (&self.hand, &floor.holder) {
            // whoever asks again will be told
            (Hand::Reaching(..), _) => request.answer(Err(CommandError::Overloaded)),
            (Hand::Empty, None) => match &mut self.voices {
                Some(voices) => voices.set_holder(None, holding, request),
                None => request.answer(Ok(Reply::Done)),
            },
            (Hand::Empty, Some(seat)) => self.reach(seat.clone(), holding, request),
            (Hand::Full(mouth), Some(seat)) => match &mut self.voices {
                Some(voices) if mouth.is_ready() => {
                    voices.set_holder(Some(seat), holding, request);
                }
                Some(_) | None => request.answer(Err(CommandError::Overloaded)),
            },
            (Hand::Full(_), None) => {
                request.answer(Ok(Reply::Done));
                return self.leave(EndClass::Ours, "supervisor_left");
            }
        }
        None
    }

    /// Asks the upstream for the call.
    fn reach(&mut self, seat: Seat, holding: Holding, request: CommandRequest) {
        let Some(voices) = &self.voices else {
            return request.answer(Err(unsupported(SPEECHLESS)));
        };
        if !voices.hears(&seat.monitor) {
            return request.answer(Err(unsupported(UNARMED)));
        }
        let (Some(url), true) = (
            self.socket.takeover.clone(),
            self.room.is_some() && !self.wavers,
        ) else {
            let detail = UNHEARD.to_owned();
            return request.answer(Err(CommandError::Failed { detail }));
        };
        let (dialler, headers) = (self.diallers.acts.clone(), headers(&self.socket));
        let body = json!({"participant_id": self.listener}).to_string();
        let asking = async move {
            let answer = dialler.post(&url.0, headers, body).await;
            match answer.map(|answer| answer.status()) {
                Ok(200..=299) => Ok(()),
                Ok(status) => Err(format!("Retell does not give it away (status {status})")),
                Err(error) => {
                    debug!(%error, "a call cannot be taken over");
                    Err("Retell did not answer: whether it gave it away is not known".to_owned())
                }
            }
        };
        let wish = Wish {
            seat,
            holding,
            request,
        };
        self.hand = Hand::Reaching(Box::pin(asking), Box::new(wish));
    }

    pub(super) fn handle_reached(&mut self, reached: Result<(), String>) {
        let refused = self.hand.handle_reached(reached.is_ok());
        if let (Some(wish), Err(detail)) = (refused, reached) {
            return wish.request.answer(Err(CommandError::Failed { detail }));
        }
        info!(call = %self.socket.call, "a supervisor has taken the call over");
        self.announce();
    }

    /// Publishes the supervisor's track, once we may.
    pub(super) fn announce(&mut self) {
        if let (Hand::Full(mouth), Some(room)) = (&mut self.hand, &mut self.room) {
            mouth.announce(room);
        }
    }

    /// What is said reaches the customer from now on.
    pub(super) fn handle_published(&mut self, track: LocalTrack) {
        let Hand::Full(mouth) = &mut self.hand else {
            return;
        };
        if let (Some(wish), Some(voices)) = (mouth.handle_published(track), &mut self.voices) {
            voices.set_holder(Some(&wish.seat), wish.holding, wish.request);
        }
    }

    /// A supervisor says something.
    pub(super) fn handle_said(&mut self, said: &Said) {
        if let (Hand::Full(mouth), Some(room)) = (&mut self.hand, &mut self.room)
            && mouth.say(room, &said.packet)
        {
            self.live.bus.deliver_said(said);
        }
    }

    /// Looks whether both are still there who talk.
    pub(super) fn handle_floor_tick(&mut self, now: Instant) -> Option<Exit> {
        let voices = self.voices.as_mut();
        let lost = voices.and_then(|voices| voices.handle_tick(now));
        if lost.is_some() {
            return self.leave(EndClass::Ours, "supervisor_lost");
        }
        if self.room.is_none() {
            return self.leave(EndClass::Upstream, "connection_lost");
        }
        self.announce();
        let (Hand::Full(mouth), Some(room), false) = (&mut self.hand, &self.room, self.wavers)
        else {
            return None;
        };
        let customer = |identity: &str, kind: Kind| {
            party(identity, kind, "").is_some_and(|party| party == Party::Customer)
        };
        let mut others = room.participants();
        let there = others.any(|who| customer(&who.identity, who.kind));
        let since = mouth.handle_company(there, now)?;
        let reason = EndReason::new(EndClass::Completed, "customer_left");
        Some(Exit::Ended(since, reason))
    }

    /// Leaves a call that is ours, which ends it.
    fn leave(&self, class: EndClass, code: &str) -> Option<Exit> {
        let reason = EndReason::new(class, code);
        let over = Exit::Ended(clock::now(), reason);
        self.hand.is_full().then_some(over)
    }
}
