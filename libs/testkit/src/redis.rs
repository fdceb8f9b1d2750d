//! A private Redis.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::{free_tcp_port, tools};

/// How long the server may take until it answers: it takes 20 ms on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How often it is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A Redis on a free loopback port that keeps nothing, killed on drop.
pub struct RedisServer {
    // the process first: it must be gone before its folder is
    process: Option<Process>,
    dir: TempDir,
    port: u16,
}

impl RedisServer {
    /// A server that is ready.
    ///
    /// # Errors
    /// When the program is missing (says how to get it) or does not come up (with its log).
    pub async fn start() -> Result<Self> {
        let mut server = Self {
            process: None,
            dir: tempfile::tempdir().context("cannot make a folder for Redis")?,
            port: free_tcp_port(),
        };
        server.launch().await?;
        Ok(server)
    }

    /// Its address, `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, for measurements; `None` while it is killed.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills it at once, as a crash would; everything in it is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it again on the same port, empty, killing it first if it runs, and waits until it
    /// answers.
    ///
    /// # Errors
    /// When it does not come up again.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch().await
    }

    async fn launch(&mut self) -> Result<()> {
        let program = std::env::var_os("REDIS_SERVER")
            .map(Into::into)
            .or_else(|| tools::on_path("redis-server"))
            .context("redis-server is not there: install it, or name it in REDIS_SERVER")?;
        let mut command = Command::new(program);
        command
            .args(["--port", &self.port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--daemonize", "no", "--dir"])
            .arg(self.dir.path());
        let log = self.dir.path().join("redis-server.log");
        let port = self.port;
        let process = self.process.insert(Process::spawn(command, &log)?);
        let ready = async {
            while !answers(port).await {
                if !process.is_running() {
                    bail!("redis-server ended at once:\n{}", process.tail());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            Ok(())
        };
        match tokio::time::timeout(START_DEADLINE, ready).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("redis-server does not answer on port {port}"),
        }
    }
}

/// Whether the server says that it is well.
async fn answers(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.ok()?;
        (&answer == b"+PONG\r\n").then_some(())
    };
    ask.await.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_when_started_and_again_on_the_same_port_after_a_restart() {
        let mut server = RedisServer::start().await.unwrap();
        let first = server.process_id().unwrap();
        assert!(answers(server.port).await);
        server.kill();
        assert!(!answers(server.port).await);
        server.restart().await.unwrap();
        assert!(answers(server.port).await);
        assert_ne!(server.process_id().unwrap(), first);
    }
}
