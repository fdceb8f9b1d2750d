//! Deepgram, live: version 1 of its protocol, one channel on each connection.

use serde_json::Value;
use sidetone_codec::pcm;
use sidetone_wire::Recogniser;
use tokio_tungstenite::tungstenite::Message;

use super::provider::{self, Heard, Provider, Request, Words};

const MODEL: &str = "nova-3";

/// A connection.
pub(super) struct Deepgram;

impl Deepgram {
    pub(super) fn request(recogniser: &Recogniser) -> Option<Request> {
        let model = recogniser.model.as_deref().unwrap_or(MODEL);
        let parameters = [
            ("model", Some(model)),
            ("language", recogniser.language.as_deref()),
            ("encoding", Some("linear16")),
            ("sample_rate", Some("16000")),
            ("channels", Some("1")),
            ("interim_results", Some("true")),
            ("punctuate", Some("true")),
            ("smart_format", Some("true")),
            ("endpointing", Some("300")),
        ];
        provider::request(recogniser, "/v1/listen", &parameters, "Token ")
    }
}

impl Provider for Deepgram {
    fn sound(&self, pcm: &[i16]) -> Message {
        Message::binary(pcm::to_bytes(pcm))
    }

    /// It closes a connection on which nothing came for ten seconds.
    fn keep_alive(&self) -> Option<&'static str> {
        Some(r#"{"type":"KeepAlive"}"#)
    }

    fn flush(&self) -> &'static str {
        r#"{"type":"Finalize"}"#
    }

    fn close(&self) -> Option<&'static str> {
        Some(r#"{"type":"CloseStream"}"#)
    }

    fn handle_text(&mut self, text: &str, heard: &mut Vec<Heard>) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        match message["type"].as_str() {
            Some("Results") => results(&message, heard),
            // it is sent last
            Some("Metadata") => heard.push(Heard::Done),
            Some("Error") => heard.push(Heard::Failed {
                why: provider::why(message["description"].as_str().unwrap_or("an error")),
            }),
            Some(_) | None => {}
        }
    }
}

fn results(message: &Value, heard: &mut Vec<Heard>) {
    let seconds = |value: &Value| value.as_f64().map(|seconds| provider::ms(seconds * 1000.0));
    let start_ms = seconds(&message["start"]).unwrap_or_default();
    let end_ms = start_ms + seconds(&message["duration"]).unwrap_or_default();
    let end_ms = provider::ms(end_ms as f64);
    let is_final = message["is_final"] == true;
    let best = &message["channel"]["alternatives"][0];
    let text = provider::text(&best["transcript"]);
    if !text.is_empty() {
        let words = best["words"].as_array();
        let first = words.and_then(|words| seconds(&words.first()?["start"]));
        let last = words.and_then(|words| seconds(&words.last()?["end"]));
        let from_ms = first.unwrap_or(start_ms);
        heard.push(Heard::Words(Words {
            text,
            is_final,
            from_ms,
            to_ms: last.unwrap_or(end_ms).max(from_ms),
            confidence: provider::confidence(&best["confidence"]),
        }));
    }
    if is_final {
        heard.push(Heard::Understood { until_ms: end_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::super::provider::tests::{heard, words};
    use super::*;
    use serde_json::json;

    fn result(text: &str, start: f64, duration: f64, is_final: bool) -> Value {
        json!({"type": "Results", "channel_index": [0, 1], "start": start, "duration": duration,
            "is_final": is_final, "speech_final": false,
            "channel": {"alternatives": [{"transcript": text, "words": []}]}})
    }

    #[test]
    fn results_have_their_time_and_silence_is_understood_too() {
        let spoken = json!({"type": "Results", "start": 1.0, "duration": 2.0, "is_final": true,
            "channel": {"alternatives": [{"transcript": "It is late.", "confidence": 0.98765,
                "words": [{"word": "it", "start": 1.5, "end": 1.7},
                    {"word": "late", "start": 2.0, "end": 2.4}]}]}});
        let messages = [
            result("It", 1.0, 0.5, false),
            spoken,
            result("", 3.0, 2.5, true),
            json!({"type": "UtteranceEnd", "last_word_end": 2.4}),
            json!({"type": "Metadata", "request_id": "x"}),
        ];
        let expected = [
            words("It", false, 1_000, 1_500),
            Heard::Words(Words {
                text: "It is late.".into(),
                is_final: true,
                from_ms: 1_500,
                to_ms: 2_400,
                confidence: Some(9_877),
            }),
            Heard::Understood { until_ms: 3_000 },
            Heard::Understood { until_ms: 5_500 },
            Heard::Done,
        ];
        assert_eq!(heard(&mut Deepgram, &messages), expected);
    }
}
