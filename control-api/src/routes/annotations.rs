//! `POST /api/calls/{id}/annotations`, `GET /api/calls/{id}/annotations`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use sidetone_wire::{Annotation, AnnotationKind, Author, Call, CallId, Role};
use utoipa::ToSchema;

use super::page::{self, Page, Paging};
use super::{calls, text};
use crate::app::{App, now};
use crate::auth::{Agent, Caller};
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::store::{NewAnnotation, Written};

/// Characters of an annotation, at most.
const TEXT_MAX: usize = 2000;
/// How far into a call something can be, in milliseconds: a week.
const AT_MAX_MS: u64 = 7 * 24 * 3_600_000;

/// Something to be written about a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewAnnotation)]
pub(crate) struct Write {
    kind: AnnotationKind,
    /// 1 to 2000 characters; may be missing of a bookmark or a flag.
    #[serde(default)]
    text: String,
    /// The moment it is about, in milliseconds since the call's start; at most a week.
    at_ms: Option<u64>,
}

impl Caller {
    /// Who they are to those who read what they write.
    pub(crate) fn author(&self) -> Author {
        Author {
            user_id: self.identity.user,
            name: self.identity.name().to_owned(),
        }
    }

    /// Whether what they do is a supervisor's doing.
    pub(super) fn supervises(&self) -> bool {
        match self.identity.role {
            Role::Admin | Role::Supervisor => true,
            Role::Agent | Role::Auditor => false,
        }
    }

    /// # Errors
    /// When they are an agent and the call is somebody else's.
    pub(super) fn may_write_about(&self, call: &Call) -> Result<(), Problem> {
        if self.supervises() {
            return Ok(());
        }
        let (id, who) = (self.identity.user.to_string(), &self.identity.username);
        let theirs = call
            .agent_id
            .as_ref()
            .is_some_and(|agent| *agent == id || agent == who);
        if theirs {
            return Ok(());
        }
        let detail = "agents write about their own calls only";
        Err(Problem::forbidden("not_your_call", detail))
    }
}

/// Write something about a call
///
/// Supervisors write about every call, agents about their own (the call's `agentId` is their id or
/// user name), and only supervisors write a `whisper_pill`. What a supervisor writes is also among
/// the call's `actions`. It stays when the call's recordings are erased.
#[utoipa::path(
    post, path = "/api/calls/{id}/annotations", tag = "notes", request_body = Write,
    params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 201, description = "It is written, and `annotation-upsert` tells it", body = Annotation),
        (status = 403, description = "Needs the role agent; the call is another agent's; or a `whisper_pill` of an agent", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "`too_many_annotations`: 2000 about one call", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Agent(caller): Agent,
    Path(id): Path<CallId>,
    Json(body): Json<Write>,
) -> Result<(StatusCode, Answer<Annotation>), Problem> {
    let call = calls::find(&app, &caller, id).await?;
    caller.may_write_about(&call)?;
    if body.kind == AnnotationKind::WhisperPill && !caller.supervises() {
        return Err(Problem::needs_role(Role::Supervisor));
    }
    let text = match body.kind {
        AnnotationKind::WhisperPill | AnnotationKind::Note => {
            text::required("text", &body.text, TEXT_MAX)?
        }
        AnnotationKind::Bookmark | AnnotationKind::Flag => {
            text::bounded("text", &body.text, TEXT_MAX)?
        }
    };
    if body.at_ms.is_some_and(|at_ms| at_ms > AT_MAX_MS) {
        return Err(Problem::invalid_field("atMs", "is more than a week"));
    }
    let new = NewAnnotation {
        kind: body.kind,
        text,
        at_ms: body.at_ms,
    };
    let (by, supervises) = (caller.author(), caller.supervises());
    let written = caller.tenant.annotate(id, &new, &by, supervises, now());
    let annotation = match written.await? {
        Written::Annotation(annotation) => annotation,
        Written::UnknownCall => return Err(Problem::not_found("call")),
        Written::TooMany => {
            let detail = "the call has 2000 annotations already";
            return Err(Problem::conflict("too_many_annotations", detail));
        }
    };
    let tenant = caller.tenant.id();
    app.realtime
        .tell(tenant, "annotation-upsert", &annotation)
        .await;
    Ok((StatusCode::CREATED, Answer(annotation)))
}

/// List what was written about a call
///
/// The first first.
#[utoipa::path(
    get, path = "/api/calls/{id}/annotations", tag = "notes",
    params(("id" = CallId, Path, description = "The call"), Paging),
    responses(
        (status = 200, description = "Annotations", body = Page<Annotation>),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<CallId>,
    Query(paging): Query<Paging>,
) -> Result<Answer<Page<Annotation>>, Problem> {
    let (limit, after) = paging.moments()?;
    calls::find(&app, &caller, id).await?;
    let annotations = caller.tenant.annotations(id, after, limit + 1).await?;
    Ok(Answer(Page::cut(annotations, limit, |one| {
        page::moment(one.created_at, one.id)
    })))
}
