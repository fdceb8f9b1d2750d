//! Events: what gateways and recorders report about calls.

use serde::{Deserialize, Serialize};

use crate::{
    Backlog, CallId, Capability, Direction, EndReason, Levels, Party, RecordingId, Timestamp,
    Upstream, UserId,
};

/// Everything a gateway knows about a call's circumstances. Sent whole whenever a part changes:
/// applying it twice, or only the last one, gives the same row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// Where it lives.
    pub upstream: Upstream,
    /// Its id there.
    pub upstream_call_id: String,
    /// The tenant's slug, if the call itself says so (room metadata).
    pub tenant: Option<String>,
    /// The campaign's word, if the call itself says so (room metadata).
    #[serde(default)]
    pub campaign: Option<String>,
    /// Who began it.
    pub direction: Direction,
    /// Who calls.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// The customer's name.
    pub customer_name: Option<String>,
    /// The agent's identity.
    pub agent_id: Option<String>,
    /// The agent's name.
    pub agent_name: Option<String>,
    /// The room, for calls in LiveKit.
    pub livekit_room_name: Option<String>,
    /// When the call began.
    pub started_at: Timestamp,
    /// When customer and agent were first there together.
    pub answered_at: Option<Timestamp>,
    /// What may be done to it.
    pub capabilities: Vec<Capability>,
}

/// Something that was said in a call, as it was understood.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// Names it within its call: one that comes again replaces the former.
    pub id: String,
    /// Who said it.
    pub party: Party,
    /// What was understood.
    pub text: String,
    /// When it began, about.
    pub from: Timestamp,
    /// When it ended, about.
    pub to: Timestamp,
    /// How sure the recogniser is, in ten-thousandths.
    #[serde(default)]
    pub confidence: Option<u16>,
}

impl std::fmt::Debug for Utterance {
    /// Nothing of what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Utterance")
            .field("id", &self.id)
            .field("party", &self.party)
            .finish_non_exhaustive()
    }
}

/// What happened to a call. Kept until the control plane has taken it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CallEvent {
    /// The call is there, or something about it changed.
    Facts(CallFacts),
    /// A take began.
    RecordingStarted {
        /// The take.
        recording: RecordingId,
        /// Start of its first sample.
        started_at: Timestamp,
    },
    /// A take was paused where the call is, by a rule: nothing of it is kept from here on.
    RecordingPaused {
        /// The take.
        recording: RecordingId,
        /// When.
        at: Timestamp,
        /// The rule's name, for example `rule:dtmf`.
        by: String,
    },
    /// Something of a take that goes on is being lost, or no longer.
    RecordingDegraded {
        /// The take.
        recording: RecordingId,
        /// Whether it is.
        degraded: bool,
    },
    /// A take ended; its file is being made.
    RecordingEnded {
        /// The take.
        recording: RecordingId,
    },
    /// A take could not be made or kept.
    RecordingFailed {
        /// The take.
        recording: RecordingId,
        /// For the operator.
        error: String,
    },
    /// Somebody said something, and it will not be understood otherwise any more.
    Said(Utterance),
    /// A supervisor's connection to the monitor room is gone for good.
    ListenerLeft {
        /// Who.
        user: UserId,
    },
    /// The supervisor who had the call can no longer be heard: the agent has it again.
    SupervisorLost {
        /// Who.
        user: UserId,
        /// Their monitor room: another one of the same person may have the call by now.
        room: String,
    },
    /// The call is not heard as it should be, and why; or it is again.
    Degraded {
        /// For the operator.
        reason: Option<String>,
    },
    /// The call is over.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        reason: EndReason,
    },
}

/// A call's event with its place in the call's history. Delivered at least once; the consumer
/// applies it unless it has seen this `(fence, seq)` or a later one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    /// The call.
    pub call: CallId,
    /// Fencing number of the lease under which it was sent.
    pub fence: u64,
    /// Counts the events of a call under one lease, from 1.
    pub seq: u64,
    /// What happened.
    pub event: CallEvent,
}

/// What is worth knowing only now: may be lost, is never repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Signal {
    /// Loudness and who speaks, at most 4 a second and call.
    Levels {
        /// The call.
        call: CallId,
        /// How loud.
        levels: Levels,
        /// Who speaks.
        current_speaker: Option<Party>,
    },
    /// Somebody says something, as it is understood by now: at most 4 a second and speaker.
    Saying {
        /// The call.
        call: CallId,
        /// So far.
        utterance: Utterance,
    },
    /// The gateway's LiveKit link: why it cannot work, or `None` when it can.
    LivekitLink {
        /// For the operator: the setting and what the server answered.
        problem: Option<String>,
    },
    /// How far takes are on their way to the store; every few seconds.
    Backlog(Backlog),
}
