//! What the control plane asks of a call.

use sidetone_fleet::CommandRequest;
use sidetone_fleet::take::Durable;
use sidetone_service::clock;
use sidetone_wire::{self as wire, CallEvent, Command, CommandError, MonitorRoom, Reply};
use tracing::warn;

use super::errands::Errand;
use super::floor::{Output, Wish};
use super::{Live, Tap};
use crate::shard::Shard;
use crate::sink;

impl Tap {
    /// Carries out a command, or sees to its being answered once it is.
    pub(super) fn handle_command(&mut self, request: CommandRequest) {
        let Some(live) = &mut self.live else {
            return request.answer(Err(CommandError::NoHolder));
        };
        let now = clock::now();
        let at = live.source.at(now);
        let done = match request.command.clone() {
            Command::Listen { call, monitor } if call == live.call => {
                Ok(live.listen(&monitor, &self.shard))
            }
            Command::Unlisten { call, monitor } if call == live.call => {
                live.bus.remove_listener(&monitor);
                if let Some(monitor) = live.voices.remove(&monitor) {
                    self.supervisor_lost(monitor);
                }
                Ok(Reply::Done)
            }
            Command::Talk { call, seat, mode } if call == live.call => {
                return live.voices.speak(&seat, mode, request);
            }
            Command::SetFloor { call, floor } if call == live.call => {
                return self.set_floor(&floor, request);
            }
            Command::EndCall { call } if call == live.call => {
                return self.errands.run(Errand::End(request));
            }
            Command::WatchLevels { call } if call == live.call => {
                live.bus.level.watch(now);
                Ok(Reply::Done)
            }
            Command::PauseRecording { call, by } if call == live.call => {
                return live.bus.pause(at, &by, answering(request));
            }
            Command::ResumeRecording { call } if call == live.call => {
                return live.bus.resume(at, answering(request));
            }
            Command::StopRecording { call, erase } if call == live.call => {
                live.bus.stop(at, erase);
                Ok(Reply::Done)
            }
            Command::Listen { .. }
            | Command::Unlisten { .. }
            | Command::Talk { .. }
            | Command::SetFloor { .. }
            | Command::EndCall { .. }
            | Command::WatchLevels { .. }
            | Command::PauseRecording { .. }
            | Command::ResumeRecording { .. }
            | Command::StopRecording { .. }
            | Command::EraseTakes { .. }
            | Command::UnlistenAll { .. }
            | Command::Hear(_)
            | Command::CallOver { .. }
            | Command::RoomChanged { .. } => Err(CommandError::NoHolder),
        };
        request.answer(done);
    }

    /// Gives the call to whom it belongs now.
    fn set_floor(&mut self, floor: &wire::Floor, request: CommandRequest) {
        let Some(live) = &mut self.live else {
            return request.answer(Err(CommandError::NoHolder));
        };
        let wish = Wish {
            held: floor.holder.is_some(),
            muted: floor.muted.clone(),
        };
        let by = floor.holder.as_ref().map(|seat| seat.name.as_str());
        live.voices.name_holder(by);
        self.floor.set(wish, floor.restore, clock::now());
        self.silence();
        if let Some(live) = &mut self.live {
            live.voices.set_holder(floor.holder.as_ref(), request);
        }
    }

    /// Asks the server for what the floor asks for.
    pub(super) fn silence(&mut self) {
        while let Some(output) = self.floor.poll_output() {
            match output {
                Output::Subscribe {
                    listener,
                    sids,
                    subscribe,
                } => self.errands.run(Errand::Subscribe {
                    identity: listener,
                    sids,
                    subscribe,
                }),
                Output::Mute {
                    identity,
                    sid,
                    muted,
                } => self.errands.run(Errand::Mute {
                    identity,
                    sid,
                    muted,
                }),
                Output::Tell { identity, paused } => {
                    if let Some(live) = &mut self.live {
                        live.voices.tell(&identity, paused);
                    }
                }
            }
        }
    }

    /// Whoever had the call can no longer be heard: the agent is, before anybody else decides.
    pub(super) fn supervisor_lost(&mut self, monitor: MonitorRoom) {
        let Some(live) = &mut self.live else { return };
        warn!(call = %live.call, room = monitor.room, "a supervisor is lost: the agent has the call");
        live.voices.name_holder(None);
        live.log.send(CallEvent::SupervisorLost {
            user: monitor.user,
            room: monitor.room,
        });
        let wish = Wish {
            held: false,
            ..self.floor.wish().clone()
        };
        self.floor.set(wish, false, clock::now());
        self.silence();
    }

    /// Nobody is silenced by us any more.
    pub(super) fn hear_everybody(&mut self) {
        self.floor.set(Wish::default(), false, clock::now());
        self.silence();
    }
}

impl Live {
    fn listen(&mut self, monitor: &MonitorRoom, shard: &Shard) -> Reply {
        let call = self.call;
        let make = || sink::Monitor::new(call, shard.monitors.grant(monitor));
        self.bus.add_listener(monitor, make);
        Reply::Listening {
            tracks: sink::track_names(call, &self.bus.lanes),
        }
    }
}

/// Answers a command when what it asks for is on disk, or cannot be.
fn answering(request: CommandRequest) -> Durable {
    Box::new(move |durable| {
        request.answer(match durable {
            Ok(()) => Ok(Reply::Done),
            Err(error) => Err(CommandError::Failed {
                detail: error.to_string(),
            }),
        });
    })
}
