//! Recordings as the API shows them, and the manifest that lies next to each.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{CallId, Party, RecordingId, Timestamp};

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
    /// When a vendor's file was fetched.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fetched_at: Option<Timestamp>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Where to hear it.
    pub audio_url: String,
}

/// What lies next to the media as JSON and what [`crate::CallEvent::RecordingStored`] carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Format of this manifest, 1.
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
    /// Its size.
    pub bytes: u64,
    /// Its hash, lower-case hex.
    pub sha256: String,
    /// What wrote it, for example `sidetone 0.1.0`.
    pub software: String,
    /// Further media files, where one file cannot hold every channel; `object` then holds the
    /// first channel alone.
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
