//! Recordings that a vendor made, from the URL's arrival to the file in the store.
//!
//! A row is due when `next_attempt_at` has come. Whoever fetches sets it forward by compare-and-set
//! and so holds the row until then; a crash only lets that time pass.
//!
//! **Invariant**: nothing of a call whose consent was denied, and nothing that was erased, is
//! stored: both are asked in the transaction that books the file, and in the one that says that it
//! is stored.

use sidetone_wire::{CallId, Channel, RecordingId, TenantId, Timestamp, WrappedKey};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, json};
use super::{Result, Store, Tx, outbox, takes};

/// A URL that arrived.
#[derive(Debug, Clone)]
pub(crate) struct NewFetch {
    pub(crate) id: RecordingId,
    pub(crate) call: CallId,
    pub(crate) vendor: String,
    /// Encrypted.
    pub(crate) url: String,
    pub(crate) url_hash: String,
}

/// What noting a URL came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotedUrl {
    /// It will be fetched.
    New,
    /// It is known, or nothing of its call may be kept.
    Idle,
    UnknownCall,
}

/// The right to fetch a row until `until`; compare-and-set on that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: RecordingId,
    pub(crate) until: Timestamp,
}

/// A row that is being fetched.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) tenant: TenantId,
    pub(crate) slug: String,
    pub(crate) call: CallId,
    pub(crate) call_started_at: Timestamp,
    pub(crate) vendor: String,
    /// Encrypted.
    pub(crate) url: String,
    /// This one included.
    pub(crate) attempts: u32,
}

/// A file that was fetched and is about to be put into the store.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) format: &'static str,
    pub(crate) duration_ms: u64,
    pub(crate) channels: Vec<Channel>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) object: String,
    pub(crate) key: WrappedKey,
}

/// The lease's row is still ours, and its call may be kept.
const OURS: &str = "next_attempt_at = $2 AND NOT EXISTS (SELECT 1 FROM calls c \
    WHERE c.id = vendor_recordings.call_id AND c.consent = 'denied')";

/// Notes where a vendor keeps a call's recording, in the transaction of what told of it.
pub(super) async fn note(tx: &mut Tx, new: &NewFetch, at: Timestamp) -> Result<bool> {
    let done = sqlx::query(NOTE)
        .bind(new.id.to_string())
        .bind(&new.vendor)
        .bind(&new.url)
        .bind(&new.url_hash)
        .bind(at.unix_ms())
        .bind(new.call.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

const NOTE: &str = "INSERT INTO vendor_recordings \
    (id, call_id, client_id, vendor, original_url, url_hash, next_attempt_at) \
    SELECT $1, c.id, c.client_id, $2, $3, $4, CAST($5 AS BIGINT) FROM calls c \
    WHERE c.id = $6 AND c.consent <> 'denied' \
    ON CONFLICT (client_id, url_hash) DO NOTHING";

impl Store {
    /// Notes where a vendor keeps a call's recording, to be fetched at once.
    pub(crate) async fn note_vendor_recording(
        &self,
        new: &NewFetch,
        at: Timestamp,
    ) -> Result<NotedUrl> {
        let known = sqlx::query("SELECT consent FROM calls WHERE id = $1")
            .bind(new.call.to_string())
            .fetch_optional(&self.pool)
            .await?;
        if known.is_none() {
            return Ok(NotedUrl::UnknownCall);
        }
        let mut tx = self.write().await?;
        let noted = note(&mut tx, new, at).await?;
        tx.commit().await?;
        Ok(if noted { NotedUrl::New } else { NotedUrl::Idle })
    }

    /// Rows that are due, the longest first.
    pub(crate) async fn due_fetches(&self, now: Timestamp, limit: u32) -> Result<Vec<Lease>> {
        let rows = sqlx::query(
            "SELECT id, next_attempt_at FROM vendor_recordings \
             WHERE next_attempt_at IS NOT NULL AND next_attempt_at <= $1 \
             ORDER BY next_attempt_at, id LIMIT $2",
        )
        .bind(now.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let lease = |row: &AnyRow| {
            Ok(Lease {
                id: row.parsed("id")?,
                until: row.time("next_attempt_at")?,
            })
        };
        rows.iter().map(lease).collect()
    }

    /// Takes a due row until `until`; `None` when another was faster, or nothing of its call may
    /// be kept: then its URL is gone.
    pub(crate) async fn claim_fetch(&self, due: Lease, until: Timestamp) -> Result<Option<Fetch>> {
        let mut tx = self.write().await?;
        let claimed = sqlx::query(
            "UPDATE vendor_recordings SET next_attempt_at = $1, attempts = attempts + 1 \
             WHERE id = $2 AND next_attempt_at = $3",
        )
        .bind(until.unix_ms())
        .bind(due.id.to_string())
        .bind(due.until.unix_ms())
        .execute(&mut *tx)
        .await?;
        if claimed.rows_affected() == 0 {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT v.client_id, t.slug, v.call_id, c.started_at, c.consent, v.vendor, \
             v.original_url, v.attempts FROM vendor_recordings v \
             JOIN calls c ON c.id = v.call_id JOIN clients t ON t.id = v.client_id WHERE v.id = $1",
        )
        .bind(due.id.to_string())
        .fetch_one(&mut *tx)
        .await?;
        let denied = row.text("consent")? == "denied";
        if denied {
            end(&mut tx, due.id, "consent was denied").await?;
        }
        tx.commit().await?;
        if denied {
            return Ok(None);
        }
        Ok(Some(Fetch {
            tenant: row.parsed("client_id")?,
            slug: row.text("slug")?,
            call: row.parsed("call_id")?,
            call_started_at: row.time("started_at")?,
            vendor: row.text("vendor")?,
            url: row.text("original_url")?,
            attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        }))
    }

    /// Keeps a row longer; `false` when it is not ours any more, or must not be kept.
    pub(crate) async fn renew_fetch(&self, lease: Lease, until: Timestamp) -> Result<bool> {
        let mut tx = self.write().await?;
        let ours = renew(&mut tx, lease, until).await?;
        tx.commit().await?;
        Ok(ours)
    }

    /// Notes why an attempt failed and when the next one is due.
    pub(crate) async fn postpone_fetch(
        &self,
        lease: Lease,
        error: &str,
        next: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE vendor_recordings SET next_attempt_at = $3, error = $4 \
             WHERE id = $1 AND next_attempt_at = $2",
        )
        .bind(lease.id.to_string())
        .bind(lease.until.unix_ms())
        .bind(next.unix_ms())
        .bind(error)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives a row up: its URL is gone, and the recording shows why; `false` when it was not ours.
    pub(crate) async fn give_up_fetch(
        &self,
        lease: Lease,
        fetch: &Fetch,
        error: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        if !renew(&mut tx, lease, at).await? {
            return Ok(false);
        }
        end(&mut tx, lease.id, error).await?;
        sqlx::query(
            "INSERT INTO recordings \
             (id, call_id, client_id, state, started_at, ended_at, source, error) \
             VALUES ($1, $2, $3, 'failed', $4, $4, 'vendor', $5) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, error = excluded.error, \
             object = '', wrapped_key = NULL \
             WHERE recordings.state = 'sealed'",
        )
        .bind(lease.id.to_string())
        .bind(fetch.call.to_string())
        .bind(fetch.tenant.to_string())
        .bind(fetch.call_started_at.unix_ms())
        .bind(error)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Books a file that is about to be put into the store, and keeps the row until `until`;
    /// `false` when it must not be.
    pub(crate) async fn book_fetch(
        &self,
        lease: Lease,
        fetch: &Fetch,
        fetched: &Fetched,
        until: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        if !renew(&mut tx, lease, until).await? {
            return Ok(false);
        }
        let started_at = fetch.call_started_at.unix_ms();
        let done = sqlx::query(
            "INSERT INTO recordings (id, call_id, client_id, state, started_at, duration_ms, \
             channels, bytes, sha256, object, format, source, wrapped_key, key_id, key_tenant, \
             ended_at) \
             VALUES ($1, $2, $3, 'sealed', $4, $5, $6, $7, $8, $9, $10, 'vendor', $11, $12, $13, \
             $14) \
             ON CONFLICT (id) DO UPDATE SET duration_ms = excluded.duration_ms, \
             channels = excluded.channels, bytes = excluded.bytes, sha256 = excluded.sha256, \
             format = excluded.format, wrapped_key = excluded.wrapped_key, \
             key_id = excluded.key_id, ended_at = excluded.ended_at \
             WHERE recordings.state = 'sealed'",
        )
        .bind(lease.id.to_string())
        .bind(fetch.call.to_string())
        .bind(fetch.tenant.to_string())
        .bind(started_at)
        .bind(fetched.duration_ms.cast_signed())
        .bind(json(&fetched.channels))
        .bind(fetched.bytes.cast_signed())
        .bind(&fetched.sha256)
        .bind(&fetched.object)
        .bind(fetched.format)
        .bind(&fetched.key.wrapped)
        .bind(&fetched.key.key_id)
        .bind(&fetch.slug)
        .bind(started_at + fetched.duration_ms.cast_signed())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false); // erased
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Says that the file is in the store; `false` when it must not be there.
    pub(crate) async fn finish_fetch(
        &self,
        lease: Lease,
        fetch: &Fetch,
        fetched: &Fetched,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let sql = format!(
            "UPDATE vendor_recordings SET next_attempt_at = NULL, error = NULL, stored_url = $3, \
             fetched_at = $4 WHERE id = $1 AND {OURS}"
        );
        let ours = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(lease.id.to_string())
            .bind(lease.until.unix_ms())
            .bind(&fetched.object)
            .bind(at.unix_ms())
            .execute(&mut *tx)
            .await?;
        let stored = sqlx::query(
            "UPDATE recordings SET state = 'stored', fetched_at = $1 \
             WHERE id = $2 AND state = 'sealed'",
        )
        .bind(at.unix_ms())
        .bind(lease.id.to_string())
        .execute(&mut *tx)
        .await?;
        if ours.rows_affected() == 0 || stored.rows_affected() == 0 {
            return Ok(false);
        }
        takes::lamp(&mut tx, fetch.call).await?;
        outbox::owe_recording(&mut tx, lease.id, at).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn renew(tx: &mut Tx, lease: Lease, until: Timestamp) -> Result<bool> {
    let sql = format!("UPDATE vendor_recordings SET next_attempt_at = $3 WHERE id = $1 AND {OURS}");
    let done = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(lease.id.to_string())
        .bind(lease.until.unix_ms())
        .bind(until.unix_ms())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a row for good; nobody learns any more where the vendor had it.
async fn end(tx: &mut Tx, id: RecordingId, error: &str) -> Result<()> {
    sqlx::query(
        "UPDATE vendor_recordings SET original_url = '', next_attempt_at = NULL, error = $1 \
         WHERE id = $2",
    )
    .bind(error)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
