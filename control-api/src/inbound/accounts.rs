//! Whose webhook it is: the accounts of a tenant, remembered for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_service::clock;
use sidetone_vault::Keyring;
use sidetone_wire::{ConnectionId, ConnectionKind, TenantId};
use tracing::error;

use super::signature::{Signed, Verified, Verifier};
use crate::store::{self, Account, Store};

/// How long what was read is believed: a secret that another process took back is accepted here
/// for that long.
const BELIEVED: Duration = Duration::from_secs(2);
/// Tenants and vendors remembered; beyond it everything is forgotten, and read again.
const REMEMBERED: usize = 4096;
/// Accounts of one tenant and vendor that are tried, the newest first: one, and its successor while
/// a secret is changed.
const TRIED: u32 = 8;
/// Accounts of all tenants that are tried for a webhook that names no tenant.
const TRIED_OF_ALL: u32 = 256;

/// Who may have sent a webhook.
struct Sender {
    tenant: TenantId,
    verifier: Verifier,
}

type Senders = Arc<Vec<Sender>>;
type Remembered = HashMap<(Option<String>, ConnectionKind), (Instant, Senders)>;

/// The accounts that webhooks are verified by.
#[derive(Default)]
pub(crate) struct Accounts {
    known: Mutex<Remembered>,
}

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant's accounts at a vendor changed.
    pub(crate) fn changed(&self, slug: &str, kind: ConnectionKind) {
        let mut known = self.lock();
        known.remove(&(Some(slug.to_owned()), kind));
        known.remove(&(None, kind));
    }

    /// Whose webhook it is; `None` when nobody's signature fits. Without a `slug`, all tenants'
    /// accounts are tried.
    pub(crate) async fn verify(
        &self,
        store: &Store,
        keyring: &Keyring,
        kind: ConnectionKind,
        slug: Option<&str>,
        signed: Signed<'_>,
    ) -> store::Result<Option<(TenantId, Verified)>> {
        let senders = self.senders(store, keyring, kind, slug).await?;
        Ok(senders.iter().find_map(|sender| {
            let verified = sender.verifier.verify(signed)?;
            Some((sender.tenant, verified))
        }))
    }

    async fn senders(
        &self,
        store: &Store,
        keyring: &Keyring,
        kind: ConnectionKind,
        slug: Option<&str>,
    ) -> store::Result<Senders> {
        let key = (slug.map(str::to_owned), kind);
        let now = clock::now();
        if let Some((read, senders)) = self.lock().get(&key)
            && now - *read < BELIEVED
        {
            return Ok(senders.clone());
        }
        let most = if slug.is_some() { TRIED } else { TRIED_OF_ALL };
        let accounts = store.webhook_accounts(kind, slug, most).await?;
        let senders: Senders = Arc::new(
            accounts
                .into_iter()
                .filter_map(|account| sender(keyring, account))
                .collect(),
        );
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, (now, senders.clone()));
        Ok(senders)
    }
}

fn sender(keyring: &Keyring, account: Account) -> Option<Sender> {
    let wrapped = account.webhook_secret?;
    let secret = keyring.unwrap_secret(&secret_context(account.id), &wrapped);
    let secret = secret.inspect_err(|error| {
        error!(%error, connection = %account.id, "a webhook secret cannot be read: set it again");
    });
    Some(Sender {
        tenant: account.client_id,
        verifier: Verifier::new(account.webhook, secret.ok()?),
    })
}

/// What a webhook secret is bound to where it is kept.
pub(crate) fn secret_context(id: ConnectionId) -> String {
    format!("webhook secret of connection {id}")
}

/// What credentials are bound to where they are kept.
pub(crate) fn credentials_context(id: ConnectionId) -> String {
    format!("credentials of connection {id}")
}

/// Where a vendor must send its webhooks, if it sends any that we take.
pub(crate) fn webhook_url(public_url: &str, kind: ConnectionKind, slug: &str) -> Option<String> {
    let vendor = match kind {
        ConnectionKind::Vapi => "vapi",
        ConnectionKind::Retell => "retell",
        ConnectionKind::Twilio
        | ConnectionKind::Telnyx
        | ConnectionKind::Plivo
        | ConnectionKind::Vonage
        | ConnectionKind::Exotel
        | ConnectionKind::Bland
        | ConnectionKind::Elevenlabs
        | ConnectionKind::Genesys
        | ConnectionKind::Jambonz
        | ConnectionKind::Deepgram
        | ConnectionKind::Assemblyai
        | ConnectionKind::Openai => return None,
    };
    let public_url = public_url.trim_end_matches('/');
    Some(format!("{public_url}/api/webhooks/{vendor}/{slug}"))
}
