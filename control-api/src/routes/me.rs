//! `GET /api/me`, `PUT /api/me/profile`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use sidetone_wire::{Me, Membership};
use utoipa::ToSchema;

use crate::app::{App, now};
use crate::auth::Caller;
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, Identity, UserChange};

/// Characters of a name, at most.
pub(super) const NAME_MAX: usize = 200;
/// Characters of a forwarding number, at most: a SIP address is longer than a number.
const NUMBER_MAX: usize = 128;

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The name others see, 1 to 200 characters.
    full_name: Option<String>,
    /// Where calls are forwarded to: a number or SIP address, at most 128 characters.
    forwarding_number: Option<String>,
}

/// What a session's user is.
pub(super) async fn describe(app: &App, identity: &Identity) -> store::Result<Me> {
    let mut clients = app.store.memberships(identity.user).await?;
    if identity.api_key.is_some() {
        clients.push(Membership {
            client_id: identity.tenant,
            slug: identity.tenant_slug.clone(),
            name: identity.tenant_name.clone(),
            role: identity.role,
        });
    }
    Ok(Me {
        clients,
        api_key_id: identity.api_key,
        id: identity.user,
        username: identity.username.clone(),
        full_name: identity.full_name.clone(),
        // an empty one was taken away
        forwarding_number: identity
            .forwarding_number
            .clone()
            .filter(|number| !number.is_empty()),
        role: identity.role,
        client_id: identity.tenant,
        client_name: identity.tenant_name.clone(),
    })
}

/// Who is logged in
#[utoipa::path(
    get, path = "/api/me", tag = "session",
    responses(
        (status = 200, description = "The caller", body = Me),
        (status = 401, description = "Nobody is", body = ProblemBody),
    ),
)]
pub(crate) async fn me(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Me>, Problem> {
    Ok(Answer(describe(&app, &caller.identity).await?))
}

/// Change one's own profile
#[utoipa::path(
    put, path = "/api/me/profile", tag = "session", request_body = Profile,
    responses(
        (status = 200, description = "The caller as they are now", body = Me),
        (status = 403, description = "An API key has no profile (`person_required`)", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update_profile(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(profile): Json<Profile>,
) -> Result<Answer<Me>, Problem> {
    let user = caller.person()?;
    let full_name = name("full_name", profile.full_name)?;
    if let Some(number) = &profile.forwarding_number
        && number.chars().count() > NUMBER_MAX
    {
        let message = "has more than 128 characters";
        return Err(Problem::invalid_field("forwarding_number", message));
    }
    let change = UserChange {
        full_name,
        forwarding_number: profile.forwarding_number,
        ..UserChange::default()
    };
    let actor = caller.actor();
    let changed = caller.tenant.change_user(user, &change, &actor, now());
    changed.await?;
    let session = caller.identity.session;
    let identity = app.store.session(session, now()).await?;
    let identity =
        identity.ok_or_else(|| Problem::unauthenticated("the session has ended meanwhile"))?;
    Ok(Answer(describe(&app, &identity).await?))
}

/// A name without blanks around it.
pub(super) fn name(field: &str, name: Option<String>) -> Result<Option<String>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let name = name.trim();
    match name.chars().count() {
        0 => Err(Problem::invalid_field(field, "is empty")),
        1..=NAME_MAX => Ok(Some(name.to_owned())),
        _ => Err(Problem::invalid_field(
            field,
            "has more than 200 characters",
        )),
    }
}
