//! `/api/clients`: the tenants, for admins of the default one.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{self as wire, TenantId};
use tracing::info;
use utoipa::ToSchema;

use super::me;
use super::page::Page;
use crate::app::{App, now};
use crate::auth::{Admin, Caller};
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::store::{Client, DEFAULT_TENANT, Deletion};

/// A tenant to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateClient {
    /// 1 to 200 characters.
    name: String,
    /// 1 to 63 characters of `a-z 0-9 -`, neither first nor last a hyphen; never changes.
    slug: String,
}

fn view(client: Client) -> wire::Client {
    wire::Client {
        id: client.id,
        slug: client.slug,
        name: client.name,
        disabled: client.disabled,
        created_at: client.created_at,
    }
}

/// List tenants
///
/// An admin of the default tenant sees all, everybody else their own.
#[utoipa::path(
    get, path = "/api/clients", tag = "people",
    responses((status = 200, description = "Tenants by slug", body = Page<wire::Client>)),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<Page<wire::Client>>, Problem> {
    let clients = app.store.clients().await?;
    let items = clients
        .into_iter()
        .filter(|client| caller.is_super_admin() || caller.belongs_to(client.id))
        .map(view)
        .collect();
    Ok(Answer(Page::whole(items)))
}

/// Add a tenant
#[utoipa::path(
    post, path = "/api/clients", tag = "people", request_body = CreateClient,
    responses(
        (status = 201, description = "The tenant", body = wire::Client),
        (status = 403, description = "Needs the role admin, of the default tenant", body = ProblemBody),
        (status = 409, description = "The slug is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(create): Json<CreateClient>,
) -> Result<(StatusCode, Answer<wire::Client>), Problem> {
    needs_super_admin(&caller)?;
    let name = me::name("name", Some(create.name))?.unwrap_or_default();
    if !is_slug(&create.slug) {
        let message = "is not 1 to 63 characters of a-z, 0-9 and hyphens between them";
        return Err(Problem::invalid_field("slug", message));
    }
    let client = Client {
        id: TenantId(clock::new_id()),
        slug: create.slug,
        name,
        disabled: false,
        created_at: now(),
    };
    let by = caller.tenant.id();
    let added = app.store.add_client(&client, by, &caller.actor()).await;
    added.map_err(|error| {
        if error.is_duplicate() {
            Problem::conflict("slug_taken", "a tenant of that slug exists")
        } else {
            error.into()
        }
    })?;
    info!(by = %caller.identity.user, tenant = client.slug, "tenant added");
    Ok((StatusCode::CREATED, Answer(view(client))))
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateClient {
    /// 1 to 200 characters.
    name: Option<String>,
    /// Nobody logs in and no key works; running sessions end at once.
    disabled: Option<bool>,
}

/// One tenant
#[utoipa::path(
    get, path = "/api/clients/{id}", tag = "people",
    params(("id" = TenantId, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The tenant", body = wire::Client),
        (status = 404, description = "No such tenant, or another than the caller's", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<TenantId>,
) -> Result<Answer<wire::Client>, Problem> {
    Ok(Answer(view(find(&app, &caller, id).await?)))
}

/// Change a tenant
///
/// Being disabled ends all its sessions at once, closes what they have open, and cuts off who
/// listens. Its calls are still kept.
#[utoipa::path(
    patch, path = "/api/clients/{id}", tag = "people", request_body = UpdateClient,
    params(("id" = TenantId, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The tenant as it is now", body = wire::Client),
        (status = 403, description = "Needs the role admin, of the default tenant", body = ProblemBody),
        (status = 404, description = "No such tenant", body = ProblemBody),
        (status = 409, description = "The default tenant cannot be disabled", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<TenantId>,
    Json(update): Json<UpdateClient>,
) -> Result<Answer<wire::Client>, Problem> {
    let known = find(&app, &caller, id).await?;
    needs_super_admin(&caller)?;
    let name = me::name("name", update.name)?;
    if update.disabled == Some(true) && known.slug == DEFAULT_TENANT {
        return Err(default_stays());
    }
    let (by, actor) = (caller.tenant.id(), caller.actor());
    let disabled = update.disabled;
    let changed = app
        .store
        .change_client(id, name.as_deref(), disabled, by, &actor, now());
    if !changed.await? {
        return Err(Problem::not_found("tenant"));
    }
    if disabled == Some(true) {
        app.end_tenant(id).await?;
    }
    info!(by = %caller.identity.user, tenant = known.slug, ?disabled, "tenant changed");
    Ok(Answer(view(find(&app, &caller, id).await?)))
}

/// Remove a tenant
///
/// Only one that has no members, calls, recordings, branches, numbers or connections. Its keys and invites end; its audit log
/// stays.
#[utoipa::path(
    delete, path = "/api/clients/{id}", tag = "people",
    params(("id" = TenantId, Path, description = "The tenant")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role admin, of the default tenant", body = ProblemBody),
        (status = 404, description = "No such tenant", body = ProblemBody),
        (status = 409, description = "It is not empty, or the default one", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<TenantId>,
) -> Result<StatusCode, Problem> {
    let known = find(&app, &caller, id).await?;
    needs_super_admin(&caller)?;
    if known.slug == DEFAULT_TENANT {
        return Err(default_stays());
    }
    let by = caller.tenant.id();
    match app
        .store
        .delete_client(id, by, &caller.actor(), now())
        .await?
    {
        Deletion::Done => {}
        Deletion::Unknown => return Err(Problem::not_found("tenant")),
        Deletion::NotEmpty(what) => {
            let detail = format!("the tenant has {what}: remove them first, or disable it");
            return Err(Problem::conflict("client_not_empty", detail));
        }
    }
    app.end_tenant(id).await?;
    info!(by = %caller.identity.user, tenant = known.slug, "tenant removed");
    Ok(StatusCode::NO_CONTENT)
}

/// A tenant that the caller may know of: their own, or any for whoever manages all.
pub(super) async fn find(app: &App, caller: &Caller, id: TenantId) -> Result<Client, Problem> {
    let known = if caller.is_super_admin() || caller.belongs_to(id) {
        app.store.client(id).await?
    } else {
        None
    };
    known.ok_or_else(|| Problem::not_found("tenant"))
}

fn needs_super_admin(caller: &Caller) -> Result<(), Problem> {
    if caller.is_super_admin() {
        return Ok(());
    }
    let detail = "tenants are managed by admins of the default one";
    Err(Problem::forbidden("other_tenant", detail))
}

fn default_stays() -> Problem {
    let detail = "the default tenant has the calls that name no other, and those who manage all";
    Problem::conflict("default_client", detail)
}

fn is_slug(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
