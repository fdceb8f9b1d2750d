use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use serde_json::json;

use super::*;

const NOW: i64 = 1_790_000_000_000;
const SECRET: &str = "a-secret-of-the-tenants";
const BODY: &[u8] = br#"{"message":{"type":"status-update"}}"#;
const URL: &str = "https://sidetone.example/api/webhooks/vapi/acme";

fn auth(value: serde_json::Value) -> WebhookAuth {
    serde_json::from_value(value).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    pairs.iter().map(pair).collect()
}

fn verify(auth: &WebhookAuth, pairs: &[(&str, &str)], body: &[u8]) -> Option<Verified> {
    let headers = headers(pairs);
    let signed = Signed {
        url: URL,
        headers: &headers,
        body,
        now: Timestamp::from_unix_ms(NOW),
    };
    Verifier::new(auth.clone(), SECRET.into()).verify(signed)
}

fn sign(algorithm: hmac::Algorithm, secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(algorithm, secret);
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

#[test]
fn vapis_older_secret_is_compared_whole() {
    let auth = auth(json!({"scheme": "vapi_secret"}));
    assert!(verify(&auth, &[("x-vapi-secret", SECRET)], BODY).is_some());
    for wrong in [
        "",
        "a-secret-of-the-tenant",
        "a-secret-of-the-tenantsX",
        "A-SECRET",
    ] {
        assert!(
            verify(&auth, &[("x-vapi-secret", wrong)], BODY).is_none(),
            "{wrong}"
        );
    }
    assert!(verify(&auth, &[], BODY).is_none());
    assert!(verify(&auth, &[("authorization", SECRET)], BODY).is_none());
}

#[test]
fn a_bearer_token_is_in_the_header_that_was_agreed_on() {
    let usual = auth(json!({"scheme": "bearer"}));
    let bearer = format!("Bearer {SECRET}");
    assert!(verify(&usual, &[("authorization", &bearer)], BODY).is_some());
    assert!(verify(&usual, &[("authorization", SECRET)], BODY).is_none());
    assert!(verify(&usual, &[("authorization", "Bearer other")], BODY).is_none());
    let own =
        auth(json!({"scheme": "bearer", "headerName": "X-Token", "bearerPrefixEnabled": false}));
    assert!(verify(&own, &[("x-token", SECRET)], BODY).is_some());
    assert!(verify(&own, &[("x-token", &bearer)], BODY).is_none());
    assert!(verify(&own, &[("authorization", &bearer)], BODY).is_none());
}

#[test]
fn an_oauth2_token_is_the_agreed_one_or_a_jwt_of_ours_that_is_valid_now() {
    let oauth = auth(json!({"scheme": "oauth2"}));
    let with = |token: &str| {
        let bearer = format!("Bearer {token}");
        verify(&oauth, &[("authorization", &bearer)], BODY).is_some()
    };
    assert!(with(SECRET));
    let jwt = |secret: &str, exp: i64, nbf: i64| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        let claims = json!({"exp": exp, "nbf": nbf, "aud": "anything"});
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let now = NOW / 1000;
    assert!(with(&jwt(SECRET, now + 10, now - 10)));
    assert!(
        with(&jwt(SECRET, now - 30, now - 100)),
        "clocks may differ a little"
    );
    assert!(!with(&jwt(SECRET, now - 120, now - 200)), "expired");
    assert!(!with(&jwt(SECRET, now + 900, now + 120)), "not yet");
    assert!(!with(&jwt("another secret", now + 10, 0)));
    // alg none
    let none = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &json!({"exp": now + 10}),
        &jsonwebtoken::EncodingKey::from_secret(b"x"),
    );
    let none = none.unwrap();
    let (_, rest) = none.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    assert!(!with(&format!("{head}.{claims}.")));
}

#[test]
fn an_hmac_is_as_vapi_makes_it_unless_told_otherwise() {
    let usual = auth(json!({"scheme": "hmac"}));
    let at = (NOW / 1000).to_string();
    let signature = hex::encode(sign(
        hmac::HMAC_SHA256,
        SECRET.as_bytes(),
        &[at.as_bytes(), b".", BODY],
    ));
    let verified = verify(
        &usual,
        &[("x-signature", &signature), ("x-timestamp", &at)],
        BODY,
    );
    assert_eq!(verified.unwrap().sent, Some(Timestamp::from_unix_ms(NOW)));
    let upper = signature.to_uppercase();
    assert!(
        verify(
            &usual,
            &[("x-signature", &upper), ("x-timestamp", &at)],
            BODY
        )
        .is_some()
    );
    // the time is signed, and must be there
    let later = (NOW / 1000 + 1).to_string();
    assert!(
        verify(
            &usual,
            &[("x-signature", &signature), ("x-timestamp", &later)],
            BODY
        )
        .is_none()
    );
    assert!(verify(&usual, &[("x-signature", &signature)], BODY).is_none());
    // a body that says the same is another body
    let again = br#"{"message": {"type": "status-update"}}"#;
    assert!(
        verify(
            &usual,
            &[("x-signature", &signature), ("x-timestamp", &at)],
            again
        )
        .is_none()
    );
    let other = &signature[..62];
    assert!(
        verify(
            &usual,
            &[("x-signature", other), ("x-timestamp", &at)],
            BODY
        )
        .is_none()
    );
}

#[test]
fn an_hmac_takes_every_option() {
    for (name, algorithm) in [
        ("sha256", hmac::HMAC_SHA256),
        ("sha512", hmac::HMAC_SHA512),
        ("sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    ] {
        let options = auth(json!({
            "scheme": "hmac", "algorithm": name, "signatureHeader": "X-Sig",
            "timestampHeader": "X-At", "signaturePrefix": "v1,", "signatureEncoding": "base64",
            "payloadFormat": "{method} {url} {svix-id} {timestamp} {other} {body}",
            "messageIdHeader": "x-id",
        }));
        let at = NOW.to_string(); // milliseconds, too
        let text = format!("POST {URL} msg_1 {at} {{other}} ");
        let signature = sign(algorithm, SECRET.as_bytes(), &[text.as_bytes(), BODY]);
        let signature = format!("v1,{}", STANDARD.encode(signature));
        let sent = [("x-sig", &*signature), ("x-at", &at), ("x-id", "msg_1")];
        assert!(verify(&options, &sent, BODY).is_some(), "{name}");
        assert!(
            verify(&options, &sent[..2], BODY).is_none(),
            "{name}: no id"
        );
        let bare = signature.trim_start_matches("v1,");
        let sent = [("x-sig", bare), ("x-at", &at), ("x-id", "msg_1")];
        assert!(verify(&options, &sent, BODY).is_none(), "{name}: no prefix");
    }
}

#[test]
fn a_secret_in_base64_is_the_bytes_that_it_stands_for() {
    let bytes = b"0123456789abcdef0123456789abcdef";
    let secret = format!("whsec_{}", STANDARD.encode(bytes));
    let options = auth(json!({
        "scheme": "hmac", "includeTimestamp": false, "secretIsBase64": true,
    }));
    let signature = hex::encode(sign(hmac::HMAC_SHA256, bytes, &[BODY]));
    let headers = headers(&[("x-signature", &signature)]);
    let signed = Signed {
        url: URL,
        headers: &headers,
        body: BODY,
        now: Timestamp::from_unix_ms(NOW),
    };
    let verified = Verifier::new(options.clone(), secret.into()).verify(signed);
    assert_eq!(verified, Some(Verified { sent: None }));
    assert!(
        Verifier::new(options, "no base64!".into())
            .verify(signed)
            .is_none()
    );
}

fn retell_signature(body: &[u8], at: i64, secret: &str) -> String {
    let digits = at.to_string();
    let digest = sign(
        hmac::HMAC_SHA256,
        secret.as_bytes(),
        &[body, digits.as_bytes()],
    );
    format!("v={digits},d={}", hex::encode(digest))
}

#[test]
fn retells_signature_is_over_the_body_and_the_time_that_follows_it() {
    let auth = auth(json!({"scheme": "retell"}));
    let signature = retell_signature(BODY, NOW - 1000, SECRET);
    let verified = verify(&auth, &[(RETELL_HEADER, &signature)], BODY).unwrap();
    assert_eq!(verified.sent, Some(Timestamp::from_unix_ms(NOW - 1000)));
    let upper = signature.replace("v=", "V=").replace(",d=", ",D=");
    assert!(verify(&auth, &[(RETELL_HEADER, &upper)], BODY).is_some());
    for wrong in [
        retell_signature(BODY, NOW - 1000, "another key"),
        retell_signature(b"{}", NOW - 1000, SECRET),
        signature.replace("v=179", "v=178"),
        signature.replace(",d=", ",d=00"),
        format!("{signature} "),
        signature.replace("v=", "v=+"),
        String::new(),
        "v=,d=".to_owned(),
        "v=1".to_owned(),
    ] {
        let fits = verify(&auth, &[(RETELL_HEADER, &wrong)], BODY).is_some();
        assert!(!fits || wrong.trim() == signature, "{wrong}");
    }
}

#[test]
fn what_is_older_or_newer_than_five_minutes_is_refused() {
    let auth = auth(json!({"scheme": "retell"}));
    for (skew_ms, fits) in [
        (0, true),
        (299_000, true),
        (-299_000, true),
        (301_000, false),
        (-301_000, false),
        (i64::MIN / 2, false),
    ] {
        let signature = retell_signature(BODY, NOW.saturating_add(skew_ms), SECRET);
        let found = verify(&auth, &[(RETELL_HEADER, &signature)], BODY).is_some();
        assert_eq!(found, fits, "{skew_ms}");
    }
}

#[test]
fn without_a_scheme_or_a_secret_nothing_is_believed() {
    let none = auth(json!({"scheme": "none"}));
    assert!(verify(&none, &[("x-vapi-secret", SECRET)], BODY).is_none());
    let headers = headers(&[("x-vapi-secret", "")]);
    let signed = Signed {
        url: URL,
        headers: &headers,
        body: BODY,
        now: Timestamp::from_unix_ms(NOW),
    };
    let empty = Verifier::new(auth(json!({"scheme": "vapi_secret"})), "".into());
    assert!(empty.verify(signed).is_none());
}
