//! Where vendors bring their streams: `/streams/…` of the public listener, and a TCP listener for
//! AudioSocket.
//!
//! A handshake is let in by the control plane ([`Porter`]), which knows whose it is. Then the vendor
//! has a moment to say which call it brings; with that the socket goes to the call's task.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{OriginalUri, Path, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use sidetone_fleet::ingress::{Introduction, Knock, Pass, Porter, Refused};
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::{ConnectionKind, Hidden, Upstream};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use crate::inward::wire::{Came, Wire};
use crate::inward::{Arrival, Start};
use crate::keeper::Keeper;
use crate::shard::Work;
use crate::source::inward::{Adapter, Family, Said, adapter};
use crate::{Shared, metrics};

/// The longest message that is taken: a longer one ends the connection, before it costs what a
/// call may.
const MESSAGE_BYTES: usize = 256 * 1024;
/// Bytes for reading and for writing at a time: what comes is a few hundred bytes every 20 ms.
const BUFFER_BYTES: usize = 8 * 1024;
/// How long a vendor may take to say which call it is.
const INTRODUCED_WITHIN: Duration = Duration::from_secs(10);
/// Streams that have not said it yet. With more, the next is asked to come again.
const GREETED: usize = 512;
/// A call's former holder may take so long to let go of it, and is asked so often.
const FREED_WITHIN: Duration = Duration::from_secs(6);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Codes that sockets are closed with: a policy, a failure of ours, come again.
const POLICY: u16 = 1008;
const FAILED: u16 = 1011;
const AGAIN: u16 = 1013;

struct Door {
    shared: Arc<Shared>,
    porter: Arc<dyn Porter>,
    greeted: Arc<Semaphore>,
}

impl Door {
    fn new(shared: Arc<Shared>, porter: Arc<dyn Porter>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            porter,
            greeted: Arc::new(Semaphore::new(GREETED)),
        })
    }
}

/// Takes what comes on a listener of the operator's own, in which whoever reaches it is trusted.
pub(crate) async fn audiosocket(
    shared: Arc<Shared>,
    porter: Arc<dyn Porter>,
    listener: TcpListener,
    lifecycle: Lifecycle,
) {
    let door = Door::new(shared, porter);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lifecycle.draining() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // it went away while it waited, or no file can be opened
                debug!(%error, "no AudioSocket can be accepted");
                tokio::time::sleep(ASK_EVERY).await;
                continue;
            }
        };
        let Ok(permit) = door.greeted.clone().try_acquire_owned() else {
            metrics::stream("busy");
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move {
            match door.porter.trusted().await {
                Ok(pass) => {
                    let wire = Wire::Plain(stream);
                    door.greet(Family::Audiosocket, pass, wire, permit).await;
                }
                Err(refused) => drop(turned_away(&refused)),
            }
        });
    }
}

/// The routes that vendors dial.
pub(crate) fn router(shared: Arc<Shared>, porter: Arc<dyn Porter>) -> Router {
    Router::new()
        .route("/streams/{vendor}/{token}", get(by_token))
        .route("/streams/audiohook", get(by_signature))
        .with_state(Door::new(shared, porter))
}

async fn by_token(
    State(door): State<Arc<Door>>,
    Path((vendor, token)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Some(family) = Family::of(&vendor) else {
        return problem(StatusCode::NOT_FOUND, "not_found", "no such vendor");
    };
    let target = uri.path_and_query().map_or("", |path| path.as_str());
    let knock = Knock {
        target: Hidden(target.to_owned()),
        token: Some(Hidden(token)),
        headers: spelled(&headers),
    };
    door.open(family, &knock, upgrade).await
}

/// AudioHook proves by a key and a signature whose it is; there is no token in its address.
async fn by_signature(
    State(door): State<Arc<Door>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let target = uri.path_and_query().map_or("", |path| path.as_str());
    let knock = Knock {
        target: Hidden(target.to_owned()),
        token: None,
        headers: spelled(&headers),
    };
    door.open(Family::Audiohook, &knock, upgrade).await
}

fn spelled(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let named = headers.iter();
    named
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .collect()
}

impl Door {
    async fn open(
        self: Arc<Self>,
        family: Family,
        knock: &Knock,
        upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    ) -> Response {
        let upgrade = match upgrade {
            Ok(upgrade) => upgrade,
            Err(rejection) => {
                let detail = rejection.body_text();
                return problem(StatusCode::BAD_REQUEST, "not_a_websocket", &detail);
            }
        };
        let pass = match self.porter.admit(knock).await {
            Ok(pass) => pass,
            Err(refused) => return turned_away(&refused),
        };
        let Ok(permit) = self.greeted.clone().try_acquire_owned() else {
            metrics::stream("busy");
            return problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "come again soon");
        };
        let upgrade = upgrade
            .protocols(family.protocols().iter().copied())
            .max_message_size(MESSAGE_BYTES)
            .max_frame_size(MESSAGE_BYTES)
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0);
        upgrade.on_upgrade(move |socket| {
            let wire = Wire::Web(Box::new(socket));
            self.greet(family, pass, wire, permit)
        })
    }

    /// Waits until the vendor says which call it is, and hands the socket to the call.
    async fn greet(
        self: Arc<Self>,
        family: Family,
        pass: Pass,
        mut wire: Wire,
        permit: OwnedSemaphorePermit,
    ) {
        let (mut adapter, opened) = (adapter(family), clock::now());
        let introduced = introduced(&mut wire, &mut *adapter);
        let introduced = tokio::time::timeout(INTRODUCED_WITHIN, introduced).await;
        drop(permit);
        let (who, said) = match introduced {
            Ok(Some(introduced)) => introduced,
            Ok(None) => {
                metrics::stream("silent");
                return debug!("a stream was gone before it said which call it is");
            }
            Err(_) => {
                metrics::stream("silent");
                info!(?family, "a stream did not say which call it is");
                return wire.close(POLICY, "which call it is was not said").await;
            }
        };
        if let Err(why) = fits(&pass, &who) {
            metrics::stream("refused");
            warn!(upstream = %who.upstream, why, "a stream was refused");
            return wire.close(POLICY, why).await;
        }
        let call = match self.porter.introduce(&pass, &who).await {
            Ok(call) => call,
            Err(error) => {
                metrics::stream("failed");
                warn!(%error, upstream = %who.upstream, "a stream's call cannot be made known");
                return wire.close(FAILED, "the control plane is away").await;
            }
        };
        let arrival = Arrival {
            call,
            tenant: pass.slug,
            who,
            adapter,
            wire,
            opened,
            said,
        };
        self.settle(arrival).await;
    }

    /// Gives a stream to its call's task, or begins one.
    async fn settle(&self, mut arrival: Arrival) {
        let (call, since) = (arrival.call, clock::now());
        let key = format!("call:{call}");
        let lease = loop {
            if let Some(queue) = self.shared.streams.find(call) {
                match queue.try_send(arrival) {
                    Ok(()) => return metrics::stream("again"),
                    Err(refused) => arrival = refused.into_inner(),
                }
            }
            let Shared { fleet, node, .. } = &*self.shared;
            if let Some(lease) = fleet.acquire(&key, node, clock::now()).await {
                break lease;
            }
            if clock::now() >= since + FREED_WITHIN {
                metrics::stream("failed");
                warn!(%call, "a stream's call is another gateway's");
                return arrival.wire.close(AGAIN, "the call is elsewhere").await;
            }
            tokio::time::sleep(ASK_EVERY).await;
        };
        let start = Start {
            arrival,
            again: self.shared.streams.add(call),
            keeper: Keeper::new(lease, key),
        };
        let work = Box::new(Work::Stream(Box::new(start)));
        let placed = match self.shared.placement.get() {
            Some(placement) => placement.place(work),
            None => Err(work),
        };
        if placed.is_ok() {
            return metrics::stream("ok");
        }
        metrics::stream("failed");
        warn!(%call, "no shard takes a stream");
    }
}

/// Reads until the call is known; gives what was said with that.
async fn introduced(
    wire: &mut Wire,
    adapter: &mut dyn Adapter,
) -> Option<(Introduction, Vec<Said>)> {
    let mut said = Vec::new();
    loop {
        match wire.next().await {
            Came::Text(text) => adapter.handle_text(&text, &mut said),
            Came::Binary(bytes) => adapter.handle_binary(&bytes, &mut said),
            Came::Alive => {}
            Came::Gone(..) => return None,
        }
        let (mut here, mut rest, mut over) = (None, Vec::new(), false);
        for said in said.drain(..) {
            match said {
                Said::Reply(text) => wire.say(text).await,
                Said::Here(who) => here = Some(*who),
                Said::Over(_) => over = true,
                other @ (Said::Sound(_) | Said::Key | Said::Hold(_) | Said::Deaf(_)) => {
                    rest.push(other);
                }
            }
        }
        if over {
            return None;
        }
        if let Some(who) = here {
            return Some((who, rest));
        }
    }
}

/// Whether a stream is one that its connection may bring.
fn fits(pass: &Pass, who: &Introduction) -> Result<(), &'static str> {
    let signs = who.upstream == Upstream::Twilio;
    if signs && !(pass.signed && pass.kind == Some(ConnectionKind::Twilio)) {
        return Err("a stream of Twilio needs the address of a connection of Twilio");
    }
    Ok(())
}

fn turned_away(refused: &Refused) -> Response {
    metrics::stream("refused");
    let detail = refused.to_string();
    match refused {
        Refused::Unknown => {
            info!("a stream was turned away: no connection has its token");
            problem(StatusCode::UNAUTHORIZED, "unknown_token", &detail)
        }
        Refused::Unsigned(why) => {
            warn!(why, "a stream was turned away");
            problem(StatusCode::UNAUTHORIZED, "bad_signature", &detail)
        }
        Refused::Away(_) => {
            warn!(detail, "a stream was turned away");
            let detail = "the control plane cannot be asked";
            problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }
}

/// As everywhere in the API (RFC 9457).
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(),
        "detail": detail, "code": code});
    let content = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, content)], body.to_string()).into_response()
}
