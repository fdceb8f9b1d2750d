//! One room's task: it holds the tap, says what happens to the call, and fans its packets out.

mod control;
pub(crate) mod errands;
mod floor;
mod gap;
mod life;
mod messages;
mod metadata;
mod parties;
mod said;
mod voices;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidetone_fleet::{CommandRequest, FeedEnd};
use sidetone_room::service::RoomService;
use sidetone_room::token::Token;
use sidetone_room::{Event as RoomEvent, JoinError, Options, Room, RtpIn, TokenSource};
use sidetone_service::{clock, random};
use sidetone_wire::{CallEvent, CallId, EndReason, Party, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::live::{Live, RULE_QUEUE, Rule, Source as _};
use crate::metrics::{self, Present};
use crate::recognise::{Inbox, Told};
use crate::routes::CALL_QUEUE;
use crate::shard::{Shard, Start};
use crate::timer::until;
use crate::{Sfu, Shared, sink, source};
use errands::Errands;
use floor::Floor;
pub(crate) use gap::Gap;
use life::{Life, Moment, Output, RoomFacts};
pub(crate) use metadata::Metadata;
pub(crate) use voices::{Holding, Said, Voices};

/// Levels are told, and deadlines looked at, this often.
const TICK: Duration = Duration::from_millis(250);
/// A room that cannot be had back within this time is given up: its call is over.
const GIVE_UP_AFTER: Duration = Duration::from_mins(2);
/// Room events handled before commands are looked at: a flood of packets must not starve them.
const BURST: u32 = 64;
/// The topic of transcripts.
const TRANSCRIPTION: &str = "lk.transcription";
/// How long saying goodbye may take: agents that do not answer are told otherwise after a second.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a call's task waits for.
enum Event {
    /// Something happened in the room.
    Room(RoomEvent),
    /// The control plane asks for something.
    Command(CommandRequest),
    /// The control plane says what may be recorded.
    Rule(Rule),
    /// A supervisor says something.
    Said(Said),
    /// The recogniser of what is said.
    Told(Told),
    /// Sound is due at listeners outside of LiveKit.
    Due,
    /// [`TICK`] has passed.
    Tick,
    /// The call may be another gateway's.
    LeaseLost,
    /// The gateway ends.
    Drain,
}

/// Why the task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// The room is over, or lost for good.
    Over,
    /// Another gateway may have it.
    Elsewhere,
    /// The gateway ends; the call goes on.
    Drained,
}

/// Taps a room until it is over.
pub(crate) async fn run(start: Start, shard: Rc<Shard>) {
    let Start {
        room: info,
        keeper,
        fate,
    } = start;
    let lost = keeper.lost();
    let joining = Box::pin(Room::join(options(&shard.shared, &info.name)));
    let joined = tokio::select! {
        joined = joining => joined,
        () = lost.cancelled() => return fate.elsewhere(),
        () = shard.drain.cancelled() => return,
    };
    let room = match joined {
        Ok(room) => Box::new(room),
        Err(error) => return join_failed(&error),
    };
    if room.sid() != info.sid {
        // closed and opened again meanwhile: what was listed about it is of the former one
        debug!(
            listed = info.sid,
            joined = room.sid(),
            "another room of that name"
        );
        return room.leave().await;
    }
    metrics::joined("ok");
    let facts = RoomFacts {
        name: info.name,
        sid: info.sid,
        created_at: Timestamp::from_unix_ms(info.created_unix_ms),
        metadata: room.metadata().to_owned(),
    };
    let mut tap = Tap::new(shard, room, facts, keeper.fence());
    let exit = tap.run(&lost).await;
    debug!(?exit, "the tap ends");
    let sid = tap.life.room_sid().to_owned();
    tap.finish(exit).await;
    match exit {
        Exit::Over => fate.over(&sid),
        Exit::Elsewhere => fate.elsewhere(),
        Exit::Drained => {}
    }
}

fn join_failed(error: &JoinError) {
    let outcome = match error {
        JoinError::Unauthorized { .. } => "unauthorized",
        JoinError::Unreachable { .. } => "unreachable",
    };
    metrics::joined(outcome);
    warn!(%error, "the room cannot be tapped: trying again");
}

/// Joins as the invisible listener, under a new identity for every attempt.
fn options(shared: &Arc<Shared>, room: &str) -> Options {
    let (credentials, name) = (shared.sfu().credentials.clone(), room.to_owned());
    let token: TokenSource = Arc::new(move |_attempt| {
        let identity = format!("tap-{:016x}", random::u64());
        Token::tap(&name, &identity)
            .sign(&credentials)
            .map_err(|error| error.to_string())
    });
    let mut options = Options::with_token_source(&shared.sfu().url, token);
    options.pacer = shared.pacer.clone();
    options.give_up_after = GIVE_UP_AFTER;
    options
}

/// The task's state.
struct Tap {
    shard: Rc<Shard>,
    room: Box<Room>,
    fence: u64,
    life: Life,
    ongoing: Option<Ongoing>,
    commands: mpsc::Receiver<CommandRequest>,
    queue: mpsc::Sender<CommandRequest>,
    rules: mpsc::Receiver<Rule>,
    answers: mpsc::Sender<Rule>,
    floor: Floor,
    /// By whom the call is held, as agents are told.
    held_by: Option<String>,
    /// What agents are told when they have the call again.
    summary: Option<String>,
    errands: Errands,
    running: JoinHandle<()>,
    _present: Present,
}

/// A call that goes on, and the supervisors who speak in it.
struct Ongoing {
    live: Live<source::Livekit>,
    voices: Voices,
}

fn moment() -> Moment {
    Moment {
        now: clock::now(),
        wall: Timestamp::from_unix_ms(clock::wall()),
    }
}

impl Tap {
    fn new(shard: Rc<Shard>, room: Box<Room>, facts: RoomFacts, fence: u64) -> Self {
        let (queue, commands) = mpsc::channel(CALL_QUEUE);
        let (answers, rules) = mpsc::channel(RULE_QUEUE);
        let Sfu { url, credentials } = shard.shared.sfu();
        let service = RoomService::new(url, credentials);
        let (errands, running) = Errands::start(service, facts.name.clone());
        Self {
            shard,
            room,
            fence,
            life: Life::new(facts),
            ongoing: None,
            commands,
            queue,
            rules,
            answers,
            floor: Floor::default(),
            held_by: None,
            summary: None,
            errands,
            running,
            _present: Present::tap(),
        }
    }

    async fn run(&mut self, lost: &CancellationToken) -> Exit {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = self.shard.drain.clone();
        let mut burst = 0;
        loop {
            burst += 1;
            if burst >= BURST {
                burst = 0;
                while let Ok(request) = self.commands.try_recv() {
                    self.handle_command(request);
                }
                while let Ok(rule) = self.rules.try_recv() {
                    self.handle_rule(rule);
                }
            }
            let due = self.ongoing.as_ref().and_then(|ongoing| ongoing.live.due());
            let inbox = self.ongoing.as_ref().map(|ongoing| ongoing.live.inbox());
            let event = tokio::select! {
                biased;
                () = lost.cancelled() => Event::LeaseLost,
                () = drain.cancelled() => Event::Drain,
                () = until(due) => Event::Due,
                said = next_said(self.ongoing.as_mut()) => Event::Said(said),
                told = next_told(inbox) => Event::Told(told),
                event = self.room.next() => Event::Room(event),
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
        match event {
            Event::Room(RoomEvent::Packet(packet)) => self.handle_packet(packet),
            Event::Room(event) => return self.handle_room_event(&event),
            Event::Command(request) => self.handle_command(request),
            Event::Rule(rule) => self.handle_rule(rule),
            Event::Said(said) => self.handle_said(&said),
            Event::Told(told) => self.handle_told(told, clock::now()),
            Event::Due => self.handle_due(),
            Event::Tick => self.handle_tick(),
            Event::LeaseLost => {
                // whoever has the lease says what becomes of the call
                self.abandon();
                return Some(Exit::Elsewhere);
            }
            Event::Drain => {
                self.abandon();
                return Some(Exit::Drained);
            }
        }
        None
    }

    fn handle_packet(&mut self, packet: RtpIn) {
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        let Some((lane, party, packet)) = live.source.packet(packet) else {
            return;
        };
        let (shared, answers) = (&self.shard.shared, &self.answers);
        live.handle_packet(lane, party, &packet, shared, answers);
    }

    /// A supervisor's words went to whom they are for; this is who else gets them.
    fn handle_said(&mut self, said: &Said) {
        if let Some(Ongoing { live, .. }) = &mut self.ongoing {
            live.bus.deliver_said(said);
        }
    }

    fn handle_due(&mut self) {
        if let Some(Ongoing { live, .. }) = &mut self.ongoing {
            live.handle_due(clock::now());
        }
    }

    fn handle_rule(&mut self, (call, answer): Rule) {
        let (shared, answers) = (&self.shard.shared, &self.answers);
        if let Some(Ongoing { live, .. }) = &mut self.ongoing
            && live.call == call
        {
            live.handle_rule(answer, clock::now(), shared, answers);
        }
    }

    fn handle_room_event(&mut self, event: &RoomEvent) -> Option<Exit> {
        let at = moment();
        self.observe(event, at.now);
        self.floor.handle_event(event, at.now);
        self.silence();
        self.life.handle_event(event, at);
        self.carry_out();
        if let RoomEvent::Closed(why) = event {
            info!(%why, "the tap is closed");
            return Some(Exit::Over);
        }
        // nobody was there: the room exists again only because we came back to it
        let alone = matches!(event, RoomEvent::Rejoined { .. }) && self.ongoing.is_none();
        alone.then_some(Exit::Over)
    }

    /// What concerns packets rather than the call's life.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything else is the life's, which names each event"
    )]
    fn observe(&mut self, event: &RoomEvent, now: Instant) {
        if let RoomEvent::Rejoined { after, .. } = event {
            metrics::rejoined(*after);
            info!(?after, "the room was joined anew");
        }
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        match event {
            RoomEvent::Subscribed { track, sid } => live.source.subscribed(sid, *track),
            RoomEvent::SubscriptionFailed { sid, reason } => {
                warn!(call = %live.call, track = sid, reason, "a track cannot be tapped");
            }
            RoomEvent::Speakers(changed) => {
                let life = &self.life;
                live.bus
                    .level
                    .handle_speakers(changed, |identity| life.party_of(identity));
            }
            RoomEvent::Reconnecting { reason } => {
                info!(call = %live.call, reason, "the room is lost for now");
                live.gap.handle_lost(live.source.at(now));
                live.bus.level.reset();
            }
            RoomEvent::Text(text) if text.topic == TRANSCRIPTION => {
                self.handle_text(text, true, now);
            }
            RoomEvent::TextSoFar(text) => self.handle_text(text, false, now),
            RoomEvent::Transcription(said) => self.handle_transcription(said, now),
            RoomEvent::Dtmf { .. } => live.bus.handle_digit(live.source.at(now), now),
            RoomEvent::Resumed { .. } => live.gap.handle_resumed(),
            RoomEvent::Rejoined { .. } => live.gap.handle_rejoined(),
            _ => {}
        }
    }

    /// Does what the call's life asks for.
    fn carry_out(&mut self) {
        while let Some(output) = self.life.poll_output() {
            match output {
                Output::Begin { call, at, tenant } => self.begin(call, at, tenant.as_deref()),
                Output::Facts(facts) => self.tell_facts(*facts),
                Output::Tap { sid, party } => self.tap(&sid, party),
                Output::Untap { sid, ended } => self.untap(&sid, ended),
                Output::End { at, reason } => self.end(at, reason),
            }
        }
    }

    fn begin(&mut self, call: CallId, at: Moment, tenant: Option<&str>) {
        let of = sink::Of {
            call,
            tenant: tenant.unwrap_or("default").to_owned(),
            started_at: at.wall,
        };
        let source = source::Livekit::new(at.now);
        let voices = Voices::new(
            self.shard.clone(),
            self.room.name(),
            self.errands.clone(),
            source.beside(),
        );
        let live = Live::new(&self.shard.shared, of, self.fence, source, &self.queue);
        info!(%call, "a call begins");
        self.ongoing = Some(Ongoing { live, voices });
    }

    fn tell_facts(&mut self, facts: sidetone_wire::CallFacts) {
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        for party in [Party::Customer, Party::Agent] {
            live.name(party, self.life.name_of(party));
        }
        live.log.send(CallEvent::Facts(facts));
    }

    fn tap(&mut self, sid: &str, party: Party) {
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        let Live { source, bus, .. } = live;
        let now = clock::now();
        if let Some(tapped) = source.find(sid) {
            if tapped.party != party {
                let (id, before) = (tapped.id, tapped.lane);
                tapped.party = party;
                tapped.lane = bus.enter(party, id, now);
                source.leave_lane(bus, before, now);
            }
            return;
        }
        let id = source.next_id();
        let lane = bus.enter(party, id, now);
        source.add(sid, id, party, lane);
        self.room.subscribe(sid);
    }

    fn untap(&mut self, sid: &str, ended: bool) {
        let Some(Ongoing { live, .. }) = &mut self.ongoing else {
            return;
        };
        let Live { source, bus, .. } = live;
        if let Some(lane) = source.remove(sid) {
            source.leave_lane(bus, lane, clock::now());
            if ended {
                self.room.unsubscribe(sid);
            }
        }
    }

    fn end(&mut self, at: Moment, reason: EndReason) {
        let Some(ongoing) = self.ongoing.take() else {
            return;
        };
        let (call, log) = (ongoing.live.call, ongoing.live.log.clone());
        info!(%call, class = %reason.class, code = reason.code, "the call is over");
        metrics::call_ended(reason.class.as_str());
        self.hear_everybody();
        let over = FeedEnd::Over(Some(reason.code.clone()));
        ongoing.finish(at.now, &over, &self.shard);
        log.send(CallEvent::Ended {
            at: at.wall,
            reason,
        });
    }

    /// The call goes on without us: what there is of it is kept.
    fn abandon(&mut self) {
        // until somebody else has it nobody hears a supervisor: everybody else is heard
        self.hear_everybody();
        if let Some(ongoing) = self.ongoing.take() {
            ongoing.finish(clock::now(), &FeedEnd::Elsewhere, &self.shard);
        }
    }

    /// What is still asked of the server is done, then the room is left if it goes on.
    async fn finish(self, exit: Exit) {
        let Self {
            room,
            errands,
            running,
            ongoing,
            ..
        } = self;
        drop((errands, ongoing));
        let leaving = async {
            drop(running.await);
            if exit != Exit::Over {
                Box::pin(room.leave()).await;
            }
        };
        if tokio::time::timeout(LEAVE_TIMEOUT, leaving).await.is_err() {
            debug!("the server did not take our leave");
        }
    }

    fn handle_tick(&mut self) {
        let now = clock::now();
        self.life.handle_timeout(now);
        self.carry_out();
        self.floor.handle_timeout(now);
        self.silence();
        let lost = self.ongoing.as_mut();
        if let Some(monitor) = lost.and_then(|ongoing| ongoing.voices.handle_tick(now)) {
            self.supervisor_lost(monitor);
        }
        let connected = self.life.is_connected();
        if let Some(Ongoing { live, .. }) = &mut self.ongoing {
            live.handle_tick(connected, now, &self.shard, &self.answers);
        }
    }
}

/// What a supervisor says next; never, while there is no call.
async fn next_said(ongoing: Option<&mut Ongoing>) -> Said {
    match ongoing {
        Some(ongoing) => ongoing.voices.next().await,
        None => std::future::pending().await,
    }
}

/// What a recogniser understands next; never, while there is no call.
async fn next_told(inbox: Option<Rc<Inbox>>) -> Told {
    match inbox {
        Some(inbox) => inbox.next().await,
        None => std::future::pending().await,
    }
}

impl Ongoing {
    fn finish(mut self, now: Instant, why: &FeedEnd, shard: &Shard) {
        self.voices.end();
        self.live.finish(now, why, shard);
    }
}
