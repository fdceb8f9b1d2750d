//! One call that is heard through its upstream's socket: the task that holds the socket, places
//! what comes, and fans it out.

pub(crate) mod life;

use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use sidetone_fleet::{CommandRequest, FeedEnd};
use sidetone_service::clock;
use sidetone_service::dial::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sidetone_service::dial::{DialError, Dialler, Socket};
use sidetone_wire::{CallEvent, Command, EndClass, EndReason, Party, Reply, Timestamp, Upstream};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::keeper::Keeper;
use crate::live::{Live, RULE_QUEUE, Rule};
use crate::metrics;
use crate::recognise::Told;
use crate::routes::CALL_QUEUE;
use crate::shard::Shard;
use crate::timer::until;
use crate::{sink, source};
use life::{Act, Life};

/// Levels are told, and deadlines looked at, this often.
const TICK: Duration = Duration::from_millis(250);
/// Messages handled before commands are looked at: a flood of them must not starve these.
const BURST: u32 = 64;
/// Why a call ended whose upstream says no more of it.
pub(crate) const UPSTREAM_CLOSED: &str = "upstream_closed";
/// How long a socket may take our ping or our close: one that does not is dead.
const WRITE_WITHIN: Duration = Duration::from_millis(200);

/// A call to hear.
pub(crate) struct Start {
    pub(crate) socket: sidetone_wire::Socket,
    pub(crate) dialler: Dialler,
    pub(crate) keeper: Keeper,
}

type Dialling = Pin<Box<dyn Future<Output = Result<Socket, DialError>>>>;

/// What the task waits for.
enum Event {
    /// The socket was dialled, or cannot be.
    Dialled(Result<Box<Socket>, DialError>),
    /// Something came; `None`: the socket is closed without a word.
    Message(Option<Result<Message, SocketError>>),
    /// A packet may leave, or sound is due at listeners outside of LiveKit.
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

/// The task's state.
struct Tap {
    shard: Rc<Shard>,
    socket: sidetone_wire::Socket,
    dialler: Dialler,
    life: Life,
    live: Live<source::Listen>,
    open: Option<Box<Socket>>,
    dialling: Option<Dialling>,
    commands: mpsc::Receiver<CommandRequest>,
    rules: mpsc::Receiver<Rule>,
    answers: mpsc::Sender<Rule>,
}

/// Hears a call until it is over.
pub(crate) async fn run(start: Start, shard: Rc<Shard>) {
    let Start {
        socket,
        dialler,
        keeper,
    } = start;
    let (queue, commands) = mpsc::channel(CALL_QUEUE);
    let (answers, rules) = mpsc::channel(RULE_QUEUE);
    let now = clock::now();
    let of = sink::Of {
        call: socket.call,
        tenant: socket.tenant.clone(),
        started_at: Timestamp::from_unix_ms(clock::wall()),
    };
    let source = source::Listen::of(socket.upstream, now);
    let mut live = Live::new(&shard.shared, of, keeper.fence(), source, &queue);
    live.name(Party::Customer, socket.customer_name.as_deref());
    live.name(Party::Agent, socket.agent_name.as_deref());
    let mut tap = Tap {
        shard,
        socket,
        dialler,
        life: Life::new(),
        live,
        open: None,
        dialling: None,
        commands,
        rules,
        answers,
    };
    tap.dial();
    info!(call = %tap.socket.call, upstream = %tap.socket.upstream, "a call is heard by socket");
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
                dialled = dialled(&mut self.dialling) => Event::Dialled(dialled),
                message = next(&mut self.open) => Event::Message(message),
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
            Event::Dialled(dialled) => self.handle_dialled(dialled, now),
            Event::Message(message) => self.handle_message(message, now),
            Event::Due => self.handle_due(now),
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

    fn dial(&mut self) {
        let (dialler, url) = (self.dialler.clone(), self.socket.url.0.clone());
        let mut headers = HeaderMap::new();
        if let Some(bearer) = &self.socket.bearer
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", bearer.0))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        self.dialling = Some(Box::pin(async move { dialler.socket(&url, headers).await }));
    }

    fn handle_dialled(&mut self, dialled: Result<Box<Socket>, DialError>, now: Instant) {
        self.dialling = None;
        match dialled {
            Ok(socket) => {
                metrics::dialled("ok");
                self.open = Some(socket);
                self.life.handle_opened(now);
                self.live.source.handle_opened();
                self.live.gap.handle_rejoined();
            }
            Err(error) => {
                metrics::dialled("failed");
                debug!(%error, "an upstream's socket cannot be opened");
                let gone = matches!(
                    error,
                    DialError::Status {
                        status: 404 | 410,
                        ..
                    }
                );
                if gone && self.socket.upstream == Upstream::Bland {
                    // it says nowhere else that a call is over
                    self.life.handle_gone();
                }
                let why = without_host(&error.to_string(), &self.socket.url.0);
                self.life.handle_refused(why, now);
                self.lose(now);
            }
        }
    }

    fn handle_message(&mut self, message: Option<Result<Message, SocketError>>, now: Instant) {
        let (in_order, why) = match message {
            Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => {
                return self.life.handle_alive(now);
            }
            Some(Ok(Message::Binary(bytes))) => {
                self.life.handle_sound(now);
                self.live.source.handle_binary(&bytes, now);
                return self.deliver(now);
            }
            Some(Ok(Message::Text(text))) => {
                self.life.handle_alive(now);
                return self.live.source.handle_text(&text);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                return self.life.handle_alive(now);
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                (code == CloseCode::Normal, u16::from(code).to_string())
            }
            Some(Err(error)) => (false, error.to_string()),
            None => (false, "without a word".to_owned()),
        };
        debug!(why, "an upstream's socket is closed");
        self.open = None;
        self.life.handle_closed(in_order, why, now);
        self.lose(now);
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

    fn handle_due(&mut self, now: Instant) {
        self.deliver(now);
        self.live.handle_due(now);
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
                Act::Dial => self.dial(),
                Act::Ping => self.ping().await,
                Act::HangUp => {
                    self.open = None;
                    self.lose(now);
                }
                Act::End(at) => return Some(Exit::Ended(at)),
            }
        }
        let problem = self.life.problem(now).map(|problem| problem.to_string());
        self.live.handle_degraded(problem);
        let connected = self.life.is_open();
        let (shard, answers) = (&self.shard, &self.answers);
        self.live.handle_tick(connected, now, shard, answers);
        None
    }

    async fn ping(&mut self) {
        if let Some(socket) = &mut self.open {
            let ping = socket.send(Message::Ping(Bytes::new()));
            // whether it was taken shows by its answer
            drop(tokio::time::timeout(WRITE_WITHIN, ping).await);
        }
    }

    /// Ends the sinks, each with all that came; a recording is as long as the call was heard.
    async fn finish(mut self, exit: Exit) {
        let now = clock::now();
        self.live.hurry(now, &self.shard.shared, &self.answers);
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
            log.send(CallEvent::Ended {
                at: Timestamp::from_unix_ms(clock::wall_at(at)),
                reason: EndReason::new(EndClass::Completed, UPSTREAM_CLOSED),
            });
        }
        if let Some(mut socket) = self.open {
            // whether it takes our leave is its own affair
            drop(tokio::time::timeout(WRITE_WITHIN, (*socket).close(None)).await);
        }
        info!(call = %self.socket.call, ?exit, "a call is heard no more");
    }
}

/// What is wrong with a socket, for people who may not know where it is.
pub(crate) fn without_host(why: &str, url: &str) -> String {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(['/', ':', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return why.to_owned();
    }
    why.replace(host, "the host")
}

async fn dialled(dialling: &mut Option<Dialling>) -> Result<Box<Socket>, DialError> {
    match dialling {
        Some(dialling) => dialling.await.map(Box::new),
        None => std::future::pending().await,
    }
}

async fn next(open: &mut Option<Box<Socket>>) -> Option<Result<Message, SocketError>> {
    match open {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_learns_from_a_failure_where_the_socket_is() {
        for (why, url, told) in [
            (
                "x.vapi.ai answers the WebSocket with status 401",
                "wss://x.vapi.ai/1/listen",
                "the host answers the WebSocket with status 401",
            ),
            (
                "127.0.0.1 cannot be reached: refused",
                "ws://127.0.0.1:8080/listen",
                "the host cannot be reached: refused",
            ),
            ("no URL", "", "no URL"),
        ] {
            assert_eq!(without_host(why, url), told);
        }
    }
}
