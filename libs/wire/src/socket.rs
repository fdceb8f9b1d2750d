//! Messages of the real-time connection (Socket.IO events and their payloads).

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{Call, CallId, Party, Timestamp};

words! {
    /// What happened in a `call_event`.
    CallEventType {
        /// A call began.
        Started = "call_started",
        /// A call changed.
        Updated = "call_updated",
        /// A call ended.
        Ended = "call_ended",
    }
}

/// `call_event`: a call began, changed or ended.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct CallEventMessage {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: CallEventType,
    /// The call as it is now.
    pub call: Call,
    /// When this was sent.
    pub timestamp: Timestamp,
}

/// `levels`: at most 4 a second, only to those who subscribed `call:<id>`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct LevelsMessage {
    /// The call.
    pub call_id: CallId,
    /// Loudness of the customer, 0.0 to 1.0.
    pub customer: f32,
    /// Loudness of the agent, 0.0 to 1.0.
    pub agent: f32,
    /// Who speaks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current_speaker: Option<Party>,
}

/// `subscribe` and `unsubscribe`, client to server: `calls`, `metrics` or `call:<id>`.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct StreamMessage {
    /// Which stream.
    pub stream: String,
}
