//! `POST /api/webhooks/retell/{client}`, `POST /api/calls/webhook/started`: what Retell tells of
//! calls.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use sidetone_wire::{ConnectionKind, Upstream};

use super::webhook_vendor::{self as vendor, Refusal};
use crate::app::{App, now};
use crate::extract::{Body, Path};
use crate::inbound::retell;
use crate::inbound::signature::Signed;
use crate::problem::ProblemBody;

/// Take a Retell webhook
///
/// Signed by `x-retell-signature` with the key of one of the tenant's connections of kind
/// `retell`. A repeated one has no effect. Events that are not known are taken and change nothing.
#[utoipa::path(
    post, path = "/api/webhooks/retell/{client}", tag = "webhooks", security(()),
    params(
        ("client" = String, Path, description = "The tenant's slug"),
        ("x-retell-signature" = String, Header, description = "`v=<ms>,d=<hex>`"),
    ),
    request_body(content_type = "application/json", content = Object),
    responses(
        (status = 200, description = "Taken, now or before"),
        (status = 400, description = "Well signed, and no webhook of Retell's", body = ProblemBody),
        (status = 401, description = "The signature fits no connection of this client, or there is no such client", body = ProblemBody),
        (status = 413, description = "Larger than 1 MiB", body = ProblemBody),
        (status = 503, description = "Not written yet: send it again", body = ProblemBody),
    ),
)]
pub(crate) async fn retell(
    State(app): State<Arc<App>>,
    Path(client): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    take(&app, Some(&client), &headers, &body).await
}

/// Take a Retell webhook without naming the tenant
///
/// The tenant is the one whose connection's key signed it; `call.metadata.tenant`, a tenant's slug,
/// narrows that to one. The newest 256 connections are tried: installations with more use the path
/// that names the client.
#[utoipa::path(
    post, path = "/api/calls/webhook/started", tag = "webhooks", security(()),
    params(("x-retell-signature" = String, Header, description = "`v=<ms>,d=<hex>`")),
    request_body(content_type = "application/json", content = Object),
    responses(
        (status = 200, description = "Taken, now or before"),
        (status = 400, description = "Well signed, and no webhook of Retell's", body = ProblemBody),
        (status = 401, description = "The signature fits no connection", body = ProblemBody),
        (status = 413, description = "Larger than 1 MiB", body = ProblemBody),
        (status = 503, description = "Not written yet: send it again", body = ProblemBody),
    ),
)]
pub(crate) async fn started(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    // what is not verified yet says only where to look for the key
    let named = retell::read(&body, now()).ok();
    let named = named.and_then(|message| message.tenant);
    take(&app, named.as_deref(), &headers, &body).await
}

async fn take(
    app: &App,
    client: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let signed = Signed {
        url: "",
        headers,
        body,
        now: now(),
    };
    let kind = ConnectionKind::Retell;
    let (tenant, verified) = vendor::verified(app, kind, client, signed).await?;
    let message = retell::read(body, verified.sent.unwrap_or(signed.now))?;
    vendor::take(app, tenant, Upstream::Retell, message, body).await
}
