//! Sockets by which vendors tell of a live call, without its sound: Retell's `monitor-call`, which
//! has the transcript, and ElevenLabs' `monitor`, which takes commands.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use crate::sockets;

/// What sockets have not sent yet; one that is so far behind is cut.
const BEHIND: usize = 256;
/// What Retell closes a socket with before the call is live.
const NOT_LIVE_YET: u16 = 4004;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    Retell,
    Elevenlabs,
}

/// A call that can be watched.
pub struct Monitored {
    address: SocketAddr,
    call: Call,
}

#[derive(Clone)]
struct Call {
    vendor: Vendor,
    id: String,
    key: String,
    state: Arc<Mutex<State>>,
    news: broadcast::Sender<News>,
    stopped: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    live: bool,
    over: bool,
    items: Vec<Value>,
    taken: Vec<Value>,
    asked: Vec<String>,
}

#[derive(Debug, Clone)]
enum News {
    Said(Value),
    Ended(String),
    Closed(u16),
}

impl Monitored {
    /// A call at Retell that is not live yet; `key` opens its socket.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn retell(id: &str, key: &str) -> io::Result<Self> {
        Self::start(Vendor::Retell, id, key).await
    }

    /// A conversation at ElevenLabs that goes on.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn elevenlabs(id: &str, key: &str) -> io::Result<Self> {
        let call = Self::start(Vendor::Elevenlabs, id, key).await?;
        call.begins();
        Ok(call)
    }

    async fn start(vendor: Vendor, id: &str, key: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let call = Call {
            vendor,
            id: id.to_owned(),
            key: key.to_owned(),
            state: Arc::default(),
            news: broadcast::channel(BEHIND).0,
            stopped: CancellationToken::new(),
        };
        let (stopped, served) = (call.stopped.clone(), call.clone());
        tokio::spawn(sockets::accept(listener, stopped, move |stream| {
            serve(stream, served.clone())
        }));
        Ok(Self { address, call })
    }

    /// Where the vendor's API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The call is live.
    pub fn begins(&self) {
        self.call.lock().live = true;
    }

    /// Somebody said something by now: the same id is the same, grown.
    pub fn says(&self, id: &str, role: &str, seconds: f64, text: &str) {
        let item = json!({"id": id, "role": role, "content": text, "time_sec": seconds});
        let mut state = self.call.lock();
        state.items.retain(|known| known["id"] != id);
        state.items.push(item.clone());
        // nobody needs to look
        self.call.news.send(News::Said(item)).ok();
    }

    /// The call is over.
    pub fn ends(&self, reason: &str) {
        self.call.end(reason);
    }

    /// Every socket is closed with a code.
    pub fn closes(&self, code: u16) {
        self.call.news.send(News::Closed(code)).ok();
    }

    /// The paths that were asked for, whoever was let in.
    pub fn asked(&self) -> Vec<String> {
        self.call.lock().asked.clone()
    }

    /// The commands that it took, the first first.
    pub fn taken(&self) -> Vec<Value> {
        self.call.lock().taken.clone()
    }
}

impl Drop for Monitored {
    fn drop(&mut self) {
        self.call.stopped.cancel();
    }
}

impl Call {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reason: &str) {
        self.lock().over = true;
        self.news.send(News::Ended(reason.to_owned())).ok();
    }

    /// Why somebody is not let in.
    fn refusal(&self, request: &Request) -> Option<StatusCode> {
        let (path, name, value) = match self.vendor {
            Vendor::Retell => (
                format!("/v2/monitor-call/{}", self.id),
                "authorization",
                format!("Bearer {}", self.key),
            ),
            Vendor::Elevenlabs => (
                format!("/v1/convai/conversations/{}/monitor", self.id),
                "xi-api-key",
                self.key.clone(),
            ),
        };
        self.lock().asked.push(request.uri().path().to_owned());
        let shown = request.headers().get(name);
        if shown.is_none_or(|shown| shown.as_bytes() != value.as_bytes()) {
            return Some(StatusCode::UNAUTHORIZED);
        }
        let gone = self.lock().over || request.uri().path() != path;
        gone.then_some(StatusCode::NOT_FOUND)
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the signature is that of the handshake's callback"
)]
async fn serve(stream: TcpStream, call: Call) -> Result<(), Error> {
    let judge = |request: &Request, response: Response| match call.refusal(request) {
        None => Ok(response),
        Some(status) => Err(sockets::refusal(status)),
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, judge).await?;
    let mut news = call.news.subscribe();
    let (live, items) = {
        let state = call.lock();
        (state.live, state.items.clone())
    };
    if !live {
        return close(&mut socket, NOT_LIVE_YET, "not live").await;
    }
    if call.vendor == Vendor::Retell {
        let snapshot = json!({"type": "transcript_snapshot", "transcripts": items,
            "pre_session_transcripts": []});
        socket.send(Message::text(snapshot.to_string())).await?;
    }
    loop {
        tokio::select! {
            told = news.recv() => match told {
                Ok(News::Said(item)) => {
                    let update = json!({"type": "transcript_updated", "transcripts": [item]});
                    socket.send(Message::text(update.to_string())).await?;
                }
                Ok(News::Ended(reason)) => {
                    if call.vendor == Vendor::Retell {
                        let ended = json!({"type": "call_ended", "disconnection_reason": reason});
                        socket.send(Message::text(ended.to_string())).await?;
                    }
                    return close(&mut socket, 1000, "call_ended").await;
                }
                Ok(News::Closed(code)) => return close(&mut socket, code, "").await,
                Err(_) => return Ok(()),
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let Ok(command) = check_elevenlabs(&text) else {
                        return close(&mut socket, 1008, "unknown command").await;
                    };
                    let ends = command["command_type"] == "end_call";
                    call.lock().taken.push(command);
                    if ends {
                        call.end("client");
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            },
        }
    }
}

async fn close(
    socket: &mut WebSocketStream<TcpStream>,
    code: u16,
    reason: &str,
) -> Result<(), Error> {
    let frame = CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    };
    socket.close(Some(frame)).await?;
    // until the other side has closed, too
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}

/// A command, if it is one that ElevenLabs documents.
fn check_elevenlabs(text: &str) -> Result<Value, String> {
    let command: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let parameter = match command["command_type"].as_str() {
        Some("end_call" | "enable_human_takeover" | "disable_human_takeover") => None,
        Some("contextual_update") => Some("contextual_update"),
        Some("transfer_to_number") => Some("phone_number"),
        Some("send_human_message") => Some("text"),
        Some(_) | None => return Err(format!("no command: {command}")),
    };
    let said = parameter.is_none_or(|name| command["parameters"][name].is_string());
    let known = command.as_object().map_or(0, serde_json::Map::len);
    if said && known == 1 + usize::from(parameter.is_some()) {
        Ok(command)
    } else {
        Err(format!("parameters are wrong: {command}"))
    }
}
