//! A client of the plain WebSocket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::World;

/// Beyond it a message that is waited for counts as missing.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Plain {
    pub(crate) stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol that the server chose.
    pub(crate) protocol: Option<String>,
}

impl Plain {
    /// Connects with these query and headers; gives the status that it was refused with.
    pub(crate) async fn try_connect(
        world: &World,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let url = world.url.replacen("http", "ws", 1);
        let mut request = format!("{url}/api/ws{query}")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, response)) => Ok(Self {
                stream,
                protocol: response
                    .headers()
                    .get("sec-websocket-protocol")
                    .map(|value| value.to_str().unwrap().to_owned()),
            }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn connect(world: &World, token: &str) -> Self {
        Self::try_connect(world, &format!("?token={token}"), &[])
            .await
            .unwrap()
    }

    pub(crate) async fn send(&mut self, event: &str, data: Value) {
        let text = json!({"event": event, "data": data}).to_string();
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next message; `Err` has the code that the connection was closed with.
    pub(crate) async fn next(&mut self) -> Result<(String, Value), Option<u16>> {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.stream.next()).await;
            match next.expect("a message in time") {
                Some(Ok(Message::Text(text))) => {
                    let mut message: Value = serde_json::from_str(&text).unwrap();
                    let event = message["event"].as_str().unwrap().to_owned();
                    return Ok((event, message["data"].take()));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|it| it.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next event of that name; others are skipped.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let (event, data) = self.next().await.expect("the connection stays");
            if event == name {
                return data;
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

    /// Waits for the end; gives the code.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
