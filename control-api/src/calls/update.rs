//! What one report says of a call.

use std::fmt;

use secrecy::SecretString;
use serde_json::{Map, Value};
use sidetone_wire::{CallStatus, Direction, Timestamp};

use super::reason::{End, code};
use super::redact::{Redaction, may_hold};
use super::transcript::Said;

/// Characters of a name, number or id that are kept.
const TEXT_MAX: usize = 256;
/// Characters of a tag.
const TAG_MAX: usize = 64;
/// Tags that one report may add.
const TAGS_MAX: usize = 32;
/// Bytes of one entry of the metadata; larger ones are left out.
const ENTRY_MAX: usize = 32 * 1024;
/// Entries of the metadata that a vendor makes of what was said. The others are facts of the call,
/// its tenant's own words, and whom it was transferred to.
const OF_WHAT_WAS_SAID: [&str; 7] = [
    "summary",
    "structuredData",
    "structuredDataMulti",
    "successEvaluation",
    "structuredOutputs",
    "scorecards",
    "collectedVariables",
];

/// What one report says of a call. What it does not say is `None` or empty.
#[derive(Clone, Default)]
pub(crate) struct CallUpdate {
    /// When that was so, by the vendor's clock; when it arrived, where the vendor does not say.
    pub(crate) at: Timestamp,
    pub(crate) direction: Option<Direction>,
    /// The customer's number or name in the net.
    pub(crate) customer: Option<String>,
    /// The tenant's number.
    pub(crate) line: Option<String>,
    pub(crate) customer_name: Option<String>,
    pub(crate) agent_id: Option<String>,
    pub(crate) agent_name: Option<String>,
    /// Where it stands; never `Ended`, which is [`Self::end`].
    pub(crate) phase: Option<CallStatus>,
    /// When it was made, which may be before anything rang.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) end: Option<End>,
    pub(crate) said: Said,
    pub(crate) outcome: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Map<String, Value>,
    /// Where the vendor keeps its recording.
    pub(crate) recordings: Vec<SecretString>,
    pub(crate) listen_url: Option<SecretString>,
    pub(crate) control_url: Option<SecretString>,
    /// Its upstream brings its sound.
    pub(crate) streams: bool,
}

impl fmt::Debug for CallUpdate {
    /// Nothing of who called and what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallUpdate")
            .field("at", &self.at)
            .field("phase", &self.phase)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl CallUpdate {
    /// That it is there, at a time.
    pub(crate) fn at(at: Timestamp) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    /// Notes a further fact, unless it is nothing or too large to be kept.
    pub(crate) fn note(&mut self, key: &str, value: Option<&Value>) {
        let Some(value) = value.filter(|value| !is_nothing(value)) else {
            return;
        };
        let value = clean_value(value.clone());
        if value.to_string().len() <= ENTRY_MAX {
            self.metadata.insert(key.to_owned(), value);
        }
    }

    /// Adds labels: a list of words, or one text with commas.
    pub(crate) fn tag(&mut self, value: Option<&Value>) {
        let words: Vec<&str> = match value {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text.split(',').collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                return;
            }
        };
        for word in words {
            let Some(tag) = short(word, TAG_MAX) else {
                continue;
            };
            if self.tags.len() < TAGS_MAX && !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
    }
}

impl CallUpdate {
    /// Whether what was made of a conversation may have a number in it that is not to be kept.
    pub(crate) fn may_hold_numbers(&self) -> bool {
        let mut words = self.outcome.iter().chain(&self.tags);
        let mut entries = self.metadata.iter();
        words.any(|word| may_hold(word))
            || entries.any(|(key, value)| is_of_what_was_said(key) && value_may_hold(value))
    }

    /// Leaves such numbers out of it. What was said itself is looked at where it is put together.
    pub(crate) fn redact(&mut self, redaction: Redaction) {
        if let Some(text) = self.outcome.as_deref().and_then(|word| redaction.of(word)) {
            self.outcome = Some(code(&text));
        }
        for tag in &mut self.tags {
            if let Some(text) = redaction.of(tag) {
                *tag = text;
            }
        }
        for (key, value) in &mut self.metadata {
            if is_of_what_was_said(key) {
                redact_value(value, redaction);
            }
        }
    }
}

fn is_of_what_was_said(key: &str) -> bool {
    OF_WHAT_WAS_SAID.contains(&key)
}

fn value_may_hold(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => !number.is_f64(),
        Value::String(text) => may_hold(text),
        Value::Array(items) => items.iter().any(value_may_hold),
        Value::Object(entries) => entries.values().any(value_may_hold),
    }
}

fn redact_value(value: &mut Value, redaction: Redaction) {
    let left = match value {
        Value::Null | Value::Bool(_) => None,
        Value::Number(number) if number.is_f64() => None, // a score, a share
        Value::Number(number) => redaction.of(&number.to_string()),
        Value::String(text) => redaction.of(text),
        Value::Array(items) => {
            for item in items {
                redact_value(item, redaction);
            }
            None
        }
        Value::Object(entries) => {
            for value in entries.values_mut() {
                redact_value(value, redaction);
            }
            None
        }
    };
    if let Some(text) = left {
        *value = Value::String(text);
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Without NUL characters, which no PostgreSQL text can hold.
fn clean_value(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "")),
        Value::Array(items) => items.into_iter().map(clean_value).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key.replace('\0', ""), clean_value(value)))
            .collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// A name, number or id as it is kept; `None` when nothing is left of it.
pub(crate) fn text(text: &str) -> Option<String> {
    short(text, TEXT_MAX)
}

fn short(text: &str, most: usize) -> Option<String> {
    let kept: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_come_as_list_or_text_and_are_kept_short_and_once() {
        let mut update = CallUpdate::at(Timestamp::from_unix_ms(1));
        update.tag(Some(&json!(["vip", " vip ", "", 3, "x".repeat(100)])));
        update.tag(Some(&json!("refund, vip")));
        update.tag(Some(&json!(7)));
        assert_eq!(
            update.tags,
            ["vip".to_owned(), "x".repeat(64), "refund".to_owned()]
        );
        let many: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
        update.tag(Some(&json!(many)));
        assert_eq!(update.tags.len(), TAGS_MAX);
    }

    #[test]
    fn numbers_are_left_out_of_what_was_made_of_a_conversation_and_of_nothing_else() {
        let card = "card 4111 1111 1111 1111, thanks";
        let facts = json!({"number": "+49301234567", "card": "4111111111111111"});
        let mut update = CallUpdate::at(Timestamp::from_unix_ms(1));
        update.outcome = Some("paid_by_4111111111111111".to_owned());
        update.tag(Some(&json!(["vip", "4111111111111111"])));
        update.note("summary", Some(&json!(card)));
        update.note(
            "structuredData",
            Some(
                &json!({"card": 4_111_111_111_111_111_u64, "cents": 1999, "score": 0.123_456_789,
                "said": [{"text": "four triple one, 1111 1111 1111"}, true, null],
                "callback": "030 1234567"}),
            ),
        );
        update.note("transferDestination", Some(&facts));
        assert!(update.may_hold_numbers());
        update.redact(Redaction {
            cards: true,
            phones: false,
        });
        assert_eq!(update.outcome.as_deref(), Some("paid_by_card_number"));
        assert_eq!(update.tags, ["vip", "[card number]"]);
        let expected = json!({"summary": "card [card number], thanks",
            "structuredData": {"card": "[card number]", "cents": 1999, "score": 0.123_456_789,
                "said": [{"text": "[card number]"}, true, null],
                "callback": "030 1234567"},
            "transferDestination": facts});
        assert_eq!(Value::from(update.metadata.clone()), expected);
        update.redact(Redaction {
            cards: true,
            phones: true,
        });
        let data = &update.metadata["structuredData"];
        assert_eq!(data["callback"], "[phone number]");
        assert_eq!(update.metadata["transferDestination"], facts);
        let mut plain = CallUpdate::at(Timestamp::from_unix_ms(1));
        plain.note(
            "summary",
            Some(&json!({"text": "All is well.", "good": true})),
        );
        plain.note("cost", Some(&json!(1.25)));
        assert!(!plain.may_hold_numbers());
    }

    #[test]
    fn what_no_database_can_hold_is_left_out() {
        let mut update = CallUpdate::at(Timestamp::from_unix_ms(1));
        update.note("summary", Some(&json!({"a\0": ["b\0c"]})));
        update.note("empty", Some(&json!("")));
        update.note("large", Some(&json!("x".repeat(ENTRY_MAX))));
        assert_eq!(
            Value::from(update.metadata),
            json!({"summary": {"a": ["bc"]}})
        );
        assert_eq!(text(" a\0b\n ").as_deref(), Some("ab"));
        assert_eq!(text("\0"), None);
    }
}
