//! What Retell's monitor socket says of a live call: all that was said when it opens, then what is
//! new or has grown since, and the end.

use serde_json::{Map, Value};
use sidetone_wire::Timestamp;

use super::super::json::{at, str, time};
use super::{conversation, party};
use crate::calls::{CallUpdate, End, Layer, Said, reason};

/// Utterances that are kept of a call, and their bytes: hours of talk. What goes beyond is in the
/// report after the call.
const ITEMS: usize = 4_000;
const BYTES: usize = 512 * 1024;

/// The conversation so far.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// By when they began; those of one moment as they came.
    items: Vec<Item>,
    bytes: usize,
}

#[derive(Debug)]
struct Item {
    id: String,
    seconds: f64,
    said: Value,
    bytes: usize,
}

impl Monitor {
    /// Takes a message that came at `now`; gives what it changes of the call.
    pub(crate) fn handle(&mut self, text: &str, now: Timestamp) -> Option<CallUpdate> {
        let message: Value = serde_json::from_str(text).ok()?;
        let mut update = CallUpdate::at(now);
        match str(&message, &["type"])? {
            "transcript_snapshot" => {
                *self = Self::default();
                self.take(&message);
            }
            "transcript_updated" => self.take(&message),
            "call_ended" => {
                let ended = time(at(&message, &["event_timestamp"]), now);
                let word = str(&message, &["disconnection_reason"]);
                update.end = Some(End::of(ended.or(Some(now)), word, reason::retell));
                return Some(update);
            }
            _ => return None, // what was added since
        }
        let said = self.items.iter().map(|item| item.said.clone()).collect();
        update.said = conversation(Some(&Value::Array(said)), Layer::Conversation);
        (!matches!(update.said, Said::Nothing)).then_some(update)
    }

    /// Whether it holds no more than it may.
    pub(crate) fn is_bounded(&self) -> bool {
        self.items.len() <= ITEMS && self.bytes <= BYTES
    }

    fn take(&mut self, message: &Value) {
        for list in ["pre_session_transcripts", "transcripts"] {
            for item in at(message, &[list])
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.put(item);
            }
        }
        self.items.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    }

    /// Keeps what somebody said: one of the same id is what it was until now.
    fn put(&mut self, item: &Value) {
        let speaker = str(item, &["role"]).filter(|role| party(role).is_some());
        let (Some(_), Some(content)) = (speaker, str(item, &["content"])) else {
            return; // a tool, a node, a digit
        };
        let mut said = Map::new();
        for key in ["role", "content", "words", "time_sec"] {
            if let Some(value) = at(item, &[key]) {
                said.insert(key.to_owned(), value.clone());
            }
        }
        let words = at(item, &["words"]).map_or(0, |words| words.to_string().len());
        let seconds = at(item, &["time_sec"]).and_then(Value::as_f64);
        let new = Item {
            id: match at(item, &["id"]) {
                Some(Value::String(id)) => id.clone(),
                Some(id) => id.to_string(),
                None => format!("#{}", self.items.len()),
            },
            seconds: seconds.unwrap_or(f64::MAX),
            bytes: content.len() + words,
            said: Value::Object(said),
        };
        let known = self.items.iter().rposition(|item| item.id == new.id);
        let former = known.map_or(0, |n| self.items[n].bytes);
        let bytes = self.bytes - former + new.bytes;
        if bytes > BYTES || (known.is_none() && self.items.len() >= ITEMS) {
            return;
        }
        self.bytes = bytes;
        match known {
            Some(n) => self.items[n] = new,
            None => self.items.push(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sidetone_wire::Party;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

    fn texts(update: Option<CallUpdate>) -> Vec<(Party, String, bool, u64)> {
        match update.map(|update| update.said) {
            Some(Said::Whole { spoken, .. }) => spoken
                .into_iter()
                .map(|one| (one.party, one.text, one.is_final, one.start_ms))
                .collect(),
            Some(Said::Nothing | Said::Piece { .. }) | None => Vec::new(),
        }
    }

    fn says(monitor: &mut Monitor, message: &Value) -> Vec<(Party, String, bool, u64)> {
        texts(monitor.handle(&message.to_string(), NOW))
    }

    #[test]
    fn what_grows_replaces_itself_and_what_comes_late_has_its_place() {
        let mut monitor = Monitor::default();
        let first =
            json!({"id": "1", "role": "agent", "content": "Good morning.", "time_sec": 0.5});
        let tool =
            json!({"id": "2", "role": "tool_call_invocation", "name": "look", "time_sec": 1});
        let snapshot = json!({"type": "transcript_snapshot", "transcripts": [first, tool]});
        let agent = (Party::Agent, "Good morning.".to_owned(), false, 500);
        assert_eq!(says(&mut monitor, &snapshot), [agent]);
        let item = |id, role, content, seconds| {
            json!({"type": "transcript_updated", "transcripts":
                [{"id": id, "role": role, "content": content, "time_sec": seconds}]})
        };
        says(&mut monitor, &item("3", "user", "I", 4.0));
        says(&mut monitor, &item("4", "agent", "Yes?", 9.0));
        let all = says(&mut monitor, &item("3", "user", "I want to cancel.", 4.0));
        let all: Vec<_> = all
            .iter()
            .map(|(_, text, last, _)| (&**text, *last))
            .collect();
        let expected = [
            ("Good morning.", true),
            ("I want to cancel.", true),
            ("Yes?", false),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn the_end_is_told_with_when_and_why() {
        let ended = json!({"type": "call_ended", "event_timestamp": 1_789_999_999_000_u64,
            "disconnection_reason": "user_hangup"});
        let update = Monitor::default().handle(&ended.to_string(), NOW).unwrap();
        let end = update.end.unwrap();
        assert_eq!(end.at, Some(Timestamp::from_unix_ms(1_789_999_999_000)));
        assert_eq!(end.code, "user_hangup");
    }

    #[test]
    fn what_is_too_much_is_left_out_and_nonsense_says_nothing() {
        let mut monitor = Monitor::default();
        for text in ["", "[]", "{}", "{\"type\":7}", "{\"type\":\"metadata\"}"] {
            assert!(monitor.handle(text, NOW).is_none(), "{text}");
        }
        for n in 0..2 * ITEMS {
            let item =
                json!({"id": n, "role": "user", "content": "x".repeat(1_000), "time_sec": n});
            let update = json!({"type": "transcript_updated", "transcripts": [item]});
            monitor.handle(&update.to_string(), NOW);
            assert!(monitor.is_bounded());
            if n > 600 {
                break;
            }
        }
        assert!(monitor.items.len() < 600);
    }
}
