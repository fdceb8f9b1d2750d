//! Commands: what the control plane asks of the gateway that holds a call.

use serde::{Deserialize, Serialize};

use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::words;
use crate::{CallId, FeedId, Party, RecordingId, Upstream, UserId};

words! {
    /// To whom a supervisor speaks.
    TalkMode {
        /// To nobody. The microphone stays armed for a minute.
        Off = "off",
        /// To nobody yet: the microphone is armed for as long as the call is listened to.
        Armed = "armed",
        /// To the agents alone.
        Whisper = "whisper",
        /// To everybody.
        Barge = "barge",
    }
}

/// The LiveKit room in which one supervisor listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MonitorRoom {
    /// `sidetone-monitor-<user>-<n>`.
    pub room: String,
    /// The only identity that may hear what is published there.
    pub listener: String,
    /// Whose it is.
    pub user: UserId,
}

/// A supervisor who speaks, or may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Where they listen, and where their microphone is.
    pub monitor: MonitorRoom,
    /// Their name, as people in the call see it.
    pub name: String,
}

/// Who has a call and who is not heard in it: whole, so that the last one alone is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Floor {
    /// Who has the call: a supervisor, or whom it was transferred to; nobody: the agent has it.
    pub holder: Option<Seat>,
    /// They speak with somebody else meanwhile: nobody in the call hears them.
    pub aside: bool,
    /// They are on a telephone, which may give no sound while it is there.
    pub telephone: bool,
    /// Parties whom a supervisor has muted.
    pub muted: Vec<Party>,
    /// Whoever is not to be silent may still be, by a gateway that is gone: they are made heard.
    pub restore: bool,
    /// What was said while a supervisor had the call: for agents that have it again.
    pub summary: Option<String>,
}

/// Something that a supervisor writes to the agents of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenWhisper {
    /// Names it: an agent that gets it twice takes it once.
    pub id: Uuid,
    /// What is written.
    pub text: String,
    /// The agent should speak about it now, not only know it.
    pub trigger: bool,
}

/// A text that is printed nowhere: an address that lets whoever knows it in, or a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A call that is heard through a socket, or in a room, of its upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// The call.
    pub call: CallId,
    /// Where it lives.
    pub upstream: Upstream,
    /// The tenant's slug.
    pub tenant: String,
    /// What to dial, or where to ask for the room.
    pub url: Hidden,
    /// Where to say that a supervisor takes the call over from a room, if that can be said.
    #[serde(default)]
    pub takeover: Option<Hidden>,
    /// The key that the upstream asks for, if it does.
    pub bearer: Option<Hidden>,
    /// The customer's name.
    pub customer_name: Option<String>,
    /// The agent's name.
    pub agent_name: Option<String>,
}

/// How a listener outside of LiveKit wants a call's sound: always stereo, the customer left, the
/// agent right, in frames of 20 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedSound {
    /// Opus, 48 kHz, one packet a frame.
    Opus,
    /// Signed 16 bit, little endian, interleaved.
    Linear16 {
        /// Samples a second and channel: 8,000, 12,000, 16,000, 24,000 or 48,000.
        rate_hz: u32,
    },
}

/// Something for a gateway to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Publish the call's tracks into the monitor room. To the call's holder. Repeating it is
    /// harmless.
    Listen {
        /// What is listened to.
        call: CallId,
        /// Where.
        monitor: MonitorRoom,
    },
    /// Withdraw the call's tracks from the monitor room. To the call's holder.
    Unlisten {
        /// What was listened to.
        call: CallId,
        /// Where.
        monitor: MonitorRoom,
    },
    /// Send the call's sound into an open feed. To the call's holder. It ends when the call does,
    /// and with [`Command::Unlisten`] or [`Command::UnlistenAll`] as what is published in the
    /// monitor room does.
    Feed {
        /// What is listened to.
        call: CallId,
        /// The session that listens, by its monitor room.
        monitor: MonitorRoom,
        /// Which feed.
        feed: FeedId,
        /// How it is to sound.
        sound: FeedSound,
    },
    /// Withdraw everything from every monitor room of a user (logout, role change). To all.
    UnlistenAll {
        /// Whose grants end.
        user: UserId,
    },
    /// Report levels finer than the SFU's speaker updates until told otherwise, at most a minute:
    /// whoever looks repeats it. To the call's holder.
    WatchLevels {
        /// What is looked at.
        call: CallId,
    },
    /// Let a supervisor speak in the call, or no longer. To the call's holder, which answers once
    /// what they say reaches whom it should.
    Talk {
        /// The call.
        call: CallId,
        /// Who.
        seat: Seat,
        /// To whom.
        mode: TalkMode,
    },
    /// Give the call to whom it belongs now. To the call's holder, which answers once it is so.
    /// Repeating it is harmless.
    SetFloor {
        /// The call.
        call: CallId,
        /// Who has it.
        floor: Floor,
    },
    /// Give the AI agents of the call what a supervisor writes. To the call's holder, which answers
    /// once one of them has it.
    Whisper {
        /// The call.
        call: CallId,
        /// What.
        whisper: WrittenWhisper,
    },
    /// End the call for everybody in it. To the call's holder.
    EndCall {
        /// The call.
        call: CallId,
    },
    /// Keep nothing of the call from now on, until it is resumed. To the call's holder, which
    /// answers once that is on disk. Repeating it is harmless.
    PauseRecording {
        /// The call.
        call: CallId,
        /// A user's id, or a rule's name.
        by: String,
    },
    /// Keep the call again. To the call's holder. Repeating it is harmless.
    ResumeRecording {
        /// The call.
        call: CallId,
    },
    /// End the call's take for good. To the call's holder.
    StopRecording {
        /// The call.
        call: CallId,
        /// Destroy what there is of it.
        erase: bool,
    },
    /// Destroy whatever is left of these takes in a spool. To all.
    EraseTakes {
        /// Which.
        recordings: Vec<RecordingId>,
    },
    /// Hear a call through its upstream's socket, unless somebody does. To all: whoever gets the
    /// call's lease does it.
    Hear(Box<Socket>),
    /// The call is over, says whoever knows: it is heard no more, and its recording ends. To all.
    CallOver {
        /// The call.
        call: CallId,
    },
    /// A webhook said something about a room: look at it now. To all.
    RoomChanged {
        /// The room's name.
        room: String,
    },
}

/// What a gateway answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// The tracks that the listener will find in the monitor room.
    Listening {
        /// Track name (`<callId>/<party>`) and party.
        tracks: Vec<(String, Party)>,
    },
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandError {
    /// No gateway holds that call (any more).
    NoHolder,
    /// The holder did not answer in time.
    TimedOut,
    /// The holder has too much to do.
    Overloaded,
    /// The call's upstream cannot do that.
    Unsupported {
        /// For the operator.
        detail: String,
    },
    /// It was tried and failed.
    Failed {
        /// For the operator.
        detail: String,
    },
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHolder => f.write_str("no gateway holds that call"),
            Self::TimedOut => f.write_str("the gateway that holds the call did not answer in time"),
            Self::Overloaded => f.write_str("the gateway that holds the call has too much to do"),
            Self::Unsupported { detail } => write!(f, "the upstream cannot do that: {detail}"),
            Self::Failed { detail } => f.write_str(detail),
        }
    }
}

impl std::error::Error for CommandError {}
