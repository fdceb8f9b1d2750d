use std::time::Duration;

use serde_json::json;
use sidetone_service::clock;
use sidetone_wire::{CallEvent, Timestamp};

use crate::world::World;

#[tokio::test]
async fn calls_of_a_former_process_that_are_not_found_again_are_closed() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let at = Timestamp::from_unix_ms(clock::wall() - 5000);
    let found = gateway.hold_since("found", None, at);
    let lost = gateway.hold_since("lost", None, at);
    for call in [&found, &lost] {
        call.known_to(&admin).await;
    }
    let listen = format!("{}/listen", found.path());
    admin.send(reqwest::Method::POST, &listen).await;
    let dir = world.stop().await;

    let world = World::start(dir, &[], Duration::from_secs(3)).await;
    let admin = world.login("admin", crate::world::ADMIN_PASSWORD).await;
    let both = admin.read("/api/calls/active/count").await;
    assert_eq!(both["count"], 2, "they are not given up at once");
    let mut again = world.gateway().hold_since("found", None, at);
    assert_eq!(again.id, found.id, "the same call has the same id");
    again.facts.agent_name = Some("after the restart".into());
    again.log.send(CallEvent::Facts(again.facts.clone()));
    admin
        .eventually(&again.path(), |call| {
            call["agentName"] == "after the restart"
        })
        .await;

    let closed = admin
        .eventually(&lost.path(), |call| call["status"] == "ended")
        .await;
    assert_eq!(
        closed["endReason"],
        json!({"class": "ours", "code": "gateway_lost"})
    );
    assert!(
        closed["endedAt"].as_str().unwrap()
            <= Timestamp::from_unix_ms(clock::wall()).to_string().as_str()
    );
    let alive = admin.read(&again.path()).await;
    assert_eq!(alive["status"], "connecting");
    assert_eq!(
        alive["watchers"],
        json!([]),
        "nobody listens through the new process"
    );

    // one that turns up after all is alive again
    let late = world.gateway().hold_since("lost", None, at);
    admin
        .eventually(&late.path(), |call| call["status"] == "connecting")
        .await;
}

#[tokio::test]
async fn what_gateways_send_while_they_drain_is_still_taken() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    call.known_to(&admin).await;
    let (fleet, id, mut facts) = (world.fleet.clone(), call.id, call.facts.clone());
    let draining = world.lifecycle.clone();
    world.lifecycle.spawn_vital("gateway", async move {
        draining.draining().await;
        // the listener is closed by now or soon; the consumer is not
        facts.agent_name = Some("last words".into());
        fleet.event_log(id, 2).send(CallEvent::Facts(facts));
        Ok(())
    });
    let dir = world.stop().await;
    let world = World::start(dir, &[], Duration::from_secs(30)).await;
    let admin = world.admin().await;
    let seen = admin.read(&call.path()).await;
    assert_eq!(seen["agentName"], "last words");
}
