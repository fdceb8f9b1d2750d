//! The peers hear each other, and see what the tests of other crates rely on.

#![allow(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::time::Duration;

use sidetone_room::Kind;
use sidetone_room::token::{Credentials, Token};
use sidetone_testkit::{LivekitServer, PythonPeer, Tone, ToneListener, ToneSpeaker, wait_for};

const SOON: Duration = Duration::from_secs(20);

fn party(identity: &str) -> Token {
    Token::participant("room-1", identity)
}

fn sign(livekit: &LivekitServer, token: Token) -> String {
    token
        .sign(&Credentials::new(livekit.api_key(), livekit.api_secret()))
        .unwrap()
}

#[tokio::test]
async fn the_python_peer_and_our_client_hear_each_other_apart() {
    let livekit = LivekitServer::start().await.unwrap();
    let mut python = PythonPeer::start().await.unwrap();
    let python_token = sign(&livekit, party("python"));
    python.join(&livekit.url(), &python_token).await.unwrap();
    python
        .publish_tone("python/1000", 1000.0, -12.0)
        .await
        .unwrap();

    let own_token = sign(&livekit, party("own"));
    let tone = Tone::new(440.0, -12.0).unwrap();
    let mut own = ToneSpeaker::join(&livekit.url(), own_token, tone)
        .await
        .unwrap();
    let listener_token = sign(&livekit, Token::listener("room-1", "listener"));
    let listener = ToneListener::join(&livekit.url(), listener_token, 400)
        .await
        .unwrap();

    wait_for("both tones, far apart", SOON, || async {
        let far = |name, own, other| {
            listener.level_dbfs(name, own) > -14.0
                && listener.level_dbfs(name, other) < listener.level_dbfs(name, own) - 60.0
        };
        far("python/1000", 1000.0, 440.0) && far("microphone", 440.0, 1000.0)
    })
    .await;
    python
        .wait_heard("our tone and no other", SOON, &[440.0, 1000.0], |track| {
            track.identity == "own" && track.crosstalk_db(440.0, 1000.0) < -60.0
        })
        .await;

    own.mute(true).await.unwrap();
    wait_for("silence", SOON, || async {
        !listener.hears("microphone", 440.0)
    })
    .await;
    own.mute(false).await.unwrap();
    wait_for("the tone again", SOON, || async {
        listener.hears("microphone", 440.0)
    })
    .await;
    let first_sid = own.sid().to_owned();
    own.republish().await.unwrap();
    assert_ne!(own.sid(), first_sid);
    let before = listener.packets("microphone");
    wait_for("the tone on the new track", SOON, || async {
        listener.packets("microphone") > before + 20 && listener.hears("microphone", 440.0)
    })
    .await;
    own.leave().await.unwrap();
    python
        .wait_event("our leaving", SOON, |e| {
            e["event"] == "participant_disconnected" && e["identity"] == "own"
        })
        .await;
    python.leave().await.unwrap();
}

#[tokio::test]
async fn an_agent_links_to_the_customer_and_a_crashed_command_says_why() {
    let livekit = LivekitServer::start().await.unwrap();
    let mut customer = PythonPeer::start().await.unwrap();
    let customer_token = sign(&livekit, party("customer"));
    customer
        .join(&livekit.url(), &customer_token)
        .await
        .unwrap();
    let mut agent = PythonPeer::start_agent().await.unwrap();
    let agent_token = sign(&livekit, party("agent").kind(Kind::Agent));
    agent.join(&livekit.url(), &agent_token).await.unwrap();
    customer
        .wait_event("the agent's voice", SOON, |e| {
            e["event"] == "track_subscribed" && e["identity"] == "agent"
        })
        .await;
    assert_eq!(agent.linked().await.unwrap().as_deref(), Some("customer"));
    assert_eq!(customer.participants().await.unwrap(), ["agent"]);

    let error = customer.linked().await.unwrap_err().to_string();
    assert!(error.contains("linked"), "{error}");
    agent.leave().await.unwrap();
    customer.leave().await.unwrap();
}
