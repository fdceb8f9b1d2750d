//! `/api/dashboard/…`: the dialect of older dashboards, whose keys are exactly these.
//!
//! `outcome` is what came of an ended call (the end's class where nobody said); `success_rate` is
//! the share of ended calls whose end class is `completed`, in percent.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sidetone_wire::analytics::{ActiveCall, AgentPerformance, Metrics};
use sidetone_wire::{Call, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, now};
use crate::auth::Caller;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::store::{CallFilter, CallState, Tenant};

/// Hours that figures cover unless asked otherwise.
pub(crate) const DEFAULT_HOURS: u32 = 24;
/// Calls that are listed as active, at most: the dialect knows no pages.
const ACTIVE_MAX: u32 = 1000;
/// Recent calls unless asked otherwise.
pub(crate) const DEFAULT_RECENT: u32 = 10;

/// Whether the server works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `healthy`: an unhealthy one does not answer.
    status: &'static str,
    websocket_enabled: bool,
}

/// Figures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricsAnswer {
    success: bool,
    metrics: Metrics,
    user_id: UserId,
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

/// How agents do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentsAnswer {
    success: bool,
    agents: Vec<AgentPerformance>,
    count: usize,
    period_hours: u32,
    user_id: UserId,
}

/// Calls by the hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoursAnswer {
    success: bool,
    /// By hour in UTC, for example `2025-10-30 12:00`; hours without calls are left out.
    data: BTreeMap<String, u64>,
    period_hours: u32,
    user_id: UserId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// 1 to 168, default 24.
    #[param(minimum = 1, maximum = 168)]
    hours: Option<u32>,
}

impl Period {
    fn hours(&self) -> Result<u32, Problem> {
        let hours = self.hours.unwrap_or(DEFAULT_HOURS);
        if (1..=168).contains(&hours) {
            Ok(hours)
        } else {
            Err(Problem::invalid_field("hours", "is not between 1 and 168"))
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Recent {
    /// 1 to 100, default 10.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The active calls, newest first, at most `limit`.
pub(crate) async fn active(tenant: &Tenant, limit: u32) -> crate::store::Result<Vec<Call>> {
    let filter = CallFilter {
        state: CallState::Active,
        ..CallFilter::default()
    };
    tenant.calls(&filter, None, limit, now()).await
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
///
/// Of the calls that began in the last `hours`. `success_rate` is the share of the ended ones whose
/// end class is `completed`, in percent. Read anew every 30 s, and each second while calls change.
#[utoipa::path(
    get, path = "/api/dashboard/metrics", tag = "dashboard", params(Period),
    responses(
        (status = 200, description = "Figures", body = MetricsAnswer),
        (status = 422, description = "`hours` is out of range", body = ProblemBody),
    ),
)]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(period): Query<Period>,
) -> Result<Answer<MetricsAnswer>, Problem> {
    let hours = period.hours()?;
    Ok(Answer(MetricsAnswer {
        success: true,
        metrics: app.metrics(&caller.tenant, hours).await?,
        user_id: caller.identity.user,
    }))
}

/// Active calls
#[utoipa::path(
    get, path = "/api/dashboard/active-calls", tag = "dashboard",
    responses((status = 200, description = "At most 1000, newest first", body = ActiveCalls)),
)]
pub(crate) async fn active_calls(caller: Caller) -> Result<Answer<ActiveCalls>, Problem> {
    let calls = active(&caller.tenant, ACTIVE_MAX).await?;
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

/// How agents do
///
/// Agents with calls that began in the last `hours`, most calls first.
#[utoipa::path(
    get, path = "/api/dashboard/agent-performance", tag = "dashboard", params(Period),
    responses(
        (status = 200, description = "Agents", body = AgentsAnswer),
        (status = 422, description = "`hours` is out of range", body = ProblemBody),
    ),
)]
pub(crate) async fn agent_performance(
    caller: Caller,
    Query(period): Query<Period>,
) -> Result<Answer<AgentsAnswer>, Problem> {
    let hours = period.hours()?;
    let agents = caller.tenant.agent_performance(hours, now()).await?;
    Ok(Answer(AgentsAnswer {
        success: true,
        count: agents.len(),
        agents,
        period_hours: hours,
        user_id: caller.identity.user,
    }))
}

/// Calls by the hour
///
/// How many calls began in each hour.
#[utoipa::path(
    get, path = "/api/dashboard/calls-per-hour", tag = "dashboard", params(Period),
    responses(
        (status = 200, description = "Calls by the hour", body = HoursAnswer),
        (status = 422, description = "`hours` is out of range", body = ProblemBody),
    ),
)]
pub(crate) async fn calls_per_hour(
    caller: Caller,
    Query(period): Query<Period>,
) -> Result<Answer<HoursAnswer>, Problem> {
    let hours = period.hours()?;
    let counted = caller.tenant.calls_per_hour(hours, now()).await?;
    Ok(Answer(HoursAnswer {
        success: true,
        data: counted
            .into_iter()
            .map(|(start, count)| (hour_name(start), count))
            .collect(),
        period_hours: hours,
        user_id: caller.identity.user,
    }))
}

/// `2025-10-30 12:00`
fn hour_name(start: Timestamp) -> String {
    let text = start.to_string();
    format!("{} {}", &text[..10], &text[11..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_named_by_its_beginning_in_utc() {
        let start = Timestamp::from_unix_ms(1_761_825_600_000);
        assert_eq!(hour_name(start), "2025-10-30 12:00");
    }
}
