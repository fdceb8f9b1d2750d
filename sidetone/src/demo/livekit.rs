//! A livekit-server of the demo's own, on free ports of this machine.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sidetone_room::service::RoomService;
use sidetone_room::token::Credentials;
use sidetone_service::{Lifecycle, random};
use tokio::process::{Child, Command};

/// How long it may take until it answers.
const START_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Ports are sought below the range that outgoing connections take theirs from.
const PORTS: std::ops::Range<u64> = 12_000..32_000;
const ATTEMPTS: usize = 200;
const API_KEY: &str = "demo";

/// The running server; killed when dropped.
pub(super) struct Embedded {
    child: Child,
    url: String,
    secret: String,
    log: PathBuf,
}

impl Embedded {
    /// Starts a server with its files in `folder`, which tells `http` about its rooms.
    pub(super) async fn start(folder: &Path, http: SocketAddr) -> anyhow::Result<Self> {
        let binary = find_binary()?;
        let (secret, port, udp_port) = (random::token(), free_tcp_port()?, free_udp_port()?);
        let config = folder.join("livekit.yaml");
        std::fs::write(&config, yaml(port, udp_port, &secret, http))
            .with_context(|| format!("cannot write {}", config.display()))?;
        let log = folder.join("livekit-server.log");
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(&binary)
            .arg("--config")
            .arg(&config)
            .env_remove("LIVEKIT_CONFIG")
            .env_remove("LIVEKIT_KEYS")
            .stdin(Stdio::null())
            .stderr(out.try_clone().context("cannot share the log file")?)
            .stdout(out)
            .process_group(0) // Ctrl-C is for us: calls are to end in order
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let url = format!("ws://127.0.0.1:{port}");
        let mut server = Self {
            child,
            url,
            secret,
            log,
        };
        tokio::time::timeout(START_WITHIN, server.answered())
            .await
            .with_context(|| {
                format!("livekit-server does not answer: {}", server.log.display())
            })??;
        Ok(server)
    }

    /// How it is reached, as settings.
    pub(super) fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("LIVEKIT_URL", self.url.clone()),
            ("LIVEKIT_API_KEY", API_KEY.to_owned()),
            ("LIVEKIT_API_SECRET", self.secret.clone()),
        ]
    }

    /// Watches over it until everybody else has ended, then kills it: a friendly signal would make
    /// it wait for its participants.
    pub(super) async fn run(mut self, life: Lifecycle) -> anyhow::Result<()> {
        tokio::select! {
            ended = self.child.wait() => {
                let log = self.log.display();
                bail!("livekit-server ended ({}): see {log}", ended?);
            }
            () = life.drained() => {}
        }
        self.child
            .kill()
            .await
            .context("livekit-server cannot be ended")
    }

    async fn answered(&mut self) -> anyhow::Result<()> {
        let service = RoomService::new(&self.url, &Credentials::new(API_KEY, &self.secret));
        while service.list_rooms().await.is_err() {
            if let Some(status) = self.child.try_wait().context("livekit-server is lost")? {
                bail!(
                    "livekit-server ended at once ({status}): see {}",
                    self.log.display()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// `LIVEKIT_SERVER`, or where `make` puts it: in `.tools/bin` of this folder, or of one above the
/// one in which this program lies; or in `PATH`.
fn find_binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("LIVEKIT_SERVER").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1).map(Path::to_owned);
    let made = std::iter::once(PathBuf::from("."))
        .chain(above)
        .map(|folder| folder.join(".tools/bin/livekit-server"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("livekit-server"));
    made.chain(installed)
        .find(|file| file.is_file())
        .context("livekit-server is not there: run `make tools`, or name it in LIVEKIT_SERVER")
}

/// Everything on loopback, media on one UDP port; no TCP, since a server that falls back to it
/// offers nothing else afterwards.
fn yaml(port: u16, udp_port: u16, secret: &str, http: SocketAddr) -> String {
    let ours = super::reachable(http);
    format!(
        "port: {port}
bind_addresses: [\"127.0.0.1\"]
keys: {{{API_KEY}: \"{secret}\"}}
rtc:
  node_ip: 127.0.0.1
  use_external_ip: false
  tcp_port: 0
  udp_port: {udp_port}
  allow_tcp_fallback: false
  enable_loopback_candidate: true
  ips: {{includes: [\"127.0.0.1/32\"]}}
  use_ice_lite: true
  stun_servers: []
room: {{empty_timeout: 10, departure_timeout: 2, enable_remote_unmute: true}}
webhook: {{api_key: {API_KEY}, urls: [\"http://{ours}/api/webhooks/livekit\"]}}
logging: {{level: info}}
"
    )
}

fn free_tcp_port() -> anyhow::Result<u16> {
    free_port(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

fn free_udp_port() -> anyhow::Result<u16> {
    free_port(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
}

fn free_port(is_free: impl Fn(u16) -> bool) -> anyhow::Result<u16> {
    let count = PORTS.end - PORTS.start;
    (0..ATTEMPTS)
        .filter_map(|_| u16::try_from(PORTS.start + random::u64() % count).ok())
        .find(|port| is_free(*port))
        .context("no free port on this machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_come_to_an_address_that_can_be_reached() {
        for (http, told) in [
            (
                "127.0.0.1:8080",
                "http://127.0.0.1:8080/api/webhooks/livekit",
            ),
            ("0.0.0.0:8081", "http://127.0.0.1:8081/api/webhooks/livekit"),
            ("[::]:8082", "http://127.0.0.1:8082/api/webhooks/livekit"),
        ] {
            let text = yaml(1, 2, "secret", http.parse().unwrap());
            assert!(text.contains(told), "{text}");
        }
    }
}
