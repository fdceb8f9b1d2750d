//! Which bytes are wanted: `Range`, `If-Range`, `If-None-Match`.

use axum::http::{HeaderMap, HeaderName, header};

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything.
    All,
    /// From `first` to `last`, both included.
    Part { first: u64, last: u64 },
    /// Bytes that are not there, or several ranges, which we do not serve.
    Nothing,
}

/// Whether the client says that it has exactly this (`If-None-Match`, weak comparison).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    text(headers, &header::IF_NONE_MATCH).is_some_and(|value| {
        value
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

/// What is to be sent of a file of `length` bytes.
pub(super) fn wanted(headers: &HeaderMap, etag: &str, length: u64) -> Wanted {
    let Some(range) = text(headers, &header::RANGE) else {
        return Wanted::All;
    };
    if text(headers, &header::IF_RANGE).is_some_and(|known| known.trim() != etag) {
        return Wanted::All; // it has an older one: parts of two files do not fit together
    }
    let Some((unit, ranges)) = range.split_once('=') else {
        return Wanted::All;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::All; // a unit that we do not know counts as not said
    }
    if ranges.contains(',') {
        return Wanted::Nothing;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else {
        return Wanted::All;
    };
    part(first, last, length)
}

fn part(first: &str, last: &str, length: u64) -> Wanted {
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                return Wanted::All; // not a range at all
            }
            if first >= length {
                return Wanted::Nothing;
            }
            let last = last.map_or(length - 1, |last| last.min(length - 1));
            Wanted::Part { first, last }
        }
        (Some(None), Some(Some(suffix))) => {
            if suffix == 0 || length == 0 {
                return Wanted::Nothing;
            }
            Wanted::Part {
                first: length.saturating_sub(suffix),
                last: length - 1,
            }
        }
        _ => Wanted::All,
    }
}

/// `None` when it is no number, `Some(None)` when it is empty. More than fits is as much as fits.
#[expect(
    clippy::option_option,
    reason = "absent and wrong are different things here"
)]
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const ETAG: &str = "\"abc\"";

    fn of(range: &'static str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static(range));
        wanted(&headers, ETAG, 100)
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let part = |first, last| Wanted::Part { first, last };
        assert_eq!(of("bytes=0-9"), part(0, 9));
        assert_eq!(of("bytes=90-"), part(90, 99));
        assert_eq!(of("bytes=-10"), part(90, 99));
        assert_eq!(of("bytes=-1000"), part(0, 99));
        assert_eq!(of("bytes=50-1000"), part(50, 99));
        assert_eq!(of("bytes=0-99999999999999999999999"), part(0, 99));
        assert_eq!(of("Bytes = 1 - 2"), part(1, 2));
        assert_eq!(of("bytes=100-"), Wanted::Nothing);
        assert_eq!(of("bytes=-0"), Wanted::Nothing);
        assert_eq!(of("bytes=0-1,5-6"), Wanted::Nothing);
        for nonsense in ["bytes=9-1", "lines=1-2", "bytes", "bytes=a-b", "bytes=-"] {
            assert_eq!(of(nonsense), Wanted::All, "{nonsense}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_not_sent() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-9"));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"old\""));
        assert_eq!(wanted(&headers, ETAG, 100), Wanted::All);
        headers.insert(header::IF_RANGE, HeaderValue::from_static(ETAG));
        assert_eq!(
            wanted(&headers, ETAG, 100),
            Wanted::Part { first: 0, last: 9 }
        );
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for (value, known) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"x\"", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(is_known(&headers, ETAG), known, "{value}");
        }
    }
}
