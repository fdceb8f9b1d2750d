//! What a process has cost, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Ticks a second of the times in `/proc/<pid>/stat` (USER_HZ, fixed on Linux).
const TICKS: f64 = 100.0;

/// CPU and memory of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// In user space.
    pub(crate) user: Duration,
    /// In the kernel.
    pub(crate) system: Duration,
    /// Resident memory in KiB.
    pub(crate) resident_kib: u64,
}

impl Usage {
    /// Of a process that runs.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        let after_name = stat.rsplit_once(')').context("stat has a name")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| -> Result<Duration> {
            Ok(Duration::from_secs_f64(fields[at].parse::<f64>()? / TICKS))
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident_kib = resident
            .and_then(|value| value.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0);
        Ok(Self {
            user: ticks(11)?,
            system: ticks(12)?,
            resident_kib,
        })
    }

    /// Of a process with its children, those that have ended included.
    pub(crate) fn of_family(pid: u32) -> Result<Self> {
        let mut all = Self::of(pid)?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after_name = stat.rsplit_once(')').context("stat has a name")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        for ended in [13, 14] {
            all.user += Duration::from_secs_f64(fields[ended].parse::<f64>()? / TICKS);
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        for child in children.split_whitespace() {
            // one that has just ended is in its parent's account next time
            let Ok(used) = Self::of(child.parse()?) else {
                continue;
            };
            all.user += used.user;
            all.system += used.system;
            all.resident_kib += used.resident_kib;
        }
        Ok(all)
    }

    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            resident_kib: self.resident_kib.saturating_sub(before.resident_kib),
        }
    }

    /// User and kernel together.
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }
}
