//! Erasure: the key first and in one transaction with the tombstone, the objects afterwards.
//!
//! **Invariant**: a recording whose row has lost its key is never given one again, and what is
//! under a legal hold, its own or its tenant's, loses nothing.

use serde_json::{Value, json};
use sidetone_wire::{CallId, Channel, MediaFile, RecordingId, TakeState, TenantId, Timestamp};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{self, Columns as _, Statement};
use super::{Result, Store, Tenant, Tx, takes, transcripts};

/// What an erasure came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erasure {
    /// It is erased now; whose recording it was.
    Now(CallId),
    /// It was erased before.
    Done,
    /// A legal hold keeps it.
    Held,
    /// There is no such recording.
    Unknown,
}

/// What is left of an erased recording outside of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remains {
    pub(crate) recording: RecordingId,
    pub(crate) erased_at: Timestamp,
    /// Names in the store: the media files and the manifest.
    pub(crate) objects: Vec<String>,
}

/// No hold of its own, none of its tenant's, not erased.
const ERASABLE: &str = "erased_at IS NULL AND legal_hold = 0 AND NOT EXISTS \
    (SELECT 1 FROM retention p WHERE p.client_id = recordings.client_id AND p.legal_hold = 1)";

/// A recording about to be erased.
struct Doomed {
    id: RecordingId,
    call: CallId,
    tenant: TenantId,
    channels: Vec<Channel>,
}

const DOOMED: &str = "SELECT id, call_id, client_id, channels FROM recordings WHERE ";

fn doomed(row: &AnyRow) -> Result<Doomed> {
    Ok(Doomed {
        id: row.parsed("id")?,
        call: row.parsed("call_id")?,
        tenant: row.parsed("client_id")?,
        channels: row.json("channels")?,
    })
}

impl Tenant {
    /// Erases a recording.
    pub(crate) async fn erase(
        &self,
        id: RecordingId,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Erasure> {
        let mut tx = self.store.write().await?;
        let row = sqlx::query("SELECT state FROM recordings WHERE id = $1 AND client_id = $2")
            .bind(id.to_string())
            .bind(self.key())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else {
            return Ok(Erasure::Unknown);
        };
        if row.parsed::<TakeState>("state")? == TakeState::Erased {
            return Ok(Erasure::Done);
        }
        let mut statement = Statement::new(DOOMED);
        statement
            .sql(ERASABLE)
            .sql(" AND id = ")
            .text(id.to_string());
        let Some(row) = statement.query().fetch_optional(&mut *tx).await? else {
            return Ok(Erasure::Held);
        };
        let doomed = doomed(&row)?;
        let done = erase(&mut tx, &doomed, actor, &json!({}), at).await?;
        takes::lamp(&mut tx, doomed.call).await?;
        tx.commit().await?;
        Ok(if done {
            Erasure::Now(doomed.call)
        } else {
            Erasure::Held
        })
    }

    /// Sets or lifts a recording's legal hold; `None` when there is no such recording, `false`
    /// when it is erased.
    pub(crate) async fn hold_recording(
        &self,
        id: RecordingId,
        held: bool,
        actor: &Actor,
        reason: &str,
        at: Timestamp,
    ) -> Result<Option<bool>> {
        let mut tx = self.store.write().await?;
        let row = sqlx::query(
            "SELECT legal_hold, erased_at FROM recordings WHERE id = $1 AND client_id = $2",
        )
        .bind(id.to_string())
        .bind(self.key())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let done = sqlx::query(
            "UPDATE recordings SET legal_hold = $1 WHERE id = $2 AND erased_at IS NULL",
        )
        .bind(i64::from(held))
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Some(false));
        }
        if row.flag("legal_hold")? != held {
            let action = if held {
                "recording.held"
            } else {
                "recording.released"
            };
            let (subject, detail) = (Subject::Recording(id), json!({ "reason": reason }));
            audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        }
        tx.commit().await?;
        Ok(Some(true))
    }
}

impl Store {
    /// Erases recordings that are older at `now` than their tenant's policy lets them be, the
    /// oldest first, at most `limit`; gives which.
    pub(crate) async fn expire(
        &self,
        trusted: Timestamp,
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<RecordingId>> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "SELECT r.id, r.call_id, r.client_id, r.channels FROM recordings r \
             JOIN retention p ON p.client_id = r.client_id \
             WHERE p.days IS NOT NULL AND p.legal_hold = 0 AND r.legal_hold = 0 \
             AND r.erased_at IS NULL AND r.ended_at < $1 - p.days * 86400000 \
             ORDER BY r.ended_at, r.id LIMIT $2",
        )
        .bind(trusted.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
        let actor = Actor::rule("retention");
        let mut erased = Vec::with_capacity(rows.len());
        for row in &rows {
            let doomed = doomed(row)?;
            if erase(&mut tx, &doomed, &actor, &json!({}), at).await? {
                erased.push(doomed.id);
            }
        }
        tx.commit().await?;
        Ok(erased)
    }

    /// Erased recordings of which something may be left, the first erased first, those after
    /// `after`.
    pub(crate) async fn remains(
        &self,
        after: Option<&Remains>,
        limit: u32,
    ) -> Result<Vec<Remains>> {
        let mut statement = Statement::new(
            "SELECT id, erased_at, object, extra FROM recordings \
             WHERE erase_done_at IS NULL AND erased_at IS NOT NULL",
        );
        if let Some(after) = after {
            let at = after.erased_at.unix_ms();
            statement.sql(" AND (erased_at > ").int(at);
            statement.sql(" OR (erased_at = ").int(at);
            statement
                .sql(" AND id > ")
                .text(after.recording.to_string())
                .sql("))");
        }
        statement
            .sql(" ORDER BY erased_at, id LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(&self.pool).await?;
        rows.iter().map(remains).collect()
    }

    /// Notes that nothing is left of erased recordings.
    pub(crate) async fn gone(&self, recordings: &[RecordingId], at: Timestamp) -> Result<()> {
        if recordings.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new("UPDATE recordings SET erase_done_at = ");
        statement
            .int(at.unix_ms())
            .sql(", object = '', extra = '[]' WHERE erased_at IS NOT NULL AND id IN (");
        for (n, recording) in recordings.iter().enumerate() {
            if n > 0 {
                statement.sql(", ");
            }
            statement.text(recording.to_string());
        }
        statement.sql(")");
        statement.query().execute(&self.pool).await?;
        Ok(())
    }
}

fn remains(row: &AnyRow) -> Result<Remains> {
    let recording: RecordingId = row.parsed("id")?;
    let extra: Vec<MediaFile> = row.json("extra")?;
    let object = row.text("object")?;
    let mut objects: Vec<String> = extra.into_iter().map(|file| file.object).collect();
    if !object.is_empty() {
        if let Some((folder, _)) = object.rsplit_once('/') {
            objects.push(format!("{folder}/{recording}.json"));
        }
        objects.push(object);
    }
    Ok(Remains {
        recording,
        erased_at: row.time("erased_at")?,
        objects,
    })
}

/// Erases everything of a call that no hold keeps; gives which.
pub(super) async fn erase_call(
    tx: &mut Tx,
    tenant: TenantId,
    call: CallId,
    actor: &Actor,
    at: Timestamp,
) -> Result<Vec<RecordingId>> {
    let mut statement = Statement::new(DOOMED);
    statement
        .sql(ERASABLE)
        .sql(" AND client_id = ")
        .text(tenant.to_string());
    statement.sql(" AND call_id = ").text(call.to_string());
    let rows = statement.query().fetch_all(&mut **tx).await?;
    let mut erased = Vec::with_capacity(rows.len());
    for row in &rows {
        let doomed = doomed(row)?;
        if erase(tx, &doomed, actor, &json!({ "consent": "denied" }), at).await? {
            erased.push(doomed.id);
        }
    }
    let held =
        sqlx::query("SELECT client_id FROM retention WHERE client_id = $1 AND legal_hold = 1")
            .bind(tenant.to_string())
            .fetch_optional(&mut **tx)
            .await?;
    if held.is_none() {
        transcripts::erase(tx, tenant, call, actor, at).await?;
    }
    Ok(erased)
}

/// Makes a tombstone of a recording that was booked in the same transaction.
pub(super) async fn bury(tx: &mut Tx, recording: RecordingId, at: Timestamp) -> Result<()> {
    let mut statement = Statement::new(DOOMED);
    statement.sql("id = ").text(recording.to_string());
    let row = statement.query().fetch_one(&mut **tx).await?;
    let (actor, detail) = (Actor::rule("consent"), json!({ "consent": "denied" }));
    erase(tx, &doomed(&row)?, &actor, &detail, at).await?;
    Ok(())
}

/// Destroys the key and leaves the tombstone; `false` when a hold or another was faster.
async fn erase(
    tx: &mut Tx,
    doomed: &Doomed,
    actor: &Actor,
    detail: &Value,
    at: Timestamp,
) -> Result<bool> {
    let nameless: Vec<Channel> = doomed
        .channels
        .iter()
        .map(|channel| Channel {
            name: None,
            ..channel.clone()
        })
        .collect();
    let mut statement = Statement::new("UPDATE recordings SET state = 'erased', erased_at = ");
    statement.int(at.unix_ms());
    statement
        .sql(", ended_at = COALESCE(ended_at, ")
        .int(at.unix_ms());
    statement
        .sql("), channels = ")
        .text(columns::json(&nameless));
    statement
        .sql(", wrapped_key = NULL, sha256 = '', error = NULL, degraded = 0 WHERE id = ")
        .text(doomed.id.to_string());
    statement.sql(" AND ").sql(ERASABLE);
    let done = statement.query().execute(&mut **tx).await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    // a vendor's file is not fetched again, and nobody learns where it was
    sqlx::query(
        "UPDATE vendor_recordings SET original_url = '', stored_url = NULL, \
         next_attempt_at = NULL, error = NULL WHERE id = $1",
    )
    .bind(doomed.id.to_string())
    .execute(&mut **tx)
    .await?;
    let mut detail = detail.clone();
    detail["callId"] = Value::from(doomed.call.to_string());
    let (action, subject) = ("recording.erased", Subject::Recording(doomed.id));
    audit::note(tx, doomed.tenant, actor, action, subject, &detail, at).await?;
    transcripts::erase_with_last_recording(tx, doomed.tenant, doomed.call, actor, at).await?;
    Ok(true)
}
