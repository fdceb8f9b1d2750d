//! Watching live calls by a socket of their vendor: what is said at Retell as it is said, and that
//! a call at Retell or ElevenLabs is over. Neither socket has sound.
//!
//! Every two seconds calls are looked for whose tenant has an account with an `apiKey` there. One
//! process watches a call: it has a lease. What a socket says goes the way of webhooks, so that it
//! matters neither which of them comes first nor whether one of them never does.
//!
//! **Invariant**: only the vendor's own hosts are dialled, and no line of the log says where.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use secrecy::ExposeSecret as _;
use sidetone_fleet::{Lease, Renewal};
use sidetone_service::backoff::Backoff;
use sidetone_service::dial::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use sidetone_service::dial::{DialError, Dialler, Policy, Socket};
use sidetone_service::{Lifecycle, clock, random};
use sidetone_wire::{CallId, NodeId, TenantId, Upstream};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tracing::{debug, info, warn};

use crate::app::{App, now};
use crate::calls::reason::Cause;
use crate::calls::{CallUpdate, End};
use crate::credentials::{self, API_KEY, Key};
use crate::inbound::retell::Monitor;
use crate::remote;
use crate::store::{self, Delivery, Hearable, Line, Watchable};

/// How often it is looked whether every call is watched.
const LOOK: Duration = Duration::from_secs(2);
/// Calls that one process watches, at most; further ones are told of by webhook alone.
const WATCHED: usize = 512;
/// Waits before dialling again, as Retell's own client has them.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);
/// How often the lease is renewed, and an end that could not be written tried again.
const RENEW: Duration = Duration::from_secs(1);
/// A conversation that ElevenLabs does not know for so many looks is over.
const UNKNOWN: u32 = 30;
/// What Retell closes the socket with before a call is live.
const NOT_LIVE_YET: u16 = 4004;
/// Beyond these a close is for good: the key, a gate on personal data, too many watchers.
const FOR_GOOD: std::ops::Range<u16> = 4000..5000;

/// Who watches what. One that was refused is kept until its call ends, so that it is not asked
/// for again and again.
struct Watches {
    node: NodeId,
    diallers: [(Upstream, Dialler); 2],
    tasks: HashMap<CallId, AbortHandle>,
}

/// Watches calls until the end.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let dialler = |upstream: Upstream| {
        let policy = Policy::live(upstream.as_str(), app.allow_loopback_upstreams);
        let policy = policy.expect("it is a vendor whose hosts are known");
        anyhow::Ok((upstream, Dialler::new(policy)?))
    };
    let mut watches = Watches {
        node: NodeId(format!("watch-{}", random::token())),
        diallers: [dialler(Upstream::Retell)?, dialler(Upstream::Elevenlabs)?],
        tasks: HashMap::new(),
    };
    loop {
        if let Err(error) = watches.look(&app).await {
            warn!(%error, "calls to watch could not be looked for; the next look does");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = lifecycle.draining() => break,
        }
    }
    for task in watches.tasks.values() {
        task.abort();
    }
    Ok(())
}

impl Watches {
    async fn look(&mut self, app: &Arc<App>) -> store::Result<()> {
        let live = app.store.watchable(WATCHED).await?;
        self.tasks.retain(|call, task| {
            let goes_on = live.iter().any(|one| one.call == *call);
            if !goes_on {
                task.abort();
            }
            goes_on
        });
        let mut keys: HashMap<(TenantId, Upstream), bool> = HashMap::new();
        for call in live {
            let of = (call.tenant, call.upstream);
            if self.tasks.contains_key(&call.call) || keys.get(&of) == Some(&false) {
                continue;
            }
            let key = credentials::key(app, call.tenant, call.upstream, API_KEY).await?;
            keys.insert(of, key.is_some());
            let Some(key) = key else { continue };
            let name = format!("watch:{}", call.call);
            let Some(lease) = app.fleet.acquire(&name, &self.node, clock::now()).await else {
                continue; // another process has it
            };
            let Some((_, dialler)) = self.diallers.iter().find(|(one, _)| *one == call.upstream)
            else {
                continue;
            };
            let id = call.call;
            let watch = Watch {
                app: app.clone(),
                dialler: dialler.clone(),
                monitor: Monitor::default(),
                call,
                key,
            };
            let task = tokio::spawn(Box::pin(held(watch, lease)));
            self.tasks.insert(id, task.abort_handle());
        }
        Ok(())
    }
}

/// Watches a call for as long as the lease is ours.
async fn held(watch: Watch, lease: Lease) {
    let renewing = async {
        loop {
            tokio::time::sleep(RENEW).await;
            if matches!(lease.renew(clock::now()).await, Renewal::Lost) {
                return;
            }
        }
    };
    tokio::select! {
        () = watch.run() => {}
        () = renewing => {}
    }
}

/// One call.
struct Watch {
    app: Arc<App>,
    dialler: Dialler,
    call: Watchable,
    key: Key,
    monitor: Monitor,
}

/// Why a socket is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// The call is over, and nobody said so.
    Over,
    /// The call is over, and that is known.
    Told,
    /// It is not live yet.
    Early,
    /// We are not let in, and will not be.
    Refused,
    /// For a reason that passes.
    Lost,
}

impl Watch {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
        let (call, upstream) = (self.call.call, self.call.upstream);
        let (mut was_open, mut unknown) = (false, 0);
        loop {
            let mut gone = match self.dial().await {
                Ok(socket) => {
                    debug!(%call, %upstream, "a call is watched");
                    backoff.reset();
                    was_open = true;
                    self.read(socket).await
                }
                Err(gone) => gone,
            };
            if gone == Gone::Early && upstream == Upstream::Elevenlabs {
                unknown += 1;
                if was_open || unknown >= UNKNOWN {
                    gone = Gone::Over; // it knows active conversations alone
                }
            }
            match gone {
                Gone::Over => return self.over().await,
                Gone::Told => return,
                Gone::Refused => {
                    info!(%call, %upstream, "a call cannot be watched: its vendor refuses");
                    return;
                }
                Gone::Early => tokio::time::sleep(LOOK).await,
                Gone::Lost => tokio::time::sleep(backoff.wait()).await,
            }
        }
    }

    async fn dial(&self) -> Result<Socket, Gone> {
        let secret = self.key.secret.expose_secret();
        let id = &self.call.upstream_call_id;
        if !remote::is_plain(id) {
            return Err(Gone::Refused); // none of theirs, and it must not lead elsewhere
        }
        let (origin, path, name, value) = if self.call.upstream == Upstream::Retell {
            (
                "wss://api.retellai.com",
                format!("/v2/monitor-call/{id}"),
                AUTHORIZATION.as_str(),
                format!("Bearer {secret}"),
            )
        } else {
            (
                "wss://api.elevenlabs.io",
                format!("/v1/convai/conversations/{id}/monitor"),
                remote::ELEVENLABS_KEY,
                secret.to_owned(),
            )
        };
        let url = format!("{}{path}", remote::socket_origin(&self.key, origin));
        let mut value = HeaderValue::from_str(&value).map_err(|_| Gone::Refused)?;
        value.set_sensitive(true);
        let name: HeaderName = name.parse().map_err(|_| Gone::Refused)?;
        let headers = HeaderMap::from_iter([(name, value)]);
        self.dialler.socket(&url, headers).await.map_err(|error| {
            debug!(%error, upstream = %self.call.upstream, "a call cannot be watched now");
            match error {
                DialError::Status {
                    status: 404 | 410, ..
                } => Gone::Early,
                DialError::Status {
                    status: 401 | 403, ..
                }
                | DialError::Refused(_) => Gone::Refused,
                DialError::Status { .. }
                | DialError::Redirected { .. }
                | DialError::Unresolved { .. }
                | DialError::Unreachable { .. }
                | DialError::TooSlow { .. }
                | DialError::TooLarge { .. }
                | DialError::Cut { .. } => Gone::Lost,
            }
        })
    }

    /// Takes what a socket says until it is closed.
    async fn read(&mut self, mut socket: Socket) -> Gone {
        while let Some(message) = socket.next().await {
            match message {
                Ok(Message::Text(text)) => {
                    let said = self.monitor.handle(&text, now());
                    let Some(update) = said.filter(|_| self.call.upstream == Upstream::Retell)
                    else {
                        continue; // what ElevenLabs tells is not documented
                    };
                    if update.end.is_some() {
                        self.deliver_until_taken(update).await;
                        return Gone::Told;
                    }
                    self.deliver(update).await;
                }
                Ok(Message::Close(frame)) => {
                    return match frame.map(|frame| u16::from(frame.code)) {
                        Some(1000) => Gone::Over,
                        Some(NOT_LIVE_YET) => Gone::Early,
                        Some(code) if FOR_GOOD.contains(&code) => Gone::Refused,
                        Some(_) | None => Gone::Lost,
                    };
                }
                Ok(_) => {}
                Err(error) => {
                    debug!(%error, "a monitor socket broke");
                    return Gone::Lost;
                }
            }
        }
        Gone::Lost
    }

    /// The vendor has ended it, whatever else it says of it later.
    async fn over(&self) {
        self.deliver_until_taken(ended()).await;
    }

    async fn deliver_until_taken(&self, update: CallUpdate) {
        while !self.deliver(update.clone()).await {
            tokio::time::sleep(RENEW).await;
        }
    }

    /// Hands in what was said; whether it was written.
    async fn deliver(&self, update: CallUpdate) -> bool {
        let Watchable {
            tenant, upstream, ..
        } = self.call;
        let id = self.call.upstream_call_id.clone();
        // what is missed is in what comes next, which is whole
        deliver(&self.app, (tenant, upstream, id), update).await
    }
}

/// A call was ended at its vendor, which says so nowhere else; whether that was written.
pub(crate) async fn handle_ended(
    app: &App,
    tenant: TenantId,
    upstream: Upstream,
    id: &str,
) -> bool {
    deliver(app, (tenant, upstream, id.to_owned()), ended()).await
}

/// A call that a supervisor had from its vendor's agent is over with whoever carried it.
pub(crate) async fn handle_lost(app: &App, call: &Hearable) {
    let mut update = ended();
    if let Some(end) = &mut update.end {
        (end.cause, end.code) = (Cause::Ours, "supervisor_lost".to_owned());
    }
    let of = (call.tenant, call.upstream, call.upstream_call_id.clone());
    if !deliver(app, of, update).await {
        debug!("an end is not written yet; the next look does");
    }
}

/// A takeover came to nothing, and meanwhile the vendor said that the call is over.
pub(crate) async fn handle_end(app: &App, line: &Line, end: End) -> bool {
    let mut update = CallUpdate::at(now());
    update.end = Some(end);
    let of = (line.tenant, line.upstream, line.upstream_call_id.clone());
    deliver(app, of, update).await
}

fn ended() -> CallUpdate {
    let mut update = CallUpdate::at(now());
    update.end = Some(End {
        at: Some(now()),
        cause: Cause::Unknown,
        code: "ended".to_owned(),
    });
    update
}

async fn deliver(app: &App, of: (TenantId, Upstream, String), update: CallUpdate) -> bool {
    let (tenant, upstream, upstream_call_id) = of;
    let delivery = Delivery {
        tenant,
        upstream,
        upstream_call_id,
        receipt: None,
        update,
        listen_url: None,
        control_url: None,
        recordings: Vec::new(),
    };
    app.ingest.take(delivery, 0).await.is_ok()
}
