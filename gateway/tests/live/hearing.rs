//! Supervisors hear what they were granted, and nobody else does.

use std::time::Duration;

use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, wait_for, wait_some};
use sidetone_wire::{Command, CommandError, Party, Reply};

use crate::peers::{Listener, Peer};
use crate::world::{DEADLINE, World, monitor_room};

/// A track from which nothing came for so long is silent: 15 packets. The server itself sends
/// 200 ms of silence when a track ends.
const SILENCE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_hears_both_parties_apart_and_nobody_else_hears_anything() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    let monitor = monitor_room(1);
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    let intruder = Listener::join(&server, &monitor.room, "intruder").await;

    let [customer, agent] = ["customer", "agent"].map(|party| format!("{call}/{party}"));
    let tracks = vec![
        (customer.clone(), Party::Customer),
        (agent.clone(), Party::Agent),
    ];
    assert_eq!(
        world.listen(call, &monitor).await,
        Ok(Reply::Listening { tracks })
    );
    for (track, own, other) in [(&customer, 440.0, 1000.0), (&agent, 1000.0, 440.0)] {
        let [own, other] = wait_some("the tone", DEADLINE, || async {
            supervisor
                .levels(track, [own, other])
                .filter(|[own, _]| *own > -20.0)
        })
        .await;
        assert!(other - own < -60.0, "crosstalk of {} dB", other - own);
    }
    wait_for("two seconds of sound", DEADLINE, || async {
        supervisor.packets(&agent) > 100
    })
    .await;
    assert_eq!(intruder.all_packets(), 0);
    assert!(
        world.listen(call, &monitor).await.is_ok(),
        "repeating is harmless"
    );
    assert_eq!(supervisor.publications(&customer), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_taken_back_is_silent_within_a_second_and_given_again_is_heard_within_one() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    let monitor = monitor_room(2);
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    let tracks = ["customer", "agent"].map(|party| format!("{call}/{party}"));
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..21 {
        let before = tracks.each_ref().map(|track| supervisor.packets(track));
        let granted = clock::now();
        world.listen(call, &monitor).await.unwrap();
        wait_for("both tracks", DEADLINE, || async {
            let heard = |n: usize| supervisor.packets(&tracks[n]) > before[n];
            heard(0) && heard(1)
        })
        .await;
        if round > 0 {
            took[0].push(granted.elapsed());
        }
        let withdrawn = clock::now();
        world.unlisten(call, &monitor).await;
        wait_for("silence", DEADLINE, || async {
            tracks
                .iter()
                .all(|track| supervisor.silent_for(track) > SILENCE)
        })
        .await;
        took[1].push(withdrawn.elapsed().saturating_sub(SILENCE));
    }
    // a machine that does other things as well may take longer now and then
    for (took, what) in took.iter_mut().zip(["heard", "silent"]) {
        took.sort_unstable();
        let median = took[took.len() / 2];
        assert!(median < Duration::from_secs(1), "{what} after {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_goes_on_over_a_source_that_is_published_again() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let customer = Peer::customer(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    let monitor = monitor_room(3);
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    world.listen(call, &monitor).await.unwrap();
    let [theirs, agents] = ["customer", "agent"].map(|party| format!("{call}/{party}"));
    wait_for("the customer", DEADLINE, || async {
        supervisor.packets(&theirs) > 20
    })
    .await;
    customer.publish_again().await;
    let before = supervisor.packets(&theirs);
    wait_for("the customer again", DEADLINE, || async {
        supervisor.packets(&theirs) > before + 50
    })
    .await;
    assert_eq!(
        supervisor.publications(&theirs),
        1,
        "the listener saw no change"
    );
    let _agent = Peer::agent(&server, "call-1").await;
    wait_for("an agent who came later", DEADLINE, || async {
        supervisor.packets(&agents) > 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_user_hears_nothing_of_any_call_while_another_one_does() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut calls = Vec::new();
    let mut peers = Vec::new();
    for n in 0..4 {
        let room = format!("call-{n}");
        peers.push(Peer::customer(&server, &room).await);
        calls.push(world.call_in(&room, |_| true).await.0);
    }
    let (revoked, other) = (monitor_room(4), monitor_room(5));
    let ears = [
        Listener::join(&server, &revoked.room, &revoked.listener).await,
        Listener::join(&server, &other.room, &other.listener).await,
    ];
    for call in &calls {
        world.listen(*call, &revoked).await.unwrap();
        world.listen(*call, &other).await.unwrap();
    }
    let tracks: Vec<_> = calls
        .iter()
        .map(|call| format!("{call}/customer"))
        .collect();
    for ear in &ears {
        wait_for("every call", DEADLINE, || async {
            tracks.iter().all(|track| ear.packets(track) > 20)
        })
        .await;
    }
    world
        .fleet
        .command_all(Command::UnlistenAll { user: revoked.user })
        .await;
    wait_for("silence", DEADLINE, || async {
        tracks
            .iter()
            .all(|track| ears[0].silent_for(track) > SILENCE)
    })
    .await;
    let before = ears[1].packets(&tracks[0]);
    wait_for("the other supervisor", DEADLINE, || async {
        ears[1].packets(&tracks[0]) > before + 20
    })
    .await;
    let unknown = sidetone_wire::CallId(uuid::Uuid::from_u128(7));
    assert_eq!(
        world.listen(unknown, &other).await,
        Err(CommandError::NoHolder)
    );
}
