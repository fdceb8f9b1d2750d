//! Recordings as their tenant sees them.

use sidetone_wire::{CallId, MediaFile, Recording, RecordingId, Timestamp, WrappedKey};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, Statement};
use super::{Result, Tenant, takes};

const RECORDING: &str = "SELECT r.id, r.call_id, r.state, r.started_at, r.duration_ms, \
    r.channels, r.gaps, r.pauses, r.bytes, r.sha256, r.source, r.fetched_at, r.error, r.object, \
    r.extra, r.format, r.degraded, r.wrapped_key, r.key_id, r.key_tenant, r.ended_at, r.erased_at, \
    r.legal_hold, p.days, COALESCE(p.legal_hold, 0) AS all_held FROM recordings r \
    LEFT JOIN retention p ON p.client_id = r.client_id WHERE r.client_id = ";

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A recording and what its sound is read with.
#[derive(Debug, Clone)]
pub(crate) struct StoredRecording {
    pub(crate) recording: Recording,
    /// Name of the media file in the store; empty while there is none.
    pub(crate) object: String,
    /// Further media files, each one channel.
    pub(crate) extra: Vec<MediaFile>,
    /// The data key; `None`: the files are not encrypted, or it is erased.
    pub(crate) key: Option<WrappedKey>,
    /// The tenant's slug that the key is wrapped for; empty without a key.
    pub(crate) key_tenant: String,
}

/// Where a recording is heard, relative to our public address.
pub(super) fn audio_url(id: RecordingId) -> String {
    format!("/api/recordings/{id}/audio")
}

fn recording(row: &AnyRow) -> Result<StoredRecording> {
    let id: RecordingId = row.parsed("id")?;
    let gaps: Vec<sidetone_wire::Gap> = row.json("gaps")?;
    let legal_hold = row.flag("legal_hold")? || row.flag("all_held")?;
    let erased_at = row.opt_time("erased_at")?;
    let retain_until = row
        .opt_int("days")?
        .zip(row.opt_int("ended_at")?)
        .filter(|_| !legal_hold && erased_at.is_none())
        .map(|(days, ended_at)| Timestamp::from_unix_ms(ended_at + days * DAY_MS));
    let recording = Recording {
        id,
        call_id: row.parsed("call_id")?,
        state: row.parsed("state")?,
        degraded: !gaps.is_empty() || row.flag("degraded")?,
        started_at: row.time("started_at")?,
        duration_seconds: row.unsigned("duration_ms")? as f64 / 1000.0,
        channels: row.json("channels")?,
        gaps,
        pauses: row.json("pauses")?,
        bytes: row.unsigned("bytes")?,
        sha256: row.text("sha256")?,
        format: row.text("format")?,
        source: row.parsed("source")?,
        legal_hold,
        retain_until,
        erased_at,
        fetched_at: row.opt_time("fetched_at")?,
        error: row.opt_text("error")?,
        audio_url: audio_url(id),
    };
    Ok(StoredRecording {
        recording,
        object: row.text("object")?,
        extra: row.json("extra")?,
        key: takes::key(row)?,
        key_tenant: row.opt_text("key_tenant")?.unwrap_or_default(),
    })
}

impl Tenant {
    /// A call's recordings, first take first.
    pub(crate) async fn recordings(&self, call: CallId) -> Result<Vec<Recording>> {
        let mut statement = Statement::new(RECORDING);
        statement.text(self.key());
        statement.sql(" AND r.call_id = ").text(call.to_string());
        statement.sql(" ORDER BY r.started_at, r.id");
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| Ok(recording(row)?.recording))
            .collect()
    }

    pub(crate) async fn recording(&self, id: RecordingId) -> Result<Option<StoredRecording>> {
        let mut statement = Statement::new(RECORDING);
        statement.text(self.key());
        statement.sql(" AND r.id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(recording).transpose()
    }
}
