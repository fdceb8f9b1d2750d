//! A server process: its output goes to a file, it dies with its guard, and a failing test prints
//! what it said last.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};
use sidetone_service::clock;

/// How often a process that was asked to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Lines of the log that a failing test prints.
const TAIL_LINES: usize = 60;

/// A running process, killed on drop.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Result<Self> {
        let out: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let err = out.try_clone().context("cannot share the log file")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // either fails only when the process is gone already, which is what is wanted
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end with a signal, and kills it when it does not within that time.
    pub(crate) fn end(&mut self, signal: Signal, within: Duration) {
        if let Some(pid) = Pid::from_raw(self.id() as i32) {
            // fails only when the process is gone already, which is what is wanted
            let _ = rustix::process::kill_process(pid, signal);
        }
        let end = clock::now() + within;
        while self.is_running() && clock::now() < end {
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill();
    }

    /// The last lines it said.
    pub(crate) fn tail(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        // livekit-server says every API call; tests that look at rooms would print nothing else
        let lines: Vec<&str> = said
            .lines()
            .filter(|l| !l.contains("API RoomService.List"))
            .collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            print_tail(&self.log, &self.tail());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the output of a failing test is where this is read"
)]
fn print_tail(log: &Path, tail: &str) {
    let name = log.file_stem().unwrap_or_default().to_string_lossy();
    eprintln!("---- last lines of {name} ----\n{tail}\n---- end of {name} ----");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_its_guard_is_and_its_words_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("said.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo hello; exec sleep 600"]);
        let mut process = Process::spawn(command, &log).unwrap();
        let id = process.id();
        while !process.tail().contains("hello") {
            assert!(process.is_running());
            std::thread::yield_now();
        }
        drop(process);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }
}
