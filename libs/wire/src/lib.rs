//! What crosses a process: ids, the call and recording objects, events, commands, socket messages.
//!
//! Every type here is plain data. JSON is camelCase (the dashboard dialect's exceptions say so),
//! times are RFC 3339 UTC, ids are UUIDv7. TypeScript types are generated from this crate into
//! `dashboard/src/wire/` (`cargo test -p sidetone-wire` fails when they drift).

pub mod agent;
pub mod alert;
pub mod analytics;
pub mod audit;
pub mod branch;
pub mod call;
pub mod campaign;
pub mod command;
pub mod connection;
pub mod event;
pub mod id;
pub mod intelligence;
pub mod live;
pub mod note;
pub mod people;
pub mod preferences;
pub mod recording;
pub mod session;
pub mod socket;
pub mod subscription;
pub mod time;
pub mod transcript;
pub mod transfer;

pub use agent::{Agent, AgentCall, AgentStatus};
pub use alert::{
    Alert, AlertCondition, AlertKind, AlertPreview, AlertRule, AlertState, AlertSubject,
    PreviewFiring,
};
pub use audit::{AuditPhase, AuditRow, AuditVerdict, Disagreement, DisagreementKind};
pub use branch::{Branch, BranchPulse, PhoneNumber};
pub use call::{
    Call, CallStatus, Capability, Consent, Control, Direction, EndClass, EndReason, Levels, Party,
    RecordingFlag, RecordingState, TransferMode, Upstream, WatchMode, Watcher,
};
pub use campaign::Campaign;
pub use command::{
    Command, CommandError, FeedSound, Floor, Hidden, MonitorRoom, Reply, Seat, Socket, TalkMode,
    WrittenWhisper,
};
pub use connection::{
    Connection, ConnectionKind, ConnectionTest, HmacAlgorithm, SignatureEncoding, StreamUrls,
    TestOutcome, WebhookAuth, WebhookScheme,
};
pub use event::{CallEvent, CallFacts, Numbered, Signal, Utterance};
pub use id::{
    ApiKeyId, BranchId, CallId, ConnectionId, FeedId, InviteId, NodeId, PhoneNumberId, RecordingId,
    TenantId, UserId,
};
pub use intelligence::{
    Advice, LiveIntelligence, LivePart, LiveUpdate, Mood, NextAction, Objective, Phase,
    PhaseStatus, Priority, Severity, SystemState, SystemStatus, Trend,
};
pub use live::{ControlAnswer, ListenGrant, ListenTrack, LivekitListen, Talking};
pub use note::{
    ActionKind, Annotation, AnnotationKind, Author, Feedback, SupervisorAction, WhisperPill,
};
pub use people::{
    ApiKey, Client, Invite, InviteState, Member, Membership, NewApiKey, NewInvite, User,
};
pub use preferences::{Layout, Preferences, Theme};
pub use recording::{
    Backlog, Booked, Booking, Channel, Gap, GapReason, Manifest, MediaFile, Pause, Recogniser,
    Recording, RecordingRule, RecordingSource, SpoolClaim, TakeState, WrappedKey,
};
pub use session::{Me, Role};
pub use subscription::{
    CallDocument, DeliveryState, RecordingDocument, TranscriptDocument, WEBHOOK_VERSION,
    WebhookDelivery, WebhookEvent, WebhookEventType, WebhookSubscription,
};
pub use time::Timestamp;
pub use transcript::{
    Sentiment, Transcript, TranscriptFormat, TranscriptSegment, TranscriptUpdate,
};
pub use transfer::{
    Fallback, FallbackAct, Transfer, TransferKind, TransferSeat, TransferStage, TransferUpdate,
};
