//! What a call asks of the server's API, one after the other: what is asked last holds.

use std::rc::Rc;
use std::time::Duration;

use sidetone_fleet::CommandRequest;
use sidetone_room::service::{Error, RoomService};
use sidetone_wire::{CommandError, Reply};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::messages::{self, Message};

/// Errands waiting at a call: what a takeover needs in a large room, several times. A further one
/// is dropped and counted as failed: whoever waits is told so and asks again.
const ERRANDS: usize = 1024;
/// A server that does not answer is asked again so often, after these waits.
pub(super) const AGAIN_AFTER: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
];

/// Something to be asked of the server.
pub(crate) enum Errand {
    /// Let a listener of a monitor room publish a microphone, or no longer.
    Microphone {
        room: String,
        identity: String,
        permitted: bool,
    },
    /// Let a participant hear tracks, or no longer.
    Subscribe {
        identity: String,
        sids: Vec<String>,
        subscribe: bool,
    },
    /// Mute a track, or unmute it, if the server can do both.
    Mute {
        identity: String,
        sid: String,
        muted: bool,
    },
    /// Find out whether the server unmutes: by a track of ours that is not muted.
    TryUnmute { identity: String, sid: String },
    /// End the room.
    End(CommandRequest),
    /// Everything before this is done.
    Answer(CommandRequest),
}

/// Where errands are handed in, and what agents are told, which waits for no errand and holds up
/// none. What is in it is done also when it is dropped.
#[derive(Clone)]
pub(crate) struct Errands {
    errands: mpsc::Sender<Errand>,
    messages: mpsc::Sender<Message>,
}

impl Errands {
    /// Starts to run errands for a room.
    pub(crate) fn start(service: RoomService, room: String) -> (Self, JoinHandle<()>) {
        let (errands, queue) = mpsc::channel(ERRANDS);
        let (messages, told) = mpsc::channel(messages::WAITING);
        let service = Rc::new(service);
        let telling = messages::run(service.clone(), room.clone(), told);
        let runner = Runner {
            service,
            room,
            unmutes: false,
            failed: None,
        };
        let running = async move {
            tokio::join!(runner.run(queue), telling);
        };
        (
            Self { errands, messages },
            tokio::task::spawn_local(running),
        )
    }

    /// Hands in something that agents are to be told.
    pub(crate) fn tell(&self, message: Message) {
        if let Err(refused) = self.messages.try_send(message) {
            warn!("a call has too much to tell its agents: one message is not sent");
            refused.into_inner().answer(Err(CommandError::Overloaded));
        }
    }

    /// Hands in an errand.
    pub(crate) fn run(&self, errand: Errand) {
        if let Err(refused) = self.errands.try_send(errand) {
            warn!("a call has too many errands: one is not run");
            match refused.into_inner() {
                Errand::End(request) | Errand::Answer(request) => {
                    request.answer(Err(CommandError::Overloaded));
                }
                Errand::Microphone { .. }
                | Errand::Subscribe { .. }
                | Errand::Mute { .. }
                | Errand::TryUnmute { .. } => {}
            }
        }
    }
}

struct Runner {
    service: Rc<RoomService>,
    room: String,
    /// The server unmutes what it muted. One that does not leaves it to the muted to be heard
    /// again: nobody is muted there.
    unmutes: bool,
    /// Why something since the last answer was not done.
    failed: Option<String>,
}

impl Runner {
    async fn run(mut self, mut queue: mpsc::Receiver<Errand>) {
        while let Some(errand) = queue.recv().await {
            match errand {
                Errand::Answer(request) => request.answer(match self.failed.take() {
                    None => Ok(Reply::Done),
                    Some(detail) => Err(CommandError::Failed { detail }),
                }),
                Errand::End(request) => {
                    let ended = self.service.delete_room(&self.room).await;
                    request.answer(match ended {
                        Ok(()) | Err(Error::NotFound(_)) => Ok(Reply::Done),
                        Err(error) => Err(CommandError::Failed {
                            detail: error.to_string(),
                        }),
                    });
                }
                Errand::TryUnmute { identity, sid } => {
                    let tried = self.service.mute(&self.room, &identity, &sid, false).await;
                    self.unmutes = tried.is_ok();
                    debug!(unmutes = self.unmutes, "whether the server unmutes");
                }
                Errand::Microphone { .. } | Errand::Subscribe { .. } | Errand::Mute { .. } => {
                    self.try_again(&errand).await;
                }
            }
        }
    }

    /// Runs an errand until the server answers.
    async fn try_again(&mut self, errand: &Errand) {
        let mut waits = AGAIN_AFTER.into_iter();
        loop {
            let error = match self.try_once(errand).await {
                // whoever is gone needs nothing
                Ok(()) | Err(Error::NotFound(_)) => return,
                Err(error) => error,
            };
            let again = matches!(error, Error::Unreachable { .. });
            let Some(wait) = waits.next().filter(|_| again) else {
                warn!(%error, "the server does not do what a call asks for");
                self.failed = Some(error.to_string());
                return;
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_once(&self, errand: &Errand) -> Result<(), Error> {
        let (service, room) = (&self.service, &self.room);
        match errand {
            Errand::Microphone {
                room,
                identity,
                permitted,
            } => service.permit_microphone(room, identity, *permitted).await,
            Errand::Subscribe {
                identity,
                sids,
                subscribe,
            } => service.subscribe(room, identity, sids, *subscribe).await,
            Errand::Mute {
                identity,
                sid,
                muted,
            } if self.unmutes => service.mute(room, identity, sid, *muted).await,
            Errand::Mute { .. } | Errand::TryUnmute { .. } | Errand::End(_) | Errand::Answer(_) => {
                Ok(())
            }
        }
    }
}
