//! Who answers calls, and what models say about them.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sidetone_testkit::database;

use crate::socket::Socket;
use crate::world::World;

#[tokio::test]
async fn an_agents_status_is_told_and_shown_with_the_call_they_are_in() {
    let world = World::new().await;
    let admin = world.admin().await;
    let ann = world.user(&admin, "agent-7", "agent").await;
    let bob = world.user(&admin, "bob", "agent").await;
    let auditor = world.user(&admin, "aud", "auditor").await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    let me = ann.read("/api/agents/me").await;
    assert_eq!(me["status"], "Offline");
    assert!(me.get("since").is_none(), "{me}");
    assert_eq!(admin.get("/api/agents/me").await.0, StatusCode::NOT_FOUND);

    for who in [&ann, &bob] {
        let (status, agent) = who
            .put("/api/agents/status", &json!({"status": "Available"}))
            .await;
        assert_eq!(
            (status, &agent["status"]),
            (StatusCode::OK, &json!("Available"))
        );
        assert_eq!(socket.event("status_update").await, agent);
    }
    let free = admin.read("/api/agents/available").await;
    assert_eq!(free["items"].as_array().unwrap().len(), 2);

    let call = world.gateway().hold("sales", None); // of agent-7
    call.known_to(&admin).await;
    let busy = admin.read("/api/agents/available").await;
    assert_eq!(busy["items"].as_array().unwrap().len(), 1);
    assert_eq!(busy["items"][0]["username"], "bob");
    let told = socket.event("status_update").await;
    assert_eq!(told["currentCall"]["id"], call.id.to_string());
    let all = admin.read("/api/agents").await;
    assert_eq!(all["items"][0]["currentCall"]["id"], call.id.to_string());

    let (status, problem) = ann
        .put("/api/agents/status", &json!({"status": "available"}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "status");
    let (status, _) = auditor
        .put("/api/agents/status", &json!({"status": "Busy"}))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, lead) = admin
        .put("/api/agents/status", &json!({"status": "Busy"}))
        .await;
    assert_eq!((status, &lead["role"]), (StatusCode::OK, &json!("admin")));
    assert_eq!(
        admin.read("/api/agents").await["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let foreign = world.tenant(&admin, "other").await;
    assert_eq!(foreign.read("/api/agents").await["items"], json!([]));
}

#[tokio::test]
async fn whoever_is_gone_is_offline_and_whoever_is_connected_stays() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (ann, bob, eve) = (
        world.user(&admin, "ann", "agent").await,
        world.user(&admin, "bob", "agent").await,
        world.user(&admin, "eve", "agent").await,
    );
    let there = Socket::connect(&world, &ann.token).await;
    for who in [&ann, &bob, &eve] {
        let (status, _) = who
            .put("/api/agents/status", &json!({"status": "Available"}))
            .await;
        assert_eq!(status, StatusCode::OK);
    }
    eve.post("/api/auth/logout", &json!({})).await;
    // a minute passes
    let url = database(world.dir.path()).await;
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("UPDATE agent_status SET seen_at = seen_at - 120000")
        .execute(&pool)
        .await
        .unwrap();
    let status = |all: &Value, n: usize| all["items"][n]["status"].clone();
    let all = admin
        .eventually("/api/agents", |all| status(all, 2) == "Offline")
        .await;
    assert_eq!(status(&all, 0), "Available", "she is connected");
    assert_eq!(
        status(&all, 1),
        "Available",
        "he has a session, and never had a connection"
    );
    drop(there);
}

#[tokio::test]
async fn what_nobody_wrote_about_a_call_is_empty() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let empty = admin.read(&format!("{}/live", call.path())).await;
    assert_eq!(empty["call"]["id"], call.id.to_string());
    for (part, nothing) in [
        ("metrics", json!({})),
        ("phases", json!([])),
        ("objectives", json!([])),
        ("nextActions", json!([])),
        ("coaching", json!([])),
        ("sentiment", Value::Null),
        ("system", Value::Null),
        ("versions", json!({})),
    ] {
        assert_eq!(empty[part], nothing, "{part}");
    }
}

#[tokio::test]
async fn what_models_say_about_a_call_is_kept_part_by_part_and_told_to_followers() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let live = format!("{}/live", call.path());
    let mut socket = Socket::connect(&world, &agent.token).await;
    socket.event("initial_state").await;
    socket
        .send("subscribe", json!({"stream": format!("call:{}", call.id)}))
        .await;
    socket.send("ping", json!({})).await;
    socket.event("pong").await;
    let written = [
        (
            "metrics",
            "metrics",
            json!({"talkRatio": 0.4, "words": 120.0}),
        ),
        (
            "phases",
            "phases",
            json!([{"name": "greeting", "status": "done"}, {"name": "offer", "status": "active"}]),
        ),
        (
            "objectives",
            "objectives",
            json!([{"id": "o1", "text": "book a visit", "done": false}]),
        ),
        (
            "next-actions",
            "nextActions",
            json!([{"id": "n1", "text": "ask for a date", "priority": "high"}]),
        ),
        (
            "coaching",
            "coaching",
            json!([{"id": "c1", "text": "slow down", "severity": "warning"}]),
        ),
        (
            "sentiment",
            "sentiment",
            json!({"score": -0.5, "label": "annoyed", "trend": "falling"}),
        ),
        (
            "system",
            "system",
            json!({"status": "ok", "latencyMs": 420.0, "components": {"llm": "degraded"}}),
        ),
    ];
    for (path, part, value) in &written {
        let (status, update) = admin.put(&format!("{live}/{path}"), value).await;
        assert_eq!(status, StatusCode::OK, "{update}");
        assert_eq!(update["part"], *part);
        assert_eq!(update["version"], 1);
        assert_eq!(update["value"], *value);
        assert_eq!(socket.event("live-update").await, update);
        let (status, _) = agent.put(&format!("{live}/{path}"), value).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let (_, again) = admin
        .put(&format!("{live}/metrics"), &json!({"words": 130.0}))
        .await;
    assert_eq!(again["version"], 2);
    let all = agent.read(&live).await;
    assert_eq!(all["metrics"], json!({"words": 130.0}));
    assert_eq!(all["versions"]["metrics"], 2);
    for (_, part, value) in &written[1..] {
        assert_eq!(all[part], *value);
    }
}

#[tokio::test]
async fn what_is_wrong_with_what_models_say_is_named() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let many: Vec<Value> = (0..101)
        .map(|n| json!({"name": n.to_string(), "status": "done"}))
        .collect();
    for (part, body, field) in [
        ("metrics", json!({"": 1}), "name"),
        ("metrics", json!({"a": "b"}), "a"),
        ("phases", json!(many), "body"),
        (
            "phases",
            json!([{"name": "a", "status": "gone"}]),
            "[0].status",
        ),
        (
            "objectives",
            json!([{"id": "a", "text": "t", "done": true}, {"id": "a", "text": "t", "done": true}]),
            "[1].id",
        ),
        (
            "next-actions",
            json!([{"id": "a", "text": "", "priority": "low"}]),
            "[0].text",
        ),
        (
            "coaching",
            json!([{"id": "a", "text": "t"}]),
            "[0].severity",
        ),
        ("sentiment", json!({"score": 1.5, "label": "x"}), "score"),
        (
            "system",
            json!({"status": "ok", "latencyMs": -1}),
            "latencyMs",
        ),
        ("system", json!({"status": "ok", "cpu": 1}), "cpu"),
    ] {
        let (status, problem) = admin
            .put(&format!("{}/live/{part}", call.path()), &body)
            .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{part}: {body}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let foreign = world.tenant(&admin, "other").await;
    let (status, _) = foreign
        .put(&format!("{}/live/metrics", call.path()), &json!({}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        foreign.get(&format!("{}/live", call.path())).await.0,
        StatusCode::NOT_FOUND
    );
}
