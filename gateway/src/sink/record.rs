//! Keeps a call.

use std::sync::Arc;

use sidetone_fleet::EventLog;
use sidetone_fleet::take::{Recorder, Take, TakeStart};
use sidetone_media::{MediaTime, Packet};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, CallId, GapReason, Party, RecordingId, Timestamp};
use tracing::{error, info};

/// A call's take: begun with the first sound of a party, as long as the call.
pub(crate) struct Record {
    recorder: Arc<dyn Recorder>,
    log: EventLog,
    call: CallId,
    tenant: String,
    started_at: Timestamp,
    names: Vec<(Party, String)>,
    state: State,
}

enum State {
    /// Nobody was heard yet.
    Silent,
    Recording(Box<dyn Take>),
    Failed,
}

impl Record {
    /// For a call whose time begins at `started_at`.
    pub(crate) fn new(
        recorder: Arc<dyn Recorder>,
        log: EventLog,
        call: CallId,
        tenant: Option<&str>,
        started_at: Timestamp,
    ) -> Self {
        let tenant = tenant.unwrap_or("default").to_owned();
        Self {
            recorder,
            log,
            call,
            tenant,
            started_at,
            names: Vec::new(),
            state: State::Silent,
        }
    }

    pub(crate) fn write(&mut self, party: Party, packet: &Packet) {
        match (&mut self.state, party) {
            (State::Recording(take), Party::Customer | Party::Agent) => take.write(party, packet),
            (State::Silent, Party::Customer | Party::Agent) => {
                self.begin();
                if let State::Recording(take) = &mut self.state {
                    take.write(party, packet);
                }
            }
            (State::Failed, _) | (_, Party::Supervisor) => {}
        }
    }

    /// Says who is on a channel.
    pub(crate) fn name(&mut self, party: Party, name: &str) {
        if party == Party::Supervisor || name.is_empty() {
            return;
        }
        match self.names.iter_mut().find(|(known, _)| *known == party) {
            Some((_, known)) if known == name => return,
            Some((_, known)) => name.clone_into(known),
            None => self.names.push((party, name.to_owned())),
        }
        if let State::Recording(take) = &mut self.state {
            take.name(party, name);
        }
    }

    /// Marks a stretch in which the call was not heard.
    pub(crate) fn gap(&mut self, from: MediaTime, to: MediaTime) {
        if let State::Recording(take) = &mut self.state
            && from < to
        {
            take.gap(from, to, GapReason::Disconnected);
        }
    }

    /// The call is over, or goes on without us.
    pub(crate) fn end(self, at: MediaTime) {
        if let State::Recording(take) = self.state {
            take.end(at);
        }
    }

    fn begin(&mut self) {
        let recording = RecordingId(clock::new_id());
        let start = TakeStart {
            recording,
            call: self.call,
            tenant: self.tenant.clone(),
            started_at: self.started_at,
        };
        let log = self.log.clone();
        let outcome = Box::new(move |result| {
            log.send(match result {
                Ok(manifest) => CallEvent::RecordingStored(manifest),
                Err(error) => failed(recording, &error),
            });
        });
        match self.recorder.begin(start, outcome) {
            Ok(mut take) => {
                info!(call = %self.call, %recording, "recording begins");
                for (party, name) in &self.names {
                    take.name(*party, name);
                }
                let started_at = self.started_at;
                self.log.send(CallEvent::RecordingStarted {
                    recording,
                    started_at,
                });
                self.state = State::Recording(take);
            }
            Err(error) => {
                error!(call = %self.call, %error, "the call is not recorded");
                self.log.send(failed(recording, &error));
                self.state = State::Failed;
            }
        }
    }
}

fn failed(recording: RecordingId, error: &sidetone_fleet::take::TakeError) -> CallEvent {
    CallEvent::RecordingFailed {
        recording,
        error: error.to_string(),
    }
}
