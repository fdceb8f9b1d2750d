use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sidetone_service::clock;
use sidetone_wire::Command;

use crate::world::{API_KEY, API_SECRET, World, answer};

/// The header that livekit-server sends with a body.
pub(crate) fn signature(body: &str, key: &str, secret: &str) -> String {
    let claims = json!({
        "iss": key,
        "nbf": clock::wall() / 1000 - 5,
        "exp": clock::wall() / 1000 + 300,
        "sha256": STANDARD.encode(Sha256::digest(body)),
    });
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

pub(crate) fn event(id: &str, room: &str) -> String {
    json!({"event": "participant_joined", "id": id, "createdAt": "1790000000",
        "room": {"name": room, "sid": "RM_1"}, "participant": {"identity": "caller"}})
    .to_string()
}

pub(crate) async fn deliver(
    world: &World,
    body: &str,
    authorization: Option<&str>,
) -> (StatusCode, Value) {
    let mut request = world
        .request(Method::POST, "/api/webhooks/livekit")
        .header("content-type", "application/webhook+json")
        .body(body.to_owned());
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    answer(request).await
}

#[tokio::test]
async fn a_signed_webhook_makes_gateways_look_and_a_repeated_one_does_nothing() {
    let world = World::new().await;
    let gateway = world.gateway();
    let body = event("EV_1", "room-1");
    for _ in 0..3 {
        let signature = signature(&body, API_KEY, API_SECRET);
        let (status, _) = deliver(&world, &body, Some(&signature)).await;
        assert_eq!(status, StatusCode::OK);
    }
    let body = event("EV_2", "room-2");
    let signature = signature(&body, API_KEY, API_SECRET);
    deliver(&world, &body, Some(&signature)).await;
    let changed = |room: &str| Command::RoomChanged {
        room: room.to_owned(),
    };
    assert!(gateway.heard(|command| *command == changed("room-2")).await);
    assert_eq!(gateway.commands(), [changed("room-1"), changed("room-2")]);
}

#[tokio::test]
async fn a_webhook_that_is_not_signed_by_our_secret_for_this_body_is_401() {
    let world = World::new().await;
    let gateway = world.gateway();
    let body = event("EV_1", "room-1");
    let other_body = signature(&event("EV_2", "room-1"), API_KEY, API_SECRET);
    let other_secret = signature(&body, API_KEY, "another_secret_that_is_32_chars_long");
    let other_key = signature(&body, "otherkey", API_SECRET);
    for authorization in [
        None,
        Some(""),
        Some("nonsense"),
        Some(&*other_body),
        Some(&*other_secret),
        Some(&*other_key),
    ] {
        let (status, body) = deliver(&world, &body, authorization).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization:?}");
        assert_eq!(body["code"], "bad_signature");
    }
    assert!(gateway.commands().is_empty());
    // and it was not remembered as taken
    let signature = signature(&body, API_KEY, API_SECRET);
    let (status, _) = deliver(&world, &body, Some(&signature)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        gateway
            .heard(|command| matches!(command, Command::RoomChanged { .. }))
            .await
    );
}

#[tokio::test]
async fn without_livekit_there_is_no_webhook() {
    let world = World::with(&[
        ("LIVEKIT_URL", ""),
        ("LIVEKIT_API_KEY", ""),
        ("LIVEKIT_API_SECRET", ""),
    ])
    .await;
    let body = event("EV_1", "room-1");
    let signature = signature(&body, API_KEY, API_SECRET);
    let (status, body) = deliver(&world, &body, Some(&signature)).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("livekit_off"))
    );
}
