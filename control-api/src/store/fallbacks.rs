//! What tenants want done with calls whose supervisor is lost.

use serde_json::json;
use sidetone_wire::{Fallback, FallbackAct, Timestamp};

use super::audit::{self, Actor, Subject};
use super::columns::Columns as _;
use super::{Result, Tenant};
use crate::fallback::USER;

impl Tenant {
    /// What is done; giving the call back and no more is the default.
    pub(crate) async fn fallback(&self) -> Result<Fallback> {
        let row = sqlx::query("SELECT act, target FROM fallbacks WHERE client_id = $1")
            .bind(self.key())
            .fetch_optional(self.pool())
            .await?;
        match row {
            Some(row) => Ok(Fallback {
                act: row.parsed("act")?,
                to: row.opt_text("target")?,
            }),
            None => Ok(Fallback {
                act: FallbackAct::HandBack,
                to: None,
            }),
        }
    }

    /// Puts another one in its place.
    pub(crate) async fn set_fallback(
        &self,
        fallback: &Fallback,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO fallbacks (client_id, act, target, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (client_id) DO UPDATE SET act = excluded.act, \
             target = excluded.target, updated_at = excluded.updated_at",
        )
        .bind(self.key())
        .bind(fallback.act.as_str())
        .bind(fallback.to.clone())
        .bind(at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let is_user = |to: &String| to.starts_with(USER);
        let kind = fallback
            .to
            .as_ref()
            .map(|to| if is_user(to) { "user" } else { "number" });
        let detail = json!({ "act": fallback.act, "kind": kind });
        let (action, subject) = ("fallback.changed", Subject::Client(self.id));
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await
    }
}
