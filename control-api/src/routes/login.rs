//! `POST /api/auth/login`, also `/api/login`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sidetone_service::clock;
use sidetone_wire::{Me, TenantId, Timestamp, UserId};
use tracing::{error, info, warn};
use utoipa::ToSchema;

use super::me;
use crate::app::{App, now};
use crate::auth::{PasswordError, Passwords, cookies};
use crate::extract::JsonOrForm;
use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, Actor, LoginUser, NewSession};

/// Who wants to log in. Further fields of the OAuth password form are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Credentials {
    /// The user's name, in whatever case.
    username: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Slug of the tenant to act for; without it, the first that lets the user in.
    #[serde(alias = "client")]
    tenant: Option<String>,
}

/// The session that was made. Browsers also get it as a cookie.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedIn {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// Seconds until the session ends.
    expires_in: u64,
    user: Me,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the user name or the password is wrong")]
    Wrong,
    #[error("too many tries")]
    TooMany(Duration),
    #[error("too many people log in at once")]
    Busy,
    #[error("this page may not log anybody in here")]
    ForeignOrigin,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("password: {0}")]
    Password(String),
    #[error(transparent)]
    Other(#[from] Problem),
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Failed(text) => Self::Password(text),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.into_problem().into_response()
    }
}

impl Refusal {
    pub(super) fn into_problem(self) -> Problem {
        let detail = self.to_string();
        match self {
            Self::Wrong => Problem::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail),
            Self::TooMany(wait) => too_many(wait),
            Self::Other(problem) => problem,
            Self::Busy => Problem::unavailable("busy", detail),
            Self::ForeignOrigin => Problem::forbidden("origin_not_allowed", detail),
            Self::Store(error) => error.into(),
            Self::Password(text) => {
                error!(error = text, "a password could not be verified");
                Problem::internal()
            }
        }
    }
}

pub(super) fn too_many(wait: Duration) -> Problem {
    let detail = format!("too many tries: wait {} s", wait.as_secs().max(1));
    // the header counts whole seconds: a try after them must not be too early
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        .retry_after(wait + Duration::from_secs(1))
}

/// Log in
///
/// JSON or form-encoded. Ten wrong tries a minute per user and address, and a hundred for a user
/// from all addresses, and for an address over all users, that have not logged in together before.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "session", security(()),
    request_body(content(
        (Credentials = "application/json"),
        (Credentials = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Logged in; the session is also set as a cookie", body = LoggedIn),
        (status = 401, description = "Wrong user name, password or tenant", body = ProblemBody),
        (status = 403, description = "The page that asks may not", body = ProblemBody),
        (status = 422, description = "A field is missing", body = ProblemBody),
        (status = 429, description = "Too many tries; `Retry-After` says how long to wait", body = ProblemBody),
    ),
)]
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    JsonOrForm(credentials): JsonOrForm<Credentials>,
) -> Result<Response, Refusal> {
    let username = credentials.username.trim().to_lowercase();
    if !app.origins.allow(&headers) {
        return Err(Refusal::ForeignOrigin);
    }
    if username.len() > 256 || credentials.password.expose_secret().len() > 1024 {
        return Err(Refusal::Wrong); // no such user or password can have been made
    }
    app.attempts
        .begin(&username, from.ip(), clock::now())
        .map_err(|wait| {
            metrics::login("limited");
            Refusal::TooMany(wait)
        })?;
    let slug = credentials.tenant.as_deref().map(str::trim);
    let slug = slug.filter(|slug| !slug.is_empty());
    let user = app.store.login_user(&username, slug).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let address = Some(from.ip().to_string());
    let password = credentials.password.clone();
    let fits = app.passwords.verify(password, hash).await;
    let user = match (fits, user) {
        (Ok(true), Some(user)) => user,
        (Ok(_), user) => {
            metrics::login("wrong");
            app.store
                .refuse_login(user.as_ref(), address, now())
                .await?;
            return Err(Refusal::Wrong);
        }
        (Err(error), _) => {
            metrics::login("busy");
            return Err(error.into());
        }
    };
    app.attempts.succeeded(&username, from.ip());
    metrics::login("ok");
    upgrade(&app, &user, credentials.password).await;
    open_session(&app, user.user, user.tenant, address, None).await
}

/// Hashes a password anew whose hash is an older system's. Failing is no harm: the next login tries
/// again.
async fn upgrade(app: &App, user: &LoginUser, password: SecretString) {
    if Passwords::is_current(&user.password_hash) {
        return;
    }
    let upgraded = match app.passwords.hash(password).await {
        Ok(hash) => {
            let upgrade = app
                .store
                .upgrade_hash(user.user, &user.password_hash, &hash);
            upgrade.await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    match upgraded {
        Ok(()) => info!(user = %user.user, "an older system's password hash was replaced"),
        Err(error) => warn!(user = %user.user, error, "an older system's password hash stays"),
    }
}

/// Opens a session of a user in a tenant, from another tenant's or by a login.
pub(super) async fn open_session(
    app: &App,
    user: UserId,
    tenant: TenantId,
    address: Option<String>,
    from: Option<TenantId>,
) -> Result<Response, Refusal> {
    let at = now();
    let seconds = u64::from(app.session_minutes) * 60;
    let until = Timestamp::from_unix_ms(at.unix_ms() + seconds.cast_signed() * 1000);
    let session = NewSession {
        id: clock::new_id(),
        user,
        tenant,
        at,
        until,
    };
    let actor = Actor {
        name: user.to_string(),
        address,
    };
    app.store.add_session(&session, &actor, from).await?;
    // what the session says of its user is read as every later request will read it
    let identity = app.store.session(session.id, at).await?;
    let identity = identity.ok_or(Refusal::Wrong)?;
    info!(user = %identity.user, session = %identity.session, "logged in");
    let token = app.tokens.issue(
        session.id,
        identity.user,
        &identity.tenant_slug,
        identity.role,
        at,
        until,
    );
    let csrf = app.tokens.csrf(session.id);
    let set = cookies::set(&token, &csrf, seconds, app.secure_cookies);
    let body = LoggedIn {
        access_token: token,
        token_type: "bearer",
        expires_in: seconds,
        user: me::describe(app, &identity).await?,
    };
    let cookies = AppendHeaders(set.map(|cookie| (header::SET_COOKIE, cookie)));
    let caching = [(header::CACHE_CONTROL, "no-store")];
    Ok((cookies, caching, Json(body)).into_response())
}

/// Log in
///
/// The same as `/api/auth/login`.
#[utoipa::path(
    post, path = "/api/login", tag = "session", security(()),
    request_body(content(
        (Credentials = "application/json"),
        (Credentials = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Logged in", body = LoggedIn),
        (status = 401, description = "Wrong user name, password or tenant", body = ProblemBody),
        (status = 403, description = "The page that asks may not", body = ProblemBody),
        (status = 422, description = "A field is missing", body = ProblemBody),
        (status = 429, description = "Too many tries", body = ProblemBody),
    ),
)]
pub(crate) async fn login_short(
    app: State<Arc<App>>,
    from: ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    credentials: JsonOrForm<Credentials>,
) -> Result<Response, Refusal> {
    login(app, from, headers, credentials).await
}
