use reqwest::{Method, StatusCode};
use serde_json::json;
use sidetone_wire::{CallEvent, RecordingId, Timestamp};

use crate::world::{User, World};

#[tokio::test]
async fn what_belongs_to_another_tenant_is_not_there() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let gateway = world.gateway();
    let call = gateway.hold("theirs", Some("acme"));
    let recording = RecordingId(sidetone_service::clock::new_id());
    call.log.send(CallEvent::RecordingStarted {
        recording,
        started_at: Timestamp::from_unix_ms(1_790_000_000_000),
    });
    let recordings = format!("{}/recordings", call.path());
    acme.eventually(&recordings, |found| {
        found["items"].as_array().is_some_and(|all| all.len() == 1)
    })
    .await;

    let routes = [
        (Method::GET, call.path()),
        (Method::GET, format!("/api/calls/active/{}", call.id)),
        (Method::GET, recordings),
        (Method::POST, format!("{}/listen", call.path())),
        (Method::DELETE, format!("{}/listen", call.path())),
        (Method::GET, format!("/api/recordings/{recording}")),
        (Method::GET, format!("/api/recordings/{recording}/audio")),
        (Method::DELETE, format!("/api/recordings/{recording}")),
        (Method::GET, format!("/api/users/{}", acme.id)),
        (Method::DELETE, format!("/api/users/{}", acme.id)),
    ];
    for (method, path) in routes {
        let (status, body) = admin.send(method.clone(), &path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(body["code"], "not_found");
    }
    refuses_writes(&admin, &call.path(), recording).await;
    for path in ["/api/calls", "/api/calls/active"] {
        assert_eq!(admin.read(path).await["items"], json!([]));
        assert_eq!(acme.read(path).await["items"].as_array().unwrap().len(), 1);
    }
    assert_eq!(admin.read("/api/calls/active/count").await["count"], 0);
    assert_eq!(acme.read("/api/calls/active/count").await["count"], 1);
    let metrics = admin.read("/api/dashboard/metrics").await;
    assert_eq!(metrics["metrics"]["total_calls"], 0);
    assert!(
        gateway.commands().is_empty(),
        "nobody listened to anything: {:?}",
        gateway.commands()
    );
}

/// Nothing of another tenant's call or recording can be changed.
async fn refuses_writes(user: &User, call: &str, recording: RecordingId) {
    let writes = [
        (Method::POST, format!("{call}/recording/pause"), json!({})),
        (Method::POST, format!("{call}/recording/resume"), json!({})),
        (
            Method::PUT,
            format!("{call}/consent"),
            json!({"consent": "denied"}),
        ),
        (
            Method::PUT,
            format!("/api/recordings/{recording}/hold"),
            json!({"held": true, "reason": "none"}),
        ),
    ];
    for (method, path, body) in writes {
        let request = user.request(method.clone(), &path).json(&body);
        let (status, body) = crate::world::answer(request).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(body["code"], "not_found");
    }
}

#[tokio::test]
async fn a_call_that_names_no_known_tenant_belongs_to_the_default_one() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    for (room, tenant) in [("none", None), ("unknown", Some("no-such-tenant"))] {
        let call = gateway.hold(room, tenant);
        call.known_to(&admin).await;
    }
}

#[tokio::test]
async fn only_admins_of_the_default_tenant_manage_tenants() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let (status, body) = acme
        .post("/api/clients", &json!({"name": "Mine", "slug": "mine"}))
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::FORBIDDEN, Some("other_tenant"))
    );
    let seen = acme.read("/api/clients").await;
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["slug"], "acme");
    let all = admin.read("/api/clients").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);

    let other = all["items"][1]["id"].clone();
    let new = json!({"username": "x", "password": "user-password", "role": "admin",
        "clientId": other});
    let (status, _) = acme.post("/api/users", &new).await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    let (status, body) = admin
        .post("/api/clients", &json!({"name": "Again", "slug": "acme"}))
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::CONFLICT, Some("slug_taken"))
    );
    let (status, body) = admin
        .post(
            "/api/clients",
            &json!({"name": "Bad", "slug": "Not A Slug"}),
        )
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "slug");
}
