//! `/api/phone-numbers`: the numbers by which calls are a tenant's and a branch's.

use axum::Json as Answer;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{BranchId, PhoneNumber, PhoneNumberId};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::branches;
use super::page::{self, Page};
use crate::app::now;
use crate::auth::{Admin, Caller};
use crate::calls::numbers::e164;
use crate::extract::{Change, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};

/// A number to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateNumber {
    /// In E.164; spaces, dots, dashes and parentheses are left out.
    number: String,
    /// The branch that is called by it.
    branch_id: Option<BranchId>,
    /// What it is for, 1 to 100 characters.
    label: Option<String>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateNumber {
    /// `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<BranchId>)]
    branch_id: Change<BranchId>,
    /// `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    label: Change<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListNumbers {
    /// Of that branch only.
    branch_id: Option<BranchId>,
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List phone numbers
#[utoipa::path(
    get, path = "/api/phone-numbers", tag = "people", params(ListNumbers),
    responses(
        (status = 200, description = "The tenant's numbers", body = Page<PhoneNumber>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(query): Query<ListNumbers>,
) -> Result<Answer<Page<PhoneNumber>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(page::place).transpose()?;
    let (tenant, branch) = (&caller.tenant, query.branch_id);
    let numbers = tenant.phone_numbers(branch, after.as_deref(), limit + 1);
    let place = |number: &PhoneNumber| number.number.clone();
    Ok(Answer(Page::cut(numbers.await?, limit, place)))
}

/// One phone number
#[utoipa::path(
    get, path = "/api/phone-numbers/{id}", tag = "people",
    params(("id" = PhoneNumberId, Path, description = "The number's id")),
    responses(
        (status = 200, description = "The number", body = PhoneNumber),
        (status = 404, description = "No such number", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    caller: Caller,
    Path(id): Path<PhoneNumberId>,
) -> Result<Answer<PhoneNumber>, Problem> {
    Ok(Answer(find(&caller, id).await?))
}

/// Add a phone number
///
/// Calls to it that name no other tenant are this tenant's from now on.
#[utoipa::path(
    post, path = "/api/phone-numbers", tag = "people", request_body = CreateNumber,
    responses(
        (status = 201, description = "The number", body = PhoneNumber),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 409, description = "A tenant has that number", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    Admin(caller): Admin,
    Json(create): Json<CreateNumber>,
) -> Result<(StatusCode, Answer<PhoneNumber>), Problem> {
    let number = e164(&create.number).ok_or_else(|| {
        let message = "is not in E.164: + and 7 to 15 digits, such as +493012345678";
        Problem::invalid_field("number", message)
    })?;
    known_branch(&caller, create.branch_id).await?;
    let number = PhoneNumber {
        id: PhoneNumberId(clock::new_id()),
        client_id: caller.tenant.id(),
        number,
        branch_id: create.branch_id,
        label: create.label.map(label).transpose()?,
        created_at: now(),
    };
    let actor = caller.actor();
    let added = caller.tenant.add_phone_number(&number, &actor).await;
    added.map_err(|error| {
        if error.is_duplicate() {
            Problem::conflict("number_taken", "the number belongs to a tenant already")
        } else {
            error.into()
        }
    })?;
    info!(by = %caller.identity.user, number = %number.id, "phone number added");
    Ok((StatusCode::CREATED, Answer(number)))
}

/// Change a phone number's branch or label
#[utoipa::path(
    patch, path = "/api/phone-numbers/{id}", tag = "people", request_body = UpdateNumber,
    params(("id" = PhoneNumberId, Path, description = "The number's id")),
    responses(
        (status = 200, description = "The number as it is now", body = PhoneNumber),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such number", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    Admin(caller): Admin,
    Path(id): Path<PhoneNumberId>,
    Json(update): Json<UpdateNumber>,
) -> Result<Answer<PhoneNumber>, Problem> {
    let mut number = find(&caller, id).await?;
    if let Change::Is(branch) = update.branch_id {
        known_branch(&caller, branch).await?;
        number.branch_id = branch;
    }
    if let Change::Is(text) = update.label {
        number.label = text.map(label).transpose()?;
    }
    let (tenant, actor) = (&caller.tenant, caller.actor());
    if !tenant.change_phone_number(&number, &actor, now()).await? {
        return Err(Problem::not_found("phone number"));
    }
    Ok(Answer(number))
}

/// Remove a phone number
///
/// Calls that came by it keep their branch.
#[utoipa::path(
    delete, path = "/api/phone-numbers/{id}", tag = "people",
    params(("id" = PhoneNumberId, Path, description = "The number's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such number", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    Admin(caller): Admin,
    Path(id): Path<PhoneNumberId>,
) -> Result<StatusCode, Problem> {
    let number = find(&caller, id).await?;
    let (tenant, actor) = (&caller.tenant, caller.actor());
    if !tenant.remove_phone_number(&number, &actor, now()).await? {
        return Err(Problem::not_found("phone number"));
    }
    info!(by = %caller.identity.user, number = %id, "phone number removed");
    Ok(StatusCode::NO_CONTENT)
}

async fn find(caller: &Caller, id: PhoneNumberId) -> Result<PhoneNumber, Problem> {
    let number = caller.tenant.phone_number(id).await?;
    number.ok_or_else(|| Problem::not_found("phone number"))
}

async fn known_branch(caller: &Caller, branch: Option<BranchId>) -> Result<(), Problem> {
    let Some(id) = branch else { return Ok(()) };
    match caller.tenant.branch(id).await? {
        Some(_) => Ok(()),
        None => Err(Problem::invalid_field("branchId", "is no branch")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is one step of a map")]
fn label(text: String) -> Result<String, Problem> {
    branches::name("label", &text)
}
