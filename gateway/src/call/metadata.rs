//! What a room's metadata says about its call.

use serde_json::Value;
use sidetone_wire::Direction;

/// Metadata longer than this is somebody's own business, not ours.
const LONGEST_BYTES: usize = 64 * 1024;
/// Slugs of tenants and words of campaigns are short.
const LONGEST_WORD: usize = 64;

/// What we read from it; everything else is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// `{"sidetone": false}`: the room is no call.
    pub(crate) opted_out: bool,
    /// `{"tenant": "<slug>"}`.
    pub(crate) tenant: Option<String>,
    /// `{"campaign": "<word>"}`.
    pub(crate) campaign: Option<String>,
    /// `{"direction": "inbound"}` and so on.
    pub(crate) direction: Option<Direction>,
}

impl Metadata {
    /// Reads what is there; metadata that is no JSON object says nothing.
    pub(crate) fn read(text: &str) -> Self {
        if text.len() > LONGEST_BYTES {
            return Self::default();
        }
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            return Self::default();
        };
        let word = |key: &str| object.get(key).and_then(Value::as_str);
        let short = |key: &str| {
            let fits = |word: &&str| {
                (1..=LONGEST_WORD).contains(&word.len()) && !word.contains(char::is_control)
            };
            word(key).filter(fits).map(str::to_owned)
        };
        Self {
            opted_out: object.get("sidetone") == Some(&Value::Bool(false)),
            tenant: short("tenant"),
            campaign: short("campaign"),
            direction: word("direction").and_then(|word| word.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_campaign_direction_and_opting_out_are_read_and_the_rest_is_left_alone() {
        let read = Metadata::read(
            r#"{"tenant": "acme", "campaign": "spring", "direction": "outbound", "x": [1]}"#,
        );
        assert_eq!(read.tenant.as_deref(), Some("acme"));
        assert_eq!(read.campaign.as_deref(), Some("spring"));
        assert_eq!(read.direction, Some(Direction::Outbound));
        assert!(!read.opted_out);
        assert!(Metadata::read(r#"{"sidetone": false}"#).opted_out);
        assert!(!Metadata::read(r#"{"sidetone": true}"#).opted_out);
    }

    #[test]
    fn metadata_of_others_says_nothing() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{",
            "null",
            "[]",
            "7",
            r#"{"tenant": 7, "campaign": "", "direction": "up"}"#,
            &deep,
        ] {
            assert_eq!(Metadata::read(text), Metadata::default());
        }
    }
}
