//! What people write about calls: annotations, feedback, quick messages, and what supervisors did.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::words;
use crate::{CallId, Timestamp, UserId};

words! {
    /// What an annotation is.
    AnnotationKind {
        /// A quick message that a supervisor gave the agent.
        WhisperPill = "whisper_pill",
        /// A remark.
        Note = "note",
        /// A moment to come back to.
        Bookmark = "bookmark",
        /// Something that must be looked at.
        Flag = "flag",
    }
    /// What a supervisor did to or about a call.
    ActionKind {
        /// Spoke or wrote to the agent.
        CoachAgent = "COACH_AGENT",
        /// Listened, barged in or took over.
        JoinCall = "JOIN_CALL",
        /// Sent the call elsewhere.
        TransferCall = "TRANSFER_CALL",
        /// Ended it.
        EndCall = "END_CALL",
        /// Wrote a note.
        AddNote = "ADD_NOTE",
        /// Marked a moment.
        BookmarkMoment = "BOOKMARK_MOMENT",
        /// Asked for a review.
        FlagForReview = "FLAG_FOR_REVIEW",
    }
}

/// A person as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// Who.
    pub user_id: UserId,
    /// Their name when they did it.
    pub name: String,
}

/// Something written about a call. Also what `annotation-upsert` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Annotation {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// The call.
    pub call_id: CallId,
    /// What it is.
    pub kind: AnnotationKind,
    /// What it says. Text of people: show it as text, never as HTML.
    pub text: String,
    /// The moment it is about, in milliseconds since the call's start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "number")]
    pub at_ms: Option<u64>,
    /// Who wrote it.
    pub by: Author,
    /// When.
    pub created_at: Timestamp,
}

/// How somebody judges a call. Each person has one judgement of a call, the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Feedback {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// The call.
    pub call_id: CallId,
    /// 1 (bad) to 5 (good).
    pub rating: u8,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub comment: Option<String>,
    /// Who judges.
    pub by: Author,
    /// When it was last given.
    pub created_at: Timestamp,
}

/// Something a supervisor did to or about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupervisorAction {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// The call.
    pub call_id: CallId,
    /// What was done.
    pub kind: ActionKind,
    /// Who did it.
    pub by: Author,
    /// When.
    pub at: Timestamp,
    /// What else is known of it, for example the target of a transfer or the id of a note.
    #[ts(type = "Record<string, unknown>")]
    #[schema(value_type = Object)]
    pub detail: serde_json::Map<String, serde_json::Value>,
}

/// A quick message for agents, ready to be sent with one click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct WhisperPill {
    /// What is sent: 1 to 200 characters.
    pub text: String,
    /// What the button says where the text is too long for it: at most 40 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
}
