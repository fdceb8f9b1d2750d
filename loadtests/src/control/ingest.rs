//! Webhooks into PostgreSQL: how many, how late they are acknowledged, and what one row at a time
//! would have given: rows a second of one client (ours has one writer too), and rows for a second
//! of CPU, the database's and its client's together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use sidetone_service::clock;
use sidetone_testkit::{PostgresOptions, PostgresServer};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::percentile;
use super::plane::Running;
use crate::child::say;
use crate::process::Usage;

const ROWS_TARGET: f64 = 10_000.0;
const ACK_TARGET_MS: f64 = 200.0;
const RATIO_TARGET: f64 = 5.0;
/// Vendors that deliver at the same time; each waits for its answer before the next.
const SENDERS: usize = 512;
const SECRET: &str = "secret-of-the-bench";
const WARM_UP: Duration = Duration::from_secs(3);

pub(super) async fn run(seconds: u64) -> Result<()> {
    let options = PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    };
    let server = PostgresServer::start_with(options).await?;
    let database = server.database("ingest").await?;
    let data = tempfile::tempdir()?;
    let plane = Running::start(&database, data.path()).await?;
    let webhook = json!({"scheme": "vapi_secret", "secret": SECRET});
    let account = json!({"kind": "vapi", "name": "bench", "webhook": webhook});
    plane.client.post("/api/connections", &account).await?;
    let pid = server.process_id().context("PostgreSQL runs")?;
    let single = single_rows(&server, pid, Duration::from_secs(seconds)).await?;

    let address = plane.client.url.trim_start_matches("http://").to_owned();
    let end = Arc::new(AtomicBool::new(false));
    let measuring = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for n in 0..SENDERS {
        let (address, end, measuring) = (address.clone(), end.clone(), measuring.clone());
        senders.spawn(async move { send(&address, n, &end, &measuring).await });
    }
    tokio::time::sleep(WARM_UP).await;
    let rows = inserted(&database).await?;
    let (ours, theirs) = (Usage::of(plane.child.pid())?, Usage::of_family(pid)?);
    let begun = clock::now();
    measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    measuring.store(false, Ordering::Relaxed);
    let took = (clock::now() - begun).as_secs_f64();
    let rows = inserted(&database).await? - rows;
    let ours = Usage::of(plane.child.pid())?.since(&ours).cpu();
    let theirs = Usage::of_family(pid)?.since(&theirs).cpu();
    end.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    while let Some(sent) = senders.join_next().await {
        acknowledged.extend(sent??);
    }
    let rows_per_cpu_s = rows as f64 / (ours + theirs).as_secs_f64();
    let (reports, rows) = (acknowledged.len() as f64 / took, rows as f64 / took);
    let p50 = percentile(&mut acknowledged, 0.5);
    let p99 = percentile(&mut acknowledged, 0.99);
    let verdict = json!({
        "scenario": "ingest", "senders": SENDERS,
        "reports_per_s": reports, "rows_per_s": rows, "rows_target": ROWS_TARGET,
        "ack_p50_ms": p50, "ack_p99_ms": p99, "ack_target_ms": ACK_TARGET_MS,
        "single_row_inserts_per_s": single.per_s,
        "rows_ratio": rows / single.per_s,
        "rows_per_cpu_s": rows_per_cpu_s, "single_row_inserts_per_cpu_s": single.per_cpu_s,
        "rows_per_cpu_ratio": rows_per_cpu_s / single.per_cpu_s, "ratio_target": RATIO_TARGET,
        "cores": ours.as_secs_f64() / took, "database_cores": theirs.as_secs_f64() / took,
        "passed": rows >= ROWS_TARGET && p99 <= ACK_TARGET_MS
            && rows >= RATIO_TARGET * single.per_s
            && rows_per_cpu_s >= RATIO_TARGET * single.per_cpu_s,
    });
    say(&verdict.to_string());
    Ok(())
}

/// Delivers until the end; gives the milliseconds of each acknowledgement that was measured.
async fn send(
    address: &str,
    sender: usize,
    end: &AtomicBool,
    measuring: &AtomicBool,
) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut took = Vec::new();
    for n in 0_u64.. {
        if end.load(Ordering::Relaxed) {
            break;
        }
        let body = report(sender, n);
        let request = format!(
            "POST /api/webhooks/vapi/default HTTP/1.1\r\nhost: bench\r\nx-vapi-secret: {SECRET}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = clock::now();
        stream.write_all(request.as_bytes()).await?;
        match answered(&mut stream).await? {
            200 => {}
            503 => continue, // to be sent again, as a vendor would
            other => bail!("a report was answered with {other}"),
        }
        if measuring.load(Ordering::Relaxed) {
            took.push((clock::now() - begun).as_secs_f64() * 1000.0);
        }
    }
    Ok(took)
}

/// A new call's first report.
fn report(sender: usize, n: u64) -> String {
    json!({"message": {
        "type": "status-update", "status": "in-progress", "timestamp": clock::wall(),
        "call": {"id": format!("bench-{sender}-{n}"), "type": "inboundPhoneCall",
            "assistantId": "assistant-1", "createdAt": "2026-09-21T12:26:40.000Z",
            "customer": {"number": "+4930123456", "name": "Customer"},
            "phoneNumber": {"number": "+4989100"}},
    }})
    .to_string()
}

/// Reads one answer and gives its status.
async fn answered(stream: &mut TcpStream) -> Result<u16> {
    let mut answer = Vec::with_capacity(1024);
    loop {
        ensure!(
            stream.read_buf(&mut answer).await? > 0,
            "the connection was closed"
        );
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&answer[..head])?.to_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse)?;
        while answer.len() < head + 4 + length {
            ensure!(
                stream.read_buf(&mut answer).await? > 0,
                "an answer was cut off"
            );
        }
        let status = text.split(' ').nth(1).context("a status")?;
        return Ok(status.parse()?);
    }
}

/// Rows that were inserted into a database so far.
async fn inserted(database: &str) -> Result<i64> {
    let mut connection = PgConnection::connect(database).await?;
    // what its own backends have not reported yet comes within a second
    let sql = "SELECT CAST(COALESCE(SUM(n_tup_ins), 0) AS BIGINT) FROM pg_stat_user_tables";
    Ok(sqlx::query_scalar(sql).fetch_one(&mut connection).await?)
}

/// One row in each transaction, by one client.
struct SingleRows {
    per_s: f64,
    /// For a second of CPU, the database's and the client's.
    per_cpu_s: f64,
}

/// Rows of a call's size, as a handler would write them that has one at a time.
async fn single_rows(server: &PostgresServer, pid: u32, lasting: Duration) -> Result<SingleRows> {
    let database = server.database("single").await?;
    let mut connection = PgConnection::connect(&database).await?;
    let table = "CREATE TABLE reports (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, \
        from_party TEXT NOT NULL, to_party TEXT NOT NULL, at BIGINT NOT NULL)";
    connection.execute(table).await?;
    let own = std::process::id();
    let (ours, theirs) = (Usage::of(own)?, Usage::of_family(pid)?);
    let begun = clock::now();
    let mut written = 0_u32;
    while clock::now() - begun < lasting {
        sqlx::query("INSERT INTO reports VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(format!("report-{written}"))
            .bind("01900000-0000-7000-8000-000000000000")
            .bind("status-update")
            .bind("+4930123456")
            .bind("+4989100")
            .bind(i64::from(written))
            .execute(&mut connection)
            .await?;
        written += 1;
    }
    let took = (clock::now() - begun).as_secs_f64();
    let ours = Usage::of(own)?.since(&ours).cpu();
    let theirs = Usage::of_family(pid)?.since(&theirs).cpu();
    Ok(SingleRows {
        per_s: f64::from(written) / took,
        per_cpu_s: f64::from(written) / (ours + theirs).as_secs_f64(),
    })
}
