//! The audit log as its readers see it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;
use crate::call::words;

words! {
    /// Which of the two rows of an act that reaches outside of the database.
    AuditPhase {
        /// Written before the act.
        Intent = "intent",
        /// Written after it.
        Result = "result",
    }
    /// How rows and checkpoints disagree.
    DisagreementKind {
        /// The row is not what was written at its place: edited, moved, or put there.
        Changed = "changed",
        /// Rows are gone from the middle.
        Missing = "missing",
        /// Two rows have one place.
        Doubled = "doubled",
        /// Rows are gone from the end.
        Truncated = "truncated",
        /// The rows fit each other, but are not those that a checkpoint or the head tells of.
        Forked = "forked",
        /// The row fits, but whoever added it did not have the key.
        Forged = "forged",
        /// A row came past this server, long after every server chains its rows.
        Smuggled = "smuggled",
        /// A checkpoint is not what was put into the store.
        CheckpointForged = "checkpoint_forged",
        /// A checkpoint is no longer in the store.
        CheckpointMissing = "checkpoint_missing",
    }
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct AuditRow {
    /// The row.
    #[ts(type = "string")]
    pub id: Uuid,
    /// Its place in the tenant's chain; missing on a row that is not in it yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "number")]
    pub seq: Option<u64>,
    /// When it was written.
    pub at: Timestamp,
    /// A user's or API key's id, a rule's name, for example `rule:retention`, or `anonymous`.
    pub actor: String,
    /// The actor's name, if they have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor_name: Option<String>,
    /// Address they acted from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// For example `recording.erased`.
    pub action: String,
    /// For example `call`, `recording` or `user`.
    pub subject_kind: String,
    /// What it was done to.
    pub subject_id: String,
    /// What else there is to say, by action.
    #[ts(type = "Record<string, unknown>")]
    #[schema(value_type = Object)]
    pub detail: Value,
    /// Missing: the row was written together with its act.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<AuditPhase>,
    /// Of a result: the row of its intent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "string")]
    pub intent_id: Option<Uuid>,
}

/// Whether the audit log is what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct AuditVerdict {
    /// Nothing disagrees.
    pub ok: bool,
    /// Rows that were checked.
    #[ts(type = "number")]
    pub rows: u64,
    /// Hash of the last row, in hex: note it elsewhere to know the log again.
    pub head_hash: String,
    /// Rows of before the chain, or of a release that did not know it.
    #[ts(type = "number")]
    pub adopted: u64,
    /// Checkpoints in the object store that were checked.
    #[ts(type = "number")]
    pub checkpoints: u64,
    /// Checkpoints under another key than this server's: compared, but not proven.
    #[ts(type = "number")]
    pub foreign_checkpoints: u64,
    /// The last row that a checkpoint tells of.
    #[ts(type = "number")]
    pub checkpoint_seq: u64,
    /// Ed25519 key that the checkpoints are signed with, in hex.
    pub public_key: String,
    /// What disagrees first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disagreement: Option<Disagreement>,
    /// When it was checked.
    pub checked_at: Timestamp,
    /// How long that took, in milliseconds.
    #[ts(type = "number")]
    pub took_ms: u64,
}

/// Where the audit log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Disagreement {
    /// How.
    pub kind: DisagreementKind,
    /// Place in the chain.
    #[ts(type = "number")]
    pub seq: u64,
    /// The row there, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "string")]
    pub row_id: Option<Uuid>,
    /// In words.
    pub detail: String,
}
