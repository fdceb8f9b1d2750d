//! What recording costs: alone, against a yardstick, after a crash, and when it is heard again.

mod raw;
mod recovery;
mod rendition;

pub(crate) use raw::RecordRaw;
pub(crate) use recovery::Recover;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use crate::child::{Child, say};
use crate::process::Usage;
use crate::yardstick;
use raw::Written;

/// Before measuring: files are open, buffers as large as they get.
const WARM_UP: Duration = Duration::from_secs(4);
/// How long a child may take to be ready.
const READY: Duration = Duration::from_mins(1);
/// The goals.
const DISK_TARGET: f64 = 1.10;
const TAKE_KIB_TARGET: f64 = 64.0;

/// What to measure.
#[derive(Args)]
pub(crate) struct Recording {
    /// Numbers of calls of two tracks.
    #[arg(long, value_delimiter = ',', default_value = "10,50,100,200,300")]
    calls: Vec<usize>,
    /// Numbers of calls for the yardstick.
    #[arg(long, value_delimiter = ',', default_value = "10,50")]
    yardstick_calls: Vec<usize>,
    /// Seconds to measure each.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Takes that a crash leaves.
    #[arg(long, default_value_t = 1_000)]
    recovered: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    calls: usize,
    core_percent: f64,
    packet_us: f64,
    cpu_s_per_call_minute: f64,
    take_kib: f64,
    disk_over_payload: f64,
    dropped: u64,
}

impl Recording {
    pub(crate) fn run(self) -> Result<()> {
        say("calls  % core  us/packet  CPU-s/call-min  KiB/take  disk/payload  dropped");
        let mut rows = Vec::new();
        for calls in &self.calls {
            let row = self.measure(*calls)?;
            say(&format!(
                "{:5}  {:6.2}  {:9.2}  {:14.4}  {:8.1}  {:12.3}  {:7}",
                row.calls,
                row.core_percent,
                row.packet_us,
                row.cpu_s_per_call_minute,
                row.take_kib,
                row.disk_over_payload,
                row.dropped
            ));
            rows.push(row);
        }
        let compared = self.yardstick_calls.iter();
        let compared = compared
            .map(|calls| yardstick::compare(*calls))
            .collect::<Result<Vec<_>>>()?;
        let recovery = recovery::measure(self.recovered)?;
        let rendition = rendition::measure()?;
        let kib = take_kib(&rows);
        let disk = rows.iter().map(|row| row.disk_over_payload);
        let disk = disk.fold(0.0, f64::max);
        let passed = kib <= TAKE_KIB_TARGET
            && disk <= DISK_TARGET
            && compared.iter().all(|compared| compared.passed)
            && recovery.passed
            && rendition.passed;
        let verdict = json!({
            "scenario": "recording", "rows": rows, "yardstick": compared,
            "recovery": recovery, "rendition": rendition,
            "take_kib": kib, "take_kib_target": TAKE_KIB_TARGET,
            "disk_over_payload": disk, "disk_target": DISK_TARGET,
            "passed": passed,
        });
        say(&verdict.to_string());
        Ok(())
    }

    fn measure(&self, calls: usize) -> Result<Row> {
        let folder = TempDir::new()?;
        let mut child = start(folder.path(), calls, &[])?;
        let idle = Usage::of(child.pid())?;
        let _: Written = child.ask("go")?;
        std::thread::sleep(WARM_UP);
        let before: Written = child.ask("written")?;
        let (used_before, disk_before) = (Usage::of(child.pid())?, disk_bytes(folder.path())?);
        std::thread::sleep(Duration::from_secs(self.seconds));
        let after: Written = child.ask("written")?;
        let (used, disk) = (Usage::of(child.pid())?, disk_bytes(folder.path())?);
        let cpu = used.since(&used_before).cpu().as_secs_f64();
        let seconds = (after.at_ms - before.at_ms) as f64 / 1e3;
        let packets = (after.packets - before.packets) as f64;
        let payload = (after.payload_bytes - before.payload_bytes) as f64;
        Ok(Row {
            calls,
            core_percent: cpu / seconds * 100.0,
            packet_us: cpu * 1e6 / packets,
            cpu_s_per_call_minute: cpu / seconds / calls as f64 * 60.0,
            take_kib: used.since(&idle).resident_kib as f64 / calls as f64,
            disk_over_payload: (disk - disk_before) as f64 / payload,
            dropped: after.dropped,
        })
    }
}

/// What a further take needs: what the most takes need more than the fewest. What the process needs
/// by itself falls out.
fn take_kib(rows: &[Row]) -> f64 {
    let kib = |row: &Row| row.take_kib * row.calls as f64;
    match (rows.first(), rows.last()) {
        (Some(fewest), Some(most)) if most.calls > fewest.calls => {
            (kib(most) - kib(fewest)) / (most.calls - fewest.calls) as f64
        }
        (_, last) => last.map_or(0.0, |row| row.take_kib),
    }
}

/// A child with this many takes that have not heard anything yet.
fn start(folder: &Path, takes: usize, more: &[&str]) -> Result<Child> {
    let folder = folder.to_str().context("temporary folders are UTF-8")?;
    let takes = takes.to_string();
    let mut arguments: Vec<_> = ["--folder", folder, "--takes", &takes]
        .map(str::to_owned)
        .into();
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    let child = Child::start("record-raw", &arguments)?;
    child.wait_for("ready", READY)?;
    Ok(child)
}

/// Bytes of all files below a folder.
fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
