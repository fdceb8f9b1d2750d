//! The dashboard's cookies: the session, which scripts cannot read, and the word that proves that a
//! write comes from our own page, which only our own page's scripts can.

use axum::http::{HeaderMap, HeaderValue, header};

/// The session token.
pub(crate) const SESSION: &str = "sidetone_session";
/// The word to be sent as [`CSRF_HEADER`] with every write.
pub(crate) const CSRF: &str = "sidetone_csrf";
/// The header that carries the word.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// The value of a cookie of the request.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// The two cookies of a session that lasts `seconds`; 0 takes them away.
pub(crate) fn set(session: &str, csrf: &str, seconds: u64, secure: bool) -> [HeaderValue; 2] {
    let end = if secure { "; Secure" } else { "" };
    let cookie = |name: &str, value: &str, script: &str| {
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Strict{script}{end}");
        HeaderValue::from_str(&text).expect("tokens are visible ASCII")
    };
    [
        cookie(SESSION, session, "; HttpOnly"),
        cookie(CSRF, csrf, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=2=3"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=4"));
        assert_eq!(read(&headers, "a"), Some("1"));
        assert_eq!(read(&headers, "b"), Some("2=3"));
        assert_eq!(read(&headers, "c"), Some("4"));
        assert_eq!(read(&headers, "d"), None);
    }

    #[test]
    fn the_session_is_hidden_from_scripts_and_from_other_sites() {
        let [session, csrf] = set("token", "word", 60, true);
        let session = session.to_str().unwrap();
        for part in [
            "HttpOnly",
            "SameSite=Strict",
            "Secure",
            "Max-Age=60",
            "Path=/",
        ] {
            assert!(session.contains(part), "{session}");
        }
        assert!(!csrf.to_str().unwrap().contains("HttpOnly"));
    }
}
