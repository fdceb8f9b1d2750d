//! The WebSocket under the signalling, with buffers of the size that signalling needs.
//!
//! The default client keeps 128 KiB for reading on every connection, which is a third of what a
//! tapped call costs; a signalling message is a few hundred bytes, and a session description of
//! many tracks some tens of thousand. Larger messages still pass, in several reads.

use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Read in one go.
const READ_BYTES: usize = 8 * 1024;

/// Gathered before it is written; a request is sent at once all the same.
const WRITE_BYTES: usize = 4 * 1024;

/// The longest message; the server's own limit is 2 MiB.
const MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Where the environment names a proxy.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Makes it the transport of every signalling connection of this process, once. Behind a proxy
/// the default stays, because it knows how to get through.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if PROXIES
            .iter()
            .all(|name| std::env::var_os(name).is_none_or(|proxy| proxy.is_empty()))
        {
            livekit_net::set_ws_client(Arc::new(Client));
        }
    });
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Client;

struct Connection {
    writer: Mutex<SplitSink<Socket, Message>>,
    reader: Mutex<SplitStream<Socket>>,
}

#[async_trait]
impl WsClient for Client {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let mut request = url.into_client_request().map_err(failed)?;
        for header in headers {
            let name: HeaderName = header.name.parse().map_err(|_| other("header name"))?;
            let value: HeaderValue = header.value.parse().map_err(|_| other("header value"))?;
            request.headers_mut().insert(name, value);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_message_size(Some(MESSAGE_BYTES))
            .max_frame_size(Some(MESSAGE_BYTES));
        let connecting = connect_async_with_config(request, Some(config), true);
        let timeout = Duration::from_millis(timeout_ms);
        let connected = tokio::time::timeout(timeout, connecting).await;
        let (socket, _) = connected
            .map_err(|_| TransportError::Timeout)?
            .map_err(failed)?;
        let (writer, reader) = socket.split();
        let (writer, reader) = (Mutex::new(writer), Mutex::new(reader));
        Ok(WsConnectResult {
            connection: Arc::new(Connection { writer, reader }),
        })
    }
}

#[async_trait]
impl WsConnection for Connection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        let mut writer = self.writer.lock().await;
        writer
            .send(Message::Binary(frame.into()))
            .await
            .map_err(failed)
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            match reader.next().await {
                Some(Ok(Message::Binary(frame))) => return Ok(Some(frame.into())),
                // pongs are queued by the reader; sending anything flushes them
                Some(Ok(Message::Ping(_))) => drop(self.writer.lock().await.flush().await),
                Some(Ok(Message::Text(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Err(error)) if is_end(&error) => return Ok(None),
                Some(Err(error)) => return Err(failed(error)),
            }
        }
    }

    async fn close(&self) {
        // closed already, or never will be: the same to us
        drop(self.writer.lock().await.close().await);
    }
}

/// An end without a goodbye: a server that was killed, a TLS connection that was cut.
fn is_end(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        Error::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}

fn failed(error: Error) -> TransportError {
    match error {
        Error::Http(response) => TransportError::Http {
            status: response.status().as_u16(),
        },
        error => TransportError::Connection(error.to_string()),
    }
}

fn other(what: &str) -> TransportError {
    TransportError::Other(format!("{what} of the request is not valid"))
}
