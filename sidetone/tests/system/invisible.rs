//! Nobody in a call can tell that it is tapped.

use std::time::Duration;

use serde_json::Value;
use sidetone_room::token::Token;
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, PythonPeer, id, wait_for, wait_some};

use crate::office;

/// What a closing may take longer than another: the server looks once a second.
const CLOSING_SLACK: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn peers_on_livekits_own_sdk_see_and_hear_nothing_of_the_tap() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let rooms = office::rooms(&livekit);

    // one is there when the tap comes, one comes to the tap
    let mut customer = office::python(&livekit, office::customer_token("call-1")).await;
    let call = user.call_in("call-1").await;
    // a person: the server does not count participants of kind agent
    let token = Token::participant("call-1", "agent").attribute("sidetone.party", "agent");
    let mut agent = office::python(&livekit, token).await;
    customer
        .publish_tone("customer", office::CUSTOMER, office::LEVEL_DBFS)
        .await
        .unwrap();
    agent
        .publish_tone("agent", office::AGENT, office::LEVEL_DBFS)
        .await
        .unwrap();
    user.answered_call_in("call-1").await;
    // the tap has both of them: whoever listens hears them
    let grant = user.listen(&id(&call)).await;
    let mut supervisor = PythonPeer::start().await.unwrap();
    supervisor.join(&grant.url, &grant.token).await.unwrap();
    for track in &grant.tracks {
        supervisor
            .wait_heard(track, office::DEADLINE, &[], |heard| {
                heard.name == *track && heard.rms_dbfs > -20.0
            })
            .await;
    }

    assert_eq!(customer.participants().await.unwrap(), ["agent"]);
    assert_eq!(agent.participants().await.unwrap(), ["customer"]);
    let counted = wait_some("the server's count", office::DEADLINE, || async {
        let room = rooms.find_room("call-1").await.unwrap().unwrap();
        (room.participants >= 2).then_some(room.participants)
    });
    assert_eq!(counted.await, 2);
    agent.leave().await.unwrap();
    customer
        .wait_event("the agent's leaving", office::DEADLINE, |event| {
            event["event"] == "participant_disconnected" && event["identity"] == "agent"
        })
        .await;
    for event in customer.events() {
        assert_eq!(stranger(&event), None, "{event}");
        let kind = event["event"].as_str().unwrap();
        assert!(
            !["data", "text", "transcription"].contains(&kind),
            "{event}"
        );
    }
    customer.leave().await.unwrap();
}

/// Whoever an event tells of beside the two parties.
fn stranger(event: &Value) -> Option<String> {
    let mut told: Vec<&str> = event["identity"].as_str().into_iter().collect();
    let speakers = event["identities"].as_array();
    told.extend(speakers.into_iter().flatten().filter_map(Value::as_str));
    told.iter()
        .find(|identity| !["customer", "agent"].contains(*identity))
        .map(|&identity| identity.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_joins_after_the_tap_serves_the_customer() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;

    let _customer = office::customer(&livekit, "call-1").await;
    user.call_in("call-1").await; // so the tap is there
    let mut agent = PythonPeer::start_agent().await.unwrap();
    let token = office::sign(&livekit, office::agent_token("call-1"));
    agent.join(&livekit.url(), &token).await.unwrap();
    let call = user.answered_call_in("call-1").await;
    assert_eq!(call["agentName"], "Robin");
    assert_eq!(agent.linked().await.unwrap().as_deref(), Some("customer"));
    assert_eq!(agent.participants().await.unwrap(), ["customer"]);
    agent.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_closes_as_fast_with_the_tap_as_without() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let rooms = office::rooms(&livekit);
    rooms
        .create_room("left-alone", r#"{"sidetone": false}"#)
        .await
        .unwrap();
    let mut closing = Vec::new();
    for room in ["left-alone", "tapped"] {
        let customer = office::customer(&livekit, room).await;
        let agent = office::agent(&livekit, room).await;
        if room == "tapped" {
            user.answered_call_in(room).await;
        }
        customer.leave().await.unwrap();
        agent.leave().await.unwrap();
        let left = clock::now();
        wait_for("the room to close", office::DEADLINE, || async {
            rooms.find_room(room).await.is_ok_and(|room| room.is_none())
        })
        .await;
        closing.push(left.elapsed());
    }
    let (alone, tapped) = (closing[0], closing[1]);
    println!("a room closes {alone:?} after the last one left, a tapped one {tapped:?}");
    assert!(tapped < alone + CLOSING_SLACK, "{alone:?} and {tapped:?}");
    let calls = user.read("/api/calls").await;
    assert_eq!(calls["items"].as_array().unwrap().len(), 1, "{calls}");
}
