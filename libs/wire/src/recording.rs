//! Recordings as the API shows them, and the manifest that lies next to each.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{CallId, ConnectionKind, Hidden, Party, RecordingId, Timestamp};

words! {
    /// Where a take stands.
    TakeState {
        /// Being recorded.
        Recording = "recording",
        /// Complete, on its way to the store.
        Sealed = "sealed",
        /// In the store.
        Stored = "stored",
        /// Could not be made.
        Failed = "failed",
        /// Erased; only the tombstone is left.
        Erased = "erased",
    }
    /// Where a recording came from.
    RecordingSource {
        /// Our own tap.
        Tap = "tap",
        /// Fetched from the vendor.
        Vendor = "vendor",
    }
    /// Why a stretch of a recording holds no sound of a party that was there.
    GapReason {
        /// The connection to the upstream was lost.
        Disconnected = "disconnected",
        /// The recorder could not keep up or write.
        Degraded = "degraded",
        /// Packets that never came.
        Loss = "loss",
    }
}

/// A stretch without sound that should have had some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Start, in milliseconds of the recording.
    #[ts(type = "number")]
    pub from_ms: u64,
    /// End, in milliseconds of the recording.
    #[ts(type = "number")]
    pub to_ms: u64,
    /// Why.
    pub reason: GapReason,
}

/// A stretch that was paused on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Start, in milliseconds of the recording.
    #[ts(type = "number")]
    pub from_ms: u64,
    /// End, in milliseconds of the recording.
    #[ts(type = "number")]
    pub to_ms: u64,
    /// Who paused: a user's id or the rule's name.
    pub by: String,
}

/// One channel of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Channel {
    /// 0 is left.
    pub index: u8,
    /// Who is on it.
    pub party: Party,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// A recording as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// Its call.
    pub call_id: CallId,
    /// Where it stands.
    pub state: TakeState,
    /// Something was lost; see `gaps`.
    pub degraded: bool,
    /// Start of the first sample on the wall clock.
    pub started_at: Timestamp,
    /// Length.
    pub duration_seconds: f64,
    /// The channels.
    pub channels: Vec<Channel>,
    /// Stretches that were lost.
    pub gaps: Vec<Gap>,
    /// Stretches that were paused.
    pub pauses: Vec<Pause>,
    /// Size of the stored file.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Hash of the stored file, lower-case hex, empty until sealed.
    pub sha256: String,
    /// Container, always `ogg`.
    pub format: String,
    /// Our tap or the vendor.
    pub source: RecordingSource,
    /// A legal hold: it is not erased, whoever asks.
    #[serde(default)]
    pub legal_hold: bool,
    /// When the tenant's policy will have it erased.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retain_until: Option<Timestamp>,
    /// When it was erased.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub erased_at: Option<Timestamp>,
    /// When a vendor's file was fetched.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fetched_at: Option<Timestamp>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Where to hear it.
    pub audio_url: String,
}

/// A recording's data key as it may be kept and sent: only the master key opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrappedKey {
    /// Names the master key that wrapped it: 16 hexadecimal digits.
    pub key_id: String,
    /// Nonce, encrypted key and tag, in base64.
    pub wrapped: String,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrappedKey({}, …)", self.key_id)
    }
}

/// A take as it is booked in the control plane: complete, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// What is known of it, with the names of who is on its channels.
    pub manifest: Manifest,
    /// Its data key. The control plane keeps it; nothing in the store does.
    pub key: WrappedKey,
    /// [`TakeState::Sealed`] while its files are on their way, [`TakeState::Stored`] when they
    /// have arrived.
    pub state: TakeState,
}

/// What the control plane answers to a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Booked {
    /// It is committed.
    Kept,
    /// The recording was erased meanwhile: whoever has anything of it destroys it.
    Erased,
    /// Its call is not known (yet): asked again later.
    UnknownCall,
}

/// Whether and how a call may be recorded now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRule {
    /// Consent was denied: nothing of the call is kept.
    pub denied: bool,
    /// It is paused: by whom (a user's id or a rule's name).
    pub paused_by: Option<String>,
    /// The tenant's rule: a DTMF digit pauses.
    pub pause_on_dtmf: bool,
    /// Who writes down what is said, if anybody is to.
    #[serde(default)]
    pub recogniser: Option<Recogniser>,
}

/// A tenant's account at somebody who recognises speech.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recogniser {
    /// Deepgram, AssemblyAI or OpenAI.
    pub kind: ConnectionKind,
    /// Scheme and host of what is dialled.
    pub origin: String,
    /// The account's key.
    pub key: Hidden,
    /// The language that is spoken, as the provider names it; `None`: what it takes by default.
    pub language: Option<String>,
    /// The provider's model; `None`: the one that is known to fit calls.
    pub model: Option<String>,
    /// Its word counts also where somebody else tells what is said.
    pub always: bool,
}

/// A spool folder that asks to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolClaim {
    /// Made once, kept in the folder.
    pub spool: uuid::Uuid,
    /// What the control plane gave the folder last; `None` for a folder that was just made.
    pub token: Option<uuid::Uuid>,
    /// Host and path: an empty folder where one is known is a disk that is not mounted.
    pub place: String,
}

/// What a spool holds: the progress of takes to the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Backlog {
    /// Whose spool.
    pub node: String,
    /// Takes being recorded.
    pub recording: u32,
    /// Takes that ended and wait for their file.
    pub sealing: u32,
    /// Takes that wait for the store.
    pub waiting: u32,
    /// Takes that are being sent to the store.
    pub uploading: u32,
    /// Bytes of the spool on disk.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Bytes that the spool may hold.
    #[ts(type = "number")]
    pub budget_bytes: u64,
    /// Age in seconds of the oldest take that ended and is not stored.
    #[ts(type = "number")]
    pub oldest_seconds: u64,
    /// Why the latest try failed, while it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// What lies next to the media as JSON (there without names), and what a [`Booking`] carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Format of this manifest: 1 plain objects, 2 encrypted ones.
    pub version: u32,
    /// The take.
    pub recording: RecordingId,
    /// Its call.
    pub call: CallId,
    /// The tenant's slug.
    pub tenant: String,
    /// Start of the first sample on the wall clock.
    pub started_at: Timestamp,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// The channels, left first.
    pub channels: Vec<Channel>,
    /// Stretches that were lost.
    pub gaps: Vec<Gap>,
    /// Stretches that were paused.
    pub pauses: Vec<Pause>,
    /// Name of the media file, relative to the store's root.
    pub object: String,
    /// Size of the media, before encryption.
    pub bytes: u64,
    /// Hash of the media, before encryption; lower-case hex.
    pub sha256: String,
    /// Names the master key that wrapped the data key; absent: the object is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// What wrote it, for example `sidetone 0.1.0`.
    pub software: String,
    /// Further media files, each one channel: supervisors, second participants of a party, and the
    /// right channel where one file cannot hold both (`object` then holds the left one alone).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<MediaFile>,
}

/// A further media file of a take: one channel, as long as the take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFile {
    /// Index of the channel it holds.
    pub channel: u8,
    /// Its name, relative to the store's root.
    pub object: String,
    /// Its size.
    pub bytes: u64,
    /// Its hash, lower-case hex.
    pub sha256: String,
}
