use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;

const NOW: i64 = 1_790_000_100_000;

fn read_value(body: &Value) -> Message {
    read(body.to_string().as_bytes(), Timestamp::from_unix_ms(NOW)).unwrap()
}

fn update_of(body: &Value) -> CallUpdate {
    read_value(body).call.unwrap().1
}

fn message(kind: &str, more: &Value) -> Value {
    let mut message = json!({
        "type": kind, "timestamp": 1_790_000_000_000_i64,
        "call": {"id": "v-1", "type": "outboundPhoneCall", "assistantId": "a-1",
            "createdAt": "2026-09-21T12:26:40.000Z", "customer": {"number": "+4930123456"},
            "monitor": {"listenUrl": "wss://x.vapi.ai/1/listen"}},
    });
    message
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "message": message })
}

#[test]
fn what_is_no_server_message_is_said_so() {
    for body in [
        "",
        "[]",
        "{\"message\":{}}",
        "nonsense",
        "{\"message\":{\"type\":3}}",
    ] {
        assert!(
            read(body.as_bytes(), Timestamp::from_unix_ms(NOW)).is_err(),
            "{body}"
        );
    }
}

#[test]
fn types_that_are_not_known_and_messages_without_a_call_change_nothing() {
    assert!(
        read_value(&message("brand-new-type", &json!({})))
            .call
            .is_none()
    );
    assert!(
        read_value(&json!({"message": {"type": "status-update"}}))
            .call
            .is_none()
    );
    for kind in [
        "speech-update",
        "hang",
        "user-interrupted",
        "model-output",
        "voice-input",
        "assistant.speechStarted",
        "assistant.started",
        "phone-call-control",
    ] {
        let update = update_of(&message(kind, &json!({"status": "started"})));
        assert_eq!(
            (update.phase, &update.said),
            (None, &Said::Nothing),
            "{kind}"
        );
    }
}

#[test]
fn every_message_tells_who_calls_whom() {
    let update = update_of(&message(
        "hang",
        &json!({"phoneNumber": {"number": "+4930999"}}),
    ));
    assert_eq!(update.at.unix_ms(), 1_790_000_000_000);
    assert_eq!(update.direction, Some(Direction::Outbound));
    assert_eq!(update.customer.as_deref(), Some("+4930123456"));
    assert_eq!(update.line.as_deref(), Some("+4930999"));
    assert_eq!(update.agent_id.as_deref(), Some("a-1"));
    assert_eq!(update.created_at.unwrap().unix_ms(), 1_789_993_600_000);
    assert_eq!(
        update.listen_url.unwrap().expose_secret(),
        "wss://x.vapi.ai/1/listen"
    );
}

#[test]
fn a_status_is_a_phase_or_the_end() {
    for (status, phase) in [
        ("scheduled", CallStatus::Connecting),
        ("queued", CallStatus::Connecting),
        ("ringing", CallStatus::Ringing),
        ("in-progress", CallStatus::Connected),
        ("forwarding", CallStatus::Transferring),
    ] {
        let update = update_of(&message("status-update", &json!({"status": status})));
        assert_eq!((update.phase, update.end), (Some(phase), None), "{status}");
    }
    let ended = json!({"status": "ended", "endedReason": "customer-busy"});
    let end = update_of(&message("status-update", &ended)).end.unwrap();
    assert_eq!((end.at, end.code.as_str()), (None, "customer_busy"));
    let update = update_of(&message("status-update", &json!({"status": "later"})));
    assert_eq!((update.phase, update.end), (None, None));
}

#[test]
fn a_transcript_is_a_piece_of_what_a_party_said() {
    for (kind, role, transcript, expected) in [
        ("transcript", "user", "partial", (Party::Customer, false)),
        ("transcript", "assistant", "final", (Party::Agent, true)),
        (
            "transcript[transcriptType=\"final\"]",
            "user",
            "final",
            (Party::Customer, true),
        ),
    ] {
        let more = json!({"role": role, "transcriptType": transcript, "transcript": "Hi"});
        let (party, is_final) = expected;
        let text = "Hi".to_owned();
        assert_eq!(
            update_of(&message(kind, &more)).said,
            Said::Piece {
                party,
                text,
                is_final
            }
        );
    }
}

#[test]
fn a_report_is_read_at_the_message_its_artifact_and_its_call() {
    for nested in [false, true] {
        let media = json!({"stereoRecordingUrl": "https://storage.vapi.ai/s.wav",
        "recordingUrl": "https://storage.vapi.ai/m.wav",
        "messages": [
            {"role": "system", "message": "You are", "secondsFromStart": 0},
            {"role": "bot", "message": "Hello", "secondsFromStart": 1.5, "duration": 800},
            {"role": "user", "message": "Hi", "secondsFromStart": 3, "time": 10, "endTime": 510},
            {"role": "tool_calls", "message": "x"}
        ]});
        let mut more = json!({
            "endedReason": "assistant-ended-call", "cost": 0.2, "startedAt": 1_790_000_001_000_i64,
            "endedAt": "2026-09-21T14:14:21.000Z", "summary": "At the root.",
            "analysis": {"successEvaluation": "true", "structuredData": {"tags": ["a", "b"]}},
        });
        if nested {
            more["artifact"] = media;
        } else {
            more.as_object_mut()
                .unwrap()
                .extend(media.as_object().unwrap().clone());
        }
        let update = update_of(&message("end-of-call-report", &more));
        let end = update.end.unwrap();
        assert_eq!(end.code, "assistant_ended_call");
        assert_eq!(update.started_at.unwrap().unix_ms(), 1_790_000_001_000);
        assert_eq!(end.at.unwrap().unix_ms(), 1_790_000_061_000);
        assert_eq!(update.outcome.as_deref(), Some("successful"));
        assert_eq!(update.tags, ["a", "b"]);
        assert_eq!(update.metadata["summary"], "At the root.");
        assert_eq!(update.metadata["cost"], 0.2);
        assert_eq!(update.recordings.len(), 1);
        assert_eq!(
            update.recordings[0].expose_secret(),
            "https://storage.vapi.ai/s.wav"
        );
        let Said::Whole { layer, spoken } = update.said else {
            panic!("nothing was said");
        };
        assert_eq!(layer, Layer::Report);
        let spans: Vec<_> = spoken
            .iter()
            .map(|s| (s.party, s.start_ms, s.end_ms))
            .collect();
        assert_eq!(
            spans,
            [(Party::Agent, 1500, 2300), (Party::Customer, 3000, 3500)]
        );
    }
}

#[test]
fn a_report_with_one_text_is_read_line_by_line() {
    let more = json!({"artifact": {"transcript": "AI: Hello\nthere\nUser: Hi\n"}});
    let Said::Whole { spoken, .. } = update_of(&message("end-of-call-report", &more)).said else {
        panic!("nothing was said");
    };
    let texts: Vec<_> = spoken.iter().map(|s| (s.party, s.text.trim())).collect();
    assert_eq!(
        texts,
        [(Party::Agent, "Hello there"), (Party::Customer, "Hi")]
    );
}

#[test]
fn what_vapi_asks_for_is_declined_as_it_documents() {
    for kind in [
        "assistant-request",
        "transfer-destination-request",
        "handoff-destination-request",
    ] {
        let answer = read_value(&message(kind, &json!({}))).answer.unwrap();
        assert!(answer["error"].is_string(), "{kind}");
    }
    let calls = json!({"toolCallList": [{"id": "t-1", "name": "book", "parameters": {}}]});
    let answer = read_value(&message("tool-calls", &calls)).answer.unwrap();
    assert_eq!(answer["results"][0]["toolCallId"], "t-1");
    assert!(answer["results"][0]["error"].is_string());
    let answer = read_value(&message("tool-calls", &json!({})))
        .answer
        .unwrap();
    assert_eq!(answer, json!({"results": []}));
    let answer = read_value(&message("knowledge-base-request", &json!({}))).answer;
    assert_eq!(answer, Some(json!({"documents": []})));
    assert_eq!(read_value(&message("hang", &json!({}))).answer, None);
}
