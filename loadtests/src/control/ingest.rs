//! Webhooks into PostgreSQL: how many, how late they are acknowledged, and what the same rows would
//! have cost one at a time: rows a second of one client (ours has one writer too), and rows for a
//! second of CPU, the database's and its client's together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use sidetone_service::clock;
use sidetone_testkit::{PostgresOptions, PostgresServer};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
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
/// Rows of each table that are written again one at a time: more than there is time for.
const ROWS_AGAIN: usize = 50_000;

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
    let single = single_rows(&database, pid, Duration::from_secs(seconds)).await?;
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

/// A table that reports were written to, with some of its rows.
struct Written {
    /// Inserts one row into the table's empty twin.
    insert: String,
    rows: Vec<Vec<Option<String>>>,
}

/// The rows that the reports became, written again as a handler would that has one at a time, into
/// tables with the same columns, indexes and references.
async fn single_rows(database: &str, pid: u32, lasting: Duration) -> Result<SingleRows> {
    let mut connection = PgConnection::connect(database).await?;
    let tables = written(&mut connection).await?;
    let own = std::process::id();
    let (ours, theirs) = (Usage::of(own)?, Usage::of_family(pid)?);
    let begun = clock::now();
    let mut written = 0_u32;
    'rows: for n in 0..ROWS_AGAIN {
        for table in &tables {
            let Some(row) = table.rows.get(n) else {
                continue;
            };
            if clock::now() - begun >= lasting {
                break 'rows;
            }
            let insert = AssertSqlSafe(table.insert.as_str());
            let mut insert = sqlx::query(insert);
            for value in row {
                insert = insert.bind(value);
            }
            insert.execute(&mut connection).await?;
            written += 1;
        }
    }
    let took = (clock::now() - begun).as_secs_f64();
    let ours = Usage::of(own)?.since(&ours).cpu();
    let theirs = Usage::of_family(pid)?.since(&theirs).cpu();
    Ok(SingleRows {
        per_s: f64::from(written) / took,
        per_cpu_s: f64::from(written) / (ours + theirs).as_secs_f64(),
    })
}

/// The tables that grew with the reports, and an empty twin of each in a schema of its own.
async fn written(connection: &mut PgConnection) -> Result<Vec<Written>> {
    connection.execute("CREATE SCHEMA again").await?;
    let grew = "SELECT CAST(relname AS TEXT) FROM pg_stat_user_tables \
        WHERE schemaname = 'public' AND n_tup_ins > $1 ORDER BY 1";
    let names: Vec<String> = sqlx::query_scalar(grew)
        .bind(SENDERS as i64)
        .fetch_all(&mut *connection)
        .await?;
    let mut tables = Vec::new();
    for name in names {
        let twin = format!("CREATE TABLE again.{name} (LIKE public.{name} INCLUDING ALL)");
        connection.execute(AssertSqlSafe(twin)).await?;
        let references = "SELECT CAST(pg_get_constraintdef(oid) AS TEXT) FROM pg_constraint \
            WHERE contype = 'f' AND conrelid = CAST($1 AS regclass)";
        let references: Vec<String> = sqlx::query_scalar(references)
            .bind(&name)
            .fetch_all(&mut *connection)
            .await?;
        for reference in references {
            let add = format!("ALTER TABLE again.{name} ADD {reference}");
            connection.execute(AssertSqlSafe(add)).await?;
        }
        let columns = "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) \
            FROM information_schema.columns \
            WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
        let columns: Vec<(String, String)> = sqlx::query_as(columns)
            .bind(&name)
            .fetch_all(&mut *connection)
            .await?;
        let read = columns
            .iter()
            .map(|(column, _)| format!("CAST({column} AS TEXT)"));
        let read = read.collect::<Vec<_>>().join(", ");
        let values = columns
            .iter()
            .enumerate()
            .map(|(n, (_, kind))| format!("CAST(${} AS {kind})", n + 1));
        let values = values.collect::<Vec<_>>().join(", ");
        let rows = format!("SELECT {read} FROM public.{name} LIMIT {ROWS_AGAIN}");
        let rows = sqlx::query(AssertSqlSafe(rows))
            .fetch_all(&mut *connection)
            .await?;
        let rows = rows
            .iter()
            .map(|row| (0..columns.len()).map(|n| row.try_get(n)).collect());
        tables.push(Written {
            insert: format!("INSERT INTO again.{name} VALUES ({values})"),
            rows: rows.collect::<sqlx::Result<_>>()?,
        });
    }
    ensure!(!tables.is_empty(), "no table grew");
    Ok(tables)
}
