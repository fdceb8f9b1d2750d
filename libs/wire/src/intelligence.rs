//! Live intelligence: what agents' and orchestrators' models say about a call while it goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{Call, CallId, Timestamp};

words! {
    /// A part of a call's live intelligence: each is written on its own.
    LivePart {
        /// Figures by name.
        Metrics = "metrics",
        /// How far the conversation is.
        Phases = "phases",
        /// What is to be reached.
        Objectives = "objectives",
        /// What should be done next.
        NextActions = "nextActions",
        /// Advice for the agent.
        Coaching = "coaching",
        /// The customer's mood.
        Sentiment = "sentiment",
        /// How the agent's system is doing.
        System = "system",
    }
    /// Where a phase stands.
    PhaseStatus {
        /// Still to come.
        Pending = "pending",
        /// Now.
        Active = "active",
        /// Over.
        Done = "done",
        /// Left out.
        Skipped = "skipped",
    }
    /// How much something matters.
    Priority {
        /// When there is time.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// First.
        High = "high",
    }
    /// How bad something is.
    Severity {
        /// Good to know.
        Info = "info",
        /// Somebody should look.
        Warning = "warning",
        /// Somebody must act.
        Critical = "critical",
    }
    /// Where something is going.
    Trend {
        /// It gets better.
        Rising = "rising",
        /// It stays.
        Steady = "steady",
        /// It gets worse.
        Falling = "falling",
    }
    /// How the system behind an agent is.
    SystemStatus {
        /// All is well.
        Ok = "ok",
        /// It works, worse than it should.
        Degraded = "degraded",
        /// It does not.
        Failing = "failing",
    }
}

/// A phase of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// Where it stands.
    pub status: PhaseStatus,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
}

/// Something to be reached in the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objective {
    /// Names it within the call.
    pub id: String,
    /// What it is.
    pub text: String,
    /// Whether it is reached.
    pub done: bool,
}

/// Something that should be done next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NextAction {
    /// Names it within the call.
    pub id: String,
    /// What it is.
    pub text: String,
    /// How much it matters.
    pub priority: Priority,
}

/// A piece of advice for the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Advice {
    /// Names it within the call.
    pub id: String,
    /// What it is.
    pub text: String,
    /// How bad it is not to follow it.
    pub severity: Severity,
}

/// The customer's mood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Mood {
    /// -1.0 (as bad as can be) to 1.0 (as good as can be).
    pub score: f64,
    /// In a word or two.
    pub label: String,
    /// Where it is going.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trend: Option<Trend>,
}

/// How the system behind the agent is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SystemState {
    /// In a word.
    pub status: SystemStatus,
    /// For a person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// The model that answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// Milliseconds from the end of the customer's turn to the first sound of the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_ms: Option<f64>,
    /// Its components by name, for example `stt`, `llm`, `tts`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    #[ts(as = "Option<BTreeMap<String, SystemStatus>>")]
    pub components: BTreeMap<String, SystemStatus>,
}

/// What `GET /api/calls/{id}/live` gives. Parts that nobody has written are empty or `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveIntelligence {
    /// The call.
    pub call: Call,
    /// Figures by name.
    pub metrics: BTreeMap<String, f64>,
    /// How far the conversation is, in order.
    pub phases: Vec<Phase>,
    /// What is to be reached.
    pub objectives: Vec<Objective>,
    /// What should be done next, the first first.
    pub next_actions: Vec<NextAction>,
    /// Advice for the agent.
    pub coaching: Vec<Advice>,
    /// The customer's mood.
    pub sentiment: Option<Mood>,
    /// How the agent's system is doing.
    pub system: Option<SystemState>,
    /// How often each part was written, for those that were.
    #[ts(as = "BTreeMap<LivePart, u32>")]
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    pub versions: BTreeMap<LivePart, u64>,
}

/// `live-update`: a part of a call's live intelligence is this now. One with a lower version than
/// was seen already is old.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveUpdate {
    /// The call.
    pub call_id: CallId,
    /// Which part.
    pub part: LivePart,
    /// How often the part was written, this time included.
    #[ts(type = "number")]
    pub version: u64,
    /// What it is now, as `GET …/live` has it under the part's name.
    #[ts(type = "unknown")]
    #[schema(value_type = Value)]
    pub value: serde_json::Value,
    /// When it was written.
    pub updated_at: Timestamp,
}
