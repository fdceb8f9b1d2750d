//! Who writes down what is said in a call: the tenant's own account at a recogniser of speech.
//!
//! The settings of its connection say when, in which language and with which model.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use sidetone_wire::{ConnectionKind, Hidden, Recogniser, TenantId, Upstream};
use tracing::error;

use crate::app::App;
use crate::credentials::API_KEY;
use crate::inbound::accounts;
use crate::probe;
use crate::store::{self, Account};

/// Accounts that are looked at.
const ACCOUNTS: u32 = 100;
/// When it writes: [`WHEN`].
const TRANSCRIBE: &str = "transcribe";
const NEVER: &str = "never";
const ALWAYS: &str = "always";
/// Where nobody else does is what holds when nothing is said.
const WHEN: [&str; 3] = ["needed", ALWAYS, NEVER];
const LANGUAGE: &str = "language";
const MODEL: &str = "model";
const REGION: &str = "region";
/// Regions that some have beside their first one.
const REGIONS: [&str; 1] = ["eu"];

/// The usual origin of a recogniser, by region.
fn origin(kind: ConnectionKind, region: Option<&str>) -> Option<&'static str> {
    match (kind, region) {
        (ConnectionKind::Deepgram, Some("eu")) => Some("wss://api.eu.deepgram.com"),
        (ConnectionKind::Deepgram, _) => Some("wss://api.deepgram.com"),
        (ConnectionKind::Assemblyai, Some("eu")) => Some("wss://streaming.eu.assemblyai.com"),
        (ConnectionKind::Assemblyai, _) => Some("wss://streaming.assemblyai.com"),
        (ConnectionKind::Openai, _) => Some("wss://api.openai.com"),
        (
            ConnectionKind::Vapi
            | ConnectionKind::Retell
            | ConnectionKind::Twilio
            | ConnectionKind::Telnyx
            | ConnectionKind::Plivo
            | ConnectionKind::Vonage
            | ConnectionKind::Exotel
            | ConnectionKind::Bland
            | ConnectionKind::Elevenlabs
            | ConnectionKind::Genesys
            | ConnectionKind::Jambonz,
            _,
        ) => None,
    }
}

/// Whether whoever has the call tells what is said in it.
const fn tells(upstream: Upstream) -> bool {
    matches!(
        upstream,
        Upstream::Vapi | Upstream::Retell | Upstream::Elevenlabs
    )
}

/// The setting of an account that cannot be, and why.
pub(crate) fn wrong(
    kind: ConnectionKind,
    settings: &Map<String, Value>,
) -> Option<(&'static str, &'static str)> {
    origin(kind, None)?;
    let is_one_of = |name: &str, words: &[&str]| {
        let given = settings.get(name);
        given.is_none_or(|given| given.as_str().is_some_and(|given| words.contains(&given)))
    };
    let is_word = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = |text: &str| (1..=64).contains(&text.len()) && text.chars().all(fits);
        let given = settings.get(name);
        given.is_none_or(|given| given.as_str().is_some_and(fits))
    };
    if !is_one_of(TRANSCRIBE, &WHEN) {
        return Some(("settings.transcribe", "is not needed, always or never"));
    }
    if !is_one_of(REGION, &REGIONS) {
        return Some(("settings.region", "is not eu"));
    }
    if !is_word(LANGUAGE) {
        return Some(("settings.language", "is not the name of a language"));
    }
    (!is_word(MODEL)).then_some(("settings.model", "is not the name of a model"))
}

/// Who writes down what is said in a call of the tenant's at an upstream, if anybody does: the
/// first of its accounts by name that is to.
pub(crate) async fn recogniser(
    app: &App,
    tenant: TenantId,
    upstream: Upstream,
) -> store::Result<Option<Recogniser>> {
    let tenant = app.store.tenant(tenant);
    let accounts = tenant.accounts(None, None, ACCOUNTS).await?.into_iter();
    let mut found = accounts.filter_map(|account| of(app, &account));
    Ok(found.find(|one| one.always || !tells(upstream)))
}

fn of(app: &App, account: &Account) -> Option<Recogniser> {
    let setting = |name: &str| account.settings.get(name).and_then(Value::as_str);
    let usual = origin(account.kind, setting(REGION))?;
    if setting(TRANSCRIBE) == Some(NEVER) {
        return None;
    }
    let context = accounts::credentials_context(account.id);
    let credentials = app
        .keyring
        .unwrap_secret(&context, account.credentials.as_ref()?);
    let credentials = credentials
        .inspect_err(|error| {
            error!(%error, connection = %account.id, "credentials cannot be read: set them again");
        })
        .ok()?;
    let mut credentials: BTreeMap<String, SecretString> =
        serde_json::from_str(credentials.expose_secret()).unwrap_or_default();
    let key = credentials.remove(API_KEY)?;
    let other = setting(probe::API_URL).filter(|_| app.allow_loopback_upstreams);
    Some(Recogniser {
        kind: account.kind,
        origin: other.map_or(usual.to_owned(), |other| other.replacen("http", "ws", 1)),
        key: Hidden(key.expose_secret().to_owned()),
        language: setting(LANGUAGE).map(str::to_owned),
        model: setting(MODEL).map(str::to_owned),
        always: setting(TRANSCRIBE) == Some(ALWAYS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_that_cannot_be_are_named() {
        let judged = |kind, settings: Value| {
            let settings = settings.as_object().cloned().unwrap_or_default();
            wrong(kind, &settings).map(|(field, _)| field)
        };
        let kind = ConnectionKind::Deepgram;
        let good = json!({"transcribe": "always", "language": "en-US", "model": "nova-3",
            "region": "eu", "note": 1});
        assert_eq!(judged(kind, good), None);
        for (settings, field) in [
            (json!({"transcribe": "sometimes"}), "settings.transcribe"),
            (json!({"transcribe": true}), "settings.transcribe"),
            (json!({"region": "moon"}), "settings.region"),
            (json!({"language": "en&x=1"}), "settings.language"),
            (json!({"model": ""}), "settings.model"),
        ] {
            assert_eq!(judged(kind, settings.clone()), Some(field));
            assert_eq!(
                judged(ConnectionKind::Vapi, settings),
                None,
                "it means nothing there"
            );
        }
    }
}
