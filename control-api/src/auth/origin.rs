//! Which pages may act here.

use axum::http::{HeaderMap, header};

use super::cookies;

/// Our own origin and those of `CORS_ORIGINS`.
///
/// Browsers write an origin in one way only (RFC 6454 section 6.2: lower case, no default port, no
/// path), so it is compared byte by byte: what is written otherwise comes from no browser.
pub(crate) struct Origins {
    own: String,
    /// `http` or `https`: how we are reached, under whatever name.
    scheme: String,
    others: Vec<String>,
}

impl Origins {
    pub(crate) fn new(public_url: &str, others: &[String]) -> Self {
        let plain = |origin: &String| origin.trim_end_matches('/').to_lowercase();
        Self {
            own: public_url.to_lowercase(),
            scheme: public_url
                .split_once("://")
                .map_or("http", |(scheme, _)| scheme)
                .to_lowercase(),
            others: others.iter().map(plain).collect(),
        }
    }

    /// Whether the page that sent the request may. A request without an origin comes from no page.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = given.next() else {
            return true;
        };
        let (Ok(origin), None) = (origin.to_str(), given.next()) else {
            return false;
        };
        if origin == self.own || self.others.iter().any(|other| other == origin) {
            return true;
        }
        // our own page under whatever name it was reached, without a proxy that changes it
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let from = origin.split_once("://");
        matches!((host, from), (Some(host), Some((scheme, from)))
            if host == from && scheme == self.scheme)
    }

    /// Whether a WebSocket may be opened, or a Socket.IO connection begun. A browser always says
    /// which page opens a WebSocket; without that, a session's cookie is worth nothing here.
    pub(crate) fn allow_socket(&self, headers: &HeaderMap, upgrades: bool) -> bool {
        let by_cookie = !headers.contains_key(header::AUTHORIZATION)
            && cookies::read(headers, cookies::SESSION).is_some();
        let nameless = !headers.contains_key(header::ORIGIN);
        self.allow(headers) && !(upgrades && by_cookie && nameless)
    }

    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(origin: Option<&'static str>, host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn own_pages_and_listed_ones_may_others_may_not() {
        let origins = Origins::new(
            "https://calls.example",
            &["https://desk.example".to_owned()],
        );
        for (origin, host, may) in [
            (None, "calls.example", true),
            (Some("https://calls.example"), "10.0.0.1:8080", true),
            (Some("https://desk.example"), "calls.example", true),
            (Some("https://10.0.0.1:8080"), "10.0.0.1:8080", true),
            (Some("http://10.0.0.1:8080"), "10.0.0.1:8080", false),
            (Some("HTTPS://calls.example"), "calls.example", false),
            (Some("https://evil.example"), "calls.example", false),
            (Some("https://calls.example.evil"), "calls.example", false),
            (Some("null"), "calls.example", false),
        ] {
            assert_eq!(origins.allow(&headers(origin, host)), may, "{origin:?}");
        }
    }
}
