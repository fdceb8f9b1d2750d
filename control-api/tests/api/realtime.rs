use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, Command, EndClass, EndReason, Levels, Party, Signal, Timestamp};

use crate::socket::Socket;
use crate::world::World;

#[tokio::test]
async fn a_client_is_greeted_with_the_state_and_then_told_what_changes() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let first = gateway.hold("room-1", None);
    first.known_to(&admin).await;

    let mut socket = Socket::connect(&world, &admin.token).await;
    assert_eq!(socket.open["pingInterval"], 25_000);
    assert_eq!(socket.open["pingTimeout"], 60_000);
    let connected = socket.event("connected").await;
    assert_eq!(connected["user_id"], admin.id.as_str());
    assert!(connected["sid"].is_string());
    let state = socket.event("initial_state").await;
    let listed = &state["active_calls"][0];
    assert_eq!(listed["id"], first.id.to_string());
    assert_eq!(listed["livekitRoomName"], "room-1");
    assert_eq!(listed["phoneNumber"], "+4930123456");
    assert_eq!(listed["agentConfigId"], "agent-7");
    assert_eq!(state["metrics"]["active_calls"], 1);
    assert_eq!(state["recent_calls"].as_array().unwrap().len(), 1);
    assert!(state["outcome_distribution"].is_object() && state["timestamp"].is_string());

    // the first call's beginning may be told once more before
    let second = gateway.hold("room-2", None);
    let id = json!(second.id);
    let upsert = socket.until("call-upsert", |call| call["id"] == id).await;
    assert_eq!(upsert["clientId"].as_str().map(str::len), Some(36));
    let event = socket
        .until("call_event", |event| event["call"]["id"] == id)
        .await;
    assert_eq!(event["type"], "call_started");
    assert_eq!(event["call"], upsert);
    socket
        .until("active_calls_update", |update| update["count"] == 2)
        .await;

    let reason = EndReason::new(EndClass::Completed, "participants_left");
    let at = Timestamp::from_unix_ms(clock::wall());
    second.log.send(CallEvent::Ended { at, reason });
    socket
        .until("call-upsert", |call| call["status"] == "ended")
        .await;
    socket
        .until("call_event", |event| event["type"] == "call_ended")
        .await;
    let counted = |update: &Value| update["metrics"]["completed_calls"] == 1;
    socket.until("metrics_update", counted).await;

    socket.send("ping", json!({})).await;
    assert!(socket.event("pong").await["timestamp"].is_string());
}

#[tokio::test]
async fn lists_and_figures_are_sent_at_most_once_a_second() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut socket = Socket::connect(&world, &admin.token).await;
    socket.event("initial_state").await;
    let start = clock::now();
    let held: Vec<_> = (0..50)
        .map(|n| gateway.hold(&format!("room-{n}"), None))
        .collect();
    let mut seen = Vec::new();
    loop {
        seen.extend(socket.events_until("active_calls_update").await);
        if seen.last().unwrap().1["count"] == held.len() {
            break;
        }
    }
    let count = |name: &str| seen.iter().filter(|(found, _)| found == name).count();
    assert_eq!(count("call-upsert"), 50);
    let seconds = (clock::now() - start).as_secs() as usize;
    assert!(count("active_calls_update") + count("metrics_update") <= seconds + 2);
}

#[tokio::test]
async fn levels_reach_those_who_look_at_the_call_and_nobody_else() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    let stream = format!("call:{}", call.id);

    let mut looking = Socket::connect(&world, &admin.token).await;
    let mut elsewhere = Socket::connect(&world, &admin.token).await;
    let mut foreign = Socket::connect(&world, &acme.token).await;
    looking.send("subscribe", json!({"stream": stream})).await;
    let watch = Command::WatchLevels { call: call.id };
    assert!(
        gateway.heard(|command| *command == watch).await,
        "the gateway is asked for levels"
    );
    foreign.send("subscribe", json!({"stream": stream})).await;
    let refused = foreign.event("subscribe_error").await;
    assert_eq!(refused, json!({"stream": stream, "code": "not_found"}));

    let levels = Levels {
        customer: 0.25,
        agent: 0.5,
    };
    let signal = Signal::Levels {
        call: call.id,
        levels,
        current_speaker: Some(Party::Agent),
    };
    world.fleet.signal(signal.clone());
    assert_eq!(
        looking.event("levels").await,
        json!({"callId": call.id, "customer": 0.25, "agent": 0.5, "currentSpeaker": "agent"})
    );
    // the call object has them too
    let seen = admin.read(&call.path()).await;
    assert_eq!(seen["levels"]["customer"], 0.25);
    assert_eq!(seen["currentSpeaker"], "agent");

    // what comes after an answer was sent after it: neither saw levels before
    for socket in [&mut elsewhere, &mut foreign] {
        socket.send("ping", json!({})).await;
        let events = socket.events_until("pong").await;
        assert!(events.iter().all(|(name, _)| name != "levels"));
    }
    looking.send("unsubscribe", json!({"stream": stream})).await;
    looking.send("ping", json!({})).await;
    looking.event("pong").await;
    world.fleet.signal(signal);
    looking.send("ping", json!({})).await;
    let events = looking.events_until("pong").await;
    assert!(events.iter().all(|(name, _)| name != "levels"));
}

#[tokio::test]
async fn a_tenants_clients_hear_of_their_own_calls_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let gateway = world.gateway();
    let mut default = Socket::connect(&world, &admin.token).await;
    let mut theirs = Socket::connect(&world, &acme.token).await;
    let mut global = Socket::connect(&world, &admin.token).await;
    for socket in [&mut default, &mut theirs, &mut global] {
        socket.event("initial_state").await;
    }
    global
        .send("subscribe", json!({"stream": "global-calls"}))
        .await;
    global.send("ping", json!({})).await;
    global.event("pong").await;
    theirs
        .send("subscribe", json!({"stream": "global-calls"}))
        .await;
    let refused = theirs.event("subscribe_error").await;
    assert_eq!(refused["code"], "role_required");

    let call = gateway.hold("room-1", Some("acme"));
    let id = call.id.to_string();
    assert_eq!(theirs.event("call-upsert").await["id"], id.as_str());
    assert_eq!(global.event("call-upsert").await["id"], id.as_str());
    let own = gateway.hold("room-2", None);
    let events = default.events_until("call-upsert").await;
    assert_eq!(events.last().unwrap().1["id"], own.id.to_string());
}

#[tokio::test]
async fn only_who_is_logged_in_gets_in() {
    let world = World::new().await;
    let admin = world.admin().await;
    let connect = async |auth, headers: &[(&'static str, &str)]| {
        Socket::try_connect(&world, auth, headers)
            .await
            .map(|_| ())
            .unwrap_or_else_err()
    };
    let token = &admin.token;
    let cookie = format!("sidetone_session={token}");
    let ok = String::new();
    assert_eq!(connect(json!({"token": token}), &[]).await, ok);
    let own = [("cookie", &*cookie), ("origin", &*world.url)];
    assert_eq!(connect(json!({}), &own).await, ok);
    assert_eq!(
        connect(json!({"token": token, "user_id": admin.id}), &[]).await,
        ok
    );
    for (auth, headers) in [
        (json!({}), vec![]),
        (json!({}), vec![("cookie", &*cookie)]),
        (json!({"token": "nonsense"}), vec![]),
        (json!({"token": token, "user_id": "somebody-else"}), vec![]),
    ] {
        let error = connect(auth.clone(), &headers).await;
        assert!(!error.is_empty(), "{auth} with {headers:?} gets in");
    }
}

/// The error, or nothing.
trait ErrorText {
    fn unwrap_or_else_err(self) -> String;
}

impl ErrorText for Result<(), String> {
    fn unwrap_or_else_err(self) -> String {
        self.err().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_session_that_ends_is_cut_off_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let sue = world.user(&admin, "sue", "supervisor").await;
    let mut logged_out = Socket::connect(&world, &admin.token).await;
    let mut disabled = Socket::connect(&world, &sue.token).await;
    logged_out.event("initial_state").await;
    disabled.event("initial_state").await;

    let path = format!("/api/users/{}", sue.id);
    let (status, _) = admin.patch(&path, &json!({"disabled": true})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(disabled.is_cut_off().await);
    admin.send(Method::POST, "/api/auth/logout").await;
    assert!(logged_out.is_cut_off().await);
}

#[tokio::test]
async fn who_listens_is_told_to_everybody_of_the_tenant() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    call.known_to(&admin).await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    socket.event("initial_state").await;
    let path = format!("{}/listen", call.path());
    admin.send(Method::POST, &path).await;
    let watched = |call: &Value| call["watchers"][0]["userId"] == admin.id.as_str();
    socket.until("call-upsert", watched).await;
    admin.send(Method::DELETE, &path).await;
    let left = |call: &Value| call["watchers"] == json!([]);
    socket.until("call-upsert", left).await;
}

#[tokio::test]
async fn nonsense_from_a_client_harms_nobody() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    socket.event("initial_state").await;
    for data in [
        json!(null),
        json!(7),
        json!({"stream": 7}),
        json!({"stream": "call:nonsense"}),
        json!({"stream": "everything"}),
    ] {
        socket.send("subscribe", data.clone()).await;
        socket.event("subscribe_error").await;
        socket.send("unsubscribe", data).await;
    }
    socket.send("no-such-event", json!({})).await;
    socket.send("ping", json!({})).await;
    socket.event("pong").await;
}

/// A Socket.IO session over long polling: the server keeps for it what it does not fetch.
struct Polling<'a> {
    world: &'a World,
    path: String,
}

impl<'a> Polling<'a> {
    async fn connect(world: &'a World, token: &str) -> Self {
        let path = "/socket.io/?EIO=4&transport=polling";
        let opened = world.request(Method::GET, path).send().await.unwrap();
        let opened = opened.text().await.unwrap();
        let open: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
        let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
        let hello = world
            .request(Method::POST, &path)
            .header("content-type", "text/plain;charset=UTF-8")
            .body(format!("40{}", json!({"token": token})));
        assert_eq!(hello.send().await.unwrap().status(), StatusCode::OK);
        let polling = Self { world, path };
        let mut seen = String::new();
        while !seen.contains("initial_state") {
            seen.push_str(&polling.fetch().await);
        }
        polling
    }

    async fn fetch(&self) -> String {
        let got = self.world.request(Method::GET, &self.path).send().await;
        got.unwrap().text().await.unwrap()
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_and_the_others_miss_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let stuck = Polling::connect(&world, &admin.token).await;
    let mut healthy = Socket::connect(&world, &admin.token).await;
    healthy.event("initial_state").await;

    let held: Vec<_> = (0..400)
        .map(|n| gateway.hold(&format!("busy-{n}"), None))
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < held.len() {
        let upsert = healthy.event("call-upsert").await;
        seen.insert(upsert["id"].to_string());
    }
    let mut kept = String::new();
    while !kept.split('\u{1e}').any(|packet| packet == "41") {
        kept = stuck.fetch().await;
    }
    // it missed most of them, and what it missed was not kept
    assert!(!kept.contains("call-upsert"), "{kept}");
}

#[tokio::test]
async fn a_hostile_socket_io_client_is_cut_off_and_harms_nobody() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut healthy = Socket::connect(&world, &admin.token).await;
    healthy.event("initial_state").await;
    let large = format!("42{}", json!(["ping", "x".repeat(65 * 1024)]));
    let attachments = r#"45999999-["ping",{"_placeholder":true,"num":0}]"#.to_owned();
    let not_a_packet = "4nonsense".to_owned();
    for frame in [large, attachments, not_a_packet] {
        let mut hostile = Socket::connect(&world, &admin.token).await;
        hostile.event("initial_state").await;
        // it may be cut off before it has sent everything
        let _ = hostile.try_write(frame.clone()).await;
        for _ in 0..1000 {
            if hostile.try_write("42[\"ping\"]".to_owned()).await.is_err() {
                break;
            }
        }
        assert!(hostile.is_cut_off().await, "{frame:.60}");
    }
    let mut everywhere = Socket::connect(&world, &admin.token).await;
    everywhere.event("initial_state").await;
    for n in 0..1000 {
        if everywhere
            .try_write(format!("40/room-{n},{{}}"))
            .await
            .is_err()
        {
            break;
        }
    }
    let mut half_open = Vec::new();
    for _ in 0..100 {
        let path = "/socket.io/?EIO=4&transport=polling";
        let opened = world.request(Method::GET, path).send().await.unwrap();
        half_open.push(opened.status());
    }
    assert!(half_open.iter().all(|status| *status == StatusCode::OK));
    healthy.send("ping", json!({})).await;
    healthy.event("pong").await;
}
