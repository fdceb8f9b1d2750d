//! `/api/api-keys`: keys of programs, for the tenant's admins.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{ApiKey, ApiKeyId, NewApiKey, Role, Timestamp};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::me;
use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::{Admin, Reviewer, secret};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::NewKey;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateKey {
    /// What it is for, 1 to 200 characters.
    name: String,
    /// What it may do.
    role: Role,
    /// When it ends by itself; without it, it does not.
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListKeys {
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List API keys
#[utoipa::path(
    get, path = "/api/api-keys", tag = "people", params(ListKeys),
    responses(
        (status = 200, description = "The tenant's keys, newest first, without their secrets", body = Page<ApiKey>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    Reviewer(caller): Reviewer,
    Query(query): Query<ListKeys>,
) -> Result<Answer<Page<ApiKey>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = query.cursor.as_deref().map(page::id).transpose()?;
    let keys = caller.tenant.keys(before, limit + 1).await?;
    Ok(Answer(Page::cut(keys, limit, |key: &ApiKey| {
        key.id.to_string()
    })))
}

/// Make an API key
///
/// The answer has the key itself, this once. It is sent as `Authorization: Bearer stk_…`, wherever
/// the token of a session is, and never as a cookie.
#[utoipa::path(
    post, path = "/api/api-keys", tag = "people", request_body = CreateKey,
    responses(
        (status = 201, description = "The key", body = NewApiKey),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    Admin(caller): Admin,
    Json(create): Json<CreateKey>,
) -> Result<impl IntoResponse, Problem> {
    let name = me::name("name", Some(create.name))?.unwrap_or_default();
    let at = now();
    if create.expires_at.is_some_and(|end| end <= at) {
        return Err(Problem::invalid_field("expiresAt", "is over already"));
    }
    let key = secret::new_key();
    let api_key = ApiKey {
        id: ApiKeyId(clock::new_id()),
        name,
        role: create.role,
        hint: secret::hint(&key),
        created_by: caller.identity.user,
        created_at: at,
        expires_at: create.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let new = NewKey {
        key: api_key.clone(),
        secret_hash: secret::hashed(&SecretString::from(key.clone())),
    };
    caller.tenant.add_key(&new, &caller.actor()).await?;
    info!(by = %caller.identity.user, key = %api_key.id, role = %api_key.role, "API key made");
    let caching = [(header::CACHE_CONTROL, "no-store")];
    Ok((
        StatusCode::CREATED,
        caching,
        Answer(NewApiKey { api_key, key }),
    ))
}

/// Revoke an API key
///
/// At once: its connections are closed, and it hears nothing more.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", tag = "people",
    params(("id" = ApiKeyId, Path, description = "The key")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such key", body = ProblemBody),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    if !caller.tenant.revoke_key(id, &caller.actor(), now()).await? {
        return Err(Problem::not_found("API key"));
    }
    app.end_key(id).await?;
    info!(by = %caller.identity.user, key = %id, "API key revoked");
    Ok(StatusCode::NO_CONTENT)
}
