//! What happens in one process is told to the clients of all: over Redis, when it is configured.
//!
//! Each process tells its own clients first and passes the same on; what comes from others goes
//! through the same rounds and rooms. Both transports are behind the hub, so one relay serves both.
//! While Redis is away the own clients miss nothing of this process; when it is back, every client
//! gets its snapshot anew.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::AsyncTypedCommands as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sidetone_service::backoff::Backoff;
use sidetone_service::ops::Condition;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Call, TenantId, UserId};
use tokio::sync::mpsc;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::hub::Room;
use super::message::{Frame, Message};
use crate::app::App;
use crate::metrics;

/// Where processes of one installation meet.
const CHANNEL: &str = "sidetone:realtime:1";
/// Messages that wait for Redis: some seconds of a busy installation. Further ones are dropped and
/// counted; after a reconnection snapshots make up for them.
const WAITING: usize = 4096;
/// Waiting for a Redis that is away.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What is passed on.
#[derive(Serialize, Deserialize)]
pub(super) enum Relayed {
    Call {
        kind: CallEventType,
        call: Box<Call>,
    },
    Event {
        room: Room,
        event: String,
        data: Box<RawValue>,
    },
    EndSession(Uuid),
    EndUser(TenantId, UserId),
    EndTenant(TenantId),
}

#[derive(Serialize)]
struct Outgoing<'a> {
    node: Uuid,
    what: &'a Relayed,
}

#[derive(Deserialize)]
struct Incoming {
    node: Uuid,
    what: Relayed,
}

/// Passes on what this process tells. Without Redis it does nothing.
#[derive(Default)]
pub(crate) struct Relay {
    node: Uuid,
    out: Option<mpsc::Sender<Vec<u8>>>,
}

/// The relay's connection, to be [`run`].
pub(crate) struct Link {
    node: Uuid,
    client: redis::Client,
    out: mpsc::Receiver<Vec<u8>>,
}

impl Relay {
    /// The relay over that Redis, and its connection; without one, neither does anything.
    ///
    /// # Errors
    /// When that is no address of a Redis.
    pub(crate) fn new(url: Option<&SecretString>) -> anyhow::Result<(Self, Option<Link>)> {
        let Some(url) = url else {
            return Ok((Self::default(), None));
        };
        let client = redis::Client::open(url.expose_secret())?;
        let node = clock::new_id();
        let (sender, out) = mpsc::channel(WAITING);
        let relay = Self {
            node,
            out: Some(sender),
        };
        Ok((relay, Some(Link { node, client, out })))
    }

    pub(super) fn is_on(&self) -> bool {
        self.out.is_some()
    }

    pub(super) fn pass(&self, what: &Relayed) {
        let Some(out) = &self.out else { return };
        let node = self.node;
        match serde_json::to_vec(&Outgoing { node, what }) {
            Ok(bytes) => {
                if out.try_send(bytes).is_err() {
                    metrics::relay_dropped();
                }
            }
            Err(error) => error!(%error, "a message could not be written for other processes"),
        }
    }

    pub(super) fn pass_call(&self, kind: CallEventType, call: &Call) {
        if self.out.is_some() {
            let call = Box::new(call.clone());
            self.pass(&Relayed::Call { kind, call });
        }
    }

    pub(super) fn pass_message(&self, room: Room, frame: &Frame) {
        if self.out.is_some() {
            self.pass(&Relayed::Event {
                room,
                event: frame.event().to_owned(),
                data: frame.data().to_owned(),
            });
        }
    }
}

impl Link {
    /// For a further connection to the same Redis.
    pub(crate) fn client(&self) -> redis::Client {
        self.client.clone()
    }
}

/// Keeps the connection until the process drains. The condition is that of Redis.
pub(crate) async fn run(
    app: Arc<App>,
    mut link: Link,
    redis: Condition,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut again = false;
    loop {
        let ended = tokio::select! {
            ended = run_once(&app, &mut link, &redis, again, &mut backoff) => ended,
            () = lifecycle.draining() => return Ok(()),
        };
        again = true;
        let wait = backoff.wait();
        let reason = match ended {
            Ok(()) => "the connection was closed".to_owned(),
            Err(error) => error.to_string(),
        };
        warn!(
            reason,
            ?wait,
            "Redis is away: clients of other processes wait"
        );
        redis.not_ready(format!("REDIS_URL: {reason}"));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = lifecycle.draining() => return Ok(()),
        }
    }
}

async fn run_once(
    app: &Arc<App>,
    link: &mut Link,
    redis: &Condition,
    again: bool,
    backoff: &mut Backoff,
) -> redis::RedisResult<()> {
    let mut incoming = link.client.get_async_pubsub().await?;
    incoming.subscribe(CHANNEL).await?;
    let mut outgoing = link.client.get_multiplexed_async_connection().await?;
    redis.ready();
    info!("real-time events are shared over Redis");
    *backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    if again {
        let app = app.clone();
        tokio::spawn(async move { super::greet_all_again(&app).await });
    }
    let mut messages = incoming.on_message();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => hear(app, link.node, message.get_payload_bytes()),
                None => return Ok(()),
            },
            bytes = link.out.recv() => match bytes {
                Some(bytes) => {
                    outgoing.publish(CHANNEL, bytes).await?;
                }
                None => return Ok(()),
            },
        }
    }
}

/// Another process told something.
fn hear(app: &App, own: Uuid, bytes: &[u8]) {
    let (node, what) = match serde_json::from_slice(bytes) {
        Ok(Incoming { node, what }) => (node, what),
        Err(error) => {
            // another version, for the time of an update
            warn!(%error, "a message of another process cannot be read");
            return;
        }
    };
    if node == own {
        return;
    }
    let realtime = &app.realtime;
    match what {
        Relayed::Call { kind, call } => realtime.note(kind, &call),
        Relayed::Event { room, event, data } => {
            let message = Message::of(event.into(), data);
            realtime.hub.deliver(&[room], &message, clock::now());
        }
        Relayed::EndSession(session) => realtime.hub.cut_session(session),
        Relayed::EndUser(tenant, user) => realtime.cut_user(tenant, user),
        Relayed::EndTenant(tenant) => realtime.cut_tenant(tenant),
    }
}
