//! Calls are found, followed and ended.

use std::time::Duration;

use sidetone_room::service::RoomService;
use sidetone_room::token::{Kind, Token};
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, wait_for, wait_some};
use sidetone_wire::{Command, Direction, Party, Signal};

use crate::peers::Peer;
use crate::world::{DEADLINE, World, credentials};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_found_by_listing_and_both_parties_are_recorded_to_its_end() {
    let server = LivekitServer::start().await.unwrap();
    let service = RoomService::new(&server.url(), &credentials(&server));
    service
        .create_room("call-1", r#"{"tenant": "acme"}"#)
        .await
        .unwrap();
    let world = World::start(&server);
    let caller = Token::participant("call-1", "sip_1")
        .name("Ada")
        .kind(Kind::Sip)
        .attribute("sip.phoneNumber", "+4930123")
        .attribute("sip.trunkPhoneNumber", "+4940456");
    let customer = Peer::join(&server, caller, 440.0).await;
    let agent = Peer::agent(&server, "call-1").await;

    let (call, facts) = world
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    assert_eq!(facts.direction, Direction::Inbound);
    assert_eq!(
        (facts.from.as_str(), facts.to.as_str()),
        ("+4930123", "+4940456")
    );
    assert_eq!(facts.tenant.as_deref(), Some("acme"));
    assert_eq!(facts.agent_name.as_deref(), Some("Robin"));
    let take = world.recorded(call, 50).await;
    assert_eq!(take.tenant, "acme");
    assert_eq!(take.names[&Party::Customer], "Ada");

    customer.leave().await;
    agent.leave().await;
    let (ended_at, reason) = wait_some("the call's end", DEADLINE, || async {
        world.endings(call).into_iter().next()
    })
    .await;
    assert_eq!(reason, "completed/participants_left");
    let takes = world.takes.of(call);
    assert_eq!(takes.len(), 1);
    let length_ms = takes[0].ended_at.expect("the take ended").ms();
    let call_ms = ended_at.ms_since(facts.started_at);
    assert!(
        length_ms.abs_diff(call_ms) <= 20,
        "a take of {length_ms} ms of {call_ms} ms"
    );
    // a first packet that came late makes the others early by as much
    let beyond_ms = takes[0].latest.ms().saturating_sub(length_ms);
    assert!(beyond_ms <= 60, "a packet {beyond_ms} ms behind the end");
    assert_eq!(world.endings(call).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_finds_a_call_at_once_and_the_room_is_no_call_while_it_is_empty() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let service = RoomService::new(&server.url(), &credentials(&server));
    service.create_room("call-1", "").await.unwrap();
    let room = "call-1".to_owned();
    world.fleet.command_all(Command::RoomChanged { room }).await;
    let customer = Peer::customer(&server, "call-1").await;
    let (call, facts) = world.call_in("call-1", |_| true).await;
    assert_eq!(facts.customer_name.as_deref(), Some("Ada"));
    assert_eq!(facts.direction, Direction::Web);
    customer.leave().await;
    wait_for("the end", DEADLINE, || async {
        !world.endings(call).is_empty()
    })
    .await;
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_when_a_party_leaves_and_returns_mutes_or_publishes_again() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    world.recorded(call, 20).await;
    let heard = || world.takes.of(call)[0].heard(Party::Customer);
    let hears_more = async |what: &str| {
        let before = heard();
        wait_for(what, DEADLINE, || async { heard() > before + 20 }).await;
    };

    customer.leave().await;
    customer = Peer::customer(&server, "call-1").await;
    hears_more("the customer after a return").await;

    customer.publish_again().await;
    hears_more("the customer after another publication").await;

    customer.mute(true).await;
    let quiet = || async {
        let before = heard();
        tokio::time::sleep(Duration::from_millis(500)).await;
        heard() == before
    };
    wait_for("half a second of silence", DEADLINE, quiet).await;
    customer.mute(false).await;
    hears_more("the customer after a mute").await;

    assert_eq!(world.calls().len(), 1);
    assert_eq!(world.takes.all().len(), 1);
    assert!(world.endings(call).is_empty());
    assert!(world.takes.all()[0].gaps.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_closes_as_fast_with_the_tap_as_without() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let service = RoomService::new(&server.url(), &credentials(&server));
    service
        .create_room("untapped", r#"{"sidetone": false}"#)
        .await
        .unwrap();
    let mut closing = Vec::new();
    for room in ["tapped", "untapped"] {
        let customer = Peer::customer(&server, room).await;
        let agent = Peer::agent(&server, room).await;
        if room == "tapped" {
            let (call, _) = world.call_in(room, |_| true).await;
            world.recorded(call, 20).await;
        }
        customer.leave().await;
        agent.leave().await;
        let left = clock::now();
        wait_for("the room to close", DEADLINE, || async {
            service
                .find_room(room)
                .await
                .is_ok_and(|found| found.is_none())
        })
        .await;
        closing.push(left.elapsed());
    }
    // the server looks once a second, so two rooms may differ by that
    let (tapped, untapped) = (closing[0], closing[1]);
    assert!(
        tapped < untapped + Duration::from_millis(1500),
        "{tapped:?} and {untapped:?}"
    );
    assert_eq!(world.calls().len(), 1, "the other one opted out");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_is_told_and_measured_while_somebody_looks() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut signals = world.fleet.signals();
    let customer = Peer::customer(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    // the server tells of changes only: a party that speaks on and on is no news
    customer.mute(true).await;
    wait_for("silence", DEADLINE, || async {
        let before = world
            .takes
            .all()
            .iter()
            .map(|t| t.heard(Party::Customer))
            .sum::<u64>();
        tokio::time::sleep(Duration::from_secs(1)).await;
        before
            == world
                .takes
                .all()
                .iter()
                .map(|t| t.heard(Party::Customer))
                .sum::<u64>()
    })
    .await;
    customer.mute(false).await;
    for watched in [false, true] {
        if watched {
            let answer = world
                .fleet
                .command(call, Command::WatchLevels { call })
                .await;
            assert!(answer.is_ok());
        }
        let search = async {
            loop {
                if let Ok(Signal::Levels {
                    call: of,
                    levels,
                    current_speaker,
                }) = signals.recv().await
                    && of == call
                    && levels.customer > 0.1
                    && current_speaker == Some(Party::Customer)
                {
                    return levels;
                }
            }
        };
        let levels = tokio::time::timeout(DEADLINE, search)
            .await
            .expect("levels");
        assert!(levels.agent < 0.01, "{levels:?}");
    }
}
