//! Lets one supervisor hear a call.

use sidetone_media::{Codec, Packet};
use sidetone_wire::{CallId, MonitorRoom, Party};

use crate::bus::{Lane, Lanes};
use crate::forwarding::Forwarding;
use crate::monitor::{self, Key};

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is on its way.
    Queued,
    /// Its lane is not shown.
    NotShown,
    /// Its codec cannot be published.
    Unforwardable,
}

/// The right of a monitor room to hear a call: the tracks published there. Dropping it withdraws
/// them.
pub(crate) struct Monitor {
    call: CallId,
    grant: monitor::Grant,
    /// By lane.
    tracks: Vec<Option<Published>>,
}

/// One outgoing stream, the same over every change of its source.
struct Published {
    key: Key,
    codec: Codec,
    forwarding: Forwarding,
}

impl Monitor {
    pub(crate) fn new(call: CallId, grant: monitor::Grant) -> Self {
        Self {
            call,
            grant,
            tracks: Vec::new(),
        }
    }

    pub(crate) fn room(&self) -> &MonitorRoom {
        self.grant.room()
    }

    /// Whether nothing can be published there any more: the room was given up or the user's
    /// grants were taken back.
    pub(crate) fn is_closed(&self) -> bool {
        self.grant.is_closed()
    }

    /// Whether that is because the listener left.
    pub(crate) fn has_left(&self) -> bool {
        self.grant.has_left()
    }

    /// Publishes lanes that are shown and are not published, and withdraws the others.
    pub(crate) fn show(&mut self, lanes: &Lanes) {
        for (index, lane) in lanes.iter().enumerate() {
            if self.tracks.len() <= index {
                self.tracks.push(None);
            }
            let track = &mut self.tracks[index];
            if lane.owner == Some(self.grant.room().user) {
                continue; // nobody hears themselves
            }
            if lane.shown && track.is_none() {
                let name = name(self.call, lane.party, lane.ordinal);
                *track = Some(Published::new(&self.grant, name, Codec::Opus));
            } else if !lane.shown
                && let Some(withdrawn) = track.take()
            {
                self.grant.unpublish(withdrawn.key);
            }
        }
    }

    /// Whether a lane's sound goes anywhere.
    pub(crate) fn shows(&self, lane: usize) -> bool {
        matches!(self.tracks.get(lane), Some(Some(_)))
    }

    /// Sends a packet on.
    pub(crate) fn push(&mut self, lane: usize, packet: &Packet) -> Pushed {
        let Some(Some(track)) = self.tracks.get_mut(lane) else {
            return Pushed::NotShown;
        };
        if packet.codec != track.codec && !track.follow(&self.grant, packet.codec) {
            return Pushed::Unforwardable;
        }
        let Some(packet_out) = track.forwarding.rewrite(packet) else {
            return Pushed::NotShown;
        };
        self.grant.push(track.key, packet_out, packet.arrived);
        Pushed::Queued
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        for track in self.tracks.drain(..).flatten() {
            self.grant.unpublish(track.key);
        }
    }
}

impl Published {
    fn new(grant: &monitor::Grant, name: String, codec: Codec) -> Self {
        Self {
            key: grant.publish(name, codec),
            codec,
            forwarding: Forwarding::new(codec.clock_rate()),
        }
    }

    /// Publishes anew for a source with another codec; `false` if it cannot be published.
    fn follow(&mut self, grant: &monitor::Grant, codec: Codec) -> bool {
        match codec {
            Codec::Pcma | Codec::G722 | Codec::Linear16(_) => false,
            Codec::Opus | Codec::Pcmu => {
                let name = grant.unpublish(self.key).unwrap_or_default();
                *self = Self::new(grant, name, codec);
                true
            }
        }
    }
}

/// `<callId>/<party>`, and `-2` and so on for further tracks of the party.
pub(crate) fn name(call: CallId, party: Party, ordinal: u32) -> String {
    match ordinal {
        0 | 1 => format!("{call}/{party}"),
        further => format!("{call}/{party}-{further}"),
    }
}

/// The tracks that a listener of a call will find: its customer and its agent at least.
pub(crate) fn names(call: CallId, lanes: &Lanes) -> Vec<(String, Party)> {
    let always = [Party::Customer, Party::Agent].map(|party| (party, 1));
    let further = lanes
        .iter()
        .filter(|lane| lane.shown && lane.owner.is_none())
        .map(|Lane { party, ordinal, .. }| (*party, *ordinal))
        .filter(|lane| !always.contains(lane));
    let named = |(party, ordinal)| (name(call, party, ordinal), party);
    always.into_iter().chain(further).map(named).collect()
}
