//! A call at Retell that a supervisor takes from its agent for good: by sound.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sidetone_room::token::Token;
use sidetone_service::clock;
use sidetone_simulate::Server;
use sidetone_simulate::listen::Tones;
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::retell::live::{RetellLive, Talk};
use sidetone_simulate::webhook::Signing;
use sidetone_testkit::{LivekitServer, PythonPeer, System, User, id, wait_some};

use crate::office::{self, AGENT, CUSTOMER, LEVEL_DBFS};
use crate::sound::Stereo;
use crate::supervising::{SUPERVISOR, hears, hears_no};

const KEY: &str = "key-of-retell";

async fn take_over(user: &User, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = user.request(Method::POST, &format!("{path}/takeover"));
    let response = request.json(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// A call that is reported, heard and recorded.
async fn goes_on(system: &System, user: &User, retell: &RetellLive) -> (Talk, String) {
    let account = json!({"kind": "retell", "name": "Main", "settings": {"apiUrl": retell.url()},
        "credentials": {"apiKey": KEY}, "webhook": {"scheme": "retell", "secret": KEY}});
    user.ask(Method::POST, "/api/connections", &account).await;
    let tones = Tones {
        customer: CUSTOMER,
        agent: AGENT,
    };
    let talk = retell.call("call_1", tones).await.unwrap();
    let started = RetellCall::new("call_1", clock::wall()).event("call_started", &json!({}));
    let hook = Signing::Retell(KEY.to_owned()).sign(started.to_string(), clock::wall());
    let url = format!("{}/api/webhooks/retell/default", system.url());
    let (status, answer) = hook.send(&Client::new(), &url).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    let call = user.until("the call", "/api/calls/active", |page| {
        let mut calls = page["items"].as_array()?.iter();
        calls
            .find(|call| call["recording"]["state"] == "recording")
            .map(id)
    });
    let call = call.await;
    (talk, call)
}

/// Both parties are kept apart until the agent is gone, and the customer after that, too.
async fn is_recorded(user: &User, call: &str) {
    let recordings = user.stored(call, 1).await;
    let sound = Stereo::decode(&user.audio(&recordings[0]).await).await;
    let before = (300, 1_500);
    Stereo::says_apart(&sound.left, CUSTOMER, AGENT, before, 50.0);
    Stereo::says_apart(&sound.right, AGENT, CUSTOMER, before, 50.0);
    let all = (1_000, sound.ms() as i64 - 2_000);
    Stereo::says_apart(&sound.left, CUSTOMER, SUPERVISOR, all, 50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_at_retell_is_taken_over_by_voice_for_good_and_is_over_with_the_supervisor() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let server = Server::new(&livekit.url(), office::credentials(&livekit));
    let retell = RetellLive::start(server, KEY).await.unwrap();
    let (talk, call) = goes_on(&system, &user, &retell).await;
    let path = format!("/api/calls/{call}");

    // hears what the customer does, and is no party
    let ears = Token::listener(talk.room(), "listener_test");
    let mut ears = office::python(&livekit, ears).await;
    hears(&mut ears, "server", AGENT).await;
    let grant = user.listen(&call).await;
    let mut supervisor = PythonPeer::start().await.unwrap();
    supervisor.join(&grant.url, &grant.token).await.unwrap();
    hears(&mut supervisor, "gateway-", CUSTOMER).await;
    hears(&mut supervisor, "gateway-", AGENT).await;
    let armed = json!({"mode": "armed"});
    user.ask(Method::POST, &format!("{path}/talk"), &armed)
        .await;
    let said = supervisor.publish_tone("microphone", SUPERVISOR, LEVEL_DBFS);
    said.await.expect("it may publish one microphone now");
    let (status, body) = take_over(&user, &path, &json!({})).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("takeover_irreversible"))
    );

    let knows = json!({"irreversible": true});
    let taken = wait_some(
        "the microphone at the gateway",
        office::DEADLINE,
        || async {
            let (status, body) = take_over(&user, &path, &knows).await;
            let late = body["code"] == "unsupported_by_upstream";
            assert!(late || status == StatusCode::OK, "{body}");
            (!late).then_some(body)
        },
    )
    .await;
    assert_eq!(taken["control"]["version"].as_u64().map(|n| n % 2), Some(1));
    hears(&mut ears, "listener_", SUPERVISOR).await;
    hears_no(&mut ears, "server", AGENT).await;
    hears(&mut ears, "caller-", CUSTOMER).await;
    // its monitor socket has said `call_take_over` by now
    let held = user.read(&path).await;
    assert_eq!(held["status"], "connected", "{held}");
    let (status, body) = user.send(Method::POST, &format!("{path}/handback")).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("unsupported_by_upstream"))
    );
    for secret in [retell.url(), livekit.url()] {
        let host = secret.split("//").nth(1).unwrap();
        assert!(!held.to_string().contains(host), "{held}");
    }

    let (status, body) = user.send(Method::POST, &format!("{path}/end")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let ended = user.ended(&call).await;
    assert_eq!(ended["endReason"]["code"], "supervisor_hangup");
    let over = tokio::time::timeout(office::DEADLINE, talk.ended()).await;
    assert!(over.is_ok(), "Retell ends it when nobody serves");
    is_recorded(&user, &call).await;
}
