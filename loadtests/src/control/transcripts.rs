//! What is said in many calls at once, from the gateway's word to the dashboards that read along.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sidetone_service::clock;
use sidetone_testkit::{PostgresOptions, PostgresServer};

use super::dashboards::{Question, Read};
use super::percentile;
use super::plane::Running;
use crate::child::{Child, say};
use crate::process::Usage;

const CALLS: usize = 300;
/// Supervisors who read along, each as many of the calls.
const READERS: usize = 30;
const P95_TARGET_MS: f64 = 100.0;
const SETTLE: Duration = Duration::from_secs(3);
const CONNECTED_WITHIN: Duration = Duration::from_mins(1);

pub(super) async fn run(seconds: u64) -> Result<()> {
    let server = PostgresServer::start_with(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    });
    let server = server.await?;
    let database = server.database("transcripts").await?;
    let data = tempfile::tempdir()?;
    let mut plane = Running::start(&database, data.path()).await?;
    let calls = plane.talk(CALLS)?;
    tokio::time::sleep(SETTLE).await;
    let url = ["--url".to_owned(), plane.client.url.clone()];
    let mut load = Child::start("dashboards", &url)?;
    for calls in calls.chunks(CALLS.div_ceil(READERS)) {
        let (token, calls) = (plane.client.token.clone(), calls.to_vec());
        load.tell(&serde_json::to_string(&Question::Read { token, calls })?)?;
        let _: usize = load.answer(CONNECTED_WITHIN)?;
    }
    tokio::time::sleep(SETTLE).await;
    let _: usize = load.ask(&serde_json::to_string(&Question::Reset)?)?;
    let (before, begun) = (Usage::of(plane.child.pid())?, clock::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let cpu = Usage::of(plane.child.pid())?.since(&before).cpu();
    let lasted = (clock::now() - begun).as_secs_f64();
    let mut read: Read = load.ask(&serde_json::to_string(&Question::HasRead)?)?;
    let expected = super::plane::WORDS_PER_SECOND * CALLS as f64 * lasted;
    let all: Vec<f64> = [read.versions_ms.as_slice(), &read.finals_ms].concat();
    let mut sorted = all;
    let p95 = percentile(&mut sorted, 0.95);
    let verdict = json!({
        "scenario": "transcripts", "calls": CALLS, "readers": READERS,
        "updates_per_s": sorted.len() as f64 / lasted,
        "updates_of_expected": sorted.len() as f64 / expected,
        "p50_ms": percentile(&mut sorted, 0.5), "p95_ms": p95,
        "p99_ms": percentile(&mut sorted, 0.99), "p95_target_ms": P95_TARGET_MS,
        "finals_p95_ms": percentile(&mut read.finals_ms, 0.95),
        "versions_p95_ms": percentile(&mut read.versions_ms, 0.95),
        "cores": cpu.as_secs_f64() / lasted,
        "passed": p95 <= P95_TARGET_MS && sorted.len() as f64 > expected * 0.95,
    });
    say(&verdict.to_string());
    Ok(())
}
