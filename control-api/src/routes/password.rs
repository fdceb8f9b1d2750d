//! `PUT /api/me/password`: one's own password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use sidetone_service::clock;
use tracing::info;
use utoipa::ToSchema;

use super::login::{Refusal, too_many};
use super::users;
use crate::app::{App, now};
use crate::auth::Caller;
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};

/// The password that is, and the one that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ChangePassword {
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// 8 to 128 characters.
    #[schema(value_type = String, format = Password)]
    new_password: SecretString,
}

/// Change one's own password
///
/// All other sessions of the user end at once, wherever they are.
#[utoipa::path(
    put, path = "/api/me/password", tag = "session", request_body = ChangePassword,
    responses(
        (status = 204, description = "It is changed"),
        (status = 403, description = "The current password is wrong (`wrong_credentials`), or an API key asked", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many tries; `Retry-After` says how long to wait", body = ProblemBody),
    ),
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(change): Json<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let user = caller.person()?;
    let username = &caller.identity.username;
    // whoever has found an open session must not find out its password
    if let Some(address) = caller.address() {
        let wait = app.attempts.begin(username, address, clock::now());
        wait.map_err(too_many)?;
    }
    let known = app.store.password_hash(user).await?;
    let fits = app.passwords.verify(change.current_password, known).await;
    if !fits.map_err(|error| Refusal::from(error).into_problem())? {
        let detail = "the current password is wrong";
        return Err(Problem::forbidden("wrong_credentials", detail));
    }
    if let Some(address) = caller.address() {
        app.attempts.succeeded(username, address);
    }
    let hash = users::hash(&app, "newPassword", change.new_password).await?;
    let at = now();
    caller
        .tenant
        .change_password(user, &hash, &caller.actor(), at)
        .await?;
    app.end_other_sessions(&caller.identity).await?;
    info!(%user, "password changed");
    Ok(StatusCode::NO_CONTENT)
}
