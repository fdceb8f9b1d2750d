//! One call that is heard in a LiveKit room of its upstream: the task that has itself let in, taps
//! the room, and fans out what comes.
//!
//! Retell lets in who shows the tenant's key (`POST /v2/listen-live-call`): it answers with its
//! server and a token for a listener whom nobody sees. A room that is lost is asked for anew, with
//! the same waits as a socket that is dialled again; a token that has expired is not tried.
//!
//! A supervisor who takes the call over makes a party of our listener: [`hand`]. There is no way back
//! from that, and the call is over when we leave.
//!
//! **Invariant**: neither the server nor the token is in a line of the log or in what is told of
//! the call, and no server is joined that is not one of Retell's rooms
//! (`a_room_that_is_none_of_retells_is_not_joined`).

mod floor;
mod hand;
pub(crate) mod invitation;
mod parties;
mod way;

use std::rc::Rc;
use std::time::{Duration, Instant};

use sidetone_fleet::{CommandRequest, FeedEnd};
use sidetone_room::service::RoomService;
use sidetone_room::{Closed, Event as RoomEvent, Room, RtpIn};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, EndClass, EndReason, Party, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::call::errands::Errands;
use crate::call::{Said, Voices};
use crate::keeper::Keeper;
use crate::live::{Live, RULE_QUEUE, Rule, Source as _};
use crate::metrics;
use crate::recognise::Told;
use crate::routes::CALL_QUEUE;
use crate::shard::Shard;
use crate::timer::until;
use crate::upstream::UPSTREAM_CLOSED;
use crate::upstream::life::{Act, Life};
use crate::{Sfu, sink, source};
use hand::Hand;
use parties::Tapped;
pub(crate) use way::Diallers;
use way::{Joined, Joining, Refused, enter, invite};

/// Levels are told, and deadlines looked at, this often.
const TICK: Duration = Duration::from_millis(250);
/// Room events handled before commands are looked at: a flood of packets must not starve them.
const BURST: u32 = 64;
/// How long saying goodbye may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A call to hear.
pub(crate) struct Start {
    pub(crate) socket: sidetone_wire::Socket,
    pub(crate) diallers: Diallers,
    pub(crate) keeper: Keeper,
}

/// What the task waits for.
enum Event {
    /// A room is joined, or cannot be.
    Joined(Joined),
    /// Something happened in it.
    Room(RoomEvent),
    /// The call is ours now, or it is not.
    Reached(Result<(), String>),
    /// A supervisor says something.
    Said(Said),
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
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exit {
    /// The control plane says that the call is over.
    Told,
    /// It is over since then.
    Ended(Instant, EndReason),
    /// The call goes on without us.
    Abandoned,
}

/// The task's state.
struct Tap {
    shard: Rc<Shard>,
    socket: sidetone_wire::Socket,
    diallers: Diallers,
    life: Life,
    live: Live<source::Livekit>,
    room: Option<Box<Room>>,
    /// Who we are in it.
    listener: String,
    joining: Option<Joining>,
    /// The connection is lost, and the room tries to have it back.
    wavers: bool,
    tapped: Vec<Tapped>,
    /// `None` without a LiveKit of ours: there are no microphones.
    voices: Option<Voices>,
    hand: Hand,
    errands: Option<JoinHandle<()>>,
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
    let (voices, errands) = voices(&shard, &source).unzip();
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
        listener: String::new(),
        joining: None,
        wavers: false,
        tapped: Vec::new(),
        voices,
        hand: Hand::Empty,
        errands,
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
                said = next_said(&mut self.voices) => Event::Said(said),
                told = inbox.next() => Event::Told(told),
                reached = self.hand.reached() => Event::Reached(reached),
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
            Event::Room(event) => return self.handle_room_event(event, now),
            Event::Reached(reached) => self.handle_reached(reached),
            Event::Said(said) => self.handle_said(&said),
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
            Ok((room, listener)) => {
                metrics::dialled("ok");
                (self.room, self.listener) = (Some(room), listener);
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
    fn handle_room_event(&mut self, event: RoomEvent, now: Instant) -> Option<Exit> {
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
                if let Hand::Full(mouth) = &mut self.hand {
                    mouth.handle_rejoined();
                }
                self.wavers = false;
                self.live.gap.handle_rejoined();
            }
            RoomEvent::PermissionChanged(_) => self.announce(),
            RoomEvent::Published { track, .. } => self.handle_published(track),
            RoomEvent::PublishFailed { track, reason } => {
                warn!(call = %self.socket.call, reason, "a supervisor's track is not published");
                self.hand.handle_failed(track);
            }
            RoomEvent::Closed(why) => return self.handle_closed(&why, now),
            _ => {}
        }
        None
    }

    /// The room is over, or we are out of it.
    fn handle_closed(&mut self, why: &Closed, now: Instant) -> Option<Exit> {
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
        // nobody is let in any more: there is no agent
        let over = if in_order {
            EndReason::new(EndClass::Completed, UPSTREAM_CLOSED)
        } else {
            EndReason::new(EndClass::Upstream, "connection_lost")
        };
        self.hand.is_full().then_some(Exit::Ended(now, over))
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

    fn handle_rule(&mut self, (_, answer): Rule) {
        let (shared, answers) = (&self.shard.shared, &self.answers);
        self.live.handle_rule(answer, clock::now(), shared, answers);
    }

    fn handle_tick(&mut self, now: Instant) -> Option<Exit> {
        let silent = !self.tapped.is_empty() && self.tapped.iter().all(|one| one.muted);
        if self.room.is_some() && !self.wavers && (silent || self.hand.is_full()) {
            // nobody speaks, and that is known; a room that is left is not entered again
            self.life.handle_sound(now);
        }
        if let Some(exit) = self.handle_floor_tick(now) {
            return Some(exit);
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
                Act::End(at) => {
                    let reason = EndReason::new(EndClass::Completed, UPSTREAM_CLOSED);
                    return Some(Exit::Ended(at, reason));
                }
            }
        }
        let problem = self.life.problem(now).map(|problem| problem.to_string());
        self.live.handle_degraded(problem);
        let connected = self.life.is_open() && !self.wavers;
        let (shard, answers) = (&self.shard, &self.answers);
        self.live.handle_tick(connected, now, shard, answers);
        None
    }

    /// Ends the sinks, each with all that came; a recording is as long as the call was heard.
    async fn finish(mut self, exit: Exit) {
        let now = clock::now();
        let ended = match &exit {
            Exit::Told => self.life.ended_at(),
            Exit::Ended(at, _) => Some(*at),
            Exit::Abandoned => None,
        };
        if ended.is_some() {
            // what was heard until then is all there was
            self.live.gap.handle_resumed();
        }
        let at = ended.unwrap_or(now);
        let log = self.live.log.clone();
        let why = match &exit {
            Exit::Told => FeedEnd::Over(None),
            Exit::Ended(_, reason) => FeedEnd::Over(Some(reason.code.clone())),
            Exit::Abandoned => FeedEnd::Elsewhere,
        };
        if let Some(voices) = &mut self.voices {
            voices.end();
        }
        self.live.finish(at, &why, &self.shard);
        info!(call = %self.socket.call, ?exit, "a call is heard no more");
        if let Exit::Ended(at, reason) = exit {
            log.send(CallEvent::Ended {
                at: Timestamp::from_unix_ms(clock::wall_at(at)),
                reason,
            });
        }
        let (voices, errands, room) = (self.voices, self.errands, self.room);
        drop((voices, self.hand));
        let leaving = async {
            if let Some(room) = room {
                Box::pin(room.leave()).await;
            }
            if let Some(errands) = errands {
                drop(errands.await);
            }
        };
        // whether the servers take our leave is their own affair
        drop(tokio::time::timeout(LEAVE_TIMEOUT, leaving).await);
    }
}

/// Where microphones come from, and what asks our server for them.
fn voices(shard: &Rc<Shard>, source: &source::Livekit) -> Option<(Voices, JoinHandle<()>)> {
    let Sfu { url, credentials } = shard.shared.livekit.as_ref()?;
    let service = RoomService::new(url, credentials);
    // every one of them names the monitor room that it is about
    let (errands, running) = Errands::start(service, String::new());
    let voices = Voices::beyond(shard.clone(), errands, source.beside());
    Some((voices, running))
}

async fn joined(joining: &mut Option<Joining>) -> Joined {
    match joining {
        Some(joining) => joining.await,
        None => std::future::pending().await,
    }
}

async fn next_said(voices: &mut Option<Voices>) -> Said {
    match voices {
        Some(voices) => voices.next().await,
        None => std::future::pending().await,
    }
}

async fn next(room: &mut Option<Box<Room>>) -> RoomEvent {
    match room {
        Some(room) => room.next().await,
        None => std::future::pending().await,
    }
}
