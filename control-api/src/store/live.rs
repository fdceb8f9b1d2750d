//! Live intelligence: what models say about a call, part by part. The last write of a part wins.

use std::collections::BTreeMap;

use serde_json::Value;
use sidetone_wire::{CallId, LivePart, Timestamp};

use super::columns::{Columns as _, json as text};
use super::{Result, Tenant};

/// The parts of a call that were written, each with how often it was.
pub(crate) type Parts = BTreeMap<LivePart, (u64, Value)>;

impl Tenant {
    /// What was written about a call.
    pub(crate) async fn live(&self, call: CallId) -> Result<Parts> {
        let rows = sqlx::query(
            "SELECT part, version, body FROM live_parts WHERE client_id = $1 AND call_id = $2",
        )
        .bind(self.key())
        .bind(call.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let written = (row.unsigned("version")?, row.json("body")?);
                Ok((row.parsed("part")?, written))
            })
            .collect()
    }

    /// Writes a part; gives how often it was written now, `None` when there is no such call.
    pub(crate) async fn set_live(
        &self,
        call: CallId,
        part: LivePart,
        value: &Value,
        now: Timestamp,
    ) -> Result<Option<u64>> {
        let row = sqlx::query(
            "INSERT INTO live_parts (call_id, client_id, part, version, body, updated_at) \
             SELECT c.id, c.client_id, $1, 1, $2, CAST($3 AS BIGINT) FROM calls c \
             WHERE c.id = $4 AND c.client_id = $5 \
             ON CONFLICT (call_id, part) DO UPDATE SET client_id = excluded.client_id, \
             version = live_parts.version + 1, body = excluded.body, \
             updated_at = excluded.updated_at RETURNING version",
        )
        .bind(part.as_str())
        .bind(text(value))
        .bind(now.unix_ms())
        .bind(call.to_string())
        .bind(self.key())
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| row.unsigned("version")).transpose()
    }
}
