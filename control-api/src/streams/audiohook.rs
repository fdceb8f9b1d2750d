//! Genesys AudioHook's handshake: a key that names the connection, and a signature of the request
//! under the connection's secret (HTTP message signatures, HMAC-SHA-256).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sidetone_fleet::ingress::{Knock, Refused};

/// What must be signed.
const COVERED: [&str; 6] = [
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
];
/// How old a signature may be, and how far clocks may be apart, in seconds.
const OLDEST: i64 = 10;
/// Characters of what makes each one its own.
const NONCE: usize = 22;
/// Signatures that are remembered, so that none is taken twice: with more, all are refused until
/// some are too old.
const REMEMBERED: usize = 16_384;

/// The key in a handshake.
pub(super) fn key(knock: &Knock) -> Option<&str> {
    knock.header("x-api-key")
}

/// Nonces that were seen, until nothing that has them is good any more.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, Instant>>);

impl Nonces {
    /// Whether one is new; it is not any more.
    pub(super) fn is_new(&self, nonce: &str, now: Instant) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let good_for = Duration::from_secs(2 * OLDEST.unsigned_abs() + 1);
        seen.retain(|_, at| now < *at + good_for);
        seen.len() < REMEMBERED && seen.insert(nonce.to_owned(), now).is_none()
    }
}

/// Whether a handshake is signed with `secret` (base64); gives its nonce. `now` is in seconds since
/// 1970, `authorities` are the names that we are reached under.
pub(super) fn verify(
    knock: &Knock,
    secret: &str,
    authorities: &[&str],
    now: i64,
) -> Result<String, Refused> {
    let unfit = |why| Refused::Unsigned(why);
    let input = knock.header("signature-input");
    let input = input.ok_or(unfit("Signature-Input is missing"))?;
    let signature = knock.header("signature");
    let signature = signature.ok_or(unfit("Signature is missing"))?;
    let (label, parameters) = input
        .split_once('=')
        .ok_or(unfit("Signature-Input is not understood"))?;
    let shown = signature
        .trim()
        .strip_prefix(label.trim())
        .and_then(|rest| rest.trim().strip_prefix("=:")?.strip_suffix(':'))
        .and_then(|shown| STANDARD.decode(shown).ok())
        .ok_or(unfit("Signature is not understood"))?;
    let told = Told::read(parameters).ok_or(unfit("Signature-Input is not understood"))?;
    if !COVERED.iter().all(|name| told.names.contains(name)) {
        return Err(unfit("the signature does not cover what it must"));
    }
    if told.key != key(knock) || told.algorithm.is_some_and(|name| name != "hmac-sha256") {
        return Err(unfit("the signature is not of the key that is shown"));
    }
    let nonce = told.nonce.filter(|nonce| nonce.len() >= NONCE);
    let nonce = nonce.ok_or(unfit("the signature has no nonce"))?;
    let fresh = told.created.is_some_and(|at| (now - at).abs() <= OLDEST)
        && told.expires.is_none_or(|at| now <= at);
    if !fresh {
        return Err(unfit("the signature is too old"));
    }
    let secret = STANDARD.decode(secret);
    let secret = secret.map_err(|_| unfit("the connection's clientSecret is not base64"))?;
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let fits = authorities.iter().any(|authority| {
        let base = base(knock, authority, &told.names, parameters);
        base.is_some_and(|base| hmac::verify(&secret, base.as_bytes(), &shown).is_ok())
    });
    let nonce = nonce.to_owned();
    fits.then_some(nonce)
        .ok_or(unfit("the signature does not fit"))
}

/// What was signed.
fn base(knock: &Knock, authority: &str, names: &[&str], parameters: &str) -> Option<String> {
    let line = |name: &&str| {
        let value = match *name {
            "@request-target" => &knock.target.0,
            "@authority" => authority,
            name if name.starts_with('@') => return None,
            name => knock.header(name)?.trim(),
        };
        Some(format!("\"{name}\": {value}\n"))
    };
    let lines: Option<String> = names.iter().map(line).collect();
    Some(format!("{}\"@signature-params\": {parameters}", lines?))
}

/// The parameters of a signature.
#[derive(Debug, Default)]
struct Told<'a> {
    names: Vec<&'a str>,
    key: Option<&'a str>,
    nonce: Option<&'a str>,
    algorithm: Option<&'a str>,
    created: Option<i64>,
    expires: Option<i64>,
}

impl<'a> Told<'a> {
    fn read(parameters: &'a str) -> Option<Self> {
        let (names, rest) = parameters.strip_prefix('(')?.split_once(')')?;
        let unquoted = |text: &'a str| text.strip_prefix('"')?.strip_suffix('"');
        let names = names.split(' ').filter(|name| !name.is_empty());
        let mut told = Self {
            names: names.map(unquoted).collect::<Option<_>>()?,
            ..Self::default()
        };
        for pair in rest.split(';').filter(|pair| !pair.trim().is_empty()) {
            let (name, value) = pair.trim().split_once('=')?;
            match name {
                "keyid" => told.key = unquoted(value),
                "nonce" => told.nonce = unquoted(value),
                "alg" => told.algorithm = unquoted(value),
                "created" => told.created = value.parse().ok(),
                "expires" => told.expires = value.parse().ok(),
                _ => {}
            }
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;
    use sidetone_simulate::stream::audiohook::{API_KEY, signed};
    use sidetone_wire::Hidden;

    const URL: &str = "wss://calls.example/streams/audiohook?x=1";
    const NOW: i64 = 1_790_000_000;
    const HOSTS: [&str; 2] = ["inner.example", "calls.example"];

    fn secret() -> String {
        STANDARD.encode("the secret of the connection")
    }

    fn knock(headers: Vec<(String, String)>) -> Knock {
        Knock {
            target: Hidden("/streams/audiohook?x=1".to_owned()),
            token: None,
            headers,
        }
    }

    fn good() -> Vec<(String, String)> {
        signed(URL, API_KEY, &secret(), NOW)
    }

    #[test]
    fn a_signature_of_the_request_under_the_secret_is_taken() {
        let nonce = verify(&knock(good()), &secret(), &HOSTS, NOW + 5).unwrap();
        let (nonces, now) = (Nonces::default(), clock::now());
        assert!(nonces.is_new(&nonce, now));
        assert!(!nonces.is_new(&nonce, now), "it was seen");
        assert!(nonces.is_new(&nonce, now + Duration::from_secs(30)));
    }

    #[test]
    fn whatever_is_changed_in_it_makes_it_another() {
        let other = STANDARD.encode("another");
        assert!(verify(&knock(good()), &other, &HOSTS, NOW).is_err());
        assert!(verify(&knock(good()), "no base64!", &HOSTS, NOW).is_err());
        assert!(verify(&knock(good()), &secret(), &HOSTS[..1], NOW).is_err());
        for late in [NOW - 11, NOW + 11] {
            assert!(verify(&knock(good()), &secret(), &HOSTS, late).is_err());
        }
        let mut elsewhere = knock(good());
        elsewhere.target = Hidden("/streams/audiohook".to_owned());
        assert!(verify(&elsewhere, &secret(), &HOSTS, NOW).is_err());
        for n in 0..good().len() {
            let mut headers = good();
            headers[n].1.push('x');
            assert!(verify(&knock(headers), &secret(), &HOSTS, NOW).is_err());
            let mut headers = good();
            headers.remove(n);
            assert!(verify(&knock(headers), &secret(), &HOSTS, NOW).is_err());
        }
        for (from, to) in [
            ("\"@authority\" ", ""),
            ("hmac-sha256", "none"),
            (";nonce=", ";x="),
            ("sig1=(", "sig1=(("),
            (";created=", ";created=1"),
        ] {
            let change = |(name, value): (String, String)| (name, value.replacen(from, to, 1));
            let headers = good().into_iter().map(change).collect();
            assert!(
                verify(&knock(headers), &secret(), &HOSTS, NOW).is_err(),
                "{from}"
            );
        }
    }
}
