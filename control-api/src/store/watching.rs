//! Calls of which a socket of their vendor tells while they go on.

use sidetone_wire::{CallId, TenantId, Upstream};

use super::columns::Columns as _;
use super::{Result, Store};

/// A call that may be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watchable {
    pub(crate) call: CallId,
    pub(crate) tenant: TenantId,
    pub(crate) upstream: Upstream,
    pub(crate) upstream_call_id: String,
}

impl Store {
    /// Live calls at vendors that have such a socket, the oldest first, at most `limit`.
    pub(crate) async fn watchable(&self, limit: usize) -> Result<Vec<Watchable>> {
        let rows = sqlx::query(
            "SELECT u.call_id, u.client_id, u.upstream, u.upstream_call_id \
             FROM upstream_calls u JOIN calls c ON c.id = u.call_id \
             WHERE u.upstream IN ('retell', 'elevenlabs') AND c.ended_at IS NULL \
             AND c.answered_at IS NOT NULL ORDER BY u.call_id LIMIT $1",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let one = |row: &sqlx::any::AnyRow| {
            Ok(Watchable {
                call: row.parsed("call_id")?,
                tenant: row.parsed("client_id")?,
                upstream: row.parsed("upstream")?,
                upstream_call_id: row.text("upstream_call_id")?,
            })
        };
        rows.iter().map(one).collect()
    }
}
