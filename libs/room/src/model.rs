//! Who is in a room and what they publish.

use std::collections::HashMap;

use livekit_protocol as proto;
use sidetone_media::Codec;

pub use crate::token::Kind;

/// Somebody in the room.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// `PA_…`, new with every join.
    pub sid: String,
    /// Chosen by whoever made the token; unique in the room.
    pub identity: String,
    /// For people.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Free text.
    pub metadata: String,
    /// Key and value.
    pub attributes: HashMap<String, String>,
    /// What it publishes.
    pub tracks: Vec<Track>,
    /// What it may do.
    pub permission: Permission,
    /// When it joined, on the server's clock, milliseconds since the Unix epoch; 0 if not said.
    pub joined_unix_ms: i64,
}

/// What a participant may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permission {
    /// Hear and see others.
    pub can_subscribe: bool,
    /// Publish tracks.
    pub can_publish: bool,
    /// Send data.
    pub can_publish_data: bool,
    /// Is invisible to others.
    pub hidden: bool,
}

/// A track that somebody publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// `TR_…`, new with every publication.
    pub sid: String,
    /// Chosen by the publisher.
    pub name: String,
    /// Audio, or something that this crate does not carry.
    pub audio: bool,
    /// Where it comes from.
    pub source: Source,
    /// Muted by its publisher or by the server.
    pub muted: bool,
    /// As announced, for example `audio/opus`, `audio/red`.
    pub mime_type: String,
}

/// Where a track comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Source {
    /// Not said.
    Unknown,
    /// A microphone, or what stands for one.
    #[default]
    Microphone,
    /// The sound of a shared screen.
    ScreenShareAudio,
    /// A camera or a screen.
    Video,
}

/// Somebody who speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    /// The participant's sid.
    pub sid: String,
    /// The participant's identity, empty if unknown.
    pub identity: String,
    /// Loudness, 0.0 to 1.0, linear.
    pub level: f32,
    /// Speaks now.
    pub active: bool,
}

impl From<&proto::ParticipantInfo> for Participant {
    fn from(info: &proto::ParticipantInfo) -> Self {
        use proto::participant_info::Kind as K;
        let kind = match info.kind() {
            K::Standard | K::Connector | K::Bridge => Kind::Standard,
            K::Agent => Kind::Agent,
            K::Sip => Kind::Sip,
            K::Egress => Kind::Egress,
            K::Ingress => Kind::Ingress,
        };
        Self {
            sid: info.sid.clone(),
            identity: info.identity.clone(),
            name: info.name.clone(),
            kind,
            metadata: info.metadata.clone(),
            attributes: info.attributes.clone(),
            tracks: info.tracks.iter().map(Track::from).collect(),
            permission: info
                .permission
                .as_ref()
                .map(Permission::from)
                .unwrap_or_default(),
            joined_unix_ms: match info.joined_at_ms {
                0 => info.joined_at.saturating_mul(1000),
                ms => ms,
            },
        }
    }
}

impl From<&proto::ParticipantPermission> for Permission {
    fn from(permission: &proto::ParticipantPermission) -> Self {
        Self {
            can_subscribe: permission.can_subscribe,
            can_publish: permission.can_publish,
            can_publish_data: permission.can_publish_data,
            hidden: permission.hidden,
        }
    }
}

impl From<&proto::TrackInfo> for Track {
    fn from(info: &proto::TrackInfo) -> Self {
        use proto::TrackSource as S;
        let source = match info.source() {
            S::Unknown => Source::Unknown,
            S::Microphone => Source::Microphone,
            S::ScreenShareAudio => Source::ScreenShareAudio,
            S::Camera | S::ScreenShare => Source::Video,
        };
        Self {
            sid: info.sid.clone(),
            name: info.name.clone(),
            audio: info.r#type() == proto::TrackType::Audio,
            source,
            muted: info.muted,
            mime_type: info.mime_type.clone(),
        }
    }
}

impl Source {
    pub(crate) fn to_proto(self) -> proto::TrackSource {
        match self {
            Self::Unknown => proto::TrackSource::Unknown,
            Self::Microphone => proto::TrackSource::Microphone,
            Self::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
            Self::Video => proto::TrackSource::Camera,
        }
    }
}

/// A track that we publish. Small, never re-used within a [`crate::Room`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTrack(pub u32);

/// How to publish a track.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// What others see, any text.
    pub name: String,
    /// How the packets are encoded.
    pub codec: Codec,
    /// Where it comes from.
    pub source: Source,
    /// The sender stops sending in silence (RFC 7587 section 3.1.3).
    pub dtx: bool,
    /// Published muted.
    pub muted: bool,
}

impl PublishOptions {
    /// An Opus microphone with DTX.
    pub fn opus(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            codec: Codec::Opus,
            source: Source::Microphone,
            dtx: true,
            muted: false,
        }
    }

    /// A G.711 µ-law microphone.
    pub fn pcmu(name: &str) -> Self {
        Self {
            codec: Codec::Pcmu,
            dtx: false,
            ..Self::opus(name)
        }
    }
}

/// Who may subscribe what we publish. Replaces what was said before; the server cuts at once
/// whoever is no longer named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody, which is how a participant starts.
    Everybody,
    /// Only these identities, each for every track.
    Only(Vec<String>),
    /// Only these identities, each for the tracks named.
    Tracks(Vec<(String, Vec<LocalTrack>)>),
    /// Some identities for every track, others for the tracks named. Said before the first track
    /// is announced, the first of them hear each track from its first packet on.
    Mixed {
        /// For every track.
        all: Vec<String>,
        /// For the tracks named.
        some: Vec<(String, Vec<LocalTrack>)>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_joined_in_milliseconds_or_in_the_seconds_of_older_servers() {
        let joined = |joined_at, joined_at_ms| {
            let info = proto::ParticipantInfo {
                joined_at,
                joined_at_ms,
                ..Default::default()
            };
            Participant::from(&info).joined_unix_ms
        };
        assert_eq!(joined(1_790_000_000, 1_790_000_000_123), 1_790_000_000_123);
        assert_eq!(joined(1_790_000_000, 0), 1_790_000_000_000);
        assert_eq!(joined(0, 0), 0);
    }
}
