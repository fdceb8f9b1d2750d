//! Who heard a recording, and who took it away.

use serde_json::Value;
use sidetone_wire::{RecordingId, Timestamp};

use super::audit::{Actor, Subject};
use super::columns::{Statement, json};
use super::{Result, Tenant};

impl Tenant {
    /// Notes that somebody heard or took a recording. A player asks for many parts of a file, and
    /// a download is resumed: the same from the same place counts once since `since`.
    pub(crate) async fn note_access(
        &self,
        actor: &Actor,
        action: &'static str,
        recording: RecordingId,
        detail: &Value,
        since: Timestamp,
        at: Timestamp,
    ) -> Result<()> {
        let mut statement = Statement::new("SELECT id FROM audit WHERE client_id = ");
        statement.text(self.key());
        statement
            .sql(" AND subject_kind = 'recording' AND subject_id = ")
            .text(recording.to_string());
        statement.sql(" AND at > ").int(since.unix_ms());
        statement.sql(" AND actor = ").text(actor.name.clone());
        statement
            .sql(" AND COALESCE(address, '') = ")
            .text(actor.address.clone().unwrap_or_default());
        statement.sql(" AND action = ").text(action);
        statement.sql(" AND detail = ").text(json(detail));
        statement.sql(" LIMIT 1");
        if statement
            .query()
            .fetch_optional(self.pool())
            .await?
            .is_some()
        {
            return Ok(());
        }
        let subject = Subject::Recording(recording);
        self.note(actor, action, subject, detail, at).await
    }
}
