//! Secrets that we make and give away once: API keys and invites.

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use sidetone_service::random;

/// What API keys begin with, so that people and secret scanners know them.
pub(crate) const KEY_PREFIX: &str = "stk_";

/// What invites begin with.
const INVITE_PREFIX: &str = "sti_";

/// Characters of a key that are kept to tell keys apart: of its 256 bits 24 are given away.
const HINT: usize = KEY_PREFIX.len() + 4;

/// A new API key.
pub(crate) fn new_key() -> String {
    format!("{KEY_PREFIX}{}", random::token())
}

/// A new invite.
pub(crate) fn new_invite() -> String {
    format!("{INVITE_PREFIX}{}", random::token())
}

/// A key's beginning.
pub(crate) fn hint(key: &str) -> String {
    key.chars().take(HINT).collect()
}

/// What is kept of a secret, in hex. A plain hash is enough for 256 random bits: there is nothing
/// to guess that a slow one would protect, and the lookup by it tells nothing through its time.
pub(crate) fn hashed(secret: &SecretString) -> String {
    use secrecy::ExposeSecret as _;
    hex::encode(Sha256::digest(secret.expose_secret().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_differ_and_are_kept_as_their_hash() {
        let (a, b) = (new_key(), new_key());
        assert_ne!(a, b);
        assert_eq!(a.len(), 4 + 43);
        assert!(a.starts_with(&hint(&a)) && hint(&a).len() == 8);
        let hash = hashed(&SecretString::from(a.clone()));
        assert_eq!(hash.len(), 64);
        assert_ne!(hash, hashed(&SecretString::from(b)));
        assert!(new_invite().starts_with("sti_"));
    }
}
