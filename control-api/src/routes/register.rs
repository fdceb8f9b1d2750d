//! `POST /api/calls`: a call that lives elsewhere is made known.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sidetone_service::dial::Policy;
use sidetone_wire::{Call, CallId, CallStatus, Direction, TenantId, Timestamp, Upstream};
use tracing::error;
use utoipa::ToSchema;

use super::webhook_vendor::url_context;
use crate::app::{App, now};
use crate::auth::{Caller, Supervisor};
use crate::calls::CallUpdate;
use crate::extract::Json;
use crate::problem::{FieldError, Problem, ProblemBody};
use crate::store::{Delivery, Outcome};

/// Characters of a number, name or id.
const TEXT_MAX: usize = 256;
/// Characters of a URL.
const URL_MAX: usize = 2048;
/// Tags, and characters of each.
const TAGS_MAX: usize = 32;
const TAG_MAX: usize = 64;

/// A call that lives at an upstream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RegisterCall {
    /// Where it lives; `api` for one that is nowhere else and has no audio.
    upstream: Upstream,
    /// Its id there: the same one is the same call.
    upstream_call_id: String,
    /// Where it can be heard: a WebSocket of the upstream's. Kept encrypted, never shown.
    #[schema(value_type = Option<String>, format = Password)]
    listen_url: Option<SecretString>,
    /// Where it can be acted on. Kept encrypted, never shown.
    #[schema(value_type = Option<String>, format = Password)]
    control_url: Option<SecretString>,
    direction: Direction,
    /// Who calls.
    from: String,
    /// Who is called.
    to: String,
    agent_id: Option<String>,
    agent_name: Option<String>,
    customer_name: Option<String>,
    /// At most 32 of at most 64 characters.
    tags: Option<Vec<String>>,
}

/// Register a call
///
/// Whoever registers the same call again, also at the same time, gets the same one. What its
/// vendor reports of it counts more than what is said here.
#[utoipa::path(
    post, path = "/api/calls", tag = "calls", request_body = RegisterCall,
    responses(
        (status = 200, description = "The call, which was known", body = Call),
        (status = 201, description = "The call", body = Call),
        (status = 403, description = "Needs the role supervisor", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 503, description = "Not written yet: send it again", body = ProblemBody),
    ),
)]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Supervisor(caller): Supervisor,
    Json(register): Json<RegisterCall>,
) -> Result<(StatusCode, Answer<Call>), Problem> {
    register.check(&app)?;
    let (id, status) = match register.upstream {
        Upstream::Livekit | Upstream::Sip => (found(&caller, &register).await?, StatusCode::OK),
        Upstream::Vapi
        | Upstream::Retell
        | Upstream::Twilio
        | Upstream::Bland
        | Upstream::Elevenlabs
        | Upstream::Telnyx
        | Upstream::Plivo
        | Upstream::Vonage
        | Upstream::Exotel
        | Upstream::Jambonz
        | Upstream::Audiohook
        | Upstream::Audiosocket
        | Upstream::Api => {
            let delivery = register.delivery(&app, caller.tenant.id())?;
            match app.ingest.take(delivery, 0).await? {
                Outcome::Taken { call, is_new: true } => (call, StatusCode::CREATED),
                Outcome::Taken { call, .. } => (call, StatusCode::OK),
                Outcome::Duplicate => return Err(Problem::internal()), // it has no receipt
            }
        }
    };
    let call = caller.tenant.call(id, now()).await?;
    let mut call = call.ok_or_else(|| Problem::not_found("call"))?;
    app.enliven(&mut call);
    Ok((status, Answer(call)))
}

/// A call that finds its way here by itself.
async fn found(caller: &Caller, register: &RegisterCall) -> Result<CallId, Problem> {
    let (upstream, id) = (register.upstream, &register.upstream_call_id);
    let known = caller.tenant.upstream_call(upstream, id).await?;
    known.ok_or_else(|| {
        let message = "has calls that are found by themselves, and this is none of them";
        Problem::invalid_field("upstream", message)
    })
}

impl RegisterCall {
    fn check(&self, app: &App) -> Result<(), Problem> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: &str| {
            errors.push(FieldError {
                field: field.to_owned(),
                message: message.to_owned(),
            });
        };
        let given = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        for (field, text) in [
            ("upstreamCallId", self.upstream_call_id.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("agentId", given(&self.agent_id)),
            ("agentName", given(&self.agent_name)),
            ("customerName", given(&self.customer_name)),
        ] {
            if !fits(&text, TEXT_MAX) {
                wrong(field, "is not 1 to 256 characters on one line");
            }
        }
        let tags = self.tags.as_deref().unwrap_or_default();
        if tags.len() > TAGS_MAX || !tags.iter().all(|tag| fits(tag, TAG_MAX)) {
            wrong("tags", "are not at most 32 of 1 to 64 characters");
        }
        let policy = Policy::live(self.upstream.as_str(), app.allow_loopback_upstreams);
        for (field, url, schemes) in [
            ("listenUrl", &self.listen_url, ["ws:", "wss:"]),
            ("controlUrl", &self.control_url, ["http:", "https:"]),
        ] {
            let Some(url) = url else { continue };
            let url = url.expose_secret();
            let Some(policy) = &policy else {
                wrong(field, "is nothing that this upstream has");
                continue;
            };
            let is_one = |scheme: &&str| {
                let start = url.get(..scheme.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            };
            if url.len() > URL_MAX || !schemes.iter().any(is_one) {
                wrong(field, &format!("is no URL of {}//", schemes[1]));
            } else if let Err(refusal) = policy.check(url) {
                wrong(field, &refusal.to_string());
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(errors))
        }
    }

    fn delivery(self, app: &App, tenant: TenantId) -> Result<Delivery, Problem> {
        let (upstream, id) = (self.upstream, self.upstream_call_id.trim().to_owned());
        let seal = |what, url: Option<SecretString>| {
            let context = url_context(what, tenant, upstream, &id);
            let sealed = url.map(|url| app.keyring.wrap_secret(&context, &url));
            sealed.transpose().map_err(|error| {
                error!(%error, "a URL cannot be encrypted");
                Problem::internal()
            })
        };
        let listen_url = seal("listen", self.listen_url)?;
        let control_url = seal("control", self.control_url)?;
        // at no time: whatever the vendor says of it is later
        let mut update = CallUpdate::at(Timestamp::default());
        let (customer, line) = match self.direction {
            Direction::Outbound => (self.to, self.from),
            Direction::Inbound | Direction::Web => (self.from, self.to),
        };
        let own = |text: String| Some(text.trim().to_owned());
        update.direction = Some(self.direction);
        (update.customer, update.line) = (own(customer), own(line));
        update.customer_name = self.customer_name.and_then(own);
        update.agent_id = self.agent_id.and_then(own);
        update.agent_name = self.agent_name.and_then(own);
        update.created_at = Some(now());
        if matches!(
            upstream,
            Upstream::Api | Upstream::Bland | Upstream::Elevenlabs
        ) {
            // nobody else will say so
            update.phase = Some(CallStatus::Connected);
            update.answered_at = update.created_at;
        }
        let tags = self.tags.unwrap_or_default();
        update.tag(Some(&Value::from(tags)));
        Ok(Delivery {
            tenant,
            upstream,
            upstream_call_id: id,
            receipt: None,
            update,
            listen_url,
            control_url,
            recordings: Vec::new(),
        })
    }
}

fn fits(text: &str, most: usize) -> bool {
    let text = text.trim();
    (1..=most).contains(&text.chars().count()) && !text.contains(char::is_control)
}
