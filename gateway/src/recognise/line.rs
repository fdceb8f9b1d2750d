//! One party's line to a provider.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use sidetone_media::MediaTime;
use sidetone_service::backoff::Backoff;
use sidetone_service::clock;
use sidetone_service::dial::{Dialler, Socket};
use sidetone_wire::{Party, Recogniser};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::provider::{Heard, Kind, Provider};
use super::tape::Tape;
use crate::metrics::{self, Present};

/// Sound is sent this often, ...
const SEND_EVERY: Duration = Duration::from_millis(100);
/// ... in pieces of so long at least, ...
const PIECE_MS: usize = 50;
/// ... and up to so long: what was held back is caught up at twice its speed.
const CATCH_UP_MS: usize = 200;
/// A connection on which nothing was sent for so long is kept open.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(4);
/// Whether somebody is there is asked this often ...
const PING_EVERY: Duration = Duration::from_secs(2);
/// ... and who does not answer for so long is not.
const DEAD_AFTER: Duration = Duration::from_secs(5);
/// How long a provider may take what is sent.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
/// Waiting before dialling again: this, doubled each time, ...
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// ... up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// How long the last words are waited for.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(3);
/// Results that wait at a call's task: more than come in a minute. Beyond it they are lost.
const INBOX: usize = 1_024;

/// What a line has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Somebody said something.
    Said(Recognised),
    /// What is wrong with the line, or nothing any more.
    Trouble { lane: usize, why: Option<String> },
}

/// What somebody said, as it is understood by now.
#[derive(PartialEq, Eq)]
pub(crate) struct Recognised {
    pub(crate) lane: usize,
    pub(crate) party: Party,
    /// The same for all versions of an utterance.
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) is_final: bool,
    pub(crate) from: MediaTime,
    pub(crate) to: MediaTime,
    pub(crate) confidence: Option<u16>,
}

impl std::fmt::Debug for Recognised {
    /// Nothing of what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recognised")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the lines of a call say, for its task.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: RefCell<VecDeque<Told>>,
    arrived: Notify,
}

impl Inbox {
    /// What comes next; cancel-safe.
    pub(crate) async fn next(&self) -> Told {
        loop {
            if let Some(told) = self.take() {
                return told;
            }
            self.arrived.notified().await;
        }
    }

    /// What waits, if anything does.
    pub(crate) fn take(&self) -> Option<Told> {
        self.waiting.borrow_mut().pop_front()
    }

    fn push(&self, told: Told) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < INBOX {
            waiting.push_back(told);
            self.arrived.notify_one();
        }
    }
}

/// See the module. It is cut when this is dropped.
pub(crate) struct Line {
    tape: Rc<RefCell<Tape>>,
    over: CancellationToken,
    task: JoinHandle<()>,
}

/// Whose line it is.
pub(crate) struct Of {
    pub(crate) lane: usize,
    pub(crate) party: Party,
    /// What names of utterances begin with.
    pub(crate) name: String,
}

impl Line {
    /// A line to a provider; what is understood goes to `inbox`.
    pub(crate) fn new(
        kind: Kind,
        recogniser: Rc<Recogniser>,
        dialler: Dialler,
        of: Of,
        inbox: Rc<Inbox>,
    ) -> Self {
        let tape = Rc::new(RefCell::new(Tape::new(kind.rate_hz)));
        let over = CancellationToken::new();
        let speaking = Speaking {
            kind,
            recogniser,
            dialler,
            of,
            inbox,
            tape: tape.clone(),
            over: over.clone(),
            utterances: 0,
            troubled: false,
        };
        let task = tokio::task::spawn_local(speaking.run());
        Self { tape, over, task }
    }

    /// What is to be understood.
    pub(crate) fn tape(&self) -> std::cell::RefMut<'_, Tape> {
        self.tape.borrow_mut()
    }

    /// Nothing more is said: waits until all of it is understood, or cannot be.
    pub(crate) async fn finish(mut self) {
        self.over.cancel();
        let last = tokio::time::timeout(LAST_WORDS_WITHIN * 2, &mut self.task);
        drop(last.await);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task's state.
struct Speaking {
    kind: Kind,
    recogniser: Rc<Recogniser>,
    dialler: Dialler,
    of: Of,
    inbox: Rc<Inbox>,
    tape: Rc<RefCell<Tape>>,
    over: CancellationToken,
    /// Final ones, so far.
    utterances: u64,
    troubled: bool,
}

/// How a connection ended.
enum Ended {
    /// As it was to.
    InOrder,
    /// Otherwise, and why. `steady`: it had been a good one.
    Failed { why: String, steady: bool },
}

impl From<String> for Ended {
    fn from(why: String) -> Self {
        let steady = false;
        Self::Failed { why, steady }
    }
}

/// A connection.
struct Open {
    socket: Box<Socket>,
    provider: Box<dyn Provider>,
    opened_at: Instant,
    heard_at: Instant,
    sent_at: Instant,
    pinged_at: Instant,
    /// Something was understood for good.
    useful: bool,
    /// When the last words are waited for no longer.
    closing: Option<Instant>,
}

impl Speaking {
    /// Connects and connects again until nothing more is said.
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let last = self.over.is_cancelled();
            let Ended::Failed { why, steady } = Box::pin(self.run_once()).await else {
                break;
            };
            metrics::recogniser("lost");
            debug!(why, "a line to a recogniser is lost");
            if steady {
                backoff.reset();
            } else {
                self.trouble(Some(format!("transcription: {why}")));
            }
            if last || self.tape.borrow().is_empty() && self.over.is_cancelled() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.wait()) => {}
                () = self.over.cancelled() => {}
            }
        }
    }

    /// One connection, to its end.
    async fn run_once(&mut self) -> Ended {
        let Some(request) = (self.kind.request)(&self.recogniser) else {
            return "the key of its account fits in no header".to_owned().into();
        };
        let dialling = Box::pin(self.dialler.socket(&request.url, request.headers));
        let socket = match dialling.await {
            Ok(socket) => Box::new(socket),
            Err(error) => return error.to_string().into(),
        };
        metrics::recogniser("opened");
        let _present = Present::line();
        self.tape.borrow_mut().restart();
        let now = clock::now();
        let mut open = Open {
            socket,
            provider: (self.kind.provider)(&self.recogniser),
            opened_at: now,
            heard_at: now,
            sent_at: now,
            pinged_at: now,
            useful: false,
            closing: None,
        };
        if let Some(opening) = open.provider.opening()
            && let Err(why) = open.send(Message::text(opening)).await
        {
            return why.into();
        }
        let mut ticks = tokio::time::interval(SEND_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = tokio::select! {
                biased;
                message = open.socket.next() => self.handle_message(&mut open, message),
                () = self.over.cancelled(), if open.closing.is_none() => {
                    self.close(&mut open).await.err().map(Ended::from)
                }
                _ = ticks.tick() => self.handle_tick(&mut open).await,
            };
            if let Some(ended) = ended {
                // whoever is wrong about something may be told so
                drop(tokio::time::timeout(SEND_EVERY, open.socket.close()).await);
                return ended;
            }
        }
    }

    fn handle_message(
        &mut self,
        open: &mut Open,
        message: Option<Result<Message, SocketError>>,
    ) -> Option<Ended> {
        let steady = open.is_steady();
        open.heard_at = clock::now();
        let why = match message {
            Some(Ok(Message::Text(text))) => return self.handle_text(open, &text),
            Some(Ok(
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
            )) => return None,
            Some(Ok(Message::Close(frame))) => frame.map_or_else(
                || "the connection was closed".to_owned(),
                |frame| {
                    let code = u16::from(frame.code);
                    format!(
                        "the connection was closed with code {code}: {}",
                        frame.reason
                    )
                },
            ),
            Some(Err(error)) => error.to_string(),
            None => "the connection broke".to_owned(),
        };
        Some(match open.closing {
            Some(_) => Ended::InOrder,
            None => Ended::Failed { why, steady },
        })
    }

    fn handle_text(&mut self, open: &mut Open, text: &str) -> Option<Ended> {
        let mut all = Vec::new();
        open.provider.handle_text(text, &mut all);
        let mut ended = None;
        for heard in all {
            match heard {
                Heard::Words(words) => {
                    self.trouble(None);
                    let tape = self.tape.borrow();
                    let from = tape.at(words.from_ms);
                    let recognised = Recognised {
                        lane: self.of.lane,
                        party: self.of.party,
                        id: format!("{}-{}", self.of.name, self.utterances),
                        text: words.text,
                        is_final: words.is_final,
                        from,
                        to: tape.until(words.to_ms).max(from),
                        confidence: words.confidence,
                    };
                    self.utterances += u64::from(words.is_final);
                    open.useful |= words.is_final;
                    self.inbox.push(Told::Said(recognised));
                }
                Heard::Understood { until_ms } => self.tape.borrow_mut().understood(until_ms),
                Heard::Failed { why } => ended = Some(why.into()),
                Heard::Done if open.closing.is_some() => ended = Some(Ended::InOrder),
                Heard::Done => ended = Some("the provider ended it".to_owned().into()),
            }
        }
        let all_came =
            open.closing.is_some() && open.provider.close().is_none() && !open.provider.waits();
        ended.or(all_came.then_some(Ended::InOrder))
    }

    async fn handle_tick(&mut self, open: &mut Open) -> Option<Ended> {
        let now = clock::now();
        if open.is_steady() {
            self.trouble(None);
        }
        if open.closing.is_some_and(|until| now >= until) {
            return Some(Ended::InOrder);
        }
        if now >= open.heard_at + DEAD_AFTER {
            return Some(format!("nothing came for {DEAD_AFTER:?}").into());
        }
        if now >= open.heard_at.max(open.pinged_at) + PING_EVERY {
            open.pinged_at = now;
            if let Err(why) = open.send(Message::Ping(Bytes::new())).await {
                return Some(why.into());
            }
        }
        if open.closing.is_none()
            && let Err(why) = self.play(open, CATCH_UP_MS).await
        {
            return Some(why.into());
        }
        let idle = now >= open.sent_at + KEEP_ALIVE_AFTER;
        if let Some(alive) = open.provider.keep_alive().filter(|_| idle)
            && let Err(why) = open.send(Message::text(alive)).await
        {
            return Some(why.into());
        }
        None
    }

    /// Sends what is due, at most so much.
    async fn play(&mut self, open: &mut Open, most_ms: usize) -> Result<bool, String> {
        let samples = |ms: usize| ms * self.kind.rate_hz as usize / 1_000;
        let (least, most) = (samples(PIECE_MS), samples(most_ms));
        let piece = self.tape.borrow_mut().take(least, most);
        let played = piece.is_some();
        if let Some(pcm) = piece {
            let sound = open.provider.sound(&pcm);
            open.sent_at = clock::now();
            open.send(sound).await?;
        }
        let (flush, lost_ms) = {
            let mut tape = self.tape.borrow_mut();
            (tape.take_flush(), tape.take_lost_ms())
        };
        metrics::unrecognised_ms(lost_ms);
        if flush {
            let flush = open.provider.flush();
            open.send(Message::text(flush)).await?;
        }
        Ok(played)
    }

    /// Sends the rest, and waits for the last words from now on.
    async fn close(&mut self, open: &mut Open) -> Result<(), String> {
        open.closing = Some(clock::now() + LAST_WORDS_WITHIN);
        self.tape.borrow_mut().pause();
        while self.play(open, CATCH_UP_MS).await? {}
        match open.provider.close() {
            Some(close) => open.send(Message::text(close)).await,
            None => Ok(()),
        }
    }

    /// Says what is wrong, or no more, once.
    fn trouble(&mut self, why: Option<String>) {
        if why.is_some() == self.troubled {
            return;
        }
        self.troubled = why.is_some();
        info!(?why, kind = %self.recogniser.kind, "how a call is transcribed changes");
        let lane = self.of.lane;
        self.inbox.push(Told::Trouble { lane, why });
    }
}

impl Open {
    /// It is a good one: it was of use, or lasted.
    fn is_steady(&self) -> bool {
        self.useful || self.heard_at >= self.opened_at + STEADY_AFTER
    }

    async fn send(&mut self, message: Message) -> Result<(), String> {
        match tokio::time::timeout(WRITE_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing was taken for {WRITE_WITHIN:?}")),
        }
    }
}
