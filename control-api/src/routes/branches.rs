//! `/api/branches`: the parts of a tenant.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{Branch, BranchId};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::{Admin, Caller};
use crate::extract::{Change, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, BranchRemoval};

/// Characters of a name.
const NAME_MAX: usize = 100;

/// A branch to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateBranch {
    /// 1 to 100 characters, of its own within the tenant.
    name: String,
    /// A name in the IANA database, for example `Europe/Berlin`.
    timezone: Option<String>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateBranch {
    name: Option<String>,
    /// `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    timezone: Change<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBranches {
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List branches
#[utoipa::path(
    get, path = "/api/branches", tag = "people", params(ListBranches),
    responses(
        (status = 200, description = "The tenant's branches by name", body = Page<Branch>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(query): Query<ListBranches>,
) -> Result<Answer<Page<Branch>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(page::place).transpose()?;
    let branches = caller.tenant.branches(after.as_deref(), limit + 1).await?;
    let name = |branch: &Branch| branch.name.clone();
    Ok(Answer(Page::cut(branches, limit, name)))
}

/// One branch
#[utoipa::path(
    get, path = "/api/branches/{id}", tag = "people",
    params(("id" = BranchId, Path, description = "The branch")),
    responses(
        (status = 200, description = "The branch", body = Branch),
        (status = 404, description = "No such branch", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    caller: Caller,
    Path(id): Path<BranchId>,
) -> Result<Answer<Branch>, Problem> {
    Ok(Answer(find(&caller, id).await?))
}

/// Add a branch
#[utoipa::path(
    post, path = "/api/branches", tag = "people", request_body = CreateBranch,
    responses(
        (status = 201, description = "The branch", body = Branch),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 409, description = "The name is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    Admin(caller): Admin,
    Json(create): Json<CreateBranch>,
) -> Result<(StatusCode, Answer<Branch>), Problem> {
    let branch = Branch {
        id: BranchId(clock::new_id()),
        client_id: caller.tenant.id(),
        name: name("name", &create.name)?,
        timezone: create.timezone.map(timezone).transpose()?,
        active_calls: 0,
        created_at: now(),
    };
    let added = caller.tenant.add_branch(&branch, &caller.actor()).await;
    added.map_err(taken)?;
    info!(by = %caller.identity.user, branch = %branch.id, "branch added");
    Ok((StatusCode::CREATED, Answer(branch)))
}

/// Change a branch
#[utoipa::path(
    patch, path = "/api/branches/{id}", tag = "people", request_body = UpdateBranch,
    params(("id" = BranchId, Path, description = "The branch")),
    responses(
        (status = 200, description = "The branch as it is now", body = Branch),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such branch", body = ProblemBody),
        (status = 409, description = "The name is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    Admin(caller): Admin,
    Path(id): Path<BranchId>,
    Json(update): Json<UpdateBranch>,
) -> Result<Answer<Branch>, Problem> {
    let mut branch = find(&caller, id).await?;
    if let Some(new) = &update.name {
        branch.name = name("name", new)?;
    }
    if let Change::Is(new) = update.timezone {
        branch.timezone = new.map(timezone).transpose()?;
    }
    let actor = caller.actor();
    let changed = caller.tenant.change_branch(&branch, &actor, now()).await;
    if !changed.map_err(taken)? {
        return Err(Problem::not_found("branch"));
    }
    Ok(Answer(branch))
}

/// Remove a branch
///
/// Its calls stay, without a branch.
#[utoipa::path(
    delete, path = "/api/branches/{id}", tag = "people",
    params(("id" = BranchId, Path, description = "The branch")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such branch", body = ProblemBody),
        (status = 409, description = "Phone numbers belong to it", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<BranchId>,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    match caller.tenant.remove_branch(id, &actor, now()).await? {
        BranchRemoval::Done => {
            app.active.forget_branch(id);
            info!(by = %caller.identity.user, branch = %id, "branch removed");
            Ok(StatusCode::NO_CONTENT)
        }
        BranchRemoval::HasNumbers => {
            let detail = "phone numbers belong to the branch: move or remove them first";
            Err(Problem::conflict("branch_has_numbers", detail))
        }
        BranchRemoval::Unknown => Err(Problem::not_found("branch")),
    }
}

async fn find(caller: &Caller, id: BranchId) -> Result<Branch, Problem> {
    let branch = caller.tenant.branch(id).await?;
    branch.ok_or_else(|| Problem::not_found("branch"))
}

fn taken(error: store::Error) -> Problem {
    if error.is_duplicate() {
        Problem::conflict("name_taken", "a branch of that name exists")
    } else {
        error.into()
    }
}

/// A name that people give: 1 to 100 characters on one line.
pub(super) fn name(field: &str, text: &str) -> Result<String, Problem> {
    let name = text.trim();
    let fits = (1..=NAME_MAX).contains(&name.chars().count()) && !name.contains(char::is_control);
    if fits {
        Ok(name.to_owned())
    } else {
        let message = "is not 1 to 100 characters on one line";
        Err(Problem::invalid_field(field, message))
    }
}

fn timezone(name: String) -> Result<String, Problem> {
    let part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
        !part.is_empty() && part.chars().all(fits)
    };
    if name.len() <= 64 && name.split('/').all(part) {
        Ok(name)
    } else {
        let message = "is no name of a time zone such as Europe/Berlin";
        Err(Problem::invalid_field("timezone", message))
    }
}
