//! `/api/openapi.json`, `/api/docs`: the API's description, for programs and for people.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::router;

/// The description, made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| router::document().to_string());

/// The API's description
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "docs", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")),
)]
pub(crate) async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}

/// The API's description, readable
///
/// Loads nothing from elsewhere.
#[utoipa::path(
    get, path = "/api/docs", tag = "docs", security(()),
    responses((status = 200, description = "A page", content_type = "text/html")),
)]
pub(crate) async fn docs() -> Html<&'static str> {
    Html(include_str!("docs/page.html"))
}

/// The script of that page
#[utoipa::path(
    get, path = "/api/docs/page.js", tag = "docs", security(()),
    responses((status = 200, description = "A script", content_type = "text/javascript")),
)]
pub(crate) async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("docs/page.js"),
    )
}
