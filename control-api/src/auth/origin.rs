//! Which pages may act here.

use axum::http::{HeaderMap, header};

/// Our own origin and those of `CORS_ORIGINS`.
pub(crate) struct Origins {
    own: String,
    others: Vec<String>,
}

impl Origins {
    pub(crate) fn new(public_url: &str, others: &[String]) -> Self {
        let plain = |origin: &String| origin.trim_end_matches('/').to_lowercase();
        Self {
            own: public_url.to_lowercase(),
            others: others.iter().map(plain).collect(),
        }
    }

    /// Whether the page that sent the request may. A request without an origin comes from no page.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Ok(origin) = origin.to_str().map(str::to_lowercase) else {
            return false;
        };
        if origin == self.own || self.others.contains(&origin) {
            return true;
        }
        // our own page under whatever name it was reached, without a proxy that changes it
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let from = origin.split_once("://").map(|(_, host)| host);
        matches!((host, from), (Some(host), Some(from)) if host.eq_ignore_ascii_case(from))
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
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true),
            (Some("https://evil.example"), "calls.example", false),
            (Some("https://calls.example.evil"), "calls.example", false),
            (Some("null"), "calls.example", false),
        ] {
            assert_eq!(origins.allow(&headers(origin, host)), may, "{origin:?}");
        }
    }
}
