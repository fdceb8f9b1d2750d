//! Takes: from a gateway's first word of one to its file in the store.
//!
//! What a gateway says of a take may come late, again, or from a former holder of the call, so
//! each of these is idempotent by the recording's id.
//!
//! **Invariant**: a take's state goes forward only, and never from erased to anything.

use sidetone_wire::{
    Booked, Booking, CallId, Consent, RecordingId, TakeState, TenantId, Timestamp, WrappedKey,
};
use sqlx::any::AnyRow;
use tracing::warn;

use super::columns::{Columns as _, json};
use super::{Result, Store, Tx, outbox};

/// What a booking came to, and whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) booked: Booked,
    /// Whom to tell, when something changed.
    pub(crate) told: Option<(TenantId, CallId)>,
}

/// What is known of the call that a take is booked for.
struct Owner {
    tenant: TenantId,
    consent: Consent,
    /// The tenant's legal hold.
    held: bool,
}

impl Store {
    /// Books a take that is complete. `now` is when.
    pub(crate) async fn book(&self, booking: &Booking, now: Timestamp) -> Result<Kept> {
        let manifest = &booking.manifest;
        let mut tx = self.write().await?;
        let Some(owner) = owner(&mut tx, manifest.call).await? else {
            let told = None;
            let booked = Booked::UnknownCall;
            return Ok(Kept { booked, told });
        };
        let told = Some((owner.tenant, manifest.call));
        let state = state(&mut tx, manifest.recording).await?;
        let was_stored = state == Some(TakeState::Stored);
        if state == Some(TakeState::Erased) {
            let (booked, told) = (Booked::Erased, None);
            return Ok(Kept { booked, told });
        }
        let known = upsert(&mut tx, owner.tenant, booking).await?;
        // recorded before the customer refused, by a gateway that did not live to hear it
        if !known && owner.consent == Consent::Denied && !owner.held {
            super::erasure::bury(&mut tx, manifest.recording, now).await?;
            tx.commit().await?;
            let booked = Booked::Erased;
            return Ok(Kept { booked, told });
        }
        lamp(&mut tx, manifest.call).await?;
        if !was_stored && booking.state == TakeState::Stored {
            outbox::owe_recording(&mut tx, manifest.recording, now).await?;
        }
        tx.commit().await?;
        let booked = Booked::Kept;
        Ok(Kept { booked, told })
    }

    /// Notes that a take is lost for good; gives whose call it is, when that changed something.
    pub(crate) async fn lost(
        &self,
        recording: RecordingId,
        error: &str,
        now: Timestamp,
    ) -> Result<Option<(TenantId, CallId)>> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "UPDATE recordings SET state = 'failed', error = $1, degraded = 0, \
             ended_at = COALESCE(ended_at, $2) WHERE id = $3 AND state IN ('recording', 'sealed') \
             RETURNING client_id, call_id",
        )
        .bind(error)
        .bind(now.unix_ms())
        .bind(recording.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (tenant, call) = (row.parsed("client_id")?, row.parsed("call_id")?);
        lamp(&mut tx, call).await?;
        tx.commit().await?;
        Ok(Some((tenant, call)))
    }

    /// A recording's state and data key, of whatever tenant.
    pub(crate) async fn find_take(
        &self,
        recording: RecordingId,
    ) -> Result<Option<(TakeState, Option<WrappedKey>)>> {
        let row = sqlx::query("SELECT state, wrapped_key, key_id FROM recordings WHERE id = $1")
            .bind(recording.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok((row.parsed("state")?, key(&row)?)))
            .transpose()
    }
}

/// The wrapped data key of a row, if it has one.
pub(super) fn key(row: &AnyRow) -> Result<Option<WrappedKey>> {
    let wrapped = row.opt_text("wrapped_key")?;
    let key_id = row.opt_text("key_id")?;
    Ok(wrapped
        .zip(key_id)
        .map(|(wrapped, key_id)| WrappedKey { key_id, wrapped }))
}

async fn owner(tx: &mut Tx, call: CallId) -> Result<Option<Owner>> {
    let row = sqlx::query(
        "SELECT c.client_id, c.consent, COALESCE(p.legal_hold, 0) AS held FROM calls c \
         LEFT JOIN retention p ON p.client_id = c.client_id WHERE c.id = $1",
    )
    .bind(call.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| {
        Ok(Owner {
            tenant: row.parsed("client_id")?,
            consent: row.parsed("consent")?,
            held: row.flag("held")?,
        })
    })
    .transpose()
}

async fn state(tx: &mut Tx, recording: RecordingId) -> Result<Option<TakeState>> {
    let row = sqlx::query("SELECT state FROM recordings WHERE id = $1")
        .bind(recording.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| row.parsed("state")).transpose()
}

/// Writes what a booking says; gives whether the recording was known before.
async fn upsert(tx: &mut Tx, tenant: TenantId, booking: &Booking) -> Result<bool> {
    let manifest = &booking.manifest;
    let known = sqlx::query("SELECT COUNT(*) AS n FROM recordings WHERE id = $1")
        .bind(manifest.recording.to_string())
        .fetch_one(&mut **tx)
        .await?
        .int("n")?;
    let ended_at = manifest.started_at.unix_ms() + manifest.duration_ms.cast_signed();
    sqlx::query(
        "INSERT INTO recordings (id, call_id, client_id, state, started_at, duration_ms, channels, \
         gaps, pauses, bytes, sha256, object, extra, wrapped_key, key_id, key_tenant, ended_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, started_at = excluded.started_at, \
         duration_ms = excluded.duration_ms, channels = excluded.channels, gaps = excluded.gaps, \
         pauses = excluded.pauses, bytes = excluded.bytes, sha256 = excluded.sha256, \
         object = excluded.object, extra = excluded.extra, wrapped_key = excluded.wrapped_key, \
         key_id = excluded.key_id, key_tenant = excluded.key_tenant, \
         ended_at = excluded.ended_at, degraded = 0, error = NULL \
         WHERE recordings.state NOT IN ('stored', 'erased')",
    )
    .bind(manifest.recording.to_string())
    .bind(manifest.call.to_string())
    .bind(tenant.to_string())
    .bind(booking.state.as_str())
    .bind(manifest.started_at.unix_ms())
    .bind(manifest.duration_ms.cast_signed())
    .bind(json(&manifest.channels))
    .bind(json(&manifest.gaps))
    .bind(json(&manifest.pauses))
    .bind(manifest.bytes.cast_signed())
    .bind(&manifest.sha256)
    .bind(&manifest.object)
    .bind(json(&manifest.extra))
    .bind(&booking.key.wrapped)
    .bind(&booking.key.key_id)
    .bind(&manifest.tenant)
    .bind(ended_at)
    .execute(&mut **tx)
    .await?;
    Ok(known > 0)
}

/// A take began. `fresh`: the call's present holder says so.
pub(super) async fn started(
    tx: &mut Tx,
    call: CallId,
    recording: RecordingId,
    started_at: Timestamp,
    fresh: bool,
) -> Result<bool> {
    // what a former holder began has ended without a word
    let ended_at = (!fresh).then_some(started_at.unix_ms());
    let done = sqlx::query(
        "INSERT INTO recordings (id, call_id, client_id, state, started_at, ended_at) \
         SELECT $1, c.id, c.client_id, 'recording', CAST($2 AS BIGINT), CAST($3 AS BIGINT) \
         FROM calls c WHERE c.id = $4 ON CONFLICT (id) DO NOTHING",
    )
    .bind(recording.to_string())
    .bind(started_at.unix_ms())
    .bind(ended_at)
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 || !fresh {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE recordings SET ended_at = $1 \
         WHERE call_id = $2 AND id <> $3 AND state = 'recording' AND ended_at IS NULL",
    )
    .bind(started_at.unix_ms())
    .bind(call.to_string())
    .bind(recording.to_string())
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE calls SET recording_started_at = $1 WHERE id = $2 AND ended_at IS NULL")
        .bind(started_at.unix_ms())
        .bind(call.to_string())
        .execute(&mut **tx)
        .await?;
    lamp(tx, call).await?;
    Ok(true)
}

/// Something of a take is being lost, or no longer.
pub(super) async fn degraded(
    tx: &mut Tx,
    call: CallId,
    recording: RecordingId,
    degraded: bool,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE recordings SET degraded = $1 \
         WHERE id = $2 AND call_id = $3 AND state = 'recording' AND degraded <> $1",
    )
    .bind(i64::from(degraded))
    .bind(recording.to_string())
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    changed(tx, call, done.rows_affected()).await
}

/// A take ended; its file is being made.
pub(super) async fn ended(
    tx: &mut Tx,
    call: CallId,
    recording: RecordingId,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE recordings SET ended_at = $1, degraded = 0 \
         WHERE id = $2 AND call_id = $3 AND state = 'recording' AND ended_at IS NULL",
    )
    .bind(now.unix_ms())
    .bind(recording.to_string())
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    changed(tx, call, done.rows_affected()).await
}

/// A take could not be made.
pub(super) async fn failed(
    tx: &mut Tx,
    call: CallId,
    recording: RecordingId,
    error: &str,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO recordings (id, call_id, client_id, state, started_at, ended_at, error) \
         SELECT $1, c.id, c.client_id, 'failed', CAST($2 AS BIGINT), CAST($2 AS BIGINT), $3 \
         FROM calls c WHERE c.id = $4 \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, error = excluded.error, \
         ended_at = COALESCE(recordings.ended_at, excluded.ended_at), degraded = 0 \
         WHERE recordings.state IN ('recording', 'sealed')",
    )
    .bind(recording.to_string())
    .bind(now.unix_ms())
    .bind(error)
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        warn!(%call, %recording, error, "a take failed that is not known, or was kept or erased");
    }
    changed(tx, call, done.rows_affected()).await
}

async fn changed(tx: &mut Tx, call: CallId, rows: u64) -> Result<bool> {
    if rows > 0 {
        lamp(tx, call).await?;
    }
    Ok(rows > 0)
}

/// Sets a call's recording light to what its rows say. A pause that was confirmed shines through
/// everything but the call's end and a denied consent.
pub(super) async fn lamp(tx: &mut Tx, call: CallId) -> Result<()> {
    sqlx::query(
        "UPDATE calls SET recording_state = CASE \
         WHEN ended_at IS NULL AND consent <> 'denied' AND paused_by IS NOT NULL \
         AND pause_confirmed = 1 THEN 'paused' \
         WHEN ended_at IS NULL AND EXISTS (SELECT 1 FROM recordings r WHERE r.call_id = calls.id \
         AND r.state = 'recording' AND r.ended_at IS NULL AND r.degraded = 1) THEN 'degraded' \
         WHEN ended_at IS NULL AND EXISTS (SELECT 1 FROM recordings r WHERE r.call_id = calls.id \
         AND r.state = 'recording' AND r.ended_at IS NULL) THEN 'recording' \
         WHEN (SELECT r.state FROM recordings r WHERE r.call_id = calls.id \
         ORDER BY r.started_at DESC, r.id DESC LIMIT 1) = 'failed' THEN 'failed' \
         ELSE 'off' END WHERE id = $1",
    )
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
