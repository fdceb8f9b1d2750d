//! One call's fan-out: each packet to every sink, by plain calls that never wait.

mod decode;
mod encode;
mod plain;

use std::time::{Duration, Instant};

use sidetone_fleet::ledger::LedgerError;
use sidetone_fleet::take::Durable;
use sidetone_media::{Codec, MediaTime, Packet, TrackId};
use sidetone_wire::{MonitorRoom, Party, RecordingRule, UserId};

use crate::call::Said;
use crate::metrics::Packets;
use crate::permit::{BY_DTMF, Permit, Verdict};
use crate::sink;
use decode::Decoders;
use encode::Encoders;

/// A lane whose track has ended is kept for a track that follows (re-publication, a party that
/// comes back) for so long; then it is withdrawn from listeners.
const LANE_LINGER: Duration = Duration::from_secs(5);
/// A further lane of a party is shown after so long: a publisher that replaces its track often has
/// both for a moment.
const FURTHER_LANE_AFTER: Duration = Duration::from_millis(500);

/// A place for a party's sound that outlives the track in it: what listeners subscribe to.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Whose sound.
    pub(crate) party: Party,
    /// Tells lanes of one party apart, from 1.
    pub(crate) ordinal: u32,
    /// A supervisor's lane: they do not hear themselves.
    pub(crate) owner: Option<UserId>,
    track: Option<TrackId>,
    /// Since when the track is in it, or none.
    since: Instant,
    /// Shown to listeners.
    pub(crate) shown: bool,
}

/// The lanes of a call. Never fewer: an index stays good for the whole call.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Vec<Lane>);

impl Lanes {
    /// Puts a track in a lane of its party: the first that is free, or a new one.
    pub(crate) fn enter(&mut self, party: Party, track: TrackId, now: Instant) -> usize {
        self.enter_of(party, None, track, now)
    }

    fn enter_of(
        &mut self,
        party: Party,
        owner: Option<UserId>,
        track: TrackId,
        now: Instant,
    ) -> usize {
        let free = |lane: &Lane| lane.party == party && lane.owner == owner && lane.track.is_none();
        let index = self.0.iter().position(free).unwrap_or_else(|| {
            let before = self.0.iter().filter(|lane| lane.party == party).count();
            self.0.push(Lane {
                party,
                ordinal: before as u32 + 1,
                owner,
                track: None,
                since: now,
                shown: before == 0,
            });
            self.0.len() - 1
        });
        let lane = &mut self.0[index];
        lane.track = Some(track);
        lane.since = now;
        lane.shown |= lane.ordinal == 1;
        index
    }

    /// The lane of a supervisor, which is theirs for the whole call, and whether it is new.
    fn of_voice(&mut self, owner: UserId, track: TrackId, now: Instant) -> (usize, bool) {
        match self.0.iter().position(|lane| lane.owner == Some(owner)) {
            Some(lane) => (lane, false),
            None => (
                self.enter_of(Party::Supervisor, Some(owner), track, now),
                true,
            ),
        }
    }

    /// The track has left its lane. If its party has another track in a later lane, that one moves
    /// up: whoever hears a party's first lane hears the party. Gives the track that moved.
    pub(crate) fn leave(&mut self, index: usize, now: Instant) -> Option<TrackId> {
        let lane = self.0.get_mut(index)?;
        let party = lane.party;
        lane.track = None;
        lane.since = now;
        let later = self.0.iter_mut().skip(index + 1);
        let mut occupied = later.filter(|lane| lane.party == party && lane.track.is_some());
        let from = occupied.next()?;
        let moved = from.track.take();
        from.since = now;
        self.0[index].track = moved;
        moved
    }

    /// Withdraws lanes that were left for good, if `expire`, and shows those that are there to
    /// stay; `true` if any changed.
    pub(crate) fn handle_time(&mut self, expire: bool, now: Instant) -> bool {
        let mut any = false;
        for lane in &mut self.0 {
            let shown = match lane.track {
                Some(_) if lane.owner.is_some() => true,
                Some(_) => lane.shown || now >= lane.since + FURTHER_LANE_AFTER,
                None => lane.shown && !(expire && now >= lane.since + LANE_LINGER),
            };
            any |= shown != lane.shown;
            lane.shown = shown;
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
    /// What may be kept, for every sink that stores.
    pub(crate) permit: Permit,
    pub(crate) record: Option<sink::Record>,
    pub(crate) level: sink::Level,
    listeners: Vec<sink::Monitor>,
    pub(crate) proxy: sink::Proxy,
    pub(crate) recognise: sink::Recognise,
    /// One for each lane, while a sink wants its sound.
    decoders: Decoders,
    /// One for each track that is not Opus, while a sink wants Opus of it.
    encoders: Encoders,
    pub(crate) packets: Packets,
}

impl Bus {
    pub(crate) fn new(record: Option<sink::Record>, level: sink::Level) -> Self {
        Self {
            lanes: Lanes::default(),
            permit: Permit::default(),
            record,
            level,
            listeners: Vec::new(),
            proxy: sink::Proxy::default(),
            recognise: sink::Recognise::default(),
            decoders: Decoders::default(),
            encoders: Encoders::default(),
            packets: Packets::default(),
        }
    }

    /// Hands a packet of a lane to every sink: as it came to those that take it so, and as Opus to
    /// the others, encoded once for all of them, and not at all while there is none.
    pub(crate) fn deliver(&mut self, lane: usize, party: Party, packet: &Packet) {
        self.packets.received += 1;
        self.permit.want(packet.arrived);
        let watched = self.level.is_watched();
        self.play(lane, party, packet, watched);
        let forwardable = match packet.codec {
            Codec::Opus => {
                self.record(party, packet);
                return self.forward(lane, packet);
            }
            Codec::Pcmu => true,
            Codec::Pcma | Codec::G722 | Codec::Linear16(_) => false,
        };
        if forwardable {
            self.forward(lane, packet);
        }
        let recorded = self
            .record
            .as_ref()
            .is_some_and(sink::Record::takes_packets);
        let listened = !forwardable && self.listeners.iter().any(|one| one.shows(lane));
        if !recorded && !listened {
            return self.encoders.end(packet.track);
        }
        for opus in self.encoders.encode(packet) {
            if recorded {
                self.record(party, &opus);
            }
            if listened {
                self.forward(lane, &opus);
            }
        }
    }

    /// Gives a packet's sound to the sinks that need it, decoded once for all of them, and not at
    /// all while there is none.
    fn play(&mut self, lane: usize, party: Party, packet: &Packet, watched: bool) {
        let (fed, written) = (self.proxy.is_heard(), self.recognise.wants(party));
        if !(watched || fed || written) {
            return self.decoders.end(lane);
        }
        let sound = self.decoders.decode(lane, packet);
        if watched {
            self.level.write(lane, party, &sound);
        }
        if fed {
            self.proxy.write(lane, party, packet, &sound);
        }
        if written {
            let permit = &self.permit;
            self.recognise.write(lane, party, packet.at, &sound, permit);
        }
    }

    fn record(&mut self, party: Party, packet: &Packet) {
        if let Some(record) = &mut self.record {
            record.write(party, packet, &self.permit);
        }
    }

    fn forward(&mut self, lane: usize, packet: &Packet) {
        for listener in &mut self.listeners {
            match listener.push(lane, packet) {
                sink::Pushed::Queued => self.packets.forwarded += 1,
                sink::Pushed::NotShown => {}
                sink::Pushed::Unforwardable => self.packets.unforwardable += 1,
            }
        }
    }

    /// Hands what a supervisor says in the call to every sink but their own ears. What the
    /// customer does not hear is kept, and nobody listens to it.
    pub(crate) fn deliver_said(&mut self, said: &Said) {
        let Said { by, packet, aloud } = said;
        self.permit.want(packet.arrived);
        if let Some(record) = &mut self.record {
            record.write(Party::Supervisor, packet, &self.permit);
        }
        if !aloud {
            return;
        }
        let (lane, new) = self.lanes.of_voice(by.user, packet.track, packet.arrived);
        if new {
            self.show();
        }
        self.play(lane, Party::Supervisor, packet, false);
        for listener in &mut self.listeners {
            if let sink::Pushed::Queued = listener.push(lane, packet) {
                self.packets.forwarded += 1;
            }
        }
    }

    /// The control plane says what may be kept.
    pub(crate) fn handle_rule(
        &mut self,
        answer: Result<RecordingRule, LedgerError>,
        at: MediaTime,
        now: Instant,
    ) {
        self.permit.handle_answer(answer, now);
        if let Some(record) = &mut self.record {
            match self.permit.verdict() {
                Verdict::Unknown => {}
                Verdict::Allowed => record.allow(self.permit.pause_now(), at, now),
                Verdict::Denied => record.stop(at, true),
            }
        }
        self.tell_pause();
    }

    /// Nothing is kept from `at` on; `durable` is called when no crash can undo that.
    pub(crate) fn pause(&mut self, at: MediaTime, by: &str, durable: Durable) {
        self.permit.pause(at, by);
        match &mut self.record {
            Some(record) => record.pause(at, by, durable),
            None => durable(Ok(())),
        }
    }

    /// The call is kept again from `at` on.
    pub(crate) fn resume(&mut self, at: MediaTime, durable: Durable) {
        self.permit.resume(at);
        match &mut self.record {
            Some(record) => record.resume(at, durable),
            None => durable(Ok(())),
        }
    }

    /// Nothing of the call is kept any more, or nothing at all of it.
    pub(crate) fn stop(&mut self, at: MediaTime, erase: bool) {
        self.permit.deny();
        self.recognise.stop();
        if let Some(record) = &mut self.record {
            record.stop(at, erase);
        }
    }

    /// Somebody pressed a key at `at`. Which one is nobody's business.
    pub(crate) fn handle_digit(&mut self, at: MediaTime, now: Instant) {
        if self.permit.handle_digit(at, now)
            && let (Some(record), Some(pause)) = (&mut self.record, self.permit.pause_now())
        {
            record.pause_unasked(pause);
        }
        self.tell_pause();
    }

    /// Says that digits paused, once there is a take to say it of.
    fn tell_pause(&mut self) {
        if self.permit.is_untold()
            && let (Some(record), Some(pause)) = (&self.record, self.permit.pause_now())
            && record.tell_pause(pause.since, BY_DTMF)
        {
            self.permit.told();
        }
    }

    /// Puts a track in a lane and shows it to listeners.
    pub(crate) fn enter(&mut self, party: Party, track: TrackId, now: Instant) -> usize {
        let lane = self.lanes.enter(party, track, now);
        self.show();
        lane
    }

    /// Takes a track out of its lane; gives the one that took its place.
    pub(crate) fn leave(&mut self, lane: usize, now: Instant) -> Option<TrackId> {
        self.lanes.leave(lane, now)
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
        self.proxy.remove(room);
        self.listeners.retain(|listener| listener.room() != room);
    }

    /// What is due now: a take's begin or health, lanes that are left for good, listeners that are
    /// gone (given back).
    pub(crate) fn handle_tick(
        &mut self,
        connected: bool,
        at: MediaTime,
        now: Instant,
    ) -> Vec<UserId> {
        if let Some(record) = &mut self.record {
            record.handle_tick(self.permit.pause_now(), at, now);
            self.tell_pause();
        }
        self.recognise.handle_tick(at, &self.permit);
        if self.lanes.handle_time(connected, now) {
            self.show();
        }
        let gone = self.listeners.iter().filter(|listener| listener.has_left());
        let mut gone: Vec<UserId> = gone.map(|listener| listener.room().user).collect();
        self.listeners.retain(|listener| !listener.is_closed());
        gone.extend(self.proxy.handle_tick());
        gone.sort_unstable();
        gone.dedup();
        gone.retain(|user| !self.is_heard_by(*user));
        gone
    }

    /// Whether a user listens, in whatever way.
    fn is_heard_by(&self, user: UserId) -> bool {
        let listens = |listener: &sink::Monitor| listener.room().user == user;
        self.listeners.iter().any(listens) || self.proxy.feeds(user)
    }

    fn show(&mut self) {
        for listener in &mut self.listeners {
            listener.show(&self.lanes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use sidetone_fleet::Fleet;
    use sidetone_fleet::take::{Recorder, Take, TakeError, TakeStart};
    use sidetone_media::ClockRate;
    use sidetone_service::clock;
    use sidetone_wire::{CallId, RecordingId, Timestamp};

    /// Has no room: what comes is held until it has.
    struct Busy;

    impl Recorder for Busy {
        fn begin(&self, _: TakeStart) -> Result<Box<dyn Take>, TakeError> {
            Err(TakeError::Full { limit: 0 })
        }

        fn erase(&self, _: &[RecordingId]) {}
    }

    #[test]
    fn opus_is_made_once_and_only_while_a_sink_wants_it() {
        let (fleet, call) = (Fleet::in_process(), CallId(clock::new_id()));
        let packet = |codec| Packet {
            track: TrackId(0),
            ssrc: 1,
            seq: 1,
            at: MediaTime::ZERO,
            codec,
            marker: false,
            level_dbov: None,
            payload: [0; 640].as_slice().into(),
            arrived: clock::now(),
        };
        let wide = Codec::Linear16(ClockRate::new(16_000).unwrap());
        let level = || sink::Level::new(fleet.clone(), call);
        let mut unwanted = Bus::new(None, level());
        unwanted.deliver(0, Party::Customer, &packet(wide));
        assert_eq!(
            unwanted.encoders.count(),
            0,
            "nobody listens and nothing is kept"
        );
        let of = sink::Of {
            call,
            tenant: "default".to_owned(),
            started_at: Timestamp::from_unix_ms(0),
        };
        let record = sink::Record::new(Arc::new(Busy), fleet.event_log(call, 1), of);
        let mut kept = Bus::new(Some(record), level());
        kept.deliver(0, Party::Customer, &packet(Codec::Opus));
        assert_eq!(kept.encoders.count(), 0, "Opus is kept as it is");
        for _ in 0..3 {
            kept.deliver(0, Party::Customer, &packet(wide));
            assert_eq!(kept.encoders.count(), 1);
        }
        assert_eq!(
            kept.decoders.count(),
            1,
            "somebody may write down what is said"
        );
        kept.stop(MediaTime::ZERO, false);
        kept.deliver(0, Party::Customer, &packet(wide));
        assert_eq!(kept.encoders.count(), 0, "nothing is kept any more");
        assert_eq!(kept.decoders.count(), 0, "nobody does");
    }

    fn shown(lanes: &Lanes) -> Vec<(Party, u32)> {
        let shown = lanes.iter().filter(|lane| lane.shown);
        shown.map(|lane| (lane.party, lane.ordinal)).collect()
    }

    #[test]
    fn a_track_that_is_published_again_takes_its_partys_lane() {
        let (mut lanes, now) = (Lanes::default(), clock::now());
        let customer = lanes.enter(Party::Customer, TrackId(0), now);
        let agent = lanes.enter(Party::Agent, TrackId(1), now);
        assert_eq!(lanes.leave(customer, now), None);
        assert_eq!(lanes.enter(Party::Customer, TrackId(2), now), customer);
        lanes.leave(agent, now);
        let second = lanes.enter(Party::Customer, TrackId(3), now);
        assert_ne!(second, agent, "not the agent's");
    }

    #[test]
    fn a_track_that_replaces_another_moves_into_its_lane_and_is_never_shown_beside_it() {
        let (mut lanes, now) = (Lanes::default(), clock::now());
        let first = lanes.enter(Party::Customer, TrackId(0), now);
        let second = lanes.enter(Party::Customer, TrackId(1), now);
        assert_ne!(first, second);
        assert!(!lanes.handle_time(true, now + FURTHER_LANE_AFTER / 2));
        assert_eq!(lanes.leave(first, now), Some(TrackId(1)));
        assert_eq!(shown(&lanes), [(Party::Customer, 1)]);
        assert!(!lanes.handle_time(true, now + LANE_LINGER * 2));
        assert_eq!(lanes.leave(first, now), None);
    }

    #[test]
    fn a_second_speaker_of_a_party_has_a_lane_that_is_shown_soon() {
        let (mut lanes, now) = (Lanes::default(), clock::now());
        lanes.enter(Party::Customer, TrackId(0), now);
        lanes.enter(Party::Customer, TrackId(1), now);
        assert!(lanes.handle_time(true, now + FURTHER_LANE_AFTER));
        assert_eq!(shown(&lanes), [(Party::Customer, 1), (Party::Customer, 2)]);
    }

    #[test]
    fn a_lane_is_withdrawn_when_nobody_follows_and_shown_again_when_somebody_does() {
        let (mut lanes, now) = (Lanes::default(), clock::now());
        let lane = lanes.enter(Party::Agent, TrackId(0), now);
        lanes.leave(lane, now);
        assert!(!lanes.handle_time(true, now + LANE_LINGER / 2));
        assert!(
            !lanes.handle_time(false, now + LANE_LINGER),
            "not while we are cut off"
        );
        assert!(lanes.handle_time(true, now + LANE_LINGER));
        assert!(!lanes.handle_time(true, now + LANE_LINGER * 2), "once");
        assert_eq!(lanes.enter(Party::Agent, TrackId(1), now), lane);
        assert_eq!(shown(&lanes), [(Party::Agent, 1)]);
    }
}
