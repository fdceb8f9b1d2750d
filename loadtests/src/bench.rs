//! What a call costs: tapped, tapped and recorded, tapped and recorded and forwarded.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use sidetone_service::clock;
use sidetone_testkit::LivekitServer;
use tempfile::TempDir;

use crate::carrier::{Counts, Question};
use crate::child::{Child, say};
use crate::process::Usage;
use crate::publish::Access;
use crate::supervise::Heard;

/// Before measuring: connections settle, buffers grow to what they need.
const WARM_UP: Duration = Duration::from_secs(4);

/// Supervisors among whom the calls are divided.
const SUPERVISORS: usize = 10;

/// Calls up to which supervisors really subscribe. Beyond it they join and hear nothing: with the
/// server, the load and their own share of receiving, two cores have no room for them. The
/// gateway's part is the same.
const HEARD_CALLS: usize = 100;

/// Packets a second of a call.
const CALL_PPS: f64 = 100.0;

/// Targets of CPU per packet, in microseconds.
const TAPPED_TARGET_US: f64 = 11.0;
const FORWARDED_TARGET_US: f64 = 22.0;

/// The goal: what recording adds to the cost of forwarding, as a part of it.
const RECORDING_ADDS_TARGET: f64 = 0.15;

const HEADER: &str = "mode         calls  % core  us/packet (kernel)  CPU-s/call-min  KiB/call  \
    added p50 / p99 ms  loss %";

/// What to measure.
#[derive(Args)]
pub(crate) struct Bench {
    /// Numbers of calls.
    #[arg(long, value_delimiter = ',', default_value = "10,50,100,200,300")]
    calls: Vec<usize>,
    /// Ways to carry them.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "tap,record,forward,forward-only"
    )]
    modes: Vec<Mode>,
    /// Seconds to measure each.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Threads that carry calls.
    #[arg(long, default_value_t = 1)]
    shards: usize,
}

/// A way to carry calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Only heard.
    Tap,
    /// Heard and recorded.
    Record,
    /// Heard, recorded, and forwarded to one supervisor each.
    Forward,
    /// Heard and forwarded, not recorded: what recording adds is the difference.
    ForwardOnly,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    mode: Mode,
    calls: usize,
    core_percent: f64,
    packet_us: f64,
    packet_kernel_us: f64,
    cpu_s_per_call_minute: f64,
    call_kib: f64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
    loss_percent: f64,
}

/// What a scenario needs.
pub(crate) struct Wanted {
    pub(crate) calls: usize,
    pub(crate) record: bool,
    pub(crate) shards: usize,
}

/// A server, a load and a gateway, each a process.
pub(crate) struct Stack {
    pub(crate) carrier: Child,
    idle: Usage,
    publisher: Option<Child>,
    pub(crate) access: Access,
    _server: LivekitServer,
    _folder: TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Stack {
    /// Starts everything and waits until every call is tapped.
    pub(crate) fn start(wanted: &Wanted) -> Result<Self> {
        let mut stack = Self::without_calls(wanted)?;
        stack.publish(wanted.calls)?;
        Ok(stack)
    }

    /// Starts server and gateway.
    pub(crate) fn without_calls(wanted: &Wanted) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let options = sidetone_testkit::LivekitOptions {
            log_level: "error".to_owned(),
            empty_timeout_s: 60,
            ..Default::default()
        };
        let server = runtime.block_on(LivekitServer::start_with(options))?;
        let access = Access {
            url: server.url(),
            key: server.api_key().to_owned(),
            secret: server.api_secret().to_owned(),
        };
        let folder = TempDir::new()?;
        let mut arguments = access.arguments();
        arguments.extend([
            "--shards".to_owned(),
            wanted.shards.to_string(),
            "--folder".to_owned(),
            folder
                .path()
                .to_str()
                .context("temporary folders are UTF-8")?
                .to_owned(),
        ]);
        if wanted.record {
            arguments.push("--record".to_owned());
        }
        let carrier = Child::start("carry", &arguments)?;
        carrier.wait_for("ready", Duration::from_secs(20))?;
        std::thread::sleep(Duration::from_secs(1));
        let idle = Usage::of(carrier.pid())?;
        Ok(Self {
            carrier,
            idle,
            publisher: None,
            access,
            _server: server,
            _folder: folder,
            _runtime: runtime,
        })
    }
}

impl Stack {
    /// Begins this many calls and waits until every one is tapped.
    pub(crate) fn publish(&mut self, calls: usize) -> Result<()> {
        let known = counts(&mut self.carrier)?.calls;
        let mut arguments = self.access.arguments();
        arguments.extend(["--calls".to_owned(), calls.to_string()]);
        let publisher = Child::start("publish", &arguments)?;
        publisher.wait_for("ready", Duration::from_mins(3))?;
        self.publisher = Some(publisher);
        wait_until("every call to be tapped", Duration::from_mins(2), || {
            Ok(counts(&mut self.carrier)?.calls >= known + calls)
        })
    }

    /// Ends every call, as if the line was cut.
    pub(crate) fn hang_up(&mut self) {
        self.publisher = None;
    }

    fn sent(&mut self) -> Result<u64> {
        self.publisher
            .as_mut()
            .context("no calls were begun")?
            .ask("sent")
    }
}

pub(crate) fn counts(carrier: &mut Child) -> Result<Counts> {
    carrier.ask(&serde_json::to_string(&Question::Counts)?)
}

/// Asks twice a second until it is so.
pub(crate) fn wait_until(
    what: &str,
    within: Duration,
    mut so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let begun = clock::now();
    while !so()? {
        if clock::now() - begun > within {
            bail!("waited {within:?} in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        say(HEADER);
        let mut rows = Vec::new();
        for mode in &self.modes {
            for calls in &self.calls {
                let row = self.measure(*mode, *calls)?;
                print_row(&row);
                rows.push(row);
            }
            let of_mode: Vec<&Row> = rows.iter().filter(|row| row.mode == *mode).collect();
            if let Some(exponent) = growth(&of_mode) {
                say(&format!(
                    "{mode:?}: cost grows with calls to the power of {exponent:.2}"
                ));
            }
        }
        let worst = |mode: Mode| {
            let costs = rows
                .iter()
                .filter(|row| row.mode == mode)
                .map(|row| row.packet_us);
            costs.reduce(f64::max)
        };
        let (tapped, forwarded) = (worst(Mode::Tap), worst(Mode::Forward));
        let recording = recording_adds(&rows);
        let verdict = json!({
            "recording_adds": recording, "recording_adds_target": RECORDING_ADDS_TARGET,
            "scenario": "bench", "rows": rows,
            "tapped_us": tapped, "tapped_target_us": TAPPED_TARGET_US,
            "forwarded_us": forwarded, "forwarded_target_us": FORWARDED_TARGET_US,
            "passed": tapped.is_none_or(|us| us <= TAPPED_TARGET_US)
                && forwarded.is_none_or(|us| us <= FORWARDED_TARGET_US)
                && recording.is_none_or(|part| part <= RECORDING_ADDS_TARGET),
        });
        say(&verdict.to_string());
        Ok(())
    }

    fn measure(&self, mode: Mode, calls: usize) -> Result<Row> {
        let wanted = Wanted {
            calls,
            record: matches!(mode, Mode::Record | Mode::Forward),
            shards: self.shards,
        };
        let mut stack = Stack::start(&wanted)?;
        let forwards = matches!(mode, Mode::Forward | Mode::ForwardOnly);
        let supervisors = if forwards {
            Some(forward(&mut stack, calls)?)
        } else {
            None
        };
        std::thread::sleep(WARM_UP);
        let sent_before = stack.sent()?;
        let before = counts(&mut stack.carrier)?;
        let used_before = Usage::of(stack.carrier.pid())?;
        let begun = clock::now();
        std::thread::sleep(Duration::from_secs(self.seconds));
        let seconds = (clock::now() - begun).as_secs_f64();
        let used = Usage::of(stack.carrier.pid())?;
        let after = counts(&mut stack.carrier)?;
        let sent = stack.sent()? - sent_before;
        drop(supervisors);
        let spent = used.since(&used_before);
        let (cpu, kernel) = (spent.cpu().as_secs_f64(), spent.system.as_secs_f64());
        let packets = (after.received - before.received) as f64;
        let lost = if forwards {
            (after.received - before.received) as f64 - (after.forwarded - before.forwarded) as f64
                + (after.dropped - before.dropped) as f64
        } else {
            0.0
        };
        let unheard = (sent as f64 - packets).max(0.0);
        if packets < 0.9 * CALL_PPS * seconds * calls as f64 {
            say(&format!(
                "  only {packets:.0} packets in {seconds:.1} s: the machine is too small for this load"
            ));
        }
        Ok(Row {
            mode,
            calls,
            core_percent: cpu / seconds * 100.0,
            packet_us: cpu * 1e6 / packets,
            packet_kernel_us: kernel * 1e6 / packets,
            cpu_s_per_call_minute: cpu / seconds / calls as f64 * 60.0,
            call_kib: (used.resident_kib.saturating_sub(stack.idle.resident_kib)) as f64
                / calls as f64,
            latency_p50_ms: after.latency_p50_ms,
            latency_p99_ms: after.latency_p99_ms,
            loss_percent: (lost.max(0.0) + unheard) / sent.max(1) as f64 * 100.0,
        })
    }
}

/// Divides the calls among supervisors and waits until all are published.
fn forward(stack: &mut Stack, calls: usize) -> Result<Child> {
    let deaf = calls > HEARD_CALLS;
    let mut arguments = stack.access.arguments();
    arguments.extend(["--supervisors".to_owned(), SUPERVISORS.to_string()]);
    if deaf {
        arguments.push("--deaf".to_owned());
    }
    let mut supervisors = Child::start("supervise", &arguments)?;
    supervisors.wait_for("ready", Duration::from_mins(1))?;
    let listen = Question::Listen {
        supervisors: SUPERVISORS,
        everything: false,
    };
    let tracks: usize = stack.carrier.ask(&serde_json::to_string(&listen)?)?;
    if !deaf {
        wait_until("every track to be heard", Duration::from_mins(2), || {
            Ok(supervisors.ask::<Heard>("heard")?.tracks >= tracks)
        })?;
    }
    wait_until(
        "every packet to be forwarded",
        Duration::from_mins(1),
        || {
            let before = counts(&mut stack.carrier)?;
            std::thread::sleep(Duration::from_secs(1));
            let after = counts(&mut stack.carrier)?;
            let (received, forwarded) = (
                after.received - before.received,
                after.forwarded - before.forwarded,
            );
            Ok(forwarded * 100 >= received * 95)
        },
    )?;
    Ok(supervisors)
}

fn print_row(row: &Row) {
    say(&format!(
        "{:12} {:5}  {:6.1}  {:9.2} ({:6.2})  {:14.4}  {:8.0}  {:7.2} / {:6.2}  {:7.3}",
        format!("{:?}", row.mode).to_lowercase(),
        row.calls,
        row.core_percent,
        row.packet_us,
        row.packet_kernel_us,
        row.cpu_s_per_call_minute,
        row.call_kib,
        row.latency_p50_ms,
        row.latency_p99_ms,
        row.loss_percent,
    ));
}

/// What recording adds to the cost of a forwarded packet, as a part of it: the mean over the
/// numbers of calls that were measured with and without.
fn recording_adds(rows: &[Row]) -> Option<f64> {
    let of = |mode: Mode| rows.iter().filter(move |row| row.mode == mode);
    let parts: Vec<f64> = of(Mode::Forward)
        .filter_map(|with| {
            let without = of(Mode::ForwardOnly).find(|row| row.calls == with.calls)?;
            Some(with.packet_us / without.packet_us - 1.0)
        })
        .collect();
    (!parts.is_empty()).then(|| parts.iter().sum::<f64>() / parts.len() as f64)
}

/// The slope of CPU over calls, both as logarithms (least squares).
fn growth(rows: &[&Row]) -> Option<f64> {
    if rows.len() < 2 {
        return None;
    }
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| ((row.calls as f64).ln(), row.core_percent.max(0.01).ln()))
        .collect();
    let n = points.len() as f64;
    let (mean_x, mean_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let covariance: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}
