//! `/api/connections`: a tenant's accounts at vendors. Secrets go in and never come out.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sidetone_service::clock;
use sidetone_wire::{
    Connection, ConnectionId, ConnectionKind, ConnectionTest, HmacAlgorithm, Role,
    SignatureEncoding, WebhookAuth, WebhookScheme,
};
use tracing::{error, info};
use utoipa::{IntoParams, ToSchema};

use super::branches;
use super::page::{self, Page};
use crate::app::{App, now};
use crate::auth::{Admin, Caller, Reviewer};
use crate::extract::{Change, Json, Path, Query};
use crate::inbound::accounts;
use crate::probe;
use crate::problem::{Problem, ProblemBody};
use crate::recognition;
use crate::store::{self, Account};
use crate::streams;

/// Entries of credentials, at most, and characters of each.
const CREDENTIALS_MAX: usize = 16;
const CREDENTIAL_MAX: usize = 4096;
/// Bytes of the settings as JSON.
const SETTINGS_MAX: usize = 16 * 1024;
/// Characters of a webhook's secret.
const SECRET_MIN: usize = 8;
const SECRET_MAX: usize = 512;
/// Characters of a format, prefix or header's name.
const OPTION_MAX: usize = 200;

/// A connection to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreateConnection {
    kind: ConnectionKind,
    /// 1 to 100 characters, of its own within the tenant.
    name: String,
    /// What the vendor's API asks for, by name (`apiKey`; `accountSid` and `authToken` for Twilio;
    /// `authId` and `authToken` for Plivo; `apiKey` and `apiSecret` for Vonage). Never shown.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Credentials>,
    webhook: Option<WebhookInput>,
    /// Of a recogniser of speech (Deepgram, AssemblyAI, OpenAI): `transcribe` (`needed`, where
    /// nobody else tells what is said; `always`, and its word counts; `never`), `language`, `model`,
    /// `region` (`eu`).
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

/// What is to be changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpdateConnection {
    name: Option<String>,
    /// All of them anew, or `null`: none.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    credentials: Change<Credentials>,
    /// The scheme and its options anew; the secret stays when it is missing.
    webhook: Option<WebhookInput>,
    /// All of them anew.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

type Credentials = std::collections::BTreeMap<String, SecretString>;

/// How the vendor signs its webhooks; see the object `WebhookAuth`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct WebhookInput {
    scheme: WebhookScheme,
    /// 8 to 512 characters, or `null`: none. Never shown.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    secret: Change<SecretString>,
    header_name: Option<String>,
    bearer_prefix_enabled: Option<bool>,
    algorithm: Option<HmacAlgorithm>,
    signature_header: Option<String>,
    timestamp_header: Option<String>,
    signature_prefix: Option<String>,
    include_timestamp: Option<bool>,
    payload_format: Option<String>,
    message_id_header: Option<String>,
    signature_encoding: Option<SignatureEncoding>,
    secret_is_base64: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListConnections {
    /// Of that vendor only.
    kind: Option<ConnectionKind>,
    /// 1 to 100, default 50.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

fn view(app: &App, caller: &Caller, account: &Account) -> Connection {
    let slug = &caller.identity.tenant_slug;
    let admin = caller.identity.role == Role::Admin;
    let streams = admin.then(|| streams::urls(app, account.id, account.kind));
    Connection {
        id: account.id,
        client_id: account.client_id,
        kind: account.kind,
        name: account.name.clone(),
        has_credentials: account.credentials.is_some(),
        webhook: account.webhook.clone(),
        has_secret: account.webhook_secret.is_some(),
        settings: account.settings.clone(),
        webhook_url: accounts::webhook_url(&app.public_url, account.kind, slug),
        stream_urls: streams.flatten(),
        created_at: account.created_at,
        updated_at: account.updated_at,
    }
}

/// List connections
#[utoipa::path(
    get, path = "/api/connections", tag = "vendors", params(ListConnections),
    responses(
        (status = 200, description = "The tenant's connections by name", body = Page<Connection>),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reviewer(caller): Reviewer,
    Query(query): Query<ListConnections>,
) -> Result<Answer<Page<Connection>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(page::place).transpose()?;
    let found = caller
        .tenant
        .accounts(query.kind, after.as_deref(), limit + 1);
    let found = found.await?;
    let items = found.iter().map(|account| view(&app, &caller, account));
    let name = |connection: &Connection| connection.name.clone();
    Ok(Answer(Page::cut(items.collect(), limit, name)))
}

/// One connection
#[utoipa::path(
    get, path = "/api/connections/{id}", tag = "vendors",
    params(("id" = ConnectionId, Path, description = "The connection")),
    responses(
        (status = 200, description = "The connection", body = Connection),
        (status = 403, description = "Needs the role admin or auditor", body = ProblemBody),
        (status = 404, description = "No such connection", body = ProblemBody),
    ),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Reviewer(caller): Reviewer,
    Path(id): Path<ConnectionId>,
) -> Result<Answer<Connection>, Problem> {
    let account = find(&caller.tenant, id).await?;
    Ok(Answer(view(&app, &caller, &account)))
}

/// Add a connection
///
/// The answer says where the vendor must send its webhooks, and where it must bring the sound of
/// its calls.
#[utoipa::path(
    post, path = "/api/connections", tag = "vendors", request_body = CreateConnection,
    responses(
        (status = 201, description = "The connection", body = Connection),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 409, description = "The name is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(create): Json<CreateConnection>,
) -> Result<(StatusCode, Answer<Connection>), Problem> {
    let at = now();
    let mut account = Account {
        id: ConnectionId(clock::new_id()),
        client_id: caller.tenant.id(),
        kind: create.kind,
        name: branches::name("name", &create.name)?,
        credentials: None,
        webhook: unsigned(),
        webhook_secret: None,
        settings: Map::new(),
        created_at: at,
        updated_at: at,
    };
    if let Some(credentials) = create.credentials {
        account.credentials = Some(wrap_credentials(&app, account.id, &credentials)?);
    }
    if let Some(webhook) = create.webhook {
        set_webhook(&app, &mut account, webhook)?;
    }
    if let Some(settings) = create.settings {
        account.settings = checked_settings(&app, account.kind, settings)?;
    }
    let added = caller.tenant.add_account(&account, &caller.actor()).await;
    added.map_err(taken)?;
    let slug = &caller.identity.tenant_slug;
    app.accounts.changed(slug, account.kind);
    info!(by = %caller.identity.user, connection = %account.id, kind = %account.kind, "connection added");
    let answer = view(&app, &caller, &account);
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// Change a connection
///
/// While a secret is changed at the vendor, a second connection with the new one lets both pass.
#[utoipa::path(
    patch, path = "/api/connections/{id}", tag = "vendors", request_body = UpdateConnection,
    params(("id" = ConnectionId, Path, description = "The connection")),
    responses(
        (status = 200, description = "The connection as it is now", body = Connection),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such connection", body = ProblemBody),
        (status = 409, description = "The name is taken", body = ProblemBody),
        (status = 422, description = "A field is wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<ConnectionId>,
    Json(update): Json<UpdateConnection>,
) -> Result<Answer<Connection>, Problem> {
    let former = find(&caller.tenant, id).await?;
    let mut account = former.clone();
    if let Some(name) = &update.name {
        account.name = branches::name("name", name)?;
    }
    if let Change::Is(credentials) = update.credentials {
        let wrap = |new: Credentials| wrap_credentials(&app, id, &new);
        account.credentials = credentials.map(wrap).transpose()?;
    }
    if let Some(webhook) = update.webhook {
        set_webhook(&app, &mut account, webhook)?;
    }
    if let Some(settings) = update.settings {
        account.settings = checked_settings(&app, account.kind, settings)?;
    }
    account.updated_at = now();
    let (tenant, actor) = (&caller.tenant, caller.actor());
    let changed = tenant.change_account(&former, &account, &actor).await;
    if !changed.map_err(taken)? {
        return Err(Problem::not_found("connection"));
    }
    let slug = &caller.identity.tenant_slug;
    app.accounts.changed(slug, account.kind);
    info!(by = %caller.identity.user, connection = %id, "connection changed");
    Ok(Answer(view(&app, &caller, &account)))
}

/// Remove a connection
///
/// Webhooks that are signed with its secret are refused from now on.
#[utoipa::path(
    delete, path = "/api/connections/{id}", tag = "vendors",
    params(("id" = ConnectionId, Path, description = "The connection")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such connection", body = ProblemBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<ConnectionId>,
) -> Result<StatusCode, Problem> {
    let account = find(&caller.tenant, id).await?;
    let (tenant, actor) = (&caller.tenant, caller.actor());
    if !tenant.remove_account(&account, &actor, now()).await? {
        return Err(Problem::not_found("connection"));
    }
    let slug = &caller.identity.tenant_slug;
    app.accounts.changed(slug, account.kind);
    info!(by = %caller.identity.user, connection = %id, "connection removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Test a connection
///
/// Asks the vendor's API whether it accepts the credentials.
#[utoipa::path(
    post, path = "/api/connections/{id}/test", tag = "vendors",
    params(("id" = ConnectionId, Path, description = "The connection")),
    responses(
        (status = 200, description = "What the vendor answered", body = ConnectionTest),
        (status = 403, description = "Needs the role admin", body = ProblemBody),
        (status = 404, description = "No such connection", body = ProblemBody),
    ),
)]
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<ConnectionId>,
) -> Result<Answer<ConnectionTest>, Problem> {
    let account = find(&caller.tenant, id).await?;
    let credentials = match &account.credentials {
        Some(wrapped) => {
            let context = accounts::credentials_context(id);
            let json = app.keyring.unwrap_secret(&context, wrapped);
            let json = json.map_err(|error| {
                error!(%error, connection = %id, "credentials cannot be read: set them again");
                let detail = "the credentials were encrypted by another master key: set them again";
                Problem::conflict("credentials_unreadable", detail)
            })?;
            serde_json::from_str(json.expose_secret()).unwrap_or_default()
        }
        None => Credentials::default(),
    };
    let loopback = app.allow_loopback_upstreams;
    let test = probe::probe(&account, &credentials, loopback).await;
    let subject = store::Subject::Connection(id);
    let detail = serde_json::json!({ "outcome": test.outcome });
    let (tenant, actor, action) = (&caller.tenant, caller.actor(), "connection.tested");
    tenant.note(&actor, action, subject, &detail, now()).await?;
    Ok(Answer(test))
}

async fn find(tenant: &store::Tenant, id: ConnectionId) -> Result<Account, Problem> {
    let account = tenant.account(id).await?;
    account.ok_or_else(|| Problem::not_found("connection"))
}

fn taken(error: store::Error) -> Problem {
    if error.is_duplicate() {
        Problem::conflict("name_taken", "a connection of that name exists")
    } else {
        error.into()
    }
}

const fn unsigned() -> WebhookAuth {
    WebhookAuth {
        scheme: WebhookScheme::None,
        header_name: None,
        bearer_prefix_enabled: None,
        algorithm: None,
        signature_header: None,
        timestamp_header: None,
        signature_prefix: None,
        include_timestamp: None,
        payload_format: None,
        message_id_header: None,
        signature_encoding: None,
        secret_is_base64: None,
    }
}

fn wrap(app: &App, context: &str, secret: &SecretString) -> Result<String, Problem> {
    app.keyring.wrap_secret(context, secret).map_err(|error| {
        error!(%error, "a secret cannot be encrypted");
        Problem::internal()
    })
}

fn wrap_credentials(
    app: &App,
    id: ConnectionId,
    credentials: &Credentials,
) -> Result<String, Problem> {
    let fits = |(name, value): (&String, &SecretString)| {
        let length = value.expose_secret().chars().count();
        (1..=64).contains(&name.chars().count()) && (1..=CREDENTIAL_MAX).contains(&length)
    };
    let count = credentials.len();
    if !(1..=CREDENTIALS_MAX).contains(&count) || !credentials.iter().all(fits) {
        let message = "is not 1 to 16 entries of 1 to 4096 characters";
        return Err(Problem::invalid_field("credentials", message));
    }
    let plain: std::collections::BTreeMap<&str, &str> = credentials
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose_secret()))
        .collect();
    let json = serde_json::to_string(&plain).map_err(|_| Problem::internal())?;
    wrap(app, &accounts::credentials_context(id), &json.into())
}

fn checked_settings(
    app: &App,
    kind: ConnectionKind,
    settings: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    if Value::from(settings.clone()).to_string().len() > SETTINGS_MAX {
        return Err(Problem::invalid_field("settings", "has more than 16 KiB"));
    }
    if settings.contains_key(probe::API_URL) && !app.allow_loopback_upstreams {
        let message = "may be set for tests only (SIDETONE_ALLOW_LOOPBACK_UPSTREAMS)";
        return Err(Problem::invalid_field("settings.apiUrl", message));
    }
    if let Some((field, message)) = recognition::wrong(kind, &settings) {
        return Err(Problem::invalid_field(field, message));
    }
    Ok(settings)
}

fn set_webhook(app: &App, account: &mut Account, input: WebhookInput) -> Result<(), Problem> {
    let (auth, secret) = input.checked(account.kind)?;
    match secret {
        Change::Stays => {}
        Change::Is(None) => account.webhook_secret = None,
        Change::Is(Some(secret)) => {
            check_secret(&auth, &secret)?;
            let context = accounts::secret_context(account.id);
            account.webhook_secret = Some(wrap(app, &context, &secret)?);
        }
    }
    if auth.scheme != WebhookScheme::None && account.webhook_secret.is_none() {
        let message = "is missing: the scheme needs one";
        return Err(Problem::invalid_field("webhook.secret", message));
    }
    account.webhook = auth;
    Ok(())
}

fn check_secret(auth: &WebhookAuth, secret: &SecretString) -> Result<(), Problem> {
    let secret = secret.expose_secret();
    if !(SECRET_MIN..=SECRET_MAX).contains(&secret.chars().count()) {
        let message = "is not 8 to 512 characters";
        return Err(Problem::invalid_field("webhook.secret", message));
    }
    let bare = secret.strip_prefix("whsec_").unwrap_or(secret);
    if auth.secret_is_base64 == Some(true) && STANDARD.decode(bare).is_err() {
        return Err(Problem::invalid_field("webhook.secret", "is not base64"));
    }
    Ok(())
}

impl WebhookInput {
    fn checked(self, kind: ConnectionKind) -> Result<(WebhookAuth, Change<SecretString>), Problem> {
        let foreign = match self.scheme {
            WebhookScheme::Retell => kind != ConnectionKind::Retell,
            WebhookScheme::VapiSecret => kind != ConnectionKind::Vapi,
            WebhookScheme::None
            | WebhookScheme::Bearer
            | WebhookScheme::Oauth2
            | WebhookScheme::Hmac => false,
        };
        if foreign {
            let message = "is none of this vendor's";
            return Err(Problem::invalid_field("webhook.scheme", message));
        }
        for (field, name) in [
            ("webhook.headerName", &self.header_name),
            ("webhook.signatureHeader", &self.signature_header),
            ("webhook.timestampHeader", &self.timestamp_header),
            ("webhook.messageIdHeader", &self.message_id_header),
        ] {
            let is_name = |name: &String| {
                name.len() <= OPTION_MAX && HeaderName::from_bytes(name.as_bytes()).is_ok()
            };
            if !name.as_ref().is_none_or(is_name) {
                return Err(Problem::invalid_field(field, "is no name of a header"));
            }
        }
        if self
            .signature_prefix
            .as_ref()
            .is_some_and(|p| p.len() > OPTION_MAX)
        {
            let message = "has more than 200 characters";
            return Err(Problem::invalid_field("webhook.signaturePrefix", message));
        }
        if let Some(format) = &self.payload_format {
            let needs_time = self.include_timestamp != Some(false);
            let fits = format.len() <= OPTION_MAX
                && format.contains("{body}")
                && (!needs_time || format.contains("{timestamp}"));
            if !fits {
                let message = "does not sign {body}, and {timestamp} where a time is sent";
                return Err(Problem::invalid_field("webhook.payloadFormat", message));
            }
        }
        let auth = WebhookAuth {
            scheme: self.scheme,
            header_name: self.header_name,
            bearer_prefix_enabled: self.bearer_prefix_enabled,
            algorithm: self.algorithm,
            signature_header: self.signature_header,
            timestamp_header: self.timestamp_header,
            signature_prefix: self.signature_prefix,
            include_timestamp: self.include_timestamp,
            payload_format: self.payload_format,
            message_id_header: self.message_id_header,
            signature_encoding: self.signature_encoding,
            secret_is_base64: self.secret_is_base64,
        };
        Ok((auth, self.secret))
    }
}
