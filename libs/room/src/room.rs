//! A room: joined, listened to, published into, held on to.

mod link;
mod media;
mod session;
mod signal;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use tokio::time::Sleep;

use crate::clock;
use crate::data::{self, Data};
use crate::event::{Closed, Event, RpcError, RtpOut, Transcription};
use crate::local::Locals;
use crate::model::{Audience, LocalTrack, Participant, Permission, PublishOptions};
use crate::options::Options;
use crate::roster::Roster;
use link::Link;
pub use session::JoinError;
use session::{Channel, Session};

/// Data packets kept until the channel is open.
const DATA_BACKLOG: usize = 256;

/// Datagrams read before signalling is looked at: a flood of media must not starve it.
const MEDIA_BURST: u32 = 32;

/// A joined room. One owner, no task of its own: nothing happens unless [`Room::next`] is awaited.
///
/// Commands never wait; what came of them is an [`Event`]. Dropping a room closes its sockets
/// without saying goodbye (the server notices within 15 s); [`Room::leave`] says it.
pub struct Room {
    options: Options,
    session: Session,
    link: Link,
    events: VecDeque<Event>,
    roster: Roster,
    locals: Locals,
    data: Data,
    backlog: VecDeque<(Channel, Vec<u8>)>,
    local: Participant,
    name: String,
    sid: String,
    metadata: String,
    last_data_sequence: u32,
    burst: u32,
    timer: Pin<Box<Sleep>>,
    timer_at: Instant,
}

impl Room {
    /// Joins: returns when the server has said who is there. Media follows as events.
    pub async fn join(options: Options) -> Result<Self, JoinError> {
        let (session, join) = session::connect(&options, 0, 0).await?;
        let now = clock::now();
        let far = now + Duration::from_hours(1);
        let mut room = Self {
            locals: Locals::new(options.uplink_nack),
            options,
            session,
            link: Link::Up,
            events: VecDeque::new(),
            roster: Roster::default(),
            data: Data::default(),
            backlog: VecDeque::new(),
            local: Participant::from(&proto::ParticipantInfo::default()),
            name: String::new(),
            sid: String::new(),
            metadata: String::new(),
            last_data_sequence: 0,
            burst: 0,
            timer: Box::pin(tokio::time::sleep_until(far.into())),
            timer_at: far,
        };
        room.joined(join);
        Ok(room)
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The room's sid.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The room's metadata.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// Ourselves.
    pub fn local(&self) -> &Participant {
        &self.local
    }

    /// Everybody else that we may see.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.roster.participants()
    }

    /// The sid of a track of ours, once published.
    pub fn local_sid(&self, track: LocalTrack) -> Option<&str> {
        self.locals.sid(track)
    }

    /// What happens next. Cancel-safe: dropping the future loses nothing. After
    /// [`Event::Closed`] it never completes again.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Like [`Room::next`], for hand-written futures.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if matches!(self.link, Link::Closed) {
                return Poll::Pending;
            }
            self.flush();
            self.burst += 1;
            if self.burst < MEDIA_BURST && self.poll_media(cx) {
                continue;
            }
            self.burst = 0;
            if self.poll_signal(cx) || self.poll_link(cx) || self.poll_media(cx) {
                continue;
            }
            if !self.poll_timer(cx) && self.events.is_empty() {
                return Poll::Pending;
            }
        }
    }

    /// Asks for the packets of a track ([`Event::TrackPublished`]). After [`Event::Rejoined`] it
    /// has to be asked again.
    pub fn subscribe(&mut self, sid: &str) {
        self.update_subscription(sid, true);
    }

    /// Wants no more packets of a track.
    pub fn unsubscribe(&mut self, sid: &str) {
        self.update_subscription(sid, false);
    }

    fn update_subscription(&mut self, sid: &str, subscribe: bool) {
        self.session.remotes.want(sid, subscribe);
        self.request(Request::Subscription(proto::UpdateSubscription {
            track_sids: vec![sid.to_owned()],
            subscribe,
            ..Default::default()
        }));
    }

    /// Publishes a track; [`Event::Published`] says when it takes packets. It is published again
    /// by itself after [`Event::Rejoined`].
    pub fn publish(&mut self, options: PublishOptions) -> LocalTrack {
        let track = self.locals.add(options);
        self.announce(track);
        track
    }

    fn announce(&mut self, track: LocalTrack) {
        if let Some(request) = self.locals.announce(track) {
            self.request(Request::AddTrack(request));
        }
    }

    /// Ends a track of ours: packets stop at once, listeners are told.
    pub fn unpublish(&mut self, track: LocalTrack) {
        self.locals.end(track);
        self.negotiate();
    }

    /// Mutes or unmutes a track of ours for everybody.
    pub fn set_muted(&mut self, track: LocalTrack, muted: bool) {
        self.locals.set_muted(track, muted);
        if let Some(sid) = self.locals.sid(track).map(str::to_owned) {
            self.request(Request::Mute(proto::MuteTrackRequest { sid, muted }));
        }
    }

    /// Sends a packet on a track of ours. It leaves with [`Room::flush`], or when
    /// [`Room::next`] is next awaited. `false` if the track takes none now.
    pub fn write(&mut self, track: LocalTrack, packet: RtpOut) -> bool {
        let now = clock::now();
        let Some(peer) = self.session.publisher.as_mut() else {
            return false;
        };
        self.locals.write(peer, track, packet, now)
    }

    /// Sends what was written. Write many packets, then flush once.
    pub fn flush(&mut self) {
        if self.locals.take_dirty() {
            self.drive_publisher();
        }
    }

    /// Says who may subscribe what we publish. Tracks named in it must be published already.
    pub fn set_audience(&mut self, audience: Audience) {
        self.options.audience = audience;
        self.send_audience();
    }

    fn send_audience(&mut self) {
        let permission = |identity: &str, all_tracks: bool, track_sids| proto::TrackPermission {
            participant_identity: identity.to_owned(),
            all_tracks,
            track_sids,
            ..Default::default()
        };
        let (all_participants, track_permissions) = match &self.options.audience {
            Audience::Everybody => (true, Vec::new()),
            Audience::Only(identities) => (
                false,
                identities
                    .iter()
                    .map(|i| permission(i, true, Vec::new()))
                    .collect(),
            ),
            Audience::Tracks(named) => (
                false,
                named
                    .iter()
                    .map(|(i, t)| permission(i, false, self.sids(t)))
                    .collect(),
            ),
            Audience::Mixed { all, some } => {
                let all = all.iter().map(|i| permission(i, true, Vec::new()));
                let some = some.iter().map(|(i, t)| permission(i, false, self.sids(t)));
                (false, all.chain(some).collect())
            }
        };
        let permission = proto::SubscriptionPermission {
            all_participants,
            track_permissions,
        };
        self.request(Request::SubscriptionPermission(permission));
    }

    /// The sids of tracks that have one.
    fn sids(&self, tracks: &[LocalTrack]) -> Vec<String> {
        let sids = tracks.iter().filter_map(|track| self.locals.sid(*track));
        sids.map(str::to_owned).collect()
    }

    /// Sends a text stream on a topic, to these identities or to everybody.
    pub fn send_text(
        &mut self,
        topic: &str,
        text: &str,
        attributes: &[(&str, &str)],
        to: &[String],
    ) {
        let id = clock::random_id();
        for packet in data::text_packets(&id, topic, text, attributes, 0, to) {
            self.send_packet(Channel::Reliable, packet);
        }
    }

    /// Sends a data packet on a topic, to these identities or to everybody.
    pub fn send_data(&mut self, topic: &str, payload: Vec<u8>, reliable: bool, to: &[String]) {
        let user = proto::UserPacket {
            topic: Some(topic.to_owned()),
            payload,
            ..Default::default()
        };
        let packet = data::packet(proto::data_packet::Value::User(user), to);
        self.send_packet(
            if reliable {
                Channel::Reliable
            } else {
                Channel::Lossy
            },
            packet,
        );
    }

    /// Sends transcript segments in the older carrier. The server passes it on from agents only.
    pub fn send_transcription(&mut self, transcription: Transcription) {
        self.send_packet(Channel::Reliable, data::transcription_packet(transcription));
    }

    /// Calls a method of another participant; [`Event::RpcResult`] carries the returned number.
    pub fn perform_rpc(&mut self, to: &str, method: &str, payload: &str, timeout: Duration) -> u64 {
        let now = clock::now();
        let id = clock::random_id();
        let (number, packet) = self.data.begin_rpc(id, to, method, payload, timeout, now);
        match packet {
            Some(packet) => self.send_packet(Channel::Reliable, packet),
            None => self.events.push_back(data::unsent_rpc(number)),
        }
        number
    }

    /// Answers a call to us.
    pub fn answer_rpc(&mut self, id: &str, to: &str, result: Result<String, RpcError>) {
        self.send_packet(Channel::Reliable, data::rpc_answer(id, to, result));
    }

    /// Leaves: others see it at once. Returns when the server has answered, or after half a
    /// second without an answer.
    pub async fn leave(self) {
        self.session.leave().await;
    }

    /// Drops one in `one_in` datagrams in both directions from now on, 0 for none: how it is tested
    /// that losses are made good.
    #[doc(hidden)]
    pub fn impair(&mut self, one_in: u32) {
        let session = &mut self.session;
        for peer in [&mut session.subscriber, &mut session.publisher]
            .into_iter()
            .flatten()
        {
            peer.impair(one_in);
        }
    }

    /// Cuts the signalling connection, as a network would: how it is tested that it is resumed.
    #[doc(hidden)]
    pub fn drop_signalling(&mut self) {
        self.resume("cut by a test");
    }

    fn request(&mut self, request: Request) {
        if !self.session.request(request) {
            self.rejoin("the signalling connection is stuck");
        }
    }

    fn close(&mut self, why: Closed) {
        if !matches!(self.link, Link::Closed) {
            self.link = Link::Closed;
            self.events.push_back(Event::Closed(why));
        }
    }

    /// A session has begun: what the server said about the room and everybody in it.
    fn joined(&mut self, join: proto::JoinResponse) {
        if let Some(room) = join.room {
            self.name = room.name;
            self.sid = room.sid;
            self.metadata = room.metadata;
        }
        if let Some(info) = &join.participant {
            self.local = Participant::from(info);
        }
        for info in &join.other_participants {
            self.roster.handle_update(info, &mut self.events);
        }
        if self.options.audience != Audience::Everybody {
            self.send_audience();
        }
        if !join.subscriber_primary {
            // the server counts us as there when the publishing connection is up
            self.locals.needed = true;
            self.negotiate();
        }
    }

    fn permission_changed(&mut self, info: &proto::ParticipantInfo) {
        let before = self.local.permission;
        self.local = Participant::from(info);
        if self.local.permission != before && before != Permission::default() {
            self.events
                .push_back(Event::PermissionChanged(self.local.permission));
        }
    }

    /// Wakes when the next deadline is due; `true` if something was done.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let due = [
            self.session.poll_timeout(),
            self.data.poll_timeout(),
            self.link.poll_timeout(),
        ];
        let Some(due) = due.into_iter().flatten().min() else {
            return false;
        };
        if due < self.timer_at || self.timer.is_elapsed() {
            // a later deadline is left to the earlier wake-up: most timers are never reached
            self.timer.as_mut().reset(due.into());
            self.timer_at = due;
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.handle_timeouts(clock::now());
        true
    }

    fn handle_timeouts(&mut self, now: Instant) {
        let expired = self.data.handle_timeout(now);
        self.events.extend(expired);
        self.handle_link_timeout(now);
        self.handle_peer_timeouts(now);
    }
}
