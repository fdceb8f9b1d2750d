//! Alert rules, and the calls that they look at.

use serde_json::json;
use sidetone_wire::{AlertRule, CallId, Severity, TenantId, Timestamp};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::alerts::{Raised, clear_rule};
use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Moment, Statement, json as text};
use super::{Result, Store, Tenant};

const RULE: &str = "SELECT id, client_id, name, severity, enabled, condition, created_at, \
    updated_at FROM alert_rules WHERE ";

/// What is to be changed of a rule; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleChange {
    pub(crate) name: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) enabled: Option<bool>,
    pub(crate) condition: Option<sidetone_wire::AlertCondition>,
}

/// A stored call as rules see it.
#[derive(Debug, Clone)]
pub(crate) struct PastCall {
    pub(crate) id: CallId,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// By a failure of ours or its upstream's.
    pub(crate) failed: bool,
}

fn rule(row: &AnyRow) -> Result<AlertRule> {
    Ok(AlertRule {
        id: row.parsed("id")?,
        name: row.text("name")?,
        severity: row.parsed("severity")?,
        enabled: row.flag("enabled")?,
        condition: row.json("condition")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

impl Store {
    /// Enabled rules of all tenants.
    pub(crate) async fn enabled_rules(&self) -> Result<Vec<(TenantId, AlertRule)>> {
        let mut statement = Statement::new(RULE);
        statement.sql("enabled = 1 ORDER BY client_id, id");
        let rows = statement.query().fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((row.parsed("client_id")?, rule(row)?)))
            .collect()
    }
}

impl Tenant {
    /// Rules, the oldest first, those after `after`.
    pub(crate) async fn rules(&self, after: Option<Moment>, limit: u32) -> Result<Vec<AlertRule>> {
        let mut statement = Statement::new(RULE);
        statement.sql("client_id = ").text(self.key());
        statement.after("created_at", after);
        statement.limit(limit);
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(rule).collect()
    }

    pub(crate) async fn rule(&self, id: Uuid) -> Result<Option<AlertRule>> {
        let mut statement = Statement::new(RULE);
        statement.sql("client_id = ").text(self.key());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(rule).transpose()
    }

    /// Adds a rule, unless the tenant has `most` already; gives whether it did.
    pub(crate) async fn add_rule(&self, new: &AlertRule, most: i64, actor: &Actor) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let row = sqlx::query("SELECT COUNT(*) AS n FROM alert_rules WHERE client_id = $1")
            .bind(self.key())
            .fetch_one(&mut *tx)
            .await?;
        if row.int("n")? >= most {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO alert_rules (id, client_id, name, severity, enabled, condition, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(new.id.to_string())
        .bind(self.key())
        .bind(&new.name)
        .bind(new.severity.as_str())
        .bind(i64::from(new.enabled))
        .bind(text(&new.condition))
        .bind(new.created_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let (action, subject) = ("alert_rule.added", Subject::Other("alert_rule", new.id));
        let detail = json!({"name": new.name, "condition": new.condition});
        let at = new.created_at;
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes a rule; gives the alerts that cleared because it is off, `None` if there is no such
    /// rule.
    pub(crate) async fn change_rule(
        &self,
        id: Uuid,
        change: &RuleChange,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Option<Vec<Raised>>> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query(
            "UPDATE alert_rules SET name = COALESCE($1, name), severity = COALESCE($2, severity), \
             enabled = COALESCE($3, enabled), condition = COALESCE($4, condition), \
             updated_at = $5 WHERE id = $6 AND client_id = $7",
        )
        .bind(change.name.clone())
        .bind(change.severity.map(|severity| severity.as_str().to_owned()))
        .bind(change.enabled.map(i64::from))
        .bind(change.condition.as_ref().map(text))
        .bind(at.unix_ms())
        .bind(id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let cleared = if change.enabled == Some(false) {
            clear_rule(&mut tx, id, at).await?
        } else {
            Vec::new()
        };
        let (action, subject) = ("alert_rule.changed", Subject::Other("alert_rule", id));
        let detail = json!({"name": change.name, "enabled": change.enabled,
            "severity": change.severity, "condition": change.condition});
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(Some(cleared))
    }

    /// Removes a rule; gives the alerts that cleared by it, `None` if there is no such rule.
    pub(crate) async fn remove_rule(
        &self,
        id: Uuid,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Option<Vec<Raised>>> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query("DELETE FROM alert_rules WHERE id = $1 AND client_id = $2")
            .bind(id.to_string())
            .bind(self.key())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let cleared = clear_rule(&mut tx, id, at).await?;
        let (action, subject) = ("alert_rule.removed", Subject::Other("alert_rule", id));
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), at).await?;
        tx.commit().await?;
        Ok(Some(cleared))
    }

    /// Active calls and when they began, at most `limit`.
    pub(crate) async fn active_since(&self, limit: u32) -> Result<Vec<(CallId, Timestamp)>> {
        let rows = sqlx::query(
            "SELECT id, started_at FROM calls WHERE client_id = $1 AND ended_at IS NULL \
             ORDER BY started_at LIMIT $2",
        )
        .bind(self.key())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok((row.parsed("id")?, row.time("started_at")?)))
            .collect()
    }

    /// Calls that failed since then, and when, at most `limit`.
    pub(crate) async fn failed_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(CallId, Timestamp)>> {
        let rows = sqlx::query(
            "SELECT id, ended_at FROM calls WHERE client_id = $1 AND ended_at >= $2 \
             AND end_class IN ('upstream', 'ours') ORDER BY ended_at DESC LIMIT $3",
        )
        .bind(self.key())
        .bind(since.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok((row.parsed("id")?, row.time("ended_at")?)))
            .collect()
    }

    /// Calls that went on between two moments, of those that began after `earliest`; at most
    /// `limit`.
    pub(crate) async fn past_calls(
        &self,
        earliest: Timestamp,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<PastCall>> {
        let rows = sqlx::query(
            "SELECT id, started_at, ended_at, end_class FROM calls WHERE client_id = $1 \
             AND started_at >= $2 AND started_at <= $3 AND (ended_at IS NULL OR ended_at >= $4) \
             ORDER BY started_at, id LIMIT $5",
        )
        .bind(self.key())
        .bind(earliest.unix_ms())
        .bind(to.unix_ms())
        .bind(from.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let class = row.opt_text("end_class")?;
                Ok(PastCall {
                    id: row.parsed("id")?,
                    started_at: row.time("started_at")?,
                    ended_at: row.opt_time("ended_at")?,
                    failed: matches!(class.as_deref(), Some("upstream" | "ours")),
                })
            })
            .collect()
    }
}
