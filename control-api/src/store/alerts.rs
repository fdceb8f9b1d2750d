//! Alerts: what the rules found.
//!
//! **Invariant**: of a rule and subject, one alert is open at a time, whoever opens it: its key is
//! unique while it is open. `one_alert_is_open_per_rule_and_subject`

use sidetone_service::clock;
use sidetone_wire::{
    Alert, AlertKind, AlertState, AlertSubject, Author, CallId, Severity, TenantId, Timestamp,
    WebhookEventType,
};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::columns::{Columns as _, Moment, Statement};
use super::{Result, Store, Tenant, Tx, outbox};

/// Columns of an alert.
macro_rules! alert_columns {
    () => {
        "id, client_id, rule_id, name, kind, severity, state, subject_kind, subject_id, value, \
         message, fired_at, cleared_at, acknowledged_by, acknowledged_name, acknowledged_at, \
         snoozed_until"
    };
}

const ALERT: &str = concat!(
    "SELECT ",
    alert_columns!(),
    " FROM alerts WHERE client_id = "
);

/// An alert to be opened.
#[derive(Debug, Clone)]
pub(crate) struct NewAlert {
    /// `None`: no rule watches it.
    pub(crate) rule: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) kind: Option<AlertKind>,
    pub(crate) severity: Severity,
    pub(crate) subject: AlertSubject,
    pub(crate) subject_id: Uuid,
    pub(crate) value: Option<f64>,
    pub(crate) message: String,
    pub(crate) cooldown_seconds: u32,
}

/// An alert that changed, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Raised {
    pub(crate) tenant: TenantId,
    pub(crate) alert: Alert,
}

/// What opening came to.
#[derive(Debug, Clone)]
pub(crate) enum Opened {
    Raised(Box<Raised>),
    /// It is open already.
    Standing,
    /// Not before then: it cooled down too little, or is snoozed.
    NotBefore(Timestamp),
    /// The rule is gone or off.
    NoRule,
}

/// Which alerts a list holds, all conditions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertFilter {
    pub(crate) state: Option<AlertState>,
    pub(crate) rule: Option<Uuid>,
    pub(crate) call: Option<CallId>,
    /// Fired then or later.
    pub(crate) from: Option<Timestamp>,
    /// Fired then or earlier.
    pub(crate) to: Option<Timestamp>,
}

/// An open alert, for whoever watches on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenAlert {
    pub(crate) tenant: TenantId,
    pub(crate) rule: Uuid,
    pub(crate) subject: AlertSubject,
    pub(crate) subject_id: Uuid,
}

fn raised(row: &AnyRow) -> Result<Raised> {
    let subject: AlertSubject = row.parsed("subject_kind")?;
    let subject_id: Uuid = row.parsed("subject_id")?;
    let acknowledged_by = match row.opt_parsed("acknowledged_by")? {
        Some(user_id) => Some(Author {
            user_id,
            name: row.opt_text("acknowledged_name")?.unwrap_or_default(),
        }),
        None => None,
    };
    let value = row.opt_text("value")?;
    let alert = Alert {
        id: row.parsed("id")?,
        rule_id: row.opt_parsed("rule_id")?,
        name: row.text("name")?,
        kind: row.opt_parsed("kind")?,
        severity: row.parsed("severity")?,
        state: row.parsed("state")?,
        subject,
        call_id: (subject == AlertSubject::Call).then_some(CallId(subject_id)),
        subscription_id: (subject == AlertSubject::Subscription).then_some(subject_id),
        value: value.and_then(|value| value.parse().ok()),
        message: row.text("message")?,
        fired_at: row.time("fired_at")?,
        cleared_at: row.opt_time("cleared_at")?,
        acknowledged_by,
        acknowledged_at: row.opt_time("acknowledged_at")?,
        snoozed_until: row.opt_time("snoozed_until")?,
    };
    let tenant = row.parsed("client_id")?;
    Ok(Raised { tenant, alert })
}

/// What is unique of open alerts.
pub(super) fn key(rule: Option<Uuid>, subject: AlertSubject, id: Uuid) -> String {
    match rule {
        Some(rule) => format!("{rule}:{subject}:{id}"),
        None => format!("{subject}:{id}"),
    }
}

/// Opens an alert unless one of its kind is open, and owes it to those outside.
pub(super) async fn open(
    tx: &mut Tx,
    tenant: TenantId,
    new: &NewAlert,
    now: Timestamp,
) -> Result<Option<Raised>> {
    let sql = concat!(
        "INSERT INTO alerts (id, client_id, rule_id, name, kind, severity, state, subject_kind, \
         subject_id, open_key, value, message, fired_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'firing', $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (open_key) DO NOTHING RETURNING ",
        alert_columns!()
    );
    let row = sqlx::query(sql)
        .bind(clock::new_id().to_string())
        .bind(tenant.to_string())
        .bind(new.rule.map(|id| id.to_string()))
        .bind(&new.name)
        .bind(new.kind.map(|kind| kind.as_str().to_owned()))
        .bind(new.severity.as_str())
        .bind(new.subject.as_str())
        .bind(new.subject_id.to_string())
        .bind(key(new.rule, new.subject, new.subject_id))
        .bind(new.value.map(|value| value.to_string()))
        .bind(&new.message)
        .bind(now.unix_ms())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let raised = raised(&row)?;
    let kind = WebhookEventType::AlertFired;
    outbox::owe(tx, tenant, kind, &raised.alert, now).await?;
    Ok(Some(raised))
}

/// Clears the open alert of that key, and owes that to those outside.
pub(super) async fn clear(tx: &mut Tx, key: &str, now: Timestamp) -> Result<Option<Raised>> {
    let sql = concat!(
        "UPDATE alerts SET state = 'cleared', cleared_at = $1, open_key = NULL \
         WHERE open_key = $2 RETURNING ",
        alert_columns!()
    );
    let row = sqlx::query(sql)
        .bind(now.unix_ms())
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let raised = raised(&row)?;
    let kind = WebhookEventType::AlertCleared;
    outbox::owe(tx, raised.tenant, kind, &raised.alert, now).await?;
    Ok(Some(raised))
}

/// Clears all open alerts of a rule.
pub(super) async fn clear_rule(tx: &mut Tx, rule: Uuid, now: Timestamp) -> Result<Vec<Raised>> {
    let rows =
        sqlx::query("SELECT open_key FROM alerts WHERE rule_id = $1 AND open_key IS NOT NULL")
            .bind(rule.to_string())
            .fetch_all(&mut **tx)
            .await?;
    let mut cleared = Vec::new();
    for row in rows {
        cleared.extend(clear(tx, &row.text("open_key")?, now).await?);
    }
    Ok(cleared)
}

impl Store {
    /// Open alerts of rules, of all tenants.
    pub(crate) async fn open_alerts(&self) -> Result<Vec<OpenAlert>> {
        let rows = sqlx::query(
            "SELECT client_id, rule_id, subject_kind, subject_id FROM alerts \
             WHERE open_key IS NOT NULL AND rule_id IS NOT NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenAlert {
                    tenant: row.parsed("client_id")?,
                    rule: row.parsed("rule_id")?,
                    subject: row.parsed("subject_kind")?,
                    subject_id: row.parsed("subject_id")?,
                })
            })
            .collect()
    }

    /// Ends snoozes whose time is over; gives the alerts that are heard of again.
    pub(crate) async fn end_snoozes(&self, now: Timestamp) -> Result<Vec<Raised>> {
        let sql = concat!(
            "UPDATE alerts SET state = CASE WHEN acknowledged_at IS NULL THEN 'firing' \
             ELSE 'acknowledged' END WHERE state = 'snoozed' AND snoozed_until <= $1 RETURNING ",
            alert_columns!()
        );
        let rows = sqlx::query(sql)
            .bind(now.unix_ms())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(raised).collect()
    }
}

impl Tenant {
    /// Opens an alert of a rule.
    pub(crate) async fn open_alert(&self, new: &NewAlert, now: Timestamp) -> Result<Opened> {
        let mut tx = self.store.write().await?;
        let Some(id) = new.rule else {
            return Ok(Opened::NoRule);
        };
        let there = sqlx::query(
            "SELECT COUNT(*) AS n FROM alert_rules WHERE id = $1 AND client_id = $2 AND enabled = 1",
        )
        .bind(id.to_string())
        .bind(self.key())
        .fetch_one(&mut *tx)
        .await?;
        if there.int("n")? == 0 {
            return Ok(Opened::NoRule);
        }
        let row = sqlx::query(
            "SELECT MAX(cleared_at) AS cleared, MAX(snoozed_until) AS snoozed FROM alerts \
             WHERE rule_id = $1 AND subject_id = $2 AND open_key IS NULL",
        )
        .bind(id.to_string())
        .bind(new.subject_id.to_string())
        .fetch_one(&mut *tx)
        .await?;
        let cooldown = i64::from(new.cooldown_seconds) * 1000;
        let cooled = row.opt_int("cleared")?.map(|at| at + cooldown);
        let until = cooled.max(row.opt_int("snoozed")?);
        if let Some(until) = until.filter(|until| *until > now.unix_ms()) {
            return Ok(Opened::NotBefore(Timestamp::from_unix_ms(until)));
        }
        let opened = open(&mut tx, self.id, new, now).await?;
        tx.commit().await?;
        Ok(opened.map_or(Opened::Standing, |raised| Opened::Raised(Box::new(raised))))
    }

    /// Clears a rule's open alert about a subject.
    pub(crate) async fn clear_alert(
        &self,
        rule: Uuid,
        subject: AlertSubject,
        subject_id: Uuid,
        now: Timestamp,
    ) -> Result<Option<Raised>> {
        let mut tx = self.store.write().await?;
        let key = key(Some(rule), subject, subject_id);
        let cleared = clear(&mut tx, &key, now).await?;
        tx.commit().await?;
        Ok(cleared)
    }

    /// Alerts that fit, the last first, those before `before`.
    pub(crate) async fn alerts(
        &self,
        filter: &AlertFilter,
        before: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<Alert>> {
        let mut statement = Statement::new(ALERT);
        statement.text(self.key());
        if let Some(state) = filter.state {
            statement.sql(" AND state = ").text(state.as_str());
        }
        if let Some(rule) = filter.rule {
            statement.sql(" AND rule_id = ").text(rule.to_string());
        }
        if let Some(call) = filter.call {
            statement
                .sql(" AND subject_kind = 'call' AND subject_id = ")
                .text(call.to_string());
        }
        if let Some(from) = filter.from {
            statement.sql(" AND fired_at >= ").int(from.unix_ms());
        }
        if let Some(to) = filter.to {
            statement.sql(" AND fired_at <= ").int(to.unix_ms());
        }
        statement.before("fired_at", before);
        statement.limit(limit);
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| raised(row).map(|raised| raised.alert))
            .collect()
    }

    pub(crate) async fn alert(&self, id: Uuid) -> Result<Option<Alert>> {
        let mut statement = Statement::new(ALERT);
        statement.text(self.key());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.map(|row| raised(&row).map(|raised| raised.alert))
            .transpose()
    }

    /// Notes that somebody has taken an alert up; `None` when it is not open.
    pub(crate) async fn acknowledge(
        &self,
        id: Uuid,
        by: &Author,
        at: Timestamp,
    ) -> Result<Option<Alert>> {
        let sql = concat!(
            "UPDATE alerts SET state = 'acknowledged', acknowledged_by = $1, \
             acknowledged_name = $2, acknowledged_at = $3, snoozed_until = NULL \
             WHERE id = $4 AND client_id = $5 AND open_key IS NOT NULL RETURNING ",
            alert_columns!()
        );
        let row = sqlx::query(sql)
            .bind(by.user_id.to_string())
            .bind(&by.name)
            .bind(at.unix_ms())
            .bind(id.to_string())
            .bind(self.key())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| raised(&row).map(|raised| raised.alert))
            .transpose()
    }

    /// Notes that nobody wants to hear of an alert until then; `None` when it is not open.
    pub(crate) async fn snooze(&self, id: Uuid, until: Timestamp) -> Result<Option<Alert>> {
        let sql = concat!(
            "UPDATE alerts SET state = 'snoozed', snoozed_until = $1 \
             WHERE id = $2 AND client_id = $3 AND open_key IS NOT NULL RETURNING ",
            alert_columns!()
        );
        let row = sqlx::query(sql)
            .bind(until.unix_ms())
            .bind(id.to_string())
            .bind(self.key())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| raised(&row).map(|raised| raised.alert))
            .transpose()
    }
}
