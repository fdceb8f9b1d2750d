//! Very many calls that ended, written past the control plane: it counts them at its start, as it
//! does with those of an earlier release.

use anyhow::{Context as _, Result};
use sidetone_service::clock;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// Calls lie evenly in so many days.
pub(super) const DAYS: i64 = 90;
const DAY_MS: i64 = 24 * 3_600_000;

/// Writes `calls` calls of the first tenant.
pub(super) async fn seed(database: &str, calls: u64) -> Result<()> {
    sqlx::any::install_default_drivers();
    let mut database = sqlx::AnyConnection::connect(database).await?;
    let tenant = sqlx::query("SELECT id FROM clients ORDER BY created_at LIMIT 1")
        .fetch_one(&mut database)
        .await
        .context("the first tenant")?;
    let tenant: String = tenant.get(0);
    let first = clock::wall() - DAYS * DAY_MS;
    let step = DAYS * DAY_MS / i64::try_from(calls)?.max(1);
    // one statement: the database makes the rows itself
    let sql = format!(
        "WITH RECURSIVE counted (n) AS \
           (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM counted WHERE n < {calls}), \
         timed (n, began) AS \
           (SELECT n, CAST({first} AS BIGINT) + n * {step} FROM counted) \
         INSERT INTO calls (id, client_id, upstream, upstream_call_id, direction, from_party, \
           to_party, agent_id, agent_name, status, end_class, end_code, outcome, started_at, \
           answered_at, ended_at, control_since, seen_at) \
         SELECT '01900000-0000-7000-8000-' || CAST(100000000000 + n AS TEXT), '{tenant}', 'vapi', \
           'seed-' || CAST(n AS TEXT), CASE n % 2 WHEN 0 THEN 'inbound' ELSE 'outbound' END, \
           '+4930' || CAST(1000000 + n AS TEXT), '+4989100', 'agent-' || CAST(n % 50 AS TEXT), \
           'Agent', 'ended', CASE WHEN n % 10 = 0 THEN 'upstream' ELSE 'completed' END, 'hangup', \
           CASE n % 4 WHEN 0 THEN 'sold' WHEN 1 THEN 'callback' ELSE NULL END, began, \
           began + 3000, began + 30000 + (n * 7919) % 300000, began, began FROM timed"
    );
    database.execute(AssertSqlSafe(sql)).await?;
    // as the database's own upkeep would have by now
    database.execute("ANALYZE").await?;
    database.close().await?;
    Ok(())
}
