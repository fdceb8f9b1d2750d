//! Listen tokens: whoever has one hears one call once, as the session that it was made for.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sidetone_service::clock;
use sidetone_wire::{CallId, Timestamp, UserId};
use uuid::Uuid;

use super::token::has_plain_header;
use crate::store::Identity;

/// Who issues them, and whom they are for: no session token is one, and none is a session token.
const ISSUER: &str = "sidetone";
const AUDIENCE: &str = "sidetone-listen";
/// How long one may be used to connect.
pub(crate) const TICKET_TTL: Duration = Duration::from_mins(1);

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    sid: Uuid,
    call: CallId,
    jti: Uuid,
    iss: String,
    aud: String,
    exp: i64,
}

/// What a listen token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: Uuid,
    pub(crate) user: UserId,
    pub(crate) session: Uuid,
    pub(crate) call: CallId,
    pub(crate) until: Timestamp,
}

/// Makes and reads listen tokens. Nothing is kept of one before it is used.
pub(crate) struct Tickets {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tickets {
    pub(crate) fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false; // by our clock, below
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
        }
    }

    /// A token for a session and a call.
    pub(crate) fn issue(&self, identity: &Identity, call: CallId, at: Timestamp) -> String {
        let claims = Claims {
            sub: identity.user,
            sid: identity.session,
            call,
            jti: clock::new_id(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            // whole seconds, and not shorter for that
            exp: (at.unix_ms() + 999) / 1000 + TICKET_TTL.as_secs().cast_signed(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("plain claims under a key of any length")
    }

    /// What a token says; `None` when we did not issue it or its time is over.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Ticket> {
        if !has_plain_header(token) {
            return None;
        }
        let claims = decode::<Claims>(token, &self.decoding, &self.validation);
        let claims = claims.ok()?.claims;
        let until = Timestamp::from_unix_ms(claims.exp.saturating_mul(1000));
        (now < until).then_some(Ticket {
            id: claims.jti,
            user: claims.sub,
            session: claims.sid,
            call: claims.call,
            until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Tokens;
    use sidetone_wire::{Role, TenantId};

    const SECRET: &str = "a secret of at least 32 characters";

    fn tickets(secret: &str) -> Tickets {
        Tickets::new(&SecretString::from(secret))
    }

    fn somebody() -> Identity {
        Identity {
            session: clock::new_id(),
            user: UserId(clock::new_id()),
            api_key: None,
            username: "sue".into(),
            full_name: None,
            forwarding_number: None,
            role: Role::Supervisor,
            tenant: TenantId(clock::new_id()),
            tenant_slug: "default".into(),
            tenant_name: "Default".into(),
            until: Timestamp::from_unix_ms(i64::MAX),
        }
    }

    #[test]
    fn a_token_is_for_one_call_and_session_and_good_for_a_minute() {
        let (tickets, who) = (tickets(SECRET), somebody());
        let (call, at) = (CallId(clock::new_id()), 1_790_000_000_123);
        let token = tickets.issue(&who, call, Timestamp::from_unix_ms(at));
        let read = |ms| tickets.read(&token, Timestamp::from_unix_ms(at + ms));
        let ticket = read(60_000).expect("a minute");
        assert_eq!(
            (ticket.user, ticket.session, ticket.call),
            (who.user, who.session, call)
        );
        assert_eq!(read(61_000), None);
        let other = tickets.issue(&who, call, Timestamp::from_unix_ms(at));
        let other = tickets.read(&other, Timestamp::from_unix_ms(at)).unwrap();
        assert_ne!(other.id, ticket.id, "each is used for itself");
    }

    #[test]
    fn no_session_token_is_one_and_none_is_a_session_token() {
        let (ours, who) = (tickets(SECRET), somebody());
        let sessions = Tokens::new(&SecretString::from(SECRET));
        let now = Timestamp::from_unix_ms(clock::wall());
        let until = Timestamp::from_unix_ms(clock::wall() + 60_000);
        let session = sessions.issue(who.session, who.user, "default", who.role, now, until);
        assert_eq!(ours.read(&session, now), None);
        let ticket = ours.issue(&who, CallId(clock::new_id()), now);
        assert_eq!(sessions.read(&ticket), None);
        assert_eq!(
            tickets("another secret of 32 characters!!").read(&ticket, now),
            None
        );
        for token in ["", "a.b.c", &ticket[..ticket.len() - 2]] {
            assert_eq!(ours.read(token, now), None, "{token}");
        }
    }
}
