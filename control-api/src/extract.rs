//! Extractors whose refusals are problems.

mod strict;

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, DeserializeSeed as _};
use serde::{Deserialize, Deserializer};

use strict::{NUL, Strict};

use crate::problem::Problem;
use crate::store::Edit;

/// How long a body may take: 1 MiB over the slowest line that anybody still has.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON or a form-encoded body.
pub(crate) struct JsonOrForm<T>(pub(crate) T);

/// A body's bytes, at most as many as the router allows.
pub(crate) struct Body(pub(crate) Bytes);

/// The query's parameters. Unknown ones are refused by the type's `deny_unknown_fields`.
pub(crate) struct Query<T>(pub(crate) T);

/// A field of a body that may be missing, which is not the same as `null`. Needs
/// `#[serde(default)]`.
#[derive(Debug, Default)]
pub(crate) enum Change<T> {
    /// It is missing.
    #[default]
    Stays,
    /// It is given, or `null`.
    Is(Option<T>),
}

impl<T> Change<T> {
    /// The change with what is given made into something else, for the store.
    pub(crate) fn edit<U, E>(
        self,
        make: impl FnOnce(Option<T>) -> Result<Option<U>, E>,
    ) -> Result<Edit<U>, E> {
        match self {
            Self::Stays => Ok(Edit::Stays),
            Self::Is(given) => make(given).map(Edit::Is),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Is)
    }
}

/// Parts of the path. What cannot be such a part does not exist.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_type(request.headers(), "application/json") {
            return Err(unsupported("application/json"));
        }
        let Body(bytes) = Body::from_request(request, state).await?;
        json(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonOrForm<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let form = is_type(request.headers(), "application/x-www-form-urlencoded");
        if !form && !is_type(request.headers(), "application/json") {
            return Err(unsupported(
                "application/json or application/x-www-form-urlencoded",
            ));
        }
        let Body(bytes) = Body::from_request(request, state).await?;
        if form {
            urlencoded(&bytes)
        } else {
            json(&bytes)
        }
        .map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, state));
        body.await
            .map_err(|_| too_slow())?
            .map(Self)
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                status => Problem::new(status, "body_unreadable", rejection.body_text()),
            })
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        urlencoded(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.path().contains("%00") {
            return Err(Problem::not_found("resource")); // no key of ours holds it
        }
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| Problem::not_found("resource"))
    }
}

pub(crate) fn too_large() -> Problem {
    let detail = format!(
        "the body is larger than {} bytes",
        crate::router::BODY_LIMIT
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn too_slow() -> Problem {
    let detail = format!("the body took longer than {BODY_WITHIN:?}");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}

fn unsupported(expected: &str) -> Problem {
    let detail = format!("the body must be {expected}, and its content-type must say so");
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    )
}

fn is_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case(expected)
        })
}

/// Reads a JSON body.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    Strict
        .deserialize(tracked)
        .map_err(|error| unreadable(&track.path().to_string(), &error))?;
    json.end().map_err(|error| {
        let detail = format!("the body goes on after its JSON: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail)
    })?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| unreadable(&error.path().to_string(), error.inner()))
}

fn unreadable(path: &str, error: &serde_json::Error) -> Problem {
    if error.is_syntax() || error.is_eof() {
        let detail = format!("the body is not JSON: {error}");
        return Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail);
    }
    misfit(path, &error.to_string())
}

fn urlencoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(bytes);
    for (name, value) in form_urlencoded::parse(bytes) {
        if name.contains('\0') || value.contains('\0') {
            return Err(misfit(&name, NUL));
        }
    }
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map_err(|error| {
        let path = error.path().to_string();
        misfit(&path, &error.into_inner().to_string())
    })
}

/// The problem for a field that does not fit. Serde names unknown and missing fields in its text
/// only, between backticks.
fn misfit(path: &str, message: &str) -> Problem {
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match named {
        Some(name) if path == "." || path == name || path.is_empty() => name.to_owned(),
        Some(name) if !path.ends_with(name) => format!("{path}.{name}"),
        _ => path.to_owned(),
    };
    // where it stands in the body helps nobody
    let message = message.split(" at line ").next().unwrap_or(message);
    Problem::invalid_field(&field, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is of interest")]
    struct Wanted {
        name: String,
        limit: Option<u8>,
    }

    fn field_of(problem: Problem) -> (u16, String) {
        (
            problem.status.as_u16(),
            problem.errors.into_iter().map(|e| e.field).collect(),
        )
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (body, field) in [
            (r#"{"name": 1}"#, "name"),
            (r#"{"name": "a", "limit": 300}"#, "limit"),
            (r#"{"limit": 3}"#, "name"),
            (r#"{"name": "a", "colour": 3}"#, "colour"),
        ] {
            let problem = json::<Wanted>(body.as_bytes()).unwrap_err();
            assert_eq!(field_of(problem), (422, field.to_owned()), "{body}");
        }
        for (query, field) in [
            ("name=a&limit=x", "limit"),
            ("name=a&limit=300", "limit"),
            ("limit=3", "name"),
            ("name=a&colour=3", "colour"),
            ("name=a&name=b", "name"),
        ] {
            let problem = urlencoded::<Wanted>(query.as_bytes()).unwrap_err();
            assert_eq!(field_of(problem), (422, field.to_owned()), "{query}");
        }
    }

    #[test]
    fn what_could_be_read_two_ways_or_not_be_kept_is_named_also_where_anything_goes() {
        for (body, field) in [
            (r#"{"a": 1, "b": {"c": 1, "c": 2}}"#, "b.c"),
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": [0, "x\u0000"]}"#, "a[1]"),
        ] {
            let problem = json::<serde_json::Value>(body.as_bytes()).unwrap_err();
            assert_eq!(field_of(problem), (422, field.to_owned()), "{body}");
        }
        assert!(json::<serde_json::Value>(br#"[{"a": 1}, {"a": [null, 1.5, true]}]"#).is_ok());
        let problem = urlencoded::<Wanted>(b"name=a%00").unwrap_err();
        assert_eq!(field_of(problem), (422, "name".to_owned()));
    }

    #[test]
    fn json_without_bottom_is_refused() {
        for deep in ["[".repeat(10_000), "{\"a\":".repeat(10_000)] {
            let problem = json::<serde_json::Value>(deep.as_bytes()).unwrap_err();
            assert_eq!(problem.status.as_u16(), 400);
        }
    }

    #[test]
    fn what_is_not_json_at_all_is_a_bad_request() {
        for body in ["{", "", "nonsense", "{\"name\":\"a\"} more"] {
            assert_eq!(
                json::<Wanted>(body.as_bytes()).unwrap_err().status.as_u16(),
                400
            );
        }
    }
}
