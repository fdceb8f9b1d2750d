use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_wire::{CallId, ConnectionKind, Hidden, Recogniser};

use crate::world::{User, World};

async fn add(user: &User, body: &Value) -> Value {
    let (status, connection) = user.post("/api/connections", body).await;
    assert_eq!(status, StatusCode::CREATED, "{connection}");
    connection
}

fn vapi(name: &str) -> Value {
    json!({"kind": "vapi", "name": name, "credentials": {"apiKey": "key-that-is-secret"},
        "webhook": {"scheme": "hmac", "secret": "webhook-secret-1", "signatureHeader": "x-vapi-sig"},
        "settings": {"region": "eu"}})
}

#[tokio::test]
async fn a_connections_secrets_go_in_and_never_come_out() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = add(&admin, &vapi("Main")).await;
    assert_eq!(made["hasCredentials"], true);
    assert_eq!(made["hasSecret"], true);
    assert_eq!(made["webhook"]["signatureHeader"], "x-vapi-sig");
    let url = made["webhookUrl"].as_str().unwrap();
    assert!(url.ends_with("/api/webhooks/vapi/default"), "{url}");
    let path = format!("/api/connections/{}", made["id"].as_str().unwrap());
    let patch = json!({"name": "Main 2", "webhook": {"scheme": "vapi_secret"}});
    let (status, changed) = admin.patch(&path, &patch).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(
        (&changed["name"], &changed["hasSecret"]),
        (&json!("Main 2"), &json!(true))
    );
    for path in [
        &*path,
        "/api/connections",
        "/api/connections?kind=vapi",
        "/api/audit",
    ] {
        let text = admin.read(path).await.to_string();
        for secret in ["key-that-is-secret", "webhook-secret-1"] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
    assert_eq!(
        admin.read("/api/connections?kind=retell").await["items"],
        json!([])
    );
    let (_, changed) = admin.patch(&path, &json!({"credentials": null})).await;
    assert_eq!(changed["hasCredentials"], false);
    let (status, _) = admin.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(&path).await.0, StatusCode::NOT_FOUND);
    let audit = admin.read("/api/audit").await.to_string();
    for action in [
        "connection.added",
        "connection.changed",
        "connection.removed",
    ] {
        assert!(audit.contains(action), "{action}");
    }
}

#[tokio::test]
async fn only_admins_change_connections_and_only_their_own() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = add(&admin, &vapi("Main")).await;
    let path = format!("/api/connections/{}", made["id"].as_str().unwrap());
    let other = world.tenant(&admin, "other").await;
    assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        other.patch(&path, &json!({"name": "x"})).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        other.send(Method::DELETE, &path).await.0,
        StatusCode::NOT_FOUND
    );
    let test = format!("{path}/test");
    assert_eq!(other.post(&test, &json!({})).await.0, StatusCode::NOT_FOUND);
    let supervisor = world.user(&admin, "sue", "supervisor").await;
    assert_eq!(supervisor.get(&path).await.0, StatusCode::FORBIDDEN);
    let auditor = world.user(&admin, "ada", "auditor").await;
    assert_eq!(auditor.get(&path).await.0, StatusCode::OK);
    assert_eq!(
        auditor.post("/api/connections", &vapi("Mine")).await.0,
        StatusCode::FORBIDDEN
    );
    let (status, problem) = admin.post("/api/connections", &vapi("Main")).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("name_taken"))
    );
}

#[tokio::test]
async fn a_connection_that_could_not_work_is_refused_with_the_field() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (change, field) in [
        (json!({"kind": "teams"}), "kind"),
        (json!({"name": ""}), "name"),
        (json!({"colour": "red"}), "colour"),
        (json!({"credentials": {}}), "credentials"),
        (
            json!({"webhook": {"scheme": "retell", "secret": "long-enough"}}),
            "webhook.scheme",
        ),
        (json!({"webhook": {"scheme": "hmac"}}), "webhook.secret"),
        (
            json!({"webhook": {"scheme": "hmac", "secret": "short"}}),
            "webhook.secret",
        ),
        (
            json!({"webhook": {"scheme": "hmac", "secret": "not base64!", "secretIsBase64": true}}),
            "webhook.secret",
        ),
        (
            json!({"webhook": {"scheme": "hmac", "secret": "long-enough",
            "payloadFormat": "{timestamp}"}}),
            "webhook.payloadFormat",
        ),
        (
            json!({"webhook": {"scheme": "hmac", "secret": "long-enough",
            "signatureHeader": "no header"}}),
            "webhook.signatureHeader",
        ),
        (
            json!({"settings": {"apiUrl": "http://127.0.0.1:1"}}),
            "settings.apiUrl",
        ),
    ] {
        let mut body = vapi("Main");
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let (status, problem) = admin.post("/api/connections", &body).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{change}: {problem}"
        );
        assert_eq!(problem["errors"][0]["field"], field, "{change}");
    }
}

/// A vendor's API that accepts one key.
async fn vendor() -> String {
    let assistants = async |headers: HeaderMap| match headers.get("authorization") {
        Some(key) if key == "Bearer key-that-is-secret" => (StatusCode::OK, "[]"),
        Some(key) if key == "Bearer breaks-it" => (StatusCode::BAD_GATEWAY, ""),
        Some(_) | None => (StatusCode::UNAUTHORIZED, "{}"),
    };
    let router = Router::new().route("/assistant", get(assistants));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn a_test_says_what_the_vendor_answered() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let url = vendor().await;
    for (name, key, url, outcome) in [
        ("good", Some("key-that-is-secret"), &*url, "ok"),
        ("bad", Some("another"), &*url, "unauthorized"),
        ("broken", Some("breaks-it"), &*url, "unexpected"),
        (
            "away",
            Some("key-that-is-secret"),
            "http://127.0.0.1:9",
            "unreachable",
        ),
        ("none", None, &*url, "untested"),
    ] {
        let mut body = json!({"kind": "vapi", "name": name, "settings": {"apiUrl": url}});
        if let Some(key) = key {
            body["credentials"] = json!({"apiKey": key});
        }
        let made = add(&admin, &body).await;
        let path = format!("/api/connections/{}/test", made["id"].as_str().unwrap());
        let (status, test) = admin.post(&path, &json!({})).await;
        assert_eq!(
            (status, &test["outcome"]),
            (StatusCode::OK, &json!(outcome)),
            "{test}"
        );
        assert!(!test.to_string().contains("key-that"), "{test}");
    }
    assert!(
        admin.read("/api/audit?action=connection.tested").await["items"]
            .as_array()
            .unwrap()
            .len()
            == 5
    );
}

#[tokio::test]
async fn a_recogniser_writes_calls_down_that_nobody_else_does_and_others_when_told_to() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let room = gateway.hold("room-1", None);
    room.known_to(&admin).await;
    let vapi = json!({"upstream": "vapi", "upstreamCallId": "v-1", "direction": "inbound",
        "from": "+4930123456", "to": "+4930888888"});
    let (status, vapi) = admin.post("/api/calls", &vapi).await;
    assert_eq!(status, StatusCode::CREATED, "{vapi}");
    let vapi: CallId = vapi["id"].as_str().unwrap().parse().unwrap();
    let writer = async |call: CallId| {
        let rule = world.ledger.recording_rule(call).await.unwrap();
        rule.recogniser
    };
    assert_eq!(writer(room.id).await, None);

    let settings = json!({"language": "de", "model": "nova-3"});
    let made = json!({"kind": "deepgram", "name": "Ears", "credentials": {"apiKey": "dg-key"},
        "settings": settings});
    let made = add(&admin, &made).await;
    let found = writer(room.id).await.expect("somebody writes");
    let expected = Recogniser {
        kind: ConnectionKind::Deepgram,
        origin: "wss://api.deepgram.com".to_owned(),
        key: Hidden("dg-key".to_owned()),
        language: Some("de".to_owned()),
        model: Some("nova-3".to_owned()),
        always: false,
    };
    assert_eq!(found, expected);
    assert!(!format!("{found:?}").contains("dg-key"));
    assert_eq!(writer(vapi).await, None, "Vapi tells it itself");

    let path = format!("/api/connections/{}", made["id"].as_str().unwrap());
    let set = async |settings: Value| admin.patch(&path, &json!({"settings": settings})).await;
    let (status, _) = set(json!({"transcribe": "always", "region": "eu"})).await;
    assert_eq!(status, StatusCode::OK);
    for call in [room.id, vapi] {
        let found = writer(call).await.expect("always");
        assert!(found.always && found.origin == "wss://api.eu.deepgram.com");
    }
    let (status, _) = set(json!({"transcribe": "never"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(writer(room.id).await, None);
    for (field, value) in [
        ("transcribe", json!("now and then")),
        ("language", json!("en&model=x")),
        ("region", json!("mars")),
        ("model", json!(3)),
    ] {
        let (status, problem) = set(json!({ field: value })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["field"], format!("settings.{field}"));
    }
}
