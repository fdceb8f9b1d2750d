use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;
use sidetone_service::clock;

use super::*;

/// What a vendor may say, whole and broken.
fn words() -> impl Strategy<Value = String> {
    let payload = prop::collection::vec(any::<u8>(), 0..2_000);
    let media = (
        payload,
        any::<Option<i64>>(),
        prop::sample::select(vec!["inbound", "outbound", ""]),
    )
        .prop_map(|(bytes, timestamp, track)| {
            json!({"event": "media", "streamSid": "MZ", "media": {"track": track,
                "timestamp": timestamp, "payload": STANDARD.encode(bytes)}})
            .to_string()
        });
    let fixed = prop::sample::select(vec![
        json!({"event": "start", "streamSid": "MZ", "start": {"callSid": "CA"}}).to_string(),
        json!({"event": "start", "stream_id": "s", "start": {"call_control_id": "c",
            "media_format": {"encoding": "L16", "sample_rate": 48_000}}})
        .to_string(),
        json!({"event": "start", "stream_sid": "e", "start": {"media_format": {"sample_rate": "3"}}})
            .to_string(),
        json!({"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}).to_string(),
        json!({"callSid": "c", "sampleRate": 16_000, "mixType": "stereo"}).to_string(),
        open().to_string(),
        json!({"id": "s", "type": "resumed",
            "parameters": {"start": "PT99S", "discarded": "PT0.01S"}})
        .to_string(),
        json!({"id": "s", "type": "ping"}).to_string(),
        json!({"id": "s", "type": "close"}).to_string(),
        json!({"event": "dtmf"}).to_string(),
        json!({"event": "stop"}).to_string(),
        json!({"event": "nothing that was heard of"}).to_string(),
        "[".repeat(5_000),
    ]);
    prop_oneof![4 => media, 2 => fixed, 1 => any::<String>()]
}

fn open() -> serde_json::Value {
    json!({"id": "s", "type": "open", "seq": 1, "parameters": {"conversationId": "c", "media": [
        {"format": "PCMU", "channels": ["external", "internal"], "rate": 8000}]}})
}

/// Time that passes before a frame: none, a frame's, and more.
fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..40_u64, 1 => 0..20_000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_a_vendor_sends_costs_what_it_may(bytes in prop::collection::vec(any::<u8>(), 0..2_048)) {
        for (_, family) in FAMILIES {
            fuzz(family, &bytes);
        }
    }

    #[test]
    fn whatever_is_said_in_a_stream_has_its_place(frames in prop::collection::vec((words(), wait()), 0..16)) {
        for (_, family) in FAMILIES {
            let origin = clock::now();
            let (mut source, mut now) = (Inward::new(origin, adapter(family)), origin);
            for (text, wait) in &frames {
                now += Duration::from_millis(*wait);
                source.handle_frame(Frame::Text(text), now, &mut Vec::new());
                source.handle_frame(Frame::Binary(text.as_bytes()), now, &mut Vec::new());
                while let Some(slot) = source.lay.pace.pop(now) {
                    prop_assert!(slot.at.since(source.at(now)) < MediaTime::RATE_HZ);
                }
                prop_assert!(source.held_bytes() <= MOST_BYTES);
            }
        }
    }
}

/// Every family with its name.
const FAMILIES: [(&str, Family); 4] = [
    ("media", Family::Media),
    ("jambonz", Family::Jambonz),
    ("audiohook", Family::Audiohook),
    ("audiosocket", Family::Audiosocket),
];

#[test]
fn frames_of_a_byte_and_of_a_mebibyte_cost_what_they_may() {
    for (name, family) in FAMILIES {
        for size in [1, 1 << 20] {
            let origin = clock::now();
            let mut source = Inward::new(origin, adapter(family));
            let start = json!({"event": "start", "streamSid": "MZ", "start": {"callSid": "CA"},
                "callSid": "c", "sampleRate": 48_000, "mixType": "stereo"});
            source.handle_frame(Frame::Text(&start.to_string()), origin, &mut Vec::new());
            let open = open().to_string();
            source.handle_frame(Frame::Text(&open), origin, &mut Vec::new());
            let id = [&[1, 0, 16], [7; 16].as_slice()].concat();
            source.handle_frame(Frame::Binary(&id), origin, &mut Vec::new());
            let payload = STANDARD.encode(vec![0x55_u8; size]);
            let frames = if size == 1 { 2_000 } else { 20 };
            for n in 0..frames {
                let now = origin + Duration::from_millis(n);
                let frame = json!({"event": "media", "media": {"payload": payload}}).to_string();
                source.handle_frame(Frame::Text(&frame), now, &mut Vec::new());
                source.handle_frame(Frame::Binary(&vec![0x55; size]), now, &mut Vec::new());
                while source.lay.pace.pop(now).is_some() {}
                let held = source.held_bytes();
                assert!(held <= MOST_BYTES, "{name}: {held}");
            }
        }
    }
}
