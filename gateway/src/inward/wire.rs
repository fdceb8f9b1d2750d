//! A socket that an upstream opened, whatever it is made of.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// In order, as RFC 6455 has it.
const NORMAL: u16 = 1000;
/// What is read at a time where there are no messages.
const READ_BYTES: usize = 4 * 1024;

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// It is there, and says nothing.
    Alive,
    /// It is gone: in order or not, and what there is to be said of it.
    Gone(bool, String),
}

/// See the module.
pub(crate) enum Wire {
    Web(Box<WebSocket>),
    /// Bytes, as TCP brings them. Nothing is ever said on it: whoever is there sends all the time.
    Plain(TcpStream),
}

impl Wire {
    /// The next thing that comes; cancel-safe.
    pub(crate) async fn next(&mut self) -> Came {
        match self {
            Self::Web(socket) => match socket.next().await {
                Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => Came::Alive,
                Some(Ok(Message::Binary(bytes))) => Came::Binary(bytes),
                Some(Ok(Message::Text(text))) => Came::Text(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Came::Alive,
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| frame.code);
                    let told = code.map_or("without a code".to_owned(), |code| code.to_string());
                    Came::Gone(code == Some(NORMAL), told)
                }
                Some(Err(error)) => Came::Gone(false, error.to_string()),
                None => Came::Gone(false, "without a word".to_owned()),
            },
            Self::Plain(stream) => {
                let mut bytes = BytesMut::with_capacity(READ_BYTES);
                match stream.read_buf(&mut bytes).await {
                    Ok(0) => Came::Gone(true, "the connection was closed".to_owned()),
                    Ok(_) => Came::Binary(bytes.freeze()),
                    Err(error) => Came::Gone(false, error.to_string()),
                }
            }
        }
    }

    /// Says something.
    pub(crate) async fn say(&mut self, text: String) {
        self.send(Message::Text(text.into())).await;
    }

    /// Asks whether it is there.
    pub(crate) async fn ping(&mut self) {
        self.send(Message::Ping(Bytes::new())).await;
    }

    /// Takes leave.
    pub(crate) async fn close(mut self, code: u16, reason: &'static str) {
        let reason = Utf8Bytes::from_static(reason);
        let frame = CloseFrame { code, reason };
        self.send(Message::Close(Some(frame))).await;
    }

    async fn send(&mut self, message: Message) {
        match self {
            // whether it was taken shows by what comes next
            Self::Web(socket) => drop(socket.send(message).await),
            Self::Plain(_) => {}
        }
    }
}
