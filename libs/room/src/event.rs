//! What happens in a room.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidetone_media::Codec;

use crate::model::{LocalTrack, Participant, Permission, Speaker, Track};

/// A packet of a remote track. The payload is shared, never copied.
#[derive(Debug, Clone)]
pub struct RtpIn {
    /// Which subscribed track: the number given in [`Event::Subscribed`].
    pub track: u32,
    /// The stream it came on; changes when the server starts the track afresh.
    pub ssrc: u32,
    /// Sequence number, extended over wraps.
    pub seq: u64,
    /// RTP timestamp in the codec's clock.
    pub timestamp: u32,
    /// First packet of a talk spurt.
    pub marker: bool,
    /// Loudness in -dBov (RFC 6464), if the sender gave it.
    pub level_dbov: Option<u8>,
    /// How it is encoded.
    pub codec: Codec,
    /// The encoded frames.
    pub payload: Arc<[u8]>,
    /// When it was read from the socket.
    pub arrived: Instant,
}

/// A packet of a local track, on its way out.
#[derive(Debug, Clone)]
pub struct RtpOut {
    /// Sequence number, extended over wraps. The first of a track is below 65,536 (the receiver
    /// cannot know of earlier wraps).
    pub seq: u64,
    /// RTP timestamp in the codec's clock.
    pub timestamp: u32,
    /// First packet of a talk spurt.
    pub marker: bool,
    /// Loudness in -dBov (RFC 6464).
    pub level_dbov: Option<u8>,
    /// The encoded frames.
    pub payload: Arc<[u8]>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A packet of a subscribed track.
    Packet(RtpIn),
    /// The media connection is up: from now on data reaches us and ours goes out at once. Comes
    /// once for every session.
    Connected,
    /// Somebody is there, or was there when we came.
    ParticipantJoined(Participant),
    /// Name, metadata, attributes or permission changed.
    ParticipantChanged(Participant),
    /// Somebody left.
    ParticipantLeft(Participant),
    /// Somebody publishes a track; subscribe it by its sid.
    TrackPublished {
        /// Who: identity.
        identity: String,
        /// What.
        track: Track,
    },
    /// A track ended.
    TrackUnpublished {
        /// Who: identity.
        identity: String,
        /// What it was.
        track: Track,
    },
    /// A track was muted or unmuted.
    TrackMuted {
        /// Who: identity.
        identity: String,
        /// The track's sid.
        sid: String,
        /// Muted now.
        muted: bool,
    },
    /// Packets of this track carry the number `track` from now on.
    Subscribed {
        /// The number.
        track: u32,
        /// The track's sid.
        sid: String,
    },
    /// The server refused a subscription or took it back.
    SubscriptionFailed {
        /// The track's sid.
        sid: String,
        /// What the server said.
        reason: String,
    },
    /// A subscribed track ended; its number is not used again.
    Unsubscribed {
        /// The number.
        track: u32,
        /// The track's sid.
        sid: String,
    },
    /// Who speaks; only those that changed.
    Speakers(Vec<Speaker>),
    /// A track of ours is published and takes packets.
    Published {
        /// The track.
        track: LocalTrack,
        /// Its sid.
        sid: String,
    },
    /// A track of ours could not be published.
    PublishFailed {
        /// The track.
        track: LocalTrack,
        /// Why.
        reason: String,
    },
    /// The server muted or unmuted a track of ours, or took it away.
    LocalTrackMuted {
        /// The track.
        track: LocalTrack,
        /// Muted now.
        muted: bool,
    },
    /// What we may do changed.
    PermissionChanged(Permission),
    /// The server gave a newer token for reconnecting; the room has kept it.
    TokenRefreshed,
    /// The room's metadata or its number of participants changed.
    RoomChanged {
        /// The room's sid.
        sid: String,
        /// The metadata.
        metadata: String,
    },
    /// A whole text stream (`lk.transcription`, `lk.chat`, …).
    Text(Text),
    /// What has come of a transcript's text stream that goes on: agents open one with the first
    /// words of an utterance and close it with the last.
    TextSoFar(Text),
    /// A data packet.
    Data {
        /// Who: identity, empty if hidden.
        from: String,
        /// The topic, empty if none.
        topic: String,
        /// The bytes.
        payload: Vec<u8>,
    },
    /// Transcript segments in the older carrier.
    Transcription(Transcription),
    /// A DTMF digit from a SIP participant.
    Dtmf {
        /// Who: identity.
        from: String,
        /// RFC 4733 event code.
        code: u32,
        /// The digit.
        digit: String,
    },
    /// Somebody asks us; answer with [`crate::Room::answer_rpc`].
    RpcRequest(RpcRequest),
    /// The answer to [`crate::Room::perform_rpc`].
    RpcResult {
        /// The number that `perform_rpc` gave.
        rpc: u64,
        /// The answer.
        result: Result<String, RpcError>,
    },
    /// The connection is lost; packets pause, commands are kept.
    Reconnecting {
        /// Why.
        reason: String,
    },
    /// The connection is back and everything goes on as it was.
    Resumed {
        /// How long it took.
        after: Duration,
    },
    /// The session was lost and a new one begun: participants and tracks are reported afresh,
    /// subscriptions and local tracks are made again by the room itself.
    Rejoined {
        /// How long it took.
        after: Duration,
        /// The room's sid, new if the server had lost the room.
        room_sid: String,
    },
    /// The end; no event follows.
    Closed(Closed),
}

/// Why a room was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The room was deleted or closed by the server.
    RoomClosed,
    /// We were removed.
    Removed,
    /// Somebody joined with our identity.
    DuplicateIdentity,
    /// The server refuses the token.
    Unauthorized(String),
    /// Reconnecting was given up.
    Lost(String),
    /// We left.
    Left,
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RoomClosed => f.write_str("the room was closed"),
            Self::Removed => f.write_str("removed from the room"),
            Self::DuplicateIdentity => f.write_str("somebody joined with the same identity"),
            Self::Unauthorized(answer) => write!(f, "the server refuses the token: {answer}"),
            Self::Lost(reason) => write!(f, "connection lost: {reason}"),
            Self::Left => f.write_str("left"),
        }
    }
}

/// A text stream that has come whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Who: identity; for transcripts the one who was transcribed.
    pub from: String,
    /// For example `lk.transcription`.
    pub topic: String,
    /// The stream's id.
    pub id: String,
    /// The text.
    pub text: String,
    /// For example `lk.segment_id`, `lk.transcription_final`.
    pub attributes: HashMap<String, String>,
}

/// Transcript segments in the older carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcription {
    /// Who was transcribed: identity.
    pub identity: String,
    /// The track's sid.
    pub track_sid: String,
    /// The segments.
    pub segments: Vec<Segment>,
}

/// A piece of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The same for every version of one utterance.
    pub id: String,
    /// The words.
    pub text: String,
    /// Will not change any more.
    pub last: bool,
    /// BCP 47 tag, may be empty.
    pub language: String,
}

/// A remote procedure call to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcRequest {
    /// To be given back with the answer.
    pub id: String,
    /// Who asks: identity.
    pub from: String,
    /// Which method.
    pub method: String,
    /// Its argument.
    pub payload: String,
}

/// Why a remote procedure call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// LiveKit's code, for example 1400 (unsupported method), 1401 (recipient not found), 1501
    /// (connection timeout), 1502 (response timeout), 1500 (application error).
    pub code: u32,
    /// For the operator.
    pub message: String,
}
