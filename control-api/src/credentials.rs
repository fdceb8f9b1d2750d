//! Keys of tenants' accounts at vendors.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use sidetone_wire::{ConnectionKind, TenantId, Upstream};
use tracing::error;

use crate::app::App;
use crate::inbound::accounts;
use crate::probe;
use crate::store;

/// The one that acts for its owner.
pub(crate) const API_KEY: &str = "apiKey";
/// The one that opens the live URLs of accounts that protect them.
pub(crate) const LIVE_KEY: &str = "publicKey";

/// Accounts that are looked at.
const ACCOUNTS: u32 = 8;

/// A key, and where its vendor's API is if not at the usual place.
pub(crate) struct Key {
    pub(crate) secret: SecretString,
    /// Of tests and the demo.
    pub(crate) api_url: Option<String>,
}

/// The key of that name of the tenant's first account at the upstream that has one.
pub(crate) async fn key(
    app: &App,
    tenant: TenantId,
    upstream: Upstream,
    name: &str,
) -> store::Result<Option<Key>> {
    let Ok(kind) = upstream.as_str().parse::<ConnectionKind>() else {
        return Ok(None);
    };
    let tenant = app.store.tenant(tenant);
    for account in tenant.accounts(Some(kind), None, ACCOUNTS).await? {
        let Some(wrapped) = &account.credentials else {
            continue;
        };
        let context = accounts::credentials_context(account.id);
        let credentials = match app.keyring.unwrap_secret(&context, wrapped) {
            Ok(credentials) => credentials,
            Err(error) => {
                error!(%error, connection = %account.id, "credentials cannot be read");
                continue;
            }
        };
        let credentials = credentials.expose_secret();
        let mut credentials: BTreeMap<String, SecretString> =
            serde_json::from_str(credentials).unwrap_or_default();
        if let Some(secret) = credentials.remove(name) {
            let api_url = account.settings.get(probe::API_URL);
            let api_url = api_url.and_then(|url| url.as_str()).map(str::to_owned);
            return Ok(Some(Key {
                secret,
                api_url: api_url.filter(|_| app.allow_loopback_upstreams),
            }));
        }
    }
    Ok(None)
}
