//! The life of a room's calls, without a clock, a socket or a task.
//!
//! A room with nobody in it is no call. The first party makes it one; it goes on while anybody is
//! there, through lost connections and a restarted server, and ends once. Somebody who comes to
//! the same room after that begins another call.

mod tracks;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sidetone_room::{Closed, Event, Participant};
use sidetone_wire::{
    CallFacts, CallId, Capability, Direction, EndClass, EndReason, Party, Timestamp, Upstream,
};

use super::metadata::Metadata;
use super::parties::{Parties, Person};
use tracks::Tracks;

/// A call without anybody in it is over after this; so is one whose parties do not come back
/// after the server was lost.
const EMPTY_FOR: Duration = Duration::from_secs(30);
/// A call that is found later than this after its first party joined has begun when that joined.
/// Sooner, it begins when it is found, and so does its recording.
const FOUND_WITHIN_MS: u64 = 10_000;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) wall: Timestamp,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// A call begins: its time starts here.
    Begin {
        call: CallId,
        at: Moment,
        tenant: Option<String>,
    },
    /// Something about the call changed.
    Facts(Box<CallFacts>),
    /// A track is to be tapped as this party's, or is another party's from now on.
    Tap { sid: String, party: Party },
    /// A track is tapped no more. It ended, or only its session did.
    Untap { sid: String, ended: bool },
    /// The call is over.
    End { at: Moment, reason: EndReason },
}

/// The room that is tapped.
#[derive(Debug, Clone)]
pub(crate) struct RoomFacts {
    pub(crate) name: String,
    pub(crate) sid: String,
    pub(crate) created_at: Timestamp,
    pub(crate) metadata: String,
}

#[derive(Debug)]
enum Link {
    Up,
    Lost {
        since: Moment,
    },
    /// Joined anew; nobody has been seen yet.
    Back {
        lost: Moment,
        until: Instant,
    },
}

#[derive(Debug)]
struct Live {
    upstream_call_id: String,
    started_at: Timestamp,
    found_late: bool,
    answered_at: Option<Timestamp>,
    customer: Option<Person>,
    agent: Option<Person>,
    direction: Option<Direction>,
    told: Option<CallFacts>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Life {
    room: RoomFacts,
    metadata: Metadata,
    parties: Parties,
    tracks: Tracks,
    link: Link,
    live: Option<Live>,
    empty_since: Option<Moment>,
    calls: u32,
    outputs: VecDeque<Output>,
}

impl Life {
    pub(crate) fn new(room: RoomFacts) -> Self {
        Self {
            metadata: Metadata::read(&room.metadata),
            room,
            parties: Parties::default(),
            tracks: Tracks::default(),
            link: Link::Up,
            live: None,
            empty_since: None,
            calls: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The room's latest sid.
    pub(crate) fn room_sid(&self) -> &str {
        &self.room.sid
    }

    /// Whether the room can be heard now, as far as we know.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.link, Link::Up)
    }

    pub(crate) fn party_of(&self, identity: &str) -> Option<Party> {
        self.parties.party_of(identity)
    }

    /// Who is on a channel: the first of the party that was there.
    /// Whose track it is: identity.
    pub(crate) fn owner_of(&self, sid: &str) -> Option<&str> {
        self.tracks.owner_of(sid)
    }

    pub(crate) fn name_of(&self, party: Party) -> Option<&str> {
        let live = self.live.as_ref()?;
        let person = match party {
            Party::Customer => live.customer.as_ref(),
            Party::Agent => live.agent.as_ref(),
            Party::Supervisor => None,
        }?;
        Some(person.name.as_ref().unwrap_or(&person.identity))
    }

    /// Something happened in the room.
    pub(crate) fn handle_event(&mut self, event: &Event, at: Moment) {
        match event {
            Event::ParticipantJoined(who) | Event::ParticipantChanged(who) => {
                self.handle_participant(who, at);
            }
            Event::ParticipantLeft(who) => {
                self.parties.remove(&who.identity);
                self.somebody_left(at);
            }
            // we know what supervisors say before the server does
            Event::TrackPublished { identity, .. } if self.parties.is_voice(identity) => {}
            Event::TrackPublished { identity, track } if track.audio => {
                self.tracks.add(&track.sid, identity);
                self.tap_more();
            }
            Event::TrackUnpublished { track, .. } => {
                if self.tracks.remove(&track.sid) {
                    let sid = track.sid.clone();
                    self.outputs.push_back(Output::Untap { sid, ended: true });
                    self.tap_more();
                }
            }
            Event::RoomChanged { sid, metadata } => {
                sid.clone_into(&mut self.room.sid);
                self.metadata = Metadata::read(metadata);
                self.tell(at);
            }
            Event::Reconnecting { .. } => self.handle_lost(at),
            Event::Resumed { .. } => self.link = Link::Up,
            Event::Rejoined { room_sid, .. } => self.handle_rejoined(room_sid, at),
            Event::Closed(why) => self.handle_closed(why, at),
            Event::Packet(_)
            | Event::Connected
            | Event::TrackPublished { .. }
            | Event::TrackMuted { .. }
            | Event::Subscribed { .. }
            | Event::SubscriptionFailed { .. }
            | Event::Unsubscribed { .. }
            | Event::Speakers(_)
            | Event::Published { .. }
            | Event::PublishFailed { .. }
            | Event::LocalTrackMuted { .. }
            | Event::PermissionChanged(_)
            | Event::TokenRefreshed
            | Event::Text(_)
            | Event::TextSoFar(_)
            | Event::Data { .. }
            | Event::Transcription(_)
            | Event::Dtmf { .. }
            | Event::RpcRequest(_)
            | Event::RpcResult { .. } => {}
        }
    }

    /// When [`Life::handle_timeout`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.live.as_ref()?;
        match (&self.link, self.empty_since) {
            (Link::Back { until, .. }, _) => Some(*until),
            (Link::Up, Some(since)) => Some(since.now + EMPTY_FOR),
            (Link::Lost { .. }, _) | (Link::Up, None) => None,
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        match self.link {
            Link::Back { lost, .. } => self.end(lost, EndClass::Upstream, "connection_lost"),
            Link::Up | Link::Lost { .. } => {
                if let Some(since) = self.empty_since {
                    self.end(since, EndClass::Completed, "participants_left");
                }
            }
        }
        self.link = Link::Up;
    }

    fn handle_participant(&mut self, who: &Participant, at: Moment) {
        if self.parties.put(who) {
            self.assign_again(&who.identity);
        }
        if self.parties.any() {
            self.empty_since = None;
            if let Link::Back { .. } = self.link {
                self.link = Link::Up;
            }
            if self.live.is_none() {
                self.begin(at);
            }
        }
        self.tell(at);
        self.tap_more();
    }

    fn somebody_left(&mut self, at: Moment) {
        if !self.parties.any() {
            self.empty_since.get_or_insert(at);
        }
        self.tell(at);
    }

    fn handle_lost(&mut self, at: Moment) {
        if let Link::Up = self.link {
            self.link = Link::Lost { since: at };
        }
    }

    /// Everybody is reported afresh after this.
    fn handle_rejoined(&mut self, room_sid: &str, at: Moment) {
        let lost = match self.link {
            Link::Lost { since } => since,
            Link::Back { lost, .. } => lost,
            Link::Up => at,
        };
        // nobody was there already when it was lost
        let lost = self.empty_since.take().unwrap_or(lost);
        self.link = Link::Back {
            lost,
            until: at.now + EMPTY_FOR,
        };
        room_sid.clone_into(&mut self.room.sid);
        self.parties.clear();
        for sid in self.tracks.clear() {
            self.outputs.push_back(Output::Untap { sid, ended: false });
        }
    }

    fn handle_closed(&mut self, why: &Closed, at: Moment) {
        let at = match self.link {
            Link::Lost { since } | Link::Back { lost: since, .. } => since,
            Link::Up => self.empty_since.unwrap_or(at),
        };
        let (class, code) = match why {
            Closed::RoomClosed if self.empty_since.is_some() => {
                (EndClass::Completed, "participants_left")
            }
            Closed::RoomClosed => (EndClass::Completed, "room_finished"),
            Closed::Removed => (EndClass::Upstream, "tap_removed"),
            Closed::DuplicateIdentity => (EndClass::Ours, "duplicate_identity"),
            Closed::Unauthorized(_) => (EndClass::Upstream, "unauthorized"),
            Closed::Lost(_) => (EndClass::Upstream, "connection_lost"),
            Closed::Left => (EndClass::Ours, "left"),
        };
        self.end(at, class, code);
    }

    fn begin(&mut self, at: Moment) {
        self.calls += 1;
        let first = [Party::Customer, Party::Agent].map(|party| self.parties.first(party));
        let joined_at = first
            .into_iter()
            .flatten()
            .filter_map(|person| person.joined_at)
            .min();
        let joined_at = joined_at.unwrap_or(at.wall);
        let found_late = at.wall.ms_since(joined_at) > FOUND_WITHIN_MS;
        let started_at = if found_late { joined_at } else { at.wall };
        let (upstream_call_id, id_time) = match self.calls {
            1 => (self.room.sid.clone(), self.room.created_at),
            further => (format!("{}/{further}", self.room.sid), started_at),
        };
        let call = CallId::of_upstream(Upstream::Livekit.as_str(), &upstream_call_id, id_time);
        self.live = Some(Live {
            upstream_call_id,
            started_at,
            found_late,
            answered_at: None,
            customer: None,
            agent: None,
            direction: None,
            told: None,
        });
        let tenant = self.metadata.tenant.clone();
        self.outputs.push_back(Output::Begin { call, at, tenant });
    }

    fn end(&mut self, at: Moment, class: EndClass, code: &str) {
        if self.live.take().is_some() {
            let reason = EndReason::new(class, code);
            self.outputs.push_back(Output::End { at, reason });
        }
        self.empty_since = None;
        for sid in self.tracks.clear() {
            self.outputs.push_back(Output::Untap { sid, ended: false });
        }
    }

    /// Taps as many tracks as a call may have.
    fn tap_more(&mut self) {
        if self.live.is_none() {
            return;
        }
        while let Some((sid, identity)) = self.tracks.next() {
            let party = self.parties.party_of(identity).unwrap_or(Party::Customer);
            let sid = sid.to_owned();
            self.outputs.push_back(Output::Tap { sid, party });
        }
    }

    fn assign_again(&mut self, identity: &str) {
        let Some(party) = self.parties.party_of(identity) else {
            return;
        };
        for sid in self.tracks.tapped_of(identity) {
            let sid = sid.to_owned();
            self.outputs.push_back(Output::Tap { sid, party });
        }
    }

    /// Tells the call's facts if they are not what was told last.
    fn tell(&mut self, at: Moment) {
        let Some(live) = self.live.as_mut() else {
            return;
        };
        live.learn(&self.parties, &self.metadata, at);
        let capabilities = capabilities(&self.parties);
        let facts = live.facts(&self.room, &self.metadata, capabilities);
        if live.told.as_ref() != Some(&facts) {
            live.told = Some(facts.clone());
            self.outputs.push_back(Output::Facts(Box::new(facts)));
        }
    }
}

impl Live {
    /// Who the parties are: whoever is there, or was last.
    fn learn(&mut self, parties: &Parties, metadata: &Metadata, at: Moment) {
        let (customer, agent) = (parties.first(Party::Customer), parties.first(Party::Agent));
        if let (Some(customer), Some(agent), None) = (customer, agent, self.answered_at) {
            let joined = customer.joined_at.max(agent.joined_at).unwrap_or(at.wall);
            let answered = if self.found_late {
                joined.min(at.wall)
            } else {
                at.wall
            };
            self.answered_at = Some(answered.max(self.started_at));
        }
        self.direction = metadata.direction.or(self.direction).or_else(|| {
            let customer = customer?;
            customer.number.as_ref()?;
            let agent_first = agent.is_some_and(|agent| agent.joined_at < customer.joined_at);
            let called = agent_first && !customer.dispatched;
            Some(if called {
                Direction::Outbound
            } else {
                Direction::Inbound
            })
        });
        for (known, now) in [(&mut self.customer, customer), (&mut self.agent, agent)] {
            if now.is_some() {
                *known = now.cloned();
            }
        }
    }

    fn facts(
        &self,
        room: &RoomFacts,
        metadata: &Metadata,
        capabilities: Vec<Capability>,
    ) -> CallFacts {
        let (customer, agent) = (self.customer.as_ref(), self.agent.as_ref());
        let direction = self.direction.unwrap_or(Direction::Web);
        let theirs = customer.map_or("unknown", |who| {
            who.number.as_ref().unwrap_or(&who.identity)
        });
        let ours = customer
            .and_then(|who| who.trunk_number.as_ref())
            .unwrap_or(&room.name);
        let (from, to) = match direction {
            Direction::Inbound | Direction::Web => (theirs, ours.as_str()),
            Direction::Outbound => (ours.as_str(), theirs),
        };
        CallFacts {
            upstream: Upstream::Livekit,
            upstream_call_id: self.upstream_call_id.clone(),
            tenant: metadata.tenant.clone(),
            campaign: metadata.campaign.clone(),
            direction,
            from: from.to_owned(),
            to: to.to_owned(),
            customer_name: customer.and_then(|who| who.name.clone()),
            agent_id: agent.map(|who| who.identity.clone()),
            agent_name: agent.and_then(|who| who.name.clone()),
            livekit_room_name: Some(room.name.clone()),
            started_at: self.started_at,
            answered_at: self.answered_at,
            capabilities,
        }
    }
}

/// What may be done to a call with these parties in it.
fn capabilities(parties: &Parties) -> Vec<Capability> {
    let there = |party| parties.first(party).is_some();
    let (customer, agent) = (there(Party::Customer), there(Party::Agent));
    let all = [
        (true, Capability::Listen),
        (agent, Capability::WhisperText),
        (agent, Capability::WhisperVoice),
        (true, Capability::Barge),
        (customer, Capability::Takeover),
        (true, Capability::HandBack),
        (customer, Capability::Transfer),
        (agent, Capability::MuteAgent),
        (customer, Capability::MuteCustomer),
        (true, Capability::End),
    ];
    let able = all.into_iter().filter(|(able, _)| *able);
    able.map(|(_, capability)| capability).collect()
}

#[cfg(test)]
mod tests;
