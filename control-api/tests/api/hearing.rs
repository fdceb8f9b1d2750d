//! Calls behind a vendor's socket, offered to gateways.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sidetone_fleet::EventLog;
use sidetone_service::clock;
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;
use sidetone_wire::{CallEvent, CallId, Command, EndClass, EndReason, NodeId, Socket, Timestamp};

use crate::vendor_calls::{VAPI, hmac, only_call, send, signed};
use crate::world::{Gateway, User, World};

const KEY: &str = "public-key-of-the-tenant";

async fn account(admin: &User) {
    let body = json!({"kind": "vapi", "name": "Main",
        "credentials": {"apiKey": "private-key", "publicKey": KEY},
        "webhook": {"scheme": "hmac", "secret": crate::vendor_calls::SECRET}});
    let (status, made) = admin.post("/api/connections", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
}

async fn says(world: &World, message: &Value) {
    let (status, answer) = send(world, VAPI, &signed(&hmac(), message)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn offers(gateway: &Gateway) -> Vec<Socket> {
    let commands = gateway.commands().into_iter();
    let offers = commands.filter_map(|command| {
        let Command::Hear(socket) = command else {
            return None;
        };
        Some(*socket)
    });
    offers.collect()
}

#[tokio::test]
async fn a_call_in_which_somebody_is_heard_is_offered_until_a_gateway_has_it_and_until_it_ends() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    account(&admin).await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    // nobody is there yet, and another call shows that it was looked for
    says(&world, &vapi.status("queued", 0)).await;
    says(&world, &vapi.status("ringing", 500)).await;
    let id: CallId = only_call(&admin).await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let other = VapiCall::new("v-2", clock::wall() - 60_000);
    says(&world, &other.status("in-progress", 4_000)).await;
    assert!(
        gateway
            .heard(|command| matches!(command, Command::Hear(_)))
            .await
    );
    assert!(offers(&gateway).iter().all(|socket| socket.call != id));

    says(&world, &vapi.status("in-progress", 4_000)).await;
    let is_it = |command: &Command| matches!(command, Command::Hear(one) if one.call == id);
    assert!(gateway.heard(is_it).await);
    let offered = offers(&gateway);
    let socket = offered.iter().find(|socket| socket.call == id).unwrap();
    assert!(socket.url.0.ends_with("vapi.ai/v-1/listen"));
    assert_eq!(socket.bearer.as_ref().unwrap().0, KEY);
    assert_eq!(socket.tenant, "default");
    assert_eq!(socket.agent_name.as_deref(), Some("Aria"));
    assert!(
        !format!("{socket:?}").contains("vapi.ai"),
        "it is in no log"
    );
    let call = admin.read(&format!("/api/calls/{id}")).await;
    assert_eq!(call["capabilities"][0], "listen");
    assert!(!call.to_string().contains("vapi.ai"));

    // a gateway took it, lost it, and it is offered again
    let (key, node) = (format!("call:{id}"), NodeId("gateway-1".into()));
    let lease = world
        .fleet
        .acquire(&key, &node, clock::now())
        .await
        .unwrap();
    let before = offers(&gateway).len();
    drop(lease);
    let again = |_: &Command| offers(&gateway).len() > before;
    assert!(gateway.heard(again).await);

    let mut ended = vapi.status("ended", 20_000);
    ended["message"]["endedReason"] = json!("customer-ended-call");
    says(&world, &ended).await;
    let over = Command::CallOver { call: id };
    assert!(gateway.heard(|command| *command == over).await);
}

#[tokio::test]
async fn a_call_at_retell_is_offered_with_the_tenants_key_and_where_to_ask_for_its_room() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let secret = crate::vendor_calls::SECRET;
    let says = async |id: &str| {
        let (_, started) = &RetellCall::new(id, clock::wall() - 60_000).webhooks()[0];
        let hook = signed(&Signing::Retell(secret.to_owned()), started);
        let (status, answer) = send(&world, "/api/webhooks/retell/default", &hook).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    };
    let account = |credentials: Value| {
        json!({"kind": "retell", "name": credentials.to_string(), "credentials": credentials,
            "settings": {"apiUrl": "http://127.0.0.1:1"},
            "webhook": {"scheme": "retell", "secret": secret}})
    };
    let (status, made) = admin.post("/api/connections", &account(Value::Null)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    says("call_0").await;
    let call = only_call(&admin).await;
    assert_eq!(call["capabilities"], json!([]), "nothing opens its room");
    let why = call["incapable"]["listen"].as_str().unwrap();
    assert!(why.contains("apiKey"), "{why}");

    let (status, made) = admin
        .post("/api/connections", &account(json!({"apiKey": KEY})))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    for id in ["../stop-call/call_1", "call_1"] {
        says(id).await;
    }
    let hears = |command: &Command| matches!(command, Command::Hear(_));
    assert!(gateway.heard(hears).await);
    for offer in offers(&gateway) {
        assert_eq!(
            offer.url.0, "http://127.0.0.1:1/v2/listen-live-call/call_1",
            "no id leads elsewhere"
        );
        assert_eq!(offer.bearer.as_ref().unwrap().0, KEY);
    }
    let calls = admin.read("/api/calls?upstream=retell").await;
    let heard = calls["items"].as_array().unwrap().iter();
    let heard = heard.filter(|call| call["upstreamCallId"] == "call_1");
    for call in heard {
        assert_eq!(call["capabilities"][0], "listen");
        assert!(!call.to_string().contains("127.0.0.1"), "{call}");
    }
}

#[tokio::test]
async fn a_registered_call_is_offered_without_a_webhook() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let body = json!({"upstream": "vapi", "upstreamCallId": "v-1", "direction": "inbound",
        "from": "+4930123456", "to": "+4930999999",
        "listenUrl": "wss://x.vapi.ai/1/listen"});
    let (status, call) = admin.post("/api/calls", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{call}");
    assert_eq!(call["capabilities"][0], "listen");
    assert!(
        gateway
            .heard(|command| matches!(command, Command::Hear(_)))
            .await
    );
    assert_eq!(offers(&gateway)[0].bearer, None, "there is no account");
}

#[tokio::test]
async fn why_a_call_is_not_heard_as_it_should_be_is_shown_while_it_is_so() {
    let world = World::new().await;
    let admin = world.admin().await;
    account(&admin).await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    says(&world, &vapi.status("in-progress", 4_000)).await;
    let call = only_call(&admin).await;
    let id: CallId = call["id"].as_str().unwrap().parse().unwrap();
    let log: EventLog = world.fleet.event_log(id, 1);
    let path = format!("/api/calls/{id}");
    let reason = "the upstream sends no sound".to_owned();
    for reason in [Some(reason.clone()), None, Some(reason)] {
        log.send(CallEvent::Degraded {
            reason: reason.clone(),
        });
        let expected = reason.map_or(Value::Null, Value::from);
        admin
            .eventually(&path, |call| call["degraded"] == expected)
            .await;
    }
    // an upstream that ended the stream and lets nobody in any more has ended the call
    log.send(CallEvent::Ended {
        at: Timestamp::from_unix_ms(clock::wall()),
        reason: EndReason::new(EndClass::Completed, "upstream_closed"),
    });
    let over = |call: &Value| call["status"] == "ended" && call["degraded"].is_null();
    admin.eventually(&path, over).await;
}
