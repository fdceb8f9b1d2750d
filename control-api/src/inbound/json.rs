//! Reading JSON of others leniently: what is missing or of another kind is not there.

use serde_json::Value;
use sidetone_wire::Timestamp;

use crate::calls::update;

/// How far a vendor's clock may be ahead of ours: what claims more counts as that.
const AHEAD_MS: i64 = 300_000;
/// Numbers below are seconds, others milliseconds: 1973 in milliseconds, the year 5138 in seconds.
const SECONDS_BELOW: f64 = 1e11;

/// What is at the end of a path of keys, unless it is `null`.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let found = path.iter().try_fold(value, |value, key| value.get(key))?;
    (!found.is_null()).then_some(found)
}

/// The first of several places that is there.
pub(super) fn first<'a>(places: &[Option<&'a Value>]) -> Option<&'a Value> {
    places.iter().copied().flatten().next()
}

/// A short text there: a name, an id, a number.
pub(super) fn text(value: &Value, path: &[&str]) -> Option<String> {
    update::text(at(value, path)?.as_str()?)
}

/// A text there, as it is.
pub(super) fn str<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path)?.as_str()
}

/// A time there: milliseconds or seconds since 1970, or RFC 3339.
pub(super) fn time(value: Option<&Value>, now: Timestamp) -> Option<Timestamp> {
    let value = value?;
    let at = match value.as_f64() {
        Some(number) if number <= 0.0 || !number.is_finite() => return None,
        Some(seconds) if seconds < SECONDS_BELOW => {
            Timestamp::from_unix_ms((seconds * 1000.0) as i64)
        }
        Some(ms) => Timestamp::from_unix_ms(ms as i64),
        None => serde_json::from_value(value.clone()).ok()?,
    };
    Some(at.min(Timestamp::from_unix_ms(now.unix_ms() + AHEAD_MS)))
}

/// Seconds there, as milliseconds.
pub(super) fn seconds_ms(value: Option<&Value>) -> Option<u64> {
    let seconds = value?.as_f64().filter(|seconds| seconds.is_finite())?;
    Some((seconds.max(0.0) * 1000.0).round() as u64)
}

/// The outcome as a word.
pub(super) fn outcome(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let word = match value {
        Value::Bool(true) => "successful",
        Value::Bool(false) => "unsuccessful",
        Value::String(text) => match text.trim() {
            "" => return None,
            text if text.eq_ignore_ascii_case("true") => "successful",
            text if text.eq_ignore_ascii_case("false") => "unsuccessful",
            text => return Some(crate::calls::reason::code(text)),
        },
        Value::Number(number) => return Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_come_in_three_ways() {
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let expected = Some(Timestamp::from_unix_ms(1_761_825_600_500));
        for value in [
            json!(1_761_825_600_500_i64),
            json!(1_761_825_600.5),
            json!("2025-10-30T12:00:00.500Z"),
        ] {
            assert_eq!(time(Some(&value), now), expected, "{value}");
        }
        for value in [json!("soon"), json!(-5), json!([]), json!(true)] {
            assert_eq!(time(Some(&value), now), None, "{value}");
        }
        let far = time(Some(&json!(9_999_999_999_999_i64)), now).unwrap();
        assert_eq!(far.unix_ms(), now.unix_ms() + AHEAD_MS);
    }

    #[test]
    fn an_outcome_is_a_word() {
        for (value, expected) in [
            (json!(true), Some("successful")),
            (json!("false"), Some("unsuccessful")),
            (json!("Appointment booked!"), Some("appointment_booked")),
            (json!(8), Some("8")),
            (json!(" "), None),
            (json!({}), None),
        ] {
            assert_eq!(outcome(Some(&value)).as_deref(), expected, "{value}");
        }
    }
}
