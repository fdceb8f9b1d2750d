//! `POST /api/calls/{id}/feedback`, `GET /api/calls/{id}/feedback`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_wire::{CallId, Feedback};
use utoipa::ToSchema;

use super::page::{self, Page, Paging};
use super::{calls, text};
use crate::app::{App, now};
use crate::auth::{Agent, Caller};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::NewFeedback;

/// Characters of a comment, at most.
const COMMENT_MAX: usize = 2000;

/// A judgement of a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewFeedback)]
pub(crate) struct Judge {
    /// 1 (bad) to 5 (good).
    #[schema(minimum = 1, maximum = 5)]
    rating: i64,
    /// At most 2000 characters.
    comment: Option<String>,
}

/// Judge a call
///
/// Everybody has one judgement of a call: a further one replaces it. Supervisors judge every call,
/// agents their own.
#[utoipa::path(
    post, path = "/api/calls/{id}/feedback", tag = "notes", request_body = Judge,
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 201, description = "The caller's first judgement of the call", body = Feedback),
        (status = 200, description = "It replaces a former one", body = Feedback),
        (status = 403, description = "Needs the role agent, or the call is another agent's", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Agent(caller): Agent,
    Path(id): Path<CallId>,
    Json(body): Json<Judge>,
) -> Result<(StatusCode, Answer<Feedback>), Problem> {
    let call = calls::find(&app, &caller, id).await?;
    caller.may_write_about(&call)?;
    let rating = u8::try_from(body.rating)
        .ok()
        .filter(|rating| (1..=5).contains(rating))
        .ok_or_else(|| Problem::invalid_field("rating", "is not between 1 and 5"))?;
    let comment = text::optional("comment", body.comment.as_deref(), COMMENT_MAX)?;
    let new = NewFeedback { rating, comment };
    let judged = caller
        .tenant
        .judge(id, &new, &caller.author(), now())
        .await?;
    let (feedback, first) = judged.ok_or_else(|| Problem::not_found("call"))?;
    let status = if first {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Answer(feedback)))
}

/// List how people judge a call
///
/// The first first.
#[utoipa::path(
    get, path = "/api/calls/{id}/feedback", tag = "notes",
    params(("id" = CallId, Path, description = "The call"), Paging),
    responses(
        (status = 200, description = "Judgements", body = Page<Feedback>),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<Feedback>>, Problem> {
    let (limit, after) = paging.moments()?;
    calls::find(&app, &caller, id).await?;
    let feedback = caller.tenant.feedback(id, after, limit + 1).await?;
    Ok(Answer(Page::cut(feedback, limit, |one| {
        page::moment(one.created_at, one.id)
    })))
}
