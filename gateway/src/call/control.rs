//! What the control plane asks of a call.

use sidetone_fleet::CommandRequest;
use sidetone_service::clock;
use sidetone_wire::{self as wire, CallEvent, Command, CommandError, MonitorRoom, Reply};
use tracing::warn;

use super::errands::Errand;
use super::floor::{Output, Wish};
use super::messages::Message;
use super::voices::Holding;
use super::{Ongoing, Tap};

impl Tap {
    /// Carries out a command, or sees to its being answered once it is.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything else is what any call does, which names each command"
    )]
    pub(super) fn handle_command(&mut self, request: CommandRequest) {
        let Some(Ongoing { live, voices }) = &mut self.ongoing else {
            return request.answer(Err(CommandError::NoHolder));
        };
        match request.command.clone() {
            Command::Unlisten { call, monitor } if call == live.call => {
                live.bus.remove_listener(&monitor);
                if let Some(monitor) = voices.remove(&monitor) {
                    self.supervisor_lost(monitor);
                }
                request.answer(Ok(Reply::Done));
            }
            Command::Talk { call, seat, mode } if call == live.call => {
                voices.speak(&seat, mode, request);
            }
            Command::SetFloor { call, floor } if call == live.call => {
                self.set_floor(&floor, request);
            }
            Command::Whisper { call, whisper } if call == live.call => {
                let (there, to) = (self.floor.is_served(), self.floor.programs());
                if !there {
                    let detail = "no agent is in the call".to_owned();
                    request.answer(Err(CommandError::Unsupported { detail }));
                } else if to.is_empty() {
                    // people read it on their screens
                    request.answer(Ok(Reply::Done));
                } else {
                    self.errands.tell(Message::whisper(to, &whisper, request));
                }
            }
            Command::EndCall { call } if call == live.call => {
                self.errands.run(Errand::End(request));
            }
            _ => live.handle_command(request, clock::now(), &self.shard),
        }
    }

    /// Gives the call to whom it belongs now.
    fn set_floor(&mut self, floor: &wire::Floor, request: CommandRequest) {
        let wish = Wish {
            held: floor.holder.is_some(),
            muted: floor.muted.clone(),
        };
        self.held_by = floor.holder.as_ref().map(|seat| seat.name.clone());
        self.summary.clone_from(&floor.summary);
        if floor.summary.is_some() {
            // who was told already that they have the call does not know what was said
            self.floor.tell_again();
        }
        self.floor.set(wish, floor.restore, clock::now());
        self.silence();
        if let Some(Ongoing { voices, .. }) = &mut self.ongoing {
            let holding = Holding {
                aside: floor.aside,
                telephone: floor.telephone,
            };
            voices.set_holder(floor.holder.as_ref(), holding, request);
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
                    let summary = self.summary.as_deref().filter(|_| !paused);
                    let by = self.held_by.as_deref();
                    let message = Message::control(&identity, paused, by, summary);
                    self.errands.tell(message);
                }
            }
        }
    }

    /// Whoever had the call can no longer be heard: the agent is, before anybody else decides.
    pub(super) fn supervisor_lost(&mut self, monitor: MonitorRoom) {
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        warn!(call = %live.call, room = monitor.room, "a supervisor is lost: the agent has the call");
        self.held_by = None;
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
