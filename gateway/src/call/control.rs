//! What the control plane asks of a call.

use sidetone_fleet::CommandRequest;
use sidetone_fleet::take::Durable;
use sidetone_service::clock;
use sidetone_wire::{Command, CommandError, MonitorRoom, Reply};

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
                Ok(Reply::Done)
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
            | Command::WatchLevels { .. }
            | Command::PauseRecording { .. }
            | Command::ResumeRecording { .. }
            | Command::StopRecording { .. }
            | Command::EraseTakes { .. }
            | Command::UnlistenAll { .. }
            | Command::RoomChanged { .. } => Err(CommandError::NoHolder),
        };
        request.answer(done);
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
