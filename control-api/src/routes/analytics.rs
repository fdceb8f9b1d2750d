//! `GET /api/analytics/…`: reports over a time, as JSON or CSV.

mod report;

use axum::Json as Answer;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sidetone_wire::analytics::{
    Bucket, ConcurrencyReport, DurationReport, FeedbackReport, PeaksReport, Span, TagsReport,
    UtilizationReport,
};
use sidetone_wire::{Role, Timestamp};
use utoipa::{IntoParams, ToSchema};

use crate::analytics::{Calendar, Concurrency, TagCounts, Utilization};
use crate::app::now;
use crate::auth::Caller;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::sheet;
use crate::store::Reported;

const DAY_MS: i64 = 86_400_000;
/// Days that a report covers unless asked otherwise.
const DEFAULT_DAYS: i64 = 7;
/// Days that a report covers at most: more than a year, with room for a comparison.
const MAX_DAYS: i64 = 400;

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Csv,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// From then on; 7 days before `to` unless given.
    from: Option<Timestamp>,
    /// Until then, itself not included; now unless given. At most 400 days after `from`.
    to: Option<Timestamp>,
    /// Default `day`.
    #[param(inline)]
    bucket: Option<Bucket>,
    /// Only calls of this branch.
    branch: Option<String>,
    /// IANA name of the zone whose hours and days are meant, for example `Europe/Berlin`; default
    /// UTC.
    tz: Option<String>,
    /// Default `json`.
    #[param(inline)]
    format: Option<Format>,
}

/// A request for a report that can be answered.
struct Wanted {
    caller: Caller,
    span: Span,
    calendar: Calendar,
    format: Format,
}

impl Wanted {
    fn new(caller: Caller, asked: Asked) -> Result<Self, Problem> {
        match caller.identity.role {
            Role::Admin | Role::Supervisor | Role::Auditor => {}
            Role::Agent => return Err(Problem::needs_role(Role::Supervisor)),
        }
        let to = asked.to.unwrap_or_else(now);
        let earlier = Timestamp::from_unix_ms(to.unix_ms() - DEFAULT_DAYS * DAY_MS);
        let from = asked.from.unwrap_or(earlier);
        if from >= to {
            return Err(Problem::invalid_field("from", "is not earlier than to"));
        }
        if to.unix_ms() - from.unix_ms() > MAX_DAYS * DAY_MS {
            let message = "is more than 400 days before to";
            return Err(Problem::invalid_field("from", message));
        }
        let tz = asked.tz.unwrap_or_else(|| "UTC".to_owned());
        let zone = zone(&tz).ok_or_else(|| {
            let message = "is no IANA time zone such as Europe/Berlin";
            Problem::invalid_field("tz", message)
        })?;
        let bucket = asked.bucket.unwrap_or(Bucket::Day);
        Ok(Self {
            caller,
            calendar: Calendar::new(zone, bucket, from, to),
            span: Span {
                from,
                to,
                bucket,
                tz,
                branch: asked.branch,
            },
            format: asked.format.unwrap_or_default(),
        })
    }

    fn reported(&self) -> Reported<'_> {
        Reported {
            from: self.span.from,
            to: self.span.to,
            branch: self.span.branch.as_deref(),
        }
    }

    /// The report in the form that was asked for: whole, or a table of its `rows`.
    fn answer<T: Serialize>(
        &self,
        name: &str,
        report: T,
        rows: &str,
        columns: &[&str],
    ) -> Result<Response, Problem> {
        if self.format == Format::Json {
            return Ok(Answer(report).into_response());
        }
        let report = serde_json::to_value(report).map_err(|error| {
            tracing::error!(%error, "a report could not be written");
            Problem::internal()
        })?;
        let mut table = sheet::line(columns.iter().map(ToString::to_string));
        let rows = report.get(rows).and_then(|rows| rows.as_array());
        for row in rows.into_iter().flatten() {
            let cells = columns.iter().map(|it| sheet::cell(row, &format!("/{it}")));
            table.extend(sheet::line(cells));
        }
        let mut response = table.into_response();
        let headers = response.headers_mut();
        let csv = HeaderValue::from_static("text/csv; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, csv);
        let disposition = format!("attachment; filename=\"{name}.csv\"");
        if let Ok(disposition) = HeaderValue::from_str(&disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        Ok(response)
    }
}

/// The zone of an IANA name. Other things that the library would read (offsets, POSIX rules) have
/// no name that a report could give back.
fn zone(name: &str) -> Option<TimeZone> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if name.len() > 64 || !name.chars().all(fits) {
        return None;
    }
    TimeZone::get(name).ok()
}

/// Mean length of calls
///
/// Of the calls that began in the span: by time, by hour of the day, by day of the week. CSV has
/// the buckets.
#[utoipa::path(
    get, path = "/api/analytics/duration", tag = "analytics", params(Asked),
    responses(
        (status = 200, description = "The report", content((DurationReport = "application/json"), (String = "text/csv"))),
        (status = 403, description = "Needs the role supervisor or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn duration(
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let wanted = Wanted::new(caller, asked)?;
    let slots = wanted.caller.tenant.slots(wanted.reported()).await?;
    let report = report::duration(wanted.span.clone(), &wanted.calendar, &slots);
    let columns = ["start", "calls", "ended", "averageSeconds"];
    wanted.answer("duration", report, "buckets", &columns)
}

/// When most calls come
///
/// Calls that began: by time, the busiest buckets, by hour of the day, by day of the week. CSV has
/// the buckets.
#[utoipa::path(
    get, path = "/api/analytics/peaks", tag = "analytics", params(Asked),
    responses(
        (status = 200, description = "The report", content((PeaksReport = "application/json"), (String = "text/csv"))),
        (status = 403, description = "Needs the role supervisor or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn peaks(caller: Caller, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let wanted = Wanted::new(caller, asked)?;
    let slots = wanted.caller.tenant.slots(wanted.reported()).await?;
    let report = report::peaks(wanted.span.clone(), &wanted.calendar, &slots);
    wanted.answer("peaks", report, "buckets", &["start", "calls"])
}

/// How many calls there were at once
///
/// Exactly: at any moment, and in each bucket the most and the mean. CSV has the buckets.
#[utoipa::path(
    get, path = "/api/analytics/concurrency", tag = "analytics", params(Asked),
    responses(
        (status = 200, description = "The report", content((ConcurrencyReport = "application/json"), (String = "text/csv"))),
        (status = 403, description = "Needs the role supervisor or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn concurrency(
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let wanted = Wanted::new(caller, asked)?;
    let mut sweep = Concurrency::new(&wanted.calendar);
    let tenant = &wanted.caller.tenant;
    tenant
        .held(wanted.reported(), now(), |call| sweep.add(&call))
        .await?;
    let (maximum, maximum_at, buckets) = sweep.finish();
    let report = ConcurrencyReport {
        span: wanted.span.clone(),
        maximum,
        maximum_at,
        buckets,
    };
    let columns = ["start", "maximum", "average"];
    wanted.answer("concurrency", report, "buckets", &columns)
}

/// How busy agents were
///
/// `talkSeconds` counts calls at the same time each, `busySeconds` once. CSV has the agents.
#[utoipa::path(
    get, path = "/api/analytics/utilization", tag = "analytics", params(Asked),
    responses(
        (status = 200, description = "The report", content((UtilizationReport = "application/json"), (String = "text/csv"))),
        (status = 403, description = "Needs the role supervisor or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn utilization(
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let wanted = Wanted::new(caller, asked)?;
    let mut sweep = Utilization::new(&wanted.calendar);
    let tenant = &wanted.caller.tenant;
    tenant
        .held(wanted.reported(), now(), |call| sweep.add(call))
        .await?;
    let (agents, buckets) = sweep.finish();
    let report = UtilizationReport {
        span: wanted.span.clone(),
        agents,
        buckets,
    };
    let columns = [
        "agentId",
        "agentName",
        "calls",
        "talkSeconds",
        "busySeconds",
        "utilization",
    ];
    wanted.answer("utilization", report, "agents", &columns)
}

/// What calls were tagged with
///
/// Of the calls that began in the span. CSV has the tags.
#[utoipa::path(
    get, path = "/api/analytics/tags", tag = "analytics", params(Asked),
    responses(
        (status = 200, description = "The report", content((TagsReport = "application/json"), (String = "text/csv"))),
        (status = 403, description = "Needs the role supervisor or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn tags(caller: Caller, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let wanted = Wanted::new(caller, asked)?;
    let mut counts = TagCounts::default();
    let tenant = &wanted.caller.tenant;
    tenant
        .tagged(wanted.reported(), |call| counts.add(call))
        .await?;
    let (calls, untagged, tags) = counts.finish();
    let report = TagsReport {
        span: wanted.span.clone(),
        calls,
        untagged,
        tags,
    };
    let columns = ["tag", "calls", "ended", "averageSeconds", "successRate"];
    wanted.answer("tags", report, "tags", &columns)
}

/// What people thought of calls
///
/// Feedback given in the span. CSV has the buckets.
#[utoipa::path(
    get, path = "/api/analytics/feedback", tag = "analytics", params(Asked),
    responses(
        (status = 200, description = "The report", content((FeedbackReport = "application/json"), (String = "text/csv"))),
        (status = 403, description = "Needs the role supervisor or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn feedback(
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let wanted = Wanted::new(caller, asked)?;
    let mut ratings = report::Ratings::new(&wanted.calendar);
    let tenant = &wanted.caller.tenant;
    tenant
        .opinions(wanted.reported(), |opinion| ratings.add(opinion))
        .await?;
    let report = ratings.finish(wanted.span.clone());
    let columns = ["start", "count", "averageRating"];
    wanted.answer("feedback", report, "buckets", &columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_an_iana_name() {
        for name in ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Etc/GMT+5"] {
            assert!(zone(name).is_some(), "{name}");
        }
        for name in [
            "",
            "Europe/Atlantis",
            "../../etc/passwd",
            "CET-1CEST,M3.5.0,M10.5.0",
        ] {
            assert!(zone(name).is_none(), "{name}");
        }
    }
}
