//! One call whose upstream dialled us: the task that holds the socket, places what comes, and fans
//! it out.

mod life;
pub(crate) mod wire;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use sidetone_fleet::ingress::Introduction;
use sidetone_fleet::{CommandRequest, FeedEnd};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, CallId, Command, EndReason, Party, Reply, Timestamp};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::keeper::Keeper;
use crate::live::{Live, RULE_QUEUE, Rule, Source as _};
use crate::recognise::Told;
use crate::routes::CALL_QUEUE;
use crate::shard::Shard;
use crate::sink;
use crate::source::Inward as Source;
use crate::source::inward::{Adapter, Frame, Said};
use crate::timer::until;
use life::{Act, Life};
use wire::{Came, Wire};

/// Levels are told, and deadlines looked at, this often.
const TICK: Duration = Duration::from_millis(250);
/// Frames handled before commands are looked at: a flood of them must not starve these.
const BURST: u32 = 64;
/// How long a socket may take our ping or our close: one that does not is dead.
const WRITE_WITHIN: Duration = Duration::from_millis(200);
/// Sockets that wait at a call to take the place of the one that it has. With more, the newest is
/// turned away, and its vendor dials again.
const AGAIN_QUEUE: usize = 2;

/// A stream that was let in and has said which call it is.
pub(crate) struct Arrival {
    pub(crate) call: CallId,
    /// The tenant's slug.
    pub(crate) tenant: String,
    pub(crate) who: Introduction,
    pub(crate) adapter: Box<dyn Adapter>,
    pub(crate) wire: Wire,
    /// When the socket was opened: the call's sound begins after that.
    pub(crate) opened: Instant,
    /// What was said with the introduction.
    pub(crate) said: Vec<Said>,
}

/// A call to hear.
pub(crate) struct Start {
    pub(crate) arrival: Arrival,
    pub(crate) again: Again,
    pub(crate) keeper: Keeper,
}

/// The calls whose streams are here, each with where another socket of it goes. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<CallId, mpsc::Sender<Arrival>>>>);

/// A call's entry; taken out when dropped.
pub(crate) struct Again {
    streams: Streams,
    call: CallId,
    queue: mpsc::Receiver<Arrival>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, mpsc::Sender<Arrival>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where other sockets of a call go whose stream is here.
    pub(crate) fn find(&self, call: CallId) -> Option<mpsc::Sender<Arrival>> {
        self.lock().get(&call).cloned()
    }

    /// Other sockets of a call go to it until the entry is dropped.
    pub(crate) fn add(&self, call: CallId) -> Again {
        let (sender, queue) = mpsc::channel(AGAIN_QUEUE);
        self.lock().insert(call, sender);
        Again {
            streams: self.clone(),
            call,
            queue,
        }
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.call);
    }
}

/// What the task waits for.
enum Event {
    Came(Came),
    /// The same call comes over another socket.
    Again(Box<Arrival>),
    /// A packet may leave.
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
    /// The upstream ended it, then.
    Ended(Instant, EndReason),
    /// The call goes on without us.
    Abandoned,
}

/// The task's state.
struct Tap {
    shard: Rc<Shard>,
    call: CallId,
    life: Life,
    live: Live<Source>,
    wire: Option<Wire>,
    said: Vec<Said>,
    /// What the vendor waits for.
    replies: Vec<String>,
    again: Again,
    commands: mpsc::Receiver<CommandRequest>,
    rules: mpsc::Receiver<Rule>,
    answers: mpsc::Sender<Rule>,
}

/// Hears a call until it is over.
pub(crate) async fn run(start: Start, shard: Rc<Shard>) {
    let Start {
        arrival,
        again,
        keeper,
    } = start;
    let Arrival {
        call,
        tenant,
        who,
        adapter,
        wire,
        opened,
        said,
    } = arrival;
    let (queue, commands) = mpsc::channel(CALL_QUEUE);
    let (answers, rules) = mpsc::channel(RULE_QUEUE);
    let now = clock::now();
    let of = sink::Of {
        call,
        tenant,
        started_at: Timestamp::from_unix_ms(clock::wall_at(opened)),
    };
    let source = Source::new(opened, adapter);
    let mut live = Live::new(&shard.shared, of, keeper.fence(), source, &queue);
    live.name(Party::Customer, who.customer_name.as_deref());
    live.name(Party::Agent, who.agent_name.as_deref());
    let mut tap = Tap {
        shard,
        call,
        life: Life::new(now),
        live,
        wire: Some(wire),
        said: Vec::new(),
        replies: Vec::new(),
        again,
        commands,
        rules,
        answers,
    };
    info!(%call, upstream = %who.upstream, "a call is heard by its stream");
    for said in said {
        tap.handle_said(said, now);
    }
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
                // a flood leaves room for everybody else on this thread
                tokio::task::yield_now().await;
                while let Ok(rule) = self.rules.try_recv() {
                    self.handle_rule(rule);
                }
                let request = self.commands.try_recv().ok();
                let over = request.and_then(|request| self.handle_command(request));
                let tick = ticks.tick().now_or_never().is_some();
                let over = if tick {
                    over.or(self.handle_tick().await)
                } else {
                    over
                };
                if let Some(exit) = over {
                    return exit;
                }
            }
            let due = [self.live.source.poll_timeout(), self.live.due()];
            let due = due.into_iter().flatten().min();
            let inbox = self.live.inbox();
            let event = tokio::select! {
                biased;
                () = lost.cancelled() => Event::Abandon,
                () = drain.cancelled() => Event::Abandon,
                Some(arrival) = self.again.queue.recv() => Event::Again(Box::new(arrival)),
                came = next(&mut self.wire) => Event::Came(came),
                () = until(due) => Event::Due,
                told = inbox.next() => Event::Told(told),
                Some(request) = self.commands.recv() => Event::Command(request),
                Some(rule) = self.rules.recv() => Event::Rule(rule),
                _ = ticks.tick() => Event::Tick,
            };
            if let Some(exit) = self.handle_event(event).await {
                return exit;
            }
        }
    }

    async fn handle_event(&mut self, event: Event) -> Option<Exit> {
        let now = clock::now();
        match event {
            Event::Came(came) => {
                self.handle_came(&came, now);
                self.reply().await;
                if self.life.ended_at().is_some() {
                    return self.handle_tick().await;
                }
            }
            Event::Again(arrival) => self.handle_again(*arrival, now).await,
            Event::Due => {
                self.live.source.handle_timeout(now);
                self.deliver(now);
                self.live.handle_due(now);
            }
            Event::Command(request) => return self.handle_command(request),
            Event::Rule(rule) => self.handle_rule(rule),
            Event::Told(told) => {
                let shared = &self.shard.shared;
                self.live.handle_told(told, None, now, shared);
            }
            Event::Tick => return self.handle_tick().await,
            Event::Abandon => return Some(Exit::Abandoned),
        }
        None
    }

    fn handle_came(&mut self, came: &Came, now: Instant) {
        let frame = match came {
            Came::Text(text) => Frame::Text(text.as_str()),
            Came::Binary(bytes) => Frame::Binary(bytes),
            Came::Alive => return self.life.handle_alive(now),
            Came::Gone(in_order, why) => {
                debug!(why, "an upstream's stream is gone");
                self.life.handle_closed(*in_order, why.clone(), now);
                self.wire = None;
                return self.lose(now);
            }
        };
        let mut said = std::mem::take(&mut self.said);
        if self.live.source.handle_frame(frame, now, &mut said) {
            self.life.handle_sound(now);
        } else {
            self.life.handle_alive(now);
        }
        for said in said.drain(..) {
            self.handle_said(said, now);
        }
        self.said = said;
        self.deliver(now);
    }

    fn handle_said(&mut self, said: Said, now: Instant) {
        match said {
            Said::Key => self.live.bus.handle_digit(self.live.source.at(now), now),
            Said::Reply(text) => self.replies.push(text),
            Said::Hold(held) => self.life.handle_hold(held, now),
            Said::Over(code) => self.life.handle_over(code, now),
            Said::Deaf(why) => self.life.handle_deaf(why),
            // whose it is was said, and stays
            Said::Here(_) | Said::Sound(_) => {}
        }
    }

    /// Says what the vendor waits for.
    async fn reply(&mut self) {
        for text in std::mem::take(&mut self.replies) {
            if let Some(wire) = &mut self.wire {
                drop(tokio::time::timeout(WRITE_WITHIN, wire.say(text)).await);
            }
        }
    }

    /// The vendor dialled again: what it has now is what counts.
    async fn handle_again(&mut self, arrival: Arrival, now: Instant) {
        info!(call = %self.call, "a call's stream comes over another socket");
        if let Some(former) = self.wire.replace(arrival.wire) {
            self.lose(now);
            let leave = former.close(1000, "the call has another stream");
            drop(tokio::time::timeout(WRITE_WITHIN, leave).await);
        }
        self.life.handle_opened(now);
        self.live.source.handle_opened(arrival.adapter, now);
        self.live.gap.handle_rejoined();
        for said in arrival.said {
            self.handle_said(said, now);
        }
    }

    /// The socket is gone for now.
    fn lose(&mut self, now: Instant) {
        let since = self.life.lost_since().unwrap_or(now);
        let (shared, answers) = (&self.shard.shared, &self.answers);
        self.live.lose(since, now, shared, answers);
    }

    fn deliver(&mut self, now: Instant) {
        let (shared, answers) = (&self.shard.shared, &self.answers);
        self.live.deliver(now, shared, answers);
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

    async fn handle_tick(&mut self) -> Option<Exit> {
        let now = clock::now();
        self.live.source.handle_timeout(now);
        self.deliver(now);
        if self.live.source.take_surplus() > 0 {
            self.life.handle_surplus(now);
        }
        while let Some(act) = self.life.handle_timeout(now) {
            match act {
                Act::Ping => {
                    if let Some(wire) = &mut self.wire {
                        drop(tokio::time::timeout(WRITE_WITHIN, wire.ping()).await);
                    }
                }
                Act::HangUp => {
                    self.wire = None;
                    self.lose(now);
                }
                Act::End(at, reason) => return Some(Exit::Ended(at, reason)),
            }
        }
        self.live.handle_degraded(self.life.problem(now));
        let connected = self.life.is_open();
        let (shard, answers) = (&self.shard, &self.answers);
        self.live.handle_tick(connected, now, shard, answers);
        None
    }

    /// Ends the sinks, each with all that came; a recording is as long as the call was heard.
    async fn finish(mut self, exit: Exit) {
        let now = clock::now();
        self.live.hurry(now, &self.shard.shared, &self.answers);
        let ended = match &exit {
            Exit::Told => self.life.ended_at(),
            Exit::Ended(at, _) => Some(*at),
            Exit::Abandoned => None,
        };
        if ended.is_some() {
            // what was heard until then is all there was
            self.live.gap.handle_resumed();
        }
        let log = self.live.log.clone();
        let why = match &exit {
            Exit::Told => FeedEnd::Over(None),
            Exit::Ended(_, reason) => FeedEnd::Over(Some(reason.code.clone())),
            Exit::Abandoned => FeedEnd::Elsewhere,
        };
        self.live.finish(ended.unwrap_or(now), &why, &self.shard);
        let (code, farewell) = match &exit {
            Exit::Ended(at, reason) => {
                log.send(CallEvent::Ended {
                    at: Timestamp::from_unix_ms(clock::wall_at(*at)),
                    reason: reason.clone(),
                });
                (1000, "the call is over")
            }
            Exit::Told => (1000, "the call is over"),
            Exit::Abandoned => (1001, "the gateway ends"),
        };
        if let Some(wire) = self.wire {
            let leave = wire.close(code, farewell);
            drop(tokio::time::timeout(WRITE_WITHIN, leave).await);
        }
        info!(call = %self.call, ?exit, "a call is heard no more");
    }
}

async fn next(wire: &mut Option<Wire>) -> Came {
    match wire {
        Some(wire) => wire.next().await,
        None => std::future::pending().await,
    }
}
