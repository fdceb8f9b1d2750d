//! Packets of a LiveKit room: which track, and when on the call's time.

use std::time::Instant;

use sidetone_media::level::SILENT_DBOV;
use sidetone_media::{Codec, MediaTime, Packet, Timeline, TrackId};
use sidetone_room::RtpIn;
use sidetone_wire::Party;

use crate::bus::Bus;
use crate::live::Source;

/// The tapped tracks of one call.
pub(crate) struct Livekit {
    /// The call's start: [`MediaTime::ZERO`].
    origin: Instant,
    tracks: Vec<Tapped>,
    next: u32,
}

/// A track that is tapped.
pub(crate) struct Tapped {
    sid: String,
    /// The number that its packets carry, once subscribed.
    number: Option<u32>,
    pub(crate) id: TrackId,
    pub(crate) party: Party,
    pub(crate) lane: usize,
    timeline: Option<(Codec, Timeline)>,
}

impl Livekit {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            origin,
            tracks: Vec::new(),
            next: 0,
        }
    }

    /// Another source of the same call.
    pub(crate) fn beside(&self) -> Self {
        Self::new(self.origin)
    }

    /// The track of this sid.
    pub(crate) fn find(&mut self, sid: &str) -> Option<&mut Tapped> {
        self.tracks.iter_mut().find(|track| track.sid == sid)
    }

    /// The track in a lane.
    pub(crate) fn sid_in(&self, lane: usize) -> Option<&str> {
        let found = self.tracks.iter().find(|track| track.lane == lane);
        found.map(|track| track.sid.as_str())
    }

    /// An id for the next track.
    pub(crate) fn next_id(&mut self) -> TrackId {
        self.next += 1;
        TrackId(self.next - 1)
    }

    /// Taps a track.
    pub(crate) fn add(&mut self, sid: &str, id: TrackId, party: Party, lane: usize) {
        let sid = sid.to_owned();
        self.tracks.push(Tapped {
            sid,
            number: None,
            id,
            party,
            lane,
            timeline: None,
        });
    }

    /// Taps a track no more; gives its lane.
    pub(crate) fn remove(&mut self, sid: &str) -> Option<usize> {
        let at = self.tracks.iter().position(|track| track.sid == sid)?;
        Some(self.tracks.swap_remove(at).lane)
    }

    /// Empties a lane; another track of its party may take its place.
    pub(crate) fn leave_lane(&mut self, bus: &mut Bus, lane: usize, now: Instant) {
        let moved = bus.leave(lane, now);
        let mut tracks = self.tracks.iter_mut();
        if let Some(track) = tracks.find(|track| Some(track.id) == moved) {
            track.lane = lane;
        }
    }

    /// Packets of a track carry this number from now on.
    pub(crate) fn subscribed(&mut self, sid: &str, number: u32) {
        if let Some(track) = self.find(sid) {
            track.number = Some(number);
        }
    }

    /// The call's packet of what came, with its lane and party; `None` if it is of no tapped
    /// track.
    pub(crate) fn packet(&mut self, rtp: RtpIn) -> Option<(usize, Party, Packet)> {
        let arrived = self.at(rtp.arrived);
        let track = self
            .tracks
            .iter_mut()
            .find(|track| track.number == Some(rtp.track))?;
        let timeline = track.timeline(rtp.codec);
        if rtp.marker || rtp.level_dbov.is_some_and(|level| level >= SILENT_DBOV) {
            timeline.quiet();
        }
        let at = timeline.place(rtp.ssrc, rtp.timestamp, rtp.seq, arrived);
        let packet = Packet {
            track: track.id,
            ssrc: rtp.ssrc,
            seq: rtp.seq,
            at,
            codec: rtp.codec,
            marker: rtp.marker,
            level_dbov: rtp.level_dbov,
            payload: rtp.payload,
            arrived: rtp.arrived,
        };
        Some((track.lane, track.party, packet))
    }
}

impl Source for Livekit {
    fn at(&self, moment: Instant) -> MediaTime {
        MediaTime::from_duration(moment.saturating_duration_since(self.origin))
    }
}

impl Tapped {
    /// The timeline for packets of this codec.
    fn timeline(&mut self, codec: Codec) -> &mut Timeline {
        if self
            .timeline
            .as_ref()
            .is_none_or(|(known, _)| *known != codec)
        {
            self.timeline = None;
        }
        &mut self
            .timeline
            .get_or_insert_with(|| (codec, Timeline::new(codec.clock_rate())))
            .1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;
    use std::time::Duration;

    fn rtp(number: u32, seq: u64, arrived: Instant) -> RtpIn {
        RtpIn {
            track: number,
            ssrc: 7,
            seq,
            timestamp: seq as u32 * 960,
            marker: false,
            level_dbov: None,
            codec: Codec::Opus,
            payload: [0xf8, 0xff, 0xfe].as_slice().into(),
            arrived,
        }
    }

    #[test]
    fn a_packet_is_placed_where_it_arrived_on_the_calls_time() {
        let start = clock::now();
        let mut source = Livekit::new(start);
        let id = source.next_id();
        source.add("TR_1", id, Party::Agent, 3);
        let later = start + Duration::from_secs(2);
        assert!(
            source.packet(rtp(5, 100, later)).is_none(),
            "nobody said what number 5 is"
        );
        source.subscribed("TR_1", 5);
        let (lane, party, packet) = source.packet(rtp(5, 100, later)).unwrap();
        assert_eq!((lane, party, packet.at.ms()), (3, Party::Agent, 2000));
        let (.., next) = source
            .packet(rtp(5, 101, later + Duration::from_millis(20)))
            .unwrap();
        assert_eq!(next.at.ms(), 2020);
        assert_eq!(source.remove("TR_1"), Some(3));
        assert!(source.packet(rtp(5, 102, later)).is_none());
    }

    #[test]
    fn a_source_that_changes_its_codec_is_placed_on() {
        let start = clock::now();
        let mut source = Livekit::new(start);
        let id = source.next_id();
        source.add("TR_1", id, Party::Agent, 0);
        source.subscribed("TR_1", 0);
        let mut last = MediaTime::ZERO;
        for (n, codec) in [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::Opus]
            .iter()
            .enumerate()
        {
            let arrived = start + Duration::from_millis(20 * n as u64 + 20);
            let mut rtp = rtp(0, n as u64, arrived);
            rtp.codec = *codec;
            let (.., packet) = source.packet(rtp).unwrap();
            assert!(packet.at > last);
            last = packet.at;
        }
    }
}
