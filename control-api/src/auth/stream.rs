//! Tokens in the addresses that vendors bring streams to: they name a connection and who calls.
//!
//! They are kept nowhere: whoever has `SECRET_KEY` can make them again, and nobody else can. They
//! hold as long as their connection.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sidetone_wire::{ConnectionId, Direction};
use uuid::Uuid;

/// What they begin with, so that people and secret scanners know them.
const PREFIX: &str = "sts_";
/// Bytes of an id, and of the proof of 128 bits.
const ID: usize = 16;
const PROOF: usize = 16;

/// Makes and reads tokens.
pub(crate) struct StreamTokens(hmac::Key);

impl StreamTokens {
    pub(crate) fn new(secret: &SecretString) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let key = hmac::sign(&master, b"sidetone stream tokens");
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// The token of a connection, for calls that were begun so.
    pub(crate) fn issue(&self, connection: ConnectionId, direction: Direction) -> String {
        let mut token = connection.0.as_bytes().to_vec();
        token.push(byte(direction));
        let proof = hmac::sign(&self.0, &token);
        token.extend_from_slice(&proof.as_ref()[..PROOF]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token))
    }

    /// What a token names; `None` when it is none of ours.
    pub(crate) fn read(&self, token: &str) -> Option<(ConnectionId, Direction)> {
        let token = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        if token.len() != ID + 1 + PROOF {
            return None;
        }
        let (named, proof) = token.split_at(ID + 1);
        let expected = hmac::sign(&self.0, named);
        let fits = subtle::ConstantTimeEq::ct_eq(&expected.as_ref()[..PROOF], proof);
        if !bool::from(fits) {
            return None;
        }
        let id = Uuid::from_slice(&named[..ID]).ok()?;
        let directions = Direction::ALL.iter().copied();
        let direction = directions.into_iter().find(|one| byte(*one) == named[ID])?;
        Some((ConnectionId(id), direction))
    }
}

const fn byte(direction: Direction) -> u8 {
    match direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
        Direction::Web => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn tokens(secret: &str) -> StreamTokens {
        StreamTokens::new(&SecretString::from(secret))
    }

    #[test]
    fn a_token_names_its_connection_and_direction_and_no_other_does() {
        let (ours, theirs) = (tokens("ours"), tokens("theirs"));
        let id = ConnectionId(clock::new_id());
        let token = ours.issue(id, Direction::Outbound);
        assert_eq!(ours.read(&token), Some((id, Direction::Outbound)));
        assert_eq!(token, ours.issue(id, Direction::Outbound));
        assert_ne!(token, ours.issue(id, Direction::Inbound));
        assert_eq!(theirs.read(&token), None);
        for n in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[n] = if changed[n] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(ours.read(&changed), None, "{changed}");
        }
        for none in ["", "sts_", "sts_%", &token[4..], &format!("{token}AAAA")] {
            assert_eq!(ours.read(none), None, "{none}");
        }
    }
}
