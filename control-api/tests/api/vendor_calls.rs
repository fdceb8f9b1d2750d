//! Vendors' webhooks, from the signature to what people see.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::{Signing, Webhook, disorder};
use sidetone_wire::{CallId, NodeId};

use crate::world::{User, World};

pub(crate) const SECRET: &str = "a-secret-of-the-tenants";

/// An account whose webhooks are signed with a secret.
pub(crate) async fn connect(
    user: &User,
    kind: &str,
    name: &str,
    scheme: &str,
    secret: &str,
) -> String {
    let body = json!({"kind": kind, "name": name, "webhook": {"scheme": scheme, "secret": secret}});
    let (status, made) = user.post("/api/connections", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn send(world: &World, path: &str, webhook: &Webhook) -> (StatusCode, String) {
    let url = format!("{}{path}", world.url);
    webhook.send(&Client::new(), &url).await.unwrap()
}

pub(crate) fn hmac() -> Signing {
    Signing::Hmac(SECRET.to_owned())
}

fn retell() -> Signing {
    Signing::Retell(SECRET.to_owned())
}

pub(crate) const VAPI: &str = "/api/webhooks/vapi/default";
const RETELL: &str = "/api/webhooks/retell/default";

pub(crate) fn signed(signing: &Signing, body: &Value) -> Webhook {
    signing.sign(body.to_string(), clock::wall())
}

/// The one call that a list has.
pub(crate) async fn only_call(user: &User) -> Value {
    let calls = user.read("/api/calls").await;
    assert_eq!(calls["items"].as_array().unwrap().len(), 1, "{calls}");
    calls["items"][0].clone()
}

async fn transcript(user: &User, call: &Value) -> Value {
    let id = call["id"].as_str().unwrap();
    user.read(&format!("/api/calls/{id}/transcript")).await["segments"].clone()
}

#[tokio::test]
async fn a_call_on_vapi_is_seen_from_its_ringing_to_its_report() {
    let world = World::new().await;
    let admin = world.admin().await;
    connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    let messages = vapi.messages();
    let mut statuses = Vec::new();
    for message in &messages {
        let (status, answer) = send(&world, VAPI, &signed(&hmac(), message)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let call = only_call(&admin).await;
        if statuses.last() != Some(&call["status"]) {
            statuses.push(call["status"].clone());
        }
    }
    assert_eq!(statuses, ["connecting", "ringing", "connected", "ended"]);
    let call = only_call(&admin).await;
    assert_eq!(call["upstream"], "vapi");
    assert_eq!(call["upstreamCallId"], "v-1");
    assert_eq!(
        (&call["from"], &call["to"]),
        (&json!(vapi.customer), &json!(vapi.line))
    );
    assert_eq!(call["agentName"], "Aria");
    assert_eq!(call["customerName"], "Carla Customer");
    assert_eq!(
        call["endReason"],
        json!({"class": "completed", "code": "customer_ended_call"})
    );
    assert_eq!(
        call["durationSeconds"],
        (vapi.ended_ms() - vapi.started_ms()) / 1000
    );
    assert_eq!(call["outcome"], "refund_promised");
    assert_eq!(call["tags"], json!(["parcel", "refund"]));
    let segments = transcript(&admin, &call).await;
    let texts: Vec<&str> = segments
        .as_array()
        .unwrap()
        .iter()
        .map(|segment| segment["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, vapi.lines);
    let metadata = admin
        .read(&format!(
            "/api/calls/{}/metadata",
            call["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(metadata["summary"], "The parcel is late.");
    assert_eq!(metadata["cost"], 0.12);
    assert!(
        !call.to_string().contains("vapi.ai"),
        "its URLs stay here: {call}"
    );
}

#[tokio::test]
async fn whatever_order_webhooks_come_in_the_call_is_the_same() {
    let world = World::new().await;
    let admin = world.admin().await;
    connect(&admin, "vapi", "V", "hmac", SECRET).await;
    connect(&admin, "retell", "R", "retell", SECRET).await;
    let began = clock::wall() - 60_000;
    let mut seen: Vec<(Value, Value)> = Vec::new();
    for seed in 0..4_u64 {
        let vapi = VapiCall::new(&format!("v-{seed}"), began);
        let mut messages = vapi.messages();
        if seed > 0 {
            messages = disorder(&messages, seed);
        }
        for message in &messages {
            send(&world, VAPI, &signed(&hmac(), message)).await;
        }
        let call = RetellCall::new(&format!("r-{seed}"), began);
        let mut webhooks = call.webhooks();
        if seed > 0 {
            webhooks = disorder(&webhooks, seed);
        }
        for (at_ms, webhook) in &webhooks {
            let webhook = retell().sign(webhook.to_string(), *at_ms);
            let (status, answer) = send(&world, RETELL, &webhook).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
    }
    let calls = admin.read("/api/calls").await;
    let calls = calls["items"].as_array().unwrap();
    assert_eq!(calls.len(), 8);
    for upstream in ["vapi", "retell"] {
        for call in calls.iter().filter(|call| call["upstream"] == upstream) {
            let segments = transcript(&admin, call).await;
            let mut same = call.clone();
            for key in ["id", "upstreamCallId", "recording"] {
                same.as_object_mut().unwrap().remove(key);
            }
            // control began when the first word of it came
            same["control"]["since"] = Value::Null;
            seen.push((same, segments));
        }
        assert!(
            seen.iter().all(|one| *one == seen[0]),
            "{upstream}: {seen:#?}"
        );
        assert_eq!(seen[0].0["status"], "ended");
        seen.clear();
    }
}

#[tokio::test]
async fn a_thousand_of_one_webhook_at_once_have_one_effect() {
    let world = World::new().await;
    let admin = world.admin().await;
    connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    let webhook = signed(&hmac(), &vapi.report(30_000));
    let client = Client::builder()
        .pool_max_idle_per_host(64)
        .build()
        .unwrap();
    let url = format!("{}{VAPI}", world.url);
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(64));
    let sends = (0..1000).map(|_| {
        let (webhook, client, url) = (webhook.clone(), client.clone(), url.clone());
        let permits = permits.clone();
        tokio::spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            webhook.send(&client, &url).await.unwrap().0
        })
    });
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap(), StatusCode::OK);
    }
    let call = only_call(&admin).await;
    assert_eq!(call["status"], "ended");
    assert_eq!(transcript(&admin, &call).await.as_array().unwrap().len(), 3);
}

/// A tenant with an account of every scheme, and another with one of its own.
async fn accounts(world: &World) -> (User, User) {
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let other = world.tenant(&admin, "other").await;
    connect(&acme, "vapi", "Legacy", "vapi_secret", "legacy-secret").await;
    connect(&acme, "vapi", "Bearer", "bearer", "bearer-secret").await;
    connect(&acme, "vapi", "OAuth", "oauth2", "oauth2-secret").await;
    connect(&acme, "vapi", "Hmac", "hmac", "hmac-secret-1").await;
    connect(&acme, "vapi", "Hmac rotated", "hmac", "hmac-secret-2").await;
    connect(&other, "vapi", "Theirs", "hmac", "their-secret").await;
    connect(&acme, "retell", "Retell", "retell", "retell-secret").await;
    (acme, other)
}

/// Webhooks that nobody whom we know has sent.
fn forged(message: &str, now: i64) -> Vec<(&'static str, Webhook)> {
    let (vapi, retell) = ("/api/webhooks/vapi/acme", "/api/webhooks/retell/acme");
    let hmac = |secret: &str, at: i64| Signing::Hmac(secret.into()).sign(message.into(), at);
    let mut reserialised = hmac("hmac-secret-1", now);
    let value: Value = serde_json::from_str(message).unwrap();
    reserialised.body = serde_json::to_string_pretty(&value).unwrap();
    let mut unsigned = hmac("hmac-secret-1", now);
    unsigned.headers.clear();
    let near = Signing::VapiSecret("legacy-secreT".into()).sign(message.into(), now);
    let other_key = Signing::Retell("another".into()).sign("{}".into(), now);
    vec![
        (vapi, hmac("their-secret", now)),
        (vapi, hmac("hmac-secret-1", now - 301_000)),
        (vapi, hmac("hmac-secret-1", now + 310_000)),
        (vapi, reserialised),
        (vapi, unsigned),
        (vapi, near),
        ("/api/webhooks/vapi/nobody", hmac("hmac-secret-1", now)),
        ("/api/webhooks/vapi/..%2Facme", hmac("hmac-secret-1", now)),
        (retell, other_key.clone()),
        ("/api/calls/webhook/started", other_key),
    ]
}

#[tokio::test]
async fn every_scheme_is_taken_and_nothing_else() {
    let world = World::new().await;
    let (acme, other) = accounts(&world).await;
    let now = clock::wall();
    let vapi = |n: usize| VapiCall::new(&format!("v-{n}"), now).messages()[0].to_string();
    let good = [
        Signing::VapiSecret("legacy-secret".into()),
        Signing::Bearer("bearer-secret".into()),
        Signing::Bearer("oauth2-secret".into()),
        Signing::Hmac("hmac-secret-1".into()),
        Signing::Hmac("hmac-secret-2".into()),
    ];
    for (n, signing) in good.iter().enumerate() {
        let webhook = signing.sign(vapi(n), now);
        let (status, answer) = send(&world, "/api/webhooks/vapi/acme", &webhook).await;
        assert_eq!(status, StatusCode::OK, "{signing:?}: {answer}");
    }
    let count = async || {
        acme.read("/api/calls").await["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count().await, good.len());
    let mut answers = Vec::new();
    for (path, webhook) in forged(&vapi(9), now) {
        let (status, answer) = send(&world, path, &webhook).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {webhook:?}");
        answers.push(answer);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "they look the same: {answers:?}");
    assert_eq!(count().await, good.len());
    assert_eq!(other.read("/api/calls").await["items"], json!([]));
}

#[tokio::test]
async fn a_secret_that_was_taken_back_is_refused_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let id = connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    let message = &VapiCall::new("v-1", clock::wall()).messages()[0];
    let (status, _) = send(&world, VAPI, &signed(&hmac(), message)).await;
    assert_eq!(status, StatusCode::OK);
    admin
        .send(Method::DELETE, &format!("/api/connections/{id}"))
        .await;
    let (status, _) = send(&world, VAPI, &signed(&hmac(), message)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_vapi_asks_for_is_declined_and_what_it_will_invent_is_taken() {
    let world = World::new().await;
    let admin = world.admin().await;
    connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    let vapi = VapiCall::new("v-1", clock::wall());
    let asks = vapi.message("assistant-request", 0, &json!({}));
    let (status, answer) = send(&world, VAPI, &signed(&hmac(), &asks)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(serde_json::from_str::<Value>(&answer).unwrap()["error"].is_string());
    let new = VapiCall::new("v-2", clock::wall()).message("brand-new", 0, &json!({"x": [1]}));
    let (status, _) = send(&world, VAPI, &signed(&hmac(), &new)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(only_call(&admin).await["upstreamCallId"], "v-1");
    let (status, _) = send(&world, VAPI, &hmac().sign("no json".into(), clock::wall())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_call_on_retell_is_tracked_live() {
    let world = World::new().await;
    let admin = world.admin().await;
    connect(&admin, "retell", "Main", "retell", SECRET).await;
    let (_, branch) = admin
        .post("/api/branches", &json!({"name": "Berlin"}))
        .await;
    let call = RetellCall::new("r-1", clock::wall() - 5000);
    let number = json!({"number": call.line, "branchId": branch["id"]});
    admin.post("/api/phone-numbers", &number).await;
    let branch = format!("/api/branches/{}", branch["id"].as_str().unwrap());
    let webhooks = call.webhooks();
    // the path without a client, as older installations have it
    let path = "/api/calls/webhook/started";
    let (status, answer) = send(&world, path, &signed(&retell(), &webhooks[0].1)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let active = admin.read("/api/calls/active").await;
    let known = &active["items"][0];
    assert_eq!(known["status"], "connected");
    assert_eq!(known["customerName"], "Karl Kunde");
    assert_eq!(
        admin.read("/api/calls/active/count").await,
        json!({"count": 1})
    );
    assert_eq!(admin.read(&branch).await["activeCalls"], 1);
    let one = format!("/api/calls/active/{}", known["id"].as_str().unwrap());
    assert_eq!(admin.read(&one).await["id"], known["id"]);
    for (name, status) in [
        ("transfer_started", "transferring"),
        ("transfer_cancelled", "connected"),
    ] {
        let webhook = call.event(name, &json!({"transfer_destination": "+4930777777"}));
        send(&world, RETELL, &signed(&retell(), &webhook)).await;
        assert_eq!(admin.read(&one).await["status"], status, "{name}");
    }
    for (_, webhook) in &webhooks[1..] {
        send(&world, RETELL, &signed(&retell(), webhook)).await;
    }
    assert_eq!(admin.get(&one).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        admin.read("/api/calls/active/count").await,
        json!({"count": 0})
    );
    assert_eq!(admin.read(&branch).await["activeCalls"], 0);
    let ended = only_call(&admin).await;
    assert_eq!(ended["endReason"]["code"], "user_hangup");
    assert_eq!(ended["outcome"], "cancelled");
    assert_eq!(ended["tags"], json!(["churn"]));
    let segments = transcript(&admin, &ended).await;
    assert_eq!(segments.as_array().unwrap().len(), 3);
    assert_eq!(
        segments[1],
        json!({"id": "s1", "party": "customer", "text": "I want to cancel.",
        "final": true, "startMs": 3000, "endMs": 5500, "sentiment": "negative"})
    );
}

#[tokio::test]
async fn what_is_said_in_a_pause_is_in_no_transcript_whoever_reports_it() {
    const CARD: &str = "4111 1111";
    let world = World::new().await;
    let admin = world.admin().await;
    let _gateway = world.gateway();
    connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    let vapi = VapiCall::new("v-1", clock::wall() - 120_000);
    let says = async |message: Value| {
        let (status, answer) = send(&world, VAPI, &signed(&hmac(), &message)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    };
    let since_made = || clock::wall() - vapi.created_ms;
    let piece = |text: &str, after_ms: i64| {
        let more = json!({"role": "user", "transcriptType": "final", "transcript": text});
        vapi.message("transcript", after_ms, &more)
    };
    says(vapi.status("in-progress", 4_000)).await;
    says(piece("My parcel is late.", 60_000)).await;
    let call = only_call(&admin).await;
    let id: CallId = call["id"].as_str().unwrap().parse().unwrap();
    let _route = world.fleet.route(id, &NodeId("gateway-1".into()));
    let path = format!("/api/calls/{id}");
    let pause = format!("{path}/recording/pause");
    let (status, answer) = admin.post(&pause, &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (began_ms, kept) = (since_made(), "Thank you.");
    says(piece(CARD, began_ms)).await;
    let resume = format!("{path}/recording/resume");
    let (status, answer) = admin.post(&resume, &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    // it is recognised when the pause is over
    says(piece(CARD, since_made() + 1_500)).await;
    says(piece(kept, since_made() + 20_000)).await;
    let texts = |segments: Value| {
        let segments = segments.as_array().unwrap().clone();
        let texts = segments
            .into_iter()
            .map(|one| one["text"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    let known = ["My parcel is late.", kept];
    assert_eq!(texts(transcript(&admin, &call).await), known);

    // the report after the call has all of it, with times
    let item = |text: &str, seconds: f64| json!({"role": "user", "message": text, "secondsFromStart": seconds, "duration": 900});
    let said_at = (began_ms - (vapi.started_ms() - vapi.created_ms)) as f64 / 1000.0;
    let items = json!([
        item("My parcel is late.", 50.0),
        item(CARD, said_at),
        item(kept, said_at + 30.0)
    ]);
    let more = json!({"startedAt": vapi.started_ms(), "endedAt": clock::wall() + 60_000,
        "endedReason": "customer-ended-call", "artifact": {"messages": items}});
    says(vapi.message("end-of-call-report", since_made() + 60_000, &more)).await;
    assert_eq!(only_call(&admin).await["status"], "ended");
    assert_eq!(texts(transcript(&admin, &call).await), known);
}
