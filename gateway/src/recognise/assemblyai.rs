//! AssemblyAI, streaming: version 3 of its protocol.
//!
//! A turn comes in versions, then as it ended, then once more with its punctuation: the last one is
//! the final one.

use serde_json::Value;
use sidetone_codec::pcm;
use sidetone_wire::Recogniser;
use tokio_tungstenite::tungstenite::Message;

use super::provider::{self, Heard, Provider, Request, Words};

/// A connection.
#[derive(Default)]
pub(super) struct Assemblyai {
    /// The turn that goes on, or lacks its punctuation.
    open: Option<(u64, Words)>,
    /// Turns below are over.
    over: u64,
}

impl Assemblyai {
    pub(super) fn request(recogniser: &Recogniser) -> Option<Request> {
        let parameters = [
            ("sample_rate", Some("16000")),
            ("encoding", Some("pcm_s16le")),
            ("format_turns", Some("true")),
            ("speech_model", recogniser.model.as_deref()),
            ("language", recogniser.language.as_deref()),
        ];
        provider::request(recogniser, "/v3/ws", &parameters, "")
    }

    fn turn(&mut self, message: &Value, heard: &mut Vec<Heard>) {
        let number = message["turn_order"].as_u64().unwrap_or_default();
        if number < self.over {
            return;
        }
        if self.open.as_ref().is_some_and(|(open, _)| *open != number) {
            self.close(heard);
        }
        let text = provider::text(&message["transcript"]);
        let Some(words) = message["words"].as_array().filter(|_| !text.is_empty()) else {
            return;
        };
        let time = |word: Option<&Value>, name| word.and_then(|word| word[name].as_f64());
        let from_ms = provider::ms(time(words.first(), "start").unwrap_or_default());
        let to_ms = provider::ms(time(words.last(), "end").unwrap_or_default());
        let sure = words
            .iter()
            .filter_map(|word| provider::confidence(&word["confidence"]));
        let sure: Vec<u32> = sure.map(u32::from).collect();
        let mean = sure.iter().sum::<u32>() / u32::try_from(sure.len()).unwrap_or(1).max(1);
        let mut spoken = Words {
            text,
            is_final: false,
            from_ms,
            to_ms: to_ms.max(from_ms),
            confidence: (!sure.is_empty()).then_some(mean as u16),
        };
        if message["end_of_turn"] == true && message["turn_is_formatted"] == true {
            spoken.is_final = true;
            self.open = Some((number, spoken));
            return self.close(heard);
        }
        heard.push(Heard::Words(spoken.clone()));
        self.open = Some((number, spoken));
    }

    fn close(&mut self, heard: &mut Vec<Heard>) {
        if let Some((number, words)) = self.open.take() {
            self.over = number.saturating_add(1);
            let until_ms = words.to_ms;
            heard.push(Heard::Words(Words {
                is_final: true,
                ..words
            }));
            heard.push(Heard::Understood { until_ms });
        }
    }
}

impl Provider for Assemblyai {
    fn sound(&self, pcm: &[i16]) -> Message {
        Message::binary(pcm::to_bytes(pcm))
    }

    fn flush(&self) -> &'static str {
        r#"{"type":"ForceEndpoint"}"#
    }

    fn close(&self) -> Option<&'static str> {
        Some(r#"{"type":"Terminate"}"#)
    }

    fn handle_text(&mut self, text: &str, heard: &mut Vec<Heard>) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        if let Some(error) = message["error"].as_str() {
            let why = provider::why(error);
            return heard.push(Heard::Failed { why });
        }
        match message["type"].as_str() {
            Some("Turn") => self.turn(&message, heard),
            Some("Termination") => {
                self.close(heard);
                heard.push(Heard::Done);
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::provider::tests::{heard, words};
    use super::*;
    use serde_json::json;

    fn turn(number: u64, text: &str, to: u64, ends: bool, formatted: bool) -> Value {
        json!({"type": "Turn", "turn_order": number, "transcript": text, "end_of_turn": ends,
            "turn_is_formatted": formatted, "words": [{"text": text, "start": 100, "end": to}]})
    }

    #[test]
    fn a_turn_is_final_when_it_has_its_punctuation_or_the_next_one_begins() {
        let messages = [
            json!({"type": "Begin", "id": "x", "expires_at": 1}),
            turn(0, "it is", 500, false, false),
            turn(0, "it is late", 900, true, false),
            turn(0, "It is late.", 900, true, true),
            turn(0, "It is late.", 900, true, true),
            turn(1, "or not", 1_500, true, false),
            turn(2, "well", 1_900, false, false),
            json!({"type": "Termination", "audio_duration_seconds": 2}),
        ];
        let understood = |until_ms| Heard::Understood { until_ms };
        let expected = [
            words("it is", false, 100, 500),
            words("it is late", false, 100, 900),
            words("It is late.", true, 100, 900),
            understood(900),
            words("or not", false, 100, 1_500),
            words("or not", true, 100, 1_500),
            understood(1_500),
            words("well", false, 100, 1_900),
            words("well", true, 100, 1_900),
            understood(1_900),
            Heard::Done,
        ];
        assert_eq!(heard(&mut Assemblyai::default(), &messages), expected);
        let refused = [json!({"error": "Not authorized"})];
        let why = "Not authorized".to_owned();
        let heard = heard(&mut Assemblyai::default(), &refused);
        assert_eq!(heard, [Heard::Failed { why }]);
    }
}
