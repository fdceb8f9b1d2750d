//! What agents tell of what was said in the room.

use std::time::Instant;

use sidetone_room::{Text, Transcription};

use super::{Ongoing, Tap};
use crate::recognise::Told;
use crate::sink::{Carrier, Version};

const SEGMENT: &str = "lk.segment_id";
const TRACK: &str = "lk.transcribed_track_id";
const FINAL: &str = "lk.transcription_final";

impl Tap {
    /// A text stream: of an agent's own words one for each utterance, whose last word is at its
    /// end (`whole`); of others' one for each version.
    pub(super) fn handle_text(&mut self, text: &Text, whole: bool, now: Instant) {
        let attribute = |name| text.attributes.get(name).map(String::as_str);
        let is_final = whole && attribute(FINAL) == Some("true");
        let track = attribute(TRACK).unwrap_or_default();
        // a hidden sender has no identity: the track says whose words they are
        let version = |speaker, party| Version {
            carrier: Carrier::Stream,
            speaker,
            party,
            id: attribute(SEGMENT).unwrap_or(&text.id),
            text: &text.text,
            is_final,
            span: None,
            confidence: None,
        };
        let Some(speaker) = self.speaker(&text.from, track) else {
            return;
        };
        let (Some(party), Some(Ongoing { live, .. })) =
            (self.life.party_of(&speaker), &mut self.ongoing)
        else {
            return;
        };
        live.handle_version(&version(&speaker, party), now, &self.shard.shared);
    }

    /// A packet of the older kind.
    pub(super) fn handle_transcription(&mut self, said: &Transcription, now: Instant) {
        let Some(speaker) = self.speaker(&said.identity, &said.track_sid) else {
            return;
        };
        let (Some(party), Some(Ongoing { live, .. })) =
            (self.life.party_of(&speaker), &mut self.ongoing)
        else {
            return;
        };
        for segment in &said.segments {
            let version = Version {
                carrier: Carrier::Packet,
                speaker: &speaker,
                party,
                id: &segment.id,
                text: &segment.text,
                is_final: segment.last,
                span: None,
                confidence: None,
            };
            live.handle_version(&version, now, &self.shard.shared);
        }
    }

    /// What the recogniser of a party's sound understood.
    pub(super) fn handle_told(&mut self, told: Told, now: Instant) {
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        let speaker = match &told {
            Told::Said(said) => live.source.sid_in(said.lane),
            Told::Trouble { .. } => None,
        };
        let speaker = speaker.and_then(|sid| self.life.owner_of(sid));
        live.handle_told(told, speaker, now, &self.shard.shared);
    }

    /// Who said it: whose track it is, or else whoever it is said of.
    fn speaker(&self, identity: &str, track: &str) -> Option<String> {
        let owner = self.life.owner_of(track).unwrap_or(identity);
        (!owner.is_empty()).then(|| owner.to_owned())
    }
}
