//! Whether a webhook is its vendor's own.
//!
//! Everything is compared in constant time, over the body's bytes as they came: a body that was
//! read and written again is another body.

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sidetone_wire::{HmacAlgorithm, SignatureEncoding, Timestamp, WebhookAuth, WebhookScheme};
use subtle::ConstantTimeEq as _;

/// How far a webhook's time may lie from ours, in milliseconds: its sender's clock, and its way.
pub(crate) const WINDOW_MS: u64 = 300_000;
/// How far the clocks of tokens may differ, in seconds.
const LEEWAY_SECONDS: u64 = 60;
/// Retell's header.
pub(crate) const RETELL_HEADER: &str = "x-retell-signature";

/// A webhook as it came.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) now: Timestamp,
}

/// How a connection's webhooks are verified.
pub(crate) struct Verifier {
    scheme: WebhookAuth,
    secret: SecretString,
}

/// A webhook that is its vendor's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verified {
    /// When it was signed, if that is signed.
    pub(crate) sent: Option<Timestamp>,
}

impl Verifier {
    pub(crate) fn new(scheme: WebhookAuth, secret: SecretString) -> Self {
        Self { scheme, secret }
    }

    /// Whether the webhook is the vendor's own, and recent.
    pub(crate) fn verify(&self, signed: Signed<'_>) -> Option<Verified> {
        if self.secret.expose_secret().is_empty() {
            return None;
        }
        match self.scheme.scheme {
            WebhookScheme::None => None,
            WebhookScheme::VapiSecret => {
                let shown = header(signed.headers, "x-vapi-secret")?;
                self.is_secret(shown).then_some(Verified { sent: None })
            }
            WebhookScheme::Bearer => {
                let token = self.token(signed.headers)?;
                self.is_secret(token).then_some(Verified { sent: None })
            }
            WebhookScheme::Oauth2 => {
                let token = self.token(signed.headers)?;
                let fits = self.is_secret(token) || self.is_our_jwt(token, signed.now);
                fits.then_some(Verified { sent: None })
            }
            WebhookScheme::Hmac => self.hmac(signed),
            WebhookScheme::Retell => self.retell(signed),
        }
    }

    fn is_secret(&self, shown: &str) -> bool {
        let secret = self.secret.expose_secret().as_bytes();
        shown.as_bytes().ct_eq(secret).into()
    }

    fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.scheme.header_name.as_deref();
        let value = header(headers, name.unwrap_or("authorization"))?;
        if self.scheme.bearer_prefix_enabled == Some(false) {
            return Some(value);
        }
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// A JWT that is signed with the secret (HS256) and has not expired.
    fn is_our_jwt(&self, token: &str, now: Timestamp) -> bool {
        #[derive(Deserialize)]
        struct Claims {
            exp: i64,
            #[serde(default)]
            nbf: i64,
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false; // by our own clock, below
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(self.secret.expose_secret().as_bytes());
        let Ok(token) = jsonwebtoken::decode::<Claims>(token, &key, &validation) else {
            return false;
        };
        let (now, leeway) = (now.unix_ms() / 1000, LEEWAY_SECONDS.cast_signed());
        let Claims { exp, nbf } = token.claims;
        exp.saturating_add(leeway) > now && nbf.saturating_sub(leeway) <= now
    }

    fn hmac(&self, signed: Signed<'_>) -> Option<Verified> {
        let auth = &self.scheme;
        let name = auth.signature_header.as_deref().unwrap_or("x-signature");
        let shown = header(signed.headers, name)?;
        let prefix = auth.signature_prefix.as_deref().unwrap_or_default();
        let shown = shown.strip_prefix(prefix)?;
        let shown = match auth.signature_encoding {
            Some(SignatureEncoding::Base64) => STANDARD.decode(shown).ok()?,
            Some(SignatureEncoding::Hex) | None => hex::decode(shown).ok()?,
        };
        let timed = auth.include_timestamp != Some(false);
        let name = auth.timestamp_header.as_deref().unwrap_or("x-timestamp");
        let timestamp = header(signed.headers, name);
        let sent = match timestamp {
            Some(text) if timed => Some(recent(moment(text)?, signed.now)?),
            Some(_) | None if !timed => None,
            Some(_) | None => return None,
        };
        let message = self.message(signed, timestamp.unwrap_or_default())?;
        let key = self.key()?;
        let fits = hmac::verify(&key, &message, &shown).is_ok();
        fits.then_some(Verified { sent })
    }

    fn key(&self) -> Option<hmac::Key> {
        let algorithm = match self.scheme.algorithm {
            Some(HmacAlgorithm::Sha256) | None => hmac::HMAC_SHA256,
            Some(HmacAlgorithm::Sha512) => hmac::HMAC_SHA512,
            Some(HmacAlgorithm::Sha1) => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        };
        let secret = self.secret.expose_secret();
        let bytes = if self.scheme.secret_is_base64 == Some(true) {
            let bare = secret.strip_prefix("whsec_").unwrap_or(secret);
            STANDARD
                .decode(bare)
                .ok()
                .filter(|bytes| !bytes.is_empty())?
        } else {
            secret.as_bytes().to_vec()
        };
        Some(hmac::Key::new(algorithm, &bytes))
    }

    /// What was signed: the format with its placeholders filled in, once each place.
    fn message(&self, signed: Signed<'_>, timestamp: &str) -> Option<Vec<u8>> {
        let timed = self.scheme.include_timestamp != Some(false);
        let usual = if timed {
            "{timestamp}.{body}"
        } else {
            "{body}"
        };
        let mut rest = self.scheme.payload_format.as_deref().unwrap_or(usual);
        let mut message = Vec::with_capacity(signed.body.len() + 64);
        while let Some(start) = rest.find('{') {
            message.extend_from_slice(&rest.as_bytes()[..start]);
            rest = &rest[start..];
            let length = rest.find('}').map_or(rest.len(), |end| end + 1);
            let (place, after) = rest.split_at(length);
            match place {
                "{body}" => message.extend_from_slice(signed.body),
                "{timestamp}" => message.extend_from_slice(timestamp.as_bytes()),
                "{method}" => message.extend_from_slice(b"POST"),
                "{url}" => message.extend_from_slice(signed.url.as_bytes()),
                "{svix-id}" => {
                    let name = self.scheme.message_id_header.as_deref();
                    let id = header(signed.headers, name.unwrap_or("svix-id"))?;
                    message.extend_from_slice(id.as_bytes());
                }
                other => message.extend_from_slice(other.as_bytes()),
            }
            rest = after;
        }
        message.extend_from_slice(rest.as_bytes());
        Some(message)
    }

    /// `v=<ms>,d=<hex>` over the body and the digits of the time, with nothing between them.
    fn retell(&self, signed: Signed<'_>) -> Option<Verified> {
        let shown = header(signed.headers, RETELL_HEADER)?;
        let (digits, digest) = retell_parts(shown)?;
        let sent = recent(Timestamp::from_unix_ms(digits.parse().ok()?), signed.now)?;
        let digest = hex::decode(digest).ok()?;
        let mut message = signed.body.to_vec();
        message.extend_from_slice(digits.as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose_secret().as_bytes());
        let fits = hmac::verify(&key, &message, &digest).is_ok();
        fits.then_some(Verified { sent: Some(sent) })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn retell_parts(shown: &str) -> Option<(&str, &str)> {
    let (version, digest) = shown.split_once(',')?;
    let value = |text: &'_ str, name: &str| {
        let (key, _) = text.split_once('=')?;
        key.eq_ignore_ascii_case(name).then_some(key.len() + 1)
    };
    let digits = &version[value(version, "v")?..];
    let digest = &digest[value(digest, "d")?..];
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some((digits, digest))
}

/// Seconds or milliseconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    let number: i64 = text.parse().ok()?;
    let ms = if number.abs() < 100_000_000_000 {
        number.checked_mul(1000)?
    } else {
        number
    };
    Some(Timestamp::from_unix_ms(ms))
}

fn recent(sent: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (sent.unix_ms().abs_diff(now.unix_ms()) <= WINDOW_MS).then_some(sent)
}

#[cfg(test)]
mod tests;
