//! `/api/webhook-subscriptions`: who is told of what happens.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sidetone_service::clock;
use sidetone_wire::{
    DeliveryState, Timestamp, WebhookDelivery, WebhookEventType, WebhookSubscription,
};
use tracing::{error, info};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::page::{self, Page, Paging};
use super::text;
use crate::app::{App, now};
use crate::auth::{Admin, Caller, Reviewer};
use crate::extract::{Change, Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{DeliveryFilter, SubscriptionChange};
use crate::webhooks;

/// Subscriptions of a tenant, at most.
const SUBSCRIPTIONS_MAX: i64 = 50;
/// Characters of a description, at most.
const DESCRIPTION_MAX: usize = 500;
/// How long a former secret signs too.
const FORMER: Duration = Duration::from_hours(24);

/// A subscription to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateSubscription {
    /// `https`, port 443, a public host name.
    url: String,
    /// What it is to be told of; at least one.
    events: Vec<WebhookEventType>,
    /// At most 500 characters.
    description: Option<String>,
    /// Default true.
    enabled: Option<bool>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateSubscription {
    url: Option<String>,
    events: Option<Vec<WebhookEventType>>,
    /// `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Change<String>,
    /// False gives up what waits.
    enabled: Option<bool>,
}

/// A subscription with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionWithSecret {
    #[serde(flatten)]
    subscription: WebhookSubscription,
    /// `whsec_` and 32 bytes in base64. It is shown this once.
    secret: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListDeliveries {
    state: Option<DeliveryState>,
    /// What they tell of.
    event: Option<WebhookEventType>,
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

fn events(given: &[WebhookEventType]) -> Result<Vec<WebhookEventType>, Problem> {
    let mut events = given.to_vec();
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(Problem::invalid_field("events", "is empty"));
    }
    if events.contains(&WebhookEventType::Ping) {
        let message = "ping is sent by a test only";
        return Err(Problem::invalid_field("events", message));
    }
    Ok(events)
}

fn check(app: &App, url: &str) -> Result<(), Problem> {
    let checked = app.webhooks.check(url);
    checked.map_err(|refusal| Problem::invalid_field("url", refusal.to_string()))
}

async fn find(caller: &Caller, id: Uuid) -> Result<WebhookSubscription, Problem> {
    let subscription = caller.tenant.subscription(id).await?;
    subscription.ok_or_else(|| Problem::not_found("subscription"))
}

fn secret(app: &App, id: Uuid) -> Result<(String, String), Problem> {
    app.webhooks.new_secret(id).map_err(|error| {
        error!(%error, "a webhook's secret could not be encrypted");
        Problem::internal()
    })
}

/// List webhook subscriptions
#[utoipa::path(
    get, path = "/api/webhook-subscriptions", tag = "webhook subscriptions", params(Paging),
    responses(
        (status = 200, description = "Subscriptions, the oldest first", body = Page<WebhookSubscription>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    Reviewer(caller): Reviewer,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<WebhookSubscription>>, Problem> {
    let (limit, after) = paging.moments()?;
    let all = caller.tenant.subscriptions(after, limit + 1).await?;
    Ok(Answer(Page::cut(all, limit, |one| {
        page::moment(one.created_at, one.id)
    })))
}

/// One webhook subscription
#[utoipa::path(
    get, path = "/api/webhook-subscriptions/{id}", tag = "webhook subscriptions",
    params(("id" = Uuid, Path, description = "The subscription")),
    responses(
        (status = 200, description = "The subscription", body = WebhookSubscription),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 404, description = "No such subscription", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    Reviewer(caller): Reviewer,
    Path(id): Path<Uuid>,
) -> Result<Answer<WebhookSubscription>, Problem> {
    Ok(Answer(find(&caller, id).await?))
}

/// Subscribe to what happens
///
/// The answer has the secret that webhooks are signed with, this once. How to verify: docs/webhooks.md.
#[utoipa::path(
    post, path = "/api/webhook-subscriptions", tag = "webhook subscriptions", request_body = CreateSubscription,
    responses(
        (status = 201, description = "The subscription and its secret", body = SubscriptionWithSecret),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 409, description = "`too_many_subscriptions`: the tenant has 50", body = ProblemBody),
        (status = 422, description = "A field is wrong, or the URL is none that we dial", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(body): Json<CreateSubscription>,
) -> Result<(StatusCode, Answer<SubscriptionWithSecret>), Problem> {
    check(&app, &body.url)?;
    let at = now();
    let description = body.description.as_deref();
    let new = WebhookSubscription {
        id: clock::new_id(),
        url: body.url,
        description: text::optional("description", description, DESCRIPTION_MAX)?,
        events: events(&body.events)?,
        enabled: body.enabled.unwrap_or(true),
        disabled_reason: None,
        failing_since: None,
        former_secret_until: None,
        created_at: at,
        updated_at: at,
    };
    let (secret, kept) = secret(&app, new.id)?;
    let actor = caller.actor();
    let added = caller
        .tenant
        .add_subscription(&new, &kept, SUBSCRIPTIONS_MAX, &actor);
    if !added.await? {
        let detail = "the tenant has 50 subscriptions already";
        return Err(Problem::conflict("too_many_subscriptions", detail));
    }
    info!(subscription = %new.id, by = %caller.identity.user, "webhook subscription added");
    let subscription = find(&caller, new.id).await?;
    let answer = SubscriptionWithSecret {
        subscription,
        secret,
    };
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// Change a webhook subscription
///
/// Switching it off gives up what waits for it; switching it on clears why we had switched it off.
#[utoipa::path(
    patch, path = "/api/webhook-subscriptions/{id}", tag = "webhook subscriptions",
    request_body = UpdateSubscription,
    params(("id" = Uuid, Path, description = "The subscription")),
    responses(
        (status = 200, description = "The subscription as it is now", body = WebhookSubscription),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such subscription", body = ProblemBody),
        (status = 422, description = "A field is wrong, or the URL is none that we dial", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<Uuid>,
    Json(body): Json<UpdateSubscription>,
) -> Result<Answer<WebhookSubscription>, Problem> {
    find(&caller, id).await?;
    if let Some(url) = &body.url {
        check(&app, url)?;
    }
    let description = body
        .description
        .edit(|given| text::optional("description", given.as_deref(), DESCRIPTION_MAX))?;
    let change = SubscriptionChange {
        url: body.url,
        description,
        events: body.events.as_deref().map(events).transpose()?,
        enabled: body.enabled,
    };
    let actor = caller.actor();
    let changed = caller
        .tenant
        .change_subscription(id, &change, &actor, now());
    let cleared = changed.await?;
    let cleared = cleared.ok_or_else(|| Problem::not_found("subscription"))?;
    app.tell_alerts(&cleared).await;
    Ok(Answer(find(&caller, id).await?))
}

/// Remove a webhook subscription
///
/// With its log; what waits for it is not sent.
#[utoipa::path(
    delete, path = "/api/webhook-subscriptions/{id}", tag = "webhook subscriptions",
    params(("id" = Uuid, Path, description = "The subscription")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such subscription", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let removed = caller
        .tenant
        .remove_subscription(id, &caller.actor(), now())
        .await?;
    let cleared = removed.ok_or_else(|| Problem::not_found("subscription"))?;
    app.tell_alerts(&cleared).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook subscription a new secret
///
/// For 24 hours the former one signs too: the header then has two signatures.
#[utoipa::path(
    post, path = "/api/webhook-subscriptions/{id}/rotate-secret", tag = "webhook subscriptions",
    params(("id" = Uuid, Path, description = "The subscription")),
    responses(
        (status = 200, description = "The subscription and its new secret", body = SubscriptionWithSecret),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such subscription", body = ProblemBody),
    ),
)]
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<Uuid>,
) -> Result<Answer<SubscriptionWithSecret>, Problem> {
    let (secret, kept) = secret(&app, id)?;
    let at = now();
    let until = Timestamp::from_unix_ms(at.unix_ms() + FORMER.as_millis() as i64);
    let actor = caller.actor();
    let rotated = caller.tenant.rotate_secret(id, &kept, until, &actor, at);
    if !rotated.await? {
        return Err(Problem::not_found("subscription"));
    }
    let subscription = find(&caller, id).await?;
    Ok(Answer(SubscriptionWithSecret {
        subscription,
        secret,
    }))
}

/// Test a webhook subscription
///
/// Sends a `ping` at once, also while it is switched off, and says what came of it. It is not
/// tried again.
#[utoipa::path(
    post, path = "/api/webhook-subscriptions/{id}/test", tag = "webhook subscriptions",
    params(("id" = Uuid, Path, description = "The subscription")),
    responses(
        (status = 200, description = "What came of it, delivered or not", body = WebhookDelivery),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such subscription", body = ProblemBody),
    ),
)]
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<Uuid>,
) -> Result<Answer<WebhookDelivery>, Problem> {
    find(&caller, id).await?;
    let lease = caller
        .tenant
        .owe_ping(id, webhooks::leased(), now())
        .await?;
    app.deliver(lease, true).await?;
    let delivery = caller.tenant.delivery(id, lease.id).await?;
    Ok(Answer(
        delivery.ok_or_else(|| Problem::not_found("delivery"))?,
    ))
}

/// List what was sent to a webhook subscription
///
/// The last first; what is over stays for 14 days.
#[utoipa::path(
    get, path = "/api/webhook-subscriptions/{id}/deliveries", tag = "webhook subscriptions",
    params(("id" = Uuid, Path, description = "The subscription"), ListDeliveries),
    responses(
        (status = 200, description = "Deliveries", body = Page<WebhookDelivery>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 404, description = "No such subscription", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn deliveries(
    Reviewer(caller): Reviewer,
    Path(id): Path<Uuid>,
    Query(query): Query<ListDeliveries>,
) -> Result<Answer<Page<WebhookDelivery>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = query.cursor.as_deref().map(page::read_moment).transpose()?;
    find(&caller, id).await?;
    let filter = DeliveryFilter {
        state: query.state,
        kind: query.event,
    };
    let all = caller.tenant.deliveries(id, &filter, before, limit + 1);
    Ok(Answer(Page::cut(all.await?, limit, |one| {
        page::moment(one.created_at, one.id)
    })))
}

/// Send something once more
///
/// As a further delivery under the same `webhook-id`: a receiver that has it already can tell.
#[utoipa::path(
    post, path = "/api/webhook-subscriptions/{id}/deliveries/{delivery}/replay", tag = "webhook subscriptions",
    params(
        ("id" = Uuid, Path, description = "The subscription"),
        ("delivery" = Uuid, Path, description = "What was sent"),
    ),
    responses(
        (status = 202, description = "The further delivery, about to be sent", body = WebhookDelivery),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such subscription or delivery", body = ProblemBody),
        (status = 409, description = "`subscription_disabled`", body = ProblemBody),
    ),
)]
pub(crate) async fn replay(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path((id, delivery)): Path<(Uuid, Uuid)>,
) -> Result<(StatusCode, Answer<WebhookDelivery>), Problem> {
    let missing = || Problem::not_found("delivery");
    if !find(&caller, id).await?.enabled {
        let detail = "the subscription is switched off";
        return Err(Problem::conflict("subscription_disabled", detail));
    }
    let old = caller.tenant.delivery(id, delivery).await?;
    let old = old.ok_or_else(missing)?;
    let new = caller.tenant.replay(id, &old, now()).await?;
    let new = caller.tenant.delivery(id, new).await?;
    app.webhooks.wake.notify_one();
    Ok((StatusCode::ACCEPTED, Answer(new.ok_or_else(missing)?)))
}
