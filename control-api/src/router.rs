//! Every route, and what lies around all of them.

mod described;
mod roles;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use socketioxide::layer::SocketIoLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use tower_http::cors::CorsLayer;
use tracing::error;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::livekit::Livekit;
use crate::observe::observe;
use crate::problem::Problem;
use crate::{assets, auth, numbers, routes as r};

/// Bytes of a request's body.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sidetone",
        description = "Supervisors see, hear and act on live calls. Errors are RFC 9457 problems; \
            lists are `{items, nextCursor}`; times are RFC 3339 in UTC; ids are UUIDv7.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Security),
    security(("bearer" = []), ("cookie" = []))
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The `access_token` of a login, or an API key `stk_…`.",
            ))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(
            auth::cookies::SESSION,
            "Set by a login. Writes must send the cookie `sidetone_csrf` as `x-csrf-token`.",
        );
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The routes of the API with their description.
fn api() -> OpenApiRouter<Arc<App>> {
    people(OpenApiRouter::with_openapi(Document::openapi()))
        .routes(routes!(r::branches::list, r::branches::create))
        .routes(routes!(
            r::branches::one,
            r::branches::update,
            r::branches::remove
        ))
        .routes(routes!(r::phone_numbers::list, r::phone_numbers::create))
        .routes(routes!(
            r::phone_numbers::one,
            r::phone_numbers::update,
            r::phone_numbers::remove
        ))
        .routes(routes!(r::connections::list, r::connections::create))
        .routes(routes!(
            r::connections::one,
            r::connections::update,
            r::connections::remove
        ))
        .routes(routes!(r::connections::test))
        .routes(routes!(r::calls::list, r::register::register))
        .routes(routes!(r::calls::active))
        .routes(routes!(r::calls::active_count))
        .routes(routes!(r::calls::active_one))
        .routes(routes!(r::calls::one))
        .routes(routes!(r::transcript::transcript))
        .routes(routes!(r::transcript::metadata))
        .routes(routes!(r::listen::listen, r::listen::unlisten))
        .routes(routes!(r::listen_proxy::listen))
        .routes(routes!(r::recordings::of_call))
        .routes(routes!(r::recordings::one, r::erasure::erase))
        .routes(routes!(r::erasure::hold))
        .routes(routes!(r::backlog::backlog))
        .routes(routes!(r::pausing::pause))
        .routes(routes!(r::pausing::resume))
        .routes(routes!(r::consent::set))
        .routes(routes!(r::retention::get, r::retention::set))
        .merge(control())
        .merge(notes())
        .merge(watch())
        .routes(routes!(r::audio::audio))
        .routes(routes!(r::dashboard::health))
        .routes(routes!(r::dashboard::metrics))
        .routes(routes!(r::dashboard::active_calls))
        .routes(routes!(r::dashboard::recent_calls))
        .routes(routes!(r::dashboard::agent_performance))
        .routes(routes!(r::dashboard::calls_per_hour))
        .routes(routes!(r::export::export))
        .routes(routes!(r::analytics::duration))
        .routes(routes!(r::analytics::peaks))
        .routes(routes!(r::analytics::concurrency))
        .routes(routes!(r::analytics::utilization))
        .routes(routes!(r::analytics::tags))
        .routes(routes!(r::analytics::feedback))
        .routes(routes!(r::websocket::connect))
        .routes(routes!(r::webhook_livekit::livekit))
        .routes(routes!(r::webhook_recording::recording))
        .routes(routes!(r::webhook_vapi::vapi))
        .routes(routes!(r::webhook_retell::retell))
        .routes(routes!(r::webhook_retell::started))
        .routes(routes!(r::docs::openapi))
        .routes(routes!(r::docs::docs))
        .routes(routes!(r::docs::script))
}

/// Who may do what, and what they did.
fn people(router: OpenApiRouter<Arc<App>>) -> OpenApiRouter<Arc<App>> {
    router
        .routes(routes!(r::login::login))
        .routes(routes!(r::login::login_short))
        .routes(routes!(r::logout::logout))
        .routes(routes!(r::logout::logout_short))
        .routes(routes!(r::me::me))
        .routes(routes!(r::me::update_profile))
        .routes(routes!(r::password::change))
        .routes(routes!(r::switch::switch))
        .routes(routes!(r::sign_up::register))
        .routes(routes!(r::api_keys::list, r::api_keys::create))
        .routes(routes!(r::api_keys::revoke))
        .routes(routes!(r::invites::list, r::invites::create))
        .routes(routes!(r::invites::revoke))
        .routes(routes!(r::users::list, r::users::create))
        .routes(routes!(r::users::one, r::users::update, r::users::remove))
        .routes(routes!(r::clients::list, r::clients::create))
        .routes(routes!(
            r::clients::one,
            r::clients::update,
            r::clients::remove
        ))
        .routes(routes!(r::members::list, r::members::add))
        .routes(routes!(r::members::update, r::members::remove))
        .routes(routes!(r::audit::list))
        .routes(routes!(r::audit::verify))
}

/// Who has a call, who speaks in it, and who is heard.
fn control() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(r::takeover::take_over))
        .routes(routes!(r::takeover::take_over_of))
        .routes(routes!(r::takeover::force_transfer))
        .routes(routes!(r::takeover::hand_back))
        .routes(routes!(r::talk::talk))
        .routes(routes!(r::talk::mute))
        .routes(routes!(r::talk::end))
        .routes(routes!(r::whisper::whisper))
        .routes(routes!(r::transfer::transfer, r::transfer_talk::take_back))
        .routes(routes!(r::transfer_talk::join))
        .routes(routes!(r::transfer_talk::complete))
        .routes(routes!(r::fallback::get, r::fallback::set))
}

/// What people write about calls, and how they like to see them.
fn notes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(r::annotations::list, r::annotations::create))
        .routes(routes!(r::feedback::list, r::feedback::create))
        .routes(routes!(r::tags::set))
        .routes(routes!(r::tags::actions))
        .routes(routes!(r::tags::set_campaign))
        .routes(routes!(r::pills::get, r::pills::set))
        .routes(routes!(r::pills::preferences, r::pills::set_preferences))
        .routes(routes!(r::campaigns::list, r::campaigns::create))
        .routes(routes!(
            r::campaigns::one,
            r::campaigns::update,
            r::campaigns::remove
        ))
}

/// What is watched, and who is told.
fn watch() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(r::agents::list))
        .routes(routes!(r::agents::me))
        .routes(routes!(r::agents::available))
        .routes(routes!(r::agents::set_status))
        .routes(routes!(r::live::get))
        .routes(routes!(r::live::metrics))
        .routes(routes!(r::live::phases))
        .routes(routes!(r::live::objectives))
        .routes(routes!(r::live::next_actions))
        .routes(routes!(r::live::coaching))
        .routes(routes!(r::live::sentiment))
        .routes(routes!(r::live::system))
        .routes(routes!(r::alert_rules::list, r::alert_rules::create))
        .routes(routes!(r::alert_rules::preview_rule))
        .routes(routes!(
            r::alert_rules::one,
            r::alert_rules::update,
            r::alert_rules::remove
        ))
        .routes(routes!(r::alerts::list))
        .routes(routes!(r::alerts::acknowledge))
        .routes(routes!(r::alerts::snooze))
        .routes(routes!(r::subscriptions::list, r::subscriptions::create))
        .routes(routes!(
            r::subscriptions::one,
            r::subscriptions::update,
            r::subscriptions::remove
        ))
        .routes(routes!(r::subscriptions::rotate))
        .routes(routes!(r::subscriptions::test))
        .routes(routes!(r::subscriptions::deliveries))
        .routes(routes!(r::subscriptions::replay))
}

/// The description of the API.
pub(crate) fn document() -> serde_json::Value {
    let mut api = api().into_openapi();
    roles::declare(&mut api);
    let mut document = serde_json::to_value(api).expect("the document is plain data");
    described::complete(&mut document);
    document
}

/// The whole public listener.
pub(crate) fn router(app: &Arc<App>, sockets: SocketIoLayer) -> Router {
    let (routes, _) = api().split_for_parts();
    let compression = CompressionLayer::new().gzip(true).compress_when(
        // audio is compressed already, and ranges of it must stay what they are
        DefaultPredicate::new().and(NotForContentType::const_new("audio/")),
    );
    let check_query =
        middleware::from_fn_with_state(described::known(&document()), described::check_query);
    let router = routes
        .route_layer(check_query)
        .fallback(fallback)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(numbers::answer))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            security_headers,
        ))
        .layer(compression)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(observe))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(sockets)
        .layer(middleware::from_fn_with_state(app.clone(), origin))
        .with_state(app.clone());
    match cors(app) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

async fn fallback(method: Method, uri: Uri, request: Request) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        return Problem::not_found("route").into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return method_not_allowed().await.into_response();
    }
    assets::serve(path, request.headers())
}

async fn method_not_allowed() -> Problem {
    let detail = "this route does not take that method; the header Allow says which it takes";
    Problem::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        detail,
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the layer gives it away")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    error!(panic = text, "a request handler panicked");
    Problem::internal().into_response()
}

/// Refuses sockets that another page opens, before there is a connection to speak of.
async fn origin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let upgrades = headers.contains_key(header::UPGRADE);
    let sockets = upgrades || request.uri().path().starts_with("/socket.io");
    if sockets && !app.origins.allow_socket(headers, upgrades) {
        let detail = "this page may not connect here";
        return Problem::forbidden("origin_not_allowed", detail).into_response();
    }
    next.run(request).await
}

async fn security_headers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let set = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("permissions-policy"),
            "microphone=(self), camera=(), geolocation=()",
        ),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = content_security_policy(app.livekit.as_ref().map(Livekit::ws_url));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What our pages may load and talk to: themselves and the SFU.
fn content_security_policy(livekit: Option<&str>) -> String {
    let mut connect = String::from("'self'");
    let parts = livekit.and_then(|url| url.split_once("://"));
    if let Some((scheme, rest)) = parts {
        let host = rest.split('/').next().unwrap_or(rest);
        // the client asks over HTTP why a WebSocket was refused
        let http = if scheme == "wss" { "https" } else { "http" };
        connect = format!("'self' {scheme}://{host} {http}://{host}");
    }
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; media-src 'self' blob:; \
         worker-src 'self' blob:; manifest-src 'self'; connect-src {connect}; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Lets pages of the allowed origins call the API with a bearer token; cookies stay ours.
fn cors(app: &App) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = app
        .origins
        .others()
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(methods)
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::RANGE])
            .expose_headers([
                header::CONTENT_RANGE,
                header::CONTENT_DISPOSITION,
                header::ETAG,
                header::RETRY_AFTER,
            ]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_may_talk_to_themselves_and_the_sfu_only() {
        let policy = content_security_policy(Some("wss://sfu.example:7880/path"));
        assert!(
            policy.contains("connect-src 'self' wss://sfu.example:7880 https://sfu.example:7880;")
        );
        assert!(policy.contains("script-src 'self';"));
        assert!(content_security_policy(None).contains("connect-src 'self';"));
    }
}
