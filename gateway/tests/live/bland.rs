//! Calls on Bland: everybody on one track, and nobody else says that one is over.

use std::time::Duration;

use sidetone_service::clock;
use sidetone_simulate::listen::{Listening, Manner, Tones};
use sidetone_testkit::wait_for;
use sidetone_wire::{CallId, Command, Hidden, Party, Socket, Upstream};

use crate::sockets::{AGENT, CUSTOMER, hear, is_told, says_apart, sound};
use crate::world::{DEADLINE, World};

const TONES: Tones = Tones {
    customer: CUSTOMER,
    agent: AGENT,
};

fn socket(call: CallId, url: String) -> Socket {
    Socket {
        call,
        upstream: Upstream::Bland,
        tenant: "default".to_owned(),
        url: Hidden(url),
        takeover: None,
        bearer: None,
        customer_name: None,
        agent_name: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_bland_is_heard_at_its_pitch_and_over_when_bland_knows_it_no_more() {
    let world = World::start_alone();
    let mut calls = Vec::new();
    for riff in [false, true] {
        let manner = Manner {
            riff,
            ..Manner::bland()
        };
        let listening = Listening::start(TONES, manner).await.unwrap();
        let call = CallId(clock::new_id());
        hear(&world, socket(call, listening.url())).await;
        calls.push((call, listening));
    }
    for (call, listening) in calls {
        wait_for("the first packet", DEADLINE, || async {
            let takes = world.takes.of(call);
            takes.first().is_some_and(|take| !take.kept.is_empty())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        listening.end();
        wait_for("the end", DEADLINE, || async {
            !world.endings(call).is_empty()
        })
        .await;
        assert_eq!(world.endings(call)[0].1, "completed/upstream_closed");
        let take = &world.takes.of(call)[0];
        let customer = sound(take, Party::Customer);
        // two tones at once are no speech
        says_apart(&customer, CUSTOMER, 700.0, 30.0, 5.0);
        says_apart(&customer, AGENT, 700.0, 30.0, 5.0);
        assert!(sound(take, Party::Agent).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_blands_own_hosts_are_dialled() {
    let world = World::start_guarded();
    let canary = Listening::start(TONES, Manner::bland()).await.unwrap();
    let port = canary.url();
    let port = port
        .split('/')
        .nth(2)
        .and_then(|host| host.split(':').nth(1));
    let port = port.unwrap();
    let mut calls = Vec::new();
    for url in [
        canary.url(),
        format!("wss://bland.ai.localhost:{port}/ws"),
        format!("wss://api.bland.ai@127.0.0.1:{port}/ws"),
        format!("wss://127.0.0.1:{port}/ws#.bland.ai"),
        "wss://phone-call-websocket.vapi.ai/1/listen".to_owned(),
    ] {
        let call = CallId(clock::new_id());
        hear(&world, socket(call, url)).await;
        calls.push(call);
    }
    for call in calls {
        is_told(&world, call, "cannot be reached").await;
        world.fleet.command_all(Command::CallOver { call }).await;
    }
    assert_eq!(canary.dialled(), 0);
}
