use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{
    CallEvent, Command, CommandError, EndClass, EndReason, MonitorRoom, Reply, Timestamp, UserId,
};

use crate::world::{Gateway, Held, User, World};

/// The claims of a token that is signed with our key.
fn claims(token: &str) -> Value {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    let key = DecodingKey::from_secret(crate::world::API_SECRET.as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_nbf = true;
    decode::<Value>(token, &key, &validation).unwrap().claims
}

async fn listening(world: &World, user: &User) -> (Gateway, Held, Value) {
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(user).await;
    let (status, grant) = user
        .send(Method::POST, &format!("{}/listen", call.path()))
        .await;
    assert_eq!(status, StatusCode::OK, "{grant}");
    (gateway, call, grant)
}

#[tokio::test]
async fn a_grant_opens_ones_own_monitor_room_to_hear_and_nothing_else() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (gateway, call, grant) = listening(&world, &admin).await;
    let livekit = &grant["livekit"];
    assert_eq!(livekit["url"], "ws://127.0.0.1:7880");
    let room = livekit["room"].as_str().unwrap();
    assert!(room.starts_with(&format!("sidetone-monitor-{}-", admin.id)));
    assert_eq!(
        livekit["tracks"],
        json!([
            {"name": format!("{}/customer", call.id), "party": "customer"},
            {"name": format!("{}/agent", call.id), "party": "agent"},
        ])
    );
    let proxy = grant["listenProxyUrl"].as_str().unwrap();
    assert!(proxy.starts_with("ws://") && proxy.contains("/listen/"));

    let claims = claims(livekit["token"].as_str().unwrap());
    assert_eq!(claims["iss"], crate::world::API_KEY);
    let listener = claims["sub"].as_str().unwrap();
    assert!(listener.starts_with(&format!("supervisor-{}-", admin.id)));
    let video = &claims["video"];
    assert_eq!(video["roomJoin"], true);
    assert_eq!(video["room"], room);
    assert_eq!(video["canPublish"], false);
    assert_eq!(video["canPublishData"], false);
    assert_ne!(video["canSubscribe"], false);
    for right in [
        "roomAdmin",
        "roomCreate",
        "roomList",
        "roomRecord",
        "hidden",
        "recorder",
        "agent",
        "ingressAdmin",
        "canUpdateOwnMetadata",
    ] {
        assert_ne!(video[right], true, "{right}");
    }
    let now = clock::wall() / 1000;
    assert!((now..=now + 600).contains(&claims["exp"].as_i64().unwrap()));

    let expected = Command::Listen {
        call: call.id,
        monitor: MonitorRoom {
            room: room.to_owned(),
            listener: listener.to_owned(),
            user: UserId(admin.id.parse().unwrap()),
        },
    };
    assert_eq!(gateway.commands(), [expected]);
    let seen = admin.read(&call.path()).await;
    assert_eq!(seen["watchers"][0]["userId"], admin.id.as_str());
    assert_eq!(seen["watchers"][0]["name"], "admin");
    assert_eq!(seen["watchers"][0]["mode"], "listen");
}

#[tokio::test]
async fn every_call_of_a_session_comes_through_one_room_and_every_session_has_its_own() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (gateway, first, grant) = listening(&world, &admin).await;
    let second = gateway.hold("room-2", None);
    second.known_to(&admin).await;
    let listen = async |user: &User, call: &Held| {
        let path = format!("{}/listen", call.path());
        let (status, grant) = user.send(Method::POST, &path).await;
        assert_eq!(status, StatusCode::OK);
        grant["livekit"]["room"].clone()
    };
    let room = grant["livekit"]["room"].clone();
    assert_eq!(listen(&admin, &second).await, room);
    assert_eq!(listen(&admin, &first).await, room);
    let other_browser = world.admin().await;
    assert_ne!(listen(&other_browser, &first).await, room);
    let seen = admin.read(&first.path()).await;
    assert_eq!(
        seen["watchers"].as_array().unwrap().len(),
        1,
        "one person in two browsers is one watcher"
    );
}

#[tokio::test]
async fn stopping_withdraws_the_tracks_and_can_be_repeated() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (gateway, call, grant) = listening(&world, &admin).await;
    let path = format!("{}/listen", call.path());
    for _ in 0..2 {
        let (status, _) = admin.send(Method::DELETE, &path).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    let room = grant["livekit"]["room"].as_str().unwrap();
    let unlisten = &gateway.commands()[1];
    assert!(matches!(unlisten, Command::Unlisten { call: id, monitor }
            if *id == call.id && monitor.room == room));
    assert_eq!(admin.read(&call.path()).await["watchers"], json!([]));
}

#[tokio::test]
async fn logout_withdraws_everything_that_was_listened_to() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (gateway, call, _) = listening(&world, &admin).await;
    let (status, _) = admin.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let user = UserId(admin.id.parse().unwrap());
    assert!(
        gateway
            .heard(|command| *command == Command::UnlistenAll { user })
            .await
    );
    let again = world.admin().await;
    assert_eq!(again.read(&call.path()).await["watchers"], json!([]));
}

#[tokio::test]
async fn logout_of_one_browser_leaves_the_other_one_listening() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (gateway, call, _) = listening(&world, &admin).await;
    let other = world.admin().await;
    let path = format!("{}/listen", call.path());
    assert_eq!(other.send(Method::POST, &path).await.0, StatusCode::OK);
    admin.send(Method::POST, "/api/auth/logout").await;
    assert!(
        gateway
            .heard(|command| matches!(command, Command::Unlisten { .. }))
            .await
    );
    let all = |command: &Command| matches!(command, Command::UnlistenAll { .. });
    assert!(!gateway.commands().iter().any(all));
    let watchers = other.read(&call.path()).await["watchers"].clone();
    assert_eq!(watchers.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_supervisor_who_is_demoted_hears_nothing_more() {
    let world = World::new().await;
    let admin = world.admin().await;
    let sue = world.user(&admin, "sue", "supervisor").await;
    let (gateway, call, _) = listening(&world, &sue).await;
    let path = format!("/api/users/{}", sue.id);
    let (status, _) = admin.patch(&path, &json!({"role": "agent"})).await;
    assert_eq!(status, StatusCode::OK);
    let user = UserId(sue.id.parse().unwrap());
    assert!(
        gateway
            .heard(|command| *command == Command::UnlistenAll { user })
            .await
    );
    assert_eq!(admin.read(&call.path()).await["watchers"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_grant_that_is_overtaken_by_logout_is_taken_back() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    // the gateway answers only after the session has ended
    let (ended, waiting) = std::sync::mpsc::channel::<()>();
    gateway.answers(move |command| match command {
        Command::Listen { .. } => {
            tokio::task::block_in_place(|| waiting.recv()).unwrap();
            Ok(Reply::Listening { tracks: vec![] })
        }
        Command::Unlisten { .. }
        | Command::Feed { .. }
        | Command::Talk { .. }
        | Command::SetFloor { .. }
        | Command::Whisper { .. }
        | Command::EndCall { .. }
        | Command::UnlistenAll { .. }
        | Command::WatchLevels { .. }
        | Command::PauseRecording { .. }
        | Command::ResumeRecording { .. }
        | Command::StopRecording { .. }
        | Command::EraseTakes { .. }
        | Command::Hear(_)
        | Command::CallOver { .. }
        | Command::RoomChanged { .. } => Ok(Reply::Done),
    });
    let path = format!("{}/listen", call.path());
    let asking = tokio::spawn({
        let admin = admin.clone();
        async move { admin.send(Method::POST, &path).await }
    });
    gateway
        .heard(|command| matches!(command, Command::Listen { .. }))
        .await;
    let (status, _) = admin.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    ended.send(()).unwrap();
    assert_eq!(asking.await.unwrap().0, StatusCode::UNAUTHORIZED);
    assert!(
        gateway
            .heard(|command| matches!(command, Command::Unlisten { .. }))
            .await
    );
    let again = world.admin().await;
    assert_eq!(again.read(&call.path()).await["watchers"], json!([]));
}

#[tokio::test]
async fn a_listener_whose_connection_is_gone_no_longer_watches() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_gateway, call, _) = listening(&world, &admin).await;
    call.log.send(CallEvent::ListenerLeft {
        user: UserId(admin.id.parse().unwrap()),
    });
    admin
        .eventually(&call.path(), |call| call["watchers"] == json!([]))
        .await;
}

#[tokio::test]
async fn what_cannot_be_heard_says_why() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    let path = format!("{}/listen", call.path());
    let failed = |detail: &str| CommandError::Failed {
        detail: detail.to_owned(),
    };
    let unsupported = CommandError::Unsupported {
        detail: "it is silent".to_owned(),
    };
    for (error, status, code) in [
        (CommandError::NoHolder, 409, "call_not_live"),
        (CommandError::TimedOut, 504, "gateway_timeout"),
        (CommandError::Overloaded, 503, "gateway_overloaded"),
        (unsupported, 409, "unsupported_by_upstream"),
        (failed("no monitor room"), 502, "gateway_failed"),
    ] {
        gateway.answers(move |_| Err(error.clone()));
        let (found, body) = admin.send(Method::POST, &path).await;
        assert_eq!(
            (found.as_u16(), body["code"].as_str()),
            (status, Some(code))
        );
    }
    assert_eq!(admin.read(&call.path()).await["watchers"], json!([]));

    call.facts.capabilities.clear();
    call.log.send(CallEvent::Facts(call.facts.clone()));
    admin
        .eventually(&call.path(), |call| call["capabilities"] == json!([]))
        .await;
    let (status, body) = admin.send(Method::POST, &path).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["code"], "unsupported_by_upstream");

    let at = Timestamp::from_unix_ms(clock::wall());
    let reason = EndReason::new(EndClass::Caller, "hangup");
    call.log.send(CallEvent::Ended { at, reason });
    admin
        .eventually(&call.path(), |call| call["status"] == "ended")
        .await;
    let (status, body) = admin.send(Method::POST, &path).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::CONFLICT, Some("call_ended"))
    );
    let (status, _) = admin.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn without_livekit_there_is_nothing_to_join() {
    let world = World::with(&[
        ("LIVEKIT_URL", ""),
        ("LIVEKIT_API_KEY", ""),
        ("LIVEKIT_API_SECRET", ""),
    ])
    .await;
    let admin = world.admin().await;
    let (gateway, _call, grant) = listening(&world, &admin).await;
    assert!(grant["livekit"].is_null());
    assert!(gateway.commands().is_empty());
}
