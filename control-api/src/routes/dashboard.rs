//! `/api/dashboard/…`: the dialect of older dashboards, whose keys are exactly these.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sidetone_wire::{Call, CallId, Direction, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, now};
use crate::auth::Caller;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::store::{CallFilter, CallState, Statistics, Tenant};

/// Hours that figures cover unless asked otherwise.
pub(crate) const DEFAULT_HOURS: u32 = 24;
/// Calls that are listed as active, at most: the dialect knows no pages.
pub(crate) const ACTIVE_MAX: u32 = 1000;
/// Recent calls unless asked otherwise.
pub(crate) const DEFAULT_RECENT: u32 = 10;

/// Whether the server works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `healthy`: an unhealthy one does not answer.
    status: &'static str,
    websocket_enabled: bool,
}

/// Figures of a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Metrics {
    /// Calls that began in the period.
    total_calls: u64,
    /// Calls that are active now.
    active_calls: u64,
    /// Calls of the period that have ended.
    completed_calls: u64,
    /// Their mean length in seconds.
    average_duration: f64,
    /// Share of them that ran their course, in percent.
    success_rate: f64,
    /// How many ended with which outcome.
    outcome_counts: BTreeMap<String, u64>,
    period_hours: u32,
}

impl Metrics {
    pub(crate) fn of(found: Statistics, hours: u32) -> Self {
        let share = if found.ended == 0 {
            0.0
        } else {
            found.completed as f64 / found.ended as f64
        };
        let round = |value: f64| (value * 100.0).round() / 100.0;
        Self {
            total_calls: found.total,
            active_calls: found.active,
            completed_calls: found.ended,
            average_duration: round(found.average_duration_seconds),
            success_rate: round(share * 100.0),
            outcome_counts: found.outcomes,
            period_hours: hours,
        }
    }

    /// How many calls ended with which outcome.
    pub(crate) fn outcomes(&self) -> &BTreeMap<String, u64> {
        &self.outcome_counts
    }
}

/// Figures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricsAnswer {
    success: bool,
    metrics: Metrics,
    user_id: UserId,
}

/// An active call.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActiveCall {
    id: CallId,
    /// The party that is not ours.
    phone_number: String,
    direction: Direction,
    started_at: Timestamp,
    /// Seconds so far.
    duration: u64,
    livekit_room_name: Option<String>,
    agent_config_id: Option<String>,
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

impl ActiveCall {
    /// The number, duration and agent: what the call object says under other names.
    pub(crate) fn into_extra(self) -> (String, u64, Option<String>) {
        (self.phone_number, self.duration, self.agent_config_id)
    }
}

/// Active calls.
#[expect(clippy::struct_field_names, reason = "the dialect's key")]
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActiveCalls {
    success: bool,
    active_calls: Vec<ActiveCall>,
    count: usize,
    user_id: UserId,
}

/// Recent calls.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecentCalls {
    success: bool,
    calls: Vec<Call>,
    count: usize,
    user_id: UserId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// 1 to 168, default 24.
    hours: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Recent {
    /// 1 to 100, default 10.
    limit: Option<u32>,
}

/// Figures of the last `hours`.
pub(crate) async fn figures(tenant: &Tenant, hours: u32) -> crate::store::Result<Metrics> {
    let since = now().unix_ms() - i64::from(hours) * 3_600_000;
    let found = tenant.statistics(Timestamp::from_unix_ms(since)).await?;
    Ok(Metrics::of(found, hours))
}

/// The active calls, newest first.
pub(crate) async fn active(tenant: &Tenant) -> crate::store::Result<Vec<Call>> {
    let filter = CallFilter {
        state: CallState::Active,
        ..CallFilter::default()
    };
    tenant.calls(&filter, None, ACTIVE_MAX, now()).await
}

/// The calls that began last.
pub(crate) async fn recent(tenant: &Tenant, limit: u32) -> crate::store::Result<Vec<Call>> {
    let filter = CallFilter::default();
    tenant.calls(&filter, None, limit, now()).await
}

/// Whether the server works
#[utoipa::path(
    get, path = "/api/dashboard/health", tag = "dashboard", security(()),
    responses((status = 200, description = "It does", body = Health)),
)]
pub(crate) async fn health() -> Answer<Health> {
    Answer(Health {
        status: "healthy",
        websocket_enabled: true,
    })
}

/// Figures
#[utoipa::path(
    get, path = "/api/dashboard/metrics", tag = "dashboard", params(Period),
    responses(
        (status = 200, description = "Figures", body = MetricsAnswer),
        (status = 422, description = "`hours` is out of range", body = ProblemBody),
    ),
)]
pub(crate) async fn metrics(
    caller: Caller,
    Query(period): Query<Period>,
) -> Result<Answer<MetricsAnswer>, Problem> {
    let hours = period.hours.unwrap_or(DEFAULT_HOURS);
    if !(1..=168).contains(&hours) {
        return Err(Problem::invalid_field("hours", "is not between 1 and 168"));
    }
    Ok(Answer(MetricsAnswer {
        success: true,
        metrics: figures(&caller.tenant, hours).await?,
        user_id: caller.identity.user,
    }))
}

/// Active calls
#[utoipa::path(
    get, path = "/api/dashboard/active-calls", tag = "dashboard",
    responses((status = 200, description = "At most 1000, newest first", body = ActiveCalls)),
)]
pub(crate) async fn active_calls(caller: Caller) -> Result<Answer<ActiveCalls>, Problem> {
    let calls = active(&caller.tenant).await?;
    Ok(Answer(ActiveCalls {
        success: true,
        count: calls.len(),
        active_calls: calls.iter().map(ActiveCall::from).collect(),
        user_id: caller.identity.user,
    }))
}

/// Recent calls
#[utoipa::path(
    get, path = "/api/dashboard/recent-calls", tag = "dashboard", params(Recent),
    responses(
        (status = 200, description = "Newest first", body = RecentCalls),
        (status = 422, description = "`limit` is out of range", body = ProblemBody),
    ),
)]
pub(crate) async fn recent_calls(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<Recent>,
) -> Result<Answer<RecentCalls>, Problem> {
    let limit = query.limit.unwrap_or(DEFAULT_RECENT);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid_field("limit", "is not between 1 and 100"));
    }
    let mut calls = recent(&caller.tenant, limit).await?;
    for call in &mut calls {
        app.enliven(call);
    }
    Ok(Answer(RecentCalls {
        success: true,
        count: calls.len(),
        calls,
        user_id: caller.identity.user,
    }))
}
