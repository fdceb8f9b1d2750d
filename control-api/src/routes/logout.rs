//! `POST /api/auth/logout`, also `/api/logout`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use tracing::info;

use crate::app::App;
use crate::auth::{Caller, cookies};
use crate::problem::{Problem, ProblemBody};

/// Log out
///
/// Ends the session at once: its token, its sockets and everything it listens to.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "session",
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, description = "There was no session", body = ProblemBody),
        (status = 403, description = "An API key is revoked, not logged out (`person_required`)", body = ProblemBody),
    ),
)]
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.person()?; // a key is revoked, and by those who may
    app.end_session(&caller.identity, &caller.actor()).await?;
    info!(user = %caller.identity.user, session = %caller.identity.session, "logged out");
    let gone = cookies::set("", "", 0, app.secure_cookies);
    let cookies = AppendHeaders(gone.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((StatusCode::NO_CONTENT, cookies).into_response())
}

/// Log out
///
/// The same as `/api/auth/logout`.
#[utoipa::path(
    post, path = "/api/logout", tag = "session",
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, description = "There was no session", body = ProblemBody),
        (status = 403, description = "An API key is revoked, not logged out (`person_required`)", body = ProblemBody),
    ),
)]
pub(crate) async fn logout_short(
    app: State<Arc<App>>,
    caller: Caller,
) -> Result<Response, Problem> {
    logout(app, caller).await
}
