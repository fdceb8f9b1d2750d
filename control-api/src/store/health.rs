//! Receipts, heartbeats and what is cleared away.

use sidetone_wire::Timestamp;
use uuid::Uuid;

use super::columns::Columns as _;
use super::{Result, Store};

impl Store {
    /// Notes that a webhook was taken; `false` when it was before.
    pub(crate) async fn take_webhook(
        &self,
        source: &str,
        event_id: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO webhook_receipts (source, event_id, received_at) VALUES ($1, $2, $3) \
             ON CONFLICT (source, event_id) DO NOTHING",
        )
        .bind(source)
        .bind(event_id)
        .bind(now.unix_ms())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Drops receipts from before `before`.
    pub(crate) async fn forget_webhooks(&self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query("DELETE FROM webhook_receipts WHERE received_at < $1")
            .bind(before.unix_ms())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// Notes that a part works.
    pub(crate) async fn beat(&self, part: &str, now: Timestamp) -> Result<()> {
        sqlx::query(
            "INSERT INTO heartbeats (part, at) VALUES ($1, $2) \
             ON CONFLICT (part) DO UPDATE SET at = excluded.at",
        )
        .bind(part)
        .bind(now.unix_ms())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// When a part was last known to work.
    pub(crate) async fn last_beat(&self, part: &str) -> Result<Option<Timestamp>> {
        let row = sqlx::query("SELECT at FROM heartbeats WHERE part = $1")
            .bind(part)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| row.time("at")).transpose()
    }

    /// Whether a webhook was taken.
    pub(crate) async fn webhook_taken(&self, source: &str, event_id: &str) -> Result<bool> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM webhook_receipts WHERE source = $1 AND event_id = $2",
        )
        .bind(source)
        .bind(event_id)
        .fetch_one(&self.pool)
        .await?;
        Ok(row.int("n")? > 0)
    }

    /// What the wall clock said at a moment of the machine's present start, both in milliseconds:
    /// that of the first control plane since, which is this one if there is none.
    pub(crate) async fn anchor(
        &self,
        boot: Uuid,
        wall: i64,
        since_boot: i64,
    ) -> Result<(i64, i64)> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO boots (id, wall_ms, since_boot_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(boot.to_string())
        .bind(wall)
        .bind(since_boot)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query("SELECT wall_ms, since_boot_ms FROM boots WHERE id = $1")
            .bind(boot.to_string())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok((row.int("wall_ms")?, row.int("since_boot_ms")?))
    }

    /// The database's own clock, where it runs on its own.
    pub(crate) async fn clock(&self) -> Result<Option<Timestamp>> {
        if self.sqlite {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now_ms",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Some(row.time("now_ms")?))
    }
}
