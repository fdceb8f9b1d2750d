//! One call's fan-out: each packet to every sink, by plain calls that never wait.

use std::time::{Duration, Instant};

use sidetone_media::{Packet, TrackId};
use sidetone_wire::{MonitorRoom, Party, UserId};

use crate::metrics::Packets;
use crate::sink;

/// A lane whose track has ended is kept for a track that follows (re-publication, a party that
/// comes back) for so long; then it is withdrawn from listeners.
const LANE_LINGER: Duration = Duration::from_secs(5);

/// A place for a party's sound that outlives the track in it: what listeners subscribe to.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Whose sound.
    pub(crate) party: Party,
    /// Tells lanes of one party apart, from 1.
    pub(crate) ordinal: u32,
    track: Option<TrackId>,
    vacant_since: Option<Instant>,
    /// Shown to listeners.
    pub(crate) shown: bool,
}

/// The lanes of a call. Never fewer: an index stays good for the whole call.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Vec<Lane>);

impl Lanes {
    /// Puts a track in a lane of its party: the first that is free, or a new one.
    pub(crate) fn enter(&mut self, party: Party, track: TrackId) -> usize {
        let free = |lane: &Lane| lane.party == party && lane.track.is_none();
        let index = self.0.iter().position(free).unwrap_or_else(|| {
            let before = self.0.iter().filter(|lane| lane.party == party).count();
            self.0.push(Lane {
                party,
                ordinal: before as u32 + 1,
                track: None,
                vacant_since: None,
                shown: true,
            });
            self.0.len() - 1
        });
        let lane = &mut self.0[index];
        lane.track = Some(track);
        lane.vacant_since = None;
        lane.shown = true;
        index
    }

    /// The track has left its lane.
    pub(crate) fn leave(&mut self, index: usize, now: Instant) {
        if let Some(lane) = self.0.get_mut(index) {
            lane.track = None;
            lane.vacant_since = Some(now);
        }
    }

    /// Withdraws lanes that were left for good; `true` if any was.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut any = false;
        for lane in &mut self.0 {
            let expired = lane
                .vacant_since
                .is_some_and(|since| now >= since + LANE_LINGER);
            if expired && lane.shown {
                lane.shown = false;
                any = true;
            }
        }
        any
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Lane> {
        self.0.iter()
    }
}

/// The sinks of a live call.
pub(crate) struct Bus {
    pub(crate) lanes: Lanes,
    pub(crate) record: Option<sink::Record>,
    pub(crate) level: sink::Level,
    listeners: Vec<sink::Monitor>,
    pub(crate) packets: Packets,
}

impl Bus {
    pub(crate) fn new(record: Option<sink::Record>, level: sink::Level) -> Self {
        Self {
            lanes: Lanes::default(),
            record,
            level,
            listeners: Vec::new(),
            packets: Packets::default(),
        }
    }

    /// Hands a packet of a lane to every sink.
    pub(crate) fn deliver(&mut self, lane: usize, party: Party, packet: &Packet) {
        self.packets.received += 1;
        if let Some(record) = &mut self.record {
            record.write(party, packet);
        }
        for listener in &mut self.listeners {
            match listener.push(lane, packet) {
                sink::Pushed::Queued => self.packets.forwarded += 1,
                sink::Pushed::NotShown => {}
                sink::Pushed::Unforwardable => self.packets.unforwardable += 1,
            }
        }
        self.level.write(lane, party, packet);
    }

    /// Puts a track in a lane and shows it to listeners.
    pub(crate) fn enter(&mut self, party: Party, track: TrackId) -> usize {
        let lane = self.lanes.enter(party, track);
        self.show();
        lane
    }

    /// Takes a track out of its lane.
    pub(crate) fn leave(&mut self, lane: usize, now: Instant) {
        self.lanes.leave(lane, now);
    }

    /// Adds a listener, unless it hears the call already.
    pub(crate) fn add_listener(
        &mut self,
        room: &MonitorRoom,
        make: impl FnOnce() -> sink::Monitor,
    ) {
        self.listeners.retain(|listener| !listener.is_closed());
        if !self
            .listeners
            .iter()
            .any(|listener| listener.room() == room)
        {
            self.listeners.push(make());
        }
        self.show();
    }

    /// Takes a listener away: what it heard is withdrawn at once.
    pub(crate) fn remove_listener(&mut self, room: &MonitorRoom) {
        self.listeners.retain(|listener| listener.room() != room);
    }

    /// What is due now: lanes that are left for good, listeners that are gone (given back).
    pub(crate) fn handle_tick(&mut self, connected: bool, now: Instant) -> Vec<UserId> {
        if connected && self.lanes.expire(now) {
            self.show();
        }
        let gone = self.listeners.iter().filter(|listener| listener.has_left());
        let gone = gone.map(|listener| listener.room().user).collect();
        self.listeners.retain(|listener| !listener.is_closed());
        gone
    }

    fn show(&mut self) {
        for listener in &mut self.listeners {
            listener.show(&self.lanes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    #[test]
    fn a_track_that_is_published_again_takes_its_partys_lane() {
        let (mut lanes, now) = (Lanes::default(), clock::now());
        let customer = lanes.enter(Party::Customer, TrackId(0));
        let agent = lanes.enter(Party::Agent, TrackId(1));
        let second = lanes.enter(Party::Customer, TrackId(2));
        assert_eq!(
            lanes.iter().map(|lane| lane.ordinal).collect::<Vec<_>>(),
            [1, 1, 2]
        );
        lanes.leave(customer, now);
        assert_eq!(lanes.enter(Party::Customer, TrackId(3)), customer);
        lanes.leave(agent, now);
        lanes.leave(second, now);
        assert_eq!(
            lanes.enter(Party::Customer, TrackId(4)),
            second,
            "not the agent's"
        );
    }

    #[test]
    fn a_lane_is_withdrawn_when_nobody_follows_and_shown_again_when_somebody_does() {
        let (mut lanes, now) = (Lanes::default(), clock::now());
        let lane = lanes.enter(Party::Agent, TrackId(0));
        lanes.leave(lane, now);
        assert!(!lanes.expire(now + LANE_LINGER / 2));
        assert!(lanes.expire(now + LANE_LINGER));
        assert!(!lanes.expire(now + LANE_LINGER * 2), "once");
        assert_eq!(lanes.enter(Party::Agent, TrackId(1)), lane);
        assert!(lanes.iter().all(|lane| lane.shown));
    }
}
