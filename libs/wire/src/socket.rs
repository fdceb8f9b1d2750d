//! Messages of the real-time connection (Socket.IO events and their payloads).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::analytics::{ActiveCall, Metrics};
use crate::call::words;
use crate::{Call, CallId, Control, Direction, EndReason, Party, Timestamp, UserId};

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

/// `subscribe` and `unsubscribe`, client to server: `calls`, `metrics`, `call:<id>`, or
/// `global-calls`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct StreamMessage {
    /// Which stream.
    pub stream: String,
    /// For `calls` and `global-calls`: one `calls-update` a second instead of single events.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<bool>,
}

/// `subscribe_error`: a stream was not subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SubscribeError {
    /// Which one.
    pub stream: String,
    /// Why: `unknown_stream`, `not_found`, `role_required`, `too_many_streams`, `unavailable`.
    pub code: String,
}

/// `connected`: the first event of every connection.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct Connected {
    /// Whose session it is.
    pub user_id: UserId,
    /// Names the connection.
    pub sid: String,
}

/// A call object with the keys that older dashboards expect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedCall {
    /// The call.
    #[serde(flatten)]
    pub call: Call,
    /// The party that is not ours.
    pub phone_number: String,
    /// Seconds so far.
    #[ts(type = "number")]
    pub duration: u64,
    /// The agent.
    pub agent_config_id: Option<String>,
}

impl From<Call> for ListedCall {
    fn from(call: Call) -> Self {
        let older = ActiveCall::from(&call);
        Self {
            call,
            phone_number: older.phone_number,
            duration: older.duration,
            agent_config_id: older.agent_config_id,
        }
    }
}

/// `initial_state`: everything that later events change. Sent after `connected`, and again when
/// events may have been missed.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct InitialState {
    /// The active calls, newest first, at most 200.
    pub active_calls: Vec<ListedCall>,
    /// Figures of the last 24 hours.
    pub metrics: Metrics,
    /// The calls that began last.
    pub recent_calls: Vec<Call>,
    /// The same as `metrics.outcome_counts`.
    #[ts(type = "Record<string, number>")]
    pub outcome_distribution: BTreeMap<String, u64>,
    /// When this was read.
    pub timestamp: Timestamp,
}

/// `metrics_update`: figures of the last 24 hours.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct MetricsUpdate {
    /// The figures.
    pub metrics: Metrics,
    /// When this was sent.
    pub timestamp: Timestamp,
}

/// `active_calls_update`: the active calls.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct ActiveCallsUpdate {
    /// Newest first, at most 200.
    pub active_calls: Vec<ActiveCall>,
    /// How many there are.
    #[ts(type = "number")]
    pub count: u64,
    /// When this was sent.
    pub timestamp: Timestamp,
}

/// `calls-update`, for those who subscribed with `batch`: everything that changed, at most once a
/// second.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct CallsUpdate {
    /// Calls that began, changed or ended, as they are now; `status` says which have ended. At most
    /// 200: further ones come a second later.
    pub calls: Vec<Call>,
    /// How many are active; not with `global-calls`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "number")]
    pub count: Option<u64>,
    /// Figures of the last 24 hours; not with `global-calls`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metrics: Option<Metrics>,
    /// When this was sent.
    pub timestamp: Timestamp,
}

/// `pong`: the answer to `ping`.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
pub struct Pong {
    /// The server's time.
    pub timestamp: Timestamp,
}

/// `control-change`: somebody else has the call.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlChange {
    /// The call.
    pub call_id: CallId,
    /// Who has it now.
    pub control: Control,
    /// Who changed it: a user's id, or a rule's name.
    pub by: String,
}

/// `incoming_call`: a call waits for an agent to answer it.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct IncomingCall {
    /// The call.
    pub call_id: CallId,
    /// Who calls.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// Who began it.
    pub direction: Direction,
    /// The customer's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_name: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
}

/// `call_ended`: a call that an agent was offered or has is over.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct CallEnded {
    /// The call.
    pub call_id: CallId,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_reason: Option<EndReason>,
    /// When.
    pub ended_at: Timestamp,
}

/// `room_update`: who is in a call's room.
#[derive(Debug, Clone, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomUpdate {
    /// The call.
    pub call_id: CallId,
    /// The room.
    pub room: String,
    /// Identities of those who are in it, none of them ours.
    pub participants: Vec<String>,
    /// When this was so.
    pub timestamp: Timestamp,
}
