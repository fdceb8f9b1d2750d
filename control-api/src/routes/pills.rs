//! `GET /api/whisper-pills`, `PUT /api/whisper-pills`, `GET /api/me/preferences`,
//! `PUT /api/me/preferences`.

use axum::Json as Answer;
use serde::Deserialize;
use sidetone_wire::{Preferences, WhisperPill};
use utoipa::ToSchema;

use super::page::Page;
use super::text;
use crate::app::now;
use crate::auth::{Caller, Supervisor};
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};

/// Quick messages of a tenant, at most.
const PILLS_MAX: usize = 50;
/// Characters of a quick message, at most.
const PILL_MAX: usize = 200;
/// Characters of its button, at most.
const LABEL_MAX: usize = 40;
/// Calls that stay on top, at most.
const PINNED_MAX: usize = 64;
/// Keys of what the dashboard keeps for itself, at most.
const VIEWS_MAX: usize = 64;
/// Characters of such a key, at most.
const VIEW_KEY_MAX: usize = 64;
/// Bytes of all of it as JSON, at most.
const VIEWS_BYTES: usize = 32 * 1024;

/// What a tenant has until it has its own.
const DEFAULTS: [&str; 6] = [
    "Slow down, please",
    "Ask an open question",
    "Confirm the customer's details",
    "Offer to call back",
    "Mention the current offer",
    "Summarise and close",
];

/// The tenant's quick messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPills {
    /// At most 50, in order.
    items: Vec<WhisperPill>,
}

fn defaults() -> Vec<WhisperPill> {
    let pill = |text: &&str| WhisperPill {
        text: (*text).to_owned(),
        label: None,
    };
    DEFAULTS.iter().map(pill).collect()
}

/// The tenant's quick messages
///
/// In order; some to begin with, while the tenant has none of its own.
#[utoipa::path(
    get, path = "/api/whisper-pills", tag = "notes",
    responses((status = 200, description = "Quick messages", body = Page<WhisperPill>)),
)]
pub(crate) async fn get(caller: Caller) -> Result<Answer<Page<WhisperPill>>, Problem> {
    let pills = caller.tenant.pills().await?;
    Ok(Answer(Page::whole(pills.unwrap_or_else(defaults))))
}

/// Put quick messages in place of the tenant's
#[utoipa::path(
    put, path = "/api/whisper-pills", tag = "notes", request_body = SetPills,
    responses(
        (status = 200, description = "Quick messages as they are now", body = Page<WhisperPill>),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn set(
    Supervisor(caller): Supervisor,
    Json(body): Json<SetPills>,
) -> Result<Answer<Page<WhisperPill>>, Problem> {
    if body.items.len() > PILLS_MAX {
        return Err(Problem::invalid_field("items", "has more than 50 messages"));
    }
    let mut pills = Vec::new();
    for (n, pill) in body.items.iter().enumerate() {
        let label = pill.label.as_deref();
        pills.push(WhisperPill {
            text: text::required(&format!("items[{n}].text"), &pill.text, PILL_MAX)?,
            label: text::optional(&format!("items[{n}].label"), label, LABEL_MAX)?,
        });
    }
    let actor = caller.actor();
    caller.tenant.set_pills(&pills, &actor, now()).await?;
    Ok(Answer(Page::whole(pills)))
}

/// One's own preferences
#[utoipa::path(
    get, path = "/api/me/preferences", tag = "session",
    responses(
        (status = 200, description = "Preferences in this tenant", body = Preferences),
        (status = 403, description = "`person_required`: an API key has none", body = ProblemBody),
    ),
)]
pub(crate) async fn preferences(caller: Caller) -> Result<Answer<Preferences>, Problem> {
    let user = caller.person()?;
    let preferences = caller.tenant.preferences(user).await?;
    Ok(Answer(preferences.unwrap_or_default()))
}

/// Put preferences in place of one's own
///
/// What is missing becomes the default.
#[utoipa::path(
    put, path = "/api/me/preferences", tag = "session", request_body = Preferences,
    responses(
        (status = 200, description = "Preferences as they are now", body = Preferences),
        (status = 403, description = "`person_required`: an API key has none", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn set_preferences(
    caller: Caller,
    Json(preferences): Json<Preferences>,
) -> Result<Answer<Preferences>, Problem> {
    if preferences.pinned_tiles.len() > PINNED_MAX {
        let message = "has more than 64 calls";
        return Err(Problem::invalid_field("pinnedTiles", message));
    }
    let views = &preferences.views;
    if views.len() > VIEWS_MAX {
        return Err(Problem::invalid_field("views", "has more than 64 keys"));
    }
    if views.keys().any(|key| key.chars().count() > VIEW_KEY_MAX) {
        let message = "has a key of more than 64 characters";
        return Err(Problem::invalid_field("views", message));
    }
    let bytes = serde_json::to_vec(views).map_or(usize::MAX, |json| json.len());
    if bytes > VIEWS_BYTES {
        let message = "is longer than 32 KiB as JSON";
        return Err(Problem::invalid_field("views", message));
    }
    let user = caller.person()?;
    caller
        .tenant
        .set_preferences(user, &preferences, now())
        .await?;
    Ok(Answer(preferences))
}
