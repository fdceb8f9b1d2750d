use futures_util::SinkExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};
use tokio_tungstenite::tungstenite::Message;

use crate::plain::Plain;
use crate::socket::Socket;
use crate::world::World;

#[tokio::test]
async fn a_plain_websocket_has_the_events_of_socket_io() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let first = gateway.hold("room-1", None);
    first.known_to(&admin).await;
    let mut plain = Plain::connect(&world, &admin.token).await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    assert_eq!(plain.event("connected").await["user_id"], admin.id.as_str());
    let state = plain.event("initial_state").await;
    let mut other = socket.event("initial_state").await;
    other["timestamp"] = state["timestamp"].clone();
    for state in [&state, &other] {
        assert_eq!(state["active_calls"][0]["id"], first.id.to_string());
        assert_eq!(state["active_calls"][0]["phoneNumber"], "+4930123456");
        assert_eq!(state["metrics"]["active_calls"], 1);
    }

    let second = gateway.hold("room-2", None);
    // the first call's beginning may be told once more before
    let id = json!(second.id);
    let its = |call: &Value| call["id"] == id;
    let upsert = plain.until("call-upsert", its).await;
    assert_eq!(upsert, socket.until("call-upsert", its).await);
    let started = |event: &Value| event["type"] == "call_started" && event["call"]["id"] == id;
    plain.until("call_event", started).await;
    let both = |update: &Value| update["count"] == 2;
    plain.until("active_calls_update", both).await;
    let reason = EndReason::new(EndClass::Completed, "participants_left");
    let at = Timestamp::from_unix_ms(clock::wall());
    second.log.send(CallEvent::Ended { at, reason });
    let ended = |event: &Value| event["type"] == "call_ended" && event["call"]["id"] == id;
    plain.until("call_event", ended).await;
    plain.send("ping", json!({})).await;
    assert!(plain.event("pong").await["timestamp"].is_string());
    plain
        .send("subscribe", json!({"stream": "call:nonsense"}))
        .await;
    let refused = plain.event("subscribe_error").await;
    assert_eq!(
        refused,
        json!({"stream": "call:nonsense", "code": "unknown_stream"})
    );
}

#[tokio::test]
async fn with_batch_everything_that_changed_comes_as_one_message_a_second() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut plain = Plain::connect(&world, &admin.token).await;
    plain.event("initial_state").await;
    let batch = json!({"stream": "calls", "batch": true});
    plain.send("subscribe", batch).await;
    plain.send("ping", json!({})).await;
    plain.event("pong").await;
    let start = clock::now();
    let mut held: Vec<_> = (0..40)
        .map(|n| gateway.hold(&format!("room-{n}"), None))
        .collect();
    for n in 0..20 {
        for call in &mut held {
            call.facts.agent_name = Some(format!("agent {n}"));
            call.log.send(CallEvent::Facts(call.facts.clone()));
        }
    }
    let mut latest = std::collections::BTreeMap::new();
    let mut messages = 0;
    while latest.len() < 40 || latest.values().any(|name| name != "agent 19") {
        let (event, update) = plain.next().await.unwrap();
        assert_eq!(event, "calls-update");
        messages += 1;
        for call in update["calls"].as_array().unwrap() {
            let name = call["agentName"].as_str().unwrap().to_owned();
            latest.insert(call["id"].as_str().unwrap().to_owned(), name);
        }
        assert!(update["count"].is_u64() && update["metrics"]["total_calls"].is_u64());
    }
    let seconds = (clock::now() - start).as_secs() as usize;
    assert!(messages <= seconds + 2, "{messages} in {seconds} s");
    // and back
    plain.send("subscribe", json!({"stream": "calls"})).await;
    let last = gateway.hold("the-last-one", None);
    let its = |call: &Value| call["id"] == last.id.to_string();
    plain.until("call-upsert", its).await;
}

#[tokio::test]
async fn the_token_comes_by_query_header_subprotocol_or_cookie() {
    let world = World::new().await;
    let admin = world.admin().await;
    let token = &admin.token;
    let bearer = format!("Bearer {token}");
    let protocols = format!("bearer, {token}");
    let cookie = format!("sidetone_session={token}");
    let query = format!("?token={token}&user_id={}", admin.id);
    for (query, headers) in [
        (&*query, vec![]),
        ("", vec![("authorization", &*bearer)]),
        ("", vec![("sec-websocket-protocol", &*protocols)]),
        ("", vec![("cookie", &*cookie), ("origin", &*world.url)]),
    ] {
        let mut plain = Plain::try_connect(&world, query, &headers).await.unwrap();
        let chosen = headers.iter().any(|(name, _)| name.ends_with("protocol"));
        assert_eq!(plain.protocol.as_deref(), chosen.then_some("bearer"));
        plain.event("connected").await;
    }
    for (query, headers, status) in [
        ("", vec![], 401),
        ("?token=nonsense", vec![], 401),
        (
            "",
            vec![("sec-websocket-protocol", "bearer, nonsense")],
            401,
        ),
        ("?colour=red", vec![("authorization", &*bearer)], 422),
        (
            "?user_id=somebody-else",
            vec![("authorization", &*bearer)],
            403,
        ),
    ] {
        let refused = Plain::try_connect(&world, query, &headers).await.err();
        assert_eq!(refused, Some(status), "{query}");
    }
    let (status, _) = admin.get("/api/ws").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// Pages that are not ours, however much they try to look like it. `HOST` is ours.
const BAD_ORIGINS: [&str; 36] = [
    "null",
    "",
    "https://evil.example",
    "http://evil.example",
    "https://desk.example.evil.example",
    "https://evil-desk.example",
    "https://evildesk.example",
    "https://desk.example@evil.example",
    "https://desk.example:443@evil.example",
    "https://evil.example/desk.example",
    "https://evil.example?desk.example",
    "https://evil.example#desk.example",
    "https://desk.example/",
    "https://desk.example/path",
    "https://desk.example.",
    "https://desk.example:8443",
    "https://desk.example:443",
    "http://desk.example",
    "wss://desk.example",
    "HTTPS://desk.example",
    "https://DESK.example",
    "https://desk.EXAMPLE",
    "https://sub.desk.example",
    "https://deskxexample",
    "desk.example",
    "//desk.example",
    "https:desk.example",
    "https:///desk.example",
    "https://desk.example https://evil.example",
    "https://evil.example https://desk.example",
    "https://evil.example, https://desk.example",
    "file://",
    "data:text/html,x",
    "http://HOST.evil.example",
    "http://evil.example:80",
    "http://user@HOST",
];

#[tokio::test]
async fn pages_of_other_origins_are_refused_before_the_upgrade() {
    let origins = [("CORS_ORIGINS", "https://desk.example")];
    let world = World::with(&origins).await;
    let admin = world.admin().await;
    let host = world.url.trim_start_matches("http://").to_owned();
    let query = format!("?token={}", admin.token);
    let cookie = format!("sidetone_session={}", admin.token);
    for good in ["https://desk.example", &world.url] {
        let headers = [("origin", good), ("cookie", &*cookie)];
        assert!(
            Plain::try_connect(&world, &query, &headers).await.is_ok(),
            "{good}"
        );
    }
    for bad in BAD_ORIGINS {
        let bad = bad.replace("HOST", &host);
        let headers = [("origin", &*bad), ("cookie", &*cookie)];
        let refused = Plain::try_connect(&world, &query, &headers).await.err();
        assert_eq!(refused, Some(403), "{bad:?}");
        let polled = world
            .request(Method::GET, "/socket.io/?EIO=4&transport=polling")
            .header("origin", &bad)
            .send();
        assert_eq!(
            polled.await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{bad:?}"
        );
    }
    // a browser would have named the page
    let refused = Plain::try_connect(&world, "", &[("cookie", &cookie)]).await;
    assert_eq!(refused.err(), Some(403));
}

#[tokio::test]
async fn whoever_says_too_much_at_once_or_at_length_is_cut_off() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut long = Plain::connect(&world, &admin.token).await;
    long.event("initial_state").await;
    let text = json!({"event": "ping", "data": "x".repeat(65 * 1024)}).to_string();
    long.stream.send(Message::text(text)).await.unwrap();
    assert_eq!(long.close_code().await, Some(1009));

    let mut loud = Plain::connect(&world, &admin.token).await;
    loud.event("initial_state").await;
    let (mut sink, stream) = futures_util::StreamExt::split(loud.stream);
    let flood = tokio::spawn(async move {
        for _ in 0..10_000 {
            let text = Message::text(r#"{"event":"nothing"}"#);
            if sink.send(text).await.is_err() {
                break;
            }
        }
        sink
    });
    let code = {
        let mut stream = stream;
        loop {
            match futures_util::StreamExt::next(&mut stream).await {
                Some(Ok(Message::Close(frame))) => break frame.map(|it| u16::from(it.code)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break None,
            }
        }
    };
    flood.abort();
    assert_eq!(code, Some(1008));

    let mut binary = Plain::connect(&world, &admin.token).await;
    binary.event("initial_state").await;
    binary
        .stream
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .unwrap();
    assert_eq!(binary.close_code().await, Some(1003));
    let mut nonsense = Plain::connect(&world, &admin.token).await;
    nonsense.event("initial_state").await;
    nonsense
        .stream
        .send(Message::text("nonsense"))
        .await
        .unwrap();
    assert_eq!(nonsense.close_code().await, Some(1008));
}

#[tokio::test]
async fn a_session_that_ends_closes_both_kinds_of_connection_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let sue = world.user(&admin, "sue", "supervisor").await;
    let tom = world.user(&admin, "tom", "supervisor").await;
    let ida = world.user(&admin, "ida", "agent").await;
    let acme = world.tenant(&admin, "acme").await;
    let new = json!({"name": "crm", "role": "agent"});
    let (_, key) = admin.post("/api/api-keys", &new).await;
    let program = world.bearer(key["key"].as_str().unwrap());
    let mut all = Vec::new();
    for user in [&sue, &tom, &ida, &acme, &program] {
        let mut plain = Plain::connect(&world, &user.token).await;
        let mut socket = Socket::connect(&world, &user.token).await;
        plain.event("initial_state").await;
        socket.event("initial_state").await;
        all.push((plain, socket));
    }
    let path = |id: &str| format!("/api/users/{id}");
    let me = acme.read("/api/me").await;
    let start = clock::now();
    sue.send(Method::POST, "/api/auth/logout").await;
    admin.patch(&path(&tom.id), &json!({"role": "agent"})).await;
    admin
        .patch(&path(&ida.id), &json!({"disabled": true}))
        .await;
    let tenant = format!("/api/clients/{}", me["clientId"].as_str().unwrap());
    let (status, _) = admin.patch(&tenant, &json!({"disabled": true})).await;
    assert_eq!(status, StatusCode::OK);
    let key = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
    let (status, _) = admin.send(Method::DELETE, &key).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for (mut plain, mut socket) in all {
        assert_eq!(plain.close_code().await, Some(4401));
        assert!(socket.is_cut_off().await);
    }
    // far less where nothing else runs
    assert!((clock::now() - start).as_secs() < 5);
}
