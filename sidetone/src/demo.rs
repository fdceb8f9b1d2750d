//! Everything at once, with simulated calls: for somebody who wants to see it.

mod livekit;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use gateway::Calls;
use secrecy::ExposeSecret as _;
use sidetone_service::config::{Input, LivekitAccess};
use sidetone_service::ops::{Condition, Readiness};
use sidetone_service::{Lifecycle, Settings, random};
use sidetone_simulate::{Population, PopulationSettings, Server, Vendors};
use tempfile::TempDir;
use tracing::warn;

use crate::all::Parts;
use crate::{cli, tools};
use livekit::Embedded;

/// What is logged when `RUST_LOG` says nothing: the way in must not scroll away.
pub(crate) const LOG_FILTER: &str = "warn";
/// How often it is looked whether everything is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Letters of a generated password: 96 bits, and still to be typed.
const PASSWORD_LETTERS: usize = 16;

/// Runs the demo until the process is asked to end. What it makes lies in `SIDETONE_DATA`, or in a
/// folder that is removed at the end.
pub(crate) async fn run(options: cli::Demo) -> anyhow::Result<()> {
    let mut input = Input::from_process()?;
    let folder = prepare(&mut input, &options)?;
    let server = if options.without_livekit {
        None
    } else {
        Box::pin(embed(&mut input)).await?
    };
    let settings = Settings::load_from(&input)?;
    let parts = Box::pin(Parts::load(&settings)).await?;
    let password = parts.first_password().or(settings.admin.password.as_ref());
    let password = password.map(|password| password.expose_secret().to_owned());
    let access = settings.livekit.access();
    let calls = usize::from(options.calls);
    let rooms = access.clone().filter(|_| calls > 0);
    let vendors = usize::from(options.vendor_calls);
    let vendors = password.clone().filter(|_| vendors > 0);
    let way_in = WayIn {
        address: format!("http://{}", settings.server.http),
        password,
        calls: parts.calls(),
        heard: parts.readiness().condition("simulated calls"),
        readiness: parts.readiness(),
    };
    let life = parts.start();
    if rooms.is_none() && vendors.is_none() {
        way_in.heard.ready();
    }
    if let Some(access) = rooms {
        let population = population(server_of(&access), calls, life.clone());
        life.spawn_vital("simulated calls", population);
    }
    if let Some(password) = vendors {
        let (http, calls) = (settings.server.http, usize::from(options.vendor_calls));
        let server = access.as_ref().map(server_of);
        let vendors = vendors_calls(http, password, calls, server, life.clone());
        life.spawn_vital("simulated vendors", vendors);
    }
    life.spawn_vital("way in", way_in.show(life.clone()));
    if let Some(server) = server {
        life.spawn_last("livekit-server", server.run(life.clone()));
    }
    let ended = life.run().await;
    drop(folder); // not before the database and the spool are closed
    Ok(ended?)
}

/// Fills in what the environment does not say; gives the folder that is only for this run.
fn prepare(input: &mut Input, options: &cli::Demo) -> anyhow::Result<Option<TempDir>> {
    if let Some(http) = options.http {
        input
            .vars
            .insert("SIDETONE_HTTP".to_owned(), http.to_string());
    }
    if options.without_livekit {
        input.vars.retain(|name, _| !name.starts_with("LIVEKIT_"));
    }
    if options.vendor_calls > 0 {
        // the simulated vendors' sockets are on this machine
        let loopback = input
            .vars
            .entry("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS".to_owned());
        loopback.or_insert_with(|| "true".to_owned());
    }
    if input.vars.contains_key("SIDETONE_DATA") {
        return Ok(None);
    }
    let folder = tempfile::tempdir().context("SIDETONE_DATA: no temporary folder")?;
    let path = folder
        .path()
        .to_str()
        .context("SIDETONE_DATA: the temporary folder's name")?;
    input
        .vars
        .insert("SIDETONE_DATA".to_owned(), path.to_owned());
    let password = input.vars.entry("SIDETONE_ADMIN_PASSWORD".to_owned());
    password.or_insert_with(|| random::token()[..PASSWORD_LETTERS].to_owned());
    Ok(Some(folder))
}

/// Starts a livekit-server, unless there is one to be used.
async fn embed(input: &mut Input) -> anyhow::Result<Option<Embedded>> {
    if input.vars.contains_key("LIVEKIT_URL") {
        return Ok(None);
    }
    let read = Settings::load_from(input)?;
    let server = Embedded::start(&read.data.dir, read.server.http).await?;
    for (name, value) in server.settings() {
        input.vars.insert(name.to_owned(), value);
    }
    Ok(Some(server))
}

/// The server as the simulated callers reach it.
fn server_of(access: &LivekitAccess) -> Server {
    Server::new(&access.ws_url, tools::credentials(access))
}

async fn population(server: Server, calls: usize, life: Lifecycle) -> anyhow::Result<()> {
    let population = Population::new(server, PopulationSettings::new(calls));
    Box::pin(population.run(life.drain_token())).await;
    Ok(())
}

/// Calls at vendors, which report to us as to anybody.
async fn vendors_calls(
    http: SocketAddr,
    password: String,
    calls: usize,
    server: Option<Server>,
    life: Lifecycle,
) -> anyhow::Result<()> {
    let url = format!("http://{}", reachable(http));
    let who = (control_api::FIRST_USER, password.as_str());
    let connecting = Vendors::connect(&url, who, server);
    match connecting.await {
        Ok(vendors) => Box::pin(vendors.run(calls, life.drain_token())).await,
        // somebody has changed the password: there are no vendors then
        Err(error) => {
            warn!("no calls at vendors: {error:#}");
            life.draining().await;
        }
    }
    Ok(())
}

/// Where a listener is reached from this machine: an unspecified address listens here, too.
fn reachable(http: SocketAddr) -> SocketAddr {
    if http.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, http.port()))
    } else {
        http
    }
}

/// Tells the user where to go, once it is worth going there.
struct WayIn {
    address: String,
    password: Option<String>,
    calls: Calls,
    heard: Condition,
    readiness: Readiness,
}

impl WayIn {
    async fn show(self, life: Lifecycle) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = life.draining() => return Ok(()),
            }
            if self.calls.count() > 0 {
                self.heard.ready();
            }
            if self.readiness.problems().is_empty() {
                break;
            }
        }
        tools::print(&format!("open {}", self.address))?;
        let name = control_api::FIRST_USER;
        match &self.password {
            Some(password) => tools::print(&format!("log in as {name} with {password}"))?,
            None => tools::print(&format!(
                "log in as {name} with the password of the first start"
            ))?,
        }
        life.draining().await;
        Ok(())
    }
}
