//! `/api/calls/{id}/live…`: what models say about a call while it goes on.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{
    Advice, CallId, LiveIntelligence, LivePart, LiveUpdate, Mood, NextAction, Objective, Phase,
    SystemState,
};

use super::{calls, text};
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::store::Parts;

/// Entries of a list or map, at most.
const ENTRIES_MAX: usize = 100;
/// Characters of an id, a name or a label, at most.
const NAME_MAX: usize = 100;
/// Characters of a text, at most.
const TEXT_MAX: usize = 1000;

/// A call's live intelligence
///
/// Parts that nobody wrote are empty or `null`; `versions` says how often each was written.
#[utoipa::path(
    get, path = "/api/calls/{id}/live", tag = "live intelligence",
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "All parts", body = LiveIntelligence),
        (status = 404, description = "No such call", body = ProblemBody),
    ),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
) -> Result<Answer<LiveIntelligence>, Problem> {
    let call = calls::find(&app, &caller, id).await?;
    let mut parts = caller.tenant.live(id).await?;
    let versions = parts.iter().map(|(part, (n, _))| (*part, *n)).collect();
    Ok(Answer(LiveIntelligence {
        call,
        metrics: take(&mut parts, LivePart::Metrics),
        phases: take(&mut parts, LivePart::Phases),
        objectives: take(&mut parts, LivePart::Objectives),
        next_actions: take(&mut parts, LivePart::NextActions),
        coaching: take(&mut parts, LivePart::Coaching),
        sentiment: take(&mut parts, LivePart::Sentiment),
        system: take(&mut parts, LivePart::System),
        versions,
    }))
}

/// A part as its type; one that another version wrote and this one cannot read is as if unwritten.
fn take<T: Default + serde::de::DeserializeOwned>(parts: &mut Parts, part: LivePart) -> T {
    let value = parts.remove(&part).map(|(_, value)| value);
    value
        .and_then(|value| serde_json::from_value(value).ok())
        .unwrap_or_default()
}

/// Writes a part and tells those who look at the call.
async fn write<T: Serialize>(
    app: &App,
    caller: &Caller,
    call: CallId,
    part: LivePart,
    value: &T,
) -> Result<Answer<LiveUpdate>, Problem> {
    let value: Value = serde_json::to_value(value).map_err(|_| Problem::internal())?;
    let at = now();
    let version = caller.tenant.set_live(call, part, &value, at).await?;
    let update = LiveUpdate {
        call_id: call,
        part,
        version: version.ok_or_else(|| Problem::not_found("call"))?,
        value,
        updated_at: at,
    };
    app.realtime
        .tell_followers(call, "live-update", &update)
        .await;
    Ok(Answer(update))
}

fn few(count: usize) -> Result<(), Problem> {
    if count > ENTRIES_MAX {
        return Err(Problem::invalid_field("body", "has more than 100 entries"));
    }
    Ok(())
}

/// Whether ids are short and each is there once, and texts are short.
fn items<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    for (n, (id, body)) in all.enumerate() {
        let field = format!("[{n}].id");
        text::required(&field, id, NAME_MAX)?;
        text::required(&format!("[{n}].text"), body, TEXT_MAX)?;
        if !seen.insert(id) {
            return Err(Problem::invalid_field(&field, "is there twice"));
        }
    }
    Ok(())
}

/// Write a call's figures
#[utoipa::path(
    put, path = "/api/calls/{id}/live/metrics", tag = "live intelligence",
    request_body(content = BTreeMap<String, f64>, description = "Figures by name: at most 100, names of at most 100 characters"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<BTreeMap<String, f64>>,
) -> Result<Answer<LiveUpdate>, Problem> {
    calls::find(&app, &caller, id).await?;
    few(body.len())?;
    for name in body.keys() {
        text::required("name", name, NAME_MAX)?;
    }
    write(&app, &caller, id, LivePart::Metrics, &body).await
}

/// Write how far a call is
#[utoipa::path(
    put, path = "/api/calls/{id}/live/phases", tag = "live intelligence",
    request_body(content = Vec<Phase>, description = "In order: at most 100"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn phases(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<Vec<Phase>>,
) -> Result<Answer<LiveUpdate>, Problem> {
    calls::find(&app, &caller, id).await?;
    few(body.len())?;
    for (n, phase) in body.iter().enumerate() {
        text::required(&format!("[{n}].name"), &phase.name, NAME_MAX)?;
    }
    write(&app, &caller, id, LivePart::Phases, &body).await
}

/// Write what is to be reached in a call
#[utoipa::path(
    put, path = "/api/calls/{id}/live/objectives", tag = "live intelligence",
    request_body(content = Vec<Objective>, description = "At most 100, each id once"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn objectives(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<Vec<Objective>>,
) -> Result<Answer<LiveUpdate>, Problem> {
    calls::find(&app, &caller, id).await?;
    few(body.len())?;
    items(body.iter().map(|one| (&*one.id, &*one.text)))?;
    write(&app, &caller, id, LivePart::Objectives, &body).await
}

/// Write what should be done next in a call
#[utoipa::path(
    put, path = "/api/calls/{id}/live/next-actions", tag = "live intelligence",
    request_body(content = Vec<NextAction>, description = "The first first: at most 100, each id once"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn next_actions(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<Vec<NextAction>>,
) -> Result<Answer<LiveUpdate>, Problem> {
    calls::find(&app, &caller, id).await?;
    few(body.len())?;
    items(body.iter().map(|one| (&*one.id, &*one.text)))?;
    write(&app, &caller, id, LivePart::NextActions, &body).await
}

/// Write advice for a call's agent
#[utoipa::path(
    put, path = "/api/calls/{id}/live/coaching", tag = "live intelligence",
    request_body(content = Vec<Advice>, description = "At most 100, each id once"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn coaching(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<Vec<Advice>>,
) -> Result<Answer<LiveUpdate>, Problem> {
    calls::find(&app, &caller, id).await?;
    few(body.len())?;
    items(body.iter().map(|one| (&*one.id, &*one.text)))?;
    write(&app, &caller, id, LivePart::Coaching, &body).await
}

/// Write the mood of a call's customer
#[utoipa::path(
    put, path = "/api/calls/{id}/live/sentiment", tag = "live intelligence",
    request_body(content = Mood, description = "A score from -1 to 1 and a label"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn sentiment(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<Mood>,
) -> Result<Answer<LiveUpdate>, Problem> {
    let call = calls::find(&app, &caller, id).await?;
    if !(-1.0..=1.0).contains(&body.score) {
        return Err(Problem::invalid_field("score", "is not between -1 and 1"));
    }
    text::required("label", &body.label, NAME_MAX)?;
    let written = write(&app, &caller, id, LivePart::Sentiment, &body).await?;
    // it may be faster than the news of the call
    app.alerts.call_changed(CallEventType::Updated, &call);
    app.alerts.mood(id, body.score);
    Ok(written)
}

/// Write how the system behind a call's agent is
#[utoipa::path(
    put, path = "/api/calls/{id}/live/system", tag = "live intelligence",
    request_body(content = SystemState, description = "At most 100 components"),
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "It is written, and `live-update` tells it", body = LiveUpdate),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn system(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Path(id): Path<CallId>,
    Json(body): Json<SystemState>,
) -> Result<Answer<LiveUpdate>, Problem> {
    calls::find(&app, &caller, id).await?;
    few(body.components.len())?;
    for name in body.components.keys() {
        text::required("components", name, NAME_MAX)?;
    }
    text::optional("message", body.message.as_deref(), TEXT_MAX)?;
    text::optional("model", body.model.as_deref(), NAME_MAX)?;
    if body
        .latency_ms
        .is_some_and(|ms| !(0.0..=600_000.0).contains(&ms))
    {
        let message = "is not between 0 and 600000";
        return Err(Problem::invalid_field("latencyMs", message));
    }
    write(&app, &caller, id, LivePart::System, &body).await
}
