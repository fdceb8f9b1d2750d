//! `/api/clients/{id}/members`: who belongs to a tenant.
//!
//! A tenant's admin sees and changes its members; admins of the default tenant do so for all
//! tenants, and only they can make a user of one a member of another.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_wire::{Member, Role, TenantId, UserId};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::clients;
use super::page::{self, Page};
use super::users;
use crate::app::{App, now};
use crate::auth::{Admin, Reviewer};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{Tenant, UserChange};

/// Who is to belong to the tenant: one of `userId` and `username`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AddMember {
    user_id: Option<UserId>,
    username: Option<String>,
    role: Role,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateMember {
    role: Option<Role>,
    /// Cannot act for the tenant; running sessions there end at once.
    disabled: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMembers {
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List a tenant's members
#[utoipa::path(
    get, path = "/api/clients/{id}/members", tag = "people",
    params(("id" = TenantId, Path, description = "The tenant"), ListMembers),
    responses(
        (status = 200, description = "Members by name", body = Page<Member>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 404, description = "No such tenant", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reviewer(caller): Reviewer,
    Path(id): Path<TenantId>,
    Query(query): Query<ListMembers>,
) -> Result<Answer<Page<Member>>, Problem> {
    let client = clients::find(&app, &caller, id).await?;
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(page::place).transpose()?;
    let tenant = app.store.tenant(client.id);
    let members = tenant.members(after.as_deref(), limit + 1).await?;
    Ok(Answer(Page::cut(members, limit, |member: &Member| {
        member.username.clone()
    })))
}

/// Make a user a member of a tenant
#[utoipa::path(
    post, path = "/api/clients/{id}/members", tag = "people", request_body = AddMember,
    params(("id" = TenantId, Path, description = "The tenant")),
    responses(
        (status = 201, description = "The member", body = Member),
        (status = 403, description = "Needs the role admin, of the default tenant", body = ProblemBody),
        (status = 404, description = "No such tenant", body = ProblemBody),
        (status = 409, description = "They are a member already", body = ProblemBody),
        (status = 422, description = "A field is wrong, or names no user", body = ProblemBody),
    ),
)]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<TenantId>,
    Json(add): Json<AddMember>,
) -> Result<(StatusCode, Answer<Member>), Problem> {
    let client = clients::find(&app, &caller, id).await?;
    // others would learn who is a user of other tenants
    if !caller.is_super_admin() {
        let detail = "users of other tenants are made members by admins of the default one";
        return Err(Problem::forbidden("other_tenant", detail));
    }
    let (field, user) = match (add.user_id, &add.username) {
        (Some(user), None) => ("userId", app.store.person(user).await?),
        (None, Some(name)) => ("username", app.store.person_named(name).await?),
        _ => {
            let message = "one of userId and username says who";
            return Err(Problem::invalid_field("userId", message));
        }
    };
    let user = user.ok_or_else(|| Problem::invalid_field(field, "is no user"))?;
    let tenant = app.store.tenant(client.id);
    let actor = caller.actor();
    let added = tenant.add_member(user, add.role, &actor, now());
    added.await.map_err(|error| {
        if error.is_duplicate() {
            Problem::conflict("already_member", "they are a member of this tenant already")
        } else {
            error.into()
        }
    })?;
    info!(by = %caller.identity.user, %user, tenant = %client.id, role = %add.role, "member added");
    Ok((StatusCode::CREATED, Answer(find(&tenant, user).await?)))
}

/// Change a member
///
/// A new role or being disabled ends the member's sessions in this tenant at once.
#[utoipa::path(
    patch, path = "/api/clients/{id}/members/{userId}", tag = "people", request_body = UpdateMember,
    params(
        ("id" = TenantId, Path, description = "The tenant"),
        ("userId" = UserId, Path, description = "The member"),
    ),
    responses(
        (status = 200, description = "The member as they are now", body = Member),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such tenant or member", body = ProblemBody),
        (status = 409, description = "The last admin", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path((id, user)): Path<(TenantId, UserId)>,
    Json(update): Json<UpdateMember>,
) -> Result<Answer<Member>, Problem> {
    let client = clients::find(&app, &caller, id).await?;
    let tenant = app.store.tenant(client.id);
    let change = UserChange {
        role: update.role,
        disabled: update.disabled,
        ..UserChange::default()
    };
    users::change(&app, &caller, &tenant, user, change).await?;
    Ok(Answer(find(&tenant, user).await?))
}

/// Remove a member
///
/// Their sessions in this tenant end at once.
#[utoipa::path(
    delete, path = "/api/clients/{id}/members/{userId}", tag = "people",
    params(
        ("id" = TenantId, Path, description = "The tenant"),
        ("userId" = UserId, Path, description = "The member"),
    ),
    responses(
        (status = 204, description = "They are no member"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such tenant or member", body = ProblemBody),
        (status = 409, description = "The last admin", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path((id, user)): Path<(TenantId, UserId)>,
) -> Result<StatusCode, Problem> {
    let client = clients::find(&app, &caller, id).await?;
    users::remove_from(&app, &caller, &app.store.tenant(client.id), user).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(tenant: &Tenant, user: UserId) -> Result<Member, Problem> {
    let member = tenant.member(user).await?;
    member.ok_or_else(|| Problem::not_found("user"))
}
