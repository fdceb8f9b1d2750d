//! `GET /api/audit`: who did or heard what. `GET /api/audit/verify`: whether that is what was
//! written.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use sidetone_wire::{AuditRow, AuditVerdict, Timestamp};
use tracing::{error, warn};
use utoipa::IntoParams;
use uuid::Uuid;

use super::page::{self, Page};
use crate::app::App;
use crate::audit::{self, VerifyError};
use crate::auth::Reviewer;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::store::AuditFilter;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAudit {
    /// Id of what it was done to.
    subject: Option<Uuid>,
    /// For example `recording.erased`; `recording.` finds everything of that kind.
    action: Option<String>,
    /// Id of the user or API key who did it, or a rule's name.
    actor: Option<String>,
    /// Not before this time.
    from: Option<Timestamp>,
    /// Before this time.
    to: Option<Timestamp>,
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List what was done
///
/// Newest first, all conditions together.
#[utoipa::path(
    get, path = "/api/audit", tag = "audit", params(ListAudit),
    responses(
        (status = 200, description = "What was done", body = Page<AuditRow>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    Reviewer(caller): Reviewer,
    Query(query): Query<ListAudit>,
) -> Result<Answer<Page<AuditRow>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(read_place).transpose()?;
    let filter = AuditFilter {
        subject: query.subject.map(|id| id.to_string()),
        action: query.action,
        actor: query.actor,
        from: query.from,
        to: query.to,
    };
    let rows = caller.tenant.audit(&filter, after, limit + 1).await?;
    Ok(Answer(Page::cut(rows, limit, |row: &AuditRow| {
        let seq = row.seq.unwrap_or_default();
        format!("{}.{seq}.{}", row.at.unix_ms(), row.id)
    })))
}

/// Without parameters; any is refused by its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Verify the log
///
/// Reads all of it, and the checkpoints in the object store: finds rows that were edited, moved,
/// taken out, put in or cut off, and names the first.
#[utoipa::path(
    get, path = "/api/audit/verify", tag = "audit",
    responses(
        (status = 200, description = "The verdict", body = AuditVerdict),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown", body = ProblemBody),
        (status = 503, description = "Another verification is running, or the database or the object store is away", body = ProblemBody),
    ),
)]
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    Reviewer(caller): Reviewer,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<AuditVerdict>, Problem> {
    let verdict = audit::verify(&app, &caller.tenant).await;
    let verdict = verdict.map_err(|error| match error {
        VerifyError::Busy => Problem::unavailable("busy", error.to_string()),
        VerifyError::Database(error) => error.into(),
        VerifyError::Objects(ref cause) => {
            error!(error = %cause, "checkpoints of the audit log could not be read");
            let detail = "the object store, which has the checkpoints, does not give them";
            Problem::unavailable("store_unavailable", detail)
        }
    })?;
    if let Some(disagreement) = &verdict.disagreement {
        let (kind, seq) = (disagreement.kind, disagreement.seq);
        warn!(tenant = %caller.tenant.id(), %kind, seq, "the audit log is not what was written");
    }
    Ok(Answer(verdict))
}

fn read_place(cursor: &str) -> Result<(Timestamp, u64, Uuid), Problem> {
    let text = page::place(cursor)?;
    let mut parts = text.splitn(3, '.');
    let mut part = || parts.next().ok_or_else(page::wrong_cursor);
    let (at, seq, id) = (part()?, part()?, part()?);
    Ok((
        Timestamp::from_unix_ms(at.parse().map_err(|_| page::wrong_cursor())?),
        seq.parse().map_err(|_| page::wrong_cursor())?,
        id.parse().map_err(|_| page::wrong_cursor())?,
    ))
}
