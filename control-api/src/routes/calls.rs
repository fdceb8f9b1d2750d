//! `GET /api/calls…`: calls as they are and were.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sidetone_wire::{Call, CallId, CallStatus, Capability, Direction, Role, Timestamp, Upstream};
use utoipa::{IntoParams, ToSchema};

use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::Caller;
use crate::extract::{Path, Query};
use crate::numbers::Viewer;
use crate::problem::{Problem, ProblemBody};
use crate::store::{CallFilter, CallState, Place};

/// Characters of a search, at most.
const SEARCH_MAX: usize = 200;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCalls {
    /// Exactly this state.
    pub(super) status: Option<CallStatus>,
    pub(super) direction: Option<Direction>,
    pub(super) upstream: Option<Upstream>,
    /// The agent's id or name.
    pub(super) agent: Option<String>,
    /// One of the call's tags.
    pub(super) tag: Option<String>,
    /// Found anywhere in numbers, names, room or upstream id; at most 200 characters.
    pub(super) q: Option<String>,
    /// Started then or later.
    pub(super) from: Option<Timestamp>,
    /// Started then or earlier.
    pub(super) to: Option<Timestamp>,
    /// Lasted at least that many seconds.
    pub(super) min_duration: Option<u32>,
    /// 1 to 100, default 50.
    pub(super) limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

impl ListCalls {
    /// What narrows the list, as far as the caller may search.
    pub(super) fn filter(&self, caller: &Caller) -> Result<CallFilter, Problem> {
        let long = |q: &String| q.chars().count() > SEARCH_MAX;
        if self.q.as_ref().is_some_and(long) {
            return Err(Problem::invalid_field("q", "has more than 200 characters"));
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(Problem::invalid_field("to", "is earlier than from"));
        }
        Ok(CallFilter {
            state: self.status.map_or(CallState::Any, CallState::Is),
            direction: self.direction,
            upstream: self.upstream,
            agent: self.agent.clone(),
            tag: self.tag.clone(),
            q: self.q.clone(),
            numbers_of: Viewer::of(&caller.identity).map(|viewer| [viewer.id, viewer.username]),
            from: self.from,
            to: self.to,
            min_duration_seconds: self.min_duration,
        })
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListActive {
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    count: u64,
}

/// List calls
///
/// Newest first, all conditions together.
#[utoipa::path(
    get, path = "/api/calls", tag = "calls", params(ListCalls),
    responses(
        (status = 200, description = "Calls", body = Page<Call>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListCalls>,
) -> Result<Answer<Page<Call>>, Problem> {
    let filter = query.filter(&caller)?;
    page_of(&app, &caller, &filter, query.limit, query.cursor.as_deref()).await
}

/// List active calls
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/calls/active", tag = "calls", params(ListActive),
    responses((status = 200, description = "Calls that have not ended", body = Page<Call>)),
)]
pub(crate) async fn active(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListActive>,
) -> Result<Answer<Page<Call>>, Problem> {
    let filter = CallFilter {
        state: CallState::Active,
        ..CallFilter::default()
    };
    page_of(&app, &caller, &filter, query.limit, query.cursor.as_deref()).await
}

/// Count active calls
///
/// The count is at most a second old.
#[utoipa::path(
    get, path = "/api/calls/active/count", tag = "calls",
    responses((status = 200, description = "How many calls have not ended", body = Count)),
)]
pub(crate) async fn active_count(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<Count>, Problem> {
    let count = app.active.count(&caller.tenant).await?;
    Ok(Answer(Count { count }))
}

/// One active call
#[utoipa::path(
    get, path = "/api/calls/active/{id}", tag = "calls", params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The call", body = Call),
        (status = 404, description = "No such call, or it has ended", body = ProblemBody),
    ),
)]
pub(crate) async fn active_one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
) -> Result<Answer<Call>, Problem> {
    let call = find(&app, &caller, id).await?;
    if call.ended_at.is_some() {
        return Err(Problem::not_found("active call"));
    }
    Ok(Answer(offered(&app, &caller, call)))
}

/// One call
#[utoipa::path(
    get, path = "/api/calls/{id}", tag = "calls", params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The call", body = Call),
        (status = 404, description = "No such call", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
) -> Result<Answer<Call>, Problem> {
    let call = find(&app, &caller, id).await?;
    Ok(Answer(offered(&app, &caller, call)))
}

/// The call with where the caller may hear it. Lists and events do without: it is good for a
/// minute, and for one session.
fn offered(app: &App, caller: &Caller, mut call: Call) -> Call {
    let heard = call.ended_at.is_none() && call.capabilities.contains(&Capability::Listen);
    if heard && caller.may(Role::Supervisor) {
        call.listen_proxy_url = Some(app.listen_proxy_url(&caller.identity, call.id));
    }
    call
}

/// One of the caller's tenant's calls.
pub(super) async fn find(app: &App, caller: &Caller, id: CallId) -> Result<Call, Problem> {
    let call = caller.tenant.call(id, now()).await?;
    let mut call = call.ok_or_else(|| Problem::not_found("call"))?;
    app.enliven(&mut call);
    Ok(call)
}

async fn page_of(
    app: &App,
    caller: &Caller,
    filter: &CallFilter,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<Answer<Page<Call>>, Problem> {
    let limit = page::limit(limit)?;
    let after = cursor.map(read_place).transpose()?;
    let mut calls = caller.tenant.calls(filter, after, limit + 1, now()).await?;
    for call in &mut calls {
        app.enliven(call);
    }
    Ok(Answer(Page::cut(calls, limit, |call| {
        format!("{}.{}", call.started_at.unix_ms(), call.id)
    })))
}

fn read_place(cursor: &str) -> Result<Place, Problem> {
    let text = page::place(cursor)?;
    let (at, id) = text.split_once('.').ok_or_else(page::wrong_cursor)?;
    Ok(Place {
        started_at: Timestamp::from_unix_ms(at.parse().map_err(|_| page::wrong_cursor())?),
        id: id.parse().map_err(|_| page::wrong_cursor())?,
    })
}
