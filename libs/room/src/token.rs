//! Access tokens: who may join which room, and as what.

use std::time::Duration;

use livekit_token::{SIPGrants, VideoGrants};

/// How long a token may be used to connect, unless said otherwise. It does not end a session:
/// the server itself refreshes the token of a connected participant.
pub const DEFAULT_TTL: Duration = Duration::from_mins(10);

/// An API key and its secret.
#[derive(Clone)]
pub struct Credentials {
    key: String,
    secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, secret)", self.key)
    }
}

impl Credentials {
    /// From `LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET`.
    pub fn new(key: &str, secret: &str) -> Self {
        Self {
            key: key.to_owned(),
            secret: secret.to_owned(),
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

/// What other participants see of the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person, or anything else.
    Standard,
    /// An AI agent: does not keep a room open.
    Agent,
    /// A telephone, through SIP.
    Sip,
    /// A recorder.
    Egress,
    /// Feeds media in.
    Ingress,
}

impl Kind {
    /// The claim's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Agent => "agent",
            Self::Sip => "sip",
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

/// A token in the making.
///
/// ```
/// use sidetone_room::token::{Credentials, Token};
///
/// let credentials = Credentials::new("key", "secret_that_is_at_least_32_chars_long");
/// let token = Token::tap("call-1", "tap-7").sign(&credentials).unwrap();
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Token {
    identity: String,
    name: Option<String>,
    kind: Kind,
    ttl: Duration,
    metadata: Option<String>,
    attributes: Vec<(String, String)>,
    grants: VideoGrants,
    telephones: bool,
}

/// A token that could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("access token for {identity}: {reason}")]
pub struct TokenError {
    identity: String,
    reason: String,
}

impl Token {
    fn new(room: &str, identity: &str, grants: VideoGrants) -> Self {
        Self {
            identity: identity.to_owned(),
            name: None,
            kind: Kind::Standard,
            ttl: DEFAULT_TTL,
            metadata: None,
            attributes: Vec::new(),
            telephones: false,
            grants: VideoGrants {
                room_join: true,
                room: room.to_owned(),
                ..grants
            },
        }
    }

    /// The invisible listener of a call: hidden, publishes nothing, and of kind agent so that it
    /// neither keeps the room open nor counts as a participant.
    pub fn tap(room: &str, identity: &str) -> Self {
        let grants = VideoGrants {
            hidden: true,
            can_publish: Some(false),
            can_publish_data: Some(false),
            can_subscribe: Some(true),
            ..VideoGrants::default()
        };
        Self::new(room, identity, grants).kind(Kind::Agent)
    }

    /// A listener that everybody may see: subscribes, publishes nothing.
    pub fn listener(room: &str, identity: &str) -> Self {
        let grants = VideoGrants {
            can_publish: Some(false),
            can_publish_data: Some(false),
            can_subscribe: Some(true),
            ..VideoGrants::default()
        };
        Self::new(room, identity, grants)
    }

    /// A publisher that hears nothing: one peer connection instead of two.
    pub fn publisher(room: &str, identity: &str) -> Self {
        let grants = VideoGrants {
            can_publish: Some(true),
            can_publish_data: Some(true),
            can_subscribe: Some(false),
            ..VideoGrants::default()
        };
        Self::new(room, identity, grants)
    }

    /// An ordinary participant: publishes and subscribes.
    pub fn participant(room: &str, identity: &str) -> Self {
        let grants = VideoGrants {
            can_publish: Some(true),
            can_publish_data: Some(true),
            can_subscribe: Some(true),
            ..VideoGrants::default()
        };
        Self::new(room, identity, grants)
    }

    /// Somebody who talks with whoever else is there: one microphone, and no data.
    pub fn talker(room: &str, identity: &str) -> Self {
        let grants = VideoGrants {
            can_publish: Some(true),
            can_publish_sources: vec!["microphone".to_owned()],
            can_publish_data: Some(false),
            can_subscribe: Some(true),
            ..VideoGrants::default()
        };
        Self::new(room, identity, grants)
    }

    /// The name that people see.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// What others see the holder as.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// How long the token may be used to connect.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The participant's metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: &str) -> Self {
        self.metadata = Some(metadata.to_owned());
        self
    }

    /// An attribute of the participant, for example `sidetone.party`.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: &str) -> Self {
        self.attributes.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Whoever may do anything to a room from outside, and not join it.
    pub(crate) fn administrator(room: &str) -> Self {
        let mut token = Self::new(room, "sidetone", VideoGrants::default());
        token.grants.room_join = false;
        token.grants.room_admin = true;
        token
    }

    /// Whoever may ring telephones, and send elsewhere those that are in a room.
    pub(crate) fn telephonist(room: Option<&str>) -> Self {
        let mut token = Self::administrator(room.unwrap_or_default());
        token.grants.room_admin = room.is_some();
        token.telephones = true;
        token
    }

    /// The token's text (HS256 JWT).
    pub fn sign(self, credentials: &Credentials) -> Result<String, TokenError> {
        let mut token =
            livekit_token::AccessToken::with_api_key(credentials.key(), credentials.secret())
                .with_identity(&self.identity)
                .with_ttl(self.ttl)
                .with_kind(self.kind.as_str())
                .with_grants(self.grants);
        if self.telephones {
            token = token.with_sip_grants(SIPGrants {
                admin: false,
                call: true,
            });
        }
        if let Some(name) = &self.name {
            token = token.with_name(name);
        }
        if let Some(metadata) = &self.metadata {
            token = token.with_metadata(metadata);
        }
        if !self.attributes.is_empty() {
            token = token.with_attributes(
                self.attributes
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str())),
            );
        }
        let error = |e: livekit_token::AccessTokenError| TokenError {
            identity: self.identity.clone(),
            reason: e.to_string(),
        };
        token.to_jwt().map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_token::TokenVerifier;

    const SECRET: &str = "secret_that_is_at_least_32_chars_long_xx";

    fn claims(token: Token) -> livekit_token::Claims {
        let text = token.sign(&Credentials::new("key", SECRET)).unwrap();
        TokenVerifier::with_api_key("key", SECRET)
            .verify(&text)
            .unwrap()
    }

    #[test]
    fn a_tap_is_hidden_silent_and_does_not_keep_the_room_open() {
        let claims = claims(Token::tap("call-1", "tap-1"));
        assert_eq!(
            (claims.sub.as_str(), claims.kind.as_str()),
            ("tap-1", "agent")
        );
        let video = claims.video;
        assert!(video.room_join && video.hidden && video.room == "call-1");
        assert_eq!(
            (video.can_publish, video.can_publish_data),
            (Some(false), Some(false))
        );
        assert!(!video.room_admin && !video.room_create && !video.room_record && !video.recorder);
        assert!(!video.agent, "no right to register as a worker");
    }

    #[test]
    fn a_listener_can_publish_nothing_and_connects_within_ten_minutes() {
        let claims = claims(Token::listener("sidetone-monitor-u-1", "supervisor-u"));
        assert_eq!(claims.video.can_publish, Some(false));
        assert_eq!(claims.video.can_publish_data, Some(false));
        assert!(!claims.video.hidden);
        assert!(claims.exp - claims.nbf <= 600);
    }

    #[test]
    fn a_telephonist_rings_and_refers_and_manages_nothing() {
        let there = claims(Token::telephonist(Some("call-1")));
        assert!(there.sip.call && !there.sip.admin && there.video.room_admin);
        assert!(!there.video.room_join && there.video.room == "call-1");
        let anywhere = claims(Token::telephonist(None));
        assert!(anywhere.sip.call && !anywhere.video.room_admin);
        let talker = claims(Token::talker("sidetone-side-1", "target-1"));
        assert_eq!(talker.video.can_publish_sources, ["microphone"]);
        assert!(!talker.sip.call && talker.video.can_publish_data == Some(false));
    }

    #[test]
    fn credentials_never_print_their_secret() {
        assert!(!format!("{:?}", Credentials::new("key", SECRET)).contains(SECRET));
    }
}
