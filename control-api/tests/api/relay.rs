//! Two control planes on one database and one Redis.

use std::time::Duration;

use redis::AsyncTypedCommands as _;
use reqwest::Method;
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_testkit::{RedisServer, database};
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};

use crate::plain::Plain;
use crate::socket::Socket;
use crate::world::{World, within};

/// Two processes that share everything that processes share.
async fn pair(redis: &RedisServer) -> (World, World) {
    let shared = tempfile::tempdir().unwrap();
    let mut url = database(shared.path()).await;
    if url.is_empty() {
        url = format!("sqlite://{}/shared.db", shared.path().display());
    }
    let redis = redis.url();
    let more = [
        ("DATABASE_URL", &*url),
        ("REDIS_URL", &*redis),
        ("SECRET_KEY", "one key for all processes, 32 letters"),
    ];
    let start = async |dir| World::start(dir, &more, Duration::from_secs(30)).await;
    let first = start(shared).await;
    let second = start(tempfile::tempdir().unwrap()).await;
    (first, second)
}

/// Makes changes in one process until a client of the other hears of one.
async fn hears(world: &World, plain: &mut Plain) -> Value {
    let gateway = world.gateway();
    let mut held = Vec::new();
    loop {
        held.push(gateway.hold(&format!("room-{}", held.len()), None));
        let next = tokio::time::timeout(Duration::from_secs(2), plain.event("call-upsert"));
        if let Ok(upsert) = next.await {
            return upsert;
        }
        assert!(held.len() < 30, "nothing comes over");
    }
}

#[tokio::test]
async fn what_one_process_tells_reaches_the_clients_of_the_other_on_both_connections() {
    let redis = RedisServer::start().await.unwrap();
    let (first, second) = pair(&redis).await;
    let admin = first.admin().await;
    let mut plain = Plain::connect(&second, &admin.token).await;
    let mut socket = Socket::connect(&second, &admin.token).await;
    plain.event("initial_state").await;
    socket.event("initial_state").await;
    hears(&first, &mut plain).await;
    socket.event("call-upsert").await;

    let mut call = first.gateway().hold("told", None);
    call.facts.agent_name = Some("Zoe".to_owned());
    call.log.send(CallEvent::Facts(call.facts.clone()));
    while plain.event("call-upsert").await["agentName"] != "Zoe" {}
    while socket.event("call-upsert").await["agentName"] != "Zoe" {}

    admin.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(plain.close_code().await, Some(4401));
    assert!(socket.is_cut_off().await);
}

#[tokio::test]
async fn without_redis_each_process_tells_its_own_and_afterwards_all_again() {
    let mut redis = RedisServer::start().await.unwrap();
    let (first, second) = pair(&redis).await;
    let admin = first.admin().await;
    let mut own = Plain::connect(&first, &admin.token).await;
    let mut other = Plain::connect(&second, &admin.token).await;
    own.event("initial_state").await;
    other.event("initial_state").await;
    hears(&first, &mut other).await;

    redis.kill();
    let away = async || {
        let problems = first.readiness.problems();
        problems.iter().any(|it| it.starts_with("redis: REDIS_URL"))
    };
    assert!(within(away).await);
    let alone = first.gateway().hold("alone", None);
    while own.event("call-upsert").await["id"] != alone.id.to_string() {}

    redis.restart().await.unwrap();
    // the snapshot has what was missed
    let state = loop {
        let state = other.event("initial_state").await;
        if state.to_string().contains(&alone.id.to_string()) {
            break state;
        }
    };
    assert!(state["metrics"]["active_calls"].as_u64() >= Some(2));
    hears(&first, &mut other).await;
    assert!(within(async || first.readiness.problems().is_empty()).await);
    other.send("ping", json!({})).await;
    other.event("pong").await;
}

#[tokio::test]
async fn active_calls_and_their_counts_are_in_redis_for_others_also_after_it_lost_them() {
    let mut redis = RedisServer::start().await.unwrap();
    let world = World::with(&[("REDIS_URL", &redis.url())]).await;
    let admin = world.admin().await;
    let me = admin.read("/api/me").await;
    let client_id = me["clientId"].as_str().unwrap();
    let key = format!("sidetone:active:{client_id}");
    let gateway = world.gateway();
    let (first, second) = (gateway.hold("one", None), gateway.hold("two", None));

    let client = redis::Client::open(redis.url()).unwrap();
    let counted = async |count: Option<&str>, global: &str| {
        let Ok(mut redis) = client.get_multiplexed_async_connection().await else {
            return false;
        };
        let counts = redis.hgetall("sidetone:active:counts").await.unwrap();
        let of = |name: &str| counts.get(name).map(String::as_str);
        of(client_id) == count && of("global") == Some(global)
    };
    assert!(within(async || counted(Some("2"), "2").await).await);
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let listed = connection.hgetall(&key).await.unwrap();
    let shown = admin.read(&first.path()).await;
    let call: Value = serde_json::from_str(&listed[&first.id.to_string()]).unwrap();
    assert_eq!((listed.len(), &call["id"]), (2, &shown["id"]));
    assert_eq!(call["livekitRoomName"], "one");

    redis.restart().await.unwrap();
    assert!(within(async || counted(Some("2"), "2").await).await);
    for call in [&first, &second] {
        let reason = EndReason::new(EndClass::Completed, "participants_left");
        let at = Timestamp::from_unix_ms(clock::wall());
        call.log.send(CallEvent::Ended { at, reason });
    }
    assert!(within(async || counted(None, "0").await).await);
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert!(connection.hgetall(&key).await.unwrap().is_empty());
}
