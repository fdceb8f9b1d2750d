//! Streams that vendors bring: who gets their addresses, who is let in, and what call it becomes.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_fleet::ingress::{Introduction, Knock, Pass, Refused};
use sidetone_service::clock;
use sidetone_simulate::stream::audiohook::{API_KEY, signed as signed_hook};
use sidetone_simulate::stream::dialect::twilio_signature;
use sidetone_wire::{Direction, Hidden, Upstream};

use crate::world::{User, World};

const AUTH_TOKEN: &str = "auth-token-of-the-account";

async fn connection(admin: &User, kind: &str) -> Value {
    let body = json!({"kind": kind, "name": kind,
        "credentials": {"accountSid": "AC1", "authToken": AUTH_TOKEN}});
    let (status, made) = admin.post("/api/connections", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

fn url(connection: &Value, direction: &str) -> String {
    connection["streamUrls"][direction]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The handshake of whoever dials `url` and signs it so.
fn knock(url: &str, signature: Option<String>) -> Knock {
    let path = url.split_once("://").unwrap().1;
    let target = &path[path.find('/').unwrap()..];
    let token = target.rsplit('/').next().unwrap();
    let token = token.split('?').next().unwrap();
    let header = signature.map(|value| ("x-twilio-signature".to_owned(), value));
    Knock {
        target: Hidden(target.to_owned()),
        token: Some(Hidden(token.to_owned())),
        headers: header.into_iter().collect(),
    }
}

fn signed(url: &str) -> Knock {
    knock(url, Some(twilio_signature(url, AUTH_TOKEN)))
}

async fn let_in(world: &World, knock: Knock) -> Pass {
    world.porter.admit(&knock).await.expect("it is let in")
}

#[tokio::test]
async fn admins_get_the_addresses_of_vendors_that_bring_streams_and_nobody_else_does() {
    let world = World::new().await;
    let admin = world.admin().await;
    for kind in ["twilio", "telnyx", "plivo", "exotel", "vonage", "jambonz"] {
        let made = connection(&admin, kind).await;
        let path = format!("/api/connections/{}", made["id"].as_str().unwrap());
        assert_eq!(admin.read(&path).await["streamUrls"], made["streamUrls"]);
        let [inbound, outbound] = ["inbound", "outbound"].map(|one| url(&made, one));
        assert_ne!(inbound, outbound);
        let base = world.url.replace("http://", "ws://");
        let host = base.rsplit_once(':').unwrap().0;
        let start = format!("{host}:0/streams/{kind}/sts_");
        assert!(inbound.starts_with(&start), "{inbound} {start}");
        let auditor = world.user(&admin, &format!("ada-{kind}"), "auditor").await;
        assert_eq!(auditor.read(&path).await["streamUrls"], Value::Null);
    }
    let made = connection(&admin, "deepgram").await;
    assert_eq!(made["streamUrls"], Value::Null, "it brings none");
    let audit = admin.read("/api/audit").await.to_string();
    assert!(!audit.contains("sts_"), "{audit}");
}

#[tokio::test]
async fn twilio_is_let_in_by_its_signature_of_the_address_and_nobody_without_one() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = connection(&admin, "twilio").await;
    let [inbound, outbound] = ["inbound", "outbound"].map(|one| url(&made, one));
    let pass = let_in(&world, signed(&inbound)).await;
    assert_eq!(
        (pass.direction, &*pass.slug),
        (Direction::Inbound, "default")
    );
    assert!(pass.signed);
    assert_eq!(
        let_in(&world, signed(&outbound)).await.direction,
        Direction::Outbound
    );
    for refused in [
        knock(&inbound, None),
        knock(&inbound, Some(String::new())),
        knock(&inbound, Some("not base64".to_owned())),
        knock(&inbound, Some(twilio_signature(&inbound, "another"))),
        // that of another address, also of its own
        knock(&inbound, Some(twilio_signature(&outbound, AUTH_TOKEN))),
        knock(
            &format!("{inbound}?x=1"),
            Some(twilio_signature(&inbound, AUTH_TOKEN)),
        ),
    ] {
        let answer = world.porter.admit(&refused).await;
        assert!(matches!(answer, Err(Refused::Unsigned(_))), "{answer:?}");
    }
    let forged = inbound.replace("sts_", "sts_A");
    let answer = world.porter.admit(&signed(&forged)).await;
    assert_eq!(answer, Err(Refused::Unknown));
    // one that has nothing to verify with lets nobody in
    let bare = json!({"kind": "twilio", "name": "bare"});
    let (_, bare) = admin.post("/api/connections", &bare).await;
    let answer = world.porter.admit(&signed(&url(&bare, "inbound"))).await;
    assert!(matches!(answer, Err(Refused::Unsigned(_))), "{answer:?}");

    let path = format!("/api/connections/{}", made["id"].as_str().unwrap());
    let (status, _) = admin.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let answer = world.porter.admit(&signed(&inbound)).await;
    assert_eq!(answer, Err(Refused::Unknown), "it went with its connection");
}

#[tokio::test]
async fn genesys_is_let_in_by_the_key_and_signature_of_a_connection_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let secret = "c2VjcmV0IG9mIHRoZSBhdWRpb2hvb2s=";
    let body = json!({"kind": "genesys", "name": "g",
        "credentials": {"apiKey": API_KEY, "clientSecret": secret}});
    let (status, made) = admin.post("/api/connections", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let url = url(&made, "inbound");
    assert!(url.ends_with("/streams/audiohook"), "{url}");
    let now = clock::wall() / 1000;
    let hooked = |key: &str, secret: &str, at: i64| Knock {
        target: Hidden("/streams/audiohook".to_owned()),
        token: None,
        headers: signed_hook(&url, key, secret, at),
    };
    let knock = hooked(API_KEY, secret, now);
    let pass = let_in(&world, knock.clone()).await;
    assert_eq!((&*pass.slug, pass.signed), ("default", true));
    for (refused, unknown) in [
        (knock, false),
        (hooked(API_KEY, "YW5vdGhlcg==", now), false),
        (hooked(API_KEY, secret, now - 60), false),
        (hooked("another", secret, now), true),
    ] {
        let answer = world.porter.admit(&refused).await;
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(answer == Err(Refused::Unknown), unknown, "{answer:?}");
    }
}

#[tokio::test]
async fn a_disabled_tenants_streams_are_turned_away_and_its_calls_are_its_own() {
    let world = World::new().await;
    let admin = world.admin().await;
    let other = world.tenant(&admin, "other").await;
    let made = connection(&other, "telnyx").await;
    let address = url(&made, "inbound");
    let pass = let_in(&world, knock(&address, None)).await;
    assert_eq!(pass.slug, "other");
    let mut who = Introduction::new(Upstream::Telnyx, "v3:1".to_owned());
    who.from = Some("+4930123456".to_owned());
    let call = world.porter.introduce(&pass, &who).await.unwrap();
    assert_eq!(
        other.read("/api/calls/active").await["items"][0]["id"],
        json!(call)
    );
    let path = format!("/api/calls/{call}");
    assert_eq!(admin.get(&path).await.0, StatusCode::NOT_FOUND);
    let client = made["clientId"].as_str().unwrap();
    let (status, _) = admin
        .patch(
            &format!("/api/clients/{client}"),
            &json!({"disabled": true}),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    let answer = world.porter.admit(&knock(&address, None)).await;
    assert_eq!(answer, Err(Refused::Unknown));
}

#[tokio::test]
async fn a_streams_call_is_known_once_and_is_the_one_that_was_registered() {
    let world = World::new().await;
    let admin = world.admin().await;
    let made = connection(&admin, "twilio").await;
    let body = json!({"upstream": "twilio", "upstreamCallId": "CA1", "direction": "outbound",
        "from": "+4930999999", "to": "+4930123456", "customerName": "Carla"});
    let (status, registered) = admin.post("/api/calls", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{registered}");
    assert_eq!(
        registered["capabilities"],
        json!([]),
        "there is nothing to hear yet"
    );
    let pass = let_in(&world, signed(&url(&made, "outbound"))).await;
    let mut who = Introduction::new(Upstream::Twilio, "CA1".to_owned());
    who.agent_name = Some("Aria".to_owned());
    let call = world.porter.introduce(&pass, &who).await.unwrap();
    assert_eq!(json!(call), registered["id"]);
    assert_eq!(world.porter.introduce(&pass, &who).await, Ok(call));
    let shown = admin.read(&format!("/api/calls/{call}")).await;
    for (key, value) in [
        ("upstream", json!("twilio")),
        ("status", json!("connected")),
        ("direction", json!("outbound")),
        ("from", json!("+4930999999")),
        ("customerName", json!("Carla")),
        ("agentName", json!("Aria")),
        ("capabilities", json!(["listen"])),
    ] {
        assert_eq!(shown[key], value, "{key} of {shown}");
    }
    who.upstream_call_id = "CA2".to_owned();
    let another = world.porter.introduce(&pass, &who).await.unwrap();
    assert_ne!(another, call);
    let shown = admin.read(&format!("/api/calls/{another}")).await;
    assert_eq!(
        (&shown["from"], &shown["to"]),
        (&json!("unknown"), &json!("unknown"))
    );
}
