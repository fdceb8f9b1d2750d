//! Alerts and the rules that make them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::words;
use crate::intelligence::Severity;
use crate::note::Author;
use crate::{CallId, Timestamp};

words! {
    /// What a rule watches.
    AlertKind {
        /// Calls at once in the tenant: `threshold` of them or more.
        ConcurrentCalls = "concurrent_calls",
        /// A call's age: `threshold` seconds or more.
        LongCall = "long_call",
        /// Calls that failed (end class `upstream` or `ours`) within `windowSeconds`: `threshold`
        /// of them or more.
        FailedCalls = "failed_calls",
        /// Agents who are available and in no call: `threshold` of them or fewer.
        NoAgentAvailable = "no_agent_available",
        /// A call's sentiment: a score of `threshold` or lower.
        NegativeSentiment = "negative_sentiment",
        /// One of `keywords` was said: `threshold` times or more.
        Keyword = "keyword",
        /// Nobody is heard in a call: for `threshold` seconds or more.
        Silence = "silence",
    }
    /// Where an alert stands.
    AlertState {
        /// Nobody has taken it up.
        Firing = "firing",
        /// Somebody has; it is still so.
        Acknowledged = "acknowledged",
        /// Nobody wants to hear of it until `snoozedUntil`.
        Snoozed = "snoozed",
        /// It is no longer so.
        Cleared = "cleared",
    }
    /// What an alert is about.
    AlertSubject {
        /// The tenant as a whole.
        Tenant = "tenant",
        /// One call.
        Call = "call",
        /// A webhook subscription that was switched off because nobody answered it.
        Subscription = "subscription",
    }
}

/// What a rule says. `threshold` is in the unit of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct AlertCondition {
    /// What is watched.
    pub kind: AlertKind,
    /// Where it fires; see [`AlertKind`].
    pub threshold: f64,
    /// Where it clears: below it for what fires above, above it for what fires below. Between the
    /// two an alert stays as it is. Missing: as soon as `threshold` is no longer reached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clear_threshold: Option<f64>,
    /// How long it must be so before it fires, in seconds. 0 to 3600.
    #[serde(default)]
    pub for_seconds: u32,
    /// How long it must be no longer so before it clears, in seconds. 0 to 3600.
    #[serde(default)]
    pub clear_for_seconds: u32,
    /// How long after it cleared it does not fire again for the same subject, in seconds. 0 to
    /// 86400.
    #[serde(default = "default_cooldown_seconds")]
    pub cooldown_seconds: u32,
    /// For `failed_calls`: how far back failures count, in seconds. 10 to 86400; default 300.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window_seconds: Option<u32>,
    /// For `keyword`: 1 to 100 words or phrases, found whole and in whatever case.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[ts(as = "Option<Vec<String>>")]
    pub keywords: Vec<String>,
}

/// Cooldown of a rule that says none.
const fn default_cooldown_seconds() -> u32 {
    60
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertRule {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// How bad what it finds is.
    pub severity: Severity,
    /// Whether it is watched.
    pub enabled: bool,
    /// What it says.
    pub condition: AlertCondition,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An alert: one per rule and subject is open at a time. Also what the event `alert` carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Alert {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// The rule that made it; missing for what no rule watches, and once the rule is gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "string")]
    pub rule_id: Option<Uuid>,
    /// The rule's name when it fired.
    pub name: String,
    /// What the rule watches; missing for what no rule watches.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<AlertKind>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub state: AlertState,
    /// What it is about.
    pub subject: AlertSubject,
    /// The call, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call_id: Option<CallId>,
    /// The subscription, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "string")]
    pub subscription_id: Option<Uuid>,
    /// What was found when it fired, in the unit of its kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// In a sentence.
    pub message: String,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it cleared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cleared_at: Option<Timestamp>,
    /// Who has taken it up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_by: Option<Author>,
    /// When they did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_at: Option<Timestamp>,
    /// Until when nobody wants to hear of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub snoozed_until: Option<Timestamp>,
}

/// When a rule would have fired, for `POST /api/alert-rules/preview`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PreviewFiring {
    /// When it would have fired.
    pub fired_at: Timestamp,
    /// When it would have cleared; missing when it would not have until the end of the time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cleared_at: Option<Timestamp>,
    /// The call, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call_id: Option<CallId>,
}

/// How often a rule would have fired over stored calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertPreview {
    /// Whether stored calls tell it: they do for `concurrent_calls`, `long_call` and
    /// `failed_calls`. If not, the count is 0 and means nothing.
    pub known: bool,
    /// How often it would have fired.
    #[ts(type = "number")]
    pub count: u64,
    /// The first of these, at most 100.
    pub firings: Vec<PreviewFiring>,
    /// From when calls were looked at.
    pub from: Timestamp,
    /// Up to when.
    pub to: Timestamp,
    /// How many calls were looked at.
    #[ts(type = "number")]
    pub calls: u64,
}
