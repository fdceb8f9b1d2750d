//! `/api/invites`: who may register, for the tenant's admins.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_service::config::Registration;
use sidetone_wire::{Invite, InviteId, InviteState, NewInvite, Role, Timestamp};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::{Admin, Reviewer, secret};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store;

/// How long an invite is good unless its maker says otherwise.
const DEFAULT_LIFE: Duration = Duration::from_hours(7 * 24);
/// And at most.
const LONGEST_LIFE: Duration = Duration::from_hours(90 * 24);

/// An invite to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateInvite {
    /// What whoever registers with it may do.
    role: Role,
    /// When it ends by itself: in 7 days unless told, in 90 at most.
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListInvites {
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List invites
#[utoipa::path(
    get, path = "/api/invites", tag = "people", params(ListInvites),
    responses(
        (status = 200, description = "The tenant's invites, newest first, without their tokens", body = Page<Invite>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    Reviewer(caller): Reviewer,
    Query(query): Query<ListInvites>,
) -> Result<Answer<Page<Invite>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = query.cursor.as_deref().map(page::id).transpose()?;
    let invites = caller.tenant.invites(before, limit + 1, now()).await?;
    Ok(Answer(Page::cut(invites, limit, |invite: &Invite| {
        invite.id.to_string()
    })))
}

/// Make an invite
///
/// The answer has its token, this once. Whoever has it can register once, in this tenant, with
/// that role.
#[utoipa::path(
    post, path = "/api/invites", tag = "people", request_body = CreateInvite,
    responses(
        (status = 201, description = "The invite", body = NewInvite),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 409, description = "Nobody can register here, with or without (`registration_closed`)", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(create): Json<CreateInvite>,
) -> Result<impl IntoResponse, Problem> {
    let at = now();
    let after = |life: Duration| Timestamp::from_unix_ms(at.unix_ms() + life.as_millis() as i64);
    let expires_at = create.expires_at.unwrap_or(after(DEFAULT_LIFE));
    if expires_at <= at || expires_at > after(LONGEST_LIFE) {
        let message = "is not between now and 90 days from now";
        return Err(Problem::invalid_field("expiresAt", message));
    }
    if app.registration == Registration::Closed {
        let detail = "registration is closed here (SIDETONE_REGISTRATION): add users instead";
        return Err(Problem::conflict("registration_closed", detail));
    }
    let token = secret::new_invite();
    let invite = Invite {
        id: InviteId(clock::new_id()),
        role: create.role,
        state: InviteState::Pending,
        created_by: caller.identity.user,
        created_at: at,
        expires_at,
        used_by: None,
    };
    let new = store::NewInvite {
        invite: invite.clone(),
        token_hash: secret::hashed(&SecretString::from(token.clone())),
    };
    caller.tenant.add_invite(&new, &caller.actor()).await?;
    info!(by = %caller.identity.user, invite = %invite.id, role = %invite.role, "invite made");
    let caching = [(header::CACHE_CONTROL, "no-store")];
    Ok((
        StatusCode::CREATED,
        caching,
        Answer(NewInvite { invite, token }),
    ))
}

/// Take an invite back
#[utoipa::path(
    delete, path = "/api/invites/{id}", tag = "people",
    params(("id" = InviteId, Path, description = "The invite")),
    responses(
        (status = 204, description = "Nobody can register with it"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such invite", body = ProblemBody),
    ),
)]
pub(crate) async fn revoke(
    Admin(caller): Admin,
    Path(id): Path<InviteId>,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    if !caller.tenant.revoke_invite(id, &actor, now()).await? {
        return Err(Problem::not_found("invite"));
    }
    info!(by = %caller.identity.user, invite = %id, "invite taken back");
    Ok(StatusCode::NO_CONTENT)
}
