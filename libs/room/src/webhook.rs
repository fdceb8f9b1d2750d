//! Webhooks that livekit-server sends: signed with the API secret, naming what happened where.

use livekit_api::webhooks::WebhookReceiver;
use livekit_token::TokenVerifier;

use crate::token::Credentials;

/// What a webhook says, as far as it concerns calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique for each event; deliveries repeat.
    pub id: String,
    /// For example `room_started`, `participant_joined`, `room_finished`.
    pub kind: String,
    /// The room's name.
    pub room: Option<String>,
    /// The room's sid.
    pub room_sid: Option<String>,
}

/// Why a webhook is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not UTF-8 JSON of an event.
    #[error("webhook body is not an event: {0}")]
    Body(String),
    /// The Authorization header is not a token of ours for this body.
    #[error("webhook signature: {0}")]
    Signature(String),
}

/// Checks webhooks against one API key.
#[derive(Debug, Clone)]
pub struct Verifier {
    receiver: WebhookReceiver,
}

impl Verifier {
    /// For webhooks signed with these credentials.
    pub fn new(credentials: &Credentials) -> Self {
        let tokens = TokenVerifier::with_api_key(credentials.key(), credentials.secret());
        Self {
            receiver: WebhookReceiver::new(tokens),
        }
    }

    /// The event in `body`, if `authorization` (the header's value, with or without `Bearer`) is
    /// a token of ours whose `sha256` claim is the body's hash.
    pub fn verify(&self, body: &[u8], authorization: &str) -> Result<Event, Error> {
        use livekit_api::webhooks::WebhookError;
        let body = std::str::from_utf8(body).map_err(|e| Error::Body(e.to_string()))?;
        let token = authorization
            .strip_prefix("Bearer ")
            .unwrap_or(authorization);
        let event = self.receiver.receive(body, token).map_err(|e| match e {
            WebhookError::InvalidData(e) => Error::Body(e.to_string()),
            WebhookError::InvalidSignature
            | WebhookError::InvalidBase64(_)
            | WebhookError::InvalidAuth(_) => Error::Signature(e.to_string()),
        })?;
        let (room, room_sid) = event.room.map(|room| (room.name, room.sid)).unzip();
        Ok(Event {
            id: event.id,
            kind: event.event,
            room,
            room_sid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_without_a_token_of_ours_is_refused() {
        let verifier = Verifier::new(&Credentials::new("key", "secret"));
        for (body, authorization) in [
            (&b"{}"[..], ""),
            (b"{}", "Bearer x.y.z"),
            (b"\xff\xfe", "x"),
            (b"", "a.b"),
        ] {
            assert!(verifier.verify(body, authorization).is_err());
        }
    }
}
