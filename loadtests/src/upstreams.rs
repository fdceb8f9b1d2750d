//! What calls behind sockets of vendors cost, beside bare libopus encoding the same sound, and what
//! a hundred who hear one of them by WebSocket cost, beside plain sends of as many frames.
//!
//! The system that is measured is the shipped program; vendors and listeners are of this process.

mod calls;
mod ears;
mod encode;
mod fan;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use sidetone_service::{clock, files};
use sidetone_testkit::{LivekitServer, System, User};

use crate::child::say;
use crate::process::Usage;
use calls::Calls;
use encode::Sound;
pub(crate) use fan::Fan;

/// Before measuring: connections settle, buffers grow to what they need.
const WARM_UP: Duration = Duration::from_secs(4);
/// The goal: CPU of a call as a multiple of what libopus takes for its sound.
const ENCODE_TARGET: f64 = 1.3;
/// The goal: CPU of a listener as a multiple of what plain sends take.
const FAN_TARGET: f64 = 2.0;

/// What is measured, and how much of it.
#[derive(Args)]
pub(crate) struct Upstreams {
    #[arg(long, value_delimiter = ',', default_value = "vapi,twilio,fan-out")]
    parts: Vec<Part>,
    /// Calls at each vendor.
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// Listeners of one call.
    #[arg(long, default_value_t = 100)]
    listeners: usize,
    /// Seconds to measure each.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// The program that carries the calls; the one beside this if it is not named.
    #[arg(long)]
    sidetone: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// 16 kHz stereo behind listen sockets: recorded, then heard by WebSocket as well.
    Vapi,
    /// µ-law that is brought: recorded, then forwarded to a monitor room as well.
    Twilio,
    /// One call that many hear by WebSocket.
    FanOut,
}

/// What calls of a kind cost, each.
#[derive(Debug, Serialize)]
struct Row {
    mode: &'static str,
    calls: usize,
    cpu_s_per_call_minute: f64,
    /// Bare libopus making what the listeners and the recording need.
    encode_s_per_call_minute: f64,
    ratio: f64,
}

impl Upstreams {
    pub(crate) fn run(self) -> Result<()> {
        files::raise_limit();
        let beside = std::env::current_exe()?.with_file_name("sidetone");
        let binary = self.sidetone.clone().unwrap_or(beside);
        let binary = std::path::absolute(&binary).context("the program's path")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        for part in &self.parts {
            let verdict = match part {
                Part::Vapi => runtime.block_on(Box::pin(self.vapi(&binary)))?,
                Part::Twilio => runtime.block_on(Box::pin(self.twilio(&binary)))?,
                Part::FanOut => runtime.block_on(Box::pin(self.fan_out(&binary)))?,
            };
            say(&verdict.to_string());
        }
        Ok(())
    }

    async fn vapi(&self, binary: &Path) -> Result<serde_json::Value> {
        let mono = encode::mono(Sound::Wide, self.calls)?;
        let stereo = encode::stereo(self.calls)?;
        let system = System::start_alone(binary).await;
        let user = system.login().await;
        let calls = Calls::at_vapi(&system, &user, self.calls).await?;
        let mut rows = vec![self.row("recorded", &system, mono).await?];
        let _ears = ears::feeds(&user, &calls.ids, 1).await?;
        let heard = mono + stereo;
        let row = self.row("recorded, heard by WebSocket", &system, heard);
        rows.push(row.await?);
        calls.end();
        Ok(verdict("vapi", &rows))
    }

    async fn twilio(&self, binary: &Path) -> Result<serde_json::Value> {
        let mono = encode::mono(Sound::Narrow, self.calls)?;
        let livekit = LivekitServer::start().await?;
        let system = System::start(binary, &livekit).await;
        let user = system.login().await;
        let calls = Calls::at_twilio(&user, self.calls).await?;
        let mut rows = vec![self.row("recorded", &system, mono).await?];
        let ear = ears::monitor(&user, &calls.ids).await?;
        let row = self.row("recorded, forwarded", &system, mono);
        rows.push(row.await?);
        ear.abort();
        calls.end();
        Ok(verdict("twilio", &rows))
    }

    async fn fan_out(&self, binary: &Path) -> Result<serde_json::Value> {
        let system = System::start_alone(binary).await;
        let user = system.login().await;
        let calls = Calls::at_vapi(&system, &user, 1).await?;
        let _first = ears::feeds(&user, &calls.ids, 1).await?;
        let one = self.spent(system.pid()).await?;
        let ears = ears::feeds(&user, &calls.ids, self.listeners).await?;
        let all = self.spent(system.pid()).await?;
        let frame_bytes = ears.frame_bytes();
        drop(ears);
        calls.end();
        let ours = (all - one).max(0.0);
        let plain = fan::plain(self.listeners, frame_bytes, WARM_UP, self.seconds).await?;
        let ratio = ours / plain;
        let each_us = |cpu: f64| cpu * 1e6 / (self.listeners as f64 * fan::FRAMES_PER_SECOND);
        say(&format!(
            "{} listeners of one call: {:.2} us a frame, plain sends of {frame_bytes} bytes \
             {:.2} us: {ratio:.2} (target {FAN_TARGET})",
            self.listeners,
            each_us(ours),
            each_us(plain),
        ));
        Ok(json!({
            "scenario": "upstreams", "part": "fan-out", "listeners": self.listeners,
            "frame_bytes": frame_bytes, "frame_us": each_us(ours), "plain_us": each_us(plain),
            "ratio": ratio, "ratio_target": FAN_TARGET, "passed": ratio <= FAN_TARGET,
        }))
    }

    /// What calls cost now, beside `encode` seconds of CPU for a second of each.
    async fn row(&self, mode: &'static str, system: &System, encode: f64) -> Result<Row> {
        let spent = self.spent(system.pid()).await? / self.calls as f64;
        let row = Row {
            mode,
            calls: self.calls,
            cpu_s_per_call_minute: spent * 60.0,
            encode_s_per_call_minute: encode * 60.0,
            ratio: spent / encode,
        };
        say(&format!(
            "{:30} {:4} calls: {:.3} CPU-s a call-minute, bare libopus {:.3}: {:.2} (target \
             {ENCODE_TARGET})",
            row.mode, row.calls, row.cpu_s_per_call_minute, row.encode_s_per_call_minute, row.ratio,
        ));
        Ok(row)
    }

    /// Seconds of CPU that a process spends in a second.
    async fn spent(&self, pid: u32) -> Result<f64> {
        spent(pid, WARM_UP, self.seconds).await
    }
}

/// Seconds of CPU that a process spends in a second, once it is warm.
async fn spent(pid: u32, warm_up: Duration, seconds: u64) -> Result<f64> {
    tokio::time::sleep(warm_up).await;
    let (before, begun) = (Usage::of(pid)?, clock::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let cpu = Usage::of(pid)?.since(&before).cpu();
    Ok(cpu.as_secs_f64() / (clock::now() - begun).as_secs_f64())
}

fn verdict(part: &str, rows: &[Row]) -> serde_json::Value {
    let worst = rows.iter().map(|row| row.ratio).fold(0.0, f64::max);
    json!({
        "scenario": "upstreams", "part": part, "rows": rows, "ratio_target": ENCODE_TARGET,
        "passed": worst <= ENCODE_TARGET,
    })
}

/// Waits until so many calls are recorded; gives their ids.
async fn recorded(user: &User, calls: usize) -> Vec<String> {
    let what = format!("{calls} calls that are recorded");
    user.until(&what, "/api/calls/active?limit=100", |page| {
        let items = page["items"].as_array()?.iter();
        let recorded = items.filter(|call| call["recording"]["state"] == "recording");
        let ids: Vec<String> = recorded.map(sidetone_testkit::id).collect();
        (ids.len() == calls).then_some(ids)
    })
    .await
}
