//! A hidden connection to a monitor room that hears the supervisor's microphone.

use std::sync::Arc;
use std::task::{Context, Poll};

use sidetone_room::token::Token;
use sidetone_room::{Closed, Event, Options, RtpIn, Source, TokenSource};
use sidetone_service::random;
use sidetone_wire::MonitorRoom;

use super::line::{Happened, Line};
use crate::Shared;

/// What is heard.
pub(super) enum Heard {
    /// Nothing to speak of.
    Nothing,
    /// The supervisor is there.
    Here,
    /// Packets of their microphone carry this number.
    Track { sid: String, number: u32 },
    /// Their microphone is gone.
    Gone { sid: String },
    /// They switched it off or on.
    Muted(bool),
    /// Something they said.
    Packet(RtpIn),
}

/// See the module.
pub(super) struct Ear {
    line: Line,
    /// Whose microphone.
    listener: String,
    /// The newest one that was published.
    track: Option<String>,
    joined: bool,
}

impl Ear {
    pub(super) fn new(shared: &Arc<Shared>, monitor: &MonitorRoom) -> Self {
        let (credentials, room) = (shared.sfu().credentials.clone(), monitor.room.clone());
        let number = random::u64() as u32;
        let token: TokenSource = Arc::new(move |attempt| {
            let identity = format!("gateway-ear-{number:08x}-{attempt}");
            Token::tap(&room, &identity)
                .sign(&credentials)
                .map_err(|error| error.to_string())
        });
        let mut options = Options::with_token_source(&shared.sfu().url, token);
        options.pacer = shared.pacer.clone();
        Self {
            line: Line::new(options),
            listener: monitor.listener.clone(),
            track: None,
            joined: false,
        }
    }

    /// Whether a microphone would be heard.
    pub(super) fn is_ready(&self) -> bool {
        self.joined
    }

    /// Whether there is a microphone.
    pub(super) fn hears(&self) -> bool {
        self.track.is_some()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        self.line.poll(cx).map(|happened| match happened {
            Happened::Joined => {
                self.joined = true;
                Heard::Nothing
            }
            Happened::Event(event) => self.handle_event(event),
        })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "nothing else is heard of a microphone"
    )]
    fn handle_event(&mut self, event: Event) -> Heard {
        match event {
            Event::Packet(packet) => Heard::Packet(packet),
            Event::ParticipantJoined(who) if who.identity == self.listener => Heard::Here,
            Event::ParticipantLeft(who) if who.identity == self.listener => self.gone(),
            Event::TrackPublished { identity, track } => {
                let microphone = track.audio && track.source == Source::Microphone;
                if identity != self.listener || !microphone {
                    return Heard::Nothing;
                }
                let former = self.track.replace(track.sid.clone());
                if let Some(room) = self.line.room() {
                    if let Some(former) = &former {
                        room.unsubscribe(former);
                    }
                    room.subscribe(&track.sid);
                }
                former.map_or(Heard::Nothing, |sid| Heard::Gone { sid })
            }
            Event::TrackUnpublished { track, .. } if self.is(&track.sid) => self.gone(),
            Event::TrackMuted { sid, muted, .. } if self.is(&sid) => Heard::Muted(muted),
            Event::Subscribed { track, sid } if self.is(&sid) => {
                Heard::Track { sid, number: track }
            }
            Event::Rejoined { .. } => self.gone(),
            Event::Closed(why) => {
                self.joined = matches!(why, Closed::Left);
                self.gone()
            }
            _ => Heard::Nothing,
        }
    }

    fn is(&self, sid: &str) -> bool {
        self.track.as_deref() == Some(sid)
    }

    fn gone(&mut self) -> Heard {
        match self.track.take() {
            Some(sid) => Heard::Gone { sid },
            None => Heard::Nothing,
        }
    }

    pub(super) fn leave(self) {
        self.line.leave();
    }
}
