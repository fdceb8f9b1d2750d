//! What a browser is told over Socket.IO.

use serde_json::{Value, json};
use sidetone_testkit::LivekitServer;

use crate::office;
use crate::socket::Socket;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_told_of_a_call_of_who_speaks_and_of_its_end() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let me = user.read("/api/me").await;
    let mut socket = Socket::connect(&user).await;
    let connected = socket.event("connected", |_| true).await;
    assert_eq!(connected["user_id"], me["id"]);
    let state = socket.event("initial_state", |_| true).await;
    assert_eq!(state["active_calls"], json!([]));

    let customer = office::customer(&livekit, "call-1").await;
    let agent = office::agent(&livekit, "call-1").await;
    let call = socket
        .event("call-upsert", |call| {
            call["livekitRoomName"] == "call-1" && call["answeredAt"].is_string()
        })
        .await;
    assert_eq!(call["status"], "connected");
    assert_eq!(call["customerName"], "Ada");
    assert_eq!(call["agentName"], "Robin");

    let stream = format!("call:{}", call["id"].as_str().unwrap());
    socket.send("subscribe", json!({"stream": stream})).await;
    let loud = |level: &Value| level.as_f64().is_some_and(|level| level > 0.1);
    let levels = socket
        .event("levels", |levels| {
            loud(&levels["customer"]) && loud(&levels["agent"])
        })
        .await;
    assert_eq!(levels["callId"], call["id"]);

    // somebody who comes later finds the call in the snapshot
    let mut other = Socket::connect(&user).await;
    let state = other.event("initial_state", |_| true).await;
    assert_eq!(state["active_calls"][0]["id"], call["id"]);

    agent.leave().await.unwrap();
    customer.leave().await.unwrap();
    for socket in [&mut socket, &mut other] {
        let ended = socket
            .event("call-upsert", |call| call["status"] == "ended")
            .await;
        assert_eq!(ended["id"], call["id"]);
        assert_eq!(ended["endReason"]["class"], "completed");
    }
}
