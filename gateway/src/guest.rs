//! One call that is heard in a LiveKit room of its upstream: the task that has itself let in, taps
//! the room, and fans out what comes.
//!
//! Retell lets in who shows the tenant's key (`POST /v2/listen-live-call`): it answers with its
//! server and a token for a listener whom nobody sees. A room that is lost is asked for anew, with
//! the same waits as a socket that is dialled again; a token that has expired is not tried.
//!
//! **Invariant**: neither the server nor the token is in a line of the log or in what is told of
//! the call, and no server is joined that is not one of Retell's rooms
//! (`a_room_that_is_none_of_retells_is_not_joined`).

pub(crate) mod invitation;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidetone_fleet::{CommandRequest, FeedEnd};
use sidetone_room::{
    Closed, Event as RoomEvent, JoinError, JoinPacer, Kind, Options, Room, RtpIn, TokenSource,
    Track,
};
use sidetone_service::clock;
use sidetone_service::dial::Dialler;
use sidetone_service::dial::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use sidetone_wire::{CallEvent, Command, EndClass, EndReason, Party, Reply, Timestamp};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::keeper::Keeper;
use crate::live::{Live, RULE_QUEUE, Rule, Source as _};
use crate::metrics;
use crate::recognise::Told;
use crate::routes::CALL_QUEUE;
use crate::shard::Shard;
use crate::timer::until;
use crate::upstream::life::{Act, Life};
use crate::upstream::{UPSTREAM_CLOSED, without_host};
use crate::{sink, source};
use invitation::Invitation;

/// Levels are told, and deadlines looked at, this often.
const TICK: Duration = Duration::from_millis(250);
/// Room events handled before commands are looked at: a flood of packets must not starve them.
const BURST: u32 = 64;
/// A room that cannot be had back within this time is asked for anew.
const GIVE_UP_AFTER: Duration = Duration::from_secs(20);
/// How long saying goodbye may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// Tracks that are tapped at once: a call has two. Further ones are not heard.
const TRACKS: usize = 16;

/// Who the agent is in Retell's rooms, and what its track is called.
const AGENT: &str = "server";
const AGENT_TRACK: &str = "agent_audio";
/// How the names of those begin who listen, or have taken a call over: parties of none of it.
const LISTENER: &str = "listener_";

/// A call to hear.
pub(crate) struct Start {
    pub(crate) socket: sidetone_wire::Socket,
    pub(crate) diallers: Diallers,
    pub(crate) keeper: Keeper,
}

/// What asks for a room, and what says whether it is joined.
#[derive(Clone)]
pub(crate) struct Diallers {
    pub(crate) api: Dialler,
    pub(crate) rooms: Dialler,
}

/// Why there is no room.
struct Refused {
    why: String,
    /// The upstream knows no such call.
    gone: bool,
}

type Joined = Result<Box<Room>, Refused>;
type Joining = Pin<Box<dyn Future<Output = Joined>>>;

/// What the task waits for.
enum Event {
    /// A room is joined, or cannot be.
    Joined(Joined),
    /// Something happened in it.
    Room(RoomEvent),
    /// Sound is due at listeners outside of LiveKit.
    Due,
    /// The control plane asks for something.
    Command(CommandRequest),
    /// The control plane says what may be recorded.
    Rule(Rule),
    /// The recogniser of what is said.
    Told(Told),
    /// [`TICK`] has passed.
    Tick,
    /// The call may be another gateway's, or the gateway ends: the call goes on without us.
    Abandon,
}

/// Why the task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// The control plane says that the call is over.
    Told,
    /// The upstream ended it, then.
    Ended(Instant),
    /// The call goes on without us.
    Abandoned,
}

/// A track that is tapped.
struct Tapped {
    sid: String,
    identity: String,
    party: Party,
    muted: bool,
}

/// The task's state.
struct Tap {
    shard: Rc<Shard>,
    socket: sidetone_wire::Socket,
    diallers: Diallers,
    life: Life,
    live: Live<source::Livekit>,
    room: Option<Box<Room>>,
    joining: Option<Joining>,
    /// The connection is lost, and the room tries to have it back.
    wavers: bool,
    tapped: Vec<Tapped>,
    told: Option<String>,
    commands: mpsc::Receiver<CommandRequest>,
    rules: mpsc::Receiver<Rule>,
    answers: mpsc::Sender<Rule>,
}

/// Hears a call until it is over.
pub(crate) async fn run(start: Start, shard: Rc<Shard>) {
    let Start {
        socket,
        diallers,
        keeper,
    } = start;
    let (queue, commands) = mpsc::channel(CALL_QUEUE);
    let (answers, rules) = mpsc::channel(RULE_QUEUE);
    let of = sink::Of {
        call: socket.call,
        tenant: socket.tenant.clone(),
        started_at: Timestamp::from_unix_ms(clock::wall()),
    };
    let source = source::Livekit::new(clock::now());
    let mut live = Live::new(&shard.shared, of, keeper.fence(), source, &queue);
    live.name(Party::Customer, socket.customer_name.as_deref());
    live.name(Party::Agent, socket.agent_name.as_deref());
    let mut tap = Tap {
        shard,
        socket,
        diallers,
        life: Life::new(),
        live,
        room: None,
        joining: None,
        wavers: false,
        tapped: Vec::new(),
        told: None,
        commands,
        rules,
        answers,
    };
    tap.join();
    info!(call = %tap.socket.call, upstream = %tap.socket.upstream, "a call is heard in a room of its upstream");
    let exit = tap.run(&keeper.lost()).await;
    tap.finish(exit).await;
}

impl Tap {
    /// Returns when the call is over, or not ours.
    async fn run(&mut self, lost: &CancellationToken) -> Exit {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = self.shard.drain.clone();
        let mut burst = 0;
        loop {
            burst += 1;
            if burst >= BURST {
                burst = 0;
                while let Ok(rule) = self.rules.try_recv() {
                    self.handle_rule(rule);
                }
                while let Ok(request) = self.commands.try_recv() {
                    if let Some(exit) = self.handle_command(request) {
                        return exit;
                    }
                }
            }
            let (due, inbox) = (self.live.due(), self.live.inbox());
            let event = tokio::select! {
                biased;
                () = lost.cancelled() => Event::Abandon,
                () = drain.cancelled() => Event::Abandon,
                () = until(due) => Event::Due,
                told = inbox.next() => Event::Told(told),
                joined = joined(&mut self.joining) => Event::Joined(joined),
                event = next(&mut self.room) => Event::Room(event),
                Some(request) = self.commands.recv() => Event::Command(request),
                Some(rule) = self.rules.recv() => Event::Rule(rule),
                _ = ticks.tick() => Event::Tick,
            };
            if let Some(exit) = self.handle_event(event) {
                return exit;
            }
        }
    }

    fn handle_event(&mut self, event: Event) -> Option<Exit> {
        let now = clock::now();
        match event {
            Event::Joined(joined) => self.handle_joined(joined, now),
            Event::Room(RoomEvent::Packet(packet)) => self.handle_packet(packet),
            Event::Room(event) => self.handle_room_event(event, now),
            Event::Due => self.live.handle_due(now),
            Event::Command(request) => return self.handle_command(request),
            Event::Rule(rule) => self.handle_rule(rule),
            Event::Told(told) => {
                let shared = &self.shard.shared;
                self.live.handle_told(told, None, now, shared);
            }
            Event::Tick => return self.handle_tick(now),
            Event::Abandon => return Some(Exit::Abandoned),
        }
        None
    }

    /// Begins to ask for a room, and to join it.
    fn join(&mut self) {
        let (diallers, socket) = (self.diallers.clone(), self.socket.clone());
        let pacer = self.shard.shared.pacer.clone();
        self.joining = Some(Box::pin(async move {
            let way = invite(&diallers.api, &socket).await?;
            enter(&diallers.rooms, way, pacer).await
        }));
    }

    fn handle_joined(&mut self, joined: Joined, now: Instant) {
        self.joining = None;
        match joined {
            Ok(room) => {
                metrics::dialled("ok");
                self.room = Some(room);
                self.wavers = false;
                self.life.handle_opened(now);
                self.live.gap.handle_rejoined();
            }
            Err(Refused { why, gone }) => {
                metrics::dialled("failed");
                debug!(why, "an upstream's room cannot be joined");
                if gone {
                    self.life.handle_gone();
                }
                self.life.handle_refused(why, now);
                self.lose(now);
            }
        }
    }

    fn handle_packet(&mut self, packet: RtpIn) {
        self.life.handle_sound(packet.arrived);
        if let Some((lane, party, packet)) = self.live.source.packet(packet) {
            let (shared, answers) = (&self.shard.shared, &self.answers);
            self.live
                .handle_packet(lane, party, &packet, shared, answers);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "nothing else of what happens in an upstream's room is ours"
    )]
    fn handle_room_event(&mut self, event: RoomEvent, now: Instant) {
        match event {
            RoomEvent::TrackPublished { identity, track } if track.audio => {
                self.tap(identity, &track, now);
            }
            RoomEvent::TrackUnpublished { track, .. } => self.untap(&track.sid, now),
            RoomEvent::TrackMuted { sid, muted, .. } => {
                if let Some(track) = self.tapped.iter_mut().find(|one| one.sid == sid) {
                    track.muted = muted;
                }
            }
            RoomEvent::Subscribed { track, sid } => self.live.source.subscribed(&sid, track),
            RoomEvent::SubscriptionFailed { sid, reason } => {
                warn!(call = %self.socket.call, track = sid, reason, "a track cannot be tapped");
            }
            RoomEvent::Speakers(changed) => {
                let tapped = &self.tapped;
                let party_of = |identity: &str| {
                    let found = tapped.iter().find(|one| one.identity == identity);
                    found.map(|one| one.party)
                };
                self.live.bus.level.handle_speakers(&changed, party_of);
            }
            RoomEvent::Dtmf { .. } => {
                let at = self.live.source.at(now);
                self.live.bus.handle_digit(at, now);
            }
            RoomEvent::Reconnecting { .. } => {
                self.wavers = true;
                self.lose(now);
            }
            RoomEvent::Resumed { .. } => {
                self.wavers = false;
                self.live.gap.handle_resumed();
            }
            RoomEvent::Rejoined { .. } => {
                // whoever is there is told of anew
                self.untap_all(now);
                self.wavers = false;
                self.live.gap.handle_rejoined();
            }
            RoomEvent::Closed(why) => self.handle_closed(&why, now),
            _ => {}
        }
    }

    /// The room is over, or we are out of it.
    fn handle_closed(&mut self, why: &Closed, now: Instant) {
        let (in_order, why) = match why {
            Closed::RoomClosed => (true, "the room is over"),
            Closed::Removed => (false, "we were put out of the room"),
            Closed::DuplicateIdentity => (false, "somebody took our place in the room"),
            Closed::Unauthorized(_) => (false, "our way into the room has expired"),
            Closed::Lost(_) | Closed::Left => (false, "the room was lost"),
        };
        debug!(why, "an upstream's room is left");
        self.leave_room();
        self.life.handle_closed(in_order, why.to_owned(), now);
        self.lose(now);
    }

    fn leave_room(&mut self) {
        self.untap_all(clock::now());
        self.wavers = false;
        if let Some(room) = self.room.take() {
            tokio::task::spawn_local(async move { Box::pin(room.leave()).await });
        }
    }

    /// Nothing is heard for now.
    fn lose(&mut self, now: Instant) {
        let since = self.life.lost_since().unwrap_or(now);
        self.live.gap.handle_lost(self.live.source.at(since));
        self.live.bus.level.reset();
    }

    fn tap(&mut self, identity: String, track: &Track, now: Instant) {
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

    fn untap(&mut self, sid: &str, now: Instant) {
        self.tapped.retain(|one| one.sid != sid);
        let Live { source, bus, .. } = &mut self.live;
        if let Some(lane) = source.remove(sid) {
            source.leave_lane(bus, lane, now);
        }
    }

    fn untap_all(&mut self, now: Instant) {
        while let Some(one) = self.tapped.pop() {
            self.untap(&one.sid, now);
        }
    }

    fn handle_rule(&mut self, (_, answer): Rule) {
        let (shared, answers) = (&self.shard.shared, &self.answers);
        self.live.handle_rule(answer, clock::now(), shared, answers);
    }

    fn handle_command(&mut self, request: CommandRequest) -> Option<Exit> {
        if let Command::CallOver { .. } = request.command {
            request.answer(Ok(Reply::Done));
            return Some(Exit::Told);
        }
        self.live.handle_command(request, clock::now(), &self.shard);
        None
    }

    fn handle_tick(&mut self, now: Instant) -> Option<Exit> {
        if !self.wavers && !self.tapped.is_empty() && self.tapped.iter().all(|one| one.muted) {
            // nobody speaks, and that is known
            self.life.handle_sound(now);
        }
        while let Some(act) = self.life.handle_timeout(now) {
            match act {
                Act::Dial => self.join(),
                // whether the server is there is the room's affair, which says so
                Act::Ping => self.life.handle_alive(now),
                Act::HangUp => {
                    self.leave_room();
                    self.lose(now);
                }
                Act::End(at) => return Some(Exit::Ended(at)),
            }
        }
        self.tell(now);
        let connected = self.life.is_open() && !self.wavers;
        let (shard, answers) = (&self.shard, &self.answers);
        self.live.handle_tick(connected, now, shard, answers);
        None
    }

    /// Tells what is wrong, or no more, once.
    fn tell(&mut self, now: Instant) {
        let reason = self.life.problem(now).map(|problem| problem.to_string());
        if reason != self.told {
            self.told.clone_from(&reason);
            info!(call = %self.socket.call, ?reason, "how a call is heard changes");
            self.live.handle_degraded(reason);
        }
    }

    /// Ends the sinks, each with all that came; a recording is as long as the call was heard.
    async fn finish(mut self, exit: Exit) {
        let now = clock::now();
        let ended = match exit {
            Exit::Told => self.life.ended_at(),
            Exit::Ended(at) => Some(at),
            Exit::Abandoned => None,
        };
        if ended.is_some() {
            // what was heard until then is all there was
            self.live.gap.handle_resumed();
        }
        let at = ended.unwrap_or(now);
        let log = self.live.log.clone();
        let why = match exit {
            Exit::Told => FeedEnd::Over(None),
            Exit::Ended(_) => FeedEnd::Over(Some(UPSTREAM_CLOSED.to_owned())),
            Exit::Abandoned => FeedEnd::Elsewhere,
        };
        self.live.finish(at, &why, &self.shard);
        if let Exit::Ended(at) = exit {
            let ago = i64::try_from((now - at).as_millis()).unwrap_or(0);
            log.send(CallEvent::Ended {
                at: Timestamp::from_unix_ms(clock::wall() - ago),
                reason: EndReason::new(EndClass::Completed, UPSTREAM_CLOSED),
            });
        }
        if let Some(room) = self.room {
            // whether the server takes our leave is its own affair
            drop(tokio::time::timeout(LEAVE_TIMEOUT, Box::pin(room.leave())).await);
        }
        info!(call = %self.socket.call, ?exit, "a call is heard no more");
    }
}

/// Whose track it is; `None` when it is of no party to the call.
fn party(identity: &str, kind: Kind, track: &str) -> Option<Party> {
    if identity.starts_with(LISTENER) {
        return None;
    }
    let agent = identity == AGENT || track == AGENT_TRACK || kind == Kind::Agent;
    Some(if agent { Party::Agent } else { Party::Customer })
}

/// Asks for a way into a call's room.
async fn invite(api: &Dialler, socket: &sidetone_wire::Socket) -> Result<Invitation, Refused> {
    let url = &socket.url.0;
    let refused = |why: String| Refused {
        why: without_host(&why, url),
        gone: false,
    };
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    let key = socket.bearer.as_ref().map_or("", |key| &key.0);
    if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {key}")) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let answer = api.post(url, headers, "{}").await;
    let answer = answer.map_err(|error| refused(error.to_string()))?;
    match answer.status() {
        200..=299 => {}
        status => {
            return Err(Refused {
                why: format!("it answers with status {status}"),
                gone: matches!(status, 404 | 410),
            });
        }
    }
    let body = answer.whole().await;
    let body = body.map_err(|error| refused(error.to_string()))?;
    Invitation::read(&body).map_err(|error| refused(error.to_string()))
}

/// Joins a room, if it is on a server that may be one of the upstream's.
async fn enter(rooms: &Dialler, way: Invitation, pacer: JoinPacer) -> Joined {
    let refused = |why: String| Refused { why, gone: false };
    let vetted = rooms.vet(&way.url).await;
    vetted.map_err(|error| {
        let why = without_host(&error.to_string(), &way.url);
        refused(format!("its room is not joined: {why}"))
    })?;
    let url = way.url.clone();
    let token: TokenSource = Arc::new(move |_attempt| {
        if way.is_over(clock::wall()) {
            return Err("it has expired".to_owned());
        }
        Ok(way.token.clone())
    });
    let mut options = Options::with_token_source(&url, token);
    options.pacer = pacer;
    options.give_up_after = GIVE_UP_AFTER;
    match Box::pin(Room::join(options)).await {
        Ok(room) => Ok(Box::new(room)),
        // what they say names the server
        Err(JoinError::Unauthorized { .. }) => {
            Err(refused("its room does not take our token".to_owned()))
        }
        Err(JoinError::Unreachable { .. }) => Err(refused("its room cannot be joined".to_owned())),
    }
}

async fn joined(joining: &mut Option<Joining>) -> Joined {
    match joining {
        Some(joining) => joining.await,
        None => std::future::pending().await,
    }
}

async fn next(room: &mut Option<Box<Room>>) -> RoomEvent {
    match room {
        Some(room) => room.next().await,
        None => std::future::pending().await,
    }
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
