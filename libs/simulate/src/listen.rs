//! A vendor's listen socket, as Vapi has one: whoever dials it hears the call from now on.
//!
//! The sound is made of what each side says at each moment of the call, so that it is known to the
//! sample what was sent when, however often a listener comes and goes. [`Manner`] has the manners
//! of sockets: formats with and without a word about them, and what goes wrong with them.

use std::f64::consts::TAU;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use sidetone_codec::{g711, pcm};
use sidetone_service::{clock, random};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use crate::script::Side;
use crate::sockets;

/// What is said in a call.
pub trait Sound: Send + Sync + 'static {
    /// What a side says at a moment of the call, -1.0 to 1.0.
    fn at(&self, side: Side, seconds: f64) -> f64;
}

/// Each side says one tone, as loud as -12 dBFS.
#[derive(Debug, Clone, Copy)]
pub struct Tones {
    /// The customer's, in Hz.
    pub customer: f64,
    /// The agent's, in Hz.
    pub agent: f64,
}

impl Sound for Tones {
    fn at(&self, side: Side, seconds: f64) -> f64 {
        let hz = match side {
            Side::Customer => self.customer,
            Side::Agent => self.agent,
        };
        0.25 * (seconds * hz * TAU).sin()
    }
}

/// How sound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Signed 16 bit, little endian.
    Linear16,
    /// G.711 µ-law.
    Mulaw,
}

/// How a socket behaves.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How sound is written.
    pub encoding: Encoding,
    /// Samples a second.
    pub rate_hz: u32,
    /// Customer and agent apart, or together.
    pub stereo: bool,
    /// A text frame says so first.
    pub announced: bool,
    /// A WAV file's header comes first.
    pub riff: bool,
    /// What that says of the rate, if something else.
    pub announced_rate_hz: Option<u32>,
    /// What a frame lasts.
    pub frame: Duration,
    /// Frames are early or late by up to so much.
    pub jitter: Duration,
    /// The sender's clock is so much too fast.
    pub drift_ppm: f64,
    /// Frames are split where no sample ends.
    pub odd_splits: bool,
    /// Nothing is sent for a while.
    pub stall: Option<Stall>,
    /// Sends so many times as much as is spoken.
    pub times: u32,
    /// The socket is open, and nothing comes.
    pub mute: bool,
    /// Pings are not answered either.
    pub deaf: bool,
    /// Closed after so long, with a code.
    pub closed: Option<(Duration, u16)>,
    /// The bearer token that is asked for.
    pub bearer: Option<String>,
}

/// A stretch in which nothing is sent.
#[derive(Debug, Clone, Copy)]
pub struct Stall {
    /// When it begins, from the socket's opening.
    pub after: Duration,
    /// How long it is.
    pub lasts: Duration,
    /// What was said meanwhile is never sent; else it is sent at once afterwards.
    pub lost: bool,
}

impl Default for Manner {
    /// 16 kHz, both sides apart, without a word about it.
    fn default() -> Self {
        Self {
            encoding: Encoding::Linear16,
            rate_hz: 16_000,
            stereo: true,
            announced: false,
            riff: false,
            announced_rate_hz: None,
            frame: Duration::from_millis(20),
            jitter: Duration::ZERO,
            drift_ppm: 0.0,
            odd_splits: false,
            stall: None,
            times: 1,
            mute: false,
            deaf: false,
            closed: None,
            bearer: None,
        }
    }
}

impl Manner {
    /// Bland's: everybody together, at 16 kHz.
    pub fn bland() -> Self {
        Self {
            stereo: false,
            ..Self::default()
        }
    }
}

/// A call that can be listened to.
pub struct Listening {
    address: SocketAddr,
    manner: watch::Sender<Manner>,
    dialled: Arc<AtomicUsize>,
    began: Instant,
    over: CancellationToken,
    stopped: CancellationToken,
}

/// What the sockets of a call share.
#[derive(Clone)]
struct Call {
    sound: Arc<dyn Sound>,
    manner: watch::Receiver<Manner>,
    began: Instant,
    over: CancellationToken,
    stopped: CancellationToken,
}

impl Listening {
    /// Begins a call; sockets behave as `manner` says.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn start(sound: impl Sound, manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (manner, watched) = watch::channel(manner);
        let call = Call {
            sound: Arc::new(sound),
            manner: watched,
            began: clock::now(),
            over: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        let dialled = Arc::new(AtomicUsize::new(0));
        let listening = Self {
            address,
            manner,
            dialled: dialled.clone(),
            began: call.began,
            over: call.over.clone(),
            stopped: call.stopped.clone(),
        };
        let stopped = call.stopped.clone();
        tokio::spawn(sockets::accept(listener, stopped, move |stream| {
            dialled.fetch_add(1, Ordering::Relaxed);
            serve(stream, call.clone())
        }));
        Ok(listening)
    }

    /// What to dial.
    pub fn url(&self) -> String {
        format!("ws://{}/call/listen", self.address)
    }

    /// How often it was dialled.
    pub fn dialled(&self) -> usize {
        self.dialled.load(Ordering::Relaxed)
    }

    /// How long the call has lasted.
    pub fn lasted(&self) -> Duration {
        clock::now() - self.began
    }

    /// Sockets behave so from now on; those that are open are cut.
    pub fn behave(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// The call is over: sockets are closed in order.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// What ends it when it is cancelled.
    pub(crate) fn over(&self) -> CancellationToken {
        self.over.clone()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the signature is that of the handshake's callback"
)]
async fn serve(stream: TcpStream, mut call: Call) -> Result<(), Error> {
    let manner = call.manner.borrow_and_update().clone();
    let (bearer, over) = (manner.bearer.clone(), call.over.is_cancelled());
    let judge = move |request: &Request, response: Response| {
        let shown = request.headers().get("authorization");
        let fits = bearer.is_none_or(|bearer| {
            shown.is_some_and(|shown| shown.as_bytes() == format!("Bearer {bearer}").as_bytes())
        });
        match (over, fits) {
            (true, _) => Err(sockets::refusal(StatusCode::NOT_FOUND)),
            (false, false) => Err(sockets::refusal(StatusCode::UNAUTHORIZED)),
            (false, true) => Ok(response),
        }
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, judge).await?;
    let mut changes = call.manner.clone();
    let sender = Sender {
        socket,
        manner,
        call,
        half: Vec::new(),
        sent: 0,
    };
    tokio::select! {
        ended = sender.run() => ended,
        _ = changes.changed() => Ok(()),
    }
}

/// One socket.
struct Sender {
    socket: WebSocketStream<TcpStream>,
    manner: Manner,
    call: Call,
    /// What an odd split has left over.
    half: Vec<u8>,
    /// Samples of each channel.
    sent: u64,
}

impl Sender {
    async fn run(mut self) -> Result<(), Error> {
        let opened = clock::now();
        let into_the_call = (opened - self.call.began).as_secs_f64();
        if self.manner.announced {
            let text = self.announcement().to_string();
            self.socket.send(Message::text(text)).await?;
        }
        if self.manner.riff {
            let header = [&b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"[..], &self.wave_format()].concat();
            let header = [&header[..], b"data\xff\xff\xff\xff"].concat();
            self.socket.send(Message::binary(header)).await?;
        }
        let mut frames: u32 = 0;
        let over = self.call.over.clone();
        loop {
            let code = tokio::select! {
                () = over.cancelled() => Some(1000),
                due = self.wait(opened, frames) => due?,
            };
            if let Some(code) = code {
                let frame = CloseFrame {
                    code: CloseCode::from(code),
                    reason: "".into(),
                };
                return self.socket.close(Some(frame)).await;
            }
            frames += 1;
            if self.manner.mute || self.is_stalled(opened) {
                continue;
            }
            let due = self.samples_until(frames);
            let due = match self.manner.stall {
                Some(stall) if stall.lost && clock::now() >= opened + stall.after => {
                    self.sent = self.sent.max(self.samples_until(frames - 1));
                    due
                }
                _ => due,
            };
            for _ in 0..self.manner.times {
                let bytes = self.sound(self.sent, due, into_the_call);
                self.send(bytes).await?;
            }
            self.sent = due;
        }
    }

    /// Waits for the next frame's time, answering pings; gives a code when it is to be closed.
    async fn wait(&mut self, opened: Instant, frames: u32) -> Result<Option<u16>, Error> {
        let jitter = random::jittered(self.manner.jitter * 2).saturating_sub(self.manner.jitter);
        let frame = self.manner.frame.div_f64(1.0 + self.manner.drift_ppm / 1e6);
        let due = opened + frame * (frames + 1) + jitter;
        let sleep = tokio::time::sleep_until(due.into());
        tokio::pin!(sleep);
        loop {
            let message = async {
                if self.manner.deaf {
                    std::future::pending().await
                } else {
                    self.socket.next().await
                }
            };
            tokio::select! {
                () = &mut sleep => break,
                message = message => match message {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Err(Error::ConnectionClosed),
                },
            }
        }
        let closed = self.manner.closed;
        let closed = closed.filter(|(after, _)| clock::now() >= opened + *after);
        Ok(closed.map(|(_, code)| code))
    }

    fn is_stalled(&self, opened: Instant) -> bool {
        self.manner.stall.is_some_and(|stall| {
            let since = clock::now() - opened;
            (stall.after..stall.after + stall.lasts).contains(&since)
        })
    }

    /// Samples that so many frames have.
    fn samples_until(&self, frames: u32) -> u64 {
        let frame = self.manner.frame.as_micros() as u64 * u64::from(self.manner.rate_hz);
        u64::from(frames) * frame / 1_000_000
    }

    fn announcement(&self) -> serde_json::Value {
        let encoding = match self.manner.encoding {
            Encoding::Linear16 => "linear16",
            Encoding::Mulaw => "mulaw",
        };
        let rate = self.manner.announced_rate_hz.unwrap_or(self.manner.rate_hz);
        json!({"type": "start", "encoding": encoding, "container": "raw", "sampleRate": rate,
            "channels": if self.manner.stereo { 2 } else { 1 }})
    }

    /// What a WAV file says of its sound.
    fn wave_format(&self) -> [u8; 16] {
        let (code, bytes): (u16, u16) = match self.manner.encoding {
            Encoding::Linear16 => (1, 2),
            Encoding::Mulaw => (7, 1),
        };
        let channels: u16 = if self.manner.stereo { 2 } else { 1 };
        let frame = bytes * channels;
        let mut format = [0; 16];
        format[..2].copy_from_slice(&code.to_le_bytes());
        format[2..4].copy_from_slice(&channels.to_le_bytes());
        format[4..8].copy_from_slice(&self.manner.rate_hz.to_le_bytes());
        let rate = self.manner.rate_hz * u32::from(frame);
        format[8..12].copy_from_slice(&rate.to_le_bytes());
        format[12..14].copy_from_slice(&frame.to_le_bytes());
        format[14..].copy_from_slice(&(bytes * 8).to_le_bytes());
        format
    }

    fn sound(&self, from: u64, to: u64, into_the_call: f64) -> Vec<u8> {
        let rate = f64::from(self.manner.rate_hz);
        let sides = [Side::Customer, Side::Agent];
        let samples = (from..to).flat_map(|sample| {
            let seconds = into_the_call + sample as f64 / rate;
            let [customer, agent] = sides.map(|side| self.call.sound.at(side, seconds));
            if self.manner.stereo {
                vec![customer, agent]
            } else {
                vec![customer + agent]
            }
        });
        let samples: Vec<i16> = samples
            .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16)
            .collect();
        match self.manner.encoding {
            Encoding::Linear16 => pcm::to_bytes(&samples),
            Encoding::Mulaw => samples.iter().map(|one| g711::encode_ulaw(*one)).collect(),
        }
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let mut all = std::mem::take(&mut self.half);
        all.extend(bytes);
        if self.manner.odd_splits {
            self.half = all.split_off(all.len().saturating_sub(1));
        }
        self.socket.send(Message::binary(all)).await
    }
}
