//! OpenAI, realtime transcription.
//!
//! What is said is cut into items, each with its beginning and end; their texts come in pieces, and
//! whole in any order. They are told in the order in which they were said.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sidetone_codec::pcm;
use sidetone_wire::Recogniser;
use tokio_tungstenite::tungstenite::Message;

use super::provider::{self, Heard, Provider, Request, Words};

const MODEL: &str = "gpt-4o-transcribe";
/// Items that are waited for at once: a text that never comes holds up so many.
const ITEMS: usize = 16;
/// An error that says nothing: there was nothing to be understood.
const NOTHING_THERE: &str = "input_audio_buffer_commit_empty";

/// A connection.
pub(super) struct Openai {
    session: Value,
    items: VecDeque<Item>,
}

struct Item {
    id: String,
    from_ms: u64,
    to_ms: u64,
    text: String,
    done: bool,
}

impl Openai {
    pub(super) fn request(recogniser: &Recogniser) -> Option<Request> {
        let parameters = [("intent", Some("transcription"))];
        provider::request(recogniser, "/v1/realtime", &parameters, "Bearer ")
    }

    pub(super) fn new(recogniser: &Recogniser) -> Self {
        let mut transcription = json!({
            "model": recogniser.model.as_deref().unwrap_or(MODEL),
        });
        if let Some(language) = &recogniser.language {
            transcription["language"] = json!(language);
        }
        Self {
            session: json!({"type": "session.update", "session": {
                "type": "transcription",
                "audio": {"input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": transcription,
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                }},
            }}),
            items: VecDeque::new(),
        }
    }

    fn item(&mut self, message: &Value) -> Option<&mut Item> {
        let id = message["item_id"].as_str().filter(|id| id.len() <= 128)?;
        let known = self.items.iter().position(|item| item.id == id);
        let at = known.unwrap_or_else(|| {
            if self.items.len() >= ITEMS {
                self.items.pop_front();
            }
            let before = self.items.back().map_or(0, |item| item.to_ms);
            self.items.push_back(Item {
                id: id.to_owned(),
                from_ms: before,
                to_ms: before,
                text: String::new(),
                done: false,
            });
            self.items.len() - 1
        });
        self.items.get_mut(at)
    }

    /// The first item's text grew.
    fn grown(&self, id: &str, heard: &mut Vec<Heard>) {
        if let Some(item) = self.items.front().filter(|item| item.id == id) {
            heard.extend(item.words(false));
        }
    }

    /// Tells the items that are done, up to the first that is not.
    fn told(&mut self, heard: &mut Vec<Heard>) {
        while let Some(item) = self.items.pop_front_if(|item| item.done) {
            heard.extend(item.words(true));
            heard.push(Heard::Understood {
                until_ms: item.to_ms,
            });
        }
    }

    fn done(&mut self, message: &Value, text: Option<String>, heard: &mut Vec<Heard>) {
        if let Some(item) = self.item(message) {
            item.done = true;
            if let Some(text) = text {
                item.text = text;
            }
        }
        self.told(heard);
    }
}

impl Item {
    fn words(&self, is_final: bool) -> Option<Heard> {
        let text = self.text.trim();
        (!text.is_empty()).then(|| {
            Heard::Words(Words {
                text: text.to_owned(),
                is_final,
                from_ms: self.from_ms,
                to_ms: self.to_ms.max(self.from_ms),
                confidence: None,
            })
        })
    }
}

impl Provider for Openai {
    fn opening(&self) -> Option<String> {
        Some(self.session.to_string())
    }

    fn sound(&self, pcm: &[i16]) -> Message {
        let audio = STANDARD.encode(pcm::to_bytes(pcm));
        let append = json!({"type": "input_audio_buffer.append", "audio": audio});
        Message::text(append.to_string())
    }

    fn flush(&self) -> &'static str {
        r#"{"type":"input_audio_buffer.commit"}"#
    }

    /// It has no word for it.
    fn close(&self) -> Option<&'static str> {
        None
    }

    fn handle_text(&mut self, text: &str, heard: &mut Vec<Heard>) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let time = |name: &str| message[name].as_f64().map(provider::ms);
        match message["type"].as_str() {
            Some("input_audio_buffer.speech_started") => {
                if let (Some(from), Some(item)) = (time("audio_start_ms"), self.item(&message)) {
                    (item.from_ms, item.to_ms) = (from, from.max(item.to_ms));
                }
            }
            Some("input_audio_buffer.speech_stopped") => {
                if let (Some(to), Some(item)) = (time("audio_end_ms"), self.item(&message)) {
                    item.to_ms = to.max(item.from_ms);
                }
            }
            Some("input_audio_buffer.committed") => drop(self.item(&message).is_some()),
            Some("conversation.item.input_audio_transcription.delta") => {
                let delta = message["delta"].as_str().unwrap_or_default();
                if let Some(item) = self.item(&message) {
                    let grown = Value::from(format!("{}{delta}", item.text));
                    item.text = provider::text(&grown);
                    if delta.ends_with(' ') {
                        item.text.push(' ');
                    }
                    self.grown(message["item_id"].as_str().unwrap_or_default(), heard);
                }
            }
            Some("conversation.item.input_audio_transcription.completed") => {
                let text = provider::text(&message["transcript"]);
                self.done(&message, Some(text), heard);
            }
            // it was not understood: what there is of it is all
            Some("conversation.item.input_audio_transcription.failed") => {
                self.done(&message, None, heard);
            }
            Some("error") if message["error"]["code"] != NOTHING_THERE => {
                let why = message["error"]["message"].as_str().unwrap_or("an error");
                heard.push(Heard::Failed {
                    why: provider::why(why),
                });
            }
            Some(_) | None => {}
        }
    }

    fn waits(&self) -> bool {
        !self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::provider::tests::{account, heard, words};
    use super::*;
    use sidetone_wire::ConnectionKind;

    fn event(name: &str, item: &str, more: (&str, Value)) -> Value {
        let mut event = json!({"type": name, "item_id": item});
        event[more.0] = more.1;
        event
    }

    #[test]
    fn items_are_told_in_the_order_in_which_they_were_said() {
        let delta = "conversation.item.input_audio_transcription.delta";
        let completed = "conversation.item.input_audio_transcription.completed";
        let messages = [
            event(
                "input_audio_buffer.speech_started",
                "a",
                ("audio_start_ms", json!(100)),
            ),
            event(
                "input_audio_buffer.speech_stopped",
                "a",
                ("audio_end_ms", json!(900)),
            ),
            event(
                "input_audio_buffer.committed",
                "a",
                ("previous_item_id", Value::Null),
            ),
            event(
                "input_audio_buffer.speech_started",
                "b",
                ("audio_start_ms", json!(2_000)),
            ),
            event(delta, "a", ("delta", json!("It "))),
            event(delta, "b", ("delta", json!("Or"))),
            event(delta, "a", ("delta", json!("is"))),
            event(
                "input_audio_buffer.speech_stopped",
                "b",
                ("audio_end_ms", json!(2_500)),
            ),
            event(completed, "b", ("transcript", json!("Or not."))),
            event(completed, "a", ("transcript", json!("It is late."))),
            json!({"type": "error", "error": {"code": NOTHING_THERE, "message": "empty"}}),
            json!({"type": "error", "error": {"code": "x", "message": "no money"}}),
        ];
        let expected = [
            words("It", false, 100, 900),
            words("It is", false, 100, 900),
            words("It is late.", true, 100, 900),
            Heard::Understood { until_ms: 900 },
            words("Or not.", true, 2_000, 2_500),
            Heard::Understood { until_ms: 2_500 },
            Heard::Failed {
                why: "no money".into(),
            },
        ];
        let mut openai = Openai::new(&account(ConnectionKind::Openai));
        assert_eq!(heard(&mut openai, &messages), expected);
        let session = openai.opening().unwrap();
        assert!(
            session.contains("24000") && session.contains("\"de\""),
            "{session}"
        );
    }

    #[test]
    fn texts_that_never_come_hold_up_so_many() {
        let started = (0..1_000).map(|n| {
            let name = "input_audio_buffer.committed";
            event(name, &format!("i{n}"), ("previous_item_id", Value::Null))
        });
        let started: Vec<Value> = started.collect();
        let mut openai = Openai::new(&account(ConnectionKind::Openai));
        assert!(heard(&mut openai, &started).is_empty());
        assert_eq!(openai.items.len(), ITEMS);
    }
}
