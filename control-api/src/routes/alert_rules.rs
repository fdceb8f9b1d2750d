//! `/api/alert-rules`: what is watched.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{AlertCondition, AlertKind, AlertPreview, AlertRule, Severity, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{self, Page, Paging};
use super::text;
use crate::alerts::engine::fires_below;
use crate::alerts::preview;
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::RuleChange;

/// Rules of a tenant, at most.
const RULES_MAX: i64 = 100;
/// Characters of a name, at most.
const NAME_MAX: usize = 200;
/// Keywords of a rule, at most.
const KEYWORDS_MAX: usize = 100;
/// Characters of a keyword, at most.
const KEYWORD_MAX: usize = 100;
/// How long something may have to last, in seconds.
const HOLD_MAX: u32 = 3600;
/// The longest cooldown and window, in seconds.
const DAY: u32 = 86_400;
/// Stored calls that a preview looks at.
const PREVIEW_CALLS: u32 = 50_000;
/// How far back a preview may look.
const PREVIEW_MAX: Duration = Duration::from_hours(31 * 24);
/// How far back it looks unless asked otherwise.
const PREVIEW: Duration = Duration::from_hours(24);
/// How long calls may have gone on before a preview's time begins.
const OLDEST: Duration = Duration::from_hours(24);

/// A rule to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateRule {
    /// 1 to 200 characters.
    name: String,
    condition: AlertCondition,
    /// Default `warning`.
    severity: Option<Severity>,
    /// Default true.
    enabled: Option<bool>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateRule {
    name: Option<String>,
    /// The whole condition.
    condition: Option<AlertCondition>,
    severity: Option<Severity>,
    /// False clears its alerts.
    enabled: Option<bool>,
}

/// A rule to be tried, and over which time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Preview {
    condition: AlertCondition,
    /// Default: a day before `to`.
    from: Option<Timestamp>,
    /// Default: now. At most 31 days after `from`.
    to: Option<Timestamp>,
}

/// What a threshold of a kind may be.
const fn thresholds(kind: AlertKind) -> (f64, f64) {
    match kind {
        AlertKind::ConcurrentCalls | AlertKind::FailedCalls => (1.0, 1_000_000.0),
        AlertKind::LongCall => (1.0, 86_400.0),
        AlertKind::NoAgentAvailable => (0.0, 10_000.0),
        AlertKind::NegativeSentiment => (-1.0, 1.0),
        AlertKind::Keyword => (1.0, 1000.0),
        AlertKind::Silence => (3.0, 3600.0),
    }
}

/// A condition that can be watched.
fn checked(mut condition: AlertCondition) -> Result<AlertCondition, Problem> {
    let wrong = |field: &str, message: String| {
        Err(Problem::invalid_field(
            &format!("condition.{field}"),
            message,
        ))
    };
    let kind = condition.kind;
    let (least, most) = thresholds(kind);
    if !(least..=most).contains(&condition.threshold) {
        return wrong("threshold", format!("is not between {least} and {most}"));
    }
    if let Some(clear) = condition.clear_threshold {
        if fires_below(kind) && !(condition.threshold..=most).contains(&clear) {
            let message = format!("is not between the threshold and {most}");
            return wrong("clearThreshold", message);
        }
        if !fires_below(kind) && !(0.0..=condition.threshold).contains(&clear) {
            let message = "is not between 0 and the threshold".to_owned();
            return wrong("clearThreshold", message);
        }
    }
    for (field, seconds, most) in [
        ("forSeconds", condition.for_seconds, HOLD_MAX),
        ("clearForSeconds", condition.clear_for_seconds, HOLD_MAX),
        ("cooldownSeconds", condition.cooldown_seconds, DAY),
    ] {
        if seconds > most {
            return wrong(field, format!("is more than {most}"));
        }
    }
    match (kind, condition.window_seconds) {
        (AlertKind::FailedCalls, Some(window)) if !(10..=DAY).contains(&window) => {
            return wrong("windowSeconds", format!("is not between 10 and {DAY}"));
        }
        (AlertKind::FailedCalls, _) | (_, None) => {}
        (_, Some(_)) => return wrong("windowSeconds", "is for failed_calls only".to_owned()),
    }
    condition.keywords = keywords(kind, &condition.keywords)?;
    Ok(condition)
}

fn keywords(kind: AlertKind, given: &[String]) -> Result<Vec<String>, Problem> {
    let wrong = |message: &str| Err(Problem::invalid_field("condition.keywords", message));
    if kind != AlertKind::Keyword {
        if given.is_empty() {
            return Ok(Vec::new());
        }
        return wrong("are for the kind keyword only");
    }
    if given.is_empty() || given.len() > KEYWORDS_MAX {
        return wrong("are not 1 to 100");
    }
    let mut kept = Vec::new();
    for (n, word) in given.iter().enumerate() {
        let field = format!("condition.keywords[{n}]");
        let word = text::required(&field, word, KEYWORD_MAX)?;
        if !word.contains(char::is_alphanumeric) {
            let message = "has neither a letter nor a digit";
            return Err(Problem::invalid_field(&field, message));
        }
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    Ok(kept)
}

async fn find(caller: &Caller, id: Uuid) -> Result<AlertRule, Problem> {
    let rule = caller.tenant.rule(id).await?;
    rule.ok_or_else(|| Problem::not_found("rule"))
}

/// List alert rules
#[utoipa::path(
    get, path = "/api/alert-rules", tag = "alerts", params(Paging),
    responses(
        (status = 200, description = "Rules, the oldest first", body = Page<AlertRule>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<AlertRule>>, Problem> {
    let (limit, after) = paging.moments()?;
    let rules = caller.tenant.rules(after, limit + 1).await?;
    Ok(Answer(Page::cut(rules, limit, |one| {
        page::moment(one.created_at, one.id)
    })))
}

/// One alert rule
#[utoipa::path(
    get, path = "/api/alert-rules/{id}", tag = "alerts",
    params(("id" = Uuid, Path, description = "The rule")),
    responses(
        (status = 200, description = "The rule", body = AlertRule),
        (status = 404, description = "No such rule", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Answer<AlertRule>, Problem> {
    Ok(Answer(find(&caller, id).await?))
}

/// Add an alert rule
#[utoipa::path(
    post, path = "/api/alert-rules", tag = "alerts", request_body = CreateRule,
    responses(
        (status = 201, description = "The rule, watched from now on", body = AlertRule),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 409, description = "`too_many_rules`: the tenant has 100", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Json(body): Json<CreateRule>,
) -> Result<(StatusCode, Answer<AlertRule>), Problem> {
    let at = now();
    let new = AlertRule {
        id: clock::new_id(),
        name: text::required("name", &body.name, NAME_MAX)?,
        severity: body.severity.unwrap_or(Severity::Warning),
        enabled: body.enabled.unwrap_or(true),
        condition: checked(body.condition)?,
        created_at: at,
        updated_at: at,
    };
    let actor = caller.actor();
    if !caller.tenant.add_rule(&new, RULES_MAX, &actor).await? {
        let detail = "the tenant has 100 rules already";
        return Err(Problem::conflict("too_many_rules", detail));
    }
    app.alerts.rules_changed();
    Ok((StatusCode::CREATED, Answer(find(&caller, new.id).await?)))
}

/// Change an alert rule
///
/// Switching it off clears its alerts.
#[utoipa::path(
    patch, path = "/api/alert-rules/{id}", tag = "alerts", request_body = UpdateRule,
    params(("id" = Uuid, Path, description = "The rule")),
    responses(
        (status = 200, description = "The rule as it is now", body = AlertRule),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such rule", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<Uuid>,
    Json(body): Json<UpdateRule>,
) -> Result<Answer<AlertRule>, Problem> {
    let known = find(&caller, id).await?;
    let condition = body.condition.map(checked).transpose()?;
    if condition
        .as_ref()
        .is_some_and(|new| new.kind != known.condition.kind)
    {
        let message = "a rule's kind stays: remove it and add another";
        return Err(Problem::invalid_field("condition.kind", message));
    }
    let name = body.name.as_deref();
    let change = RuleChange {
        name: name
            .map(|name| text::required("name", name, NAME_MAX))
            .transpose()?,
        severity: body.severity,
        enabled: body.enabled,
        condition,
    };
    let actor = caller.actor();
    let changed = caller.tenant.change_rule(id, &change, &actor, now());
    let cleared = changed.await?;
    let cleared = cleared.ok_or_else(|| Problem::not_found("rule"))?;
    app.alerts.rules_changed();
    app.tell_alerts(&cleared).await;
    Ok(Answer(find(&caller, id).await?))
}

/// Remove an alert rule
///
/// Its alerts clear, and stay in the list.
#[utoipa::path(
    delete, path = "/api/alert-rules/{id}", tag = "alerts",
    params(("id" = Uuid, Path, description = "The rule")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such rule", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    let cleared = caller.tenant.remove_rule(id, &actor, now()).await?;
    let cleared = cleared.ok_or_else(|| Problem::not_found("rule"))?;
    app.alerts.rules_changed();
    app.tell_alerts(&cleared).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Say how often a rule would have fired
///
/// Over stored calls, of the last day unless asked otherwise; for `concurrent_calls`, `long_call`
/// and `failed_calls`. At most 50,000 calls are looked at, the first ones of the time.
#[utoipa::path(
    post, path = "/api/alert-rules/preview", tag = "alerts", request_body = Preview,
    responses(
        (status = 200, description = "How often, and when", body = AlertPreview),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn preview_rule(
    Supervisor(caller): Supervisor,
    Json(body): Json<Preview>,
) -> Result<Answer<AlertPreview>, Problem> {
    let condition = checked(body.condition)?;
    let ago = |at: Timestamp, time: Duration| {
        Timestamp::from_unix_ms(at.unix_ms() - time.as_millis() as i64)
    };
    let to = body.to.unwrap_or_else(now);
    let from = body.from.unwrap_or_else(|| ago(to, PREVIEW));
    if from > to {
        return Err(Problem::invalid_field("to", "is earlier than from"));
    }
    if from < ago(to, PREVIEW_MAX) {
        let message = "is more than 31 days before to";
        return Err(Problem::invalid_field("from", message));
    }
    let calls = if preview::is_known(condition.kind) {
        let earliest = ago(from, OLDEST);
        let calls = caller.tenant.past_calls(earliest, from, to, PREVIEW_CALLS);
        calls.await?
    } else {
        Vec::new()
    };
    // it is arithmetic over many calls: not among what must answer at once
    let counted =
        tokio::task::spawn_blocking(move || preview::preview(&condition, &calls, from, to));
    Ok(Answer(counted.await.map_err(|_| Problem::internal())?))
}
