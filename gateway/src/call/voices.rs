//! Supervisors who speak in a call.
//!
//! Each has an ear, a hidden connection to their own monitor room that hears their microphone and
//! nobody else, and a mouth, a visible connection to the call. Packets go from one to the other
//! untouched. A mode is which of the mouth's tracks gets them, and none of them leads anywhere
//! before the control plane said that this supervisor may speak here.

mod ear;
mod line;
mod microphone;
mod mouth;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use sidetone_fleet::CommandRequest;
use sidetone_media::{Packet, TrackId};
use sidetone_room::RtpIn;
use sidetone_service::clock;
use sidetone_wire::{CommandError, MonitorRoom, Reply, Seat, TalkMode};
use tracing::info;

use super::errands::{Errand, Errands};
use crate::microphones::Armed;
use crate::monitor::Grant;
use crate::shard::Shard;
use crate::source;
use ear::{Ear, Heard};
pub(crate) use microphone::Holding;
use microphone::{Microphone, Route, Verdict};
use mouth::Mouth;

/// Supervisors who speak in one call at once: a further one is refused.
const VOICES: usize = 8;

/// What a supervisor said.
pub(crate) struct Said {
    pub(crate) by: MonitorRoom,
    pub(crate) packet: Packet,
    /// The customer hears it too.
    pub(crate) aloud: bool,
}

struct Voice {
    seat: Seat,
    /// Ends with the supervisor's right to listen.
    grant: Grant,
    armed: Armed,
    microphone: Microphone,
    source: source::Livekit,
    id: TrackId,
    ear: Ear,
    /// `None` where whoever asks what is said says it on.
    mouth: Option<Mouth>,
    /// Answered once what is said reaches whom it should.
    waiting: Vec<CommandRequest>,
}

/// The supervisors who speak in one call.
pub(crate) struct Voices {
    shard: Rc<Shard>,
    /// The room of ours in which they are heard.
    room: Option<String>,
    errands: Errands,
    source: source::Livekit,
    all: Vec<Voice>,
    next_id: u32,
}

impl Voices {
    /// `source` gives the call's time.
    pub(crate) fn new(
        shard: Rc<Shard>,
        room: &str,
        errands: Errands,
        source: source::Livekit,
    ) -> Self {
        Self {
            room: Some(room.to_owned()),
            ..Self::beyond(shard, errands, source)
        }
    }

    /// The same in a call that is in no room of ours: who asks what is said says it on.
    pub(crate) fn beyond(shard: Rc<Shard>, errands: Errands, source: source::Livekit) -> Self {
        Self {
            shard,
            room: None,
            errands,
            source,
            all: Vec::new(),
            // the call's other tracks count from 0
            next_id: u32::MAX,
        }
    }

    /// Lets a supervisor speak, or no longer; answers once it is so.
    pub(crate) fn speak(&mut self, seat: &Seat, mode: TalkMode, request: CommandRequest) {
        let now = clock::now();
        if mode == TalkMode::Off && self.find(&seat.monitor).is_none() {
            return request.answer(Ok(Reply::Done));
        }
        let errands = self.errands.clone();
        let Some(voice) = self.open(seat, now) else {
            return request.answer(Err(CommandError::Overloaded));
        };
        voice.microphone.speak(mode, now);
        if mode == TalkMode::Off {
            return request.answer(Ok(Reply::Done));
        }
        voice.waiting.push(request);
        voice.answer(&errands, false);
    }

    /// Gives the call to whoever it is, or to none; answers once everything is so.
    pub(crate) fn set_holder(
        &mut self,
        holder: Option<&Seat>,
        holding: Holding,
        request: CommandRequest,
    ) {
        let now = clock::now();
        for voice in &mut self.all {
            let holds = holder.is_some_and(|seat| seat.monitor == voice.seat.monitor);
            voice.microphone.hold(holds, now);
        }
        let Some(seat) = holder else {
            return self.errands.run(Errand::Answer(request));
        };
        let errands = self.errands.clone();
        let Some(voice) = self.open(seat, now) else {
            return request.answer(Err(CommandError::Overloaded));
        };
        voice.microphone.set_holding(holding);
        voice.microphone.hold(true, now);
        voice.waiting.push(request);
        voice.answer(&errands, true);
    }

    /// Whether a supervisor's microphone is there.
    pub(crate) fn hears(&self, monitor: &MonitorRoom) -> bool {
        let mut voices = self.all.iter();
        voices.any(|voice| voice.seat.monitor == *monitor && voice.ear.hears())
    }

    fn find(&mut self, monitor: &MonitorRoom) -> Option<usize> {
        let mut voices = self.all.iter();
        voices.position(|voice| voice.seat.monitor == *monitor)
    }

    /// The supervisor's voice, which is armed when it is not there yet.
    fn open(&mut self, seat: &Seat, now: Instant) -> Option<&mut Voice> {
        if let Some(at) = self.find(&seat.monitor) {
            return Some(&mut self.all[at]);
        }
        if self.all.len() >= VOICES {
            return None;
        }
        info!(
            room = seat.monitor.room,
            "a supervisor's microphone is armed"
        );
        let (shared, monitors) = (&self.shard.shared, self.shard.monitors.as_ref()?);
        let id = TrackId(self.next_id);
        self.next_id -= 1;
        let room = self.room.as_deref();
        let mouth = room.map(|room| Mouth::new(shared, room, seat, self.errands.clone()));
        self.all.push(Voice {
            seat: seat.clone(),
            grant: monitors.grant(&seat.monitor),
            armed: shared.microphones.arm(&seat.monitor),
            microphone: Microphone::new(now),
            source: self.source.beside(),
            id,
            ear: Ear::new(shared, &seat.monitor),
            mouth,
            waiting: Vec::new(),
        });
        let voice = self.all.last_mut()?;
        voice.permit(&self.errands, true);
        Some(voice)
    }

    /// A supervisor listens no more and speaks no more; gives them if they had the call.
    pub(crate) fn remove(&mut self, monitor: &MonitorRoom) -> Option<MonitorRoom> {
        let at = self.find(monitor)?;
        self.close(at)
    }

    fn close(&mut self, at: usize) -> Option<MonitorRoom> {
        let voice = self.all.swap_remove(at);
        let room = &voice.seat.monitor.room;
        info!(room, "a supervisor's microphone is disarmed");
        let held = voice.microphone.holds();
        let monitor = voice.end(&self.errands);
        held.then_some(monitor)
    }

    /// The call is over, or goes on without us.
    pub(crate) fn end(&mut self) {
        for voice in self.all.drain(..) {
            voice.end(&self.errands);
        }
    }

    /// Whoever had the call and is lost.
    pub(crate) fn handle_tick(&mut self, now: Instant) -> Option<MonitorRoom> {
        let mut lost = None;
        let mut at = 0;
        while at < self.all.len() {
            let voice = &mut self.all[at];
            let over = voice.grant.is_closed();
            match voice.microphone.verdict(now) {
                Verdict::Stays if !over => at += 1,
                // the microphone may come back: they listen on
                Verdict::Lost if !over => {
                    voice.microphone.hold(false, now);
                    voice.microphone.speak(TalkMode::Off, now);
                    lost = Some(voice.seat.monitor.clone());
                    at += 1;
                }
                Verdict::Stays | Verdict::Lost | Verdict::Disarm => lost = self.close(at).or(lost),
            }
        }
        lost
    }

    /// What a supervisor says next. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Said {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        for voice in &mut self.all {
            if let Poll::Ready(said) = voice.poll(&self.errands, cx) {
                return Poll::Ready(said);
            }
        }
        Poll::Pending
    }
}

impl Voice {
    fn poll(&mut self, errands: &Errands, cx: &mut Context<'_>) -> Poll<Said> {
        while self.mouth.as_mut().is_some_and(|mouth| mouth.poll(cx)) {
            self.answer(errands, false);
        }
        while let Poll::Ready(heard) = self.ear.poll(cx) {
            match heard {
                Heard::Nothing => self.answer(errands, false),
                // a new connection is allowed what its token says
                Heard::Here => self.permit(errands, true),
                Heard::Track { sid, number } => {
                    let lane = 0;
                    let party = sidetone_wire::Party::Supervisor;
                    self.source.add(&sid, self.id, party, lane);
                    self.source.subscribed(&sid, number);
                }
                Heard::Gone { sid } => {
                    self.source.remove(&sid);
                    self.microphone.handle_gone();
                }
                Heard::Muted(muted) => self.microphone.handle_muted(muted, clock::now()),
                Heard::Packet(packet) => {
                    if let Some(said) = self.say(packet) {
                        return Poll::Ready(said);
                    }
                }
            }
        }
        Poll::Pending
    }

    /// Forwards a packet; gives it if anybody hears it.
    fn say(&mut self, rtp: RtpIn) -> Option<Said> {
        self.microphone.handle_packet(rtp.arrived);
        let route = self.microphone.route();
        let Some(route) = route.filter(|_| !self.grant.is_closed()) else {
            if let Some(mouth) = &mut self.mouth {
                mouth.pause();
            }
            return None;
        };
        let (.., packet) = self.source.packet(rtp)?;
        let said = match &mut self.mouth {
            Some(mouth) => mouth.say(route, &packet),
            None => route == Route::Talk,
        };
        said.then(|| Said {
            by: self.seat.monitor.clone(),
            packet,
            aloud: route == Route::Talk,
        })
    }

    /// Answers those who wait, if what is said reaches whom it should. `errands_too`: not before
    /// what was asked of the server is done.
    fn answer(&mut self, errands: &Errands, errands_too: bool) {
        let said = self.mouth.as_ref().is_none_or(Mouth::is_ready);
        if !said || !self.ear.is_ready() {
            return;
        }
        let holds = self.microphone.holds();
        for request in self.waiting.drain(..) {
            if errands_too || holds {
                errands.run(Errand::Answer(request));
            } else {
                request.answer(Ok(Reply::Done));
            }
        }
    }

    fn permit(&self, errands: &Errands, permitted: bool) {
        let MonitorRoom { room, listener, .. } = self.seat.monitor.clone();
        errands.run(Errand::Microphone {
            room,
            identity: listener,
            permitted,
        });
    }

    fn end(self, errands: &Errands) -> MonitorRoom {
        if self.armed.is_last() {
            self.permit(errands, false);
        }
        self.ear.leave();
        if let Some(mouth) = self.mouth {
            mouth.leave();
        }
        self.seat.monitor
    }
}
