//! Streams that vendors bring: whose they are, and which call they belong to.
//!
//! **Invariant**: a stream is let in by a token of ours or a key of the tenant's, and where its
//! vendor signs, by its signature too.

mod audiohook;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sidetone_fleet::ingress::{Introduction, Knock, Pass, Porter, Refused};
use sidetone_service::clock;
use sidetone_wire::{CallId, CallStatus, ConnectionId, ConnectionKind, Direction, StreamUrls};
use subtle::ConstantTimeEq as _;
use tracing::error;

use crate::app::{App, now};
use crate::auth::StreamTokens;
use crate::calls::CallUpdate;
use crate::inbound::accounts;
use crate::inbound::ingest::Failure;
use crate::store::{self, Account, DEFAULT_TENANT, Delivery, Outcome};

/// Twilio's header, and the credential that it signs with.
const TWILIO_HEADER: &str = "x-twilio-signature";
const TWILIO_KEY: &str = "authToken";

/// The credentials of AudioHook's key and secret, and the connections that are tried for a key, the
/// newest first.
const GENESYS_KEY: &str = "apiKey";
const GENESYS_SECRET: &str = "clientSecret";
const GENESYS_TRIED: u32 = 256;

/// How vendors that bring streams are known.
pub(crate) struct Streams {
    tokens: StreamTokens,
    /// Of handshakes that were let in.
    nonces: audiohook::Nonces,
}

impl Streams {
    pub(crate) fn new(secret: &SecretString) -> Self {
        Self {
            tokens: StreamTokens::new(secret),
            nonces: audiohook::Nonces::default(),
        }
    }
}

/// The control plane at the door.
pub(crate) struct Door(pub(crate) Arc<App>);

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        if !error.is_temporary() {
            error!(%error, "whose a stream is cannot be read");
        }
        Self::Away(error.to_string())
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Away(failure.to_string())
    }
}

#[async_trait]
impl Porter for Door {
    async fn admit(&self, knock: &Knock) -> Result<Pass, Refused> {
        let app = &self.0;
        if knock.token.is_none() {
            return genesys(app, knock).await;
        }
        let token = knock.token.as_ref().ok_or(Refused::Unknown)?;
        let (id, direction) = app.streams.tokens.read(&token.0).ok_or(Refused::Unknown)?;
        let found = app.store.stream_account(id).await?;
        let (account, slug) = found.ok_or(Refused::Unknown)?;
        if path(account.kind).is_none() {
            return Err(Refused::Unknown);
        }
        let signed = account.kind == ConnectionKind::Twilio;
        if signed {
            is_twilios(app, &account, knock)?;
        }
        Ok(Pass {
            tenant: account.client_id,
            slug,
            direction,
            kind: Some(account.kind),
            signed,
        })
    }

    async fn trusted(&self) -> Result<Pass, Refused> {
        Ok(Pass {
            tenant: self.0.store.client_id(DEFAULT_TENANT).await?,
            slug: DEFAULT_TENANT.to_owned(),
            direction: Direction::Inbound,
            kind: None,
            signed: false,
        })
    }

    async fn introduce(&self, pass: &Pass, who: &Introduction) -> Result<CallId, Refused> {
        let delivery = Delivery {
            tenant: pass.tenant,
            upstream: who.upstream,
            upstream_call_id: who.upstream_call_id.clone(),
            receipt: None,
            update: update(pass.direction, who),
            listen_url: None,
            control_url: None,
            recordings: Vec::new(),
        };
        match self.0.ingest.take(delivery, 0).await? {
            Outcome::Taken { call, .. } => Ok(call),
            // it has no receipt
            Outcome::Duplicate => Err(Refused::Away("a report was taken for another".to_owned())),
        }
    }
}

/// What a stream says of its call: that people speak in it by now.
fn update(direction: Direction, who: &Introduction) -> CallUpdate {
    let direction = who.direction.unwrap_or(direction);
    let (customer, line) = match direction {
        Direction::Outbound => (&who.to, &who.from),
        Direction::Inbound | Direction::Web => (&who.from, &who.to),
    };
    let at = now();
    CallUpdate {
        direction: Some(direction),
        customer: customer.clone(),
        line: line.clone(),
        customer_name: who.customer_name.clone(),
        agent_id: who.agent_id.clone(),
        agent_name: who.agent_name.clone(),
        phase: Some(CallStatus::Connected),
        answered_at: Some(at),
        streams: true,
        ..CallUpdate::at(at)
    }
}

/// Genesys: its key names the connection, whose secret its signature is made with.
async fn genesys(app: &App, knock: &Knock) -> Result<Pass, Refused> {
    let shown = audiohook::key(knock).ok_or(Refused::Unknown)?;
    let accounts = app.store.genesys_accounts(GENESYS_TRIED).await?;
    let is_it = |(account, _): &(Account, String)| {
        let key = credential(app, account, GENESYS_KEY);
        key.is_some_and(|key| key.as_bytes().ct_eq(shown.as_bytes()).into())
    };
    let (account, slug) = accounts.into_iter().find(is_it).ok_or(Refused::Unknown)?;
    let secret = credential(app, &account, GENESYS_SECRET);
    let secret = secret.ok_or(Refused::Unsigned("the connection has no clientSecret"))?;
    let public = app.public_url.split_once("://");
    let public = public.map_or("", |(_, rest)| rest.trim_end_matches('/'));
    let host = knock.header("host").unwrap_or_default();
    let at = now().unix_ms() / 1000;
    let nonce = audiohook::verify(knock, &secret, &[public, host], at)?;
    if !app.streams.nonces.is_new(&nonce, clock::now()) {
        return Err(Refused::Unsigned("the signature was used before"));
    }
    Ok(Pass {
        tenant: account.client_id,
        slug,
        direction: Direction::Inbound,
        kind: Some(account.kind),
        signed: true,
    })
}

/// Whether Twilio signed the handshake: base64 of an HMAC-SHA-1 of the URL that it was given, under
/// the account's auth token.
fn is_twilios(app: &App, account: &Account, knock: &Knock) -> Result<(), Refused> {
    let shown = knock.header(TWILIO_HEADER);
    let shown = shown.ok_or(Refused::Unsigned("X-Twilio-Signature is missing"))?;
    let key = credential(app, account, TWILIO_KEY);
    let key = key.ok_or(Refused::Unsigned(
        "the connection has no authToken to verify X-Twilio-Signature with",
    ))?;
    let unfit = Refused::Unsigned("X-Twilio-Signature does not fit the URL and the authToken");
    let shown = STANDARD.decode(shown).map_err(|_| unfit.clone())?;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let fits = |url: &String| hmac::verify(&key, url.as_bytes(), &shown).is_ok();
    let urls = spellings(&app.public_url, &knock.target.0);
    urls.iter().any(fits).then_some(()).ok_or(unfit)
}

/// The ways in which Twilio may have spelled the URL that it dialled: as it was given, for a
/// WebSocket or not, and with a slash at its end.
fn spellings(public_url: &str, target: &str) -> Vec<String> {
    let (scheme, rest) = public_url
        .trim_end_matches('/')
        .split_once("://")
        .unwrap_or(("https", public_url));
    let socket = if scheme == "http" { "ws" } else { "wss" };
    let plain = [socket, scheme].map(|scheme| format!("{scheme}://{rest}{target}"));
    let slashed = plain.clone().map(|url| format!("{url}/"));
    plain.into_iter().chain(slashed).collect()
}

fn credential(app: &App, account: &Account, name: &str) -> Option<String> {
    let wrapped = account.credentials.as_ref()?;
    let context = accounts::credentials_context(account.id);
    let credentials = app.keyring.unwrap_secret(&context, wrapped);
    let credentials = credentials.inspect_err(
        |error| error!(%error, connection = %account.id, "credentials cannot be read: set them again"),
    );
    let credentials = credentials.ok()?;
    let credentials: BTreeMap<String, String> =
        serde_json::from_str(credentials.expose_secret()).ok()?;
    credentials.get(name).cloned()
}

/// The word in the path of a vendor's streams, if it brings any with a token.
const fn path(kind: ConnectionKind) -> Option<&'static str> {
    match kind {
        ConnectionKind::Twilio
        | ConnectionKind::Telnyx
        | ConnectionKind::Plivo
        | ConnectionKind::Exotel
        | ConnectionKind::Vonage
        | ConnectionKind::Jambonz => Some(kind.as_str()),
        ConnectionKind::Genesys
        | ConnectionKind::Vapi
        | ConnectionKind::Retell
        | ConnectionKind::Bland
        | ConnectionKind::Elevenlabs
        | ConnectionKind::Deepgram
        | ConnectionKind::Assemblyai
        | ConnectionKind::Openai => None,
    }
}

/// Where a vendor must bring a connection's streams, if it brings any.
pub(crate) fn urls(app: &App, id: ConnectionId, kind: ConnectionKind) -> Option<StreamUrls> {
    let genesys = kind == ConnectionKind::Genesys;
    let vendor = path(kind).or(genesys.then_some("audiohook"))?;
    let base = app.public_url.trim_end_matches('/');
    let base = match base.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some((_, rest)) => format!("wss://{rest}"),
        None => base.to_owned(),
    };
    let url = |direction| {
        if genesys {
            return format!("{base}/streams/{vendor}");
        }
        let token = app.streams.tokens.issue(id, direction);
        format!("{base}/streams/{vendor}/{token}")
    };
    Some(StreamUrls {
        inbound: url(Direction::Inbound),
        outbound: url(Direction::Outbound),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_wire::Upstream;

    #[test]
    fn the_url_is_the_one_that_the_vendor_was_given_however_we_are_reached() {
        let urls = spellings("https://calls.example/", "/streams/twilio/x?a=1");
        assert_eq!(urls[0], "wss://calls.example/streams/twilio/x?a=1");
        assert_eq!(urls[1], "https://calls.example/streams/twilio/x?a=1");
        assert_eq!(urls[2], "wss://calls.example/streams/twilio/x?a=1/");
        let urls = spellings("http://127.0.0.1:8080", "/streams/twilio/x");
        assert_eq!(urls[0], "ws://127.0.0.1:8080/streams/twilio/x");
    }

    #[test]
    fn who_is_the_customer_is_a_matter_of_who_called() {
        let mut who = Introduction::new(Upstream::Twilio, "CA1".to_owned());
        who.from = Some("+491".to_owned());
        who.to = Some("+492".to_owned());
        let inbound = update(Direction::Inbound, &who);
        assert_eq!(inbound.customer.as_deref(), Some("+491"));
        let outbound = update(Direction::Outbound, &who);
        assert_eq!(outbound.customer.as_deref(), Some("+492"));
        assert_eq!(outbound.line.as_deref(), Some("+491"));
        who.direction = Some(Direction::Inbound);
        let told = update(Direction::Outbound, &who);
        assert_eq!(told.customer.as_deref(), Some("+491"));
    }
}
