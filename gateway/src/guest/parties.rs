//! Who is who in an upstream's room, and whose tracks are tapped.

use std::time::Instant;

use sidetone_room::{Kind, Track};
use sidetone_wire::Party;

use super::Tap;
use crate::live::Live;

/// Tracks that are tapped at once: a call has two. Further ones are not heard.
const TRACKS: usize = 16;

/// Who the agent is in Retell's rooms, and what its track is called.
const AGENT: &str = "server";
const AGENT_TRACK: &str = "agent_audio";
/// How the names of those begin who listen, or have taken a call over: parties of none of it.
const LISTENER: &str = "listener_";

/// A track that is tapped.
pub(super) struct Tapped {
    pub(super) sid: String,
    pub(super) identity: String,
    pub(super) party: Party,
    pub(super) muted: bool,
}

impl Tap {
    pub(super) fn tap(&mut self, identity: String, track: &Track, now: Instant) {
        let Some(room) = &mut self.room else { return };
        let who = room.participants().find(|who| who.identity == identity);
        let kind = who.map_or(Kind::Standard, |who| who.kind);
        let known = self.tapped.iter().any(|one| one.sid == track.sid);
        let Some(party) = party(&identity, kind, &track.name).filter(|_| !known) else {
            return;
        };
        if self.tapped.len() >= TRACKS {
            return;
        }
        let Live { source, bus, .. } = &mut self.live;
        let id = source.next_id();
        let lane = bus.enter(party, id, now);
        source.add(&track.sid, id, party, lane);
        room.subscribe(&track.sid);
        self.tapped.push(Tapped {
            sid: track.sid.clone(),
            identity,
            party,
            muted: track.muted,
        });
    }

    pub(super) fn untap(&mut self, sid: &str, now: Instant) {
        self.tapped.retain(|one| one.sid != sid);
        let Live { source, bus, .. } = &mut self.live;
        if let Some(lane) = source.remove(sid) {
            source.leave_lane(bus, lane, now);
        }
    }

    pub(super) fn untap_all(&mut self, now: Instant) {
        while let Some(one) = self.tapped.pop() {
            self.untap(&one.sid, now);
        }
    }
}

/// Whose track it is; `None` when it is of no party to the call.
pub(super) fn party(identity: &str, kind: Kind, track: &str) -> Option<Party> {
    if identity.starts_with(LISTENER) {
        return None;
    }
    let agent = identity == AGENT || track == AGENT_TRACK || kind == Kind::Agent;
    Some(if agent { Party::Agent } else { Party::Customer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_known_by_its_name_its_track_or_its_kind_and_who_listens_is_no_party() {
        for (identity, kind, track, expected) in [
            ("server", Kind::Standard, "audio", Some(Party::Agent)),
            ("x", Kind::Standard, "agent_audio", Some(Party::Agent)),
            ("x", Kind::Agent, "", Some(Party::Agent)),
            ("sip_1", Kind::Sip, "microphone", Some(Party::Customer)),
            (
                "web-call_1",
                Kind::Standard,
                "microphone",
                Some(Party::Customer),
            ),
            ("listener_1", Kind::Standard, "microphone", None),
        ] {
            assert_eq!(party(identity, kind, track), expected, "{identity}");
        }
    }
}
