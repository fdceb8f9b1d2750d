//! Listen tokens that were used.

use sidetone_wire::Timestamp;

use super::{Result, Store};
use crate::auth::Ticket;

impl Store {
    /// Uses a listen token; `false` when it was used before. Those whose time is over are
    /// forgotten: nobody takes them any more.
    pub(crate) async fn use_ticket(&self, ticket: &Ticket, now: Timestamp) -> Result<bool> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM used_listen_tokens WHERE expires_at < $1")
            .bind(now.unix_ms())
            .execute(&mut *tx)
            .await?;
        let done = sqlx::query(
            "INSERT INTO used_listen_tokens (id, expires_at) VALUES ($1, $2) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(ticket.id.to_string())
        .bind(ticket.until.unix_ms())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}
