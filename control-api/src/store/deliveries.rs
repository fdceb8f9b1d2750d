//! The log of deliveries, and the right to make one.
//!
//! A row is due when `next_attempt_at` has come. Whoever delivers sets it forward by
//! compare-and-set and so holds the row until then; a crash only lets that time pass.

use serde_json::Value;
use sidetone_service::clock;
use sidetone_wire::{
    DeliveryState, TenantId, Timestamp, WEBHOOK_VERSION, WebhookDelivery, WebhookEvent,
    WebhookEventType,
};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::alerts::Raised;
use super::audit::Actor;
use super::columns::{Columns as _, Moment, Statement, json as text};
use super::{Result, Store, Tenant, Tx, subscriptions};

/// The right to deliver a row until `until`; compare-and-set on that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryLease {
    pub(crate) id: Uuid,
    pub(crate) until: Timestamp,
}

/// A row that is being delivered.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) subscription: Uuid,
    pub(crate) url: String,
    /// Encrypted; the newest first.
    pub(crate) secrets: Vec<String>,
    pub(crate) message_id: String,
    pub(crate) payload: String,
    /// This one included.
    pub(crate) attempts: u32,
    pub(crate) created_at: Timestamp,
    /// Since when every attempt at the subscription failed.
    pub(crate) failing_since: Option<Timestamp>,
}

/// What an attempt came to.
#[derive(Debug, Clone)]
pub(crate) struct Attempted {
    pub(crate) state: DeliveryState,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) duration_ms: u64,
    /// When it is tried again, if it is.
    pub(crate) next: Option<Timestamp>,
    /// Why the subscription is switched off, if it is.
    pub(crate) disable: Option<&'static str>,
}

/// Which deliveries a log holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryFilter {
    pub(crate) state: Option<DeliveryState>,
    pub(crate) kind: Option<WebhookEventType>,
}

const DELIVERY: &str = "SELECT id, message_id, event, payload, state, attempts, next_attempt_at, \
    status, error, duration_ms, last_attempt_at, replay_of, created_at \
    FROM webhook_deliveries WHERE client_id = ";

fn delivery(row: &AnyRow) -> Result<WebhookDelivery> {
    let small = |column: &str| -> Result<Option<u16>> {
        let value = row.opt_int(column)?;
        Ok(value.and_then(|value| u16::try_from(value).ok()))
    };
    Ok(WebhookDelivery {
        id: row.parsed("id")?,
        message_id: row.text("message_id")?,
        kind: row.parsed("event")?,
        state: row.parsed("state")?,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        next_attempt_at: row.opt_time("next_attempt_at")?,
        status: small("status")?,
        error: row.opt_text("error")?,
        duration_ms: row
            .opt_int("duration_ms")?
            .and_then(|ms| u64::try_from(ms).ok()),
        last_attempt_at: row.opt_time("last_attempt_at")?,
        replay_of: row.opt_parsed("replay_of")?,
        created_at: row.time("created_at")?,
        payload: row.json("payload")?,
    })
}

/// A new id for a message; it stays the same however often that is sent.
pub(super) fn message_id() -> String {
    format!("msg_{}", clock::new_id().simple())
}

/// A row to be.
pub(super) struct NewDelivery<'a> {
    pub(super) id: Uuid,
    pub(super) subscription: Uuid,
    pub(super) tenant: TenantId,
    pub(super) message_id: &'a str,
    pub(super) kind: WebhookEventType,
    pub(super) payload: &'a str,
    pub(super) due: Timestamp,
    pub(super) replay_of: Option<Uuid>,
}

/// Writes a row.
pub(super) async fn insert(tx: &mut Tx, new: &NewDelivery<'_>, at: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO webhook_deliveries (id, subscription_id, client_id, message_id, event, \
         payload, state, next_attempt_at, replay_of, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9)",
    )
    .bind(new.id.to_string())
    .bind(new.subscription.to_string())
    .bind(new.tenant.to_string())
    .bind(new.message_id)
    .bind(new.kind.as_str())
    .bind(new.payload)
    .bind(new.due.unix_ms())
    .bind(new.replay_of.map(|id| id.to_string()))
    .bind(at.unix_ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Tenant {
    /// A subscription's log, the last first.
    pub(crate) async fn deliveries(
        &self,
        subscription: Uuid,
        filter: &DeliveryFilter,
        before: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<WebhookDelivery>> {
        let mut statement = Statement::new(DELIVERY);
        statement.text(self.key());
        statement
            .sql(" AND subscription_id = ")
            .text(subscription.to_string());
        if let Some(state) = filter.state {
            statement.sql(" AND state = ").text(state.as_str());
        }
        if let Some(kind) = filter.kind {
            statement.sql(" AND event = ").text(kind.as_str());
        }
        statement.before("created_at", before);
        statement.limit(limit);
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(delivery).collect()
    }

    /// One delivery of a subscription.
    pub(crate) async fn delivery(
        &self,
        subscription: Uuid,
        id: Uuid,
    ) -> Result<Option<WebhookDelivery>> {
        let mut statement = Statement::new(DELIVERY);
        statement.text(self.key());
        statement
            .sql(" AND subscription_id = ")
            .text(subscription.to_string());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(delivery).transpose()
    }

    /// Owes what was owed once more, under the same `webhook-id`; gives the new row.
    pub(crate) async fn replay(
        &self,
        subscription: Uuid,
        old: &WebhookDelivery,
        at: Timestamp,
    ) -> Result<Uuid> {
        let payload = text(&old.payload);
        let new = NewDelivery {
            id: clock::new_id(),
            subscription,
            tenant: self.id,
            message_id: &old.message_id,
            kind: old.kind,
            payload: &payload,
            due: at,
            replay_of: Some(old.id),
        };
        let mut tx = self.store.write().await?;
        insert(&mut tx, &new, at).await?;
        tx.commit().await?;
        Ok(new.id)
    }

    /// Owes a test, which the caller delivers: the row is theirs until `until`.
    pub(crate) async fn owe_ping(
        &self,
        subscription: Uuid,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<DeliveryLease> {
        let payload = text(&WebhookEvent {
            kind: WebhookEventType::Ping,
            version: WEBHOOK_VERSION,
            timestamp: at,
            data: Value::Object(serde_json::Map::new()),
        });
        let id = clock::new_id();
        let new = NewDelivery {
            id,
            subscription,
            tenant: self.id,
            message_id: &message_id(),
            kind: WebhookEventType::Ping,
            payload: &payload,
            due: until,
            replay_of: None,
        };
        let mut tx = self.store.write().await?;
        insert(&mut tx, &new, at).await?;
        tx.commit().await?;
        Ok(DeliveryLease { id, until })
    }
}

impl Store {
    /// Subscriptions that something is due for, those that wait longest first.
    pub(crate) async fn due_subscriptions(&self, now: Timestamp, limit: u32) -> Result<Vec<Uuid>> {
        let rows = sqlx::query(
            "SELECT subscription_id, MIN(next_attempt_at) AS due FROM webhook_deliveries \
             WHERE next_attempt_at <= $1 GROUP BY subscription_id ORDER BY due LIMIT $2",
        )
        .bind(now.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| row.parsed("subscription_id"))
            .collect()
    }

    /// What is due for a subscription, what waits longest first.
    pub(crate) async fn due_deliveries(
        &self,
        subscription: Uuid,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryLease>> {
        let rows = sqlx::query(
            "SELECT id, next_attempt_at FROM webhook_deliveries \
             WHERE subscription_id = $1 AND next_attempt_at <= $2 \
             ORDER BY next_attempt_at, id LIMIT $3",
        )
        .bind(subscription.to_string())
        .bind(now.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DeliveryLease {
                    id: row.parsed("id")?,
                    until: row.time("next_attempt_at")?,
                })
            })
            .collect()
    }

    /// Makes a row ours until `until`; `None` when somebody was faster.
    pub(crate) async fn claim_delivery(
        &self,
        seen: DeliveryLease,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Outgoing>> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE webhook_deliveries SET next_attempt_at = $1, attempts = attempts + 1 \
             WHERE id = $2 AND next_attempt_at = $3",
        )
        .bind(until.unix_ms())
        .bind(seen.id.to_string())
        .bind(seen.until.unix_ms())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT d.subscription_id, d.message_id, d.payload, d.attempts, d.created_at, s.url, \
             s.secret, s.former_secret, s.former_until, s.failing_since FROM webhook_deliveries d \
             JOIN webhook_subscriptions s ON s.id = d.subscription_id WHERE d.id = $1",
        )
        .bind(seen.id.to_string())
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut secrets = vec![row.text("secret")?];
        let former_holds = row.opt_time("former_until")?.is_some_and(|end| end > now);
        secrets.extend(row.opt_text("former_secret")?.filter(|_| former_holds));
        Ok(Some(Outgoing {
            subscription: row.parsed("subscription_id")?,
            url: row.text("url")?,
            secrets,
            message_id: row.text("message_id")?,
            payload: row.text("payload")?,
            attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
            created_at: row.time("created_at")?,
            failing_since: row.opt_time("failing_since")?,
        }))
    }

    /// Notes what an attempt came to; gives the tenant and the alert when the subscription was
    /// switched off by it. Nothing changes when the row is no longer ours.
    pub(crate) async fn attempted(
        &self,
        lease: DeliveryLease,
        outgoing: &Outgoing,
        attempted: &Attempted,
        now: Timestamp,
    ) -> Result<Option<Raised>> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE webhook_deliveries SET state = $1, status = $2, error = $3, \
             duration_ms = $4, last_attempt_at = $5, next_attempt_at = $6 \
             WHERE id = $7 AND next_attempt_at = $8",
        )
        .bind(attempted.state.as_str())
        .bind(attempted.status.map(i64::from))
        .bind(attempted.error.clone())
        .bind(attempted.duration_ms.cast_signed())
        .bind(now.unix_ms())
        .bind(attempted.next.map(Timestamp::unix_ms))
        .bind(lease.id.to_string())
        .bind(lease.until.unix_ms())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let delivered = attempted.state == DeliveryState::Delivered;
        subscriptions::tried(&mut tx, outgoing.subscription, delivered, now).await?;
        let raised = match attempted.disable {
            Some(why) => {
                let actor = Actor::rule("webhooks");
                subscriptions::switch_off(&mut tx, outgoing.subscription, why, &actor, now).await?
            }
            None => None,
        };
        tx.commit().await?;
        Ok(raised)
    }

    /// Drops deliveries that are over and older than `before`, and secrets that no longer sign.
    pub(crate) async fn forget_deliveries(&self, before: Timestamp, now: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM webhook_deliveries WHERE next_attempt_at IS NULL AND created_at < $1",
        )
        .bind(before.unix_ms())
        .execute(&self.pool)
        .await?;
        sqlx::query(
            "UPDATE webhook_subscriptions SET former_secret = NULL, former_until = NULL \
             WHERE former_until <= $1",
        )
        .bind(now.unix_ms())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Switches subscriptions off that more than `most` deliveries wait for.
    pub(crate) async fn switch_off_choked(&self, most: u32, now: Timestamp) -> Result<Vec<Raised>> {
        let rows = sqlx::query(
            "SELECT subscription_id FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL \
             GROUP BY subscription_id HAVING COUNT(*) > $1",
        )
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        let mut all = Vec::new();
        for row in rows {
            let mut tx = self.write().await?;
            let why = "too many deliveries wait for it";
            let actor = Actor::rule("webhooks");
            let id = row.parsed("subscription_id")?;
            all.extend(subscriptions::switch_off(&mut tx, id, why, &actor, now).await?);
            tx.commit().await?;
        }
        Ok(all)
    }

    /// How many deliveries wait to be sent.
    pub(crate) async fn waiting_deliveries(&self) -> Result<u64> {
        sqlx::query(
            "SELECT COUNT(*) AS n FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL",
        )
        .fetch_one(&self.pool)
        .await?
        .unsigned("n")
    }
}
