//! Who is in the room, and which party of the call each is.

use std::collections::HashMap;

use sidetone_room::{Kind, Participant};
use sidetone_wire::{Party, Timestamp};

/// Participants that are known at once: larger than any call. Further ones are not parties.
const PARTICIPANTS: usize = 10_000;

/// The attribute that says what a participant of ours is for, and its word for a voice.
pub(super) const ROLE: &str = "sidetone.role";
pub(super) const VOICE: &str = "voice";

/// A participant as the call sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) identity: String,
    pub(crate) name: Option<String>,
    pub(crate) party: Party,
    /// On the server's clock, if it says so.
    pub(crate) joined_at: Option<Timestamp>,
    /// Telephone, for SIP participants.
    pub(crate) number: Option<String>,
    /// The number of ours that the trunk stands for.
    pub(crate) trunk_number: Option<String>,
    /// A dispatch rule let it in: it called us.
    pub(crate) dispatched: bool,
    /// A supervisor's voice, which comes from us.
    pub(crate) voice: bool,
}

impl Person {
    pub(super) fn new(participant: &Participant) -> Self {
        let attribute = |key: &str| {
            participant
                .attributes
                .get(key)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        Self {
            identity: participant.identity.clone(),
            name: Some(participant.name.clone()).filter(|name| !name.is_empty()),
            party: party(participant),
            joined_at: Some(participant.joined_unix_ms)
                .filter(|ms| *ms > 0)
                .map(Timestamp::from_unix_ms),
            number: attribute("sip.phoneNumber"),
            trunk_number: attribute("sip.trunkPhoneNumber"),
            dispatched: attribute("sip.ruleID").is_some(),
            voice: participant
                .attributes
                .get(ROLE)
                .is_some_and(|role| role == VOICE),
        }
    }
}

/// What a participant is to the call (DESIGN, the media path).
pub(super) fn party(participant: &Participant) -> Party {
    let said = participant
        .attributes
        .get("sidetone.party")
        .and_then(|word| word.parse().ok());
    said.unwrap_or(match participant.kind {
        Kind::Agent => Party::Agent,
        Kind::Sip | Kind::Standard | Kind::Ingress | Kind::Egress => Party::Customer,
    })
}

/// Whether participants do not see it.
pub(super) fn is_invisible(participant: &Participant) -> bool {
    participant.permission.hidden || participant.kind == Kind::Egress
}

/// Everybody in the room whom participants can see.
#[derive(Debug, Default)]
pub(crate) struct Parties(HashMap<String, Person>);

impl Parties {
    /// Somebody is there, or something about them changed; `true` if that makes them another
    /// party.
    pub(crate) fn put(&mut self, participant: &Participant) -> bool {
        let known = self.0.contains_key(&participant.identity);
        if is_invisible(participant) || (!known && self.0.len() >= PARTICIPANTS) {
            return false;
        }
        let person = Person::new(participant);
        let party = person.party;
        let before = self.0.insert(participant.identity.clone(), person);
        before.is_some_and(|before| before.party != party)
    }

    pub(crate) fn remove(&mut self, identity: &str) {
        self.0.remove(identity);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether any party of the call is there. A supervisor alone is no call.
    pub(crate) fn any(&self) -> bool {
        self.0
            .values()
            .any(|person| person.party != Party::Supervisor)
    }

    pub(crate) fn party_of(&self, identity: &str) -> Option<Party> {
        self.0.get(identity).map(|person| person.party)
    }

    /// Whether it is a supervisor's voice, which comes from us.
    pub(crate) fn is_voice(&self, identity: &str) -> bool {
        self.0.get(identity).is_some_and(|person| person.voice)
    }

    /// Who of this party has been there for longest.
    pub(crate) fn first(&self, party: Party) -> Option<&Person> {
        let of_party = self.0.values().filter(|person| person.party == party);
        of_party.min_by(|a, b| (a.joined_at, &a.identity).cmp(&(b.joined_at, &b.identity)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sidetone_room::Permission;

    /// A participant with attributes, who joined at a second after the epoch.
    pub(crate) fn participant(
        identity: &str,
        kind: Kind,
        attributes: &[(&str, &str)],
        joined_s: i64,
    ) -> Participant {
        Participant {
            sid: format!("PA_{identity}"),
            identity: identity.into(),
            name: String::new(),
            kind,
            metadata: String::new(),
            attributes: attributes
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            tracks: Vec::new(),
            permission: Permission::default(),
            joined_unix_ms: joined_s * 1000,
        }
    }

    #[test]
    fn the_attribute_says_which_party_and_else_the_kind() {
        for (kind, attribute, expected) in [
            (Kind::Sip, None, Party::Customer),
            (Kind::Standard, None, Party::Customer),
            (Kind::Agent, None, Party::Agent),
            (Kind::Standard, Some("agent"), Party::Agent),
            (Kind::Agent, Some("customer"), Party::Customer),
            (Kind::Agent, Some("nonsense"), Party::Agent),
            (Kind::Standard, Some("supervisor"), Party::Supervisor),
        ] {
            let attributes: Vec<_> = attribute
                .map(|a| ("sidetone.party", a))
                .into_iter()
                .collect();
            let one = participant("p", kind, &attributes, 1);
            assert_eq!(party(&one), expected, "{kind:?} {attribute:?}");
        }
    }

    #[test]
    fn two_thousand_participants_have_one_first_customer() {
        let mut parties = Parties::default();
        for n in (0..2000).rev() {
            parties.put(&participant(
                &format!("p-{n}"),
                Kind::Standard,
                &[],
                1000 + n,
            ));
        }
        assert_eq!(parties.first(Party::Customer).unwrap().identity, "p-0");
        parties.remove("p-0");
        assert_eq!(parties.first(Party::Customer).unwrap().identity, "p-1");
        assert!(parties.first(Party::Agent).is_none());
    }

    #[test]
    fn who_is_not_seen_is_no_party_and_there_is_a_limit() {
        let mut parties = Parties::default();
        let mut hidden = participant("hidden", Kind::Standard, &[], 1);
        hidden.permission.hidden = true;
        parties.put(&hidden);
        parties.put(&participant("egress", Kind::Egress, &[], 1));
        let supervisor = [("sidetone.party", "supervisor")];
        parties.put(&participant("supervisor-1", Kind::Standard, &supervisor, 1));
        assert!(!parties.any());
        for n in 0..PARTICIPANTS + 10 {
            parties.put(&participant(&format!("p-{n}"), Kind::Standard, &[], 1));
        }
        assert_eq!(parties.0.len(), PARTICIPANTS);
    }
}
