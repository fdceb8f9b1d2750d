//! Alerts: what rules find in calls.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, EndClass, EndReason, Signal, Timestamp};

use crate::socket::Socket;
use crate::world::{Held, User, World};

fn ended(call: &Held, class: EndClass) {
    call.log.send(CallEvent::Ended {
        at: Timestamp::from_unix_ms(clock::wall()),
        reason: EndReason::new(class, "test"),
    });
}

async fn rule(user: &User, condition: Value) -> Value {
    let body = json!({"name": "Rule", "severity": "critical", "condition": condition});
    let (status, rule) = user.post("/api/alert-rules", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{rule}");
    rule
}

#[tokio::test]
async fn one_alert_is_open_per_rule_and_subject() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    let condition = json!({"kind": "concurrent_calls", "threshold": 2, "cooldownSeconds": 0});
    let rule = rule(&admin, condition).await;
    let gateway = world.gateway();
    let calls: Vec<Held> = ["a", "b", "c"]
        .into_iter()
        .map(|room| gateway.hold(room, None))
        .collect();
    let fired = socket.event("alert").await;
    assert_eq!(fired["ruleId"], rule["id"]);
    assert_eq!(fired["state"], "firing");
    assert_eq!(fired["subject"], "tenant");
    assert_eq!(fired["severity"], "critical");
    assert!(fired["message"].as_str().unwrap().contains("calls at once"));
    calls[2].known_to(&admin).await;
    let open = admin.read("/api/alerts?state=firing").await;
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
    assert_eq!(open["items"][0]["id"], fired["id"]);
    for call in &calls {
        ended(call, EndClass::Completed);
    }
    let cleared = socket.event("alert").await;
    assert_eq!(
        (&cleared["id"], &cleared["state"]),
        (&fired["id"], &json!("cleared"))
    );
    assert!(cleared["clearedAt"].is_string());
    let _again = gateway.hold("d", None);
    let _and_again = gateway.hold("e", None);
    let second = socket.event("alert").await;
    assert_ne!(second["id"], fired["id"]);
    let all = admin.read("/api/alerts").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert_eq!(all["items"][0]["id"], second["id"]);
    let foreign = world.tenant(&admin, "other").await;
    assert_eq!(foreign.read("/api/alerts").await["items"], json!([]));
}

#[tokio::test]
async fn a_failed_call_a_long_one_a_bad_mood_and_silence_are_found() {
    let world = World::new().await;
    let admin = world.admin().await;
    for condition in [
        json!({"kind": "failed_calls", "threshold": 1}),
        json!({"kind": "long_call", "threshold": 3}),
        json!({"kind": "negative_sentiment", "threshold": -0.5, "clearThreshold": 0}),
        json!({"kind": "silence", "threshold": 3}),
        json!({"kind": "no_agent_available", "threshold": 0}),
    ] {
        rule(&admin, condition).await;
    }
    let call = world.gateway().hold("sales", None); // it began 5 s ago
    call.known_to(&admin).await;
    let mood = format!("{}/live/sentiment", call.path());
    let (status, _) = admin
        .put(&mood, &json!({"score": -0.9, "label": "angry"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    let of = |all: &Value, kind: &str, state: &str| {
        let mut items = all["items"].as_array().unwrap().iter();
        items.any(|alert| alert["kind"] == kind && alert["state"] == state)
    };
    admin
        .eventually("/api/alerts", |all| {
            of(all, "long_call", "firing")
                && of(all, "negative_sentiment", "firing")
                && of(all, "no_agent_available", "firing")
        })
        .await;
    // the gateway measures, and nobody is heard
    admin
        .eventually("/api/alerts", |all| of(all, "silence", "firing"))
        .await;
    let levels = sidetone_wire::Levels {
        customer: 0.4,
        agent: 0.0,
    };
    world.fleet.signal(Signal::Levels {
        call: call.id,
        levels,
        current_speaker: None,
    });
    let (status, _) = admin
        .put(&mood, &json!({"score": 0.4, "label": "calm"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = admin
        .put("/api/agents/status", &json!({"status": "Available"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    admin
        .eventually("/api/alerts", |all| {
            of(all, "silence", "cleared")
                && of(all, "negative_sentiment", "cleared")
                && of(all, "no_agent_available", "cleared")
        })
        .await;
    ended(&call, EndClass::Ours);
    admin
        .eventually("/api/alerts", |all| {
            of(all, "failed_calls", "firing") && of(all, "long_call", "cleared")
        })
        .await;
    let about = admin.read(&format!("/api/alerts?call={}", call.id)).await;
    assert_eq!(about["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_alert_is_taken_up_and_snoozed_while_it_is_open() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    let condition = json!({"kind": "concurrent_calls", "threshold": 1, "cooldownSeconds": 0});
    let first = rule(&admin, condition.clone()).await;
    let call = world.gateway().hold("sales", None);
    let fired = socket.event("alert").await;
    let path = format!("/api/alerts/{}", fired["id"].as_str().unwrap());
    let (ack, snooze) = (format!("{path}/ack"), format!("{path}/snooze"));
    assert_eq!(agent.post(&ack, &json!({})).await.0, StatusCode::FORBIDDEN);
    let (status, taken) = admin.post(&ack, &json!({})).await;
    assert_eq!(
        (status, &taken["state"]),
        (StatusCode::OK, &json!("acknowledged"))
    );
    assert_eq!(taken["acknowledgedBy"]["userId"], admin.id);
    assert_eq!(socket.event("alert").await, taken);
    for minutes in [0, 10_081] {
        let (status, problem) = admin.post(&snooze, &json!({"minutes": minutes})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["field"], "minutes");
    }
    let (status, snoozed) = admin.post(&snooze, &json!({"minutes": 10})).await;
    assert_eq!(
        (status, &snoozed["state"]),
        (StatusCode::OK, &json!("snoozed"))
    );
    assert!(snoozed["snoozedUntil"].is_string());
    ended(&call, EndClass::Completed);
    admin
        .eventually("/api/alerts", |all| all["items"][0]["state"] == "cleared")
        .await;
    let (status, problem) = admin.post(&ack, &json!({})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("alert_cleared"))
    );
    // it is snoozed: what fires anew is not heard of, while another rule is
    let again = world.gateway().hold("support", None);
    again.known_to(&admin).await;
    let other = rule(&admin, condition).await;
    let all = admin
        .eventually("/api/alerts", |all| {
            all["items"][0]["ruleId"] == other["id"]
        })
        .await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let foreign = world.tenant(&admin, "other").await;
    assert_eq!(
        foreign.post(&ack, &json!({})).await.0,
        StatusCode::NOT_FOUND
    );

    // a rule that is gone has no open alerts
    let gone = format!("/api/alert-rules/{}", first["id"].as_str().unwrap());
    assert_eq!(
        foreign.send(Method::DELETE, &gone).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        admin.send(Method::DELETE, &gone).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(admin.get(&gone).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn open_alerts_outlive_a_restart_and_clear_after_it() {
    let world = World::new().await;
    let admin = world.admin().await;
    rule(&admin, json!({"kind": "long_call", "threshold": 1})).await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    admin
        .eventually("/api/alerts", |all| all["items"][0]["state"] == "firing")
        .await;
    drop(call);
    let dir = world.stop().await;
    let world = World::start(dir, &[], std::time::Duration::ZERO).await;
    let admin = world.admin().await;
    // nobody has found the call again: it is closed
    let all = admin
        .eventually("/api/alerts", |all| all["items"][0]["state"] == "cleared")
        .await;
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_is_named() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (condition, field) in [
        (json!({"kind": "loud", "threshold": 1}), "condition.kind"),
        (
            json!({"kind": "long_call", "threshold": 0}),
            "condition.threshold",
        ),
        (
            json!({"kind": "concurrent_calls", "threshold": 5, "clearThreshold": 6}),
            "condition.clearThreshold",
        ),
        (
            json!({"kind": "negative_sentiment", "threshold": 0, "clearThreshold": -0.5}),
            "condition.clearThreshold",
        ),
        (
            json!({"kind": "long_call", "threshold": 9, "forSeconds": 3601}),
            "condition.forSeconds",
        ),
        (
            json!({"kind": "long_call", "threshold": 9, "windowSeconds": 60}),
            "condition.windowSeconds",
        ),
        (
            json!({"kind": "long_call", "threshold": 9, "keywords": ["a"]}),
            "condition.keywords",
        ),
        (
            json!({"kind": "keyword", "threshold": 1}),
            "condition.keywords",
        ),
        (
            json!({"kind": "keyword", "threshold": 1, "keywords": ["a", "--"]}),
            "condition.keywords[1]",
        ),
        (
            json!({"kind": "long_call", "threshold": 9, "colour": 1}),
            "condition.colour",
        ),
    ] {
        let (status, problem) = admin
            .post(
                "/api/alert-rules",
                &json!({"name": "x", "condition": condition}),
            )
            .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{condition}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}

#[tokio::test]
async fn rules_are_read_by_all_and_changed_by_supervisors() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let rule = rule(&admin, json!({"kind": "long_call", "threshold": 900})).await;
    assert_eq!(rule["condition"]["cooldownSeconds"], 60);
    let path = format!("/api/alert-rules/{}", rule["id"].as_str().unwrap());
    assert_eq!(agent.read(&path).await, rule);
    let change = json!({"name": "Longer", "condition": {"kind": "long_call", "threshold": 1200}});
    assert_eq!(agent.patch(&path, &change).await.0, StatusCode::FORBIDDEN);
    let (status, changed) = admin.patch(&path, &change).await;
    assert_eq!(
        (status, &changed["name"]),
        (StatusCode::OK, &json!("Longer"))
    );
    assert_eq!(changed["condition"]["threshold"], 1200.0);
    let other = json!({"condition": {"kind": "silence", "threshold": 10}});
    assert_eq!(
        admin.patch(&path, &other).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        admin.read("/api/alert-rules").await["items"][0]["name"],
        "Longer"
    );
}

#[tokio::test]
async fn a_preview_says_how_often_a_rule_would_have_fired() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let gateway = world.gateway();
    for (room, minutes) in [("a", 90), ("b", 80), ("c", 5)] {
        let at = Timestamp::from_unix_ms(clock::wall() - minutes * 60_000);
        let call = gateway.hold_since(room, None, at);
        call.known_to(&admin).await;
        ended(&call, EndClass::Ours);
        admin
            .eventually(&call.path(), |call| call["status"] == "ended")
            .await;
    }
    let preview = async |condition: Value| {
        let body = json!({"condition": condition});
        let (status, preview) = admin.post("/api/alert-rules/preview", &body).await;
        assert_eq!(status, StatusCode::OK, "{preview}");
        preview
    };
    let long = preview(json!({"kind": "long_call", "threshold": 3600})).await;
    assert_eq!((&long["known"], &long["count"]), (&json!(true), &json!(2)));
    assert_eq!(long["calls"], 3);
    assert!(long["firings"][0]["callId"].is_string());
    let busy = preview(json!({"kind": "concurrent_calls", "threshold": 2})).await;
    assert_eq!(busy["count"], 1);
    let unknown = preview(json!({"kind": "silence", "threshold": 10})).await;
    assert_eq!(unknown["known"], false);
    let body = json!({"condition": {"kind": "silence", "threshold": 10},
        "from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"});
    let (status, problem) = admin.post("/api/alert-rules/preview", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "from");
    assert_eq!(
        agent.post("/api/alert-rules/preview", &body).await.0,
        StatusCode::FORBIDDEN
    );
}
