//! Outgoing webhooks: who wants to be told of what, and what they are told.
//!
//! Documents are versioned: within a version keys are only added. No document holds a vendor's URL
//! or a secret.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::words;
use crate::{
    Call, CallId, CallStatus, Control, Direction, EndReason, RecordingId, Timestamp, Upstream,
};

words! {
    /// What a subscription may be told of.
    WebhookEventType {
        /// A call began.
        CallStarted = "call.started",
        /// Something that [`CallDocument`] shows of a call changed.
        CallUpdated = "call.updated",
        /// A call ended.
        CallEnded = "call.ended",
        /// A recording is in the store.
        RecordingStored = "recording.stored",
        /// A call's transcript is complete.
        TranscriptFinal = "transcript.final",
        /// An alert fired.
        AlertFired = "alert.fired",
        /// An alert cleared.
        AlertCleared = "alert.cleared",
        /// Somebody wrote something about a call.
        AnnotationCreated = "annotation.created",
        /// Somebody judged a call.
        FeedbackCreated = "feedback.created",
        /// A test; sent whatever a subscription wants.
        Ping = "ping",
    }
    /// Where a delivery stands.
    DeliveryState {
        /// Still to be delivered.
        Pending = "pending",
        /// Answered with 2xx.
        Delivered = "delivered",
        /// Given up.
        Failed = "failed",
    }
}

/// Version of the documents.
pub const WEBHOOK_VERSION: u32 = 1;

/// The body of every outgoing webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: WebhookEventType,
    /// Version of the document, 1.
    pub version: u32,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What it happened to: a [`CallDocument`], [`RecordingDocument`], [`TranscriptDocument`], an
    /// alert, an annotation or a feedback as the API has them, or nothing (`{}`).
    #[ts(type = "unknown")]
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A call as webhooks show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct CallDocument {
    /// The call's id.
    pub id: CallId,
    /// The branch whose number was called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch_id: Option<String>,
    /// Where it lives.
    pub upstream: Upstream,
    /// Its id there.
    pub upstream_call_id: String,
    /// Who began it.
    pub direction: Direction,
    /// Who calls.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// The customer's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_name: Option<String>,
    /// The agent's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_id: Option<String>,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_name: Option<String>,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_reason: Option<EndReason>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When both parties were there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<Timestamp>,
    /// Seconds from start to end, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "number")]
    pub duration_seconds: Option<u64>,
    /// Free labels.
    pub tags: Vec<String>,
    /// The campaign it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub campaign: Option<String>,
    /// Who has the call.
    pub control: Control,
}

impl From<&Call> for CallDocument {
    fn from(call: &Call) -> Self {
        Self {
            id: call.id,
            branch_id: call.branch_id.clone(),
            upstream: call.upstream,
            upstream_call_id: call.upstream_call_id.clone(),
            direction: call.direction,
            from: call.from.clone(),
            to: call.to.clone(),
            customer_name: call.customer_name.clone(),
            agent_id: call.agent_id.clone(),
            agent_name: call.agent_name.clone(),
            status: call.status,
            end_reason: call.end_reason.clone(),
            outcome: call.outcome.clone(),
            started_at: call.started_at,
            answered_at: call.answered_at,
            ended_at: call.ended_at,
            duration_seconds: call.ended_at.map(|at| at.ms_since(call.started_at) / 1000),
            tags: call.tags.clone(),
            campaign: call.campaign.clone(),
            control: call.control.clone(),
        }
    }
}

/// A recording as webhooks show it. `GET /api/recordings/{id}` says the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordingDocument {
    /// The recording.
    pub id: RecordingId,
    /// Its call.
    pub call_id: CallId,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it is.
    pub duration_seconds: f64,
    /// Path of its sound below our public URL.
    pub audio_url: String,
}

/// A transcript as webhooks show it: not what was said, but where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptDocument {
    /// Its call.
    pub call_id: CallId,
    /// How many pieces it has.
    #[ts(type = "number")]
    pub segments: u64,
    /// Path of it below our public URL.
    pub transcript_url: String,
}

/// Somebody who wants to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct WebhookSubscription {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// Where webhooks go.
    pub url: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// What it wants to be told of.
    pub events: Vec<WebhookEventType>,
    /// Whether it is told.
    pub enabled: bool,
    /// Why we switched it off, if we did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disabled_reason: Option<String>,
    /// Since when nothing was delivered although it was tried.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failing_since: Option<Timestamp>,
    /// Until when the former secret signs too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub former_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One delivery to one subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct WebhookDelivery {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// `webhook-id`: the same for every attempt and every replay.
    pub message_id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: WebhookEventType,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// How long the last attempt took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "number")]
    pub duration_ms: Option<u64>,
    /// When it was last tried.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_attempt_at: Option<Timestamp>,
    /// The delivery that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "string")]
    pub replay_of: Option<Uuid>,
    /// When it was owed.
    pub created_at: Timestamp,
    /// What is sent.
    pub payload: WebhookEvent,
}
