//! Live calls of which a socket of their vendor tells, or takes commands: simulated ones.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_simulate::monitor::Monitored;
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::webhook::Signing;

use crate::control::code;
use crate::vendor_calls::{SECRET, only_call, send, signed};
use crate::world::{User, World, within};

const KEY: &str = "key-of-the-account";

/// An account whose vendor's API is elsewhere.
async fn account(admin: &User, kind: &str, api_url: &str) {
    let webhook = match kind {
        "retell" => json!({"scheme": "retell", "secret": SECRET}),
        _ => json!({"scheme": "none"}),
    };
    let account = json!({"kind": kind, "name": "Main", "settings": {"apiUrl": api_url},
        "credentials": {"apiKey": KEY}, "webhook": webhook});
    let (status, made) = admin.post("/api/connections", &account).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
}

/// A conversation at ElevenLabs that the API was told of.
async fn conversation(admin: &User) -> (Monitored, Value) {
    let elevenlabs = Monitored::elevenlabs("conv_1", KEY).await.unwrap();
    account(admin, "elevenlabs", &elevenlabs.url()).await;
    let register = json!({"upstream": "elevenlabs", "upstreamCallId": "conv_1",
        "direction": "inbound", "from": "+4930123456", "to": "+4930999999"});
    let (status, call) = admin.post("/api/calls", &register).await;
    assert_eq!(status, StatusCode::CREATED, "{call}");
    (elevenlabs, call)
}

/// Retell says that a call goes on, and nothing more by webhook.
async fn begins(world: &World, call: &RetellCall) {
    let (_, started) = &call.webhooks()[0];
    let webhook = signed(&Signing::Retell(SECRET.to_owned()), started);
    let (status, answer) = send(world, "/api/webhooks/retell/default", &webhook).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

/// What was said so far.
fn texts(transcript: &Value) -> Vec<(&str, &str)> {
    let segments = transcript["segments"].as_array();
    let segments = segments.map_or(&[][..], Vec::as_slice);
    segments
        .iter()
        .filter_map(|one| Some((one["party"].as_str()?, one["text"].as_str()?)))
        .collect()
}

#[tokio::test]
async fn what_is_said_at_retell_is_read_as_it_is_said_and_its_end_needs_no_webhook() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let retell = Monitored::retell("call_1", KEY).await.unwrap();
    account(&admin, "retell", &retell.url()).await;
    begins(&world, &RetellCall::new("call_1", clock::wall() - 60_000)).await;
    let call = only_call(&admin).await;
    let path = format!("/api/calls/{}", call["id"].as_str().unwrap());
    let transcript = format!("{path}/transcript");
    assert!(
        within(async || !retell.asked().is_empty()).await,
        "it is watched"
    );
    retell.begins();
    retell.says("1", "agent", 0.5, "Good morning.");
    retell.says("2", "user", 3.0, "I want");
    retell.says("2", "user", 3.0, "I want to cancel.");
    let said = [
        ("agent", "Good morning."),
        ("customer", "I want to cancel."),
    ];
    admin
        .eventually(&transcript, |found| texts(found) == said)
        .await;

    retell.closes(1011);
    retell.says("3", "agent", 6.0, "That is done.");
    let said = [said[0], said[1], ("agent", "That is done.")];
    admin
        .eventually(&transcript, |found| texts(found) == said)
        .await;

    retell.ends("user_hangup");
    let ended = admin
        .eventually(&path, |call| call["status"] == "ended")
        .await;
    assert_eq!(ended["endReason"]["code"], "user_hangup");
    assert_eq!(texts(&admin.read(&transcript).await), said);
}

#[tokio::test]
async fn a_conversation_at_elevenlabs_is_written_to_and_ended_and_its_end_is_known() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let (elevenlabs, call) = conversation(&admin).await;
    assert_eq!(call["capabilities"], json!(["whisper_text", "end"]));
    let path = format!("/api/calls/{}", call["id"].as_str().unwrap());
    let act = async |act: &str, body: Value| admin.post(&format!("{path}/{act}"), &body).await;
    let (status, body) = act("whisper", json!({"text": "Offer ten percent."})).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (status, body) = act("takeover", Value::Null).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "unsupported_by_upstream")
    );
    let (status, body) = act("end", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let update = json!({"contextual_update": "Offer ten percent."});
    let taken = [
        json!({"command_type": "contextual_update", "parameters": update}),
        json!({"command_type": "end_call"}),
    ];
    assert_eq!(elevenlabs.taken(), taken);
    admin
        .eventually(&path, |call| call["status"] == "ended")
        .await;
    let (status, body) = act("whisper", json!({"text": "Too late."})).await;
    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "call_ended"));
}

#[tokio::test]
async fn a_conversation_that_its_vendor_ends_is_over() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let (elevenlabs, call) = conversation(&admin).await;
    assert!(within(async || !elevenlabs.asked().is_empty()).await);
    elevenlabs.ends("agent");
    let path = format!("/api/calls/{}", call["id"].as_str().unwrap());
    admin
        .eventually(&path, |call| call["status"] == "ended")
        .await;
}

#[tokio::test]
async fn no_id_of_a_call_leads_anywhere_but_to_its_monitor_socket() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let retell = Monitored::retell("call_2", KEY).await.unwrap();
    account(&admin, "retell", &retell.url()).await;
    let odd = [
        "../stop-call/call_1",
        "call_1?x",
        "call_1#",
        "@127.0.0.1",
        "a b",
    ];
    for id in odd.into_iter().chain(["call_2"]) {
        begins(&world, &RetellCall::new(id, clock::wall() - 60_000)).await;
    }
    // the last one is what Retell's ids are like
    assert!(
        within(async || retell.asked().len() > 1).await,
        "it is watched"
    );
    let asked = retell.asked();
    assert!(
        asked.iter().all(|path| path == "/v2/monitor-call/call_2"),
        "{asked:?}"
    );
}
