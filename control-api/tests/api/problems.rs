use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::{World, answer};

#[tokio::test]
async fn every_refusal_is_a_problem_with_a_code() {
    let world = World::new().await;
    let admin = world.admin().await;
    let json_type = "application/json";
    let users = |content_type: &str, body: String| {
        admin
            .request(Method::POST, "/api/users")
            .header("content-type", content_type)
            .body(body)
    };
    for (request, status, code) in [
        (admin.request(Method::GET, "/api/nothing"), 404, "not_found"),
        (admin.request(Method::GET, "/api"), 404, "not_found"),
        (
            admin.request(Method::GET, "/api/calls/not-an-id"),
            404,
            "not_found",
        ),
        (
            admin.request(Method::DELETE, "/api/calls"),
            405,
            "method_not_allowed",
        ),
        (
            users(json_type, "x".repeat((1 << 20) + 1)),
            413,
            "body_too_large",
        ),
        (
            users("text/plain", "{}".to_owned()),
            415,
            "unsupported_media_type",
        ),
        (users(json_type, "{".to_owned()), 400, "invalid_json"),
        (users(json_type, "[]".to_owned()), 422, "validation_failed"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{code}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], code);
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:sidetone:problem:{code}"));
        assert!(body["title"].is_string() && body["detail"].is_string());
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let world = World::new().await;
    let admin = world.admin().await;
    let blanks = " ".repeat((1 << 20) - 2);
    let request = admin
        .request(Method::PUT, "/api/me/profile")
        .header("content-type", "application/json")
        .body(format!("{{{blanks}}}"));
    assert_eq!(answer(request).await.0, StatusCode::OK);
}

/// Routes of the contract that this version has.
const ROUTES: &[(&str, &str)] = &[
    ("post", "/api/auth/login"),
    ("post", "/api/login"),
    ("post", "/api/auth/logout"),
    ("post", "/api/logout"),
    ("get", "/api/me"),
    ("put", "/api/me/profile"),
    ("put", "/api/me/password"),
    ("post", "/api/auth/switch"),
    ("post", "/api/register"),
    ("get", "/api/api-keys"),
    ("post", "/api/api-keys"),
    ("delete", "/api/api-keys/{id}"),
    ("get", "/api/invites"),
    ("post", "/api/invites"),
    ("delete", "/api/invites/{id}"),
    ("get", "/api/users"),
    ("post", "/api/users"),
    ("get", "/api/users/{id}"),
    ("patch", "/api/users/{id}"),
    ("delete", "/api/users/{id}"),
    ("get", "/api/clients"),
    ("post", "/api/clients"),
    ("get", "/api/branches"),
    ("post", "/api/branches"),
    ("get", "/api/branches/{id}"),
    ("patch", "/api/branches/{id}"),
    ("delete", "/api/branches/{id}"),
    ("get", "/api/phone-numbers"),
    ("post", "/api/phone-numbers"),
    ("get", "/api/phone-numbers/{id}"),
    ("patch", "/api/phone-numbers/{id}"),
    ("delete", "/api/phone-numbers/{id}"),
    ("get", "/api/connections"),
    ("post", "/api/connections"),
    ("get", "/api/connections/{id}"),
    ("patch", "/api/connections/{id}"),
    ("delete", "/api/connections/{id}"),
    ("post", "/api/connections/{id}/test"),
    ("get", "/api/clients/{id}"),
    ("patch", "/api/clients/{id}"),
    ("delete", "/api/clients/{id}"),
    ("get", "/api/clients/{id}/members"),
    ("post", "/api/clients/{id}/members"),
    ("patch", "/api/clients/{id}/members/{userId}"),
    ("delete", "/api/clients/{id}/members/{userId}"),
    ("get", "/api/calls"),
    ("post", "/api/calls"),
    ("get", "/api/calls/{id}/transcript"),
    ("get", "/api/calls/{id}/metadata"),
    ("get", "/api/calls/active"),
    ("get", "/api/calls/active/count"),
    ("get", "/api/calls/active/{id}"),
    ("get", "/api/calls/{id}"),
    ("post", "/api/calls/{id}/listen"),
    ("delete", "/api/calls/{id}/listen"),
    ("post", "/api/calls/{id}/talk"),
    ("post", "/api/calls/{id}/takeover"),
    ("post", "/api/{client}/calls/{id}/takeover"),
    ("post", "/api/{client}/calls/{id}/force-transfer"),
    ("post", "/api/calls/{id}/handback"),
    ("post", "/api/calls/{id}/mute"),
    ("post", "/api/calls/{id}/transfer"),
    ("delete", "/api/calls/{id}/transfer"),
    ("post", "/api/calls/{id}/transfer/join"),
    ("post", "/api/calls/{id}/transfer/complete"),
    ("post", "/api/calls/{id}/whisper"),
    ("post", "/api/calls/{id}/end"),
    ("get", "/api/calls/{id}/recordings"),
    ("get", "/api/recordings/{id}"),
    ("get", "/api/recordings/{id}/audio"),
    ("head", "/api/recordings/{id}/audio"),
    ("delete", "/api/recordings/{id}"),
    ("put", "/api/recordings/{id}/hold"),
    ("get", "/api/recordings/backlog"),
    ("post", "/api/calls/{id}/recording/pause"),
    ("post", "/api/calls/{id}/recording/resume"),
    ("put", "/api/calls/{id}/consent"),
    ("get", "/api/retention"),
    ("get", "/api/supervision/fallback"),
    ("put", "/api/supervision/fallback"),
    ("put", "/api/retention"),
    ("get", "/api/audit"),
    ("get", "/api/audit/verify"),
    ("post", "/api/webhooks/recording/{client}"),
    ("delete", "/api/alert-rules/{id}"),
    ("delete", "/api/campaigns/{id}"),
    ("delete", "/api/webhook-subscriptions/{id}"),
    ("get", "/api/agents"),
    ("get", "/api/agents/available"),
    ("get", "/api/agents/me"),
    ("get", "/api/alert-rules"),
    ("get", "/api/alert-rules/{id}"),
    ("get", "/api/alerts"),
    ("get", "/api/calls/{id}/actions"),
    ("get", "/api/calls/{id}/annotations"),
    ("get", "/api/calls/{id}/feedback"),
    ("get", "/api/calls/{id}/live"),
    ("get", "/api/campaigns"),
    ("get", "/api/campaigns/{id}"),
    ("get", "/api/me/preferences"),
    ("get", "/api/webhook-subscriptions"),
    ("get", "/api/webhook-subscriptions/{id}"),
    ("get", "/api/webhook-subscriptions/{id}/deliveries"),
    ("get", "/api/whisper-pills"),
    ("patch", "/api/alert-rules/{id}"),
    ("patch", "/api/campaigns/{id}"),
    ("patch", "/api/webhook-subscriptions/{id}"),
    ("post", "/api/alert-rules"),
    ("post", "/api/alert-rules/preview"),
    ("post", "/api/alerts/{id}/ack"),
    ("post", "/api/alerts/{id}/snooze"),
    ("post", "/api/calls/{id}/annotations"),
    ("post", "/api/calls/{id}/feedback"),
    ("post", "/api/campaigns"),
    ("post", "/api/webhook-subscriptions"),
    (
        "post",
        "/api/webhook-subscriptions/{id}/deliveries/{delivery}/replay",
    ),
    ("post", "/api/webhook-subscriptions/{id}/rotate-secret"),
    ("post", "/api/webhook-subscriptions/{id}/test"),
    ("put", "/api/agents/status"),
    ("put", "/api/calls/{id}/campaign"),
    ("put", "/api/calls/{id}/live/coaching"),
    ("put", "/api/calls/{id}/live/metrics"),
    ("put", "/api/calls/{id}/live/next-actions"),
    ("put", "/api/calls/{id}/live/objectives"),
    ("put", "/api/calls/{id}/live/phases"),
    ("put", "/api/calls/{id}/live/sentiment"),
    ("put", "/api/calls/{id}/live/system"),
    ("put", "/api/calls/{id}/tags"),
    ("put", "/api/me/preferences"),
    ("put", "/api/whisper-pills"),
    ("get", "/api/dashboard/health"),
    ("get", "/api/dashboard/metrics"),
    ("get", "/api/dashboard/active-calls"),
    ("get", "/api/dashboard/recent-calls"),
    ("get", "/api/dashboard/agent-performance"),
    ("get", "/api/dashboard/calls-per-hour"),
    ("get", "/api/dashboard/export"),
    ("get", "/api/analytics/duration"),
    ("get", "/api/analytics/peaks"),
    ("get", "/api/analytics/concurrency"),
    ("get", "/api/analytics/utilization"),
    ("get", "/api/analytics/tags"),
    ("get", "/api/analytics/feedback"),
    ("get", "/api/ws"),
    ("get", "/listen/{token}"),
    ("post", "/api/webhooks/livekit"),
    ("post", "/api/webhooks/vapi/{client}"),
    ("post", "/api/webhooks/retell/{client}"),
    ("post", "/api/calls/webhook/started"),
    ("get", "/api/openapi.json"),
    ("get", "/api/docs"),
    ("get", "/api/docs/page.js"),
];

#[tokio::test]
async fn the_description_has_every_route_and_every_route_is_there() {
    let world = World::new().await;
    let (status, api) = answer(world.request(Method::GET, "/api/openapi.json")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["tags"][0].is_string(), "{method} {path}");
            described.push((method.clone(), path.clone()));
        }
    }
    let mut expected: Vec<(String, String)> = ROUTES
        .iter()
        .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    described.sort();
    expected.sort();
    assert_eq!(described, expected);
    for (method, path) in described {
        let path = path.replace("{id}", "0190aaaa-0000-7000-8000-000000000000");
        let path = path.replace("{client}", "default");
        let path = path.replace("{userId}", "0190aaaa-0000-7000-8000-000000000000");
        let path = path.replace("{delivery}", "0190aaaa-0000-7000-8000-000000000000");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let (status, body) = answer(world.request(method.clone(), &path)).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_ne!(body["detail"], "there is no such route", "{method} {path}");
    }
    assert_dangling_free(&api);
}

/// Every `$ref` leads somewhere.
fn assert_dangling_free(api: &Value) {
    let mut open = vec![api];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.trim_start_matches('#');
                    assert!(api.pointer(pointer).is_some(), "{reference}");
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let world = World::new().await;
    for path in ["/", "/history", "/api/docs", "/api/docs/page.js"] {
        let response = world.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(policy.contains("connect-src 'self' ws://127.0.0.1:7880 http://127.0.0.1:7880;"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let text = response.text().await.unwrap();
        for elsewhere in ["src=\"http", "href=\"http", "//cdn", "<script>"] {
            assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
    let missing = world.request(Method::GET, "/assets/old-build.js");
    assert_eq!(answer(missing).await.0, StatusCode::NOT_FOUND);
    let written = world.request(Method::POST, "/history");
    assert_eq!(answer(written).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn other_origins_may_call_the_api_only_when_they_are_listed() {
    let world = World::with(&[("CORS_ORIGINS", "https://desk.example")]).await;
    for (origin, allowed) in [
        ("https://desk.example", true),
        ("https://evil.example", false),
    ] {
        let response = world
            .request(Method::OPTIONS, "/api/calls")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization")
            .send()
            .await
            .unwrap();
        let answer = response.headers().get("access-control-allow-origin");
        assert_eq!(answer.is_some_and(|value| value == origin), allowed);
        assert!(
            response
                .headers()
                .get("access-control-allow-credentials")
                .is_none()
        );
    }
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_can_read_it() {
    let world = World::new().await;
    let response = world
        .request(Method::GET, "/api/openapi.json")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
}
