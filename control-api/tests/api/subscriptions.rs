//! Outgoing webhooks, as a receiver meets them.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode as Status};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};

use crate::world::{User, World, within};

/// Receivers are on this machine.
const LOOPBACK: [(&str, &str); 1] = [("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")];

/// A webhook as it arrived.
#[derive(Clone)]
struct Got {
    id: String,
    timestamp: String,
    signatures: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it is signed with that secret.
    fn signed(&self, secret: &str) -> bool {
        let bytes = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let message = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        self.signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .any(|signature| hmac::verify(&key, message.as_bytes(), &signature).is_ok())
    }
}

/// A receiver that answers with one status after the other, the last one from then on.
#[derive(Clone)]
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    async fn new(answers: &[u16]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/hook?token=abc", listener.local_addr().unwrap()),
            got: Arc::default(),
            answers: Arc::new(Mutex::new(answers.to_vec())),
        };
        let router = Router::new()
            .route("/hook", axum::routing::post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    async fn wait(&self, count: usize) -> Vec<Got> {
        assert!(
            within(async || self.got().len() >= count).await,
            "{count} webhooks"
        );
        self.got()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> Status {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    receiver.got.lock().unwrap().push(Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        body,
    });
    let mut answers = receiver.answers.lock().unwrap();
    let answer = if answers.len() > 1 {
        answers.remove(0)
    } else {
        answers[0]
    };
    Status::from_u16(answer).unwrap()
}

async fn world() -> World {
    World::with(&LOOPBACK).await
}

async fn subscribe(admin: &User, receiver: &Receiver, events: &[&str]) -> Value {
    let body = json!({"url": receiver.url, "events": events, "description": "test"});
    let (status, made) = admin.post("/api/webhook-subscriptions", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

fn path(subscription: &Value) -> String {
    format!(
        "/api/webhook-subscriptions/{}",
        subscription["id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn what_happens_to_calls_is_sent_signed_and_without_more_than_its_document() {
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[200]).await;
    let events = ["call.started", "call.updated", "call.ended"];
    let made = subscribe(&admin, &receiver, &events).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    let shown = admin.read(&path(&made)).await;
    assert!(shown.get("secret").is_none(), "{shown}");

    let call = world.gateway().hold("sales", None);
    let started = receiver.wait(1).await.remove(0);
    assert!(started.signed(&secret));
    let document = started.json();
    assert_eq!(document["type"], "call.started");
    assert_eq!(document["version"], 1);
    assert_eq!(document["data"]["id"], call.id.to_string());
    assert_eq!(document["data"]["from"], "+4930123456");
    for hidden in [
        "listenProxyUrl",
        "recordingStoredUrl",
        "watchers",
        "levels",
        "clientId",
    ] {
        assert!(document["data"].get(hidden).is_none(), "{hidden}");
    }
    // nothing of a call that its document shows has changed
    call.log.send(CallEvent::Facts(call.facts.clone()));
    admin
        .put(&format!("{}/tags", call.path()), &json!({"tags": ["vip"]}))
        .await;
    let updated = receiver.wait(2).await[1].json();
    assert_eq!(
        (&updated["type"], &updated["data"]["tags"]),
        (&json!("call.updated"), &json!(["vip"]))
    );
    call.log.send(CallEvent::Ended {
        at: Timestamp::from_unix_ms(clock::wall()),
        reason: EndReason::new(EndClass::Completed, "test"),
    });
    let last = receiver.wait(3).await[2].json();
    assert_eq!(
        (&last["type"], &last["data"]["endReason"]["class"]),
        (&json!("call.ended"), &json!("completed"))
    );
    assert!(last["data"]["durationSeconds"].is_number());

    let log = format!("{}/deliveries", path(&made));
    let log = admin
        .eventually(&log, |log| {
            let items = log["items"].as_array().unwrap();
            items.len() == 3 && items.iter().all(|one| one["state"] == "delivered")
        })
        .await;
    assert_eq!(log["items"][0]["payload"], last);
    assert_eq!(log["items"][0]["status"], 200);
}

#[tokio::test]
async fn what_is_changed_while_reports_come_is_told_once() {
    const CHANGES: usize = 30;
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[200]).await;
    subscribe(&admin, &receiver, &["call.updated", "call.ended"]).await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    for change in 0..CHANGES {
        call.log.send(CallEvent::Facts(call.facts.clone()));
        let tags = json!({"tags": [change.to_string()]});
        admin.put(&format!("{}/tags", call.path()), &tags).await;
    }
    receiver.wait(CHANGES).await;
    call.log.send(CallEvent::Ended {
        at: Timestamp::from_unix_ms(clock::wall()),
        reason: EndReason::new(EndClass::Completed, "test"),
    });
    let ended = async || {
        receiver
            .got()
            .iter()
            .any(|got| got.json()["type"] == "call.ended")
    };
    assert!(within(ended).await, "the call's end");
    assert_eq!(receiver.got().len(), CHANGES + 1);
}

#[tokio::test]
async fn what_people_write_and_what_alerts_find_is_sent_too() {
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[200]).await;
    let events = ["annotation.created", "feedback.created", "alert.fired"];
    subscribe(&admin, &receiver, &events).await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let (notes, feedback) = (
        format!("{}/annotations", call.path()),
        format!("{}/feedback", call.path()),
    );
    let note = json!({"kind": "note", "text": "a"});
    admin.post(&notes, &note).await;
    let note = receiver.wait(1).await[0].json();
    assert_eq!(
        (&note["type"], &note["data"]["text"]),
        (&json!("annotation.created"), &json!("a"))
    );
    admin.post(&feedback, &json!({"rating": 5})).await;
    assert_eq!(receiver.wait(2).await[1].json()["data"]["rating"], 5);
    let rule = json!({"name": "Busy", "condition": {"kind": "concurrent_calls", "threshold": 1}});
    admin.post("/api/alert-rules", &rule).await;
    let alert = receiver.wait(3).await[2].json();
    assert_eq!(
        (&alert["type"], &alert["data"]["name"]),
        (&json!("alert.fired"), &json!("Busy"))
    );
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_under_the_same_id() {
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[500, 200]).await;
    let made = subscribe(&admin, &receiver, &["call.started"]).await;
    let _call = world.gateway().hold("sales", None);
    let log = format!("{}/deliveries", path(&made));
    let failed = admin
        .eventually(&log, |log| log["items"][0]["status"] == 500)
        .await;
    assert_eq!(failed["items"][0]["state"], "pending");
    assert!(failed["items"][0]["nextAttemptAt"].is_string());
    assert!(admin.read(&path(&made)).await["failingSince"].is_string());
    let got = receiver.wait(2).await;
    assert_eq!(got[0].id, got[1].id);
    assert_eq!(got[0].body, got[1].body);
    let done = admin
        .eventually(&log, |log| log["items"][0]["state"] == "delivered")
        .await;
    assert_eq!(done["items"][0]["attempts"], 2);
    assert!(admin.read(&path(&made)).await.get("failingSince").is_none());

    // and once more, because somebody wants it so
    let delivery = done["items"][0]["id"].as_str().unwrap();
    let (status, replay) = admin
        .post(&format!("{log}/{delivery}/replay"), &json!({}))
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{replay}");
    assert_eq!(replay["replayOf"], delivery);
    let got = receiver.wait(3).await;
    assert_eq!(got[2].id, got[0].id);
    assert_eq!(got[2].body, got[0].body);
    let foreign = world.tenant(&admin, "other").await;
    for path in [path(&made), log.clone()] {
        assert_eq!(foreign.get(&path).await.0, StatusCode::NOT_FOUND);
    }
    let (status, _) = foreign
        .post(&format!("{log}/{delivery}/replay"), &json!({}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off_with_an_alert_until_it_is_switched_on() {
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[410]).await;
    let made = subscribe(&admin, &receiver, &["call.started"]).await;
    let _call = world.gateway().hold("sales", None);
    let off = admin
        .eventually(&path(&made), |one| one["enabled"] == false)
        .await;
    assert!(off["disabledReason"].as_str().unwrap().contains("410"));
    let alerts = admin.read("/api/alerts").await;
    assert_eq!(alerts["items"][0]["subject"], "subscription");
    assert_eq!(alerts["items"][0]["subscriptionId"], made["id"]);
    let _unheard = world.gateway().hold("support", None);
    let on = json!({"enabled": true});
    let (status, on) = admin.patch(&path(&made), &on).await;
    assert_eq!((status, &on["enabled"]), (StatusCode::OK, &json!(true)));
    assert!(on.get("disabledReason").is_none(), "{on}");
    let alerts = admin.read("/api/alerts").await;
    assert_eq!(alerts["items"][0]["state"], "cleared");
}

#[tokio::test]
async fn for_a_day_the_former_secret_signs_too_and_a_test_says_what_came_of_it() {
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[200, 503]).await;
    let made = subscribe(&admin, &receiver, &["call.ended"]).await;
    let rotate = format!("{}/rotate-secret", path(&made));
    let (status, rotated) = admin.post(&rotate, &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{rotated}");
    assert!(rotated["formerSecretUntil"].is_string());
    let test = format!("{}/test", path(&made));
    let (status, ping) = admin.post(&test, &json!({})).await;
    assert_eq!(
        (status, &ping["state"]),
        (StatusCode::OK, &json!("delivered")),
        "{ping}"
    );
    assert_eq!(ping["type"], "ping");
    let got = receiver.wait(1).await.remove(0);
    for secret in [&made["secret"], &rotated["secret"]] {
        assert!(got.signed(secret.as_str().unwrap()));
    }
    assert_eq!(got.signatures.split(' ').count(), 2);
    let (_, ping) = admin.post(&test, &json!({})).await;
    assert_eq!(
        (&ping["state"], &ping["status"]),
        (&json!("failed"), &json!(503))
    );
    assert!(ping.get("nextAttemptAt").is_none(), "{ping}");
    let actions = admin
        .read("/api/audit?action=subscription.secret_rotated")
        .await;
    assert_eq!(actions["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn two_processes_on_one_database_send_each_webhook_once() {
    let world = world().await;
    let admin = world.admin().await;
    let receiver = Receiver::new(&[200]).await;
    subscribe(&admin, &receiver, &["call.updated"]).await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let twin = world.twin(&LOOPBACK).await;
    for n in 0..20 {
        admin
            .put(
                &format!("{}/tags", call.path()),
                &json!({"tags": [n.to_string()]}),
            )
            .await;
    }
    let got = receiver.wait(20).await;
    let mut ids: Vec<String> = got.iter().map(|got| got.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((got.len(), ids.len()), (20, 20));
    twin.shut_down();
    twin.run().await.expect("it ends in time");
}

#[tokio::test]
async fn subscriptions_are_for_admins_and_go_to_public_hosts_by_tls_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let lead = world.user(&admin, "lead", "supervisor").await;
    let auditor = world.user(&admin, "aud", "auditor").await;
    let all = "/api/webhook-subscriptions";
    let good = json!({"url": "https://hooks.example.com/x", "events": ["call.ended"]});
    assert_eq!(lead.post(all, &good).await.0, StatusCode::FORBIDDEN);
    assert_eq!(lead.get(all).await.0, StatusCode::FORBIDDEN);
    assert_eq!(auditor.post(all, &good).await.0, StatusCode::FORBIDDEN);
    let (status, made) = admin.post(all, &good).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(auditor.read(all).await["items"][0]["id"], made["id"]);
    for (body, field) in [
        (
            json!({"url": "http://hooks.example.com/", "events": ["call.ended"]}),
            "url",
        ),
        (
            json!({"url": "https://127.0.0.1/", "events": ["call.ended"]}),
            "url",
        ),
        (
            json!({"url": "wss://hooks.example.com/", "events": ["call.ended"]}),
            "url",
        ),
        (
            json!({"url": "https://hooks.example.com/", "events": []}),
            "events",
        ),
        (
            json!({"url": "https://hooks.example.com/", "events": ["ping"]}),
            "events",
        ),
        (
            json!({"url": "https://hooks.example.com/", "events": ["call.begun"]}),
            "events[0]",
        ),
        (
            json!({"url": "https://hooks.example.com/", "events": ["call.ended"], "secret": "x"}),
            "secret",
        ),
    ] {
        let (status, problem) = admin.post(all, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let (status, problem) = admin
        .patch(&path(&made), &json!({"url": "https://10.0.0.1/"}))
        .await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("url"))
    );
    let change =
        json!({"events": ["alert.fired", "call.ended"], "description": "d", "enabled": false});
    let (status, changed) = admin.patch(&path(&made), &change).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["events"], json!(["call.ended", "alert.fired"]));
    let foreign = world.tenant(&admin, "other").await;
    assert_eq!(
        foreign.send(Method::DELETE, &path(&made)).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        admin.send(Method::DELETE, &path(&made)).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(admin.read(all).await["items"], json!([]));
}
