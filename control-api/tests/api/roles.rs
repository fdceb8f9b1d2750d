use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn each_role_may_do_what_it_includes_and_no_more() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("roles", None);
    call.known_to(&admin).await;
    let supervisor = world.user(&admin, "sue", "supervisor").await;
    let agent = world.user(&admin, "andy", "agent").await;
    let auditor = world.user(&admin, "audrey", "auditor").await;

    let listen = format!("{}/listen", call.path());
    let person = format!("/api/users/{}", agent.id);
    let pause = format!("{}/recording/pause", call.path());
    let resume = format!("{}/recording/resume", call.path());
    let consent = format!("{}/consent", call.path());
    let recording = format!("/api/recordings/{}", call.id.0);
    let hold = format!("{recording}/hold");
    let routes = [
        // route, then whether admin, supervisor, agent, auditor may
        (Method::GET, "/api/me", [true, true, true, true]),
        (Method::GET, "/api/calls", [true, true, true, true]),
        (Method::GET, &*call.path(), [true, true, true, true]),
        (Method::GET, "/api/clients", [true, true, true, true]),
        (Method::POST, &*listen, [true, true, false, false]),
        (Method::DELETE, &*listen, [true, true, false, false]),
        (Method::GET, "/api/users", [true, false, false, true]),
        (Method::GET, &*person, [true, false, false, true]),
        (Method::POST, "/api/users", [true, false, false, false]),
        (Method::PATCH, &*person, [true, false, false, false]),
        (Method::POST, "/api/clients", [true, false, false, false]),
        (Method::POST, &*pause, [true, true, false, false]),
        (Method::POST, &*resume, [true, true, false, false]),
        (Method::PUT, &*consent, [true, true, false, false]),
        (Method::DELETE, &*recording, [true, false, false, false]),
        (Method::PUT, &*hold, [true, false, false, false]),
        (Method::GET, "/api/retention", [true, false, false, true]),
        (Method::PUT, "/api/retention", [true, false, false, false]),
        (
            Method::GET,
            "/api/supervision/fallback",
            [true, false, false, true],
        ),
        (
            Method::PUT,
            "/api/supervision/fallback",
            [true, false, false, false],
        ),
        (Method::GET, "/api/audit", [true, false, false, true]),
        (
            Method::GET,
            "/api/recordings/backlog",
            [true, false, false, true],
        ),
    ];
    for (method, path, may) in routes {
        for (user, may) in [&admin, &supervisor, &agent, &auditor].iter().zip(may) {
            let mut request = user.request(method.clone(), path);
            if [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
                request = request.json(&json!({"name": "", "username": "", "password": "",
                    "role": "agent", "slug": ""}));
            }
            let (status, body) = crate::world::answer(request).await;
            // those who may are told at most that the body is wrong
            assert_eq!(
                status != StatusCode::FORBIDDEN,
                may,
                "{method} {path} {body}"
            );
            assert_ne!(status, StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn people_are_added_changed_and_removed() {
    let world = World::new().await;
    let admin = world.admin().await;
    let new = json!({"username": "Bea@Example", "password": "user-password", "role": "agent",
        "fullName": "Bea"});
    let (status, user) = admin.post("/api/users", &new).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(user["username"], "bea@example");
    assert!(user.get("password").is_none() && user.get("passwordHash").is_none());
    let (status, body) = admin.post("/api/users", &new).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::CONFLICT, Some("username_taken"))
    );
    for (field, value) in [
        ("username", json!("no blanks")),
        ("password", json!("short")),
        ("role", json!("king")),
        ("clientId", json!("0190aaaa-0000-7000-8000-000000000000")),
    ] {
        let mut wrong = new.clone();
        wrong[field] = value;
        let (status, body) = admin.post("/api/users", &wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(body["errors"][0]["field"], field);
    }

    let path = format!("/api/users/{}", user["id"].as_str().unwrap());
    let (status, user) = admin.patch(&path, &json!({"fullName": "Beatrice"})).await;
    assert_eq!(
        (status, &user["fullName"]),
        (StatusCode::OK, &json!("Beatrice"))
    );
    let first = admin.read("/api/users?limit=1").await;
    assert_eq!(first["items"][0]["username"], "admin");
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = admin
        .read(&format!("/api/users?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(second["items"][0]["username"], "bea@example");
    assert!(second["nextCursor"].is_null());

    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(admin.get(&path).await.0, StatusCode::NOT_FOUND);
    let login = world.try_login("bea@example", "user-password").await;
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_role_a_new_password_or_being_disabled_ends_sessions_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (username, change, can_log_in) in [
        ("rolf", json!({"role": "supervisor"}), true),
        ("pia", json!({"password": "another-password"}), false),
        ("dirk", json!({"disabled": true}), false),
    ] {
        let user = world.user(&admin, username, "agent").await;
        assert_eq!(user.get("/api/me").await.0, StatusCode::OK);
        let path = format!("/api/users/{}", user.id);
        let (status, _) = admin.patch(&path, &change).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(user.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
        let again = world.try_login(username, "user-password").await;
        assert_eq!(again.status() == StatusCode::OK, can_log_in, "{username}");
    }
}

#[tokio::test]
async fn the_last_admin_can_be_neither_removed_nor_demoted_nor_disabled() {
    let world = World::new().await;
    let admin = world.admin().await;
    let path = format!("/api/users/{}", admin.id);
    for change in [json!({"role": "agent"}), json!({"disabled": true})] {
        let (status, body) = admin.patch(&path, &change).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::CONFLICT, Some("last_admin"))
        );
    }
    let (status, _) = admin.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::CONFLICT);
    world.user(&admin, "second", "admin").await;
    let (status, _) = admin.patch(&path, &json!({"role": "agent"})).await;
    assert_eq!(status, StatusCode::OK);
}
