//! Simulated calls as somebody else's client sees and hears them.

#![allow(clippy::unwrap_used, reason = "a step that fails, fails the test")]

use std::time::Duration;

use serde_json::Value;
use sidetone_room::service::RoomService;
use sidetone_room::token::{Credentials, Token};
use sidetone_simulate::clip::Clip;
use sidetone_simulate::load::{BurstPublisher, looped};
use sidetone_simulate::script::{self, Side};
use sidetone_simulate::{CallPlan, Population, PopulationSettings, Server, SimulatedCall};
use sidetone_testkit::{LivekitServer, PythonPeer, Tone, wait_for, wait_some};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

fn server_of(livekit: &LivekitServer) -> Server {
    Server::new(
        &livekit.url(),
        Credentials::new(livekit.api_key(), livekit.api_secret()),
    )
}

fn rooms_of(server: &Server) -> RoomService {
    RoomService::new(server.url(), server.credentials())
}

/// An onlooker in `room`, on the Python SDK.
async fn onlooker(server: &Server, room: &str) -> PythonPeer {
    let mut peer = PythonPeer::start().await.unwrap();
    let token = Token::listener(room, "onlooker")
        .sign(server.credentials())
        .unwrap();
    peer.join(server.url(), &token).await.unwrap();
    peer
}

fn plan(room: &str) -> CallPlan {
    CallPlan {
        room: room.to_owned(),
        tenant: Some("north".to_owned()),
        script: script::find("delivery").unwrap(),
        pause_percent: 10,
        hangs_up: Side::Customer,
    }
}

fn is_final_text_of(event: &Value, identity: &str) -> bool {
    event["event"] == "text"
        && event["topic"] == "lk.transcription"
        && event["identity"] == identity
        && event["attributes"]["lk.transcription_final"] == "true"
}

#[tokio::test]
async fn both_parties_are_heard_and_transcribed_and_the_room_closes_when_they_hang_up() {
    let livekit = LivekitServer::start().await.unwrap();
    let server = server_of(&livekit);
    let stop = CancellationToken::new();
    let call = SimulatedCall::new(server.clone(), plan("call-1"));
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { call.run(stop.cancelled()).await }
    });
    let rooms = rooms_of(&server);
    wait_for("the room with its tenant", SOON, || async {
        let room = rooms.find_room("call-1").await.unwrap();
        room.is_some_and(|room| room.metadata == r#"{"tenant":"north"}"#)
    })
    .await;
    let mut peer = onlooker(&server, "call-1").await;

    let (customer, agent) = ("sip_+442079460112", "agent-ava");
    for identity in [customer, agent] {
        peer.wait_heard(identity, SOON, &[], |track| {
            track.identity == identity && track.rms_dbfs > -35.0
        })
        .await;
    }

    for identity in [customer, agent] {
        let text = peer
            .wait_event("a final transcript", SOON, |e| {
                is_final_text_of(e, identity)
            })
            .await;
        let said = text["text"].as_str().unwrap();
        let turns = &script::find("delivery").unwrap().turns;
        assert!(turns.iter().any(|turn| turn.text == said), "{said}");
        peer.wait_event("the same in the older carrier", SOON, |e| {
            e["event"] == "transcription" && e["identity"] == identity && e["text"] == said
        })
        .await;
    }
    let others = peer
        .call(serde_json::json!({"do": "participants"}))
        .await
        .unwrap();
    let kind = |identity: &str| {
        let all = others["participants"].as_array().unwrap();
        all.iter().find(|p| p["identity"] == identity).unwrap()["kind"].clone()
    };
    assert_eq!(kind(customer), "PARTICIPANT_KIND_SIP");
    assert_eq!(kind(agent), "PARTICIPANT_KIND_AGENT");

    stop.cancel();
    running.await.unwrap().unwrap();
    peer.wait_event("the customer hangs up", SOON, |e| {
        e["event"] == "participant_disconnected" && e["identity"] == customer
    })
    .await;
    peer.leave().await.unwrap();
    wait_for("the room's end", SOON, || async {
        rooms.find_room("call-1").await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn a_population_keeps_its_calls_and_everybody_hangs_up_when_it_stops() {
    let livekit = LivekitServer::start().await.unwrap();
    let server = server_of(&livekit);
    let rooms = rooms_of(&server);
    let stop = CancellationToken::new();
    let mut settings = PopulationSettings::new(4);
    settings.stagger = Duration::from_millis(50);
    let population = tokio::spawn(Population::new(server.clone(), settings).run(stop.clone()));

    // the server counts customers; agents do not keep a room open
    let lost = wait_some("four customers in four rooms", SOON, || async {
        let all = rooms.list_rooms().await.unwrap();
        let full = all.len() == 4 && all.iter().all(|room| room.participants == 1);
        full.then(|| all[0].name.clone())
    })
    .await;
    rooms.delete_room(&lost).await.unwrap();
    wait_for("another call in place of the lost one", SOON, || async {
        let all = rooms.list_rooms().await.unwrap();
        let full = all.iter().filter(|room| room.participants == 1).count() == 4;
        full && all.iter().all(|room| room.name != lost)
    })
    .await;

    stop.cancel();
    population.await.unwrap();
    wait_for("the end of every room", SOON, || async {
        rooms.list_rooms().await.unwrap().is_empty()
    })
    .await;
}

fn tone_clip(hz: f64) -> Clip {
    let packets = Tone::new(hz, -12.0).unwrap().packets(50).unwrap();
    Clip::from_packets(&packets, &[15; 50]).unwrap()
}

#[tokio::test]
async fn a_load_of_many_calls_says_its_tones_in_every_room() {
    let livekit = LivekitServer::start().await.unwrap();
    let server = server_of(&livekit);
    let rooms: Vec<String> = (0..20).map(|n| format!("load-{n}")).collect();
    let payloads = looped(&tone_clip(400.0), &tone_clip(1000.0)).unwrap();
    let load = BurstPublisher::start(&server, &rooms, payloads)
        .await
        .unwrap();
    let mut peer = onlooker(&server, "load-17").await;
    let tones = [400.0, 1000.0];
    for (identity, own, other) in [("customer", 400.0, 1000.0), ("agent", 1000.0, 400.0)] {
        peer.wait_heard(identity, SOON, &tones, |track| {
            track.identity == identity && track.crosstalk_db(own, other) < -60.0
        })
        .await;
    }
    let before = load.sent();
    wait_for("two seconds of forty tracks", SOON, || async {
        load.sent() >= before + 4_000
    })
    .await;
    peer.leave().await.unwrap();
    load.stop().await;
}

#[tokio::test]
async fn a_call_goes_on_when_the_server_was_restarted() {
    let mut livekit = LivekitServer::start().await.unwrap();
    let server = server_of(&livekit);
    let rooms = rooms_of(&server);
    let stop = CancellationToken::new();
    let call = SimulatedCall::new(server.clone(), plan("call-1"));
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { call.run(stop.cancelled()).await }
    });
    let customer_is_there = || async {
        let room = rooms.find_room("call-1").await;
        room.is_ok_and(|room| room.is_some_and(|room| room.participants == 1))
    };
    wait_for("the customer", SOON, customer_is_there).await;
    livekit.restart().await.unwrap();
    wait_for("the customer again", SOON, customer_is_there).await;
    let mut peer = onlooker(&server, "call-1").await;
    peer.wait_heard("the agent again", SOON, &[], |track| {
        track.identity == "agent-ava" && track.rms_dbfs > -35.0
    })
    .await;
    peer.leave().await.unwrap();
    stop.cancel();
    running.await.unwrap().unwrap();
}
