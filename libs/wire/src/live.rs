//! What `POST /api/calls/{id}/listen` gives, and what acts on a live call answer.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{Control, Party, TalkMode, Timestamp};

/// A track to subscribe in the monitor room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ListenTrack {
    /// `<callId>/<party>`.
    pub name: String,
    /// Who is heard on it.
    pub party: Party,
}

/// How to hear the call through LiveKit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct LivekitListen {
    /// The SFU's WebSocket address.
    pub url: String,
    /// Joins `room`, subscribes, publishes nothing.
    pub token: String,
    /// The supervisor's own monitor room: the same for every call.
    pub room: String,
    /// The tracks, by name; they appear within 500 ms.
    pub tracks: Vec<ListenTrack>,
}

/// The right to hear a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenGrant {
    /// Until when `livekit.token` may be used to connect; `listenProxyUrl` is good for a minute.
    pub expires_at: Timestamp,
    /// Through LiveKit; `null` when no LiveKit is configured.
    pub livekit: Option<LivekitListen>,
    /// Through a WebSocket: good once, for this session.
    pub listen_proxy_url: Option<String>,
}

/// What `POST takeover` and `POST handback` answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ControlAnswer {
    /// Who has the call now.
    pub control: Control,
}

/// What `POST talk` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Talking {
    /// To whom the caller speaks.
    pub mode: TalkMode,
    /// The caller has the call: they speak to everybody unless they whisper.
    pub holds: bool,
}
