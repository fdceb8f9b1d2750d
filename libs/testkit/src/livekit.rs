//! A private livekit-server.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::{free_tcp_port, free_udp_port, tools};

const API_KEY: &str = "testkey";
const API_SECRET: &str = "a_secret_of_the_tests_of_at_least_32_characters";

/// How long the server may take until it answers: it takes 0.2 s on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How often it is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Other ports are tried so often when somebody took ours in between.
const START_ATTEMPTS: usize = 3;

/// How to set the server up.
#[derive(Debug, Clone)]
pub struct LivekitOptions {
    /// Where webhooks go; none by default.
    pub webhook_url: Option<String>,
    /// A room that nobody ever joined closes after so many seconds; default 5.
    pub empty_timeout_s: u32,
    /// A room closes so many seconds after its last participant left; default 1.
    pub departure_timeout_s: u32,
    /// The server answers connectivity checks only. Default off, as in livekit-server.
    pub ice_lite: bool,
    /// `debug`, `info`, `warn` or `error`; default `info`.
    pub log_level: String,
}

impl Default for LivekitOptions {
    fn default() -> Self {
        Self {
            webhook_url: None,
            empty_timeout_s: 5,
            departure_timeout_s: 1,
            ice_lite: false,
            log_level: "info".to_owned(),
        }
    }
}

/// A livekit-server on free loopback ports, killed on drop. Its last words are printed when the
/// test fails.
pub struct LivekitServer {
    process: Option<Process>,
    dir: TempDir,
    port: u16,
    secret: String,
}

impl LivekitServer {
    /// A server with [`LivekitOptions::default`], ready to be joined.
    ///
    /// # Errors
    /// When the binary is missing (says how to get it) or does not come up (with its log).
    pub async fn start() -> Result<Self> {
        Self::start_with(LivekitOptions::default()).await
    }

    /// A server set up by `options`, ready to be joined.
    ///
    /// # Errors
    /// As [`LivekitServer::start`].
    pub async fn start_with(options: LivekitOptions) -> Result<Self> {
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match Self::try_start(&options).await {
                Ok(server) => return Ok(server),
                Err(error) if error.to_string().contains("address already in use") => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("there was at least one attempt"))
    }

    async fn try_start(options: &LivekitOptions) -> Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder for livekit-server")?;
        let port = free_tcp_port();
        let config = config_yaml(options, port, free_udp_port());
        std::fs::write(dir.path().join("livekit.yaml"), config)
            .context("cannot write livekit.yaml")?;
        let mut server = Self {
            process: None,
            dir,
            port,
            secret: API_SECRET.to_owned(),
        };
        server.launch().await?;
        Ok(server)
    }

    /// The signalling address, `ws://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The address of its REST interface, `http://127.0.0.1:<port>`.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The API key it accepts.
    pub fn api_key(&self) -> &'static str {
        API_KEY
    }

    /// The secret of [`LivekitServer::api_key`].
    pub fn api_secret(&self) -> &str {
        &self.secret
    }

    /// Its process id, for measurements; `None` while it is killed.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills it at once, as a crash would; its rooms are lost. SIGTERM would wait for them.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it again on the same ports, killing it first if it runs, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up again.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch().await
    }

    /// The same, with another secret of at least 32 characters for [`LivekitServer::api_key`]:
    /// what was signed with the former one is refused from then on.
    ///
    /// # Errors
    /// As [`LivekitServer::restart`].
    pub async fn restart_with_secret(&mut self, secret: &str) -> Result<()> {
        self.kill();
        let path = self.dir.path().join("livekit.yaml");
        let config = std::fs::read_to_string(&path).context("cannot read livekit.yaml")?;
        std::fs::write(&path, config.replace(&self.secret, secret))
            .context("cannot write livekit.yaml")?;
        secret.clone_into(&mut self.secret);
        self.launch().await
    }

    async fn launch(&mut self) -> Result<()> {
        let binary = tools::find("LIVEKIT_SERVER", ".tools/bin/livekit-server")?;
        let mut command = Command::new(binary);
        command
            .arg("--config")
            .arg(self.dir.path().join("livekit.yaml"))
            .env_remove("LIVEKIT_CONFIG")
            .env_remove("LIVEKIT_KEYS");
        let log: PathBuf = self.dir.path().join("livekit-server.log");
        let process = self.process.insert(Process::spawn(command, &log)?);
        let ready = async {
            while !answers(self.port).await {
                if !process.is_running() {
                    bail!("livekit-server ended at once:\n{}", process.tail());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            Ok(())
        };
        match tokio::time::timeout(START_DEADLINE, ready).await {
            Ok(outcome) => outcome,
            Err(_) => bail!(
                "livekit-server does not answer on port {} after {START_DEADLINE:?}",
                self.port
            ),
        }
    }
}

/// Whether the server says that it is well.
async fn answers(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    ask.await.is_some()
}

/// All on loopback; one UDP port for all media; no TCP, because after an ICE failure the server
/// would offer an identity nothing but TCP.
fn config_yaml(options: &LivekitOptions, port: u16, udp_port: u16) -> String {
    let LivekitOptions {
        webhook_url,
        empty_timeout_s,
        departure_timeout_s,
        ice_lite,
        log_level,
    } = options;
    let webhook = webhook_url.as_ref().map_or_else(String::new, |url| {
        format!("webhook: {{api_key: {API_KEY}, urls: [\"{url}\"]}}\n")
    });
    format!(
        "port: {port}
bind_addresses: [\"127.0.0.1\"]
keys: {{{API_KEY}: {API_SECRET}}}
rtc:
  node_ip: 127.0.0.1
  use_external_ip: false
  tcp_port: 0
  udp_port: {udp_port}
  allow_tcp_fallback: false
  enable_loopback_candidate: true
  ips: {{includes: [\"127.0.0.1/32\"]}}
  use_ice_lite: {ice_lite}
  stun_servers: []
room:
  empty_timeout: {empty_timeout_s}
  departure_timeout: {departure_timeout_s}
  enable_remote_unmute: true
logging: {{level: {log_level}}}
{webhook}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_when_started_and_again_on_the_same_port_after_a_restart() {
        let mut server = LivekitServer::start().await.unwrap();
        let first = server.process_id().unwrap();
        assert!(answers(server.port).await);
        server.kill();
        assert!(!answers(server.port).await);
        assert_eq!(server.process_id(), None);
        server.restart().await.unwrap();
        assert!(answers(server.port).await);
        assert_ne!(server.process_id().unwrap(), first);
    }

    #[tokio::test]
    async fn two_servers_do_not_meet() {
        let (one, two) = tokio::join!(LivekitServer::start(), LivekitServer::start());
        assert_ne!(one.unwrap().url(), two.unwrap().url());
    }

    #[tokio::test]
    async fn a_server_that_cannot_start_says_why() {
        let options = LivekitOptions {
            log_level: "{".to_owned(),
            ..LivekitOptions::default()
        };
        let Err(error) = LivekitServer::start_with(options).await else {
            panic!("it started on a broken configuration");
        };
        assert!(error.to_string().contains("yaml"), "{error}");
    }
}
