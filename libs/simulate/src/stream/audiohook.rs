//! What Genesys says of an AudioHook session, and how it signs that it is the one.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sidetone_service::{clock, random};

use super::Plan;

/// The key that is shown; the secret signs.
pub const API_KEY: &str = "key-of-the-audiohook";
/// The session of every simulated call.
const SESSION: &str = "e160e428-53e2-487c-977d-96989bf5c99d";

/// An envelope.
pub(super) fn say(_: &Plan, kind: &str, sequence: u64, parameters: &Value) -> Value {
    json!({"version": "2", "id": SESSION, "type": kind, "seq": sequence, "serverseq": 1,
        "position": "PT0S", "parameters": parameters})
}

/// The first envelope.
pub(super) fn open(plan: &Plan) -> Value {
    let media = |format: &str, channels: &[&str]| json!({"type": "audio", "format": format, "channels": channels, "rate": 8000});
    say(
        plan,
        "open",
        1,
        &json!({"organizationId": "o-1", "conversationId": plan.call_id, "language": "en-US",
            "participant": {"id": "p-1", "ani": plan.from, "aniName": "Ada", "dnis": plan.to},
            "media": [media("PCMU", &["external", "internal"]), media("PCMU", &["external"])]}),
    )
}

/// The headers of a handshake that is signed now with a secret in base64.
pub(super) fn handshake(url: &str, secret: &str) -> Vec<(String, String)> {
    signed(url, API_KEY, secret, clock::wall() / 1000)
}

/// The same with another key, or at another time in seconds since 1970.
pub fn signed(url: &str, key: &str, secret: &str, at: i64) -> Vec<(String, String)> {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let slash = place.find('/').unwrap_or(place.len());
    let (authority, target) = place.split_at(slash);
    let headers = [
        ("audiohook-organization-id", "o-1"),
        ("audiohook-session-id", SESSION),
        ("audiohook-correlation-id", "c-1"),
        ("x-api-key", key),
    ];
    let mut covered = vec![("@request-target", target), ("@authority", authority)];
    covered.extend(headers);
    let names: Vec<String> = covered
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let nonce = random::token();
    let parameters = format!(
        "({});keyid=\"{key}\";nonce=\"{nonce}\";alg=\"hmac-sha256\";created={at};expires={}",
        names.join(" "),
        at + 10
    );
    let lines = covered
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}\n"));
    let base: String = lines.collect();
    let base = format!("{base}\"@signature-params\": {parameters}");
    let secret = STANDARD.decode(secret).unwrap_or_default();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signature = STANDARD.encode(hmac::sign(&secret, base.as_bytes()));
    let mut all: Vec<(String, String)> = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    all.push(("signature-input".to_owned(), format!("sig1={parameters}")));
    all.push(("signature".to_owned(), format!("sig1=:{signature}:")));
    all
}
