//! `GET /api/recordings/backlog`: how far takes are on their way to the store.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use sidetone_service::clock;
use sidetone_wire::Backlog;

use super::page::Page;
use crate::app::App;
use crate::auth::Reviewer;
use crate::problem::{Problem, ProblemBody};
use crate::store::DEFAULT_TENANT;

/// What spools hold
///
/// What each node said last, if it did within two minutes. Spools hold the takes of all tenants,
/// so it is for admins and auditors of the default one.
#[utoipa::path(
    get, path = "/api/recordings/backlog", tag = "recordings",
    responses(
        (status = 200, description = "One item for each node", body = Page<Backlog>),
        (status = 403, description = "Needs the role admin or auditor, of the default tenant", body = ProblemBody),
    ),
)]
pub(crate) async fn backlog(
    State(app): State<Arc<App>>,
    Reviewer(caller): Reviewer,
) -> Result<Answer<Page<Backlog>>, Problem> {
    if caller.identity.tenant_slug != DEFAULT_TENANT {
        let detail = "spools are shown to the default tenant";
        return Err(Problem::forbidden("other_tenant", detail));
    }
    let latest = app.realtime.backlogs.latest(clock::now());
    Ok(Answer(Page::whole(latest)))
}
