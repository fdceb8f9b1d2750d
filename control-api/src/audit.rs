//! The audit log: what has to be written when, and what proves it later.
//!
//! **Rule**: an act that only changes the database is written by `store::audit::note` in the act's
//! own transaction: there is both or neither. An act that reaches outside of it (a gateway, a
//! vendor, a phone) is written in two rows: [`begin`] before it, and an act whose row cannot be
//! written is not done; [`result`] after it. An intent whose process died in between gets the
//! result `unknown` from [`run`].
//!
//! docs/design/audit.md has the chain, its proofs, and what they do not prove.

mod chain;
mod checkpoint;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sidetone_service::{Lifecycle, Settings, clock};
use sidetone_vault::StoreError;
use sidetone_wire::{AuditVerdict, Disagreement, DisagreementKind, TenantId, Timestamp};
use tracing::{error, warn};

use crate::app::{App, now};
use crate::store::{self, Actor, Intent, Store, Subject, Tenant};
pub(crate) use chain::{Hash, Head, Keys, Row, START};
use checkpoint::Checkpoint;
use verify::Verifier;

/// How often the log is looked after.
const TEND: Duration = Duration::from_secs(20);
/// A row is told of by a checkpoint at most this much later (with [`TEND`]: within a minute).
const CHECKPOINT_AFTER: Duration = Duration::from_secs(35);
/// Or when so many rows are not.
pub(crate) const CHECKPOINT_ROWS: u64 = 1_000;
/// An intent that is so old without a result has lost its process: no act takes so long.
const GIVEN_UP: Duration = Duration::from_mins(5);
/// Rows read at once while the log is verified.
const PAGE: u32 = 5_000;

/// What an act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// It was not done, for a reason that the detail tells.
    Refused,
    /// Nobody knows: the process that did it is gone.
    Unknown,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Writes that somebody is about to do something that reaches outside of the database. On an error
/// it must not be done.
pub(crate) async fn begin(
    tenant: &Tenant,
    actor: &Actor,
    action: &'static str,
    subject: Subject,
    detail: &Value,
) -> store::Result<Intent> {
    tenant.begin(actor, action, subject, detail, now()).await
}

/// Writes what became of it. What was done stays done when that fails: the failure is logged, and
/// the row says `unknown` later.
pub(crate) async fn result(tenant: &Tenant, intent: Intent, outcome: Outcome, detail: Value) {
    let id = intent.id();
    if let Err(error) = tenant.conclude(intent, outcome, detail, now()).await {
        error!(intent = %id, %error, "the result of an act could not be written to the audit log");
    }
}

/// Why the log was not verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("another verification is running")]
    Busy,
    #[error(transparent)]
    Database(#[from] store::Error),
    #[error("checkpoints cannot be read: {0}")]
    Objects(#[from] StoreError),
}

/// Verifies a tenant's log, one at a time: it reads all of it.
pub(crate) async fn verify(app: &App, tenant: &Tenant) -> Result<AuditVerdict, VerifyError> {
    let _turn = app.verifying.try_lock().map_err(|_| VerifyError::Busy)?;
    let start = clock::now();
    tenant.adopt().await?;
    // in this order: no checkpoint that is noted is missed, and none is ahead of the head
    let noted = tenant.audit_head().await?;
    let checkpoints = checkpoint::load(&app.objects, tenant.id()).await?;
    let head = tenant.audit_head().await?.map(|head| Head {
        checkpoint_seq: noted.map_or(0, |noted| noted.checkpoint_seq),
        ..head
    });
    let mut verifier = Verifier::new(app.store.audit_keys(), tenant.id(), checkpoints);
    let last = head.map_or(u64::MAX, |head| head.seq);
    let mut after = 0;
    while after < last && !verifier.is_done() {
        let rows = tenant.chained(after, last, PAGE).await?;
        for row in &rows {
            verifier.row(row);
        }
        let Some(row) = rows.last() else { break };
        after = row.seq;
    }
    let outcome = verifier.finish(head.as_ref());
    let beyond = tenant.beyond_head().await?.map(|(seq, id)| Disagreement {
        kind: DisagreementKind::Forked,
        seq,
        row_id: Some(id),
        detail: format!("row {seq} stands behind the end of the chain"),
    });
    let disagreement = outcome.disagreement.or(beyond);
    Ok(AuditVerdict {
        ok: disagreement.is_none(),
        rows: outcome.counts.rows,
        head_hash: hex::encode(outcome.head),
        adopted: outcome.counts.adopted,
        checkpoints: outcome.counts.checkpoints,
        foreign_checkpoints: outcome.counts.foreign_checkpoints,
        checkpoint_seq: outcome.counts.checkpoint_seq,
        public_key: hex::encode(app.store.audit_keys().public()),
        disagreement,
        checked_at: now(),
        took_ms: u64::try_from((clock::now() - start).as_millis()).unwrap_or(u64::MAX),
    })
}

/// Adds rows to the default tenant's log as acts do, a thousand in a transaction: for load tests.
///
/// # Errors
/// When the database fails.
pub async fn fill_audit_log(settings: &Settings, rows: u64) -> anyhow::Result<()> {
    let store = Store::open(&settings.database_url(), &settings.keys.secret_key).await?;
    store.fill_audit_log(rows, now()).await?;
    Ok(())
}

/// Looks after the log: takes in rows of the release before, ends intents that nobody will end,
/// puts checkpoints into the store. Until nobody is left to write rows.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut tend = tokio::time::interval(TEND);
    tend.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = tend.tick() => false,
            () = app.store.many_audit_rows() => false,
            () = lifecycle.drained() => true,
        };
        let tended = tokio::select! {
            tended = tend_once(&app, last) => tended,
            // the object store may be away: what has no checkpoint gets it after the next start
            () = lifecycle.stopping() => return Ok(()),
        };
        if let Err(error) = tended {
            error!(%error, "the audit log could not be looked after; the next round tries again");
        }
        if last {
            return Ok(());
        }
    }
}

async fn tend_once(app: &App, last: bool) -> store::Result<()> {
    for tenant in app.store.unchained().await? {
        let rows = app.store.tenant(tenant).adopt().await?;
        warn!(%tenant, rows, "rows of a release that chains none were taken into the audit log");
    }
    let at = now();
    let ago = |age: Duration| Timestamp::from_unix_ms(at.unix_ms() - age.as_millis() as i64);
    app.store.end_intents(ago(GIVEN_UP), at).await?;
    for (tenant, head, since) in app.store.without_checkpoint().await? {
        let waiting = head.seq - head.checkpoint_seq >= CHECKPOINT_ROWS;
        if last || waiting || since <= ago(CHECKPOINT_AFTER) {
            put_checkpoint(app, tenant, &head, at).await?;
        }
    }
    Ok(())
}

async fn put_checkpoint(
    app: &App,
    tenant: TenantId,
    head: &Head,
    at: Timestamp,
) -> store::Result<()> {
    let checkpoint = Checkpoint::new(app.store.audit_keys(), tenant, head, at);
    if let Err(error) = checkpoint::put(&app.objects, &checkpoint).await {
        error!(%tenant, %error, "a checkpoint of the audit log could not be stored");
        return Ok(()); // the next round tries again, and other tenants may have more luck
    }
    let former = app.store.checkpointed(tenant, head.seq, at).await?;
    let day = |at: Timestamp| at.unix_ms() / (24 * 60 * 60 * 1000);
    if former.is_some_and(|former| day(former) != day(at))
        && let Err(error) = checkpoint::thin(&app.objects, tenant, at).await
    {
        warn!(%tenant, %error, "old checkpoints could not be looked through");
    }
    Ok(())
}
