//! Calls whose vendor brings their sound, beside those in rooms.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sidetone_simulate::listen::Tones;
use sidetone_simulate::stream::audiohook::API_KEY;
use sidetone_simulate::stream::{Dialect, Plan, Streaming};
use sidetone_testkit::{LivekitServer, ToneListener, id, wait_for};

use crate::office::{self, AGENT, CUSTOMER};
use crate::sound::Stereo;

/// Base64, as one of the vendors has it.
const AUTH_TOKEN: &str = "YXV0aC10b2tlbi1vZi10aGUtYWNjb3VudA==";
const TONES: Tones = Tones {
    customer: CUSTOMER,
    agent: AGENT,
};

/// A connection of that vendor.
fn account(kind: &str, dialect: Dialect) -> Value {
    if dialect == Dialect::Audiohook {
        return json!({"kind": "genesys", "name": kind,
            "credentials": {"apiKey": API_KEY, "clientSecret": AUTH_TOKEN}});
    }
    json!({"kind": kind, "name": kind, "credentials": {"authToken": AUTH_TOKEN}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_brought_is_listed_heard_and_recorded_like_one_in_a_room() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let mut calls = Vec::new();
    for (kind, dialect) in Dialect::ALL {
        if dialect.is_mixed() {
            continue;
        }
        let account = account(kind, dialect);
        let account = user.ask(Method::POST, "/api/connections", &account).await;
        let url = account["streamUrls"]["inbound"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut plan = Plan::new(dialect, &format!("{kind}-1"));
        plan.secret = Some(AUTH_TOKEN.to_owned());
        let streaming = Streaming::dial(&url, plan, TONES).await.unwrap();
        let call = user
            .until("the call", "/api/calls/active", |page| {
                let mut items = page["items"].as_array()?.iter();
                items.find(|call| call["upstream"] == *kind).cloned()
            })
            .await;
        assert_eq!(call["status"], "connected", "{call}");
        assert_eq!(call["capabilities"], json!(["listen"]));
        assert_eq!(call["from"], "+4930123456");
        calls.push((id(&call), streaming));
    }
    for (call, _) in &calls {
        let path = format!("/api/calls/{call}");
        user.until("the recording's light", &path, |call: &Value| {
            (call["recording"]["state"] == "recording").then_some(())
        })
        .await;
        let grant = user.listen(call).await;
        let supervisor = ToneListener::join(&grant.url, grant.token.clone(), 100)
            .await
            .unwrap();
        let [customers, agents] = ["customer", "agent"].map(|party| format!("{call}/{party}"));
        wait_for("both parties", office::DEADLINE, || async {
            supervisor.hears(&customers, CUSTOMER) && supervisor.hears(&agents, AGENT)
        })
        .await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (call, streaming) in calls {
        let lasted_ms = streaming.lasted().as_millis() as f64;
        drop(streaming.stop().await);
        user.ended(&call).await;
        let recordings = user.stored(&call, 1).await;
        let recording = recordings.first().unwrap();
        assert!(
            recording.gaps.is_empty() && !recording.degraded,
            "{recording:?}"
        );
        let sound = Stereo::decode(&user.audio(recording).await).await;
        let (length_ms, told_ms) = (sound.ms(), recording.duration_seconds * 1000.0);
        println!("streamed {lasted_ms} ms of the call, recorded {length_ms} ms");
        assert!(
            (length_ms - told_ms).abs() <= 20.0,
            "{length_ms}, {told_ms} ms"
        );
        let stretch = (500, length_ms as i64 - 300);
        Stereo::says_apart(&sound.left, CUSTOMER, AGENT, stretch, 30.0);
        Stereo::says_apart(&sound.right, AGENT, CUSTOMER, stretch, 30.0);
    }
}
