//! The dashboard, embedded in the binary.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "../dashboard/dist"]
#[allow_missing = true]
struct Dashboard;

/// Shown when the binary was built without the dashboard.
const UNBUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Sidetone</title><h1>Sidetone</h1>\
    <p>The API is running. This binary was built without the dashboard: run \
    <code>npm ci &amp;&amp; npm run build</code> in <code>dashboard/</code> and build again.</p>\
    <p><a href=\"/api/docs\">API</a></p>";

/// A file of the dashboard, or its page: its own routes are the browser's business.
pub(crate) fn serve(path: &str, headers: &HeaderMap) -> Response<Body> {
    let name = path.trim_start_matches('/');
    if let Some(file) = Dashboard::get(name).filter(|_| !name.is_empty()) {
        return answer(name, file, headers);
    }
    if name.starts_with("assets/") || name.rsplit('/').next().is_some_and(|n| n.contains('.')) {
        // an old page that asks for a file of its own build must not get HTML for a script
        return Problem::not_found("file").into_response();
    }
    match Dashboard::get("index.html") {
        Some(page) => answer("index.html", page, headers),
        None => axum::response::Html(UNBUILT).into_response(),
    }
}

fn answer(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response<Body> {
    let etag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    // names below assets/ carry a hash of their content
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.data.into_owned()).into_response()
    };
    let mime = file.metadata.mimetype();
    let mime = match mime {
        "text/html" | "text/css" | "text/javascript" => format!("{mime}; charset=utf-8"),
        _ => mime.to_owned(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(mime) = HeaderValue::from_str(&mime) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}
