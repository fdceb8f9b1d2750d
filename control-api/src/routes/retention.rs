//! `GET /api/retention`, `PUT /api/retention`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tracing::{error, info};
use utoipa::ToSchema;

use super::pausing;
use super::webhook_recording::{Secret, secret_context};
use crate::app::{App, now};
use crate::auth::{Admin, Reviewer};
use crate::extract::{Change, Json};
use crate::problem::{Problem, ProblemBody};
use crate::store::{Policy, Tenant};

/// Days of a policy, at most: a hundred years.
const DAYS_MAX: u32 = 36_500;

/// What the tenant wants kept, and for how long.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retention {
    /// Recordings are erased that many days after their end; `null`: never.
    days: Option<u32>,
    /// Nothing of the tenant is erased, whoever asks.
    legal_hold: bool,
    /// A DTMF digit pauses the recording.
    pause_on_dtmf: bool,
    /// A pause ends by itself after that many seconds; `null`: a person's does not, a DTMF rule's
    /// after 60.
    resume_after_seconds: Option<u32>,
    /// Whether the pause webhook has a secret, which is never shown.
    has_pause_webhook_secret: bool,
    /// Numbers of cards are left out of transcripts before they are kept.
    redact_cards: bool,
    /// The same with numbers of telephones.
    redact_phones: bool,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SetRetention {
    /// 1 to 36500, or `null`: never.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    days: Change<u32>,
    legal_hold: Option<bool>,
    pause_on_dtmf: Option<bool>,
    /// 1 to 3600, or `null`.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    resume_after_seconds: Change<u32>,
    /// `whsec_` and 24 to 64 bytes in base64, or `null`: the webhook is off. It is never shown.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pause_webhook_secret: Change<SecretString>,
    redact_cards: Option<bool>,
    redact_phones: Option<bool>,
}

fn view(policy: &Policy) -> Retention {
    Retention {
        days: policy.days,
        legal_hold: policy.legal_hold,
        pause_on_dtmf: policy.pause_on_dtmf,
        resume_after_seconds: policy.resume_after_seconds,
        has_pause_webhook_secret: policy.pause_webhook_secret.is_some(),
        redact_cards: policy.redaction.cards,
        redact_phones: policy.redaction.phones,
    }
}

/// The tenant's policy
#[utoipa::path(
    get, path = "/api/retention", tag = "recordings",
    responses(
        (status = 200, description = "The policy", body = Retention),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
    ),
)]
pub(crate) async fn get(Reviewer(caller): Reviewer) -> Result<Answer<Retention>, Problem> {
    Ok(Answer(view(&caller.tenant.policy().await?)))
}

/// Change the tenant's policy
///
/// Fewer days erase what is older within the hour, for good.
#[utoipa::path(
    put, path = "/api/retention", tag = "recordings", request_body = SetRetention,
    responses(
        (status = 200, description = "The policy as it is now", body = Retention),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(change): Json<SetRetention>,
) -> Result<Answer<Retention>, Problem> {
    let former = caller.tenant.policy().await?;
    let mut policy = former.clone();
    if let Change::Is(days) = change.days {
        if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            return Err(Problem::invalid_field("days", "is not between 1 and 36500"));
        }
        policy.days = days;
    }
    if let Change::Is(seconds) = change.resume_after_seconds {
        pausing::seconds("resumeAfterSeconds", seconds)?;
        policy.resume_after_seconds = seconds;
    }
    policy.legal_hold = change.legal_hold.unwrap_or(policy.legal_hold);
    let redaction = &mut policy.redaction;
    redaction.cards = change.redact_cards.unwrap_or(redaction.cards);
    redaction.phones = change.redact_phones.unwrap_or(redaction.phones);
    policy.pause_on_dtmf = change.pause_on_dtmf.unwrap_or(policy.pause_on_dtmf);
    if let Change::Is(secret) = change.pause_webhook_secret {
        let wrap = |secret| wrapped(&app, &caller.tenant, &secret);
        policy.pause_webhook_secret = secret.map(wrap).transpose()?;
    }
    let actor = caller.actor();
    caller
        .tenant
        .set_policy(&former, &policy, &actor, now())
        .await?;
    info!(tenant = %caller.tenant.id(), by = actor.name, days = policy.days,
        hold = policy.legal_hold, "retention changed");
    app.erasing.notify_one(); // what is too old now
    Ok(Answer(view(&policy)))
}

/// The pause webhook's secret as its row keeps it.
fn wrapped(app: &App, tenant: &Tenant, secret: &SecretString) -> Result<String, Problem> {
    if Secret::read(secret.expose_secret()).is_none() {
        let message = "is not whsec_ and 24 to 64 bytes in base64";
        return Err(Problem::invalid_field("pauseWebhookSecret", message));
    }
    let context = secret_context(tenant.id());
    app.keyring.wrap_secret(&context, secret).map_err(|error| {
        error!(%error, "a secret cannot be encrypted");
        Problem::internal()
    })
}
