//! Every role in one process.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use control_api::Api;
use gateway::{Calls, Gateway};
use recorder::Recorder;
use secrecy::{ExposeSecret as _, SecretString};
use sidetone_fleet::Fleet;
use sidetone_fleet::ledger::Ledger;
use sidetone_service::ops::{Condition, Ops, Readiness};
use sidetone_service::{Lifecycle, Settings, files, random, telemetry};
use sidetone_vault::{Keyring, Store};
use sidetone_wire::{NodeId, Signal};
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::{info, warn};

use crate::tools;

/// From the wish to end until everything is stopped: takes are sealed in it.
const DRAIN: Duration = Duration::from_secs(10);
/// How much of that sealing may take; what is left is sealed at the next start.
const SEAL_WITHIN: Duration = Duration::from_secs(7);
/// How often the progress of takes to the store is told: a person looks at it.
const BACKLOG_EVERY: Duration = Duration::from_secs(2);
/// Takes at once: more calls than one machine carries.
const TAKES: usize = 4096;

/// Runs every role until the process is asked to end.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let parts = Parts::load(settings).await?;
    if let Some(password) = parts.first_password() {
        let (name, password) = (control_api::FIRST_USER, password.expose_secret());
        tools::print(&format!(
            "log in as {name} with {password} (shown only now)"
        ))?;
    }
    Ok(parts.start().run().await?)
}

/// Takes what comes on a listener, until the drain.
type Taking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The roles, loaded and wired.
pub(crate) struct Parts {
    lifecycle: Lifecycle,
    readiness: Readiness,
    ops: Ops,
    api: Api,
    audiosocket: Option<Taking>,
    media: Media,
    link: Option<(Receiver<Signal>, Condition)>,
}

/// What carries calls and what keeps them. They end in this order.
struct Media {
    gateway: Gateway,
    recorder: Arc<Recorder>,
    fleet: Fleet,
}

impl Parts {
    /// Binds the listeners, opens the database and the spool.
    pub(crate) async fn load(settings: &Settings) -> anyhow::Result<Self> {
        files::raise_limit();
        drop(telemetry::metrics()); // handles made from here on are counted
        gateway::describe_metrics();
        recorder::describe_metrics();
        let lifecycle = Lifecycle::new(DRAIN);
        let readiness = Readiness::new();
        let ops = Ops::bind(settings.server.ops, readiness.clone(), lifecycle.clone()).await?;
        let fleet = Fleet::in_process();
        let node = NodeId(format!("gateway-{:08x}", random::u64() as u32));
        let keys = keyring(settings)?;
        let store = tools::recordings_store(settings).await?;
        tools::check_in_background(store.clone());
        let api = control_api::load(
            settings,
            fleet.clone(),
            &readiness,
            store.clone(),
            keys.clone(),
        );
        let api = Box::pin(api).await?;
        let ledger = api.ledger();
        let keeping = readiness.condition("recorder");
        let recorder = load_recorder(settings, &node, keys, store, ledger.clone()).await?;
        keeping.ready();
        let recorder = Arc::new(recorder);
        let gateway = load_gateway(settings, node, &fleet, &recorder, ledger)?;
        let streams = gateway.streams(api.porter());
        let audiosocket = audiosocket(settings, &gateway, &api, &lifecycle).await?;
        let api = api.beside(streams);
        let livekit = settings.livekit.access();
        let link = livekit.map(|_| (fleet.signals(), readiness.condition("livekit")));
        let media = Media {
            gateway,
            recorder,
            fleet,
        };
        Ok(Self {
            lifecycle,
            readiness,
            ops,
            api,
            audiosocket,
            media,
            link,
        })
    }

    /// The first user's password, if it was generated just now.
    pub(crate) fn first_password(&self) -> Option<&SecretString> {
        self.api.first_password()
    }

    /// What must hold for the process to be ready.
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// The calls that go on, while it runs.
    pub(crate) fn calls(&self) -> Calls {
        self.media.gateway.calls()
    }

    /// Starts everything; the life that is given back is to be run.
    pub(crate) fn start(self) -> Lifecycle {
        let Self {
            lifecycle,
            ops,
            api,
            audiosocket,
            media,
            link,
            ..
        } = self;
        let life = || lifecycle.clone();
        lifecycle.spawn_vital("ops", ops.run());
        lifecycle.spawn_vital("control-api", api.run(life()));
        if let Some((signals, livekit)) = link {
            lifecycle.spawn_vital("livekit link", watch_link(signals, livekit, life()));
        }
        if let Some(taking) = audiosocket {
            lifecycle.spawn_vital("audiosocket", async {
                taking.await;
                Ok(())
            });
        }
        lifecycle.spawn_vital("media", media.run(life()));
        lifecycle
    }
}

impl Media {
    /// Carries calls until the drain, then seals what was recorded.
    async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let Self {
            gateway,
            recorder,
            fleet,
        } = self;
        let telling = tell_backlog(&recorder, &fleet);
        let ended = tokio::select! {
            ended = Box::pin(gateway.run(lifecycle)) => ended,
            never = telling => match never {},
        };
        if !recorder.shutdown(SEAL_WITHIN).await {
            warn!("not every take is sealed and stored: the others are after the next start");
        }
        ended
    }
}

/// Tells how far takes are on their way to the store.
async fn tell_backlog(recorder: &Recorder, fleet: &Fleet) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(BACKLOG_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        fleet.signal(Signal::Backlog(recorder.backlog()));
    }
}

fn keyring(settings: &Settings) -> anyhow::Result<Keyring> {
    Ok(Keyring::from_base64(&settings.keys.recording_key)?)
}

async fn load_recorder(
    settings: &Settings,
    node: &NodeId,
    keyring: Keyring,
    store: Store,
    ledger: Arc<dyn Ledger>,
) -> anyhow::Result<Recorder> {
    let settings = recorder::Settings {
        spool_dir: settings.spool_dir(),
        max_takes: TAKES,
        spool_bytes: u64::from(settings.recording.spool_mib) << 20,
        keyring,
        node: node.0.clone(),
    };
    recorder::load(settings, store, ledger)
        .await
        .context("SIDETONE_DATA")
}

/// The gateway. Without LiveKit it hears what lives behind sockets.
fn load_gateway(
    settings: &Settings,
    node: NodeId,
    fleet: &Fleet,
    recorder: &Arc<Recorder>,
    ledger: Arc<dyn Ledger>,
) -> anyhow::Result<Gateway> {
    let livekit = settings.livekit.access().map(|access| gateway::Sfu {
        credentials: tools::credentials(&access),
        url: access.url,
    });
    if livekit.is_none() {
        warn!(
            "LIVEKIT_URL is not set: calls in LiveKit rooms are not seen, and those behind \
             sockets are heard by listenProxyUrl only"
        );
    }
    let allow_loopback = settings.upstreams.allow_loopback;
    let settings = gateway::Settings {
        livekit,
        node,
        shards: 0,
        record: true,
        allow_loopback,
    };
    let recorder = recorder.clone();
    gateway::load(settings, fleet.clone(), recorder, ledger)
}

/// What takes AudioSocket's connections, if that is configured.
async fn audiosocket(
    settings: &Settings,
    gateway: &Gateway,
    api: &Api,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Option<Taking>> {
    let Some(address) = settings.ingress.audiosocket else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.with_context(|| format!("SIDETONE_AUDIOSOCKET: cannot listen on {address}"))?;
    info!(%address, "AudioSocket is taken");
    let taking = gateway.audiosocket(listener, api.porter(), lifecycle.clone());
    Ok(Some(Box::pin(taking)))
}

/// Says in the readiness what the gateway says about the server.
async fn watch_link(
    mut signals: Receiver<Signal>,
    livekit: Condition,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            () = lifecycle.draining() => return Ok(()),
        };
        match signal {
            Ok(Signal::LivekitLink { problem: None }) => livekit.ready(),
            Ok(Signal::LivekitLink {
                problem: Some(problem),
            }) => livekit.not_ready(problem),
            // what was missed is said again with the next listing of rooms
            Ok(Signal::Levels { .. } | Signal::Saying { .. } | Signal::Backlog(_))
            | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => anyhow::bail!("nobody can send signals any more"),
        }
    }
}
