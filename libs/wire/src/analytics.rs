//! Figures about calls: the dashboard dialect's (whose keys are exactly these) and the reports of
//! `/api/analytics/…`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{Call, CallId, Direction, Timestamp};

words! {
    /// How long the buckets of a time series are.
    Bucket {
        /// An hour.
        Hour = "hour",
        /// A day of the report's time zone: 23 to 25 hours.
        Day = "day",
    }
}

/// Figures of the calls that began in a period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Metrics {
    /// Calls that began in the period.
    #[ts(type = "number")]
    pub total_calls: u64,
    /// Calls that are active now, whenever they began.
    #[ts(type = "number")]
    pub active_calls: u64,
    /// Calls of the period that have ended.
    #[ts(type = "number")]
    pub completed_calls: u64,
    /// Their mean length in seconds.
    pub average_duration: f64,
    /// Share of them that ran their course (end class `completed`), in percent.
    pub success_rate: f64,
    /// How many ended with which outcome; the end's class stands for a missing outcome.
    #[ts(type = "Record<string, number>")]
    pub outcome_counts: BTreeMap<String, u64>,
    /// Hours that the period has.
    pub period_hours: u32,
}

/// An active call in the dashboard dialect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveCall {
    /// The call.
    pub id: CallId,
    /// The party that is not ours.
    pub phone_number: String,
    /// Who began it.
    pub direction: Direction,
    /// When it began.
    pub started_at: Timestamp,
    /// Seconds so far.
    #[ts(type = "number")]
    pub duration: u64,
    /// The room, for calls in LiveKit.
    pub livekit_room_name: Option<String>,
    /// The agent.
    pub agent_config_id: Option<String>,
}

impl From<&Call> for ActiveCall {
    fn from(call: &Call) -> Self {
        let number = match call.direction {
            Direction::Outbound => &call.to,
            Direction::Inbound | Direction::Web => &call.from,
        };
        Self {
            id: call.id,
            phone_number: number.clone(),
            direction: call.direction,
            started_at: call.started_at,
            duration: call.duration_seconds,
            livekit_room_name: call.livekit_room_name.clone(),
            agent_config_id: call.agent_id.clone(),
        }
    }
}

/// How an agent's calls of a period went, in the dashboard dialect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct AgentPerformance {
    /// The agent.
    #[serde(rename = "agentConfigId")]
    pub agent_config_id: String,
    /// Calls that began in the period.
    #[ts(type = "number")]
    pub total_calls: u64,
    /// Mean length of the ended ones in seconds.
    pub average_duration: f64,
    /// Share of the ended ones that ran their course, in percent.
    pub success_rate: f64,
    /// Calls of the period that have ended.
    #[ts(type = "number")]
    pub completed_calls: u64,
}

/// What a report covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Span {
    /// From then on.
    pub from: Timestamp,
    /// Until then, itself not included.
    pub to: Timestamp,
    /// How long the buckets are.
    pub bucket: Bucket,
    /// IANA name of the zone whose hours and days are meant.
    pub tz: String,
    /// Only calls of this branch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch: Option<String>,
}

/// Mean length of calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DurationReport {
    /// What it covers.
    #[serde(flatten)]
    pub span: Span,
    /// Over the whole time.
    pub average_seconds: f64,
    /// Ended calls that this is the mean of.
    #[ts(type = "number")]
    pub ended: u64,
    /// By time, each bucket of the span.
    pub buckets: Vec<DurationBucket>,
    /// By hour of the day, 24 of them.
    pub by_hour: Vec<DurationSlot>,
    /// By day of the week, Monday (1) first.
    pub by_weekday: Vec<DurationSlot>,
}

/// Calls that began in a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DurationBucket {
    /// When the bucket begins.
    pub start: Timestamp,
    /// Calls that began in it.
    #[ts(type = "number")]
    pub calls: u64,
    /// Those of them that have ended.
    #[ts(type = "number")]
    pub ended: u64,
    /// Mean length of the ended ones.
    pub average_seconds: f64,
}

/// Calls that began in an hour of the day or on a day of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DurationSlot {
    /// The hour, 0 to 23, or the day of the week, 1 (Monday) to 7.
    pub slot: u8,
    /// Calls that have ended.
    #[ts(type = "number")]
    pub ended: u64,
    /// Their mean length.
    pub average_seconds: f64,
}

/// When most calls come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeaksReport {
    /// What it covers.
    #[serde(flatten)]
    pub span: Span,
    /// Calls that began.
    #[ts(type = "number")]
    pub calls: u64,
    /// By time, each bucket of the span.
    pub buckets: Vec<PeakBucket>,
    /// The busiest buckets, at most 10, busiest first.
    pub busiest: Vec<PeakBucket>,
    /// By hour of the day, 24 of them.
    pub by_hour: Vec<PeakSlot>,
    /// By day of the week, Monday (1) first.
    pub by_weekday: Vec<PeakSlot>,
}

/// Calls that began in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct PeakBucket {
    /// When the bucket begins.
    pub start: Timestamp,
    /// Calls that began in it.
    #[ts(type = "number")]
    pub calls: u64,
}

/// Calls that began in an hour of the day or on a day of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeakSlot {
    /// The hour, 0 to 23, or the day of the week, 1 (Monday) to 7.
    pub slot: u8,
    /// Calls that began in it.
    #[ts(type = "number")]
    pub calls: u64,
    /// How many that is each time the slot came, on average.
    pub average_calls: f64,
}

/// How many calls there were at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ConcurrencyReport {
    /// What it covers.
    #[serde(flatten)]
    pub span: Span,
    /// The most at any moment.
    #[ts(type = "number")]
    pub maximum: u64,
    /// The first moment at which it was so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub maximum_at: Option<Timestamp>,
    /// By time, each bucket of the span.
    pub buckets: Vec<ConcurrencyBucket>,
}

/// Calls at once in a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct ConcurrencyBucket {
    /// When the bucket begins.
    pub start: Timestamp,
    /// The most at any moment of it.
    #[ts(type = "number")]
    pub maximum: u64,
    /// The mean over it.
    pub average: f64,
}

/// How busy agents were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct UtilizationReport {
    /// What it covers.
    #[serde(flatten)]
    pub span: Span,
    /// The agents that had calls, busiest first, at most 1000.
    pub agents: Vec<AgentUtilization>,
    /// By time, each bucket of the span, over all agents.
    pub buckets: Vec<UtilizationBucket>,
}

/// How busy an agent was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct AgentUtilization {
    /// The agent.
    pub agent_id: String,
    /// Its name in the latest call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_name: Option<String>,
    /// Calls that it had in the span.
    #[ts(type = "number")]
    pub calls: u64,
    /// Length of all of them within the span, together.
    #[ts(type = "number")]
    pub talk_seconds: u64,
    /// How long it had at least one call.
    #[ts(type = "number")]
    pub busy_seconds: u64,
    /// `busySeconds` as share of the span, 0 to 1.
    pub utilization: f64,
}

/// How busy all agents were in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UtilizationBucket {
    /// When the bucket begins.
    pub start: Timestamp,
    /// Agents that had a call in it.
    #[ts(type = "number")]
    pub agents: u64,
    /// How long each of them had at least one call, together.
    #[ts(type = "number")]
    pub busy_seconds: u64,
}

/// What calls were tagged with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct TagsReport {
    /// What it covers.
    #[serde(flatten)]
    pub span: Span,
    /// Calls that began.
    #[ts(type = "number")]
    pub calls: u64,
    /// Those of them without a tag.
    #[ts(type = "number")]
    pub untagged: u64,
    /// The tags, most frequent first, at most 1000.
    pub tags: Vec<TagFigures>,
}

/// Calls with a tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagFigures {
    /// The tag.
    pub tag: String,
    /// Calls that have it.
    #[ts(type = "number")]
    pub calls: u64,
    /// Those of them that have ended.
    #[ts(type = "number")]
    pub ended: u64,
    /// Mean length of the ended ones.
    pub average_seconds: f64,
    /// Share of the ended ones that ran their course, in percent.
    pub success_rate: f64,
}

/// What people thought of calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackReport {
    /// What it covers: feedback given then.
    #[serde(flatten)]
    pub span: Span,
    /// How many gave one.
    #[ts(type = "number")]
    pub count: u64,
    /// Mean rating, 1 to 5; 0 when there is none.
    pub average_rating: f64,
    /// How many gave 1, 2, 3, 4 and 5.
    #[ts(type = "[number, number, number, number, number]")]
    pub ratings: [u64; 5],
    /// By time, each bucket of the span.
    pub buckets: Vec<FeedbackBucket>,
    /// By the calls' agents, most feedback first, at most 1000.
    pub agents: Vec<AgentFeedback>,
}

/// Feedback given in a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackBucket {
    /// When the bucket begins.
    pub start: Timestamp,
    /// How many gave one.
    #[ts(type = "number")]
    pub count: u64,
    /// Mean rating; 0 when there is none.
    pub average_rating: f64,
}

/// Feedback on an agent's calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentFeedback {
    /// The agent.
    pub agent_id: String,
    /// How many gave one.
    #[ts(type = "number")]
    pub count: u64,
    /// Mean rating.
    pub average_rating: f64,
}
