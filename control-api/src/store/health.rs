//! Receipts, heartbeats and what is cleared away.

use sidetone_wire::Timestamp;

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
}
