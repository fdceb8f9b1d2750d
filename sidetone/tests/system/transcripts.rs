//! What LiveKit agents tell of what was said, as everybody reads it.

use std::time::Duration;

use serde_json::{Value, json};
use sidetone_testkit::{LivekitServer, PythonPeer, User, id};

use crate::office;
use crate::socket::Socket;

/// How long it takes at most until what was said is shown, as a rule.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// An agent on LiveKit's own SDK who transcribes, in both carriers.
struct Agent(PythonPeer);

impl Agent {
    /// What was understood of somebody, in a stream and in a packet, under different names.
    async fn tells(&mut self, who: &str, name: &str, text: &str, last: bool) {
        let stream = json!({"do": "stream_text", "topic": "lk.transcription", "parts": [text],
            "sender": who, "attributes": {"lk.segment_id": format!("S{name}"),
                "lk.transcription_final": last.to_string()}});
        let packet = json!({"do": "transcribe", "identity": who, "track": "",
            "segment": format!("P{name}"), "text": text, "final": last});
        self.0.call(packet).await.unwrap();
        self.0.call(stream).await.unwrap();
    }
}

/// Waits until so much was said; gives the transcript.
async fn transcript(user: &User, path: &str, texts: &[&str]) -> Value {
    user.until(&format!("{texts:?}"), path, |found| {
        let segments = found["segments"].as_array()?;
        let said: Vec<&str> = segments
            .iter()
            .filter_map(|one| one["text"].as_str())
            .collect();
        (said == texts).then(|| found["segments"].clone())
    })
    .await
}

/// Somebody who looks at the call.
async fn looks(user: &User, call: &str) -> Socket {
    let mut socket = Socket::connect(user).await;
    socket.event("initial_state", |_| true).await;
    let stream = format!("call:{call}");
    socket.send("subscribe", json!({ "stream": stream })).await;
    socket
}

/// What somebody reads who looks at the call now.
async fn late(user: &User, call: &str) -> Value {
    let mut socket = looks(user, call).await;
    let update = socket
        .event("transcript-update", |update| update["callId"] == call)
        .await;
    update["transcript"].clone()
}

async fn export(user: &User, path: &str, format: &str) -> String {
    let url = format!("{path}?format={format}");
    let answer = user
        .request(reqwest::Method::GET, &url)
        .send()
        .await
        .unwrap();
    answer.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_the_same_for_who_comes_late_in_every_export_and_after_a_restart() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let mut system = office::start(&livekit).await;
    let user = system.login().await;
    let _customer = office::customer(&livekit, "call-1").await;
    let agent = office::python(&livekit, office::agent_token("call-1")).await;
    let mut agent = Agent(agent);
    agent
        .0
        .publish_tone("agent", office::AGENT, office::LEVEL_DBFS)
        .await
        .unwrap();
    let call = id(&user.answered_call_in("call-1").await);
    let path = format!("/api/calls/{call}/transcript");

    let mut reader = looks(&user, &call).await;
    reader.send("ping", json!({})).await;
    reader.event("pong", |_| true).await; // from here on nothing is missed
    let says = |text: &'static str| move |update: &Value| update["segment"]["text"] == text;
    // what is sent before the tap's data channel is open is lost: it is said until it is heard
    loop {
        agent.tells("customer", "1", "My parcel", false).await;
        let shown = reader.event("transcript-update", says("My parcel"));
        if tokio::time::timeout(AGAIN_AFTER, shown).await.is_ok() {
            break;
        }
    }
    agent
        .tells("customer", "1", "My parcel is late.", true)
        .await;
    let update = reader
        .event("transcript-update", says("My parcel is late."))
        .await;
    assert_eq!(update["segment"]["party"], "customer");
    agent.tells("agent", "2", "I am sorry.", true).await;
    reader.event("transcript-update", says("I am sorry.")).await;
    let said = ["My parcel is late.", "I am sorry."];
    let kept = transcript(&user, &path, &said).await;
    assert_eq!(late(&user, &call).await, kept);
    for format in ["txt", "vtt", "srt"] {
        let text = export(&user, &path, format).await;
        for line in said {
            assert_eq!(text.matches(line).count(), 1, "{format}: {text}");
        }
    }
    let exports = [
        export(&user, &path, "vtt").await,
        export(&user, &path, "srt").await,
    ];

    system.kill();
    system.start_again().await;
    let user = system.login().await;
    user.answered_call(&call).await;
    assert_eq!(transcript(&user, &path, &said).await, kept);
    assert_eq!(late(&user, &call).await, kept);
    let again = [
        export(&user, &path, "vtt").await,
        export(&user, &path, "srt").await,
    ];
    assert_eq!(again, exports);
    agent
        .tells("customer", "3", "I want my money back.", true)
        .await;
    let said = [said[0], said[1], "I want my money back."];
    let more = transcript(&user, &path, &said).await;
    assert_eq!(more.as_array().unwrap()[..2], kept.as_array().unwrap()[..2]);
    assert_eq!(late(&user, &call).await, more);
}
