//! What is survived, and how.

use std::time::Duration;

use sidetone_room::service::RoomService;
use sidetone_room::token::Credentials;
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, wait_for};
use sidetone_wire::{GapReason, Party};

use crate::peers::{Listener, Peer};
use crate::world::{DEADLINE, World, credentials, link_says, monitor_room};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restarted_under_twenty_calls_is_the_same_calls_with_a_marked_gap() {
    const CALLS: usize = 20;
    let mut server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut peers = Vec::new();
    for n in 0..CALLS {
        let room = format!("call-{n}");
        peers.push(Peer::customer(&server, &room).await);
        peers.push(Peer::agent(&server, &room).await);
    }
    let mut calls = Vec::new();
    for n in 0..CALLS {
        let (call, _) = world
            .call_in(&format!("call-{n}"), |f| f.answered_at.is_some())
            .await;
        world.recorded(call, 20).await;
        calls.push(call);
    }
    server.restart().await.unwrap();
    let back = clock::now();
    wait_for("every party of every call", DEADLINE, || async {
        calls.iter().all(|call| {
            world
                .takes
                .of(*call)
                .first()
                .is_some_and(|take| take.gaps.len() == 1 && take.latest > take.gaps[0].1)
        })
    })
    .await;
    println!(
        "all {CALLS} calls were heard again after {:?}",
        back.elapsed()
    );
    assert!(
        back.elapsed() < Duration::from_secs(10),
        "{:?}",
        back.elapsed()
    );
    for call in &calls {
        let before = world.takes.of(*call)[0].clone();
        wait_for("both parties", DEADLINE, || async {
            let now = &world.takes.of(*call)[0];
            [Party::Customer, Party::Agent]
                .iter()
                .all(|p| now.heard(*p) > before.heard(*p) + 10)
        })
        .await;
        let takes = world.takes.of(*call);
        assert_eq!(takes.len(), 1, "one recording of each call");
        assert_eq!(takes[0].gaps.len(), 1);
        assert_eq!(takes[0].gaps[0].2, GapReason::Disconnected);
        assert!(world.endings(*call).is_empty());
    }
    assert_eq!(world.calls().len(), CALLS, "no call was found twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_room_that_vanishes_is_published_in_again() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let service = RoomService::new(&server.url(), &credentials(&server));
    let _customer = Peer::customer(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    let monitor = monitor_room(1);
    let track = format!("{call}/customer");
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    world.listen(call, &monitor).await.unwrap();
    wait_for("the customer", DEADLINE, || async {
        supervisor.packets(&track) > 20
    })
    .await;
    service.delete_room(&monitor.room).await.unwrap();
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    wait_for("the customer again", DEADLINE, || async {
        supervisor.packets(&track) > 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_named_and_tried_again_and_a_right_one_is_well() {
    let server = LivekitServer::start().await.unwrap();
    let wrong = Credentials::new(server.api_key(), "another_secret_of_at_least_32_characters");
    let world = World::start_with(&server.url(), wrong);
    let names_it = |problem: &Option<String>| {
        problem
            .as_ref()
            .is_some_and(|problem| problem.starts_with("LIVEKIT_API_SECRET: "))
    };
    link_says(&world, names_it).await;
    link_says(&world, names_it).await;
    let world = World::start_with("ws://127.0.0.1:9", credentials(&server));
    link_says(&world, |problem| {
        problem
            .as_ref()
            .is_some_and(|problem| problem.starts_with("LIVEKIT_URL: "))
    })
    .await;
    link_says(&World::start(&server), Option::is_none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_ends_seals_its_takes_and_leaves_calls_to_the_next_one() {
    let server = LivekitServer::start().await.unwrap();
    let mut world = World::start(&server);
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    world.recorded(call, 20).await;
    world.drain().await;
    assert!(world.takes.of(call)[0].ended_at.is_some());
    assert!(world.endings(call).is_empty(), "the call goes on");

    let next = World::start(&server);
    let (found, _) = next
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    assert_eq!(found, call, "the same call has the same id");
    next.recorded(call, 20).await;
}
