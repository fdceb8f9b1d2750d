//! `POST /api/webhooks/recording/{client}`: a payment page or IVR says when card data is spoken.
//!
//! Signed as Standard Webhooks 1.0 has it: `webhook-id`, `webhook-timestamp`, and in
//! `webhook-signature` one or several `v1,<base64 of HMAC-SHA-256 over id.timestamp.body>`.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use sidetone_service::clock;
use sidetone_wire::{CallId, TenantId};
use tracing::{error, warn};
use utoipa::ToSchema;

use super::pausing::{self, Refusal as Unpaused};
use crate::app::{App, now};
use crate::extract::{self, Body, Path};
use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::store::{self, Actor, CallName, Pause, Tenant};

/// How far a webhook's time may lie from ours, in seconds: its sender's clock, and its way.
const WINDOW_SECONDS: i64 = 300;
/// Characters of a webhook's id, at most.
const ID_MAX: usize = 200;
/// Signatures looked at: a sender that rotates its secret sends two.
const SIGNATURES_MAX: usize = 8;
/// What secrets begin with.
const PREFIX: &str = "whsec_";

/// What is to happen to which call. Exactly one of the first three names it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RecordingWebhook {
    call_id: Option<CallId>,
    /// Its id where it lives.
    upstream_call_id: Option<String>,
    /// Its LiveKit room.
    livekit_room: Option<String>,
    action: Action,
    /// At most 500 characters; kept in the audit log.
    reason: Option<String>,
}

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Pause,
    Resume,
}

/// A secret that webhooks are signed with.
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let fits = (24..=64).contains(&bytes.len());
        fits.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Whether one of `signatures` is ours over id, time and body.
    fn signed(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        let mut message = format!("{id}.{timestamp}.").into_bytes();
        message.extend_from_slice(body);
        signatures
            .split(' ')
            .take(SIGNATURES_MAX)
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .any(|signature| hmac::verify(&self.0, &message, &signature).is_ok())
    }
}

/// What a tenant's secret is bound to where it is kept.
pub(super) fn secret_context(tenant: TenantId) -> String {
    format!("pause webhook of {tenant}")
}

/// Why the webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is not signed with this client's secret, or not within the last five minutes")]
    Unsigned,
    #[error(transparent)]
    Body(#[from] Problem),
    #[error(transparent)]
    Unpaused(#[from] Unpaused),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        metrics::webhook("recording", "refused");
        let detail = self.to_string();
        match self {
            Self::Unsigned => {
                warn!(reason = detail, "a pause webhook was refused");
                Problem::new(StatusCode::UNAUTHORIZED, "bad_signature", detail).into_response()
            }
            Self::Body(problem) => problem.into_response(),
            Self::Unpaused(refusal) => refusal.into_response(),
            Self::Store(error) => Problem::from(error).into_response(),
        }
    }
}

/// Take a pause webhook
///
/// Signed by Standard Webhooks with the secret of the tenant's retention policy. A 200 means what
/// it means for `POST /api/calls/{id}/recording/pause`. A repeated one has no effect; one that was
/// refused may be sent again. A person's pause is not ended by it.
#[utoipa::path(
    post, path = "/api/webhooks/recording/{client}", tag = "webhooks", security(()),
    params(
        ("client" = String, Path, description = "The tenant's slug"),
        ("webhook-id" = String, Header, description = "Names this event, also when it is sent again"),
        ("webhook-timestamp" = i64, Header, description = "When it was sent, in seconds since 1970"),
        ("webhook-signature" = String, Header, description = "`v1,<base64>`, several divided by spaces"),
    ),
    request_body = RecordingWebhook,
    responses(
        (status = 200, description = "Done, now or before"),
        (status = 401, description = "The signature does not fit", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "The call has ended, or no gateway holds it", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
        (status = 503, description = "Not confirmed, or the database is away: send it again", body = ProblemBody),
    ),
)]
pub(crate) async fn recording(
    State(app): State<Arc<App>>,
    Path(client): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<StatusCode, Refusal> {
    let (tenant, id) = verified(&app, &client, &headers, &body).await?;
    let wish: RecordingWebhook = extract::json(&body)?;
    let reason = pausing::reason(wish.reason.clone())?;
    let name = name(&wish)?;
    let source = format!("recording:{}", tenant.id());
    if app.store.webhook_taken(&source, &id).await? {
        metrics::webhook("recording", "duplicate");
        return Ok(StatusCode::OK);
    }
    let call = tenant.named(&name).await?;
    let call = call.ok_or_else(|| Problem::not_found("call"))?;
    let actor = Actor::rule("webhook");
    match wish.action {
        Action::Pause => {
            let pause = Pause {
                actor,
                reason,
                resume_after_seconds: None,
                at: now(),
                trusted: app.trusted(),
            };
            pausing::pause_call(&app, &tenant, call, &pause).await?;
        }
        Action::Resume => {
            pausing::resume_call(&app, &tenant, call, &actor, reason.as_deref()).await?;
        }
    }
    // only what was confirmed is not done again
    app.store.take_webhook(&source, &id, now()).await?;
    metrics::webhook("recording", "taken");
    Ok(StatusCode::OK)
}

/// The tenant whose secret signed it, and its id. A client without a secret, or that is not there,
/// looks like a wrong signature.
async fn verified(
    app: &App,
    client: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Tenant, String), Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signatures)) = (
        header("webhook-id").filter(|id| (1..=ID_MAX).contains(&id.len())),
        header("webhook-timestamp"),
        header("webhook-signature"),
    ) else {
        return Err(Refusal::Unsigned);
    };
    let sent: i64 = timestamp.parse().map_err(|_| Refusal::Unsigned)?;
    if sent.abs_diff(clock::wall() / 1000) > WINDOW_SECONDS.unsigned_abs() {
        return Err(Refusal::Unsigned);
    }
    let tenant = app.store.tenant_of(client).await?;
    let tenant = app.store.tenant(tenant.ok_or(Refusal::Unsigned)?);
    let secret = tenant.policy().await?.pause_webhook_secret;
    let secret = secret.ok_or(Refusal::Unsigned)?;
    let context = secret_context(tenant.id());
    let secret = app.keyring.unwrap_secret(&context, &secret);
    let secret = secret.map_err(|error| {
        error!(%error, client, "the pause webhook's secret cannot be read: set it again");
        Refusal::Unsigned
    })?;
    let secret = Secret::read(secret.expose_secret()).ok_or(Refusal::Unsigned)?;
    if !secret.signed(id, timestamp, body, signatures) {
        return Err(Refusal::Unsigned);
    }
    Ok((tenant, id.to_owned()))
}

/// Which call it names.
fn name(wish: &RecordingWebhook) -> Result<CallName, Problem> {
    let names = [
        wish.call_id.map(CallName::Id),
        wish.upstream_call_id.clone().map(CallName::Upstream),
        wish.livekit_room.clone().map(CallName::Room),
    ];
    let mut names = names.into_iter().flatten();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        _ => Err(Problem::invalid_field(
            "callId",
            "exactly one of callId, upstreamCallId and livekitRoom names the call",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_signature_of_the_specification_fits_and_another_does_not() {
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let body = br#"{"test": 2432232314}"#;
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(secret.signed(id, at, body, good));
        assert!(secret.signed(id, at, body, &format!("v1,AAAA v2,xx {good}")));
        for wrong in [
            "",
            "v1,",
            "v1,AAAA",
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ] {
            assert!(!secret.signed(id, at, body, wrong), "{wrong}");
        }
        assert!(!secret.signed(id, "1614265331", body, good));
        assert!(!secret.signed("msg_2", at, body, good));
        assert!(!secret.signed(id, at, b"{}", good));
    }

    #[test]
    fn secrets_that_are_too_short_or_not_base64_are_none() {
        for text in [
            "",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_###",
        ] {
            assert!(Secret::read(text).is_none(), "{text}");
        }
    }
}
