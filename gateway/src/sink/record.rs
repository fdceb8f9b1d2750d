//! Keeps a call.

mod hold;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sidetone_fleet::EventLog;
use sidetone_fleet::take::{Durable, Recorder, Take, TakeStart};
use sidetone_media::{MediaTime, Packet};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, CallId, GapReason, Party, RecordingId, Timestamp};
use tracing::{error, info, warn};

use crate::permit::{Pause, Permit};
use hold::Hold;

/// A take that is refused is asked for again after so long: a disk that was full may have room, and
/// what is missing of the call is only that much longer.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a take is of.
#[derive(Debug, Clone)]
pub(crate) struct Of {
    pub(crate) call: CallId,
    /// The tenant's slug.
    pub(crate) tenant: String,
    /// Wall clock at the call's zero.
    pub(crate) started_at: Timestamp,
}

/// A call's take: begun with the first sound of anybody, once that may be kept, and as long as the
/// call.
pub(crate) struct Record {
    recorder: Arc<dyn Recorder>,
    log: EventLog,
    of: Of,
    names: Vec<(Party, String)>,
    state: State,
}

enum State {
    /// Nobody was heard yet.
    Silent,
    /// Nobody has said whether it may be kept.
    Held(Hold),
    /// The recorder refused: it is asked again.
    Refused {
        since: MediaTime,
        again_at: Instant,
    },
    Recording(Recording),
    /// Nothing of the call is kept any more.
    Off,
}

struct Recording {
    id: RecordingId,
    take: Box<dyn Take>,
    degraded: bool,
}

impl Record {
    pub(crate) fn new(recorder: Arc<dyn Recorder>, log: EventLog, of: Of) -> Self {
        Self {
            recorder,
            log,
            of,
            names: Vec::new(),
            state: State::Silent,
        }
    }

    /// Somebody was heard. While a take runs, it is the take that keeps to the pauses: it also
    /// knows what is written but not yet in a file.
    pub(crate) fn write(&mut self, party: Party, packet: &Packet, permit: &Permit) {
        match &mut self.state {
            State::Recording(recording) => recording.take.write(party, packet),
            State::Held(hold) => hold.put(party, packet, permit),
            State::Silent => {
                let mut hold = Hold::default();
                hold.put(party, packet, permit);
                self.state = State::Held(hold);
            }
            State::Refused { .. } | State::Off => {}
        }
    }

    /// Whether packets are of any use to it.
    pub(crate) fn takes_packets(&self) -> bool {
        match self.state {
            State::Silent | State::Held(_) | State::Recording(_) => true,
            State::Refused { .. } | State::Off => false,
        }
    }

    /// The call may be kept, but for what is paused: the take begins.
    pub(crate) fn allow(&mut self, pause: Option<&Pause>, at: MediaTime, now: Instant) {
        if let State::Held(hold) = &mut self.state {
            let hold = std::mem::take(hold);
            self.begin(hold, pause, at, now);
        }
    }

    /// Says who is on a channel.
    pub(crate) fn name(&mut self, party: Party, name: &str) {
        if name.is_empty() {
            return;
        }
        match self.names.iter_mut().find(|(known, _)| *known == party) {
            Some((_, known)) if known == name => return,
            Some((_, known)) => name.clone_into(known),
            None => self.names.push((party, name.to_owned())),
        }
        if let State::Recording(recording) = &mut self.state {
            recording.take.name(party, name);
        }
    }

    /// Marks a stretch in which the call was not heard.
    pub(crate) fn gap(&mut self, from: MediaTime, to: MediaTime) {
        if let State::Recording(recording) = &mut self.state
            && from < to
        {
            recording.take.gap(from, to, GapReason::Disconnected);
        }
    }

    /// Keeps nothing from `at` on; `durable` is called when no crash can undo that.
    pub(crate) fn pause(&mut self, at: MediaTime, by: &str, durable: Durable) {
        match &mut self.state {
            State::Recording(recording) => return recording.take.pause(at, by, durable),
            State::Held(hold) => hold.lose(),
            State::Silent | State::Refused { .. } | State::Off => {}
        }
        // nothing is kept as it is
        durable(Ok(()));
    }

    /// The same for a pause that nobody waits for.
    pub(crate) fn pause_unasked(&mut self, Pause { since, by }: &Pause) {
        let durable = self.nobody_waits();
        self.pause(*since, by, durable);
    }

    /// The control plane has the pause already, or is told of it.
    fn nobody_waits(&self) -> Durable {
        let call = self.of.call;
        Box::new(move |result| {
            if let Err(error) = result {
                error!(%call, %error, "a crash may undo the pause of a recording");
            }
        })
    }

    /// Keeps the call again from `at` on.
    pub(crate) fn resume(&mut self, at: MediaTime, durable: Durable) {
        match &mut self.state {
            State::Recording(recording) => recording.take.resume(at, durable),
            State::Silent | State::Held(_) | State::Refused { .. } | State::Off => durable(Ok(())),
        }
    }

    /// Keeps no more of the call; what there is of it is destroyed, or sealed as it is.
    pub(crate) fn stop(&mut self, at: MediaTime, erase: bool) {
        let State::Recording(recording) = std::mem::replace(&mut self.state, State::Off) else {
            return;
        };
        if erase {
            info!(call = %self.of.call, recording = %recording.id, "recording is destroyed");
            recording.take.discard();
        } else {
            recording.end(at, &self.log);
        }
    }

    /// The call is over, or goes on without us.
    pub(crate) fn end(mut self, at: MediaTime) {
        if let State::Held(hold) = &mut self.state {
            hold.lose();
            let call = self.of.call;
            warn!(%call, "over before anybody said whether it may be recorded: it is not");
        }
        self.stop(at, false);
    }

    /// What is due now: a take that was refused, a change of its health.
    pub(crate) fn handle_tick(&mut self, pause: Option<&Pause>, at: MediaTime, now: Instant) {
        match &mut self.state {
            State::Recording(recording) => recording.tell_health(&self.log),
            State::Refused { since, again_at } if now >= *again_at => {
                let hold = Hold::lost_since(*since);
                self.begin(hold, pause, at, now);
            }
            State::Silent | State::Held(_) | State::Refused { .. } | State::Off => {}
        }
    }

    /// Says that a rule paused the take at `at`; `false` if there is no take.
    pub(crate) fn tell_pause(&self, at: MediaTime, by: &str) -> bool {
        let State::Recording(recording) = &self.state else {
            return false;
        };
        let started_unix_ms = self.of.started_at.unix_ms();
        self.log.send(CallEvent::RecordingPaused {
            recording: recording.id,
            at: Timestamp::from_unix_ms(started_unix_ms + at.ms().cast_signed()),
            by: by.to_owned(),
        });
        true
    }

    fn begin(&mut self, hold: Hold, pause: Option<&Pause>, at: MediaTime, now: Instant) {
        let id = RecordingId(clock::new_id());
        let start = TakeStart {
            recording: id,
            call: self.of.call,
            tenant: self.of.tenant.clone(),
            started_at: self.of.started_at,
        };
        let mut take = match self.recorder.begin(start) {
            Ok(take) => take,
            Err(error) => {
                if let State::Held(_) = self.state {
                    error!(call = %self.of.call, %error, "the call is not recorded: trying on");
                    self.log.send(CallEvent::RecordingFailed {
                        recording: id,
                        error: error.to_string(),
                    });
                }
                self.state = State::Refused {
                    since: hold.first().unwrap_or(at),
                    again_at: now + BEGIN_AGAIN_AFTER,
                };
                return;
            }
        };
        info!(call = %self.of.call, recording = %id, "recording begins");
        if let Some(Pause { since, by }) = pause {
            // before anything is written: a crash in between leaves nothing that was paused
            take.pause(*since, by, self.nobody_waits());
        }
        for (party, name) in &self.names {
            take.name(*party, name);
        }
        hold.release(&mut *take, pause.map(|pause| pause.since), at);
        self.log.send(CallEvent::RecordingStarted {
            recording: id,
            started_at: self.of.started_at,
        });
        self.state = State::Recording(Recording {
            id,
            take,
            degraded: false,
        });
    }
}

impl Recording {
    fn tell_health(&mut self, log: &EventLog) {
        let degraded = self.take.is_degraded();
        if degraded != self.degraded {
            self.degraded = degraded;
            log.send(CallEvent::RecordingDegraded {
                recording: self.id,
                degraded,
            });
        }
    }

    fn end(mut self, at: MediaTime, log: &EventLog) {
        self.tell_health(log);
        self.take.end(at);
        log.send(CallEvent::RecordingEnded { recording: self.id });
    }
}

#[cfg(test)]
mod tests;
