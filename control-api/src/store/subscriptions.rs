//! Webhook subscriptions: who wants to be told of what.

use serde_json::json;
use sidetone_wire::WebhookSubscription;
use sidetone_wire::{AlertSubject, Severity, TenantId, Timestamp, WebhookEventType};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::alerts::{self, NewAlert, Raised};
use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Edit, Moment, Statement};
use super::{Result, Tenant, Tx};

const SUBSCRIPTION: &str = "SELECT id, url, description, events, enabled, disabled_reason, \
    failing_since, former_until, created_at, updated_at FROM webhook_subscriptions \
    WHERE client_id = ";

/// What is to be changed of a subscription; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubscriptionChange {
    pub(crate) url: Option<String>,
    pub(crate) description: Edit<String>,
    pub(crate) events: Option<Vec<WebhookEventType>>,
    pub(crate) enabled: Option<bool>,
}

/// What a subscription wants.
pub(super) struct Wish {
    pub(super) subscription: Uuid,
    pub(super) tenant: TenantId,
    pub(super) events: Vec<WebhookEventType>,
}

/// Events as a column: each word between blanks. Words that this version does not know are left
/// out.
fn events(row: &AnyRow) -> Result<Vec<WebhookEventType>> {
    let text = row.text("events")?;
    Ok(text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect())
}

fn words(events: &[WebhookEventType]) -> String {
    let words: Vec<&str> = events.iter().map(|event| event.as_str()).collect();
    format!(" {} ", words.join(" "))
}

fn subscription(row: &AnyRow) -> Result<WebhookSubscription> {
    Ok(WebhookSubscription {
        id: row.parsed("id")?,
        url: row.text("url")?,
        description: row.opt_text("description")?,
        events: events(row)?,
        enabled: row.flag("enabled")?,
        disabled_reason: row.opt_text("disabled_reason")?,
        failing_since: row.opt_time("failing_since")?,
        former_secret_until: row.opt_time("former_until")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// What the subscriptions of some tenants want.
pub(super) async fn wishes(tx: &mut Tx, tenants: &[TenantId]) -> Result<Vec<Wish>> {
    let mut statement = Statement::new(
        "SELECT id, client_id, events FROM webhook_subscriptions \
         WHERE enabled = 1 AND client_id IN (",
    );
    for (n, tenant) in tenants.iter().enumerate() {
        if n > 0 {
            statement.sql(", ");
        }
        statement.text(tenant.to_string());
    }
    statement.sql(") ORDER BY id");
    let rows = statement.query().fetch_all(&mut **tx).await?;
    rows.iter()
        .map(|row| {
            Ok(Wish {
                subscription: row.parsed("id")?,
                tenant: row.parsed("client_id")?,
                events: events(row)?,
            })
        })
        .collect()
}

/// Notes that something was delivered to a subscription, or could not be.
pub(super) async fn tried(tx: &mut Tx, id: Uuid, delivered: bool, now: Timestamp) -> Result<()> {
    let failing_since = (!delivered).then_some(now.unix_ms());
    sqlx::query(
        "UPDATE webhook_subscriptions SET failing_since = CASE WHEN $1 = 1 THEN NULL \
         ELSE COALESCE(failing_since, $2) END WHERE id = $3",
    )
    .bind(i64::from(delivered))
    .bind(failing_since)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives up what waits for a subscription.
async fn give_up(tx: &mut Tx, id: Uuid, why: &str) -> Result<()> {
    sqlx::query(
        "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, error = $1 \
         WHERE subscription_id = $2 AND next_attempt_at IS NOT NULL",
    )
    .bind(why)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Switches a subscription off on our own account, and raises an alert; `None` when it was off.
pub(super) async fn switch_off(
    tx: &mut Tx,
    id: Uuid,
    why: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Raised>> {
    let row = sqlx::query(
        "UPDATE webhook_subscriptions SET enabled = 0, disabled_reason = $1, updated_at = $2 \
         WHERE id = $3 AND enabled = 1 RETURNING client_id",
    )
    .bind(why)
    .bind(now.unix_ms())
    .bind(id.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    give_up(tx, id, "the subscription was switched off").await?;
    let Some(row) = row else { return Ok(None) };
    let tenant = row.parsed("client_id")?;
    let (action, subject) = ("subscription.disabled", Subject::Other("subscription", id));
    audit::note(
        tx,
        tenant,
        actor,
        action,
        subject,
        &json!({"why": why}),
        now,
    )
    .await?;
    let alert = NewAlert {
        rule: None,
        name: "Webhook subscription switched off".to_owned(),
        kind: None,
        severity: Severity::Critical,
        subject: AlertSubject::Subscription,
        subject_id: id,
        value: None,
        message: format!("A webhook subscription was switched off: {why}."),
        cooldown_seconds: 0,
    };
    alerts::open(tx, tenant, &alert, now).await
}

impl Tenant {
    /// Subscriptions, the oldest first, those after `after`.
    pub(crate) async fn subscriptions(
        &self,
        after: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<WebhookSubscription>> {
        let mut statement = Statement::new(SUBSCRIPTION);
        statement.text(self.key());
        statement.after("created_at", after);
        statement.limit(limit);
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(subscription).collect()
    }

    pub(crate) async fn subscription(&self, id: Uuid) -> Result<Option<WebhookSubscription>> {
        let mut statement = Statement::new(SUBSCRIPTION);
        statement.text(self.key());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(subscription).transpose()
    }

    /// Adds a subscription with its encrypted secret, unless the tenant has `most` already; gives
    /// whether it did.
    pub(crate) async fn add_subscription(
        &self,
        new: &WebhookSubscription,
        secret: &str,
        most: i64,
        actor: &Actor,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let row =
            sqlx::query("SELECT COUNT(*) AS n FROM webhook_subscriptions WHERE client_id = $1")
                .bind(self.key())
                .fetch_one(&mut *tx)
                .await?;
        if row.int("n")? >= most {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO webhook_subscriptions (id, client_id, url, description, events, enabled, \
             secret, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        )
        .bind(new.id.to_string())
        .bind(self.key())
        .bind(&new.url)
        .bind(new.description.clone())
        .bind(words(&new.events))
        .bind(i64::from(new.enabled))
        .bind(secret)
        .bind(new.created_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let (action, subject) = ("subscription.added", Subject::Other("subscription", new.id));
        let detail = json!({"events": new.events});
        let at = new.created_at;
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes a subscription; gives whether there is one, and the alerts that cleared because it
    /// is on again.
    pub(crate) async fn change_subscription(
        &self,
        id: Uuid,
        change: &SubscriptionChange,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Option<Vec<Raised>>> {
        let mut tx = self.store.write().await?;
        let fresh = change.url.is_some() || change.enabled == Some(true);
        let done = sqlx::query(
            "UPDATE webhook_subscriptions SET url = COALESCE($1, url), \
             events = COALESCE($2, events), enabled = COALESCE($3, enabled), \
             description = CASE WHEN $4 = 1 THEN $5 ELSE description END, \
             failing_since = CASE WHEN $6 = 1 THEN NULL ELSE failing_since END, \
             disabled_reason = CASE WHEN $7 = 1 THEN NULL ELSE disabled_reason END, \
             updated_at = $8 WHERE id = $9 AND client_id = $10",
        )
        .bind(change.url.clone())
        .bind(change.events.as_deref().map(words))
        .bind(change.enabled.map(i64::from))
        .bind(change.description.flag())
        .bind(change.description.value())
        .bind(i64::from(fresh))
        .bind(i64::from(change.enabled.is_some()))
        .bind(at.unix_ms())
        .bind(id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let mut cleared = Vec::new();
        match change.enabled {
            Some(false) => give_up(&mut tx, id, "the subscription was switched off").await?,
            Some(true) => {
                let key = alerts::key(None, AlertSubject::Subscription, id);
                cleared.extend(alerts::clear(&mut tx, &key, at).await?);
            }
            None => {}
        }
        let (action, subject) = ("subscription.changed", Subject::Other("subscription", id));
        let detail = json!({"urlChanged": change.url.is_some(), "events": change.events,
            "enabled": change.enabled});
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(Some(cleared))
    }

    /// Puts a new secret in place; the former one signs too until `former_until`. Gives whether
    /// there is such a subscription.
    pub(crate) async fn rotate_secret(
        &self,
        id: Uuid,
        secret: &str,
        former_until: Timestamp,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query(
            "UPDATE webhook_subscriptions SET former_secret = secret, former_until = $1, \
             secret = $2, updated_at = $3 WHERE id = $4 AND client_id = $5",
        )
        .bind(former_until.unix_ms())
        .bind(secret)
        .bind(at.unix_ms())
        .bind(id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (action, subject) = (
            "subscription.secret_rotated",
            Subject::Other("subscription", id),
        );
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a subscription with its log; gives whether there was one, and the alerts that
    /// cleared by it.
    pub(crate) async fn remove_subscription(
        &self,
        id: Uuid,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Option<Vec<Raised>>> {
        let mut tx = self.store.write().await?;
        let done =
            sqlx::query("DELETE FROM webhook_subscriptions WHERE id = $1 AND client_id = $2")
                .bind(id.to_string())
                .bind(self.key())
                .execute(&mut *tx)
                .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let key = alerts::key(None, AlertSubject::Subscription, id);
        let cleared = alerts::clear(&mut tx, &key, at).await?;
        let (action, subject) = ("subscription.removed", Subject::Other("subscription", id));
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), at).await?;
        tx.commit().await?;
        Ok(Some(cleared.into_iter().collect()))
    }
}
