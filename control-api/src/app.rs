//! What all requests share.

use std::sync::Arc;

use secrecy::SecretString;
use sidetone_fleet::Fleet;
use sidetone_service::clock;
use sidetone_service::config::Registration;
use sidetone_vault::Keyring;
use sidetone_wire::analytics::Metrics;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{ApiKeyId, Call, CallId, Command, TenantId, Timestamp, UserId};
use tokio::sync::Notify;
use tracing::warn;
use uuid::Uuid;

use crate::active::Active;
use crate::alerts::Alerts;
use crate::allowance::Allowance;
use crate::auth::{Attempts, Origins, Passwords, Tickets, Tokens, secret};
use crate::figures::Figures;
use crate::inbound::accounts::Accounts;
use crate::inbound::ingest::Ingest;
use crate::livekit::{self, Livekit};
use crate::realtime::Realtime;
use crate::remote;
use crate::renditions::Renditions;
use crate::settling::Settling;
use crate::store::{self, Actor, Identity, Store, Tenant, Watched};
use crate::streams::Streams;
use crate::trusted::TrustedClock;
use crate::vendor::Fetching;
use crate::webhooks::Webhooks;

/// What all requests share.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) fleet: Fleet,
    pub(crate) tokens: Tokens,
    /// How vendors that bring streams are known.
    pub(crate) streams: Streams,
    pub(crate) tickets: Tickets,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) origins: Origins,
    pub(crate) livekit: Option<Livekit>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) realtime: Realtime,
    pub(crate) active: Active,
    /// By which webhooks are verified.
    pub(crate) accounts: Accounts,
    /// Where reports of calls are handed in.
    pub(crate) ingest: Ingest,
    pub(crate) settling: Settling,
    /// The same for who has a call and who is heard.
    pub(crate) floors: Settling,
    /// Who has vendors act on their calls.
    pub(crate) remote: remote::Diallers,
    /// How often people may act on calls.
    pub(crate) acts: Allowance,
    /// There is something to be erased.
    pub(crate) erasing: Notify,
    /// There are calls to be heard through sockets, or to be heard no more.
    pub(crate) hearing: Notify,
    /// There are transfers to be looked after.
    pub(crate) tending: Notify,
    pub(crate) clock: TrustedClock,
    /// Where recordings lie.
    pub(crate) objects: sidetone_vault::Store,
    /// Opens the data keys of recordings, and what else rows keep encrypted.
    pub(crate) keyring: Keyring,
    /// What was made of recordings for listeners. An erasure must `forget` it.
    pub(crate) renditions: Renditions,
    /// Recordings that vendors made.
    pub(crate) fetching: Fetching,
    /// How browsers and vendors reach us.
    pub(crate) public_url: String,
    /// Vendors may be on this machine: tests and the demo.
    pub(crate) allow_loopback_upstreams: bool,
    /// Held while an audit log is verified.
    pub(crate) verifying: tokio::sync::Mutex<()>,
    /// Who may add themselves.
    pub(crate) registration: Registration,
    /// What happens is looked at through the tenants' rules.
    pub(crate) alerts: Alerts,
    /// What happens is told to those outside.
    pub(crate) webhooks: Webhooks,
    pub(crate) session_minutes: u32,
    /// Cookies go over TLS only.
    pub(crate) secure_cookies: bool,
}

/// Milliseconds since the machine started.
pub(crate) fn since_boot_ms() -> i64 {
    i64::try_from(clock::since_boot().as_millis()).unwrap_or(i64::MAX)
}

/// Now, on the wall clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(clock::wall())
}

impl App {
    /// The time by which things are erased and pauses end; see [`TrustedClock`].
    pub(crate) fn trusted(&self) -> Timestamp {
        self.clock.at(clock::wall(), since_boot_ms())
    }

    /// Who acts with a session token or an API key, if it is valid now.
    pub(crate) async fn identify(&self, token: &str) -> store::Result<Option<Identity>> {
        let session = if token.starts_with(secret::KEY_PREFIX) {
            let hash = secret::hashed(&SecretString::from(token));
            self.store.key_session(&hash, now()).await?
        } else {
            self.tokens.read(token)
        };
        match session {
            Some(session) => self.store.session(session, now()).await,
            None => Ok(None),
        }
    }

    /// A tenant's figures of the last `hours`.
    pub(crate) async fn metrics(&self, tenant: &Tenant, hours: u32) -> store::Result<Metrics> {
        let mut metrics = self.figures.metrics(tenant, hours).await?;
        metrics.active_calls = self.active.count(tenant).await?;
        Ok(metrics)
    }

    /// Where a live call is heard by WebSocket: by this session, once, within a minute.
    pub(crate) fn listen_proxy_url(&self, identity: &Identity, call: CallId) -> String {
        let token = self.tickets.issue(identity, call, now());
        let base = self.public_url.trim_end_matches('/');
        let base = match base.split_once("://") {
            Some(("http", rest)) => format!("ws://{rest}"),
            Some(("https", rest)) => format!("wss://{rest}"),
            _ => base.to_owned(),
        };
        format!("{base}/listen/{token}")
    }

    /// Adds to a call what only memory knows: how loud it is and who speaks.
    pub(crate) fn enliven(&self, call: &mut Call) {
        if call.ended_at.is_none()
            && let Some((levels, speaker)) = self.realtime.levels.latest(call.id)
        {
            call.levels = Some(levels);
            call.current_speaker = speaker;
        }
    }

    /// Tells a tenant's clients that a call began, changed or ended; `call` has its watchers.
    /// Whoever changes a call ends here after the commit.
    pub(crate) async fn announce(&self, kind: CallEventType, call: &Call) {
        self.active.changed(call);
        self.realtime.call_changed(kind, call).await;
        self.tell_agent_of(kind, call).await;
        self.alerts.call_changed(kind, call);
        self.webhooks.wake.notify_one();
    }

    /// Tells a tenant's clients what a call is now. A failure to read it is logged: the next
    /// change repairs it.
    pub(crate) async fn tell_call(&self, tenant: TenantId, call: CallId) {
        match self.store.tenant(tenant).call(call, now()).await {
            Ok(Some(call)) => {
                self.announce(CallEventType::Updated, &call).await;
            }
            Ok(None) => {}
            Err(error) => warn!(%call, %error, "a call's change could not be told to clients"),
        }
    }

    /// Ends one session at once: its socket, what it listens to, its token.
    pub(crate) async fn end_session(
        &self,
        identity: &Identity,
        actor: &Actor,
    ) -> store::Result<()> {
        self.store.close_session(identity, actor, now()).await?;
        self.cut_session(identity.user, identity.session).await
    }

    /// Ends all other sessions of whoever acts, in all tenants.
    pub(crate) async fn end_other_sessions(&self, identity: &Identity) -> store::Result<()> {
        let (user, keep) = (identity.user, identity.session);
        for session in self.store.revoke_others(user, keep, now()).await? {
            self.cut_session(user, session).await?;
        }
        Ok(())
    }

    /// Closes what an API key, which is revoked, has open.
    pub(crate) async fn end_key(&self, key: ApiKeyId) -> store::Result<()> {
        self.cut_session(UserId(key.0), key.0).await
    }

    /// Closes what is open of a tenant, whose sessions are over.
    pub(crate) async fn end_tenant(&self, tenant: TenantId) -> store::Result<()> {
        self.realtime.disconnect_tenant(tenant);
        for (user, session) in self.store.tenant(tenant).watching().await? {
            self.cut_session(user, session).await?;
        }
        Ok(())
    }

    /// Closes what a session, which is over, has open: its sockets, and what it listens to.
    async fn cut_session(&self, user: UserId, session: Uuid) -> store::Result<()> {
        self.realtime.disconnect_session(session);
        let released = self.store.release_session(session, now()).await?;
        let watched = self.store.unwatch_session(session).await?;
        self.withdraw(user, session, &watched).await?;
        self.tell_watched(&watched).await;
        self.tell_released(released).await;
        self.tending.notify_one();
        Ok(())
    }

    /// Ends all sessions of a user of a tenant at once.
    pub(crate) async fn end_user(&self, tenant: TenantId, user: UserId) -> store::Result<()> {
        self.store.tenant(tenant).revoke_user(user, now()).await?;
        self.realtime.disconnect_user(tenant, user);
        let released = self.store.release_user(user, now()).await?;
        let watched = self.store.unwatch_user(user).await?;
        self.fleet.command_all(Command::UnlistenAll { user }).await;
        self.tell_watched(&watched).await;
        self.tell_released(released).await;
        self.tending.notify_one();
        Ok(())
    }

    /// Takes back what a session listens to. While the user has another session, only the calls
    /// of this one are withdrawn, unless that fails.
    async fn withdraw(&self, user: UserId, session: Uuid, calls: &[Watched]) -> store::Result<()> {
        let mut all = self.store.live_sessions(user, now()).await? == 0;
        let monitor = livekit::monitor_room(user, session);
        for watched in calls {
            if all {
                break;
            }
            let call = watched.call;
            let monitor = monitor.clone();
            let command = Command::Unlisten { call, monitor };
            match self.fleet.command(call, command).await {
                Ok(_) | Err(sidetone_wire::CommandError::NoHolder) => {}
                Err(error) => {
                    warn!(%call, %error, "withdrawing one call failed: withdrawing all of the user");
                    all = true;
                }
            }
        }
        if all {
            self.fleet.command_all(Command::UnlistenAll { user }).await;
        }
        Ok(())
    }

    async fn tell_watched(&self, calls: &[Watched]) {
        for watched in calls {
            self.tell_call(watched.tenant, watched.call).await;
        }
    }
}
