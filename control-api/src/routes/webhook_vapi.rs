//! `POST /api/webhooks/vapi/{client}`: what Vapi's server messages tell of a tenant's calls.

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sidetone_wire::{ConnectionKind, Upstream};

use super::webhook_vendor::{self as vendor, Refusal};
use crate::app::{App, now};
use crate::extract::{Body, Path};
use crate::inbound::signature::Signed;
use crate::inbound::vapi;
use crate::problem::ProblemBody;

/// Take a Vapi server message
///
/// Signed as one of the tenant's connections of kind `vapi` says: `X-Vapi-Secret`, a bearer token,
/// OAuth 2, or an HMAC over the body. A repeated one has no effect. Types that are not known are
/// taken and change nothing. Where Vapi asks for a decision (`assistant-request`, `tool-calls`,
/// `transfer-destination-request`, `handoff-destination-request`, `knowledge-base-request`) the
/// answer declines: Sidetone observes.
#[utoipa::path(
    post, path = "/api/webhooks/vapi/{client}", tag = "webhooks", security(()),
    params(("client" = String, Path, description = "The tenant's slug")),
    request_body(content_type = "application/json", content = Object),
    responses(
        (status = 200, description = "Taken, now or before; an object where Vapi asks for something", body = Object),
        (status = 400, description = "Well signed, and no server message", body = ProblemBody),
        (status = 401, description = "The signature fits no connection of this client, or there is no such client", body = ProblemBody),
        (status = 413, description = "Larger than 1 MiB", body = ProblemBody),
        (status = 503, description = "Not written yet: send it again", body = ProblemBody),
    ),
)]
pub(crate) async fn vapi(
    State(app): State<Arc<App>>,
    Path(client): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let signed = Signed {
        url: &vendor::url(&app, &uri),
        headers: &headers,
        body: &body,
        now: now(),
    };
    let kind = ConnectionKind::Vapi;
    let (tenant, _) = vendor::verified(&app, kind, Some(&client), signed).await?;
    let message = vapi::read(&body, signed.now)?;
    vendor::take(&app, tenant, Upstream::Vapi, message, &body).await
}
