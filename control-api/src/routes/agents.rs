//! `/api/agents…`: who answers calls, and whether they take any.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use sidetone_wire::{Agent as Person, AgentStatus};
use utoipa::ToSchema;

use super::page::{Page, Paging};
use crate::app::{App, now};
use crate::auth::{Agent, Caller};
use crate::extract::{Json, Query};
use crate::problem::{Problem, ProblemBody};

/// Whether one takes calls.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetStatus {
    status: AgentStatus,
}

/// List agents
///
/// Users of the role agent, and others who set a status; with the call that they are in (the
/// call's `agentId` is their id or user name).
#[utoipa::path(
    get, path = "/api/agents", tag = "agents", params(Paging),
    responses(
        (status = 200, description = "Agents by user name", body = Page<Person>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<Person>>, Problem> {
    page_of(&caller, false, &paging).await
}

/// List agents who would take a call now
///
/// Those whose status is `Available` and who are in no call.
#[utoipa::path(
    get, path = "/api/agents/available", tag = "agents", params(Paging),
    responses(
        (status = 200, description = "Agents by user name", body = Page<Person>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn available(
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<Person>>, Problem> {
    page_of(&caller, true, &paging).await
}

async fn page_of(
    caller: &Caller,
    available: bool,
    paging: &Paging,
) -> Result<Answer<Page<Person>>, Problem> {
    let (limit, after) = paging.words()?;
    let agents = caller.tenant.agents(available, after.as_deref(), limit + 1);
    Ok(Answer(Page::cut(agents.await?, limit, |one| {
        one.username.clone()
    })))
}

/// Oneself as an agent
#[utoipa::path(
    get, path = "/api/agents/me", tag = "agents",
    responses(
        (status = 200, description = "The caller", body = Person),
        (status = 404, description = "The caller is no agent and never set a status", body = ProblemBody),
    ),
)]
pub(crate) async fn me(caller: Caller) -> Result<Answer<Person>, Problem> {
    Ok(Answer(find(&caller).await?))
}

async fn find(caller: &Caller) -> Result<Person, Problem> {
    let agent = caller.tenant.agent(caller.identity.user).await?;
    agent.ok_or_else(|| Problem::not_found("agent"))
}

/// Say whether one takes calls
///
/// It ends by itself: whoever had a real-time connection since is `Offline` 60 s after their last
/// one ended, whoever had none 60 s after their last session did.
#[utoipa::path(
    put, path = "/api/agents/status", tag = "agents", request_body = SetStatus,
    responses(
        (status = 200, description = "The caller as an agent now, as `status_update` tells it", body = Person),
        (status = 403, description = "Needs the role agent, and a person: an API key answers no calls", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn set_status(
    State(app): State<Arc<App>>,
    Agent(caller): Agent,
    Json(body): Json<SetStatus>,
) -> Result<Answer<Person>, Problem> {
    let user = caller.person()?;
    caller
        .tenant
        .set_agent_status(user, body.status, now())
        .await?;
    let agent = find(&caller).await?;
    app.tell_agent(caller.tenant.id(), &agent).await;
    Ok(Answer(agent))
}
