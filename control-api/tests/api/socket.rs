//! A small Socket.IO client: one WebSocket, the default namespace, text events.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::World;

/// Beyond it a message that is waited for counts as missing.
const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) open: Value,
}

impl Socket {
    /// Connects and says who it is; gives what the server refused it with.
    pub(crate) async fn try_connect(
        world: &World,
        auth: Value,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, String> {
        let url = world.url.replacen("http", "ws", 1);
        let mut request = format!("{url}/socket.io/?EIO=4&transport=websocket")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (stream, _) = connect_async(request).await.map_err(|e| e.to_string())?;
        let mut socket = Self {
            stream,
            open: Value::Null,
        };
        let open = socket.frame().await.expect("the server opens");
        socket.open = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        socket.write(format!("40{auth}")).await;
        let answer = socket.frame().await.expect("the server answers");
        match answer.split_at(2) {
            ("40", _) => Ok(socket),
            (_, error) => Err(error.to_owned()),
        }
    }

    pub(crate) async fn connect(world: &World, token: &str) -> Self {
        Self::try_connect(world, json!({"token": token}), &[])
            .await
            .unwrap()
    }

    pub(crate) async fn send(&mut self, event: &str, data: Value) {
        self.write(format!("42{}", json!([event, data]))).await;
    }

    async fn write(&mut self, text: String) {
        self.try_write(text).await.expect("the connection stays");
    }

    /// Writes a frame as it is; fails once the server has closed.
    pub(crate) async fn try_write(&mut self, text: String) -> Result<(), String> {
        let sent = self.stream.send(Message::text(text)).await;
        sent.map_err(|error| error.to_string())
    }

    /// The next frame that is no ping; `None` when the server has closed.
    async fn frame(&mut self) -> Option<String> {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.stream.next()).await;
            let message = next.expect("a frame in time")?.ok()?;
            match message {
                // that the server has closed meanwhile is what the next read says
                Message::Text(text) if text.as_str() == "2" => {
                    drop(self.try_write("3".into()).await);
                }
                Message::Text(text) => return Some(text.as_str().to_owned()),
                Message::Close(_) => return None,
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// The next event of that name; others are skipped.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let frame = self.frame().await.expect("the connection stays");
            let Some(text) = frame.strip_prefix("42") else {
                panic!("{frame} while waiting for {name}");
            };
            let mut event: Vec<Value> = serde_json::from_str(text).unwrap();
            if event[0] == name {
                return event.pop().unwrap();
            }
        }
    }

    /// The first event of that name that is as expected; others are skipped.
    pub(crate) async fn until(&mut self, name: &str, expected: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.event(name).await;
            if expected(&message) {
                return message;
            }
        }
    }

    /// Events up to the next one of that name, which is the last.
    pub(crate) async fn events_until(&mut self, name: &str) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        loop {
            let frame = self.frame().await.expect("the connection stays");
            let text = frame.strip_prefix("42").expect("an event");
            let mut event: Vec<Value> = serde_json::from_str(text).unwrap();
            let found = event[0].as_str().unwrap().to_owned();
            all.push((found.clone(), event.pop().unwrap()));
            if found == name {
                return all;
            }
        }
    }

    /// Waits until the server has cut the connection off.
    pub(crate) async fn is_cut_off(&mut self) -> bool {
        loop {
            match self.frame().await {
                None => return true,
                Some(frame) if frame == "41" => return true,
                Some(_) => {}
            }
        }
    }
}
