//! What tenants want kept, and for how long.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::json;
use sidetone_wire::{TenantId, Timestamp};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::Columns as _;
use super::{Result, Store, Tenant, Tx};
use crate::calls::CallUpdate;
use crate::calls::redact::Redaction;

/// A tenant's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `None`: for ever.
    pub(crate) days: Option<u32>,
    /// Nothing of the tenant is erased.
    pub(crate) legal_hold: bool,
    /// A DTMF digit pauses.
    pub(crate) pause_on_dtmf: bool,
    /// A pause ends by itself after that long.
    pub(crate) resume_after_seconds: Option<u32>,
    /// The pause webhook's secret, encrypted.
    pub(crate) pause_webhook_secret: Option<String>,
    /// Which numbers are left out of transcripts.
    pub(crate) redaction: Redaction,
}

/// What holds where a tenant has said nothing.
const REDACTION: Redaction = Redaction {
    cards: true,
    phones: false,
};

impl Default for Policy {
    /// Everything is kept, but for numbers of cards.
    fn default() -> Self {
        Self {
            days: None,
            legal_hold: false,
            pause_on_dtmf: false,
            resume_after_seconds: None,
            pause_webhook_secret: None,
            redaction: REDACTION,
        }
    }
}

/// Which numbers a tenant does not want kept.
pub(super) async fn redaction(tx: &mut Tx, tenant: TenantId) -> Result<Redaction> {
    let row = sqlx::query("SELECT redact_cards, redact_phones FROM retention WHERE client_id = $1")
        .bind(tenant.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    row.map_or(Ok(REDACTION), |row| redacted(&row))
}

/// What tenants do not want kept, asked for once by each transaction.
#[derive(Default)]
pub(super) struct Redactions(BTreeMap<TenantId, Redaction>);

impl Redactions {
    /// A report as it is kept: without such numbers in what its vendor made of a conversation.
    pub(super) async fn kept<'a>(
        &mut self,
        tx: &mut Tx,
        tenant: TenantId,
        update: &'a CallUpdate,
    ) -> Result<Cow<'a, CallUpdate>> {
        if !update.may_hold_numbers() {
            return Ok(Cow::Borrowed(update));
        }
        let redaction = match self.0.get(&tenant) {
            Some(known) => *known,
            None => *self.0.entry(tenant).or_insert(redaction(tx, tenant).await?),
        };
        let mut kept = update.clone();
        kept.redact(redaction);
        Ok(Cow::Owned(kept))
    }
}

fn redacted(row: &AnyRow) -> Result<Redaction> {
    Ok(Redaction {
        cards: row.flag("redact_cards")?,
        phones: row.flag("redact_phones")?,
    })
}

impl Tenant {
    /// The tenant's policy; keeping everything is the default.
    pub(crate) async fn policy(&self) -> Result<Policy> {
        let row = sqlx::query(
            "SELECT days, legal_hold, pause_on_dtmf, resume_after_seconds, pause_webhook_secret, \
             redact_cards, redact_phones FROM retention WHERE client_id = $1",
        )
        .bind(self.key())
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else {
            return Ok(Policy::default());
        };
        let small = |column: &str| -> Result<Option<u32>> {
            let value = row.opt_int(column)?;
            Ok(value.and_then(|value| u32::try_from(value).ok()))
        };
        Ok(Policy {
            days: small("days")?,
            legal_hold: row.flag("legal_hold")?,
            pause_on_dtmf: row.flag("pause_on_dtmf")?,
            resume_after_seconds: small("resume_after_seconds")?,
            pause_webhook_secret: row.opt_text("pause_webhook_secret")?,
            redaction: redacted(&row)?,
        })
    }

    /// Puts a policy in place of `former`.
    pub(crate) async fn set_policy(
        &self,
        former: &Policy,
        policy: &Policy,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO retention (client_id, days, legal_hold, pause_on_dtmf, \
             resume_after_seconds, pause_webhook_secret, updated_at, redact_cards, \
             redact_phones) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (client_id) DO UPDATE SET days = excluded.days, \
             legal_hold = excluded.legal_hold, pause_on_dtmf = excluded.pause_on_dtmf, \
             resume_after_seconds = excluded.resume_after_seconds, \
             pause_webhook_secret = excluded.pause_webhook_secret, \
             updated_at = excluded.updated_at, redact_cards = excluded.redact_cards, \
             redact_phones = excluded.redact_phones",
        )
        .bind(self.key())
        .bind(policy.days.map(i64::from))
        .bind(i64::from(policy.legal_hold))
        .bind(i64::from(policy.pause_on_dtmf))
        .bind(policy.resume_after_seconds.map(i64::from))
        .bind(policy.pause_webhook_secret.clone())
        .bind(at.unix_ms())
        .bind(i64::from(policy.redaction.cards))
        .bind(i64::from(policy.redaction.phones))
        .execute(&mut *tx)
        .await?;
        let shown = |policy: &Policy| {
            json!({
                "days": policy.days,
                "legalHold": policy.legal_hold,
                "pauseOnDtmf": policy.pause_on_dtmf,
                "resumeAfterSeconds": policy.resume_after_seconds,
                "redactCards": policy.redaction.cards,
                "redactPhones": policy.redaction.phones,
            })
        };
        let detail = json!({
            "from": shown(former),
            "to": shown(policy),
            "secretChanged": former.pause_webhook_secret != policy.pause_webhook_secret,
        });
        let (action, subject) = ("retention.changed", Subject::Client(self.id));
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl Store {
    /// The tenant of that slug.
    pub(crate) async fn tenant_of(&self, slug: &str) -> Result<Option<TenantId>> {
        let row = sqlx::query("SELECT id FROM clients WHERE slug = $1")
            .bind(slug)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| row.parsed("id")).transpose()
    }
}
