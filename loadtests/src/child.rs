//! The processes of a scenario: started from this binary, told apart by a subcommand.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

/// A child process that speaks lines. It is killed when dropped.
pub(crate) struct Child {
    name: &'static str,
    process: Process,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Child {
    /// This binary again, as another part of the scenario.
    pub(crate) fn start(name: &'static str, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).args(arguments);
        Self::spawn(name, command)
    }

    /// Any program that speaks lines.
    pub(crate) fn spawn(name: &'static str, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let input = process.stdin.take().context("stdin is piped")?;
        let output = process.stdout.take().context("stdout is piped")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            name,
            process,
            input,
            lines,
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it says exactly this.
    pub(crate) fn wait_for(&self, word: &str, within: Duration) -> Result<()> {
        loop {
            match self.lines.recv_timeout(within) {
                Ok(line) if line == word => return Ok(()),
                Ok(_) => {}
                Err(_) => bail!("{} did not say {word:?} within {within:?}", self.name),
            }
        }
    }

    /// Asks and reads the answer, one line of JSON.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, question: &str) -> Result<T> {
        self.tell(question)?;
        self.answer(Duration::from_secs(30))
    }

    /// Says a line to it.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")?;
        Ok(self.input.flush()?)
    }

    /// Reads an answer, one line of JSON.
    pub(crate) fn answer<T: DeserializeOwned>(&self, within: Duration) -> Result<T> {
        let answer = self.lines.recv_timeout(within);
        let answer = answer.with_context(|| format!("{} does not answer", self.name))?;
        serde_json::from_str(&answer).with_context(|| format!("{} said {answer}", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Says a line to the parent.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Lines that the parent asks, on an async channel. The process ends when the parent is gone.
pub(crate) fn questions() -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (sender, questions) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    questions
}
