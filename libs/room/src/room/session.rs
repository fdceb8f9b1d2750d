//! One session with the server: the signalling connection and the peer connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalEvents, SignalOptions};
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use str0m::channel::ChannelId;
use tokio::sync::mpsc;
use tracing::debug;

use crate::event::Closed;
use crate::options::Options;
use crate::peer::{Peer, PeerError, Role, local_address};
use crate::remote::Remotes;
use crate::{tls, transport};

/// Requests waiting for the signalling connection: ten supervisors' 60 tracks at once, twice.
/// More mean that the connection is dead: it is made anew.
const OUTBOX: usize = 2048;

/// The version of the signalling protocol that two peer connections are spoken with.
const PROTOCOL_VERSION: u32 = 17;

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer to a goodbye is waited for. A server that takes longer has lost us anyway.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

enum Outgoing {
    Request(Box<Request>),
    Reconnected,
}

/// What a data channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Reliable,
    Lossy,
}

pub(crate) struct Session {
    pub(crate) signal: Arc<SignalClient>,
    events: SignalEvents,
    outbox: mpsc::Sender<Outgoing>,
    local: IpAddr,
    pub(crate) subscriber: Option<Box<Peer>>,
    pub(crate) publisher: Option<Box<Peer>>,
    pub(crate) remotes: Remotes,
    pub(crate) reliable: Option<ChannelId>,
    pub(crate) lossy: Option<ChannelId>,
}

/// Why an attempt to join failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JoinError {
    /// The server does not accept the token, or no token could be made: trying again is useless.
    #[error("{url} refuses the token: {answer}")]
    Unauthorized {
        /// The server's address.
        url: String,
        /// What it answered.
        answer: String,
    },
    /// The server cannot be reached, or failed.
    #[error("{url} cannot be joined: {reason}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

impl JoinError {
    pub(crate) fn closed(&self) -> Option<Closed> {
        match self {
            Self::Unauthorized { answer, .. } => Some(Closed::Unauthorized(answer.clone())),
            Self::Unreachable { .. } => None,
        }
    }
}

/// Connects the signalling and reads who is there. `attempt` counts from 0.
pub(crate) async fn connect(
    options: &Options,
    attempt: u32,
    first_number: u32,
) -> Result<(Session, proto::JoinResponse), JoinError> {
    tls::install_provider();
    transport::install();
    options.pacer.wait().await;
    let unreachable = |reason: String| JoinError::Unreachable {
        url: options.url.clone(),
        reason,
    };
    let token = (options.token)(attempt).map_err(|answer| JoinError::Unauthorized {
        url: options.url.clone(),
        answer,
    })?;
    let local = local_address(&options.url)
        .await
        .map_err(|e| unreachable(e.to_string()))?;
    let mut signal = SignalOptions::default();
    signal.auto_subscribe = options.auto_subscribe;
    signal.single_peer_connection = false;
    signal.protocol_version = PROTOCOL_VERSION;
    signal.connect_timeout = CONNECT_TIMEOUT;
    signal.region_failover = false;
    signal.client_capabilities = Vec::new(); // no packet trailers, no compressed streams
    signal.client_protocol = 0;
    let connected = SignalClient::connect(&options.url, &token, signal, None).await;
    let (signal, join, events) = connected.map_err(|error| match error {
        SignalError::Client(status, answer) if matches!(status.as_u16(), 401 | 403) => {
            JoinError::Unauthorized {
                url: options.url.clone(),
                answer,
            }
        }
        other => unreachable(other.to_string()),
    })?;
    let signal = Arc::new(signal);
    let (outbox, requests) = mpsc::channel(OUTBOX);
    tokio::spawn(send_requests(signal.clone(), requests));
    let mut session = Session {
        signal,
        events,
        outbox,
        local,
        subscriber: None,
        publisher: None,
        remotes: Remotes::new(options.downlink_nack, first_number),
        reliable: None,
        lossy: None,
    };
    if join.subscriber_primary {
        let now = crate::clock::now();
        let peer = Peer::new(Role::Subscriber, local, false, now);
        session.subscriber = Some(Box::new(peer.map_err(|e| unreachable(e.to_string()))?));
    }
    Ok((session, join))
}

/// Requests leave in order from a task of their own: sending waits for the socket.
async fn send_requests(signal: Arc<SignalClient>, mut requests: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = requests.recv().await {
        match outgoing {
            Outgoing::Request(request) => signal.send(*request).await,
            Outgoing::Reconnected => signal.set_reconnected().await,
        }
    }
}

impl Session {
    /// Sends a request. `false` if the connection is stuck.
    pub(crate) fn request(&self, request: Request) -> bool {
        self.outbox
            .try_send(Outgoing::Request(Box::new(request)))
            .is_ok()
    }

    /// Ends the resume: requests that were held back go out.
    pub(crate) fn reconnected(&self) -> bool {
        self.outbox.try_send(Outgoing::Reconnected).is_ok()
    }

    pub(crate) fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        self.events.poll_recv(cx)
    }

    /// The publishing peer connection, made when it is first needed.
    pub(crate) fn publisher(&mut self, nack: bool, now: Instant) -> Result<&mut Peer, PeerError> {
        if self.publisher.is_none() {
            let peer = Peer::new(Role::Publisher, self.local, nack, now)?;
            self.publisher = Some(Box::new(peer));
        }
        Ok(self.publisher.as_mut().expect("made above"))
    }

    pub(crate) fn peer(&mut self, role: Role) -> Option<&mut Peer> {
        match role {
            Role::Subscriber => self.subscriber.as_deref_mut(),
            Role::Publisher => self.publisher.as_deref_mut(),
        }
    }

    /// The next moment at which a peer connection has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [&self.subscriber, &self.publisher]
            .into_iter()
            .flatten()
            .map(|peer| peer.timeout())
            .min()
    }

    /// Says goodbye and closes the signalling, once the server has answered: a socket that is
    /// closed with something unread is reset, and takes what was sent last along with it.
    pub(crate) async fn leave(mut self) {
        let leave = proto::LeaveRequest {
            reason: proto::DisconnectReason::ClientInitiated as i32,
            ..Default::default()
        };
        let goodbye = async {
            self.signal.send(Request::Leave(leave)).await;
            while let Some(SignalEvent::Message(message)) = self.events.recv().await {
                if matches!(*message, Response::Leave(_)) {
                    break;
                }
            }
        };
        if tokio::time::timeout(GOODBYE_TIMEOUT, goodbye)
            .await
            .is_err()
        {
            debug!("the server did not answer our goodbye");
        }
        self.signal.close().await;
    }

    /// Closes the signalling in the background.
    pub(crate) fn abandon(self) {
        let signal = self.signal;
        tokio::spawn(async move { signal.close().await });
    }
}
