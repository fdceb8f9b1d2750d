//! A small Socket.IO client: one WebSocket, the default namespace, text events.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::office::DEADLINE;
use sidetone_testkit::User;

/// A connection.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub(crate) async fn connect(user: &User) -> Self {
        let url = user.url().replacen("http", "ws", 1);
        let url = format!("{url}/socket.io/?EIO=4&transport=websocket");
        let (stream, _) = connect_async(url).await.unwrap();
        let mut socket = Self { stream };
        assert!(socket.packet().await.starts_with('0'), "the server opens");
        let auth = json!({"token": user.token()});
        socket.write(format!("40{auth}")).await;
        let answer = socket.packet().await;
        assert!(answer.starts_with("40"), "refused: {answer}");
        socket
    }

    pub(crate) async fn send(&mut self, event: &str, data: Value) {
        self.write(format!("42{}", json!([event, data]))).await;
    }

    /// The next event of that name that fits; all others are skipped.
    pub(crate) async fn event(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let listening = async {
            loop {
                let packet = self.packet().await;
                let event = packet.strip_prefix("42").expect("an event");
                let event: Value = serde_json::from_str(event).unwrap();
                if event[0] == name && fits(&event[1]) {
                    return event[1].clone();
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE, listening).await;
        found.unwrap_or_else(|_| panic!("no {name} in {DEADLINE:?}"))
    }

    async fn write(&mut self, text: String) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next packet that is no heartbeat.
    async fn packet(&mut self) -> String {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.stream.next()).await;
            let message = next.expect("a packet in time").expect("it stays open");
            match message.unwrap() {
                Message::Text(text) if text.as_str() == "2" => self.write("3".into()).await,
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Close(why) => panic!("the server closed: {why:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}
