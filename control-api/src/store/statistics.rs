//! Numbers about a tenant's calls.

use std::collections::BTreeMap;

use sidetone_wire::Timestamp;

use super::columns::Columns as _;
use super::{Result, Tenant};

/// Numbers about the calls that began in a period.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) total: u64,
    /// Active now, whenever they began.
    pub(crate) active: u64,
    pub(crate) ended: u64,
    /// Ended with class `completed`.
    pub(crate) completed: u64,
    /// Mean length of the ended ones in seconds, 0 when there are none.
    pub(crate) average_duration_seconds: f64,
    /// How many ended ones had which outcome; the end's class stands for a missing outcome.
    pub(crate) outcomes: BTreeMap<String, u64>,
}

impl Tenant {
    /// Numbers about calls that began at `since` or later.
    pub(crate) async fn statistics(&self, since: Timestamp) -> Result<Statistics> {
        let rows = sqlx::query(
            "SELECT COALESCE(outcome, end_class) AS outcome, COUNT(*) AS n, \
             CAST(SUM(CASE WHEN end_class = 'completed' THEN 1 ELSE 0 END) AS BIGINT) AS completed, \
             CAST(SUM(COALESCE(ended_at - started_at, 0)) AS BIGINT) AS ms, \
             CAST(SUM(CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS ended \
             FROM calls WHERE client_id = $1 AND started_at >= $2 \
             GROUP BY COALESCE(outcome, end_class)",
        )
        .bind(self.key())
        .bind(since.unix_ms())
        .fetch_all(self.pool())
        .await?;
        let mut found = Statistics {
            active: self.active_count().await?,
            ..Statistics::default()
        };
        let mut total_ms = 0;
        for row in &rows {
            let count = row.unsigned("n")?;
            found.total += count;
            found.ended += row.unsigned("ended")?;
            found.completed += row.unsigned("completed")?;
            total_ms += row.unsigned("ms")?;
            if let Some(outcome) = row.opt_text("outcome")? {
                found.outcomes.insert(outcome, count);
            }
        }
        if found.ended > 0 {
            found.average_duration_seconds = total_ms as f64 / 1000.0 / found.ended as f64;
        }
        Ok(found)
    }
}
