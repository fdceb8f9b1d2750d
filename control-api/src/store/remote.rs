//! Calls that are acted on at their vendor.

use std::collections::HashSet;

use sidetone_wire::{CallId, Party, TenantId, Upstream};

use super::columns::{Columns as _, json};
use super::{Result, Store, Tx};
use crate::remote::by_account;

/// How a call is reached at its vendor.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) call: CallId,
    pub(crate) tenant: TenantId,
    pub(crate) upstream: Upstream,
    pub(crate) upstream_call_id: String,
    /// Encrypted.
    pub(crate) control_url: Option<String>,
    /// Whom the vendor was told to silence.
    pub(crate) silenced: Vec<Party>,
}

/// Which of these tenants have credentials at which of their calls' upstreams, as far as these are
/// acted on with them.
pub(super) async fn accounts<'a>(
    tx: &mut Tx,
    calls: impl Iterator<Item = &'a (TenantId, Upstream, String)>,
) -> Result<HashSet<(TenantId, Upstream)>> {
    let asked = calls.filter(|(_, upstream, _)| by_account(*upstream));
    let asked: HashSet<(TenantId, Upstream)> = asked.map(|(one, at, _)| (*one, *at)).collect();
    let mut found = HashSet::new();
    for (tenant, upstream) in asked {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM connections \
             WHERE client_id = $1 AND kind = $2 AND credentials IS NOT NULL",
        )
        .bind(tenant.to_string())
        .bind(upstream.as_str())
        .fetch_one(&mut **tx)
        .await?;
        if row.int("n")? > 0 {
            found.insert((tenant, upstream));
        }
    }
    Ok(found)
}

impl Store {
    /// How a live call is reached, if a vendor reports it.
    pub(crate) async fn line(&self, call: CallId) -> Result<Option<Line>> {
        let row = sqlx::query(
            "SELECT u.client_id, u.upstream, u.upstream_call_id, u.control_url, u.silenced \
             FROM upstream_calls u JOIN calls c ON c.id = u.call_id \
             WHERE u.call_id = $1 AND c.ended_at IS NULL",
        )
        .bind(call.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Line {
                call,
                tenant: row.parsed("client_id")?,
                upstream: row.parsed("upstream")?,
                upstream_call_id: row.text("upstream_call_id")?,
                control_url: row.opt_text("control_url")?,
                silenced: row.json("silenced")?,
            })
        })
        .transpose()
    }

    /// The vendor has silenced these parties, and nobody else.
    pub(crate) async fn set_silenced(&self, call: CallId, parties: &[Party]) -> Result<()> {
        sqlx::query("UPDATE upstream_calls SET silenced = $1 WHERE call_id = $2")
            .bind(json(&parties))
            .bind(call.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
