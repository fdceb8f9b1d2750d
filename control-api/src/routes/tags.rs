//! `PUT /api/calls/{id}/tags`, `PUT /api/calls/{id}/campaign`, `GET /api/calls/{id}/actions`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use sidetone_wire::{Call, CallId, SupervisorAction};
use utoipa::ToSchema;

use super::calls;
use super::page::{self, Page, Paging};
use crate::app::{App, now};
use crate::auth::{Agent, Caller, Supervisor};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};

/// Tags of a call, at most.
const TAGS_MAX: usize = 32;
/// Characters of a tag, at most.
const TAG_MAX: usize = 64;

/// A call's tags.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetTags {
    /// At most 32, of 1 to 64 characters each; taken in lower case and without repetition.
    tags: Vec<String>,
}

/// A call's campaign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetCampaign {
    /// The campaign's word; `null`: none.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    campaign: Option<String>,
}

/// Tags as they are kept: in lower case, blanks within them single, each once, in the order given.
fn normalised(tags: &[String]) -> Result<Vec<String>, Problem> {
    let mut kept: Vec<String> = Vec::new();
    for (n, tag) in tags.iter().enumerate() {
        let words: Vec<&str> = tag.split_whitespace().collect();
        let tag = words.join(" ").to_lowercase();
        let field = || format!("tags[{n}]");
        if tag.is_empty() {
            return Err(Problem::invalid_field(&field(), "is empty"));
        }
        if tag.chars().count() > TAG_MAX {
            let message = "has more than 64 characters";
            return Err(Problem::invalid_field(&field(), message));
        }
        if tag.chars().any(char::is_control) {
            let message = "holds a control character";
            return Err(Problem::invalid_field(&field(), message));
        }
        if !kept.contains(&tag) {
            kept.push(tag);
        }
        if kept.len() > TAGS_MAX {
            return Err(Problem::invalid_field("tags", "has more than 32 tags"));
        }
    }
    Ok(kept)
}

/// Put tags in place of a call's
///
/// Supervisors tag every call, agents their own.
#[utoipa::path(
    put, path = "/api/calls/{id}/tags", tag = "notes", request_body = SetTags,
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The call as it is now", body = Call),
        (status = 403, description = "Needs the role agent, or the call is another agent's", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Agent(caller): Agent,
    Path(id): Path<CallId>,
    Json(body): Json<SetTags>,
) -> Result<Answer<Call>, Problem> {
    let call = calls::find(&app, &caller, id).await?;
    caller.may_write_about(&call)?;
    let tags = normalised(&body.tags)?;
    let set = caller.tenant.set_tags(id, &tags, now()).await?;
    if set.ok_or_else(|| Problem::not_found("call"))? {
        app.tell_call(caller.tenant.id(), id).await;
    }
    Ok(Answer(calls::find(&app, &caller, id).await?))
}

/// Put a call into a campaign
///
/// Calls also come into one by their number (`numbers` of the campaign: the called one of inbound
/// calls, the calling one of outbound calls), or name one themselves (`campaign` of a LiveKit
/// room's metadata).
#[utoipa::path(
    put, path = "/api/calls/{id}/campaign", tag = "campaigns", request_body = SetCampaign,
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The call as it is now", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "No campaign has that word", body = ProblemBody),
    ),
)]
pub(crate) async fn set_campaign(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<SetCampaign>,
) -> Result<Answer<Call>, Problem> {
    calls::find(&app, &caller, id).await?;
    let word = body.campaign.as_deref();
    if let Some(word) = word
        && !caller.tenant.has_campaign(word).await?
    {
        let message = "is no campaign's word";
        return Err(Problem::invalid_field("campaign", message));
    }
    let set = caller.tenant.set_campaign(id, word, now()).await?;
    if set.ok_or_else(|| Problem::not_found("call"))? {
        app.tell_call(caller.tenant.id(), id).await;
    }
    Ok(Answer(calls::find(&app, &caller, id).await?))
}

/// List what supervisors did to or about a call
///
/// The first first.
#[utoipa::path(
    get, path = "/api/calls/{id}/actions", tag = "notes",
    params(("id" = CallId, Path, description = "The call"), Paging),
    responses(
        (status = 200, description = "What they did", body = Page<SupervisorAction>),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn actions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<SupervisorAction>>, Problem> {
    let (limit, after) = paging.moments()?;
    calls::find(&app, &caller, id).await?;
    let actions = caller.tenant.actions(id, after, limit + 1).await?;
    Ok(Answer(Page::cut(actions, limit, |one| {
        page::moment(one.at, one.id)
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[&str]) -> Result<Vec<String>, Problem> {
        normalised(&tags.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn tags_are_kept_once_in_lower_case_and_in_order() {
        let kept = tags(&["VIP", " follow \t up ", "vip", "Ärger"]).unwrap();
        assert_eq!(kept, ["vip", "follow up", "ärger"]);
    }

    #[test]
    fn a_tag_that_cannot_be_kept_is_named() {
        let long = "x".repeat(65);
        for (given, field) in [
            (vec!["a", " "], "tags[1]"),
            (vec![long.as_str()], "tags[0]"),
            (vec!["a", "b", "c\0"], "tags[2]"),
        ] {
            assert_eq!(tags(&given).unwrap_err().errors[0].field, field);
        }
        let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        assert_eq!(normalised(&many).unwrap_err().errors[0].field, "tags");
        assert_eq!(normalised(&many[..32]).unwrap().len(), 32);
    }
}
