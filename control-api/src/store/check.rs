//! The book of recordings as a whole, for tools that compare it with what lies on disks: of every
//! tenant, changing nothing but the audit.

use serde_json::json;
use sidetone_wire::{MediaFile, RecordingId, RecordingSource, TakeState, Timestamp, WrappedKey};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{Result, Store, takes};

/// Rows that are read at a time.
pub(crate) const PAGE: usize = 500;

const ROW: &str = "SELECT id, client_id, state, source, format, object, bytes, sha256, extra, \
    wrapped_key, key_id, key_tenant, ended_at, erase_done_at FROM recordings ";

/// What the database has of a recording.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub recording: RecordingId,
    /// Where it stands.
    pub state: TakeState,
    /// Our tap or the vendor.
    pub source: RecordingSource,
    /// Container of its media.
    pub format: String,
    /// Its media files in the store; empty while there are none.
    pub files: Vec<RowFile>,
    /// Its data key, and the tenant's slug that it is wrapped for.
    pub key: Option<(WrappedKey, String)>,
    /// It is not being recorded any more.
    pub ended: bool,
    /// Of an erased one: nothing of it is left in the store, as far as is known.
    pub erase_done: bool,
    client: String,
}

/// A media file as it was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFile {
    /// Its name in the store.
    pub object: String,
    /// Its size before encryption.
    pub bytes: u64,
    /// Its hash before encryption, lower-case hex.
    pub sha256: String,
}

fn read(row: &AnyRow) -> Result<Row> {
    let extra: Vec<MediaFile> = row.json("extra")?;
    let object = row.text("object")?;
    let mut files = Vec::new();
    if !object.is_empty() {
        files.push(RowFile {
            object,
            bytes: row.unsigned("bytes")?,
            sha256: row.text("sha256")?,
        });
    }
    files.extend(extra.into_iter().map(|file| RowFile {
        object: file.object,
        bytes: file.bytes,
        sha256: file.sha256,
    }));
    Ok(Row {
        recording: row.parsed("id")?,
        state: row.parsed("state")?,
        source: row.parsed("source")?,
        format: row.text("format")?,
        files,
        key: takes::key(row)?.zip(row.opt_text("key_tenant")?),
        ended: row.opt_int("ended_at")?.is_some(),
        erase_done: row.opt_int("erase_done_at")?.is_some(),
        client: row.text("client_id")?,
    })
}

impl Store {
    /// The recordings behind `after` in the order of their ids, at most [`PAGE`].
    pub(crate) async fn rows_after(&self, after: Option<RecordingId>) -> Result<Vec<Row>> {
        let mut statement = Statement::new(ROW);
        if let Some(after) = after {
            statement.sql("WHERE id > ").text(after.to_string());
        }
        statement.sql(" ORDER BY id LIMIT ").int(PAGE as i64);
        let rows = statement.query().fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Those of these recordings that are known; at most [`PAGE`] are asked for at a time.
    pub(crate) async fn rows_of(&self, recordings: &[RecordingId]) -> Result<Vec<Row>> {
        let mut found = Vec::with_capacity(recordings.len());
        for some in recordings.chunks(PAGE) {
            let mut statement = Statement::new(ROW);
            statement.sql("WHERE id IN (");
            for (n, recording) in some.iter().enumerate() {
                statement.sql(if n > 0 { ", " } else { "" });
                statement.text(recording.to_string());
            }
            statement.sql(")");
            let rows = statement.query().fetch_all(&self.pool).await?;
            for row in &rows {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    /// The tokens of a spool folder, the confirmed and the offered one; `None` when it is not
    /// known.
    pub(crate) async fn spool_tokens(&self, spool: Uuid) -> Result<Option<[Option<Uuid>; 2]>> {
        let row = sqlx::query("SELECT token, offered FROM spools WHERE id = $1")
            .bind(spool.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok([row.opt_parsed("token")?, row.opt_parsed("offered")?]))
            .transpose()
    }

    /// Notes in the audit that a recording was decrypted on the command line.
    pub(crate) async fn note_export(&self, row: &Row, at: Timestamp) -> Result<()> {
        let tenant = row.client.parse().map_err(|error| super::Error::Column {
            column: "client_id".to_owned(),
            why: format!("{error}"),
        })?;
        let mut tx = self.write().await?;
        let actor = Actor::rule("command-line");
        let (action, subject) = ("recording.exported", Subject::Recording(row.recording));
        audit::note(&mut tx, tenant, &actor, action, subject, &json!({}), at).await?;
        tx.commit().await?;
        Ok(())
    }
}
