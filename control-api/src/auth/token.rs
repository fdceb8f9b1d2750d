//! Session tokens: HS256 JWTs that name a session's row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sidetone_wire::{Role, Timestamp, UserId};
use uuid::Uuid;

/// Who issues our tokens and whom they are for.
const ISSUER: &str = "sidetone";
const AUDIENCE: &str = "sidetone";

/// How far clocks of servers may be apart.
const LEEWAY_SECONDS: u64 = 60;

/// What a session token says. Role and tenant are for clients to read; what counts is the row.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    jti: Uuid,
    iss: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    tenant: String,
    role: Role,
}

/// Makes and reads session tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    csrf_key: [u8; 32],
}

impl Tokens {
    pub(crate) fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        let mut csrf_key = Sha256::new();
        csrf_key.update(b"sidetone csrf key\0");
        csrf_key.update(secret);
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            csrf_key: csrf_key.finalize().into(),
        }
    }

    /// The token of a session.
    pub(crate) fn issue(
        &self,
        session: Uuid,
        user: UserId,
        tenant: &str,
        role: Role,
        at: Timestamp,
        until: Timestamp,
    ) -> String {
        let claims = Claims {
            sub: user,
            jti: session,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: at.unix_ms() / 1000,
            nbf: at.unix_ms() / 1000,
            exp: until.unix_ms() / 1000,
            tenant: tenant.to_owned(),
            role,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("plain claims under a key of any length")
    }

    /// The session a token names; `None` when we did not issue it or its time is over.
    pub(crate) fn read(&self, token: &str) -> Option<Uuid> {
        if !has_plain_header(token) {
            return None;
        }
        decode::<Claims>(token, &self.decoding, &self.validation)
            .ok()
            .map(|token| token.claims.jti)
    }

    /// What a page that acts in a session by cookie must send with every write: other pages
    /// cannot read it, and it fits no other session.
    pub(crate) fn csrf(&self, session: Uuid) -> String {
        // both inputs have a fixed length, so that appending tells nothing
        let mut hash = Sha256::new();
        hash.update(self.csrf_key);
        hash.update(session.as_bytes());
        hex::encode(hash.finalize())
    }
}

/// Whether the header says no more than ours do. We have one key, and it is not in the token: a
/// header that names or brings another one comes from somebody who hopes that we take it.
pub(super) fn has_plain_header(token: &str) -> bool {
    let part = token.split('.').next().unwrap_or_default();
    let header: Option<serde_json::Map<String, serde_json::Value>> = URL_SAFE_NO_PAD
        .decode(part)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok());
    header.is_some_and(|header| {
        header
            .keys()
            .all(|name| matches!(name.as_str(), "alg" | "typ"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&SecretString::from(secret))
    }

    fn issue(tokens: &Tokens, session: Uuid, minutes: i64) -> String {
        let now = Timestamp::from_unix_ms(clock::wall());
        let until = Timestamp::from_unix_ms(clock::wall() + minutes * 60_000);
        let user = UserId(clock::new_id());
        tokens.issue(session, user, "default", Role::Agent, now, until)
    }

    #[test]
    fn a_token_names_its_session_until_its_time_is_over() {
        let tokens = tokens("a secret of at least 32 characters");
        let session = clock::new_id();
        assert_eq!(tokens.read(&issue(&tokens, session, 5)), Some(session));
        assert_eq!(tokens.read(&issue(&tokens, session, -5)), None);
    }

    #[test]
    fn tokens_under_another_key_for_others_or_unsigned_are_refused() {
        let ours = tokens("a secret of at least 32 characters");
        let session = clock::new_id();
        let theirs = issue(&tokens("another secret of 32 characters!!"), session, 5);
        assert_eq!(ours.read(&theirs), None);
        assert_eq!(ours.read("nonsense"), None);

        let good = issue(&ours, session, 5);
        let payload = good.split('.').nth(1).unwrap();
        let none = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            r#"{"alg":"none","typ":"JWT"}"#,
        );
        assert_eq!(ours.read(&format!("{none}.{payload}.")), None);

        let mut claims: serde_json::Value = serde_json::from_slice(
            &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload)
                .unwrap(),
        )
        .unwrap();
        claims["aud"] = "somebody-else".into();
        let other = encode(&Header::new(Algorithm::HS256), &claims, &ours.encoding).unwrap();
        assert_eq!(ours.read(&other), None);
    }

    #[test]
    fn clocks_may_be_a_minute_apart_and_no_more() {
        let tokens = tokens("a secret of at least 32 characters");
        let now_ms = clock::wall();
        let at = |seconds: i64| Timestamp::from_unix_ms(now_ms + seconds * 1000);
        for (from, until, good) in [
            (30, 600, true),
            (90, 600, false),
            (-600, -30, true),
            (-600, -90, false),
        ] {
            let user = UserId(clock::new_id());
            let session = clock::new_id();
            let (from, until) = (at(from), at(until));
            let token = tokens.issue(session, user, "default", Role::Agent, from, until);
            assert_eq!(tokens.read(&token).is_some(), good, "{from} to {until}");
        }
    }

    #[test]
    fn a_header_that_brings_or_names_a_key_is_refused_even_under_our_own() {
        let ours = tokens("a secret of at least 32 characters");
        let good = issue(&ours, clock::new_id(), 5);
        let claims: Claims = decode(&good, &ours.decoding, &ours.validation)
            .unwrap()
            .claims;
        let mut header = Header::new(Algorithm::HS256);
        let sign = |header: &Header| encode(header, &claims, &ours.encoding).unwrap();
        assert!(ours.read(&sign(&header)).is_some());
        header.kid = Some("theirs".into());
        assert!(ours.read(&sign(&header)).is_none());
        header.kid = None;
        header.jku = Some("https://evil.example/keys".into());
        assert!(ours.read(&sign(&header)).is_none());
    }

    #[test]
    fn every_session_has_its_own_csrf_word() {
        let tokens = tokens("a secret of at least 32 characters");
        let (a, b) = (clock::new_id(), clock::new_id());
        assert_eq!(tokens.csrf(a), tokens.csrf(a));
        assert_ne!(tokens.csrf(a), tokens.csrf(b));
    }
}
