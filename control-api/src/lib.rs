//! The control plane: REST, Socket.IO, webhooks, supervision, and every line of SQL.
//!
//! [`load`] opens the database, binds the listener and makes the first user; [`Api::run`] serves
//! until the process ends.

mod active;
mod agents;
mod alerts;
mod allowance;
mod analytics;
mod app;
mod assets;
mod audit;
mod auth;
mod calls;
mod check;
mod consumer;
mod control;
mod credentials;
mod extract;
mod fallback;
mod feeds;
mod figures;
mod floors;
#[doc(hidden)]
pub mod fuzzing;
mod hearing;
mod inbound;
mod ledger;
mod livekit;
mod metrics;
mod numbers;
mod observe;
mod probe;
mod problem;
mod realtime;
mod recognition;
mod remote;
mod renditions;
mod retention;
mod router;
mod routes;
mod settling;
mod sheet;
mod store;
mod streams;
mod sweeper;
mod tending;
mod transfer;
mod trusted;
mod vendor;
mod vitals;
mod watching;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use secrecy::SecretString;
use sidetone_fleet::ingress::Porter;
use sidetone_fleet::ledger::Ledger;
use sidetone_fleet::{Events, Fleet};
use sidetone_service::ops::{Condition, Readiness};
use sidetone_service::{Lifecycle, Settings, clock, random, serve};
use sidetone_vault::Keyring;
use sidetone_wire::{Role, TenantId, Timestamp, UserId};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::info;

use active::Active;
use alerts::Alerts;
use allowance::Allowance;
use app::{App, now, since_boot_ms};
use auth::{Attempts, Origins, Passwords, Tickets, Tokens};
use figures::Figures;
use inbound::accounts::Accounts;
use inbound::ingest::{self, Ingest};
use livekit::Livekit;
use realtime::{Realtime, Relay};
use renditions::Renditions;
use settling::Settling;
use store::{NewUser, Store};
use streams::Streams;
use trusted::TrustedClock;
use vendor::Fetching;
use webhooks::Webhooks;

pub use audit::fill_audit_log;
pub use check::{RecordingsIndex, Row, RowFile, SpoolStanding, recordings_index};
pub use vendor::{NoteError, VendorRecordings};

/// Name of the first user.
pub const FIRST_USER: &str = "admin";

/// How long calls of a former process may take to be found again: two rounds of listing rooms and
/// joining them, at a moment when everything starts.
const REFOUND: Duration = Duration::from_secs(30);

/// The control plane, ready to serve.
pub struct Api {
    refound: Duration,
    app: Arc<App>,
    router: Router,
    listener: TcpListener,
    events: Events,
    reports: ingest::Queue,
    database: Condition,
    stored: Condition,
    started: Timestamp,
    last_beat: Option<Timestamp>,
    redis: Option<(realtime::Link, Condition)>,
    first_password: Option<SecretString>,
}

/// Opens the database and brings it up to date, makes the first user if there is none, binds the
/// public listener. Events are taken from `fleet` once it runs; `readiness` gets the conditions
/// `database` and `objects`, and `redis` where it is configured. Recordings lie in `objects`; `keyring` opens their keys.
///
/// # Errors
/// When the database or the listener is not to be had; the text names the setting.
pub async fn load(
    settings: &Settings,
    fleet: Fleet,
    readiness: &Readiness,
    objects: sidetone_vault::Store,
    keyring: Keyring,
) -> anyhow::Result<Api> {
    load_with(settings, fleet, readiness, objects, keyring, REFOUND).await
}

/// The same, with the time that calls of a former process have to be found again before they are
/// closed: for tests, which cannot wait for the default of 30 s.
pub async fn load_with(
    settings: &Settings,
    fleet: Fleet,
    readiness: &Readiness,
    objects: sidetone_vault::Store,
    keyring: Keyring,
    refound: Duration,
) -> anyhow::Result<Api> {
    let [database, stored] = ["database", "objects"].map(|name| readiness.condition(name));
    let store = Store::open(&settings.database_url(), &settings.keys.secret_key)
        .await
        .context("DATABASE_URL")?;
    let passwords = Passwords::new()?;
    let first_password = first_user(&store, &passwords, settings).await?;
    begin_afresh(&store).await?;
    let last_beat = store.last_beat(sweeper::PART).await?;
    let listener = listen(settings.server.http).await?;
    let figures = Arc::new(Figures::default());
    let (relay, link) = Relay::new(settings.redis.url.as_ref()).context("REDIS_URL")?;
    let (sockets, realtime) = Realtime::new(figures.clone(), relay);
    let events = fleet.events();
    let clock = trusted_clock(&store).await?;
    let (renditions, fetching) = caches(settings, &store, &objects, &keyring)?;
    let (ingest, reports) = Ingest::new();
    let webhooks = Webhooks::new(keyring.clone(), settings.upstreams.allow_loopback)?;
    let app = Arc::new(App {
        store,
        fleet,
        tokens: Tokens::new(&settings.keys.secret_key),
        streams: Streams::new(&settings.keys.secret_key),
        tickets: Tickets::new(&settings.keys.secret_key),
        passwords,
        attempts: Attempts::default(),
        origins: Origins::new(&settings.server.public_url, &settings.server.cors_origins),
        livekit: settings.livekit.access().map(Livekit::new),
        figures,
        realtime,
        active: Active::default(),
        accounts: Accounts::default(),
        ingest,
        settling: Settling::default(),
        floors: Settling::default(),
        acts: Allowance::default(),
        erasing: Notify::new(),
        hearing: Notify::new(),
        tending: Notify::new(),
        clock,
        objects,
        keyring,
        renditions,
        fetching,
        remote: remote::Diallers::new(settings.upstreams.allow_loopback)?,
        public_url: settings.server.public_url.clone(),
        allow_loopback_upstreams: settings.upstreams.allow_loopback,
        verifying: tokio::sync::Mutex::default(),
        registration: settings.session.registration,
        alerts: Alerts::default(),
        webhooks,
        session_minutes: settings.session.minutes,
        secure_cookies: settings.server.public_url.starts_with("https://"),
    });
    realtime::serve(&app);
    Ok(Api {
        refound,
        router: router::router(&app, sockets),
        app,
        listener,
        events,
        reports,
        database,
        stored,
        started: now(),
        last_beat,
        redis: link.map(|link| (link, readiness.condition("redis"))),
        first_password,
    })
}

/// Forgets what only a former process knew, and counts what there is.
async fn begin_afresh(store: &Store) -> store::Result<()> {
    store.forget_cursors().await?;
    store.forget_watchers().await?;
    store.recount().await.map(drop)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("SIDETONE_HTTP: cannot listen on {address}"))
}

/// What is kept on the disk for a while: renditions, and vendors' files on their way.
fn caches(
    settings: &Settings,
    store: &Store,
    objects: &sidetone_vault::Store,
    keyring: &Keyring,
) -> anyhow::Result<(Renditions, Fetching)> {
    let cache = settings.data.dir.join("cache");
    let loopback = settings.upstreams.allow_loopback;
    let (store, objects, keyring) = (store.clone(), objects.clone(), keyring.clone());
    let made = Renditions::new(&cache.join("renditions")).and_then(|renditions| {
        let folder = cache.join("vendor");
        let fetching = Fetching::new(store, objects, keyring, &folder, loopback)?;
        Ok((renditions, fetching))
    });
    made.with_context(|| format!("SIDETONE_DATA: {} cannot be used", cache.display()))
}

/// The clock that a step of the wall clock does not hurry: it goes on from the first start of a
/// control plane since the machine started.
async fn trusted_clock(store: &Store) -> anyhow::Result<TrustedClock> {
    let (wall, since_boot) = (clock::wall(), since_boot_ms());
    let (wall, since_boot) = match clock::boot_id() {
        Some(boot) => store.anchor(boot, wall, since_boot).await?,
        None => (wall, since_boot),
    };
    Ok(TrustedClock::new(wall, since_boot))
}

/// Brings the database up to date, and nothing else.
///
/// # Errors
/// When the database is not to be had, or its migration fails.
pub async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    Store::open(&settings.database_url(), &settings.keys.secret_key)
        .await
        .map(drop)
        .context("DATABASE_URL")
}

/// Makes the first user when there is none; gives the password if it was generated.
async fn first_user(
    store: &Store,
    passwords: &Passwords,
    settings: &Settings,
) -> anyhow::Result<Option<SecretString>> {
    if !store.is_empty().await? {
        return Ok(None);
    }
    let (password, generated) = match &settings.admin.password {
        Some(password) => (password.clone(), false),
        None => (SecretString::from(random::token()), true),
    };
    let admin = NewUser {
        id: UserId(clock::new_id()),
        username: FIRST_USER.to_owned(),
        password_hash: passwords.hash(password.clone()).await?,
        full_name: None,
        role: Role::Admin,
        at: now(),
    };
    let made = store.found(TenantId(clock::new_id()), &admin).await?;
    Ok((made && generated).then_some(password))
}

impl Api {
    /// Where the public listener listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The first user's password, if it was generated just now: to be printed once, because it is
    /// kept nowhere.
    pub fn first_password(&self) -> Option<&SecretString> {
        self.first_password.as_ref()
    }

    /// The book of recordings over this database. Usable at once, also while nothing is served.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(ledger::Book(self.app.clone()))
    }

    /// Who lets streams in that vendors bring. Usable at once; calls are made known while it serves.
    pub fn porter(&self) -> Arc<dyn Porter> {
        Arc::new(streams::Door(self.app.clone()))
    }

    /// Serves `routes`, too, beside its own and without what lies around these.
    #[must_use]
    pub fn beside(self, routes: Router) -> Self {
        Self {
            router: self.router.merge(routes),
            ..self
        }
    }

    /// Where URLs of vendors' recordings are noted. Usable at once; they are fetched while it
    /// serves.
    pub fn vendor_recordings(&self) -> VendorRecordings {
        VendorRecordings(self.app.clone())
    }

    /// Serves until the end is asked for. What consumes events ends only after everybody who sends
    /// some has ended.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let app = self.app;
        let renditions = app.renditions.clone();
        let life = lifecycle.clone();
        lifecycle.spawn_last("events", consumer::run(app.clone(), self.events, life));
        let life = lifecycle.clone();
        lifecycle.spawn_last("reports", ingest::run(app.clone(), self.reports, life));
        let active = active::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("active calls", active);
        let life = lifecycle.clone();
        lifecycle.spawn_vital("realtime", realtime::run(app.clone(), life));
        let agents = agents::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("agents", agents);
        let alerts = alerts::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("alerts", alerts);
        let webhooks = webhooks::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("webhooks", webhooks);
        if let Some((link, redis)) = self.redis {
            let mirror = active::mirror::run(app.clone(), link.client(), lifecycle.clone());
            lifecycle.spawn_vital("active calls in Redis", mirror);
            let relay = realtime::relay::run(app.clone(), link, redis, lifecycle.clone());
            lifecycle.spawn_vital("relay", relay);
        }
        let settling = settling::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("settling", settling);
        let floors = floors::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("floors", floors);
        let tending = tending::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("transfers", tending);
        let fetching = vendor::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("vendor recordings", fetching);
        let hearing = hearing::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("sockets of upstreams", hearing);
        let watching = watching::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("monitor sockets of upstreams", watching);
        let retention = retention::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_vital("retention", retention);
        let audit = audit::run(app.clone(), lifecycle.clone());
        lifecycle.spawn_last("audit", audit);
        let vitals = vitals::run(app.clone(), self.stored, lifecycle.clone());
        lifecycle.spawn_vital("vitals", vitals);
        let sweeper = sweeper::run(
            app.clone(),
            self.database,
            self.started,
            self.last_beat,
            self.refound,
            lifecycle.clone(),
        );
        lifecycle.spawn_last("sweeper", sweeper);
        info!(address = %self.listener.local_addr()?, "control-api serves");
        serve::serve(self.listener, self.router, &lifecycle).await;
        renditions.close();
        Ok(())
    }

    /// The description of the API as JSON, without serving it.
    pub fn openapi() -> String {
        format!("{:#}", router::document())
    }
}
