use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;

const SENT: i64 = 1_790_000_100_000;

fn read_value(body: &Value) -> Message {
    read(body.to_string().as_bytes(), Timestamp::from_unix_ms(SENT)).unwrap()
}

fn event(name: &str, more: &Value) -> Value {
    let mut call = json!({"call_id": "r-1", "call_type": "phone_call", "direction": "inbound",
        "agent_id": "a-1", "from_number": "+4930123456", "to_number": "+4930888888",
        "start_timestamp": 1_790_000_000_000_i64, "metadata": {"tenant": "acme"}});
    call.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"event": name, "call": call})
}

fn update_of(name: &str, more: &Value) -> CallUpdate {
    read_value(&event(name, more)).call.unwrap().1
}

#[test]
fn what_is_no_webhook_is_said_so_and_unknown_events_change_nothing() {
    for body in ["", "[]", "{}", "{\"event\":1}"] {
        assert!(
            read(body.as_bytes(), Timestamp::from_unix_ms(SENT)).is_err(),
            "{body}"
        );
    }
    assert!(read_value(&event("call_dreamt", &json!({}))).call.is_none());
    assert!(read_value(&json!({"event": "call_started"})).call.is_none());
    assert_eq!(
        read_value(&event("call_started", &json!({})))
            .tenant
            .as_deref(),
        Some("acme")
    );
}

#[test]
fn a_started_call_is_connected_since_its_start() {
    let update = update_of("call_started", &json!({}));
    assert_eq!(update.phase, Some(CallStatus::Connected));
    assert_eq!(update.answered_at.unwrap().unix_ms(), 1_790_000_000_000);
    assert_eq!(update.at.unix_ms(), SENT);
    assert_eq!(
        (update.customer.as_deref(), update.line.as_deref()),
        (Some("+4930123456"), Some("+4930888888"))
    );
    let update = update_of("call_started", &json!({"direction": "outbound"}));
    assert_eq!(update.customer.as_deref(), Some("+4930888888"));
    let update = update_of("call_started", &json!({"call_type": "web_call"}));
    assert_eq!(update.direction, Some(Direction::Web));
}

#[test]
fn a_transfer_comes_and_goes() {
    for (name, phase) in [
        ("transfer_started", Some(CallStatus::Transferring)),
        ("transfer_bridged", Some(CallStatus::Connected)),
        ("transfer_cancelled", Some(CallStatus::Connected)),
        ("transfer_ended", None),
    ] {
        let update = update_of(name, &json!({"transfer_destination": "+4930777"}));
        assert_eq!((update.phase, update.end), (phase, None), "{name}");
        assert_eq!(update.metadata["transferDestination"], "+4930777");
    }
}

#[test]
fn a_transcript_that_goes_on_may_still_grow_at_its_end() {
    let mut body = event("transcript_updated", &json!({}));
    body["transcript_with_tool_calls"] = json!([
        {"role": "agent", "content": "Hello", "words": [
            {"word": "Hello", "start": 0.5, "end": 0.9}]},
        {"role": "tool_call_invocation", "name": "x"},
        {"role": "user", "content": "I", "words": []},
    ]);
    let Said::Whole { layer, spoken } = read_value(&body).call.unwrap().1.said else {
        panic!("nothing was said");
    };
    assert_eq!(layer, Layer::Conversation);
    let found: Vec<_> = spoken
        .iter()
        .map(|s| (s.party, s.text.as_str(), s.is_final, s.start_ms, s.end_ms))
        .collect();
    assert_eq!(
        found,
        [
            (Party::Agent, "Hello", true, 500, 900),
            (Party::Customer, "I", false, 900, 900),
        ]
    );
}

#[test]
fn the_end_and_the_analysis_tell_the_rest() {
    let ended = json!({
        "end_timestamp": 1_790_000_060_000_i64, "disconnection_reason": "dial_no_answer",
        "transcript_object": [{"role": "transfer_target", "content": "Yes", "words": []}],
        "recording_url": "https://r.retellai.com/mono.wav",
        "recording_multi_channel_url": "https://r.retellai.com/multi.wav",
        "call_cost": {"combined_cost": 7},
        "call_analysis": {"call_summary": "Sad.", "user_sentiment": "Negative",
            "call_successful": false, "custom_analysis_data": {"tags": "churn, angry"}},
    });
    for name in ["call_ended", "call_analyzed"] {
        let update = update_of(name, &ended);
        let end = update.end.unwrap();
        assert_eq!(
            (end.at.unwrap().unix_ms(), end.code.as_str()),
            (1_790_000_060_000, "dial_no_answer")
        );
        assert_eq!(update.outcome.as_deref(), Some("unsuccessful"));
        assert_eq!(update.tags, ["churn", "angry"]);
        assert_eq!(update.metadata["sentiment"], "Negative");
        assert_eq!(update.metadata["cost"], 7);
        assert_eq!(
            update.recordings[0].expose_secret(),
            "https://r.retellai.com/multi.wav"
        );
        let Said::Whole { layer, spoken } = update.said else {
            panic!("nothing was said");
        };
        assert_eq!(
            (layer, spoken[0].party, spoken[0].is_final),
            (Layer::Report, Party::Agent, true)
        );
    }
    let by_length = update_of("call_ended", &json!({"duration_ms": 5000}));
    assert_eq!(
        by_length.end.unwrap().at.unwrap().unix_ms(),
        1_790_000_005_000
    );
    let voicemail = json!({"call_analysis": {"in_voicemail": true, "call_successful": true}});
    let update = update_of("call_analyzed", &voicemail);
    assert_eq!(update.outcome.as_deref(), Some("voicemail"));
}
