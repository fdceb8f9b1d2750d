//! The call object: what `GET /api/calls/{id}`, lists and `call-upsert` carry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{CallId, TenantId, Timestamp, Transfer, UserId};

/// Declares a closed set of words that is a JSON string, a database column and a metric label.
/// (A word is a `tt`: a `literal` reaches derives in a group, in which utoipa does not see it.)
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:tt,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that stands for the value in JSON, in the database and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::call::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word).ok_or_else(|| {
                    crate::call::UnknownWord {
                        word: word.to_owned(),
                        expected: Self::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(", "),
                    }
                })
            }
        }
    )*};
}
pub(crate) use words;

/// A word that is not one of a closed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// What would have been understood, separated by commas.
    pub expected: String,
}

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not one of {}", self.word, self.expected)
    }
}

impl std::error::Error for UnknownWord {}

words! {
    /// Where the call lives.
    Upstream {
        /// A LiveKit room.
        Livekit = "livekit",
        /// Vapi's listen socket.
        Vapi = "vapi",
        /// Retell.
        Retell = "retell",
        /// Twilio Media Streams.
        Twilio = "twilio",
        /// Bland.
        Bland = "bland",
        /// ElevenLabs.
        Elevenlabs = "elevenlabs",
        /// Telnyx media streaming.
        Telnyx = "telnyx",
        /// Plivo audio streaming.
        Plivo = "plivo",
        /// Vonage's WebSocket endpoint.
        Vonage = "vonage",
        /// Exotel's voice stream.
        Exotel = "exotel",
        /// jambonz, which speaks mod_audio_fork.
        Jambonz = "jambonz",
        /// Genesys AudioHook.
        Audiohook = "audiohook",
        /// Asterisk's AudioSocket.
        Audiosocket = "audiosocket",
        /// A SIP trunk.
        Sip = "sip",
        /// Registered through the API, without audio.
        Api = "api",
    }
    /// Who began the call.
    Direction {
        /// The customer called.
        Inbound = "inbound",
        /// We called.
        Outbound = "outbound",
        /// A call in the browser or in an app: nobody dialled.
        Web = "web",
    }
    /// The call's state machine.
    CallStatus {
        /// Known, no party heard yet.
        Connecting = "connecting",
        /// A party is being rung.
        Ringing = "ringing",
        /// At least one party is there.
        Connected = "connected",
        /// A party was put on hold.
        OnHold = "on_hold",
        /// On the way to another target.
        Transferring = "transferring",
        /// Over; see `endReason`.
        Ended = "ended",
    }
    /// A party of a call.
    Party {
        /// Who is served.
        Customer = "customer",
        /// Who serves: an AI agent or a person.
        Agent = "agent",
        /// Who supervises.
        Supervisor = "supervisor",
    }
    /// Whose doing a call's end was.
    EndClass {
        /// It ran its course.
        Completed = "completed",
        /// The caller ended it or never came.
        Caller = "caller",
        /// The callee ended it or never came.
        Callee = "callee",
        /// The SFU, vendor or trunk ended it.
        Upstream = "upstream",
        /// We did, or failed.
        Ours = "ours",
        /// Not known.
        Unknown = "unknown",
    }
    /// Whether the customer agreed to be recorded.
    Consent {
        /// Not asked or not told.
        Unknown = "unknown",
        /// Agreed.
        Granted = "granted",
        /// Refused: no take is started.
        Denied = "denied",
    }
    /// What the call's recording does now.
    RecordingState {
        /// Not recording.
        Off = "off",
        /// Recording.
        Recording = "recording",
        /// Paused on purpose.
        Paused = "paused",
        /// Failed.
        Failed = "failed",
        /// Recording with losses.
        Degraded = "degraded",
    }
    /// What may be done to a call on its upstream.
    Capability {
        /// Hear it.
        Listen = "listen",
        /// Send the agent text.
        WhisperText = "whisper_text",
        /// Speak to the agent alone.
        WhisperVoice = "whisper_voice",
        /// Speak to everybody.
        Barge = "barge",
        /// Take the agent's place.
        Takeover = "takeover",
        /// Give the call back to the agent.
        HandBack = "hand_back",
        /// Send the call elsewhere.
        Transfer = "transfer",
        /// Mute the agent.
        MuteAgent = "mute_agent",
        /// Mute the customer.
        MuteCustomer = "mute_customer",
        /// End it.
        End = "end",
        /// Send DTMF.
        Dtmf = "dtmf",
    }
    /// How a call is sent elsewhere.
    TransferMode {
        /// At once, whoever answers there.
        Blind = "blind",
        /// After a word with whoever answers.
        Attended = "attended",
    }
    /// How a supervisor takes part.
    WatchMode {
        /// Hears the call.
        Listen = "listen",
        /// Speaks to the agent.
        Whisper = "whisper",
        /// Speaks to everybody.
        Barge = "barge",
        /// Has the call.
        Takeover = "takeover",
    }
}

/// Why a call ended: the same value is metric label, database column and API field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct EndReason {
    /// Whose doing.
    pub class: EndClass,
    /// A stable snake_case word, for example `room_finished`, `participants_left`, `stale`.
    pub code: String,
}

impl EndReason {
    /// A reason from its class and code.
    pub fn new(class: EndClass, code: &str) -> Self {
        Self {
            class,
            code: code.to_owned(),
        }
    }
}

/// Who has the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// `agent`, `supervisor:<user id>`, or `target:<transfer id>`: whom the call was transferred to.
    pub holder: String,
    /// The name of whoever it is, if it is not the agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub holder_name: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Counts every change, from 0.
    #[ts(type = "number")]
    pub version: u64,
}

/// The recording light.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordingFlag {
    /// What the recording does now.
    pub state: RecordingState,
    /// Start of the running or last take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub started_at: Option<Timestamp>,
    /// Since when a pause holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub paused_at: Option<Timestamp>,
    /// Who paused: a user's id or the rule's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub paused_by: Option<String>,
    /// When the pause ends by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub resume_at: Option<Timestamp>,
}

/// A supervisor who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Watcher {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// How.
    pub mode: WatchMode,
}

/// Loudness now, 0.0 (silent) to 1.0 (full scale), linear, as LiveKit reports it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, TS, ToSchema)]
pub struct Levels {
    /// The loudest customer.
    pub customer: f32,
    /// The loudest agent.
    pub agent: f32,
}

/// A call as its tenant's users see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Call {
    /// The call's id.
    pub id: CallId,
    /// The tenant that owns it.
    pub client_id: TenantId,
    /// The branch whose number was called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch_id: Option<String>,
    /// Where it lives.
    pub upstream: Upstream,
    /// Its id there: the room's sid for LiveKit.
    pub upstream_call_id: String,
    /// Who began it.
    pub direction: Direction,
    /// Who calls: a number, or the customer's identity.
    pub from: String,
    /// Who was called: a number, or the room's name.
    pub to: String,
    /// The customer's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_name: Option<String>,
    /// The agent's id on its upstream (the participant's identity for LiveKit).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_id: Option<String>,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_name: Option<String>,
    /// The room, for calls in LiveKit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub livekit_room_name: Option<String>,
    /// Where it stands.
    pub status: CallStatus,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_reason: Option<EndReason>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When both parties were there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<Timestamp>,
    /// Seconds from start to end, or to now.
    #[ts(type = "number")]
    pub duration_seconds: u64,
    /// Free labels.
    pub tags: Vec<String>,
    /// Consent to be recorded.
    pub consent: Consent,
    /// Who has the call.
    pub control: Control,
    /// The last time it was sent to somebody else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transfer: Option<Transfer>,
    /// Parties whom a supervisor has muted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[ts(optional, as = "Option<Vec<Party>>")]
    pub muted: Vec<Party>,
    /// The recording light.
    pub recording: RecordingFlag,
    /// Supervisors who take part.
    pub watchers: Vec<Watcher>,
    /// Loudness now, for live calls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub levels: Option<Levels>,
    /// Who speaks now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current_speaker: Option<Party>,
    /// The campaign it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub campaign: Option<String>,
    /// What may be done to it.
    pub capabilities: Vec<Capability>,
    /// What may not be done to it now, each with why, for people; absent when it is over.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    #[ts(optional, as = "Option<BTreeMap<Capability, String>>")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub incapable: BTreeMap<Capability, String>,
    /// Why it is not heard as it should be, for the operator; absent while it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub degraded: Option<String>,
    /// Where to hear it without LiveKit: of one live call that the caller may hear, good once and
    /// for a minute.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listen_proxy_url: Option<String>,
    /// Where its recording is served, once there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recording_stored_url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_the_words_that_are_on_the_wire() {
        let schema = <Consent as utoipa::PartialSchema>::schema();
        let schema = serde_json::to_value(schema).unwrap();
        assert_eq!(
            schema["enum"],
            serde_json::json!(["unknown", "granted", "denied"])
        );
    }

    #[test]
    fn words_read_as_they_are_written_and_others_are_named() {
        for status in CallStatus::ALL {
            assert_eq!(status.as_str().parse::<CallStatus>(), Ok(*status));
            assert_eq!(
                serde_json::to_string(status).unwrap(),
                format!("\"{}\"", status.as_str())
            );
        }
        let error = "hold".parse::<CallStatus>().unwrap_err().to_string();
        assert!(error.contains("on_hold"), "{error}");
    }
}
