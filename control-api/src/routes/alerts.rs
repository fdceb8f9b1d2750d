//! `/api/alerts`: what the rules found.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use sidetone_wire::{Alert, AlertState, CallId, Timestamp};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{AlertFilter, Raised};

/// How long an alert may be snoozed, in minutes: a week.
const SNOOZE_MAX: u32 = 7 * 24 * 60;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAlerts {
    state: Option<AlertState>,
    /// The rule that found them.
    rule: Option<Uuid>,
    /// The call that they are about.
    call: Option<CallId>,
    /// Fired then or later.
    from: Option<Timestamp>,
    /// Fired then or earlier.
    to: Option<Timestamp>,
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// For how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snooze {
    /// 1 to 10080, which is a week.
    #[schema(minimum = 1, maximum = 10080)]
    minutes: u32,
}

/// List alerts
///
/// The last first, all conditions together.
#[utoipa::path(
    get, path = "/api/alerts", tag = "alerts", params(ListAlerts),
    responses(
        (status = 200, description = "Alerts", body = Page<Alert>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(query): Query<ListAlerts>,
) -> Result<Answer<Page<Alert>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = query.cursor.as_deref().map(page::read_moment).transpose()?;
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(Problem::invalid_field("to", "is earlier than from"));
    }
    let filter = AlertFilter {
        state: query.state,
        rule: query.rule,
        call: query.call,
        from: query.from,
        to: query.to,
    };
    let alerts = caller.tenant.alerts(&filter, before, limit + 1).await?;
    Ok(Answer(Page::cut(alerts, limit, |one| {
        page::moment(one.fired_at, one.id)
    })))
}

/// Take an alert up
///
/// It stays open until what it tells of is over; others see who looks after it.
#[utoipa::path(
    post, path = "/api/alerts/{id}/ack", tag = "alerts",
    params(("id" = Uuid, Path, description = "The alert")),
    responses(
        (status = 200, description = "The alert as it is now", body = Alert),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such alert", body = ProblemBody),
        (status = 409, description = "`alert_cleared`", body = ProblemBody),
    ),
)]
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<Uuid>,
) -> Result<Answer<Alert>, Problem> {
    let by = caller.author();
    let changed = caller.tenant.acknowledge(id, &by, now()).await?;
    told(&app, &caller, id, changed).await
}

/// Do not hear of an alert for a while
///
/// Until then it is told to nobody again, also when it clears and fires anew.
#[utoipa::path(
    post, path = "/api/alerts/{id}/snooze", tag = "alerts", request_body = Snooze,
    params(("id" = Uuid, Path, description = "The alert")),
    responses(
        (status = 200, description = "The alert as it is now", body = Alert),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such alert", body = ProblemBody),
        (status = 409, description = "`alert_cleared`", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn snooze(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<Uuid>,
    Json(body): Json<Snooze>,
) -> Result<Answer<Alert>, Problem> {
    let known = caller.tenant.alert(id).await?;
    known.ok_or_else(|| Problem::not_found("alert"))?;
    if !(1..=SNOOZE_MAX).contains(&body.minutes) {
        let message = "is not between 1 and 10080";
        return Err(Problem::invalid_field("minutes", message));
    }
    let until = now().unix_ms() + i64::from(body.minutes) * 60_000;
    let until = Timestamp::from_unix_ms(until);
    let changed = caller.tenant.snooze(id, until).await?;
    told(&app, &caller, id, changed).await
}

/// Tells what changed; says why nothing did.
async fn told(
    app: &App,
    caller: &Caller,
    id: Uuid,
    changed: Option<Alert>,
) -> Result<Answer<Alert>, Problem> {
    if let Some(alert) = changed {
        let tenant = caller.tenant.id();
        app.tell_alert(&Raised {
            tenant,
            alert: alert.clone(),
        })
        .await;
        return Ok(Answer(alert));
    }
    match caller.tenant.alert(id).await? {
        Some(_) => {
            let detail = "what the alert tells of is over";
            Err(Problem::conflict("alert_cleared", detail))
        }
        None => Err(Problem::not_found("alert")),
    }
}
