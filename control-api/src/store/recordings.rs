//! Recordings as their tenant sees them.

use sidetone_wire::{CallId, Recording, RecordingId};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, Statement};
use super::{Result, Tenant};

const RECORDING: &str = "SELECT id, call_id, state, started_at, duration_ms, channels, gaps, \
    pauses, bytes, sha256, source, fetched_at, error, object FROM recordings WHERE client_id = ";

/// A recording and where its file lies below the store's root; empty while there is none.
#[derive(Debug, Clone)]
pub(crate) struct StoredRecording {
    pub(crate) recording: Recording,
    pub(crate) object: String,
}

/// Where a recording is heard, relative to our public address.
pub(super) fn audio_url(id: RecordingId) -> String {
    format!("/api/recordings/{id}/audio")
}

fn recording(row: &AnyRow) -> Result<StoredRecording> {
    let id: RecordingId = row.parsed("id")?;
    let gaps: Vec<sidetone_wire::Gap> = row.json("gaps")?;
    let recording = Recording {
        id,
        call_id: row.parsed("call_id")?,
        state: row.parsed("state")?,
        degraded: !gaps.is_empty(),
        started_at: row.time("started_at")?,
        duration_seconds: row.unsigned("duration_ms")? as f64 / 1000.0,
        channels: row.json("channels")?,
        gaps,
        pauses: row.json("pauses")?,
        bytes: row.unsigned("bytes")?,
        sha256: row.text("sha256")?,
        format: "ogg".to_owned(),
        source: row.parsed("source")?,
        fetched_at: row.opt_time("fetched_at")?,
        error: row.opt_text("error")?,
        audio_url: audio_url(id),
    };
    Ok(StoredRecording {
        recording,
        object: row.text("object")?,
    })
}

impl Tenant {
    /// A call's recordings, first take first.
    pub(crate) async fn recordings(&self, call: CallId) -> Result<Vec<Recording>> {
        let mut statement = Statement::new(RECORDING);
        statement.text(self.key());
        statement.sql(" AND call_id = ").text(call.to_string());
        statement.sql(" ORDER BY started_at, id");
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| Ok(recording(row)?.recording))
            .collect()
    }

    pub(crate) async fn recording(&self, id: RecordingId) -> Result<Option<StoredRecording>> {
        let mut statement = Statement::new(RECORDING);
        statement.text(self.key());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(recording).transpose()
    }
}
