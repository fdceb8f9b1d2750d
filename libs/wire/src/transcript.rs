//! What was said in a call.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{CallId, Party};

words! {
    /// How something was meant.
    Sentiment {
        /// Pleased.
        Positive = "positive",
        /// Neither.
        Neutral = "neutral",
        /// Displeased.
        Negative = "negative",
    }
    /// How a transcript is written.
    TranscriptFormat {
        /// As [`Transcript`].
        Json = "json",
        /// A line per segment, to be read.
        Txt = "txt",
        /// WebVTT, to be shown beside the recording.
        Vtt = "vtt",
        /// SubRip.
        Srt = "srt",
    }
}

/// Something that one party said without a break.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct TranscriptSegment {
    /// Names it within its call: a segment that comes again with the same id replaces the former.
    pub id: String,
    /// Who said it.
    pub party: Party,
    /// What was understood; not escaped.
    pub text: String,
    /// It will not change any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Milliseconds from the call's start to the segment's.
    #[ts(type = "number")]
    pub start_ms: u64,
    /// Milliseconds from the call's start to the segment's end.
    #[ts(type = "number")]
    pub end_ms: u64,
    /// How sure the recogniser is, 0.0 to 1.0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f32>,
    /// How it was meant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sentiment: Option<Sentiment>,
}

/// `GET /api/calls/{id}/transcript`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// The call.
    pub call_id: CallId,
    /// In the order in which they were said.
    pub segments: Vec<TranscriptSegment>,
}

/// `transcript-update`: something was said or understood better, to those who subscribed
/// `call:<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct TranscriptUpdate {
    /// The call.
    pub call_id: CallId,
    /// The segment that is new or changed; the last one, when it comes with the whole transcript.
    pub segment: TranscriptSegment,
    /// The whole transcript, which replaces what was there: in the first message after
    /// subscribing, and when more than one segment changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transcript: Option<Vec<TranscriptSegment>>,
}
