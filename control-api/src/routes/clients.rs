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
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};
use crate::store::Client;

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
        (status = 403, description = "Needs an admin of the default tenant", body = ProblemBody),
        (status = 409, description = "The slug is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(create): Json<CreateClient>,
) -> Result<(StatusCode, Answer<wire::Client>), Problem> {
    if !caller.is_super_admin() {
        let detail = "tenants are added by admins of the default one";
        return Err(Problem::forbidden("other_tenant", detail));
    }
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
    app.store.add_client(&client).await.map_err(|error| {
        if error.is_duplicate() {
            Problem::conflict("slug_taken", "a tenant of that slug exists")
        } else {
            error.into()
        }
    })?;
    info!(by = %caller.identity.user, tenant = client.slug, "tenant added");
    Ok((StatusCode::CREATED, Answer(view(client))))
}

fn is_slug(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
