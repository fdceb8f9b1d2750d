//! `POST /api/register`: people who add themselves, if the policy lets them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_service::config::Registration;
use sidetone_wire::{Role, UserId};
use tracing::info;
use utoipa::ToSchema;

use super::login::{self, LoggedIn, Refusal};
use super::{me, users};
use crate::app::{App, now};
use crate::auth::secret;
use crate::extract::JsonOrForm;
use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::store::{DEFAULT_TENANT, NewUser};

/// What registrations are counted under among the tries of an address: no user's name.
const TRIES: &str = "registration:";

/// Somebody who wants to be a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    /// 1 to 64 characters of `a-z 0-9 . _ @ + -`; letters are taken in lower case.
    username: String,
    /// 8 to 128 characters.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// The name others see, 1 to 200 characters.
    #[serde(alias = "fullName")]
    full_name: Option<String>,
    /// An invite's token: it says in which tenant and with what role. Without one, where that is
    /// allowed: an agent of the default tenant.
    #[schema(value_type = Option<String>)]
    invite: Option<SecretString>,
}

/// Register
///
/// Whether and how anybody can is a setting (`SIDETONE_REGISTRATION`). Whoever could is logged in.
#[utoipa::path(
    post, path = "/api/register", tag = "session", security(()),
    request_body(content(
        (Register = "application/json"),
        (Register = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 201, description = "Registered and logged in; the session is also set as a cookie", body = LoggedIn),
        (status = 403, description = "Registration is closed, or needs an invite that is good: see `code`", body = ProblemBody),
        (status = 409, description = "The name is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many tries; `Retry-After` says how long to wait", body = ProblemBody),
    ),
)]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    JsonOrForm(register): JsonOrForm<Register>,
) -> Result<Response, Refusal> {
    if !app.origins.allow(&headers) {
        return Err(Refusal::ForeignOrigin);
    }
    if app.registration == Registration::Closed {
        let detail = "nobody can register here: ask an admin to add you";
        return Err(Problem::forbidden("registration_closed", detail).into());
    }
    let wait = app.attempts.begin(TRIES, from.ip(), clock::now());
    wait.map_err(Refusal::TooMany)?;
    let at = now();
    let invited = match &register.invite {
        Some(token) => {
            let invited = app.store.invited(&secret::hashed(token), at).await?;
            Some(invited.ok_or_else(bad_invite)?)
        }
        None if app.registration == Registration::Open => None,
        None => return Err(bad_invite().into()),
    };
    let (tenant, role) = match invited {
        Some(invited) => (invited.tenant, invited.role),
        None => (app.store.client_id(DEFAULT_TENANT).await?, Role::Agent),
    };
    let new = NewUser {
        id: UserId(clock::new_id()),
        username: users::username(&register.username)?,
        full_name: me::name("full_name", register.full_name)?,
        password_hash: users::hash(&app, "password", register.password).await?,
        role,
        at,
    };
    let address = Some(from.ip().to_string());
    let invite = invited.map(|invited| invited.id);
    let added = app
        .store
        .register(tenant, &new, invite, address.clone())
        .await;
    let added = added.map_err(|error| {
        if error.is_duplicate() {
            users::taken()
        } else {
            error.into()
        }
    })?;
    if !added {
        return Err(bad_invite().into());
    }
    metrics::login("registered");
    info!(user = %new.id, %role, "registered");
    let mut response = login::open_session(&app, new.id, tenant, address, None).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

fn bad_invite() -> Problem {
    let detail = "this needs an invite that is good: it is unknown, used, taken back or too old";
    Problem::forbidden("invite_required", detail)
}
