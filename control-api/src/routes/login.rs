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
use sidetone_wire::{Me, Timestamp};
use tracing::{error, info};
use utoipa::ToSchema;

use super::me;
use crate::app::{App, now};
use crate::auth::{PasswordError, TRIES_PER_MINUTE, cookies};
use crate::extract::JsonOrForm;
use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, LoginUser, NewSession};

/// Who wants to log in. Further fields of the OAuth password form are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Credentials {
    /// The user's name, in whatever case.
    username: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
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
    #[error("more than {TRIES_PER_MINUTE} tries in a minute: wait {} s", .0.as_secs().max(1))]
    TooMany(Duration),
    #[error("too many people log in at once")]
    Busy,
    #[error("this page may not log anybody in here")]
    ForeignOrigin,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("password: {0}")]
    Password(String),
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
        let detail = self.to_string();
        match self {
            Self::Wrong => Problem::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail),
            Self::TooMany(wait) => {
                // the header counts whole seconds: a try after them must not be too early
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(wait + Duration::from_secs(1))
            }
            Self::Busy => Problem::unavailable("busy", detail),
            Self::ForeignOrigin => Problem::forbidden("origin_not_allowed", detail),
            Self::Store(error) => error.into(),
            Self::Password(text) => {
                error!(error = text, "a password could not be verified");
                Problem::internal()
            }
        }
        .into_response()
    }
}

/// Log in
///
/// JSON or form-encoded. Ten wrong tries a minute per user and address.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "session", security(()),
    request_body(content(
        (Credentials = "application/json"),
        (Credentials = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Logged in; the session is also set as a cookie", body = LoggedIn),
        (status = 401, description = "Wrong user name or password", body = ProblemBody),
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
    let user = app.store.login_user(&username).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = app.passwords.verify(credentials.password, hash).await;
    let user = match (fits, user) {
        (Ok(true), Some(user)) => user,
        (Ok(_), _) => {
            metrics::login("wrong");
            return Err(Refusal::Wrong);
        }
        (Err(error), _) => {
            metrics::login("busy");
            return Err(error.into());
        }
    };
    app.attempts.succeeded(&username, from.ip());
    metrics::login("ok");
    open_session(&app, &user).await
}

async fn open_session(app: &App, user: &LoginUser) -> Result<Response, Refusal> {
    let at = now();
    let seconds = u64::from(app.session_minutes) * 60;
    let until = Timestamp::from_unix_ms(at.unix_ms() + seconds.cast_signed() * 1000);
    let session = NewSession {
        id: clock::new_id(),
        user: user.user,
        tenant: user.tenant,
        at,
        until,
    };
    app.store.add_session(&session).await?;
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
        (status = 401, description = "Wrong user name or password", body = ProblemBody),
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
