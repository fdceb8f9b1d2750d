//! Vendors that bring a call's sound themselves: they dial, say which call it is, and send what each
//! side says, 20 ms at a time, in their own [`Dialect`].
//!
//! The sound is made of what each side says at each moment of the sender's clock, so that it is
//! known to the sample what was said when. [`Manner`] has what goes wrong on the way.

pub mod audiohook;
pub mod dialect;

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use sidetone_service::{clock, random};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::listen::{Sound, Stall};
pub use dialect::Dialect;
use dialect::{Chunk, Coders, Frame};

/// What a chunk lasts.
const CHUNK: Duration = Duration::from_millis(20);
/// Acts that wait for the sender.
const ACTS: usize = 8;

/// A call that is brought.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose manners it has.
    pub dialect: Dialect,
    /// Its id at the vendor.
    pub call_id: String,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// The customer's name, where whoever made the stream may add it.
    pub customer_name: Option<String>,
    /// The agent's.
    pub agent_name: Option<String>,
    /// What the vendor signs the handshake with, if it does.
    pub secret: Option<String>,
    /// Its sound is in G.722, where the vendor has that (Telnyx).
    pub wideband: bool,
    /// What goes wrong.
    pub manner: Manner,
}

impl Plan {
    /// A call in which nothing goes wrong.
    pub fn new(dialect: Dialect, call_id: &str) -> Self {
        Self {
            dialect,
            call_id: call_id.to_owned(),
            from: "+4930123456".to_owned(),
            to: "+4930999999".to_owned(),
            customer_name: None,
            agent_name: None,
            secret: None,
            wideband: false,
            manner: Manner::default(),
        }
    }
}

impl Plan {
    /// The call's id as it is known then: what is no UUID is written as one where one is needed.
    pub fn upstream_call_id(&self) -> String {
        if self.dialect == Dialect::Audiosocket {
            dialect::uuid_text(&dialect::uuid(&self.call_id))
        } else {
            self.call_id.clone()
        }
    }
}

/// How a stream behaves.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Chunks are late by up to so much.
    pub jitter: Duration,
    /// The sender's clock is so much too fast.
    pub drift_ppm: f64,
    /// Nothing is sent for a while.
    pub stall: Option<Stall>,
    /// Chunks overtake each other: so many are sent in any order.
    pub shuffled: usize,
    /// Of a thousand chunks, so many are never sent, and so many twice.
    pub dropped: u32,
    /// See [`Manner::dropped`].
    pub doubled: u32,
    /// Everything is sent so many times as fast as it is spoken; 0 is as fast as that.
    pub times: u32,
    /// The socket is open, and nothing comes.
    pub mute: bool,
    /// Pings are not answered.
    pub deaf: bool,
}

/// What a stream is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Somebody presses a key.
    Press(char),
    /// The call is over.
    Stop,
    /// The connection is gone without a word.
    Vanish,
}

/// A call that goes on.
pub struct Streaming {
    acts: mpsc::Sender<Act>,
    sender: JoinHandle<Result<(), Error>>,
    began: Instant,
}

/// What is dialled.
enum Link {
    Web(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    /// Of `tcp://…`.
    Plain(TcpStream),
}

impl Link {
    async fn dial(url: &str, plan: &Plan) -> Result<Self, Error> {
        if let Some(address) = url.strip_prefix("tcp://") {
            return Ok(Self::Plain(TcpStream::connect(address).await?));
        }
        let mut request = url.into_client_request()?;
        for (name, value) in plan.dialect.handshake(url, plan.secret.as_deref()) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::Utf8(name))?;
            let value = HeaderValue::from_str(&value).map_err(|_| Error::Utf8(value))?;
            request.headers_mut().insert(name, value);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self::Web(Box::new(socket)))
    }

    /// Answers pings until the other side ends it.
    async fn gone(&mut self) -> Result<(), Error> {
        loop {
            match self {
                Self::Web(socket) => match socket.next().await {
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
                Self::Plain(stream) => {
                    if stream.read(&mut [0; 1024]).await? == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Error> {
        match (self, frame) {
            (Self::Web(socket), Frame::Text(text)) => socket.send(Message::text(text)).await,
            (Self::Web(socket), Frame::Binary(bytes)) => socket.send(Message::binary(bytes)).await,
            (Self::Plain(stream), Frame::Text(text)) => {
                Ok(stream.write_all(text.as_bytes()).await?)
            }
            (Self::Plain(stream), Frame::Binary(bytes)) => Ok(stream.write_all(&bytes).await?),
        }
    }

    async fn close(&mut self) -> Result<(), Error> {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        match self {
            Self::Web(socket) => (**socket).close(Some(frame)).await,
            Self::Plain(stream) => Ok(stream.shutdown().await?),
        }
    }
}

impl Streaming {
    /// Dials `url` and begins to send what is said.
    ///
    /// # Errors
    /// When nobody is there, or the handshake is refused.
    pub async fn dial(url: &str, plan: Plan, sound: impl Sound) -> Result<Self, Error> {
        let link = Link::dial(url, &plan).await?;
        let (acts, todo) = mpsc::channel(ACTS);
        let began = clock::now();
        let sender = Sender {
            link,
            plan,
            sound: Box::new(sound),
            coders: Coders::default(),
            began,
            sequence: 1,
            waiting: Vec::new(),
            lost: 0,
        };
        let sender = tokio::spawn(sender.run(todo));
        Ok(Self {
            acts,
            sender,
            began,
        })
    }

    /// How long it has lasted.
    pub fn lasted(&self) -> Duration {
        clock::now() - self.began
    }

    /// Somebody presses a key.
    pub async fn press(&self, key: char) {
        self.act(Act::Press(key)).await;
    }

    /// The call is over, and the vendor says so.
    ///
    /// # Errors
    /// What went wrong meanwhile.
    pub async fn stop(self) -> Result<(), Error> {
        self.act(Act::Stop).await;
        self.ended().await
    }

    /// The connection is gone without a word.
    pub async fn vanish(self) {
        self.act(Act::Vanish).await;
        drop(self.ended().await);
    }

    /// Waits until the other side, or a failure, ends it.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ended(self) -> Result<(), Error> {
        let Self { acts, sender, .. } = self;
        let ended = sender.await;
        drop(acts);
        ended.unwrap_or(Err(Error::ConnectionClosed))
    }

    async fn act(&self, act: Act) {
        // whoever has ended does nothing more
        self.acts.send(act).await.ok();
    }
}

/// One stream.
struct Sender {
    link: Link,
    plan: Plan,
    sound: Box<dyn Sound>,
    coders: Coders,
    began: Instant,
    /// Of the frames.
    sequence: u64,
    /// Chunks that are sent in any order, once there are enough.
    waiting: Vec<Chunk>,
    /// Chunks that were never sent, since the last one that was.
    lost: u64,
}

impl Sender {
    async fn run(mut self, mut todo: mpsc::Receiver<Act>) -> Result<(), Error> {
        let dialect = self.plan.dialect;
        for frame in dialect.opening(&self.plan) {
            self.send(frame).await?;
        }
        let mut chunk = 0;
        loop {
            let act = tokio::select! {
                act = todo.recv() => act,
                gone = self.wait(chunk) => {
                    if gone? {
                        return Ok(());
                    }
                    self.speak(chunk).await?;
                    chunk += 1;
                    continue;
                }
            };
            match act {
                Some(Act::Press(key)) => {
                    let sequence = self.next();
                    for frame in dialect.key(&self.plan, key, sequence) {
                        self.send(frame).await?;
                    }
                }
                Some(Act::Stop) => {
                    self.send_waiting().await?;
                    let sequence = self.next();
                    for frame in dialect.closing(&self.plan, sequence) {
                        self.send(frame).await?;
                    }
                    return self.link.close().await;
                }
                Some(Act::Vanish) | None => return Ok(()),
            }
        }
    }

    /// Waits for a chunk's time, answering pings; says whether the other side has ended it.
    async fn wait(&mut self, chunk: u64) -> Result<bool, Error> {
        let manner = &self.plan.manner;
        let length = CHUNK.div_f64((1.0 + manner.drift_ppm / 1e6) * f64::from(manner.times.max(1)));
        let spoken = self.began + length.mul_f64((chunk + 1) as f64);
        let due = match manner.stall {
            Some(stall) if !stall.lost => {
                let (from, to) = (stall.after, stall.after + stall.lasts);
                let stalled = (from..to).contains(&(spoken - self.began));
                if stalled { self.began + to } else { spoken }
            }
            _ => spoken,
        };
        let due = due + random::jittered(manner.jitter * 2).saturating_sub(manner.jitter);
        let deaf = self.plan.manner.deaf;
        let gone = async {
            if deaf {
                std::future::pending().await
            } else {
                self.link.gone().await
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => Ok(false),
            gone = gone => gone.map(|()| true),
        }
    }

    /// Sends what is said in a chunk's time, as the manner has it.
    async fn speak(&mut self, number: u64) -> Result<(), Error> {
        let manner = self.plan.manner.clone();
        let after = CHUNK.mul_f64((number + 1) as f64);
        let lost = manner.stall.is_some_and(|stall| {
            stall.lost && (stall.after..stall.after + stall.lasts).contains(&after)
        });
        if manner.mute || lost {
            self.lost += u64::from(lost);
            return Ok(());
        }
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            let sequence = self.next();
            let dialect = self.plan.dialect;
            for frame in dialect.discarded(&self.plan, number - lost, lost, sequence) {
                self.send(frame).await?;
            }
        }
        let (plan, coders) = (&self.plan, &mut self.coders);
        for chunk in plan.dialect.chunks(plan, number, &*self.sound, coders) {
            let dice = (random::u64() % 1000) as u32;
            if dice < manner.dropped {
                continue;
            }
            if dice < manner.dropped + manner.doubled {
                self.waiting.push(chunk.clone());
            }
            self.waiting.push(chunk);
        }
        if self.waiting.len() >= 2 * manner.shuffled {
            for n in (1..self.waiting.len()).rev() {
                if manner.shuffled > 0 {
                    self.waiting.swap(n, random::u64() as usize % (n + 1));
                }
            }
            self.send_waiting().await?;
        }
        Ok(())
    }

    async fn send_waiting(&mut self) -> Result<(), Error> {
        for chunk in std::mem::take(&mut self.waiting) {
            let sequence = self.next();
            let frame = self.plan.dialect.media(&self.plan, &chunk, sequence);
            self.send(frame).await?;
        }
        Ok(())
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Error> {
        self.link.send(frame).await
    }
}
