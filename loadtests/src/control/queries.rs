//! Figures and lists over very many calls, on both databases.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_testkit::{PostgresOptions, PostgresServer};

use super::http::Client;
use super::plane::Running;
use super::{percentile, seed};
use crate::child::say;

const COLD_TARGET_MS: f64 = 50.0;
const CACHED_TARGET_MS: f64 = 5.0;
const PAGE_TARGET_MS: f64 = 20.0;
/// Periods that figures are asked for: each is computed anew.
const HOURS: std::ops::RangeInclusive<u32> = 1..=168;
/// How often what is cached is asked for, and pages are turned.
const TIMES: usize = 200;

pub(super) async fn run(calls: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sqlite = format!("sqlite://{}/sidetone.db", dir.path().display());
    measure("sqlite", &sqlite, calls).await?;
    let options = PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    };
    let server = PostgresServer::start_with(options).await?;
    let postgres = server.database("queries").await?;
    measure("postgres", &postgres, calls).await
}

async fn measure(name: &str, database: &str, calls: u64) -> Result<()> {
    let data = tempfile::tempdir()?;
    let folder = data.path();
    // the schema first, then the rows, then a start that finds them
    drop(Running::start(database, folder).await?);
    let begun = clock::now();
    seed::seed(database, calls).await?;
    let seeded = clock::now() - begun;
    let begun = clock::now();
    let plane = Running::start(database, folder).await?;
    let started = clock::now() - begun;
    say(&format!(
        "{name}: {calls} calls written in {seeded:.1?}, counted at the start in {started:.1?}"
    ));
    let client = &plane.client;
    let (all, _) = client.timed("/api/dashboard/metrics?hours=168").await?;
    let counted = all["metrics"]["total_calls"].as_u64().context("a number")?;
    let mut cold = Vec::new();
    for hours in HOURS {
        let path = format!("/api/dashboard/metrics?hours={hours}");
        cold.push(client.timed(&path).await?.1);
    }
    let mut cached = Vec::new();
    for _ in 0..TIMES {
        cached.push(client.timed("/api/dashboard/metrics?hours=24").await?.1);
    }
    let mut pages = pages(client, "/api/calls?limit=50").await?;
    let mut filtered = pages_of_filters(client).await?;
    let p95 = |of: &mut [f64]| percentile(of, 0.95);
    let (cold, cached) = (p95(&mut cold), p95(&mut cached));
    let (pages, filtered) = (p95(&mut pages), p95(&mut filtered));
    let verdict = json!({
        "scenario": "queries", "database": name, "calls": calls, "counted_in_a_week": counted,
        "metrics_cold_p95_ms": cold, "metrics_cold_target_ms": COLD_TARGET_MS,
        "metrics_cached_p95_ms": cached, "metrics_cached_target_ms": CACHED_TARGET_MS,
        "page_p95_ms": pages, "page_filtered_p95_ms": filtered, "page_target_ms": PAGE_TARGET_MS,
        "passed": counted > 0 && cold <= COLD_TARGET_MS && cached <= CACHED_TARGET_MS
            && pages <= PAGE_TARGET_MS,
    });
    say(&verdict.to_string());
    Ok(())
}

/// Turns pages from the newest on.
async fn pages(client: &Client, path: &str) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    let mut next = path.to_owned();
    for _ in 0..TIMES {
        let (page, ms) = client.timed(&next).await?;
        took.push(ms);
        let Value::String(cursor) = &page["nextCursor"] else {
            break;
        };
        next = format!("{path}&cursor={cursor}");
    }
    Ok(took)
}

/// First pages with the filters of the history page.
async fn pages_of_filters(client: &Client) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for n in 0..TIMES / 4 {
        for filter in [
            format!("agent=agent-{}", n % 50),
            "status=ended".to_owned(),
            "direction=outbound".to_owned(),
            format!("min_duration={}", 30 + n),
        ] {
            let path = format!("/api/calls?limit=50&{filter}");
            took.push(client.timed(&path).await?.1);
        }
    }
    Ok(took)
}
