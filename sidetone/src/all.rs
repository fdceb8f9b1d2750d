//! Every role in one process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use control_api::Api;
use gateway::{Calls, Gateway};
use recorder::{Recorder, Recovered};
use secrecy::{ExposeSecret as _, SecretString};
use sidetone_fleet::Fleet;
use sidetone_service::ops::{Condition, Ops, Readiness};
use sidetone_service::{Lifecycle, Settings, random, telemetry};
use sidetone_wire::{CallEvent, NodeId, Signal};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::{error, info, warn};

use crate::tools;

/// From the wish to end until everything is stopped: takes are sealed in it.
const DRAIN: Duration = Duration::from_secs(10);
/// How much of that sealing may take; what is left is sealed at the next start.
const SEAL_WITHIN: Duration = Duration::from_secs(7);
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

/// The roles, loaded and wired.
pub(crate) struct Parts {
    lifecycle: Lifecycle,
    readiness: Readiness,
    ops: Ops,
    api: Api,
    media: Media,
    link: Option<(Receiver<Signal>, Condition)>,
}

/// What carries calls and what keeps them. They end in this order.
struct Media {
    gateway: Option<Gateway>,
    recorder: Arc<Recorder>,
}

impl Parts {
    /// Binds the listeners, opens the database and the spool.
    pub(crate) async fn load(settings: &Settings) -> anyhow::Result<Self> {
        drop(telemetry::metrics()); // handles made from here on are counted
        gateway::describe_metrics();
        recorder::describe_metrics();
        let lifecycle = Lifecycle::new(DRAIN);
        let readiness = Readiness::new();
        let ops = Ops::bind(settings.server.ops, readiness.clone(), lifecycle.clone()).await?;
        let fleet = Fleet::in_process();
        let keeping = readiness.condition("recorder");
        let recorder = load_recorder(settings).await?;
        for recovered in recorder.take_recovered() {
            report(&fleet, recovered);
        }
        keeping.ready();
        let recorder = Arc::new(recorder);
        let api = Box::pin(control_api::load(settings, fleet.clone(), &readiness)).await?;
        let gateway = load_gateway(settings, &fleet, &recorder);
        let link = gateway
            .is_some()
            .then(|| (fleet.signals(), readiness.condition("livekit")));
        let media = Media { gateway, recorder };
        Ok(Self {
            lifecycle,
            readiness,
            ops,
            api,
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
    pub(crate) fn calls(&self) -> Option<Calls> {
        self.media.gateway.as_ref().map(Gateway::calls)
    }

    /// Starts everything; the life that is given back is to be run.
    pub(crate) fn start(self) -> Lifecycle {
        let Self {
            lifecycle,
            ops,
            api,
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
        lifecycle.spawn_vital("media", media.run(life()));
        lifecycle
    }
}

impl Media {
    /// Carries calls until the drain, then seals what was recorded.
    async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let Self { gateway, recorder } = self;
        let ended = if let Some(gateway) = gateway {
            Box::pin(gateway.run(lifecycle)).await
        } else {
            lifecycle.draining().await;
            Ok(())
        };
        let sealing = tokio::task::spawn_blocking(move || recorder.shutdown(SEAL_WITHIN));
        if !sealing
            .await
            .context("the recorder broke while it was stopped")?
        {
            warn!("not every take is sealed: the others are at the next start");
        }
        ended
    }
}

async fn load_recorder(settings: &Settings) -> anyhow::Result<Recorder> {
    let settings = recorder::Settings {
        spool_dir: settings.spool_dir(),
        store_dir: settings.store_dir(),
        max_takes: TAKES,
    };
    let loading = tokio::task::spawn_blocking(move || recorder::load(settings));
    loading
        .await
        .context("the recorder broke while it was started")?
        .context("SIDETONE_DATA")
}

/// The gateway, if LiveKit is configured.
fn load_gateway(settings: &Settings, fleet: &Fleet, recorder: &Arc<Recorder>) -> Option<Gateway> {
    let Some(access) = settings.livekit.access() else {
        warn!("LIVEKIT_URL is not set: calls in LiveKit rooms are not seen");
        return None;
    };
    let settings = gateway::Settings {
        credentials: tools::credentials(&access),
        url: access.url,
        node: NodeId(format!("gateway-{:08x}", random::u64() as u32)),
        shards: 0,
        record: true,
    };
    Some(gateway::load(settings, fleet.clone(), recorder.clone()))
}

/// Says what became of a take that the last process did not finish.
fn report(fleet: &Fleet, recovered: Recovered) {
    match recovered.result {
        Ok(manifest) => {
            info!(call = %manifest.call, recording = %manifest.recording, "a take was recovered");
            // older than every lease of this process
            let log = fleet.event_log(manifest.call, 0);
            log.send(CallEvent::RecordingStored(manifest));
        }
        Err(error) => {
            let spool = recovered.spool.display();
            error!(%spool, %error, "a take cannot be recovered: its spool file is kept");
        }
    }
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
            Ok(Signal::Levels { .. }) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => anyhow::bail!("nobody can send signals any more"),
        }
    }
}
