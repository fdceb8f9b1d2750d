//! `/api/campaigns`: what calls belong together.

use axum::Json as Answer;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::Campaign;
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{Page, Paging};
use super::text;
use crate::app::now;
use crate::auth::{Caller, Supervisor};
use crate::extract::{Change, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, CampaignChange, dialled};

/// Characters of a word, at most.
const WORD_MAX: usize = 64;
/// Characters of a name, at most.
const NAME_MAX: usize = 200;
/// Characters of a description, at most.
const DESCRIPTION_MAX: usize = 2000;
/// Numbers of a campaign, at most.
const NUMBERS_MAX: usize = 200;
/// Characters of a number, at most: a SIP address is longer than a number.
const NUMBER_MAX: usize = 128;

/// A campaign to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateCampaign {
    /// What calls name it by: 1 to 64 of `a-z 0-9 - _`.
    word: String,
    /// 1 to 200 characters.
    name: String,
    /// At most 2000 characters.
    description: Option<String>,
    /// At most 200; a number belongs to one campaign.
    #[serde(default)]
    numbers: Vec<String>,
    /// Default true.
    active: Option<bool>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateCampaign {
    name: Option<String>,
    /// `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Change<String>,
    /// Takes the place of all of them.
    numbers: Option<Vec<String>>,
    active: Option<bool>,
}

fn word(text: &str) -> Result<String, Problem> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if (1..=WORD_MAX).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    let message = "is not 1 to 64 characters of a-z, 0-9, - and _";
    Err(Problem::invalid_field("word", message))
}

fn numbers(given: &[String]) -> Result<Vec<String>, Problem> {
    if given.len() > NUMBERS_MAX {
        let message = "has more than 200 numbers";
        return Err(Problem::invalid_field("numbers", message));
    }
    let mut kept = Vec::new();
    for (n, number) in given.iter().enumerate() {
        let field = format!("numbers[{n}]");
        let number = dialled(&text::required(&field, number, NUMBER_MAX)?);
        if number.is_empty() {
            return Err(Problem::invalid_field(&field, "is empty"));
        }
        if !kept.contains(&number) {
            kept.push(number);
        }
    }
    Ok(kept)
}

fn taken(error: store::Error) -> Problem {
    if error.is_duplicate() {
        let detail = "another campaign has that word or one of these numbers";
        Problem::conflict("campaign_taken", detail)
    } else {
        error.into()
    }
}

/// List campaigns
#[utoipa::path(
    get, path = "/api/campaigns", tag = "campaigns", params(Paging),
    responses(
        (status = 200, description = "Campaigns by word", body = Page<Campaign>),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<Campaign>>, Problem> {
    let (limit, after) = paging.words()?;
    let campaigns = caller.tenant.campaigns(after.as_deref(), limit + 1).await?;
    Ok(Answer(Page::cut(campaigns, limit, |one| one.word.clone())))
}

/// One campaign
#[utoipa::path(
    get, path = "/api/campaigns/{id}", tag = "campaigns",
    params(("id" = Uuid, Path, description = "The campaign")),
    responses(
        (status = 200, description = "The campaign", body = Campaign),
        (status = 404, description = "No such campaign", body = ProblemBody),
    ),
)]
pub(crate) async fn one(caller: Caller, Path(id): Path<Uuid>) -> Result<Answer<Campaign>, Problem> {
    Ok(Answer(find(&caller, id).await?))
}

async fn find(caller: &Caller, id: Uuid) -> Result<Campaign, Problem> {
    let campaign = caller.tenant.campaign(id).await?;
    campaign.ok_or_else(|| Problem::not_found("campaign"))
}

/// Add a campaign
#[utoipa::path(
    post, path = "/api/campaigns", tag = "campaigns", request_body = CreateCampaign,
    responses(
        (status = 201, description = "The campaign", body = Campaign),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 409, description = "`campaign_taken`: another one has the word or a number", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    Supervisor(caller): Supervisor,
    Json(body): Json<CreateCampaign>,
) -> Result<(StatusCode, Answer<Campaign>), Problem> {
    let at = now();
    let new = Campaign {
        id: clock::new_id(),
        word: word(&body.word)?,
        name: text::required("name", &body.name, NAME_MAX)?,
        description: text::optional("description", body.description.as_deref(), DESCRIPTION_MAX)?,
        numbers: numbers(&body.numbers)?,
        active: body.active.unwrap_or(true),
        created_at: at,
        updated_at: at,
    };
    let added = caller.tenant.add_campaign(&new, &caller.actor()).await;
    added.map_err(taken)?;
    Ok((StatusCode::CREATED, Answer(find(&caller, new.id).await?)))
}

/// Change a campaign
///
/// Its word stays: calls name it by that.
#[utoipa::path(
    patch, path = "/api/campaigns/{id}", tag = "campaigns", request_body = UpdateCampaign,
    params(("id" = Uuid, Path, description = "The campaign")),
    responses(
        (status = 200, description = "The campaign as it is now", body = Campaign),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such campaign", body = ProblemBody),
        (status = 409, description = "`campaign_taken`: another one has a number", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    Supervisor(caller): Supervisor,
    Path(id): Path<Uuid>,
    Json(body): Json<UpdateCampaign>,
) -> Result<Answer<Campaign>, Problem> {
    let name = body
        .name
        .as_deref()
        .map(|name| text::required("name", name, NAME_MAX))
        .transpose()?;
    let description = body
        .description
        .edit(|given| text::optional("description", given.as_deref(), DESCRIPTION_MAX))?;
    let change = CampaignChange {
        name,
        description,
        numbers: body.numbers.as_deref().map(numbers).transpose()?,
        active: body.active,
    };
    let actor = caller.actor();
    let changed = caller
        .tenant
        .change_campaign(id, &change, &actor, now())
        .await;
    if !changed.map_err(taken)? {
        return Err(Problem::not_found("campaign"));
    }
    Ok(Answer(find(&caller, id).await?))
}

/// Remove a campaign
///
/// Its calls keep its word.
#[utoipa::path(
    delete, path = "/api/campaigns/{id}", tag = "campaigns",
    params(("id" = Uuid, Path, description = "The campaign")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such campaign", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    Supervisor(caller): Supervisor,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    if caller.tenant.remove_campaign(id, &actor, now()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("campaign"))
    }
}
