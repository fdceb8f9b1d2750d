//! Providers that recognise speech, as far as their protocols go: what they understand are tones.
//!
//! A sound of one pitch is an utterance; [`Manner::words`] says which text it is. It comes in
//! versions, and is final after a short silence, after a second, or when the client asks. What a
//! client does that the provider would not take is a fault, which a test can look at.

mod dialect;
mod ear;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sidetone_service::clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use dialect::{Answer, Dialect};

use crate::sockets;

/// Whose protocol it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Deepgram, live, version 1.
    Deepgram,
    /// AssemblyAI, streaming, version 3.
    Assemblyai,
    /// OpenAI, realtime transcription.
    Openai,
}

impl Provider {
    /// All of them by name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("deepgram", Self::Deepgram),
        ("assemblyai", Self::Assemblyai),
        ("openai", Self::Openai),
    ];
}

/// How a provider behaves.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The key that is asked for.
    pub key: String,
    /// What a pitch says, in Hz: the nearest counts. Without one it says its pitch.
    pub words: Vec<(u32, String)>,
    /// Every handshake is answered with this status.
    pub refused: Option<u16>,
    /// Each connection is closed when so much sound has come, with a code.
    pub closed: Option<(Duration, u16)>,
    /// Each connection is cut after so long.
    pub dropped: Option<Duration>,
    /// From so long after its beginning on nothing is read of a connection, and nothing answered.
    pub stalled: Option<Duration>,
    /// A connection on which nothing came for so long is closed.
    pub idle: Duration,
}

impl Manner {
    /// One that goes on, for whoever has the key.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            words: Vec::new(),
            refused: None,
            closed: None,
            dropped: None,
            stalled: None,
            idle: Duration::from_secs(10),
        }
    }
}

/// What clients did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Handshakes, good ones and others.
    pub dialled: usize,
    /// Connections that are open.
    pub open: usize,
    /// Connections that were ended as the protocol says.
    pub ended: usize,
    /// Sound that came, in milliseconds.
    pub sound_ms: u64,
    /// Messages that keep a connection open.
    pub kept_alive: usize,
    /// What was understood for good, with when on its connection, in milliseconds.
    pub understood: Vec<(String, u64, u64)>,
    /// What no provider would take.
    pub faults: Vec<String>,
}

/// A provider.
pub struct Recognising {
    address: SocketAddr,
    manner: watch::Sender<Manner>,
    seen: Arc<Mutex<Seen>>,
    stopped: CancellationToken,
}

/// What its connections share.
#[derive(Clone)]
struct Shared {
    provider: Provider,
    manner: watch::Receiver<Manner>,
    seen: Arc<Mutex<Seen>>,
}

impl Shared {
    fn see(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Recognising {
    /// Begins to recognise, on a port of this machine: 0 takes one that is free.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(provider: Provider, manner: Manner, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (manner, watched) = watch::channel(manner);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stopped = CancellationToken::new();
        let shared = Shared {
            provider,
            manner: watched,
            seen: seen.clone(),
        };
        tokio::spawn(sockets::accept(listener, stopped.clone(), move |stream| {
            serve(stream, shared.clone())
        }));
        Ok(Self {
            address,
            manner,
            seen,
            stopped,
        })
    }

    /// Scheme, host and port of what is dialled.
    pub fn origin(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Connections behave so from now on; those that are open are cut.
    pub fn behave(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// What clients did.
    pub fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

impl Drop for Recognising {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the signature is that of the handshake's callback"
)]
async fn serve(stream: TcpStream, mut shared: Shared) -> Result<(), Error> {
    let manner = shared.manner.borrow_and_update().clone();
    shared.see(|seen| seen.dialled += 1);
    let (provider, key, refused) = (shared.provider, manner.key.clone(), manner.refused);
    let judge = move |request: &Request, response: Response| {
        let status = match dialect::judge(provider, request, &key) {
            _ if refused.is_some() => refused.and_then(|code| StatusCode::from_u16(code).ok()),
            Ok(()) => return Ok(response),
            Err(status) => Some(status),
        };
        Err(sockets::refusal(status.unwrap_or(StatusCode::BAD_REQUEST)))
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, judge).await?;
    shared.see(|seen| seen.open += 1);
    let mut changes = shared.manner.clone();
    let ended = tokio::select! {
        ended = Serving::new(socket, manner, shared.clone()).run() => ended,
        _ = changes.changed() => Ok(()),
    };
    shared.see(|seen| seen.open -= 1);
    ended
}

/// One connection.
struct Serving {
    socket: WebSocketStream<TcpStream>,
    manner: Manner,
    shared: Shared,
    dialect: Dialect,
}

/// What a connection waits for.
enum Event {
    Came(Option<Result<Message, Error>>),
    Idle,
    Dropped,
    Stalled,
}

impl Serving {
    fn new(socket: WebSocketStream<TcpStream>, manner: Manner, shared: Shared) -> Self {
        let dialect = Dialect::new(shared.provider, manner.words.clone());
        Self {
            socket,
            manner,
            shared,
            dialect,
        }
    }

    async fn run(mut self) -> Result<(), Error> {
        let opened = clock::now();
        self.answer(self.dialect.greeting()).await?;
        let after = async |after: Option<Duration>| match after {
            Some(after) => tokio::time::sleep_until((opened + after).into()).await,
            None => std::future::pending().await,
        };
        let closed = self.manner.closed;
        let mut heard = Duration::ZERO;
        loop {
            let event = tokio::select! {
                biased;
                () = after(self.manner.stalled) => Event::Stalled,
                () = after(self.manner.dropped) => Event::Dropped,
                came = self.socket.next() => Event::Came(came),
                () = tokio::time::sleep(self.manner.idle) => Event::Idle,
            };
            match event {
                Event::Came(Some(message)) => {
                    let message = message?;
                    let answers = self.dialect.take(&message);
                    heard += self.note();
                    if self.answer(answers).await? {
                        return Ok(());
                    }
                    if let Some((_, code)) = closed.filter(|(after, _)| heard >= *after) {
                        return self.close(code, "as it was told").await;
                    }
                }
                Event::Came(None) | Event::Dropped => return Ok(()),
                Event::Stalled => std::future::pending().await,
                Event::Idle => return self.close(1011, "NET-0001: no sound came").await,
            }
        }
    }

    /// Notes what the client did; gives how much sound came.
    fn note(&mut self) -> Duration {
        let done = self.dialect.take_done();
        let sound = Duration::from_millis(done.sound_ms);
        self.shared.see(|seen| {
            seen.sound_ms += done.sound_ms;
            seen.kept_alive += done.kept_alive;
            seen.ended += done.ended;
            seen.understood.extend(done.understood);
            seen.faults.extend(done.faults);
        });
        sound
    }

    /// `true` when it is over.
    async fn answer(&mut self, answers: Vec<Answer>) -> Result<bool, Error> {
        for answer in answers {
            match answer {
                Answer::Say(value) => self.socket.send(Message::text(value.to_string())).await?,
                Answer::Close(code, why) => {
                    self.close(code, why).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn close(&mut self, code: u16, why: &'static str) -> Result<(), Error> {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: why.into(),
        };
        self.socket.close(Some(frame)).await
    }
}
