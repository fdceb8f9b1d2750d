//! `POST /api/calls/{id}/whisper`: what a supervisor writes to the agent alone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use sidetone_service::clock;
use sidetone_wire::{Annotation, AnnotationKind, CallId, Capability, Command, WrittenWhisper};
use utoipa::ToSchema;

use super::acts::{self, Refusal};
use super::{calls, text};
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::extract::{Json, Path};
use crate::problem::{Problem, ProblemBody};
use crate::remote::{self, Order};
use crate::store::{NewAnnotation, Written};

/// Characters, at most: as of an annotation.
const TEXT_MAX: usize = 2000;

/// What is written to the agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whisper {
    /// 1 to 2000 characters.
    text: String,
    /// An AI agent speaks about it at once, where its upstream can do that.
    #[serde(default)]
    trigger: bool,
}

/// Write to the agent
///
/// The customer hears nothing of it. An AI agent gets it as a message of its upstream, a person
/// reads it on their screen (`annotation-upsert`). It stays with the call as a `whisper_pill`.
#[utoipa::path(
    post, path = "/api/calls/{id}/whisper", tag = "supervision", request_body = Whisper,
    params(("id" = CallId, Path, description = "The call"),
        ("idempotency-key" = Option<String>, Header, description = "Names the act: the same again is answered the same and not done again")),
    responses(
        (status = 200, description = "The agent has it", body = Annotation),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`unsupported_by_upstream`, `upstream_unauthorized`, `connection_incomplete`, `call_ended`, `call_not_live`, or `too_many_annotations`: the agent has it, and the call has 2000 annotations", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 429, description = "Too many acts", body = ProblemBody),
        (status = 502, description = "The gateway or the upstream failed", body = ProblemBody),
        (status = 504, description = "The gateway or the upstream did not answer in time", body = ProblemBody),
    ),
)]
pub(crate) async fn whisper(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    headers: HeaderMap,
    Path(id): Path<CallId>,
    Json(body): Json<Whisper>,
) -> Result<Response, Refusal> {
    let text = text::required("text", &body.text, TEXT_MAX)?;
    let caller = Arc::new(caller);
    let request = format!("whisper {id} {} {text}", body.trigger);
    let act = write(app.clone(), caller.clone(), id, text, body.trigger);
    acts::once(&app, &caller, &headers, &request, act).await
}

async fn write(
    app: Arc<App>,
    caller: Arc<Caller>,
    id: CallId,
    text: String,
    trigger: bool,
) -> Result<Annotation, Refusal> {
    let note = ("call.whisper", json!({ "trigger": trigger }));
    let act = Box::pin(write_noted(&app, &caller, id, text, trigger));
    acts::noted(&app, &caller, id, Capability::WhisperText, note, act).await
}

async fn write_noted(
    app: &App,
    caller: &Caller,
    id: CallId,
    text: String,
    trigger: bool,
) -> Result<Annotation, Refusal> {
    let call = calls::find(app, caller, id).await?;
    if remote::vendor(call.upstream).is_some() {
        let text = text.as_str();
        remote::order(app, id, Order::Whisper { text, trigger }).await?;
    } else {
        let whisper = WrittenWhisper {
            id: clock::new_id(),
            text: text.clone(),
            trigger,
        };
        let command = Command::Whisper { call: id, whisper };
        app.fleet.command(id, command).await?;
    }
    let at = now();
    let new = NewAnnotation {
        kind: AnnotationKind::WhisperPill,
        text,
        at_ms: Some(at.ms_since(call.started_at)),
    };
    let (tenant, by) = (&caller.tenant, caller.author());
    match tenant.annotate(id, &new, &by, true, at).await? {
        Written::Annotation(annotation) => {
            let event = "annotation-upsert";
            app.realtime.tell(tenant.id(), event, &annotation).await;
            Ok(annotation)
        }
        Written::UnknownCall => Err(Problem::not_found("call").into()),
        Written::TooMany => {
            let detail = "the agent has it; the call has 2000 annotations already, and it is none";
            Err(Problem::conflict("too_many_annotations", detail).into())
        }
    }
}
