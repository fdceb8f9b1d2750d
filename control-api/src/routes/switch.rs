//! `POST /api/auth/switch`: to act for another of one's tenants.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use sidetone_wire::TenantId;
use utoipa::ToSchema;

use super::login::{self, LoggedIn, Refusal};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};

/// The tenant to act for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Switch {
    client_id: TenantId,
}

/// Act for another tenant
///
/// Gives a new session and ends this one: what is open of the former tenant is closed.
#[utoipa::path(
    post, path = "/api/auth/switch", tag = "session", request_body = Switch,
    responses(
        (status = 200, description = "The new session; it is also set as a cookie", body = LoggedIn),
        (status = 403, description = "An API key belongs to one tenant (`person_required`)", body = ProblemBody),
        (status = 404, description = "The caller is no member of such a tenant", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn switch(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(switch): Json<Switch>,
) -> Result<Response, Refusal> {
    let user = caller.person()?;
    let memberships = app.store.memberships(user).await?;
    let membership = memberships
        .iter()
        .find(|membership| membership.client_id == switch.client_id)
        .ok_or_else(|| Problem::not_found("tenant"))?;
    let address = caller.actor().address;
    let from = Some(caller.identity.tenant);
    let tenant = membership.client_id;
    let response = login::open_session(&app, user, tenant, address, from).await?;
    app.end_session(&caller.identity, &caller.actor()).await?;
    Ok(response)
}
