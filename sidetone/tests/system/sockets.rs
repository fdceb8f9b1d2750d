//! Calls that live behind a vendor's socket, beside those in rooms.

use futures_util::StreamExt as _;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sidetone_codec::StereoDecoder;
use sidetone_service::clock;
use sidetone_simulate::control::VapiLine;
use sidetone_simulate::listen::{Listening, Manner, Tones};
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;
use sidetone_testkit::{LivekitServer, System, ToneListener, User, id, level_dbfs, wait_for};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::office::{self, AGENT, CUSTOMER};
use crate::sound::Stereo;

const SECRET: &str = "a-secret-of-the-tenants";
/// What whoever the customer is sent to says, in Hz.
const SUPERVISOR: f64 = 1700.0;
/// From the first frame to its being known what it is, and being recorded.
const DECIDED_MS: i64 = 1_500;

/// What both parties of a simulated call say.
const TONES: Tones = Tones {
    customer: CUSTOMER,
    agent: AGENT,
};

async fn says(system: &System, message: &Value) {
    let webhook = Signing::Hmac(SECRET.to_owned()).sign(message.to_string(), clock::wall());
    let url = format!("{}/api/webhooks/vapi/default", system.url());
    let (status, answer) = webhook.send(&Client::new(), &url).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
}

/// The tenant has an account at Vapi.
async fn account(user: &User) {
    let account = json!({"kind": "vapi", "name": "Main",
        "webhook": {"scheme": "hmac", "secret": SECRET}});
    user.ask(Method::POST, "/api/connections", &account).await;
}

/// Vapi says that a call goes on; the call as it is listed.
async fn goes_on(system: &System, user: &User, vapi: &VapiCall) -> Value {
    says(system, &vapi.status("in-progress", 4_000)).await;
    user.until("the call", "/api/calls/active", |page| {
        page["items"].as_array()?.first().cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_of_a_call_on_vapi_moves_the_sound_to_the_supervisor_and_names_no_url() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    account(&user).await;
    let profile = json!({"forwarding_number": "+49301234567"});
    user.ask(Method::PUT, "/api/me/profile", &profile).await;
    let line = VapiLine::start(TONES, SUPERVISOR, None).await.unwrap();
    let mut vapi = VapiCall::new("v-1", clock::wall() - 5_000);
    vapi.listen_url = Some(line.listen_url());
    vapi.control_url = Some(line.control_url());
    let call = goes_on(&system, &user, &vapi).await;
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

/// A second of both sides from a listen WebSocket, at 48 kHz.
pub(crate) async fn second(socket: &mut Ear, opus: &mut StereoDecoder) -> [Vec<i16>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    while sides[0].len() < 48_000 {
        let Message::Binary(frame) = next(socket).await else {
            continue; // a ping
        };
        for pair in opus.decode(&frame).unwrap().as_chunks::<2>().0 {
            sides[0].push(pair[0]);
            sides[1].push(pair[1]);
        }
    }
    sides
}

pub(crate) type Ear = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn next(socket: &mut Ear) -> Message {
    let next = tokio::time::timeout(office::DEADLINE, socket.next()).await;
    next.expect("a message in time")
        .expect("it is open")
        .unwrap()
}

/// Waits for a second in which both parties are heard, each on their side alone, and then for
/// long enough for a recording to be judged.
async fn hears_both(socket: &mut Ear) {
    let mut opus = StereoDecoder::new().unwrap();
    let mut levels = Vec::new();
    let heard = async {
        loop {
            let [left, right] = second(socket, &mut opus).await;
            levels = vec![
                level_dbfs(&left, CUSTOMER),
                level_dbfs(&right, AGENT),
                level_dbfs(&left, AGENT),
                level_dbfs(&right, CUSTOMER),
            ];
            let own = levels[..2].iter().all(|level| (level + 12.0).abs() < 1.5);
            if own && levels[2..].iter().all(|level| *level < -55.0) {
                break;
            }
        }
    };
    let heard = tokio::time::timeout(office::DEADLINE, heard).await;
    assert!(heard.is_ok(), "own levels, then crosstalk: {levels:?} dBFS");
    for _ in 0..3 {
        second(socket, &mut opus).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_livekit_a_call_on_vapi_is_heard_by_websocket_and_recorded() {
    let _machine = office::shared().await;
    let system = System::start_alone(office::binary()).await;
    let user = system.login().await;
    account(&user).await;
    let listening = Listening::start(TONES, Manner::default()).await.unwrap();
    let mut vapi = VapiCall::new("v-1", clock::wall() - 5_000);
    vapi.listen_url = Some(listening.url());
    let call = goes_on(&system, &user, &vapi).await;
    let path = format!("/api/calls/{}", id(&call));
    user.until("the recording's light", &path, |call| {
        (call["recording"]["state"] == "recording").then_some(())
    })
    .await;
    let grant = user
        .ask(Method::POST, &format!("{path}/listen"), &json!({}))
        .await;
    assert!(grant["livekit"].is_null(), "{grant}");
    let url = grant["listenProxyUrl"].as_str().unwrap();
    assert!(!grant.to_string().contains(&listening.url()));
    let (mut socket, _) = connect_async(url).await.unwrap();
    let start = next(&mut socket).await;
    let start: Value = serde_json::from_str(start.to_text().unwrap()).unwrap();
    assert_eq!(
        (&start["type"], &start["encoding"]),
        (&json!("start"), &json!("opus"))
    );
    let seen = user.read(&path).await;
    assert_eq!(seen["watchers"][0]["name"], "admin");

    hears_both(&mut socket).await;

    listening.end();
    let mut ended = vapi.status("ended", clock::wall() - vapi.created_ms);
    ended["message"]["endedReason"] = json!("customer-ended-call");
    says(&system, &ended).await;
    let end = loop {
        if let Message::Text(text) = next(&mut socket).await {
            break serde_json::from_str::<Value>(&text).unwrap();
        }
    };
    let call = user.ended(&id(&call)).await;
    assert_eq!(
        end,
        json!({"type": "end", "reason": call["endReason"]["code"]})
    );
    let recordings = user.stored(&id(&call), 1).await;
    let sound = Stereo::decode(&user.audio(&recordings[0]).await).await;
    let stretch = (DECIDED_MS, sound.ms() as i64 - 600);
    Stereo::says(&sound.left, CUSTOMER, AGENT, stretch);
    Stereo::says(&sound.right, AGENT, CUSTOMER, stretch);
}
