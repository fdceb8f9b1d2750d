//! Having a call at its upstream: the listener becomes a party, and says what a supervisor says.
//!
//! There is no way back: the upstream's agent is gone from the moment the upstream agrees.

use std::pin::Pin;
use std::time::{Duration, Instant};

use sidetone_fleet::CommandRequest;
use sidetone_media::{ClockRate, Codec, Packet};
use sidetone_room::{LocalTrack, PublishOptions, Room};
use sidetone_wire::Seat;

use crate::call::Holding;
use crate::forwarding::Forwarding;

/// A customer who is gone for so long does not come back.
const ALONE_FOR: Duration = Duration::from_secs(2);

/// Asks the upstream for the call; the error is for people.
pub(super) type Reaching = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// Who wants the call, and who waits for the answer.
pub(super) struct Wish {
    pub(super) seat: Seat,
    pub(super) holding: Holding,
    pub(super) request: CommandRequest,
}

/// Whether the call is ours.
pub(super) enum Hand {
    /// It is the upstream's agent's.
    Empty,
    /// The upstream is asked for it.
    Reaching(Reaching, Box<Wish>),
    /// It is.
    Full(Box<Mouth>),
}

/// A microphone in the upstream's room.
pub(super) struct Mouth {
    forwarding: Forwarding,
    track: Option<LocalTrack>,
    /// It takes packets.
    ready: bool,
    /// Answered once it does.
    wish: Option<Wish>,
    alone_since: Option<Instant>,
}

impl Hand {
    /// Whether the call is ours.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// The upstream's answer; never while it is not asked. Cancel-safe.
    pub(super) async fn reached(&mut self) -> Result<(), String> {
        match self {
            Self::Reaching(reaching, _) => reaching.await,
            Self::Empty | Self::Full(_) => std::future::pending().await,
        }
    }

    /// The upstream answered: gives the wish back if it was a no.
    pub(super) fn handle_reached(&mut self, agreed: bool) -> Option<Wish> {
        match std::mem::replace(self, Self::Empty) {
            Self::Reaching(_, wish) if agreed => {
                *self = Self::Full(Box::new(Mouth::new(*wish)));
                None
            }
            Self::Reaching(_, wish) => Some(*wish),
            other @ (Self::Empty | Self::Full(_)) => {
                *self = other;
                None
            }
        }
    }

    /// A track of ours was refused: another one is tried.
    pub(super) fn handle_failed(&mut self, track: LocalTrack) {
        if let Self::Full(mouth) = self
            && mouth.track == Some(track)
        {
            (mouth.track, mouth.ready) = (None, false);
        }
    }
}

impl Mouth {
    fn new(wish: Wish) -> Self {
        Self {
            forwarding: Forwarding::new(ClockRate::OPUS),
            track: None,
            ready: false,
            wish: Some(wish),
            alone_since: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Publishes the track, once we may.
    pub(super) fn announce(&mut self, room: &mut Room) {
        if self.track.is_none() && room.local().permission.can_publish {
            self.track = Some(room.publish(PublishOptions::opus("supervisor")));
        }
    }

    /// A track of ours takes packets; gives who waited for that.
    pub(super) fn handle_published(&mut self, track: LocalTrack) -> Option<Wish> {
        if self.track != Some(track) {
            return None;
        }
        self.ready = true;
        self.forwarding.resume();
        self.wish.take()
    }

    /// The room announces it again by itself.
    pub(super) fn handle_rejoined(&mut self) {
        self.ready = false;
    }

    /// Sends a packet on; `false` if it cannot be.
    pub(super) fn say(&mut self, room: &mut Room, packet: &Packet) -> bool {
        let Some(track) = self.track.filter(|_| self.ready) else {
            return false;
        };
        if packet.codec != Codec::Opus {
            return false;
        }
        let Some(out) = self.forwarding.rewrite(packet) else {
            return false;
        };
        let written = room.write(track, out);
        room.flush();
        written
    }

    /// Whether the customer is there; gives since when not, if that is for good.
    pub(super) fn handle_company(&mut self, there: bool, now: Instant) -> Option<Instant> {
        if there {
            self.alone_since = None;
            return None;
        }
        let since = *self.alone_since.get_or_insert(now);
        (now >= since + ALONE_FOR).then_some(since)
    }
}
