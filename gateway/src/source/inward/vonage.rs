//! Vonage's WebSocket endpoint: a text says `websocket:connected` and the format, then come 20 ms of
//! 16-bit samples in each binary frame. A WebSocket hears the whole conversation, on one track.

use serde_json::Value;
use sidetone_fleet::ingress::Introduction;
use sidetone_wire::Upstream;

use super::adapter::{Adapter, Said, Sound, id_of, introduction, read, word};
use crate::source::listen::format::Format;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Vonage {
    format: Option<Format>,
}

impl Adapter for Vonage {
    fn handle_text(&mut self, text: &str, out: &mut Vec<Said>) {
        let Some(said) = read(text) else { return };
        match said.get("event").and_then(Value::as_str) {
            Some("websocket:connected") if self.format.is_none() => {
                let rate = word(said.get("content-type")).and_then(|content| rate(&content));
                self.format = Format::linear16(rate.unwrap_or(16_000), 1);
                out.push(Said::Here(Box::new(who(&said))));
                if self.format.is_none() {
                    out.push(Said::Deaf("the stream is in a rate that is not understood"));
                }
            }
            Some("websocket:dtmf") if self.format.is_some() => out.push(Said::Key),
            _ => {} // cleared, notifications, what was added since
        }
    }

    fn handle_binary(&mut self, bytes: &[u8], out: &mut Vec<Said>) {
        let Some(format) = self.format else { return };
        out.push(Said::Sound(Sound::counted(format, bytes.to_vec())));
    }
}

/// That of `audio/l16;rate=16000`.
fn rate(content: &str) -> Option<u64> {
    let (_, rate) = content.split_once("rate=")?;
    rate.split(';').next()?.trim().parse().ok()
}

/// The headers that the call's control object has are in the first text, too.
fn who(said: &Value) -> Introduction {
    let names = ["conversation_uuid", "call_uuid", "uuid", "callId"];
    introduction(Upstream::Vonage, id_of(said, &names), said, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn says(vonage: &mut Vonage, text: &Value) -> Vec<Said> {
        let mut out = Vec::new();
        vonage.handle_text(&text.to_string(), &mut out);
        out
    }

    #[test]
    fn sound_is_in_the_format_that_was_told_and_a_key_is_a_key() {
        let mut vonage = Vonage::default();
        let mut out = Vec::new();
        vonage.handle_binary(&[0; 640], &mut out);
        assert_eq!(out, [], "nobody knows yet whose it is");
        let first = json!({"event": "websocket:connected", "content-type": "audio/l16;rate=8000",
            "conversation_uuid": "CON-1", "from": "+4930123456"});
        let said = says(&mut vonage, &first);
        let [Said::Here(who)] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Vonage, "CON-1")
        );
        assert_eq!(who.from.as_deref(), Some("+4930123456"));
        vonage.handle_binary(&[0; 320], &mut out);
        let [Said::Sound(sound)] = out.as_slice() else {
            panic!("{out:?}");
        };
        assert_eq!(Some(sound.format), Format::linear16(8_000, 1));
        assert_eq!(sound.ticks, None);
        let key = json!({"event": "websocket:dtmf", "digit": "5", "duration": 260});
        assert_eq!(says(&mut vonage, &key), [Said::Key]);
        assert_eq!(says(&mut vonage, &first), [], "it said so");
        assert_eq!(
            says(&mut vonage, &json!({"event": "websocket:cleared"})),
            []
        );
    }

    #[test]
    fn two_calls_without_an_id_are_two_calls() {
        let first = json!({"event": "websocket:connected"});
        let id = || {
            let Said::Here(who) = says(&mut Vonage::default(), &first).remove(0) else {
                panic!("nobody is here");
            };
            who.upstream_call_id
        };
        assert_ne!(id(), id());
    }
}
