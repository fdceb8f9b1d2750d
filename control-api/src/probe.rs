//! Asking a vendor's API whether it accepts an account's credentials.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sidetone_service::clock;
use sidetone_service::dial::{DialError, Dialler, Policy};
use sidetone_wire::{ConnectionKind, ConnectionTest, TestOutcome};

use crate::app::now;
use crate::store::Account;

/// The setting that names another API: for tests and the demo.
pub(crate) const API_URL: &str = "apiUrl";

/// How credentials are shown.
enum Shown {
    /// `Authorization: Bearer <apiKey>`.
    Bearer,
    /// `Authorization: Token <apiKey>`.
    Token,
    /// `Authorization: <apiKey>`.
    Bare,
    /// The key in a header of the vendor's own.
    In(&'static str),
    /// Basic, of two credentials.
    Basic(&'static str, &'static str),
}

/// Where a vendor's credentials are tested: a read that costs nothing and changes nothing.
struct Place {
    origin: &'static str,
    /// `{}` is the account's name, the first credential of [`Shown::Basic`].
    path: &'static str,
    shown: Shown,
}

const fn place(kind: ConnectionKind) -> Option<Place> {
    let (origin, path, shown) = match kind {
        ConnectionKind::Vapi => ("https://api.vapi.ai", "/assistant?limit=1", Shown::Bearer),
        ConnectionKind::Retell => ("https://api.retellai.com", "/list-agents", Shown::Bearer),
        ConnectionKind::Twilio => (
            "https://api.twilio.com",
            "/2010-04-01/Accounts/{}.json",
            Shown::Basic("accountSid", "authToken"),
        ),
        ConnectionKind::Telnyx => ("https://api.telnyx.com", "/v2/balance", Shown::Bearer),
        ConnectionKind::Plivo => (
            "https://api.plivo.com",
            "/v1/Account/{}/",
            Shown::Basic("authId", "authToken"),
        ),
        ConnectionKind::Vonage => (
            "https://api.nexmo.com",
            "/v2/applications?page_size=1",
            Shown::Basic("apiKey", "apiSecret"),
        ),
        ConnectionKind::Bland => ("https://api.bland.ai", "/v1/me", Shown::Bare),
        ConnectionKind::Elevenlabs => (
            "https://api.elevenlabs.io",
            "/v1/user",
            Shown::In("xi-api-key"),
        ),
        ConnectionKind::Deepgram => ("https://api.deepgram.com", "/v1/projects", Shown::Token),
        ConnectionKind::Assemblyai => (
            "https://api.assemblyai.com",
            "/v2/transcript?limit=1",
            Shown::Bare,
        ),
        ConnectionKind::Openai => ("https://api.openai.com", "/v1/models", Shown::Bearer),
        // their API's address is the account's own
        ConnectionKind::Exotel | ConnectionKind::Genesys | ConnectionKind::Jambonz => return None,
    };
    Some(Place {
        origin,
        path,
        shown,
    })
}

/// Asks, and says what came back.
pub(crate) async fn probe(
    account: &Account,
    credentials: &BTreeMap<String, SecretString>,
    loopback: bool,
) -> ConnectionTest {
    let said = |outcome, detail: String, latency_ms| ConnectionTest {
        outcome,
        detail,
        latency_ms,
        tested_at: now(),
    };
    let untested = |detail: &str| said(TestOutcome::Untested, detail.to_owned(), None);
    let Some(place) = place(account.kind) else {
        return untested("there is no API of this vendor that could be asked");
    };
    let (url, headers) = match place.request(account, credentials, loopback) {
        Ok(request) => request,
        Err(missing) => return untested(&missing),
    };
    let dialler = match Dialler::new(Policy::webhooks(loopback)) {
        Ok(dialler) => dialler,
        Err(error) => return untested(&error.to_string()),
    };
    let began = clock::now();
    let answer = dialler.get(&url, headers).await;
    let latency = Some((clock::now() - began).as_millis() as u64);
    match answer.map(|answer| answer.status()) {
        Ok(200..=299) => {
            let detail = "the vendor accepts the credentials".to_owned();
            said(TestOutcome::Ok, detail, latency)
        }
        Ok(status @ (401 | 403)) => {
            let detail = format!("the vendor does not accept the credentials (status {status})");
            said(TestOutcome::Unauthorized, detail, latency)
        }
        Ok(status) => {
            let detail = format!("the vendor answered with status {status}");
            said(TestOutcome::Unexpected, detail, latency)
        }
        Err(error @ DialError::Redirected { .. }) => {
            said(TestOutcome::Unexpected, error.to_string(), latency)
        }
        Err(error) => said(TestOutcome::Unreachable, error.to_string(), None),
    }
}

impl Place {
    fn request(
        &self,
        account: &Account,
        credentials: &BTreeMap<String, SecretString>,
        loopback: bool,
    ) -> Result<(String, HeaderMap), String> {
        let credential = |name: &str| {
            let value = credentials.get(name).map(SecretString::expose_secret);
            value.ok_or_else(|| format!("the credential {name} is missing"))
        };
        let mut path = self.path.to_owned();
        let (name, value) = match self.shown {
            Shown::Bearer => (
                header::AUTHORIZATION,
                format!("Bearer {}", credential("apiKey")?),
            ),
            Shown::Token => (
                header::AUTHORIZATION,
                format!("Token {}", credential("apiKey")?),
            ),
            Shown::Bare => (header::AUTHORIZATION, credential("apiKey")?.to_owned()),
            Shown::In(name) => (
                HeaderName::from_static(name),
                credential("apiKey")?.to_owned(),
            ),
            Shown::Basic(user, password) => {
                let (user, password) = (credential(user)?, credential(password)?);
                let plain = user.chars().all(|c| c.is_ascii_alphanumeric());
                if path.contains("{}") && !plain {
                    return Err("the account's name is none of this vendor's".to_owned());
                }
                path = path.replace("{}", user);
                let both = STANDARD.encode(format!("{user}:{password}"));
                (header::AUTHORIZATION, format!("Basic {both}"))
            }
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| "the credentials cannot be sent in a header".to_owned())?;
        value.set_sensitive(true);
        let other = account.settings.get(API_URL).and_then(Value::as_str);
        let origin = other.filter(|_| loopback).unwrap_or(self.origin);
        let origin = origin.trim_end_matches('/');
        Ok((
            format!("{origin}{path}"),
            HeaderMap::from_iter([(name, value)]),
        ))
    }
}
