//! Having calls heard that live behind a socket, or in a room, of their upstream.
//!
//! What is reported of a call says whether somebody can be heard in it, and where. Every two
//! seconds, and at once when reports come, calls without a holder are offered to the gateways, and
//! those that are over are taken back: a command that is lost, a gateway that dies and a control
//! plane that starts anew cost seconds and no call.
//!
//! **Invariant**: a URL leaves the database for the one gateway that dials it, and is in no line of
//! the log (`Hidden`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::{CallId, Command, Hidden, Socket, Upstream};
use tracing::{error, warn};

use crate::app::App;
use crate::credentials::{self, API_KEY, Key, LIVE_KEY};
use crate::remote;
use crate::routes::webhook_vendor::url_context;
use crate::store::{self, Hearable};
use crate::watching;

/// How often it is looked whether every call has a holder.
const LOOK: Duration = Duration::from_secs(2);
/// What the gateway of a call said last is here within this time after it let go of it.
const LOST_AFTER: Duration = Duration::from_secs(2);
/// Reports come many in a second: they are looked at together.
const SPACING: Duration = Duration::from_millis(200);

/// Whether calls at an upstream are heard by whoever dials.
pub(crate) fn is_dialled(upstream: Upstream) -> bool {
    matches!(
        upstream,
        Upstream::Vapi | Upstream::Bland | Upstream::Retell
    )
}

/// Whether there is what is needed to dial: a URL of the call, or the tenant's account.
pub(crate) fn can_dial(upstream: Upstream, listen_url: bool, account: bool) -> bool {
    is_dialled(upstream)
        && if remote::by_account(upstream) {
            account
        } else {
            listen_url
        }
}

/// What to dial, where to take the call over, and with which key.
type Way = (String, Option<String>, Option<Key>);

/// Offers calls and takes them back until the end.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut looks = Looks::default();
    loop {
        if let Err(error) = looks.look(&app).await {
            warn!(%error, "calls behind sockets could not be looked for; the next look does");
        }
        tokio::select! {
            () = app.hearing.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = lifecycle.draining() => return Ok(()),
        }
        tokio::time::sleep(SPACING).await;
    }
}

/// What is remembered from look to look.
#[derive(Default)]
struct Looks {
    offered: HashSet<CallId>,
    /// Calls that were taken over and that nobody carries any more, as far as was seen since then.
    orphans: HashMap<CallId, Instant>,
}

impl Looks {
    async fn look(&mut self, app: &App) -> store::Result<()> {
        let hearable = app.store.hearable().await?;
        for call in self.offered.difference(&hearable) {
            // to all: who holds it may not be known here any more
            let over = Command::CallOver { call: *call };
            app.fleet.command_all(over).await;
        }
        self.offered.retain(|call| hearable.contains(call));
        self.orphans.retain(|call, _| hearable.contains(call));
        for call in hearable {
            self.offered.insert(call);
            let key = format!("call:{call}");
            if app.fleet.holder(&key, clock::now()).await.is_some() {
                self.orphans.remove(&call);
                continue;
            }
            let Some(found) = app.store.hearable_call(call).await? else {
                continue;
            };
            if found.handed_over {
                self.look_after(app, call, &found).await;
            } else if let Some(socket) = socket(app, call, found).await? {
                app.fleet.command_all(Command::Hear(Box::new(socket))).await;
            }
        }
        Ok(())
    }

    /// Ends a call whose agent is gone and that nobody carries: who did says so itself, unless it
    /// is gone, too.
    async fn look_after(&mut self, app: &App, call: CallId, found: &Hearable) {
        let now = clock::now();
        let since = *self.orphans.entry(call).or_insert(now);
        if now >= since + LOST_AFTER {
            watching::handle_lost(app, found).await;
        }
    }
}

/// What a gateway is told; `None` for a URL that cannot be read, or an account without a key.
async fn socket(app: &App, call: CallId, found: Hearable) -> store::Result<Option<Socket>> {
    let upstream = found.upstream;
    let way = if remote::by_account(upstream) {
        room(app, &found).await?
    } else {
        listen_url(app, call, &found).await?
    };
    Ok(way.map(|(url, takeover, bearer)| Socket {
        call,
        upstream,
        tenant: found.slug,
        url: Hidden(url),
        takeover: takeover.map(Hidden),
        bearer: bearer.map(|key| Hidden(key.secret.expose_secret().to_owned())),
        customer_name: found.customer_name,
        agent_name: found.agent_name,
    }))
}

/// Where a call's socket is, and the key for it, if it asks for one.
async fn listen_url(app: &App, call: CallId, found: &Hearable) -> store::Result<Option<Way>> {
    let (tenant, upstream) = (found.tenant, found.upstream);
    let Some(sealed) = &found.listen_url else {
        return Ok(None);
    };
    let context = url_context("listen", tenant, upstream, &found.upstream_call_id);
    let url = match app.keyring.unwrap_secret(&context, sealed) {
        Ok(url) => url.expose_secret().to_owned(),
        Err(error) => {
            error!(%call, %error, "a listen URL was encrypted by another master key");
            return Ok(None);
        }
    };
    let key = credentials::key(app, tenant, upstream, LIVE_KEY).await?;
    Ok(Some((url, None, key)))
}

/// Where to ask for a call's room, and the tenant's key.
async fn room(app: &App, found: &Hearable) -> store::Result<Option<Way>> {
    let key = credentials::key(app, found.tenant, found.upstream, API_KEY).await?;
    let way = key.and_then(|key| {
        let urls = remote::room_urls(&key, found.upstream, &found.upstream_call_id);
        let (url, takeover) = urls?;
        Some((url, Some(takeover), Some(key)))
    });
    Ok(way)
}
