//! What webhooks of all vendors have in common.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sidetone_service::dial::Policy;
use sidetone_wire::{CallId, ConnectionKind, TenantId, Upstream};
use tracing::{debug, error, warn};

use crate::app::App;
use crate::inbound::ingest::Failure;
use crate::inbound::signature::{Signed, Verified};
use crate::inbound::{Message, Unreadable};
use crate::metrics;
use crate::problem::Problem;
use crate::store::{self, Delivery, NewFetch, Outcome, Receipt};

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is not signed by a connection of this client, or not within the last five minutes")]
    Unsigned(ConnectionKind),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::Unsigned(kind) => {
                metrics::webhook(kind.as_str(), "refused");
                warn!(vendor = %kind, "a webhook was refused: its signature fits nobody");
                Problem::new(StatusCode::UNAUTHORIZED, "bad_signature", detail)
            }
            Self::Unreadable(_) => Problem::new(StatusCode::BAD_REQUEST, "invalid_webhook", detail),
            Self::Failure(failure) => failure.into(),
            Self::Store(error) => error.into(),
        }
        .into_response()
    }
}

/// The URL that the vendor was given.
pub(super) fn url(app: &App, uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    format!("{}{path}", app.public_url.trim_end_matches('/'))
}

/// Whose webhook it is. A client that is not there looks like a wrong signature.
pub(super) async fn verified(
    app: &App,
    kind: ConnectionKind,
    client: Option<&str>,
    signed: Signed<'_>,
) -> Result<(TenantId, Verified), Refusal> {
    let (store, keyring) = (&app.store, &app.keyring);
    let verified = app.accounts.verify(store, keyring, kind, client, signed);
    verified.await?.ok_or(Refusal::Unsigned(kind))
}

/// Takes what a verified webhook says, and answers when that is committed.
pub(super) async fn take(
    app: &App,
    tenant: TenantId,
    upstream: Upstream,
    message: Message,
    body: &[u8],
) -> Result<Response, Refusal> {
    let source = upstream.as_str();
    let outcome = match message.call {
        None => "ignored",
        Some((upstream_call_id, mut update)) => {
            let receipt = Receipt {
                source: format!("{source}:{tenant}"),
                id: hex::encode(&Sha256::digest(body)[..16]),
            };
            let urls = Urls::seal(app, tenant, upstream, &upstream_call_id, &mut update);
            let delivery = Delivery {
                tenant,
                upstream,
                upstream_call_id,
                receipt: Some(receipt),
                update,
                listen_url: urls.listen,
                control_url: urls.control,
                recordings: urls.recordings,
            };
            match app.ingest.take(delivery, body.len()).await? {
                Outcome::Duplicate => "duplicate",
                Outcome::Taken { call, .. } => {
                    debug!(%call, kind = message.kind, "webhook of {source}");
                    "taken"
                }
            }
        }
    };
    metrics::webhook(source, outcome);
    Ok(match message.answer {
        Some(answer) => Json(answer).into_response(),
        None => StatusCode::OK.into_response(),
    })
}

/// A report's URLs as they are kept.
#[derive(Default)]
pub(super) struct Urls {
    pub(super) listen: Option<String>,
    pub(super) control: Option<String>,
    pub(super) recordings: Vec<NewFetch>,
}

impl Urls {
    /// Encrypts what may be dialled; what may not is left out, with a line in the log.
    pub(super) fn seal(
        app: &App,
        tenant: TenantId,
        upstream: Upstream,
        upstream_call_id: &str,
        update: &mut crate::calls::CallUpdate,
    ) -> Self {
        let vendor = upstream.as_str();
        let live = Policy::live(vendor, app.allow_loopback_upstreams);
        let seal = |what, url: Option<SecretString>| {
            let url = url?;
            let checked = live.as_ref()?.check(url.expose_secret());
            if let Err(refusal) = checked {
                warn!(vendor, what, %refusal, "a URL that a webhook brought is left out");
                return None;
            }
            let context = url_context(what, tenant, upstream, upstream_call_id);
            let sealed = app.keyring.wrap_secret(&context, &url);
            sealed
                .inspect_err(|error| error!(%error, "a URL cannot be encrypted"))
                .ok()
        };
        let recordings = update.recordings.drain(..).filter_map(|url| {
            // the call is known when it is written
            let nobody = CallId(uuid::Uuid::nil());
            let sealed = app.fetching.seal(nobody, vendor, &url);
            sealed
                .inspect_err(|error| warn!(vendor, %error, "a recording's URL is left out"))
                .ok()
        });
        Self {
            recordings: recordings.collect(),
            listen: seal("listen", update.listen_url.take()),
            control: seal("control", update.control_url.take()),
        }
    }
}

/// What a call's URL is bound to where it is kept.
pub(crate) fn url_context(
    what: &str,
    tenant: TenantId,
    upstream: Upstream,
    upstream_call_id: &str,
) -> String {
    format!("{what} url of {tenant} {upstream} {upstream_call_id}")
}
