//! Calls that live behind a vendor's socket, beside those in rooms.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_simulate::control::VapiLine;
use sidetone_simulate::listen::{Listening, Manner, Tones};
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;
use sidetone_testkit::{LivekitServer, System, ToneListener, id, wait_for};

use crate::office::{self, AGENT, CUSTOMER};
use crate::sound::Stereo;

const SECRET: &str = "a-secret-of-the-tenants";
/// What whoever the customer is sent to says, in Hz.
const SUPERVISOR: f64 = 1700.0;
/// From the first frame to its being known what it is, and being recorded.
const DECIDED_MS: i64 = 1_500;

async fn says(system: &System, message: &Value) {
    let webhook = Signing::Hmac(SECRET.to_owned()).sign(message.to_string(), clock::wall());
    let url = format!("{}/api/webhooks/vapi/default", system.url());
    let (status, answer) = webhook.send(&Client::new(), &url).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_vapi_is_listed_heard_and_recorded_like_one_in_a_room() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let account = json!({"kind": "vapi", "name": "Main",
        "webhook": {"scheme": "hmac", "secret": SECRET}});
    user.ask(Method::POST, "/api/connections", &account).await;
    let tones = Tones {
        customer: CUSTOMER,
        agent: AGENT,
    };
    let listening = Listening::start(tones, Manner::default()).await.unwrap();
    let mut vapi = VapiCall::new("v-1", clock::wall() - 5_000);
    vapi.listen_url = Some(listening.url());
    says(&system, &vapi.status("in-progress", 4_000)).await;
    let call = user
        .until("the call", "/api/calls/active", |page| {
            page["items"].as_array()?.first().cloned()
        })
        .await;
    assert_eq!(
        (&call["upstream"], &call["status"]),
        (&json!("vapi"), &json!("connected"))
    );
    assert_eq!(call["capabilities"][0], "listen");
    let path = format!("/api/calls/{}", id(&call));
    user.until("the recording's light", &path, |call| {
        (call["recording"]["state"] == "recording").then_some(())
    })
    .await;

    let grant = user.listen(&id(&call)).await;
    let supervisor = ToneListener::join(&grant.url, grant.token.clone(), 100)
        .await
        .unwrap();
    let [customers, agents] = ["customer", "agent"].map(|party| format!("{}/{party}", id(&call)));
    wait_for("both parties", office::DEADLINE, || async {
        supervisor.hears(&customers, CUSTOMER) && supervisor.hears(&agents, AGENT)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    listening.end();
    let heard_ms = listening.lasted().as_millis() as i64;
    let mut ended = vapi.status("ended", clock::wall() - vapi.created_ms);
    ended["message"]["endedReason"] = json!("customer-ended-call");
    says(&system, &ended).await;
    user.ended(&id(&call)).await;
    let recordings = user.stored(&id(&call), 1).await;
    let recording = recordings.first().unwrap();
    assert!(
        recording.gaps.is_empty() && !recording.degraded,
        "{recording:?}"
    );
    let sound = Stereo::decode(&user.audio(recording).await).await;
    let (length_ms, told_ms) = (sound.ms(), recording.duration_seconds * 1000.0);
    println!("heard {heard_ms} ms of the call, recorded {length_ms} ms");
    assert!(
        (length_ms - told_ms).abs() <= 20.0,
        "{length_ms}, {told_ms} ms"
    );
    // from its being dialled, some moments after the simulator's start, to the socket's end
    assert!(
        length_ms <= heard_ms as f64 + 400.0,
        "{length_ms} of {heard_ms} ms"
    );
    let stretch = (DECIDED_MS, length_ms as i64 - 600);
    Stereo::says(&sound.left, CUSTOMER, AGENT, stretch);
    Stereo::says(&sound.right, AGENT, CUSTOMER, stretch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_of_a_call_on_vapi_moves_the_sound_to_the_supervisor_and_names_no_url() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let account = json!({"kind": "vapi", "name": "Main",
        "webhook": {"scheme": "hmac", "secret": SECRET}});
    user.ask(Method::POST, "/api/connections", &account).await;
    let profile = json!({"forwarding_number": "+49301234567"});
    user.ask(Method::PUT, "/api/me/profile", &profile).await;
    let tones = Tones {
        customer: CUSTOMER,
        agent: AGENT,
    };
    let line = VapiLine::start(tones, SUPERVISOR, None).await.unwrap();
    let mut vapi = VapiCall::new("v-1", clock::wall() - 5_000);
    vapi.listen_url = Some(line.listen_url());
    vapi.control_url = Some(line.control_url());
    says(&system, &vapi.status("in-progress", 4_000)).await;
    let call = user
        .until("the call", "/api/calls/active", |page| {
            page["items"].as_array()?.first().cloned()
        })
        .await;
    let path = format!("/api/calls/{}", id(&call));
    user.until("the call to be heard", &path, |call| {
        (call["recording"]["state"] == "recording").then_some(())
    })
    .await;
    let grant = user.listen(&id(&call)).await;
    let ear = ToneListener::join(&grant.url, grant.token.clone(), 100)
        .await
        .unwrap();
    let agents = format!("{}/agent", id(&call));
    let hears = async |what: &str, hz: f64, no: f64| {
        wait_for(what, office::DEADLINE, || async {
            ear.hears(&agents, hz) && !ear.hears(&agents, no)
        })
        .await;
    };
    hears("the assistant", AGENT, SUPERVISOR).await;
    let mut answers = vec![call];
    let act = async |act: &str| {
        let path = format!("{path}/{act}");
        user.ask(Method::POST, &path, &Value::Null).await
    };
    answers.push(act("takeover").await);
    hears("the supervisor in its place", SUPERVISOR, AGENT).await;
    assert_eq!(line.transferred().unwrap()["number"], "+49301234567");
    answers.push(act("handback").await);
    hears("the assistant again", AGENT, SUPERVISOR).await;
    answers.push(act("end").await);
    answers.push(user.read(&path).await);
    assert!(line.is_over());
    let hosts = [line.listen_url(), line.control_url()].map(|url| {
        let host = url.split('/').nth(2);
        host.unwrap().to_owned()
    });
    for answer in answers {
        let text = answer.to_string();
        let told = hosts.iter().find(|host| text.contains(*host));
        assert_eq!(told, None, "{text}");
    }
}
