//! Signatures as Standard Webhooks 1.0 has them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sidetone_service::random;

/// What secrets begin with.
const PREFIX: &str = "whsec_";

/// A new secret of 256 bits.
pub(super) fn new_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(random::bytes::<32>()))
}

/// The header `webhook-signature`: one signature per secret, divided by blanks. A secret that is
/// none signs nothing.
pub(super) fn signatures(secrets: &[SecretString], id: &str, seconds: &str, body: &str) -> String {
    let message = format!("{id}.{seconds}.{body}");
    let sign = |secret: &SecretString| {
        let bytes = STANDARD.decode(secret.expose_secret().strip_prefix(PREFIX)?);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes.ok()?);
        let tag = hmac::sign(&key, message.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(tag)))
    };
    let all: Vec<String> = secrets.iter().filter_map(sign).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_other_implementations_of_the_standard_make() {
        let secrets = [SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let signature = signatures(
            &secrets,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let secrets = [new_secret(), new_secret(), "odd".to_owned()].map(SecretString::from);
        let all = signatures(&secrets, "a", "1", "{}");
        assert_eq!(all.split(' ').count(), 2);
        assert_eq!(
            all.split(' ').next().unwrap(),
            signatures(&secrets[..1], "a", "1", "{}")
        );
        assert_ne!(new_secret(), new_secret());
    }
}
