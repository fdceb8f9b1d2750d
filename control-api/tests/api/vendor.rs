//! Recordings that a vendor made, from the URL to the listener.

use control_api::NoteError;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use sidetone_testkit::tone_file;
use sidetone_wire::{CallId, RecordingId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::takes::path;
use crate::world::{Held, User, World};

const LOOPBACK: [(&str, &str); 1] = [("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")];

/// A server that gives everybody the same file, under a URL that must stay secret.
async fn vendor(file: Vec<u8>) -> SecretString {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            drop(stream.read(&mut head).await);
            let length = file.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.write_all(&file).await);
        }
    });
    SecretString::from(format!("http://127.0.0.1:{port}/sesame?token=sesame"))
}

struct Calling {
    world: World,
    admin: User,
    call: Held,
}

impl Calling {
    async fn new() -> Self {
        let world = World::with(&LOOPBACK).await;
        let admin = world.admin().await;
        let call = world.gateway().hold("room-1", None);
        call.known_to(&admin).await;
        Self { world, admin, call }
    }

    async fn note(&self, url: &SecretString) -> Option<RecordingId> {
        let noted = self.world.vendors.note(self.call.id, "vapi", url).await;
        noted.unwrap()
    }

    async fn stored(&self, id: RecordingId) -> serde_json::Value {
        let stored = |found: &serde_json::Value| found["state"] == "stored";
        self.admin.eventually(&path(id), stored).await
    }
}

#[tokio::test]
async fn a_vendors_recording_is_listed_and_heard_like_our_own() {
    let calling = Calling::new().await;
    let file = tone_file(&[440.0, 1000.0], 2000).unwrap();
    let url = vendor(file.clone()).await;
    let id = calling.note(&url).await.unwrap();
    let found = calling.stored(id).await;
    assert_eq!(found["source"], "vendor");
    assert_eq!(found["format"], "ogg");
    assert_eq!(found["durationSeconds"], 2.0);
    assert!(found["fetchedAt"].is_string());
    let list = calling
        .admin
        .read(&format!("{}/recordings", calling.call.path()))
        .await;
    assert_eq!(list["items"][0]["id"], id.to_string().as_str());
    let call = calling.admin.read(&calling.call.path()).await;
    for shown in [&found, &list, &call] {
        assert!(!shown.to_string().contains("sesame"), "{shown}");
    }
    let audio = async |query: &str| {
        let path = format!("{}/audio?{query}", path(id));
        let response = calling
            .admin
            .request(Method::GET, &path)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        response.bytes().await.unwrap()
    };
    assert_eq!(audio("").await, file);
    assert!(
        audio("format=wav&channel=customer")
            .await
            .starts_with(b"RIFF")
    );
    assert_eq!(calling.note(&url).await, None);
    assert_eq!(calling.world.kept().await.len(), 1);
}

#[tokio::test]
async fn what_a_vendor_recorded_as_wav_is_served_as_it_is() {
    let calling = Calling::new().await;
    let mut file =
        b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data"
            .to_vec();
    file.extend(16_000u32.to_le_bytes());
    file.resize(file.len() + 16_000, 1);
    let id = calling.note(&vendor(file.clone()).await).await.unwrap();
    let found = calling.stored(id).await;
    assert_eq!(found["format"], "wav");
    assert_eq!(found["durationSeconds"], 1.0);
    for query in ["", "?format=wav"] {
        let audio = format!("{}/audio{query}", path(id));
        let response = calling
            .admin
            .request(Method::GET, &audio)
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["content-type"], "audio/wav");
        assert_eq!(response.bytes().await.unwrap(), file);
    }
    for query in ["format=ogg", "channel=mix", "format=mp3"] {
        let audio = format!("{}/audio?{query}", path(id));
        let (status, body) = calling.admin.get(&audio).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(body["code"], "unsupported_format", "{query}");
    }
}

#[tokio::test]
async fn it_is_erased_like_our_own_and_not_fetched_again() {
    let calling = Calling::new().await;
    let url = vendor(tone_file(&[440.0], 1000).unwrap()).await;
    let id = calling.note(&url).await.unwrap();
    calling.stored(id).await;
    let (status, _) = calling.admin.send(Method::DELETE, &path(id)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let gone = crate::world::within(async || calling.world.kept().await.is_empty()).await;
    assert!(gone, "the object is still there");
    assert_eq!(calling.note(&url).await, None);
    let other = calling.world.tenant(&calling.admin, "globex").await;
    let (status, _) = other.get(&path(id)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn this_machine_is_no_vendor_unless_that_is_allowed() {
    let world = World::new().await;
    let url = vendor(Vec::new()).await;
    let noted = world
        .vendors
        .note(
            CallId::of_upstream("vapi", "v1", sidetone_wire::Timestamp::from_unix_ms(0)),
            "vapi",
            &url,
        )
        .await;
    assert!(matches!(noted, Err(NoteError::Refused(_))));
}
