//! A private PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::account::Account;
use crate::process::Process;
use crate::{free_tcp_port, tools};

/// How long the server may take until it answers: it takes 0.2 s on an idle machine, and some
/// seconds after a crash in the middle of much writing.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// How long it may take to leave: it throws everything away.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How often it is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Where Debian keeps its programs, one folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The superuser, who needs no password.
const USER: &str = "postgres";

/// How to set the server up.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// What is committed is on the disk. Default off: nothing of it outlives the test, and a
    /// killed server loses nothing either way, because the kernel lives on.
    pub durable: bool,
    /// Connections at once; default 1,000, for as many control planes as a test run has.
    pub max_connections: u32,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            durable: false,
            max_connections: 1000,
        }
    }
}

/// A PostgreSQL on a free loopback port with a cluster of its own, gone on drop. Its last words
/// are printed when the test fails.
pub struct PostgresServer {
    // the process first: it must be gone before its folder is
    process: Option<Process>,
    dir: TempDir,
    programs: PathBuf,
    account: Account,
    port: u16,
    options: PostgresOptions,
}

impl PostgresServer {
    /// A server with [`PostgresOptions::default`], ready to be connected to.
    ///
    /// # Errors
    /// When its programs are missing (says how to get them) or it does not come up (with its log).
    pub async fn start() -> Result<Self> {
        Self::start_with(PostgresOptions::default()).await
    }

    /// A server set up by `options`, ready to be connected to.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub async fn start_with(options: PostgresOptions) -> Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder for PostgreSQL")?;
        let account = Account::unprivileged()?;
        account.owns(dir.path())?;
        let mut server = Self {
            process: None,
            dir,
            programs: programs()?,
            account,
            port: free_tcp_port(),
            options,
        };
        server.make_cluster()?;
        server.launch().await?;
        Ok(server)
    }

    /// Its address without a database, `postgres://postgres@127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new empty database; gives its address.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(&self, name: &str) -> Result<String> {
        let mut admin = PgConnection::connect(&format!("{}/{USER}", self.url())).await?;
        let sql = format!("CREATE DATABASE {name}");
        admin.execute(AssertSqlSafe(sql)).await?;
        Ok(format!("{}/{name}", self.url()))
    }

    /// Its process id, for measurements; `None` while it is killed. It has children.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills it at once with everything that serves connections, as a crash of the machine's
    /// memory would.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let children = children_of(process.id());
        process.kill();
        for child in children {
            // one that has noticed the end of its parent is gone already, which is what is wanted
            let _ = rustix::process::kill_process(child, Signal::KILL);
        }
    }

    /// Starts it again on the same port over what it kept, killing it first if it runs, and waits
    /// until it answers.
    ///
    /// # Errors
    /// When it does not come up again.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch().await
    }

    fn make_cluster(&self) -> Result<()> {
        let mut command = self.command("initdb");
        command
            .args(["--username", USER, "--auth", "trust", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C", "--pgdata"])
            .arg(self.cluster());
        let done = command.output().context("initdb cannot be started")?;
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        ensure!(done.status.success(), "initdb failed:\n{out}{err}");
        Ok(())
    }

    async fn launch(&mut self) -> Result<()> {
        let starting = async {
            loop {
                self.process = Some(self.spawn()?);
                let Some(said) = self.answers().await else {
                    return Ok(());
                };
                // what served a killed server's connections needs a moment to notice
                if !said.contains("pre-existing shared memory block") {
                    bail!("PostgreSQL ended at once:\n{said}");
                }
                std::fs::remove_file(self.log()).context("the log of PostgreSQL")?;
            }
        };
        match tokio::time::timeout(START_DEADLINE, starting).await {
            Ok(started) => started,
            Err(_) => bail!("PostgreSQL does not answer after {START_DEADLINE:?}"),
        }
    }

    fn spawn(&self) -> Result<Process> {
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.cluster())
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args([
                "-c",
                &format!("max_connections={}", self.options.max_connections),
            ]);
        if !self.options.durable {
            for setting in ["fsync", "full_page_writes"] {
                command.args(["-c", &format!("{setting}=off")]);
            }
        }
        Process::spawn(command, &self.log())
    }

    /// Waits until it answers; `Some` is what it said when it ended instead.
    async fn answers(&mut self) -> Option<String> {
        let url = format!("{}/{USER}", self.url());
        while PgConnection::connect(&url).await.is_err() {
            let process = self.process.as_mut()?;
            if !process.is_running() {
                return Some(process.tail());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        None
    }

    /// One of its programs, to be run as whoever may run it, in a folder that they may enter.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        self.account.runs(&mut command);
        command.current_dir(self.dir.path()).env("LC_ALL", "C");
        command
    }

    fn cluster(&self) -> PathBuf {
        self.dir.path().join("cluster")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("postgres.log")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // "immediate" in its words: unlike a kill it gives back the shared memory
            process.end(Signal::QUIT, STOP_DEADLINE);
        }
    }
}

/// The folder of its programs: `POSTGRES_BIN`, or Debian's newest, or where `initdb` is found.
fn programs() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("POSTGRES_BIN") {
        return Ok(folder.into());
    }
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .max_by_key(|folder| version_of(folder));
    newest
        .or_else(|| tools::on_path("initdb")?.parent().map(Path::to_owned))
        .context(
            "PostgreSQL's initdb is not there: install postgresql, or name its folder in \
             POSTGRES_BIN",
        )
}

/// The version of a folder of [`DEBIAN`], as a number.
fn version_of(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

fn children_of(parent: u32) -> Vec<rustix::process::Pid> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    listed
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rows(url: &str) -> Result<i64, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query_scalar("SELECT COUNT(*) FROM kept")
            .fetch_one(&mut connection)
            .await
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_kill_and_a_restart() {
        let mut server = PostgresServer::start().await.unwrap();
        let url = server.database("kept").await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        for sql in [
            "CREATE TABLE kept (n BIGINT)",
            "INSERT INTO kept VALUES (1)",
        ] {
            connection.execute(sql).await.unwrap();
        }
        let first = server.process_id().unwrap();
        server.kill();
        assert!(rows(&url).await.is_err());
        assert_eq!(server.process_id(), None);
        server.restart().await.unwrap();
        assert_eq!(rows(&url).await.unwrap(), 1);
        assert_ne!(server.process_id().unwrap(), first);
    }

    #[tokio::test]
    async fn a_server_that_is_restarted_while_it_is_busy_comes_up() {
        let mut server = PostgresServer::start().await.unwrap();
        let url = server.database("busy").await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let busy = tokio::spawn(async move {
            let sql = "SELECT COUNT(*) FROM generate_series(1, 2000000000)";
            connection.execute(sql).await.map(drop)
        });
        server.restart().await.unwrap();
        busy.await.unwrap().expect_err("its server was killed");
    }
}
