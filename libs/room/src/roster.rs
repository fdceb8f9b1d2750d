//! Who is in the room: participant updates in, what changed out.

use std::collections::HashMap;

use livekit_protocol as proto;
use proto::participant_info::State;

use crate::event::Event;
use crate::model::{Participant, Track};

#[derive(Default)]
pub(crate) struct Roster {
    /// By identity.
    present: HashMap<String, Known>,
}

struct Known {
    version: u32,
    participant: Participant,
}

impl Roster {
    pub(crate) fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.present.values().map(|known| &known.participant)
    }

    pub(crate) fn identity_of(&self, sid: &str) -> Option<&str> {
        self.participants()
            .find(|p| p.sid == sid)
            .map(|p| p.identity.as_str())
    }

    /// An update about somebody else. Old news (a lower version of the same session) is nothing.
    pub(crate) fn handle_update(
        &mut self,
        info: &proto::ParticipantInfo,
        out: &mut impl Extend<Event>,
    ) {
        let known = self.present.get(&info.identity);
        let same_session = known.is_some_and(|k| k.participant.sid == info.sid);
        if info.state() == State::Disconnected {
            if same_session && let Some(known) = self.present.remove(&info.identity) {
                gone(known.participant, out);
            }
            return;
        }
        if same_session && known.is_some_and(|k| info.version < k.version) {
            return;
        }
        if !same_session && let Some(former) = self.present.remove(&info.identity) {
            gone(former.participant, out);
        }
        let now = Participant::from(info);
        match self.present.get_mut(&info.identity) {
            None => {
                out.extend([Event::ParticipantJoined(now.clone())]);
                out.extend(
                    now.tracks
                        .iter()
                        .map(|track| published(&now.identity, track)),
                );
                let known = Known {
                    version: info.version,
                    participant: now,
                };
                self.present.insert(info.identity.clone(), known);
            }
            Some(known) => {
                let before = std::mem::replace(&mut known.participant, now);
                known.version = info.version;
                changed(&before, &known.participant, out);
            }
        }
    }
}

fn published(identity: &str, track: &Track) -> Event {
    Event::TrackPublished {
        identity: identity.to_owned(),
        track: track.clone(),
    }
}

fn unpublished(identity: &str, track: Track) -> Event {
    Event::TrackUnpublished {
        identity: identity.to_owned(),
        track,
    }
}

fn gone(participant: Participant, out: &mut impl Extend<Event>) {
    let tracks = participant.tracks.clone();
    out.extend(
        tracks
            .into_iter()
            .map(|track| unpublished(&participant.identity, track)),
    );
    out.extend([Event::ParticipantLeft(participant)]);
}

fn changed(before: &Participant, now: &Participant, out: &mut impl Extend<Event>) {
    let identity = &now.identity;
    for track in &before.tracks {
        if !now.tracks.iter().any(|t| t.sid == track.sid) {
            out.extend([unpublished(identity, track.clone())]);
        }
    }
    for track in &now.tracks {
        match before.tracks.iter().find(|t| t.sid == track.sid) {
            None => out.extend([published(identity, track)]),
            Some(old) if old.muted != track.muted => out.extend([Event::TrackMuted {
                identity: identity.clone(),
                sid: track.sid.clone(),
                muted: track.muted,
            }]),
            Some(_) => {}
        }
    }
    let same = before.name == now.name
        && before.metadata == now.metadata
        && before.attributes == now.attributes
        && before.permission == now.permission
        && before.kind == now.kind;
    if !same {
        out.extend([Event::ParticipantChanged(now.clone())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(sid: &str, version: u32, tracks: &[(&str, bool)]) -> proto::ParticipantInfo {
        let track = |(sid, muted): &(&str, bool)| proto::TrackInfo {
            sid: (*sid).to_owned(),
            muted: *muted,
            ..Default::default()
        };
        proto::ParticipantInfo {
            sid: sid.to_owned(),
            identity: "caller".to_owned(),
            state: State::Active as i32,
            version,
            tracks: tracks.iter().map(track).collect(),
            ..Default::default()
        }
    }

    fn words(roster: &mut Roster, info: &proto::ParticipantInfo) -> Vec<String> {
        let mut out = Vec::new();
        roster.handle_update(info, &mut out);
        out.iter()
            .map(|event| match event {
                Event::ParticipantJoined(_) => "joined".to_owned(),
                Event::ParticipantLeft(_) => "left".to_owned(),
                Event::ParticipantChanged(_) => "changed".to_owned(),
                Event::TrackPublished { track, .. } => format!("+{}", track.sid),
                Event::TrackUnpublished { track, .. } => format!("-{}", track.sid),
                Event::TrackMuted { sid, muted, .. } => format!("{sid} muted={muted}"),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn only_what_changed_is_reported() {
        let mut roster = Roster::default();
        assert_eq!(words(&mut roster, &info("PA_1", 1, &[])), ["joined"]);
        assert_eq!(
            words(&mut roster, &info("PA_1", 2, &[("TR_1", false)])),
            ["+TR_1"]
        );
        assert_eq!(
            words(&mut roster, &info("PA_1", 3, &[("TR_1", true)])),
            ["TR_1 muted=true"]
        );
        assert!(words(&mut roster, &info("PA_1", 3, &[("TR_1", true)])).is_empty());
        assert_eq!(
            words(&mut roster, &info("PA_1", 4, &[("TR_2", false)])),
            ["-TR_1", "+TR_2"]
        );
        assert!(
            words(&mut roster, &info("PA_1", 3, &[("TR_1", true)])).is_empty(),
            "old news"
        );
        let mut named = info("PA_1", 5, &[("TR_2", false)]);
        named.name = "Ada".into();
        assert_eq!(words(&mut roster, &named), ["changed"]);
    }

    #[test]
    fn a_new_session_of_an_identity_replaces_the_former() {
        let mut roster = Roster::default();
        words(&mut roster, &info("PA_1", 7, &[("TR_1", false)]));
        assert_eq!(
            words(&mut roster, &info("PA_2", 1, &[("TR_2", false)])),
            ["-TR_1", "left", "joined", "+TR_2"]
        );
        let mut late = info("PA_1", 8, &[]);
        late.state = State::Disconnected as i32;
        assert!(
            words(&mut roster, &late).is_empty(),
            "the former session's end is no news"
        );
        assert_eq!(roster.identity_of("PA_2"), Some("caller"));
    }
}
