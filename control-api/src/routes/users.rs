//! `/api/users`: the tenant's people, for its admins.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{self as wire, Role, TenantId, UserId};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::me;
use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::{Admin, Caller, PasswordError, Reviewer, check_strength};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{NewUser, Tenant, User, UserChange, UserChanged};

/// A user to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateUser {
    /// 1 to 64 characters of `a-z 0-9 . _ @ + -`; letters are taken in lower case.
    username: String,
    /// 8 to 128 characters.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    role: Role,
    full_name: Option<String>,
    /// The tenant; one's own unless an admin of the default tenant says otherwise.
    client_id: Option<TenantId>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateUser {
    role: Option<Role>,
    /// Cannot log in; running sessions end at once.
    disabled: Option<bool>,
    full_name: Option<String>,
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

fn view(user: User, tenant: TenantId) -> wire::User {
    wire::User {
        id: user.id,
        username: user.username,
        full_name: user.full_name,
        forwarding_number: user.forwarding_number,
        role: user.role,
        client_id: tenant,
        disabled: user.disabled,
        created_at: user.created_at,
    }
}

/// The hash of a new password, which is in that field.
pub(super) async fn hash(
    app: &App,
    field: &str,
    password: SecretString,
) -> Result<String, Problem> {
    check_strength(&password).map_err(|why| Problem::invalid_field(field, why))?;
    app.passwords
        .hash(password)
        .await
        .map_err(|error| match error {
            PasswordError::Busy => Problem::unavailable("busy", error.to_string()),
            PasswordError::Failed(text) => {
                tracing::error!(error = text, "a password could not be hashed");
                Problem::internal()
            }
        })
}

/// List users
#[utoipa::path(
    get, path = "/api/users", tag = "people", params(ListUsers),
    responses(
        (status = 200, description = "The tenant's users by name", body = Page<wire::User>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    Reviewer(caller): Reviewer,
    Query(query): Query<ListUsers>,
) -> Result<Answer<Page<wire::User>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(page::place).transpose()?;
    let users = caller.tenant.users(after.as_deref(), limit + 1).await?;
    let tenant = caller.tenant.id();
    let users = users.into_iter().map(|user| view(user, tenant)).collect();
    Ok(Answer(Page::cut(users, limit, |user: &wire::User| {
        user.username.clone()
    })))
}

/// One user
#[utoipa::path(
    get, path = "/api/users/{id}", tag = "people", params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 200, description = "The user", body = wire::User),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 404, description = "No such user", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    Reviewer(caller): Reviewer,
    Path(id): Path<UserId>,
) -> Result<Answer<wire::User>, Problem> {
    let user = caller.tenant.user(id).await?;
    let user = user.ok_or_else(|| Problem::not_found("user"))?;
    Ok(Answer(view(user, caller.tenant.id())))
}

/// Add a user
#[utoipa::path(
    post, path = "/api/users", tag = "people", request_body = CreateUser,
    responses(
        (status = 201, description = "The user", body = wire::User),
        (status = 403, description = "Needs the role admin, or names another tenant", body = ProblemBody),
        (status = 409, description = "The name is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(create): Json<CreateUser>,
) -> Result<(StatusCode, Answer<wire::User>), Problem> {
    let tenant = match create.client_id {
        Some(other) if !caller.belongs_to(other) => {
            if !caller.is_super_admin() {
                let detail = "people can be added to one's own tenant only";
                return Err(Problem::forbidden("other_tenant", detail));
            }
            let clients = app.store.clients().await?;
            if !clients.iter().any(|client| client.id == other) {
                return Err(Problem::invalid_field("clientId", "is no tenant"));
            }
            app.store.tenant(other)
        }
        _ => caller.tenant.clone(),
    };
    let username = username(&create.username)?;
    let full_name = me::name("fullName", create.full_name)?;
    let password_hash = hash(&app, "password", create.password).await?;
    let new = NewUser {
        id: UserId(clock::new_id()),
        username,
        password_hash,
        full_name,
        role: create.role,
        at: now(),
    };
    tenant
        .add_user(&new, &caller.actor())
        .await
        .map_err(|error| {
            if error.is_duplicate() {
                taken()
            } else {
                error.into()
            }
        })?;
    info!(by = %caller.identity.user, user = %new.id, role = %new.role, "user added");
    let user = tenant.user(new.id).await?;
    let user = user.ok_or_else(|| Problem::not_found("user"))?;
    Ok((StatusCode::CREATED, Answer(view(user, tenant.id()))))
}

/// Change a user
///
/// A new role, a new password or being disabled ends the user's sessions at once.
#[utoipa::path(
    patch, path = "/api/users/{id}", tag = "people", request_body = UpdateUser,
    params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 200, description = "The user as they are now", body = wire::User),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such user", body = ProblemBody),
        (status = 409, description = "The last admin, or a user of other tenants too", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<UserId>,
    Json(update): Json<UpdateUser>,
) -> Result<Answer<wire::User>, Problem> {
    if caller.tenant.user(id).await?.is_none() {
        return Err(Problem::not_found("user"));
    }
    let full_name = me::name("fullName", update.full_name)?;
    if (update.password.is_some() || full_name.is_some()) && caller.tenant.shares_user(id).await? {
        let detail = "the user belongs to other tenants too: name and password are their own";
        return Err(Problem::conflict("shared_user", detail));
    }
    let password_hash = match update.password {
        Some(password) => Some(hash(&app, "password", password).await?),
        None => None,
    };
    let user_change = UserChange {
        role: update.role,
        disabled: update.disabled,
        full_name,
        forwarding_number: None,
        password_hash,
    };
    change(&app, &caller, &caller.tenant, id, user_change).await?;
    let user = caller.tenant.user(id).await?;
    let user = user.ok_or_else(|| Problem::not_found("user"))?;
    Ok(Answer(view(user, caller.tenant.id())))
}

/// Remove a user
///
/// Their sessions end at once.
#[utoipa::path(
    delete, path = "/api/users/{id}", tag = "people", params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 204, description = "They are gone"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such user", body = ProblemBody),
        (status = 409, description = "The last admin", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<UserId>,
) -> Result<StatusCode, Problem> {
    remove_from(&app, &caller, &caller.tenant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a user of a tenant, and ends their sessions there if that takes something from them.
pub(super) async fn change(
    app: &App,
    caller: &Caller,
    tenant: &Tenant,
    id: UserId,
    change: UserChange,
) -> Result<(), Problem> {
    let known = tenant.user(id).await?;
    let known = known.ok_or_else(|| Problem::not_found("user"))?;
    let ends_sessions = change.role.is_some_and(|role| role != known.role)
        || change.disabled == Some(true)
        || change.password_hash.is_some();
    let actor = caller.actor();
    let changed = tenant.change_user(id, &change, &actor, now());
    judge(changed.await?)?;
    if ends_sessions {
        app.end_user(tenant.id(), id).await?;
    }
    info!(by = %caller.identity.user, user = %id, ends_sessions, "user changed");
    Ok(())
}

/// Takes a user out of a tenant. Nobody may lock a tenant out of its own administration; whoever
/// manages all tenants can let them in again.
pub(super) async fn remove_from(
    app: &App,
    caller: &Caller,
    tenant: &Tenant,
    id: UserId,
) -> Result<(), Problem> {
    let keep_admin = caller.belongs_to(tenant.id());
    let actor = caller.actor();
    let removed = tenant.remove_user(id, keep_admin, &actor, now());
    judge(removed.await?)?;
    app.end_user(tenant.id(), id).await?;
    info!(by = %caller.identity.user, user = %id, "user removed");
    Ok(())
}

fn judge(changed: UserChanged) -> Result<(), Problem> {
    match changed {
        UserChanged::Done => Ok(()),
        UserChanged::Unknown => Err(Problem::not_found("user")),
        UserChanged::LastAdmin => {
            let detail = "this is the last admin of the tenant";
            Err(Problem::conflict("last_admin", detail))
        }
    }
}

pub(super) fn taken() -> Problem {
    Problem::conflict("username_taken", "a user of that name exists")
}

pub(super) fn username(text: &str) -> Result<String, Problem> {
    let name = text.trim().to_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._@+-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        Ok(name)
    } else {
        let message = "is not 1 to 64 characters of a-z, 0-9 and . _ @ + -";
        Err(Problem::invalid_field("username", message))
    }
}
