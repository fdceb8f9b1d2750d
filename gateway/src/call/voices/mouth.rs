//! A supervisor's visible connection to a call: `coach` for the agents, `talk` for everybody.
//!
//! **Invariant**: nobody but agents is ever permitted `coach`. The permission of the agents is
//! said before the track is announced, and permissions are only extended, unless an agent turns
//! out to be something else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use sidetone_media::{ClockRate, Codec, Packet};
use sidetone_room::token::Token;
use sidetone_room::{Audience, Event, Kind, LocalTrack, Options, PublishOptions, TokenSource};
use sidetone_service::random;
use sidetone_wire::{Party, Seat};
use tracing::{info, warn};

use super::line::{Happened, Line};
use super::microphone::Route;
use crate::Shared;
use crate::call::errands::{Errand, Errands};
use crate::call::parties;
use crate::forwarding::Forwarding;

/// People who are permitted to hear a supervisor: larger than any call.
const PERMITTED: usize = 1024;

/// One outgoing track.
struct Outgoing {
    track: LocalTrack,
    forwarding: Forwarding,
    sid: Option<String>,
}

/// See the module.
pub(super) struct Mouth {
    line: Line,
    errands: Errands,
    /// Coach and talk, once announced.
    tracks: Option<[Outgoing; 2]>,
    last: Option<Route>,
    /// By identity: everybody who was ever there.
    heard_by: BTreeMap<String, Party>,
}

impl Mouth {
    pub(super) fn new(shared: &Arc<Shared>, room: &str, seat: &Seat, errands: Errands) -> Self {
        let (credentials, room) = (shared.sfu().credentials.clone(), room.to_owned());
        let (number, name) = (random::u64() as u32, seat.name.clone());
        let user = seat.monitor.user.to_string();
        let token: TokenSource = Arc::new(move |attempt| {
            let identity = match attempt {
                0 => format!("supervisor-{number:08x}"),
                again => format!("supervisor-{number:08x}-{again}"),
            };
            // of kind agent: it keeps no room open, and no agent takes it for the customer
            Token::publisher(&room, &identity)
                .kind(Kind::Agent)
                .name(&name)
                .attribute("sidetone.party", Party::Supervisor.as_str())
                .attribute(parties::ROLE, parties::VOICE)
                .attribute("sidetone.user", &user)
                .sign(&credentials)
                .map_err(|error| error.to_string())
        });
        let mut options = Options::with_token_source(&shared.sfu().url, token);
        options.pacer = shared.pacer.clone();
        options.audience = Audience::Only(Vec::new());
        Self {
            line: Line::new(options),
            errands,
            tracks: None,
            last: None,
            heard_by: BTreeMap::new(),
        }
    }

    /// Whether what is said now reaches whom it should.
    pub(super) fn is_ready(&self) -> bool {
        let tracks = self.tracks.as_ref();
        tracks.is_some_and(|tracks| tracks.iter().all(|track| track.sid.is_some()))
    }

    /// Takes in what happened; `true` if there was something.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        match self.line.poll(cx) {
            Poll::Pending => false,
            Poll::Ready(Happened::Joined) => {
                self.joined();
                true
            }
            Poll::Ready(Happened::Event(event)) => {
                self.handle_event(event);
                true
            }
        }
    }

    /// Who is there is known: the agents are permitted, and the tracks announced.
    fn joined(&mut self) {
        let Some(room) = self.line.room() else { return };
        let there: Vec<_> = room.participants().cloned().collect();
        for who in there {
            self.permit(&who);
        }
        self.say_audience();
        let Some(room) = self.line.room() else { return };
        info!(
            identity = room.local().identity,
            "a supervisor is in the call"
        );
        self.tracks = Some(["coach", "talk"].map(|name| Outgoing {
            track: room.publish(PublishOptions::opus(name)),
            forwarding: Forwarding::new(ClockRate::OPUS),
            sid: None,
        }));
        self.last = None;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the call's tap looks at everything else"
    )]
    fn handle_event(&mut self, event: Event) {
        match event {
            Event::ParticipantJoined(who) | Event::ParticipantChanged(who) if self.permit(&who) => {
                self.say_audience();
            }
            Event::Published { track, sid } => self.published(track, sid),
            Event::PublishFailed { reason, .. } => {
                warn!(reason, "a supervisor's track is not published");
            }
            Event::Rejoined { .. } => self.unpublished(),
            Event::Closed(_) => self.tracks = None,
            _ => {}
        }
    }

    /// The room announces the tracks again by itself.
    fn unpublished(&mut self) {
        for track in self.tracks.iter_mut().flatten() {
            track.sid = None;
        }
    }

    fn published(&mut self, track: LocalTrack, sid: String) {
        let known = self.tracks.iter_mut().flatten();
        let Some(known) = known.into_iter().find(|known| known.track == track) else {
            return;
        };
        known.sid = Some(sid.clone());
        // those who are permitted one track by its sid can be named now
        self.say_audience();
        if let Some(room) = self.line.room() {
            let identity = room.local().identity.clone();
            self.errands.run(Errand::TryUnmute { identity, sid });
        }
    }

    /// Permits somebody what their party may hear; `true` if that is news.
    fn permit(&mut self, who: &sidetone_room::Participant) -> bool {
        let party = parties::party(who);
        if parties::is_invisible(who) || self.heard_by.get(&who.identity) == Some(&party) {
            return false;
        }
        if self.heard_by.len() >= PERMITTED && !self.heard_by.contains_key(&who.identity) {
            return false;
        }
        self.heard_by.insert(who.identity.clone(), party);
        true
    }

    fn say_audience(&mut self) {
        let talk = self.tracks.as_ref().map(|[_, talk]| talk.track);
        let (mut all, mut some) = (Vec::new(), Vec::new());
        for (identity, party) in &self.heard_by {
            match party {
                Party::Agent => all.push(identity.clone()),
                Party::Customer => {
                    some.push((identity.clone(), talk.into_iter().collect::<Vec<_>>()));
                }
                Party::Supervisor => {}
            }
        }
        if let Some(room) = self.line.room() {
            room.set_audience(Audience::Mixed { all, some });
        }
    }

    /// Sends a packet on; `false` if it cannot be.
    pub(super) fn say(&mut self, route: Route, packet: &Packet) -> bool {
        let Some(tracks) = &mut self.tracks else {
            return false;
        };
        let outgoing = match route {
            Route::Coach => &mut tracks[0],
            Route::Talk => &mut tracks[1],
        };
        if packet.codec != Codec::Opus || outgoing.sid.is_none() {
            return false;
        }
        if self.last != Some(route) {
            // what was said on the other track, or to nobody, is no loss on this one
            outgoing.forwarding.resume();
            self.last = Some(route);
        }
        let Some(out) = outgoing.forwarding.rewrite(packet) else {
            return false;
        };
        let track = outgoing.track;
        let Some(room) = self.line.room() else {
            return false;
        };
        let written = room.write(track, out);
        room.flush();
        written
    }

    /// Nothing is said now.
    pub(super) fn pause(&mut self) {
        self.last = None;
    }

    pub(super) fn leave(self) {
        self.line.leave();
    }
}
