//! Plain WebSocket clients: the events of Socket.IO as `{event, data}`, both ways.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde::Deserialize;
use serde_json::Value;
use sidetone_service::clock;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::hub::{Client, Sent, Why, Wire};
use super::message::Frame;
use super::session;
use super::{IN_HAND, MESSAGE_LIMIT, PING_INTERVAL, PING_TIMEOUT};
use crate::app::App;
use crate::store::Identity;

/// How long a client may take for our goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a client says.
#[derive(Deserialize)]
struct Said {
    event: String,
    #[serde(default)]
    data: Value,
}

/// RFC 6455 and our own close codes.
mod code {
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const NOT_TEXT: u16 = 1003;
    pub(super) const POLICY: u16 = 1008;
    pub(super) const TOO_BIG: u16 = 1009;
    pub(super) const REVOKED: u16 = 4401;
    pub(super) const TOO_SLOW: u16 = 4408;
}

struct Socket {
    frames: mpsc::Sender<Frame>,
    closing: watch::Sender<Option<Why>>,
}

impl Wire for Socket {
    fn send(&self, frame: &Frame) -> Sent {
        match self.frames.try_send(frame.clone()) {
            Ok(()) => Sent::Yes,
            Err(mpsc::error::TrySendError::Full(_)) => Sent::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => Sent::Gone,
        }
    }

    fn close(&self, why: Why) -> bool {
        self.closing.send_replace(Some(why));
        true
    }
}

/// Why a connection ends, as its client is told.
pub(crate) struct End(pub(crate) u16, pub(crate) &'static str);

const TOO_BIG: End = End(code::TOO_BIG, "a message is larger than 64 KiB");

impl From<Why> for End {
    fn from(why: Why) -> Self {
        match why {
            Why::Revoked => Self(code::REVOKED, "the session has ended"),
            Why::TooSlow => Self(code::TOO_SLOW, "too slow: connect again for a snapshot"),
            Why::TooLoud => Self(code::POLICY, "too many messages"),
            Why::Ending => Self(code::GOING_AWAY, "the server ends: connect again"),
        }
    }
}

/// Serves a client until it leaves or is cut off.
pub(crate) async fn serve(app: Arc<App>, identity: Identity, token: String, socket: WebSocket) {
    let (frames, waiting) = mpsc::channel(IN_HAND);
    let (closing, mut closed) = watch::channel(None);
    let wire = Socket { frames, closing };
    let client = session::enter(&app, identity, Box::new(wire));
    let sid = clock::new_id().simple().to_string();
    session::greet(&app, &client, &token, sid).await;
    let mut connection = Connection {
        app: &app,
        client: &client,
        socket,
        waiting,
        heard: clock::now(),
    };
    // whatever it does at the moment ends when it is cut off: it may wait for a client that
    // takes nothing
    let end = tokio::select! {
        biased;
        why = closed.wait_for(Option::is_some) => why.ok().and_then(|why| *why).map(End::from),
        end = connection.run() => end,
    };
    app.realtime.left(client.id);
    if let Some(end) = end {
        say_goodbye(&mut connection.socket, end).await;
    }
}

/// Tells a client why its connection ends, and gives it a moment to read that: a socket closed
/// with unread bytes takes back what was sent.
pub(crate) async fn say_goodbye(socket: &mut WebSocket, End(code, reason): End) {
    let reason = reason.into();
    let close = Message::Close(Some(CloseFrame { code, reason }));
    if !matches!(timeout(GOODBYE, socket.send(close)).await, Ok(Ok(()))) {
        debug!(code, "a client could not be told why it is cut off");
        return;
    }
    let answered = async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Close(_))) | None => return,
                Some(Ok(_)) => {}
                // what it sent cannot be read, and so it stays unread
                Some(Err(_)) => std::future::pending().await,
            }
        }
    };
    let _ = timeout(GOODBYE, answered).await;
}

struct Connection<'a> {
    app: &'a Arc<App>,
    client: &'a Client,
    socket: WebSocket,
    waiting: mpsc::Receiver<Frame>,
    /// When the client last gave a sign of life.
    heard: Instant,
}

impl Connection<'_> {
    /// Passes messages on both ways. Gives what the client is to be told at the end, if it is
    /// still there.
    async fn run(&mut self) -> Option<End> {
        let mut ping = interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = self.waiting.recv() => {
                    let text = Message::Text(frame?.envelope());
                    self.socket.send(text).await.ok()?;
                }
                message = self.socket.recv() => {
                    if let Some(end) = self.hear(message?).await {
                        return end;
                    }
                }
                _ = ping.tick() => {
                    if clock::now().duration_since(self.heard) > PING_TIMEOUT {
                        return None;
                    }
                    self.socket.send(Message::Ping(axum::body::Bytes::new())).await.ok()?;
                }
            }
        }
    }

    /// `Some` when the connection is to end.
    async fn hear(&mut self, message: Result<Message, Error>) -> Option<Option<End>> {
        self.heard = clock::now();
        match message {
            Ok(Message::Text(text)) if text.len() > MESSAGE_LIMIT => Some(Some(TOO_BIG)),
            Ok(Message::Text(text)) => {
                let Ok(Said { event, data }) = serde_json::from_str(&text) else {
                    return Some(Some(End(code::POLICY, "not {\"event\":…,\"data\":…}")));
                };
                session::hear(self.app, self.client, &event, data).await;
                None
            }
            Ok(Message::Binary(_)) => Some(Some(End(code::NOT_TEXT, "messages are text"))),
            Ok(Message::Ping(_) | Message::Pong(_)) => None,
            Ok(Message::Close(_)) => Some(None),
            Err(error) => Some(is_too_big(error).then_some(TOO_BIG)),
        }
    }
}

fn is_too_big(error: Error) -> bool {
    use tokio_tungstenite::tungstenite::Error as Cause;
    let cause = error.into_inner().downcast::<Cause>();
    matches!(cause.as_deref(), Ok(Cause::Capacity(_)))
}
