//! One `sidetone all`, in a folder of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helper: what fails here fails the test"
)]

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::user::User;
use crate::{LivekitServer, free_tcp_port};

/// Generous: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// How often the process is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Lines of the log that a failing test prints.
const TAIL_LINES: usize = 120;

const ADMIN_PASSWORD: &str = "password-of-the-tests";

/// A running process, killed on drop; the end of its log is printed when the test fails.
pub struct System {
    binary: PathBuf,
    child: Option<Child>,
    dir: TempDir,
    http: u16,
    ops: u16,
    settings: Vec<(&'static str, String)>,
    client: reqwest::Client,
}

/// Settings that name a server.
fn of(livekit: &LivekitServer, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("LIVEKIT_URL", livekit.url()),
        ("LIVEKIT_API_KEY", livekit.api_key().to_owned()),
        ("LIVEKIT_API_SECRET", secret.to_owned()),
    ]
}

impl System {
    /// Starts the program `binary` on a server and waits until it is ready.
    ///
    /// # Panics
    /// As everything here: with what went wrong, and the end of the program's log.
    pub async fn start(binary: &Path, livekit: &LivekitServer) -> Self {
        let mut system = Self::start_unready(binary, livekit, livekit.api_secret());
        system.ready().await;
        system
    }

    /// The same with further settings.
    ///
    /// # Panics
    /// As [`System::start`].
    pub async fn start_set(
        binary: &Path,
        livekit: &LivekitServer,
        more: Vec<(&'static str, String)>,
    ) -> Self {
        let mut settings = of(livekit, livekit.api_secret());
        settings.extend(more);
        let mut system = Self::start_with(binary, settings);
        system.ready().await;
        system
    }

    /// Starts it without any LiveKit server, and waits until it is ready.
    ///
    /// # Panics
    /// As [`System::start`].
    pub async fn start_alone(binary: &Path) -> Self {
        let mut system = Self::start_with(binary, Vec::new());
        system.ready().await;
        system
    }

    /// Starts it with a secret of the test's choice.
    pub fn start_unready(binary: &Path, livekit: &LivekitServer, secret: &str) -> Self {
        Self::start_with(binary, of(livekit, secret))
    }

    fn start_with(binary: &Path, settings: Vec<(&'static str, String)>) -> Self {
        // another test may have been faster
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mut system = Self {
            binary: binary.to_owned(),
            child: None,
            dir: tempfile::tempdir().unwrap(),
            http: free_tcp_port(),
            ops: free_tcp_port(),
            settings,
            client: reqwest::Client::new(),
        };
        system.launch();
        system
    }

    /// Kills it at once, as the kernel would when memory runs out.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // either fails only when the process is gone already, which is what is wanted
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again over what it left, on the same ports.
    pub async fn start_again(&mut self) {
        self.kill();
        self.launch();
        self.ready().await;
    }

    fn launch(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let child = Command::new(&self.binary)
            .arg("all")
            // no settings of the developer's, neither from the environment nor from a file
            .env_clear()
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .current_dir(self.dir.path())
            .env("SIDETONE_ENV", "test")
            .env("SIDETONE_HTTP", format!("127.0.0.1:{}", self.http))
            .env("SIDETONE_OPS", format!("127.0.0.1:{}", self.ops))
            .env("SIDETONE_DATA", self.data_dir())
            .env("SIDETONE_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")
            .envs(self.settings.clone())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&mut self) {
        self.readyz("ready", |status, _| status == 200).await;
    }

    /// Waits until `/readyz` answers as expected, and gives its text.
    pub async fn readyz(&mut self, what: &str, expected: impl Fn(u16, &str) -> bool) -> String {
        let mut last = None;
        let asking = async {
            loop {
                assert!(self.is_running(), "sidetone has ended");
                let url = format!("http://127.0.0.1:{}/readyz", self.ops);
                if let Ok(response) = self.client.get(url).send().await {
                    let status = response.status().as_u16();
                    let text = response.text().await.unwrap_or_default();
                    if expected(status, &text) {
                        return text;
                    }
                    last = Some((status, text));
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let found = tokio::time::timeout(DEADLINE, asking).await;
        found.unwrap_or_else(|_| panic!("waited in vain for {what}; the last answer was {last:?}"))
    }

    /// Whether the process lives.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it was killed.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The address of the public listener.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// A new session of the first user.
    pub async fn login(&self) -> User {
        User::login(&self.client, &self.url(), "admin", ADMIN_PASSWORD).await
    }

    /// Where it keeps everything: the spool and the store's objects lie below.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("sidetone.log")
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.log_path()).unwrap_or_default();
            print_tail(&said);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the output of a failing test is where this is read"
)]
fn print_tail(said: &str) {
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    eprintln!("---- last lines of sidetone ----\n{tail}\n---- end of sidetone ----");
}
