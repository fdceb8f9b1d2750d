//! Why calls end: vendors' words, and whose doing that was.

use serde::{Deserialize, Serialize};
use sidetone_wire::{Direction, EndClass, EndReason, Timestamp};

/// Characters of a code.
const CODE_MAX: usize = 64;

/// Whose doing an end was, before it is known who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// Nothing is known.
    Unknown,
    /// It ran its course.
    Completed,
    /// The customer never came, or went silent.
    Customer,
    /// The vendor or the net.
    Upstream,
    /// Us.
    Ours,
}

/// That a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// When, if the vendor says so.
    pub(crate) at: Option<Timestamp>,
    pub(crate) cause: Cause,
    pub(crate) code: String,
}

impl End {
    /// The end that a vendor's word tells of; nothing is known without one.
    pub(crate) fn of(
        at: Option<Timestamp>,
        word: Option<&str>,
        cause: impl Fn(&str) -> Cause,
    ) -> Self {
        let code = word.map_or_else(|| "ended".to_owned(), code);
        let cause = cause(&code);
        Self { at, cause, code }
    }
}

impl Cause {
    /// The reason as the API has it.
    pub(crate) fn reason(self, code: &str, direction: Direction) -> EndReason {
        let class = match (self, direction) {
            (Self::Unknown, _) => EndClass::Unknown,
            (Self::Completed, _) => EndClass::Completed,
            (Self::Customer, Direction::Outbound) => EndClass::Callee,
            (Self::Customer, Direction::Inbound | Direction::Web) => EndClass::Caller,
            (Self::Upstream, _) => EndClass::Upstream,
            (Self::Ours, _) => EndClass::Ours,
        };
        EndReason::new(class, code)
    }
}

/// A vendor's word as a stable snake_case one.
pub(crate) fn code(word: &str) -> String {
    let mut code = String::new();
    for c in word.chars() {
        if c.is_ascii_alphanumeric() {
            code.push(c.to_ascii_lowercase());
        } else if !code.is_empty() && !code.ends_with('_') {
            code.push('_');
        }
        if code.len() == CODE_MAX {
            break;
        }
    }
    let code = code.trim_end_matches('_');
    if code.is_empty() {
        "unknown".to_owned()
    } else {
        code.to_owned()
    }
}

/// Whose doing a Vapi `endedReason` is; `code` is in snake_case. Its words are many and grow, so
/// that families are told by how they begin.
pub(crate) fn vapi(code: &str) -> Cause {
    match code {
        "assistant_ended_call"
        | "assistant_ended_call_after_message_spoken"
        | "assistant_ended_call_with_hangup_task"
        | "assistant_said_end_call_phrase"
        | "assistant_said_message_with_end_call_enabled"
        | "assistant_forwarded_call"
        | "assistant_request_returned_forwarding_phone_number"
        | "customer_ended_call"
        | "customer_ended_call_before_warm_transfer"
        | "customer_ended_call_after_warm_transfer_attempt"
        | "customer_ended_call_during_transfer"
        | "exceeded_max_duration"
        | "manually_canceled"
        | "vonage_completed"
        | "call_in_progress_twilio_completed_call"
        | "call_in_progress_sip_completed_call"
        | "call_ringing_hook_executed_transfer"
        | "call_ringing_hook_executed_say" => Cause::Completed,
        "customer_busy"
        | "customer_did_not_answer"
        | "customer_did_not_give_microphone_permission"
        | "customer_rejected"
        | "silence_timed_out"
        | "voicemail"
        | "twilio_reported_customer_misdialed"
        | "vonage_rejected"
        | "call_ringing_sip_inbound_caller_hungup_before_call_connect" => Cause::Customer,
        _ if VAPI_UPSTREAM.iter().any(|start| code.starts_with(start)) => Cause::Upstream,
        _ => Cause::Unknown,
    }
}

/// How the words begin with which Vapi says that it, a provider of its, or the assistant failed.
const VAPI_UPSTREAM: &[&str] = &[
    "assistant_error",
    "assistant_join_timed_out",
    "assistant_not_",
    "assistant_request_",
    "call_deleted",
    "call_forwarding_",
    "call_in_progress_error",
    "call_in_progress_sip_",
    "call_ringing_",
    "call_start_error",
    "db_error",
    "error_",
    "phone_call_provider_",
    "pipeline_",
    "providerfault_",
    "scheduled_call_",
    "sip_",
    "sip_gateway_",
    "twilio_",
    "unknown_error",
    "vapi",
    "vonage_",
    "worker_",
];

/// Whose doing a Retell `disconnection_reason` is.
pub(crate) fn retell(code: &str) -> Cause {
    match code {
        "user_hangup"
        | "agent_hangup"
        | "call_transfer"
        | "transfer_bridged"
        | "transfer_cancelled"
        | "max_duration_reached"
        | "manual_stopped"
        | "call_take_over" => Cause::Completed,
        "voicemail_reached"
        | "ivr_reached"
        | "inactivity"
        | "dial_busy"
        | "dial_no_answer"
        | "user_declined"
        | "error_user_not_joined"
        | "registered_call_timeout" => Cause::Customer,
        "concurrency_limit_reached"
        | "no_concurrency_fallback"
        | "no_valid_payment"
        | "scam_detected"
        | "marked_as_spam"
        | "dial_failed"
        | "invalid_destination"
        | "telephony_provider_permission_denied"
        | "telephony_provider_unavailable"
        | "sip_routing_error"
        | "error_llm_websocket_open"
        | "error_llm_websocket_lost_connection"
        | "error_llm_websocket_runtime"
        | "error_llm_websocket_corrupt_payload"
        | "error_no_audio_received"
        | "error_asr"
        | "error_retell"
        | "error_unknown" => Cause::Upstream,
        _ => Cause::Unknown,
    }
}

/// Whether an end may be that of the agent's part alone, where a supervisor takes the call over: its
/// word says so, or there is none.
pub(crate) fn is_of_a_part(code: &str) -> bool {
    matches!(code, "call_take_over" | "ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_vapi(word: &str, direction: Direction) -> EndReason {
        let end = End::of(None, Some(word), vapi);
        end.cause.reason(&end.code, direction)
    }

    #[test]
    fn vapis_reasons_have_a_class() {
        let completed = "customer-ended-call assistant-ended-call assistant-forwarded-call \
            assistant-said-end-call-phrase exceeded-max-duration manually-canceled \
            call.in-progress.twilio-completed-call";
        let customer = "customer-busy customer-did-not-answer voicemail silence-timed-out \
            customer-did-not-give-microphone-permission";
        let upstream = "pipeline-error-openai-llm-failed call.start.error-get-org \
            call.in-progress.error-vapifault-worker-died phone-call-provider-closed-websocket \
            call.in-progress.error-providerfault-transport-never-connected \
            twilio-failed-to-connect-call assistant-not-found assistant-request-failed \
            sip-telephony-provider-failed-to-connect-call worker-shutdown";
        for (words, class) in [
            (completed, EndClass::Completed),
            (customer, EndClass::Callee),
            (upstream, EndClass::Upstream),
            ("something-new", EndClass::Unknown),
        ] {
            for word in words.split_whitespace() {
                let reason = of_vapi(word, Direction::Outbound);
                assert_eq!(reason.class, class, "{word}");
                assert!(!reason.code.contains(['-', '.']), "{}", reason.code);
            }
        }
        for direction in [Direction::Inbound, Direction::Web] {
            let reason = of_vapi("silence-timed-out", direction);
            assert_eq!(
                reason,
                EndReason::new(EndClass::Caller, "silence_timed_out")
            );
        }
    }

    #[test]
    fn every_reason_of_retells_has_a_class() {
        let completed = "user_hangup agent_hangup call_transfer transfer_bridged \
            transfer_cancelled max_duration_reached manual_stopped call_take_over";
        let customer = "voicemail_reached ivr_reached inactivity dial_busy dial_no_answer \
            user_declined error_user_not_joined registered_call_timeout";
        let upstream = "concurrency_limit_reached no_concurrency_fallback no_valid_payment \
            scam_detected dial_failed invalid_destination telephony_provider_permission_denied \
            telephony_provider_unavailable sip_routing_error marked_as_spam \
            error_llm_websocket_open error_llm_websocket_lost_connection \
            error_llm_websocket_runtime error_llm_websocket_corrupt_payload \
            error_no_audio_received error_asr error_retell error_unknown";
        for (words, cause) in [
            (completed, Cause::Completed),
            (customer, Cause::Customer),
            (upstream, Cause::Upstream),
            ("abducted_by_aliens", Cause::Unknown),
        ] {
            for word in words.split_whitespace() {
                assert_eq!(End::of(None, Some(word), retell).cause, cause, "{word}");
            }
        }
    }

    #[test]
    fn whatever_a_vendor_says_becomes_a_word() {
        for (word, expected) in [
            ("Something NEW--happened.", "something_new_happened"),
            ("  ", "unknown"),
            ("ü", "unknown"),
            ("a\0b", "a_b"),
        ] {
            assert_eq!(code(word), expected);
        }
        assert_eq!(code(&"x".repeat(1000)).len(), CODE_MAX);
        assert_eq!(End::of(None, None, retell).code, "ended");
    }
}
