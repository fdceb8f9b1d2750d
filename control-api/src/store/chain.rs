//! The chains of audit rows, as the database has them.
//!
//! **Invariant**: rows are chained in the transaction that writes them, and last in it: the lock on
//! the chain's end is held for the commit alone, and nothing waits for another lock under it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::SecretString;
use sidetone_wire::{AuditPhase, TenantId, Timestamp};
use sqlx::any::AnyRow;
use tokio::sync::Notify;
use tracing::error;
use uuid::Uuid;

use super::columns::{Columns as _, Statement};
use super::{Error, Result, Store, Tenant, Tx};
use crate::audit::{CHECKPOINT_ROWS, Hash, Head, Keys, Row, START};

/// Rows taken into a chain in one transaction.
const ADOPTED_AT_ONCE: i64 = 500;

/// What all transactions need to chain their rows.
pub(super) struct AuditLog {
    pub(super) keys: Keys,
    /// Rows that this process has written.
    rows: AtomicU64,
    /// A checkpoint is due because of many rows.
    many: Notify,
}

impl AuditLog {
    pub(super) fn new(secret: &SecretString) -> Self {
        Self {
            keys: Keys::new(secret),
            rows: AtomicU64::default(),
            many: Notify::new(),
        }
    }

    /// Rows were committed.
    pub(super) fn added(&self, rows: u64) {
        let before = self.rows.fetch_add(rows, Ordering::Relaxed);
        if before / CHECKPOINT_ROWS != (before + rows) / CHECKPOINT_ROWS {
            self.many.notify_one();
        }
    }
}

/// Writes a transaction's rows behind the ends of their chains; gives how many.
pub(super) async fn chain(tx: &mut Tx) -> Result<u64> {
    // always in the same order, so that two of them never wait for each other
    let mut tenants: BTreeMap<TenantId, Vec<Row>> = BTreeMap::new();
    for note in std::mem::take(&mut tx.notes) {
        tenants.entry(note.tenant).or_default().push(note.row);
    }
    let mut count = 0;
    for (tenant, mut rows) in tenants {
        let (mut seq, mut before) = lock_head(tx, tenant).await?;
        for row in &mut rows {
            seq += 1;
            row.seq = seq;
            row.chain(&tx.log.keys, tenant, &before);
            before = row.hash;
            insert(tx, tenant, row).await?;
        }
        count += rows.len() as u64;
        set_head(tx, tenant, seq, &before).await?;
    }
    Ok(count)
}

/// The end of a chain, which nobody else moves until the transaction's end.
async fn lock_head(tx: &mut Tx, tenant: TenantId) -> Result<(u64, Hash)> {
    const LOCK: &str = "UPDATE audit_heads SET seq = seq WHERE client_id = $1 RETURNING seq, hash";
    let key = tenant.to_string();
    let mut row = sqlx::query(LOCK)
        .bind(&key)
        .fetch_optional(&mut **tx)
        .await?;
    if row.is_none() {
        sqlx::query(
            "INSERT INTO audit_heads (client_id, seq, hash) VALUES ($1, 0, $2) \
             ON CONFLICT (client_id) DO NOTHING",
        )
        .bind(&key)
        .bind(hex::encode(START))
        .execute(&mut **tx)
        .await?;
        row = sqlx::query(LOCK)
            .bind(&key)
            .fetch_optional(&mut **tx)
            .await?;
    }
    let row = row.ok_or(sqlx::Error::RowNotFound)?;
    Ok((row.unsigned("seq")?, hash(&row, "hash")?))
}

async fn set_head(tx: &mut Tx, tenant: TenantId, seq: u64, last: &Hash) -> Result<()> {
    sqlx::query("UPDATE audit_heads SET seq = $1, hash = $2 WHERE client_id = $3")
        .bind(seq as i64)
        .bind(hex::encode(last))
        .bind(tenant.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn insert(tx: &mut Tx, tenant: TenantId, row: &Row) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit (id, client_id, at, actor, address, action, subject_kind, subject_id, \
         detail, seq, hash, mac, phase, intent_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(row.id.to_string())
    .bind(tenant.to_string())
    .bind(row.at_ms)
    .bind(&row.actor)
    .bind(row.address.clone())
    .bind(&row.action)
    .bind(&row.subject_kind)
    .bind(&row.subject_id)
    .bind(&row.detail)
    .bind(row.seq as i64)
    .bind(hex::encode(row.hash))
    .bind(hex::encode(row.mac))
    .bind(row.phase.map(AuditPhase::as_str))
    .bind(row.intent.map(|id| id.to_string()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

const ROW: &str = "SELECT seq, id, at, actor, address, action, subject_kind, subject_id, detail, \
    phase, intent_id, adopted, hash, mac FROM audit WHERE client_id = ";

/// Whatever stands in a row: what cannot be read is told by the hash, which then differs.
fn row(row: &AnyRow) -> Result<Row> {
    let bytes = |column: &str| -> Result<Hash> {
        let text = row.opt_text(column)?.unwrap_or_default();
        let mut bytes = START;
        if hex::decode_to_slice(&text, &mut bytes).is_err() {
            bytes = START;
        }
        Ok(bytes)
    };
    let phase = row.opt_text("phase")?;
    Ok(Row {
        seq: row.opt_int("seq")?.map_or(0, |seq| seq.max(0) as u64),
        id: row.text("id")?.parse().unwrap_or(Uuid::nil()),
        at_ms: row.int("at")?,
        actor: row.text("actor")?,
        address: row.opt_text("address")?,
        action: row.text("action")?,
        subject_kind: row.text("subject_kind")?,
        subject_id: row.text("subject_id")?,
        detail: row.text("detail")?,
        phase: phase.and_then(|word| word.parse().ok()),
        intent: row
            .opt_text("intent_id")?
            .map(|id| id.parse().unwrap_or(Uuid::max())),
        adopted: row.flag("adopted")?,
        hash: bytes("hash")?,
        mac: bytes("mac")?,
    })
}

fn hash(row: &AnyRow, column: &str) -> Result<Hash> {
    let text = row.text(column)?;
    let mut bytes = START;
    hex::decode_to_slice(&text, &mut bytes).map_err(|error| Error::Column {
        column: column.to_owned(),
        why: error.to_string(),
    })?;
    Ok(bytes)
}

fn head(row: &AnyRow) -> Result<Head> {
    Ok(Head {
        seq: row.unsigned("seq")?,
        hash: hash(row, "hash")?,
        checkpoint_seq: row.unsigned("checkpoint_seq")?,
    })
}

impl Tenant {
    /// The end of the chain; `None` before its first row.
    pub(crate) async fn audit_head(&self) -> Result<Option<Head>> {
        let row =
            sqlx::query("SELECT seq, hash, checkpoint_seq FROM audit_heads WHERE client_id = $1")
                .bind(self.key())
                .fetch_optional(self.pool())
                .await?;
        row.as_ref().map(head).transpose()
    }

    /// Rows of the chain behind `after` up to `last`, in their order.
    pub(crate) async fn chained(&self, after: u64, last: u64, limit: u32) -> Result<Vec<Row>> {
        let mut statement = Statement::new(ROW);
        statement.text(self.key());
        statement.sql(" AND seq > ").int(after as i64);
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        statement.sql(" AND seq <= ").int(last);
        statement.sql(" ORDER BY seq LIMIT ").int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(row).collect()
    }

    /// A row that stands outside of the chain from its first place to its end.
    pub(crate) async fn beyond_head(&self) -> Result<Option<(u64, Uuid)>> {
        let row = sqlx::query(
            "SELECT a.seq, a.id FROM audit a LEFT JOIN audit_heads h ON h.client_id = a.client_id \
             WHERE a.client_id = $1 AND (a.seq > COALESCE(h.seq, 0) OR a.seq < 1) LIMIT 1",
        )
        .bind(self.key())
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            let id = row.text("id")?.parse().unwrap_or(Uuid::nil());
            Ok((row.unsigned("seq")?, id))
        })
        .transpose()
    }

    /// Takes rows into the chain that were added by a release that does not chain them; gives how
    /// many.
    pub(crate) async fn adopt(&self) -> Result<u64> {
        let mut count = 0;
        loop {
            let mut tx = self.store.write().await?;
            let (mut seq, mut before) = lock_head(&mut tx, self.id).await?;
            let mut statement = Statement::new(ROW);
            statement.text(self.key());
            statement
                .sql(" AND seq IS NULL ORDER BY at, id LIMIT ")
                .int(ADOPTED_AT_ONCE);
            let rows = statement.query().fetch_all(&mut *tx).await?;
            for found in &rows {
                seq += 1;
                let mut row = row(found)?;
                row.seq = seq;
                row.adopted = true;
                row.chain(&tx.log.keys, self.id, &before);
                before = row.hash;
                sqlx::query(
                    "UPDATE audit SET seq = $1, hash = $2, mac = $3, adopted = 1 WHERE id = $4",
                )
                .bind(seq as i64)
                .bind(hex::encode(row.hash))
                .bind(hex::encode(row.mac))
                .bind(found.text("id")?)
                .execute(&mut *tx)
                .await?;
            }
            if rows.is_empty() {
                return Ok(count); // the transaction is taken back
            }
            count += rows.len() as u64;
            set_head(&mut tx, self.id, seq, &before).await?;
            tx.commit().await?;
        }
    }
}

impl Store {
    /// The keys of the audit log.
    pub(crate) fn audit_keys(&self) -> &Keys {
        &self.log.keys
    }

    /// Tenants with rows that no chain has.
    pub(crate) async fn unchained(&self) -> Result<Vec<TenantId>> {
        let rows = sqlx::query("SELECT DISTINCT client_id FROM audit WHERE seq IS NULL")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| row.parsed("client_id")).collect()
    }

    /// Ends of chains that no checkpoint tells of, with the time of the first row it would tell of.
    /// An end that is not the last row as we wrote it is none that we would put our name to.
    pub(crate) async fn without_checkpoint(&self) -> Result<Vec<(TenantId, Head, Timestamp)>> {
        let rows = sqlx::query(
            "SELECT h.client_id, h.seq, h.hash, h.checkpoint_seq, l.mac, a.at \
             FROM audit_heads h \
             LEFT JOIN audit l ON l.client_id = h.client_id AND l.seq = h.seq AND l.hash = h.hash \
             LEFT JOIN audit a ON a.client_id = h.client_id AND a.seq = h.checkpoint_seq + 1 \
             WHERE h.seq > h.checkpoint_seq",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut ends = Vec::with_capacity(rows.len());
        for row in &rows {
            let (tenant, head): (TenantId, Head) = (row.parsed("client_id")?, head(row)?);
            let since = row.opt_time("at")?.unwrap_or(Timestamp::from_unix_ms(0));
            if row.opt_text("mac")? == Some(hex::encode(self.log.keys.mac(&head.hash))) {
                ends.push((tenant, head, since));
            } else {
                error!(%tenant, seq = head.seq, "the end of an audit log is not what was written");
            }
        }
        Ok(ends)
    }

    /// Notes that a checkpoint tells of a row; gives when there was one before.
    pub(crate) async fn checkpointed(
        &self,
        tenant: TenantId,
        seq: u64,
        at: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let mut tx = self.write().await?;
        let former = sqlx::query("SELECT checkpoint_at FROM audit_heads WHERE client_id = $1")
            .bind(tenant.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE audit_heads SET checkpoint_seq = $1, checkpoint_at = $2 \
             WHERE client_id = $3 AND checkpoint_seq < $1",
        )
        .bind(seq as i64)
        .bind(at.unix_ms())
        .bind(tenant.to_string())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        let former = former.map(|row| row.int("checkpoint_at")).transpose()?;
        Ok(former.filter(|at| *at > 0).map(Timestamp::from_unix_ms))
    }

    /// Waits until a checkpoint is due because of many rows.
    pub(crate) async fn many_audit_rows(&self) {
        self.log.many.notified().await;
    }
}
