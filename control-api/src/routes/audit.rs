//! `GET /api/audit`: who did or heard what.

use axum::Json as Answer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sidetone_wire::Timestamp;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::page::{self, Page};
use crate::auth::Reviewer;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::store::{AuditFilter, Noted};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAudit {
    /// Id of a call, recording or client.
    subject: Option<Uuid>,
    /// For example `recording.erased`.
    action: Option<String>,
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRow {
    id: Uuid,
    at: Timestamp,
    /// A user's id, or a rule's name, for example `rule:retention`.
    actor: String,
    /// Address they acted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// For example `recording.erased`.
    action: String,
    /// `call`, `recording` or `client`.
    subject_kind: String,
    subject_id: String,
    /// What else there is to say, by action.
    detail: Value,
}

fn view(noted: Noted) -> AuditRow {
    AuditRow {
        id: noted.id,
        at: noted.at,
        actor: noted.actor.name,
        address: noted.actor.address,
        action: noted.action,
        subject_kind: noted.subject_kind,
        subject_id: noted.subject_id,
        detail: noted.detail,
    }
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
    };
    let rows = caller.tenant.audit(&filter, after, limit + 1).await?;
    let rows = rows.into_iter().map(view).collect();
    Ok(Answer(Page::cut(rows, limit, |row: &AuditRow| {
        format!("{}.{}", row.at.unix_ms(), row.id)
    })))
}

fn read_place(cursor: &str) -> Result<(Timestamp, Uuid), Problem> {
    let text = page::place(cursor)?;
    let (at, id) = text.split_once('.').ok_or_else(page::wrong_cursor)?;
    Ok((
        Timestamp::from_unix_ms(at.parse().map_err(|_| page::wrong_cursor())?),
        id.parse().map_err(|_| page::wrong_cursor())?,
    ))
}
