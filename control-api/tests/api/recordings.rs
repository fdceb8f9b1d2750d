use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, RecordingId, Timestamp};

use crate::takes::{manifest, sound};
use crate::world::{Held, User, World};

struct Stored {
    _world: World,
    admin: User,
    call: Held,
    id: RecordingId,
}

impl Stored {
    async fn new() -> Self {
        let world = World::new().await;
        let admin = world.admin().await;
        let call = world.gateway().hold("room-1", None);
        call.known_to(&admin).await;
        let id = world.stored(&call).await;
        Self {
            _world: world,
            admin,
            call,
            id,
        }
    }

    fn path(&self) -> String {
        format!("/api/recordings/{}", self.id)
    }

    async fn audio(&self, headers: &[(&str, &str)]) -> reqwest::Response {
        let path = format!("{}/audio", self.path());
        let mut request = self.admin.request(Method::GET, &path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }
}

#[tokio::test]
async fn a_take_shows_from_its_start_to_the_store() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    let recording = RecordingId(clock::new_id());
    let started_at = Timestamp::from_unix_ms(clock::wall());
    call.log.send(CallEvent::RecordingStarted {
        recording,
        started_at,
    });
    let seen = admin
        .eventually(&call.path(), |call| {
            call["recording"]["state"] == "recording"
        })
        .await;
    assert_eq!(seen["recording"]["startedAt"], started_at.to_string());
    let path = format!("/api/recordings/{recording}");
    assert_eq!(admin.read(&path).await["state"], "recording");
    let (status, body) = admin.get(&format!("{path}/audio")).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::CONFLICT, Some("recording_not_ready"))
    );

    call.log.send(CallEvent::RecordingEnded { recording });
    world.store(manifest(&call, recording)).await;
    let seen = admin
        .eventually(&call.path(), |call| call["recordingStoredUrl"].is_string())
        .await;
    assert_eq!(seen["recording"]["state"], "off");
    let url = format!("{path}/audio");
    assert_eq!(seen["recordingStoredUrl"], url.as_str());
    let found = admin.read(&path).await;
    assert_eq!(found["durationSeconds"], 61.5);
    assert_eq!(found["degraded"], true);
    assert_eq!(found["gaps"][0]["reason"], "disconnected");
    assert_eq!(found["channels"][0]["party"], "customer");
    assert_eq!(found["audioUrl"], url.as_str());
    assert_eq!(found["format"], "ogg");
    let list = admin.read(&format!("{}/recordings", call.path())).await;
    assert_eq!(list["items"], json!([found]));

    // the recorder may report late, when another gateway has the call already
    let newer = world.fleet.event_log(call.id, 7);
    newer.send(CallEvent::Facts(call.facts.clone()));
    let late = RecordingId(clock::new_id());
    world.store(manifest(&call, late)).await;
    admin
        .eventually(&format!("/api/recordings/{late}"), |found| {
            found["state"] == "stored"
        })
        .await;
}

#[tokio::test]
async fn a_failed_take_says_why_and_never_undoes_a_stored_one() {
    let stored = Stored::new().await;
    let (admin, call) = (&stored.admin, &stored.call);
    let failed = RecordingId(clock::new_id());
    for recording in [stored.id, failed] {
        let error = "the disk is full".to_owned();
        call.log
            .send(CallEvent::RecordingFailed { recording, error });
    }
    let path = format!("/api/recordings/{failed}");
    let found = admin
        .eventually(&path, |found| found["state"] == "failed")
        .await;
    assert_eq!(found["error"], "the disk is full");
    let (status, body) = admin.get(&format!("{path}/audio")).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::CONFLICT, Some("recording_failed"))
    );
    assert_eq!(admin.read(&stored.path()).await["state"], "stored");
    let seen: Value = admin.read(&call.path()).await;
    assert_eq!(seen["recording"]["state"], "failed");
}

#[tokio::test]
async fn the_whole_file_comes_with_its_description() {
    let stored = Stored::new().await;
    let response = stored.audio(&[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "audio/ogg");
    assert_eq!(headers["accept-ranges"], "bytes");
    assert_eq!(headers["content-length"], "100000");
    assert_eq!(
        headers["content-disposition"],
        format!("inline; filename=\"sidetone-2026-11-20-{}.ogg\"", stored.id).as_str()
    );
    assert_eq!(response.bytes().await.unwrap(), sound());

    let path = format!("{}/audio", stored.path());
    let head = stored.admin.request(Method::HEAD, &path);
    let head = head.send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], "100000");
    assert_eq!(head.headers()["etag"], headers["etag"]);
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_part_is_sent_when_one_is_asked_for() {
    let stored = Stored::new().await;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-65999", 1000, 65_999),
        ("bytes=99990-", 99_990, 99_999),
        ("bytes=-10", 99_990, 99_999),
        ("bytes=50000-200000", 50_000, 99_999),
    ] {
        let response = stored.audio(&[("range", range)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let headers = response.headers().clone();
        let expected = format!("bytes {first}-{last}/100000");
        assert_eq!(headers["content-range"], expected.as_str());
        assert_eq!(response.bytes().await.unwrap(), sound()[first..=last]);
    }
    for range in ["bytes=100000-", "bytes=-0", "bytes=0-1,5-6"] {
        let response = stored.audio(&[("range", range)]).await;
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(response.headers()["content-range"], "bytes */100000");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let stored = Stored::new().await;
    let response = stored.audio(&[]).await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let response = stored.audio(&[("if-none-match", &etag)]).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(response.headers()["etag"], etag.as_str());
    assert!(response.bytes().await.unwrap().is_empty());

    let part = [("range", "bytes=0-9"), ("if-range", &*etag)];
    let response = stored.audio(&part).await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let stale = [("range", "bytes=0-9"), ("if-range", "\"stale\"")];
    let response = stored.audio(&stale).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.bytes().await.unwrap().len(), 100_000);
}
