//! `GET` and `PUT /api/supervision/fallback`: what becomes of a call whose supervisor is lost.

use axum::Json as Answer;
use sidetone_wire::{Fallback, FallbackAct};

use crate::app::now;
use crate::auth::{Admin, Reviewer};
use crate::calls::Destination;
use crate::extract::Json;
use crate::fallback::USER;
use crate::problem::{Problem, ProblemBody};

/// What becomes of calls whose supervisor is lost
#[utoipa::path(
    get, path = "/api/supervision/fallback", tag = "supervision",
    responses(
        (status = 200, description = "What is done", body = Fallback),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
    ),
)]
pub(crate) async fn get(Reviewer(caller): Reviewer) -> Result<Answer<Fallback>, Problem> {
    Ok(Answer(caller.tenant.fallback().await?))
}

/// Change what becomes of calls whose supervisor is lost
///
/// A supervisor who has a call and gives no sound for 5 s is lost: the agent has the call again at
/// once (`hand_back`). `transfer` rings somebody besides, who has the call when they answer within
/// 30 s; `end` ends the call. Whoever gives a call back, or logs out, is not lost.
#[utoipa::path(
    put, path = "/api/supervision/fallback", tag = "supervision", request_body = Fallback,
    responses(
        (status = 200, description = "As it is now", body = Fallback),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn set(
    Admin(caller): Admin,
    Json(wanted): Json<Fallback>,
) -> Result<Answer<Fallback>, Problem> {
    let wrong = |message: &str| Err(Problem::invalid_field("to", message));
    let to = match (wanted.act, wanted.to) {
        (FallbackAct::Transfer, None) => return wrong("is missing: whom to ring"),
        (FallbackAct::Transfer, Some(to)) => Some(to),
        (FallbackAct::HandBack | FallbackAct::End, None) => None,
        (FallbackAct::HandBack | FallbackAct::End, Some(_)) => {
            return wrong("goes with transfer only");
        }
    };
    let to = match to {
        None => None,
        Some(to) => {
            let to = to.trim();
            if let Some(user) = to.strip_prefix(USER) {
                if caller.tenant.user_named(user).await?.is_none() {
                    return wrong("is no user of this tenant");
                }
                Some(to.to_owned())
            } else if let Some(Destination::Number(number)) = Destination::read(to) {
                Some(number)
            } else {
                return wrong("is neither a number as +49301234567 nor user:<id>");
            }
        }
    };
    let fallback = Fallback {
        act: wanted.act,
        to,
    };
    let actor = caller.actor();
    caller.tenant.set_fallback(&fallback, &actor, now()).await?;
    Ok(Answer(fallback))
}
