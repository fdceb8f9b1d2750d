//! Somebody who is logged in and speaks HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helper: what fails here fails the test"
)]

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_wire::Recording;

use crate::system::DEADLINE;

/// How often a page is read again until it is as expected.
const READ_EVERY: Duration = Duration::from_millis(50);

/// A session.
#[derive(Clone)]
pub struct User {
    client: reqwest::Client,
    url: String,
    token: String,
}

/// What `POST listen` gave.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The LiveKit server's address.
    pub url: String,
    /// Opens the room.
    pub token: String,
    /// The monitor room.
    pub room: String,
    /// Names of the call's tracks in it.
    pub tracks: Vec<String>,
}

impl User {
    /// Logs in.
    pub async fn login(
        client: &reqwest::Client,
        url: &str,
        username: &str,
        password: &str,
    ) -> Self {
        let response = client
            .post(format!("{url}/api/auth/login"))
            .json(&json!({"username": username, "password": password}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["token_type"], "bearer");
        Self {
            client: client.clone(),
            url: url.to_owned(),
            token: text(&body["access_token"]),
        }
    }

    /// The system's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The session's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request of this session.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
    }

    /// Status and JSON body, `null` when there is none.
    pub async fn send(&self, method: Method, path: &str) -> (StatusCode, Value) {
        let response = self.request(method, path).send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// A command with a JSON body that must succeed.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.request(method, path).json(body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// A read that must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Reads a page again and again until something is found in it.
    pub async fn until<T>(&self, what: &str, path: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let mut last = Value::Null;
        let reading = async {
            loop {
                last = self.read(path).await;
                if let Some(found) = find(&last) {
                    return found;
                }
                tokio::time::sleep(READ_EVERY).await;
            }
        };
        let found = tokio::time::timeout(DEADLINE, reading).await;
        found.unwrap_or_else(|_| panic!("waited in vain for {what}; {path} says {last}"))
    }

    /// Waits for the live call in a room.
    pub async fn call_in(&self, room: &str) -> Value {
        self.call_that(&format!("the call in {room}"), |call| {
            call["livekitRoomName"] == room
        })
        .await
    }

    /// Waits until the call in a room has both parties and is being recorded.
    pub async fn answered_call_in(&self, room: &str) -> Value {
        self.call_that(&format!("the answered call in {room}"), |call| {
            call["livekitRoomName"] == room
                && call["answeredAt"].is_string()
                && call["recording"]["state"] == "recording"
        })
        .await
    }

    /// Waits until a call that is known is live, has both parties and is being recorded.
    pub async fn answered_call(&self, call: &str) -> Value {
        self.call_that(&format!("the answered call {call}"), |found| {
            found["id"] == call
                && found["answeredAt"].is_string()
                && found["recording"]["state"] == "recording"
        })
        .await
    }

    async fn call_that(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.until(what, "/api/calls/active", |page| {
            items(page).into_iter().find(|call| fits(call))
        })
        .await
    }

    /// Waits until a call is over, and gives it.
    pub async fn ended(&self, call: &str) -> Value {
        let path = format!("/api/calls/{call}");
        self.until("the call's end", &path, |found| {
            (found["status"] == "ended").then(|| found.clone())
        })
        .await
    }

    /// Waits until so many recordings of a call are in the store.
    pub async fn stored(&self, call: &str, count: usize) -> Vec<Recording> {
        let path = format!("/api/calls/{call}/recordings");
        self.until(&format!("{count} stored recordings"), &path, |page| {
            let stored: Vec<Value> = items(page)
                .into_iter()
                .filter(|recording| recording["state"] == "stored")
                .collect();
            let recordings = Value::Array(stored);
            let recordings: Vec<Recording> = serde_json::from_value(recordings).unwrap();
            (recordings.len() == count).then_some(recordings)
        })
        .await
    }

    /// The sound of a recording as it is stored.
    pub async fn audio(&self, recording: &Recording) -> Vec<u8> {
        self.rendition(recording, "", "audio/ogg").await
    }

    /// The sound of a recording as WAV.
    pub async fn wav(&self, recording: &Recording) -> Vec<u8> {
        self.rendition(recording, "?format=wav", "audio/wav").await
    }

    async fn rendition(&self, recording: &Recording, query: &str, kind: &str) -> Vec<u8> {
        let path = format!("{}{query}", recording.audio_url);
        let response = self.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], kind);
        response.bytes().await.unwrap().to_vec()
    }

    /// Asks to hear a call.
    pub async fn listen(&self, call: &str) -> Grant {
        let (status, body) = self.send(Method::POST, &listen_path(call)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let livekit = &body["livekit"];
        let tracks = livekit["tracks"].as_array().unwrap();
        Grant {
            url: text(&livekit["url"]),
            token: text(&livekit["token"]),
            room: text(&livekit["room"]),
            tracks: tracks.iter().map(|track| text(&track["name"])).collect(),
        }
    }

    /// Gives the right to hear a call back.
    pub async fn unlisten(&self, call: &str) {
        let (status, body) = self.send(Method::DELETE, &listen_path(call)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    }

    /// Ends the session.
    pub async fn logout(&self) {
        let (status, body) = self.send(Method::POST, "/api/auth/logout").await;
        assert!(status.is_success(), "{status}: {body}");
    }
}

fn listen_path(call: &str) -> String {
    format!("/api/calls/{call}/listen")
}

/// The entries of a list.
pub fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().unwrap_or_default()
}

/// A call's id.
pub fn id(call: &Value) -> String {
    text(&call["id"])
}

/// Milliseconds since the epoch of a time such as `startedAt`.
pub fn unix_ms(time: &Value) -> i64 {
    let time: sidetone_wire::Timestamp = serde_json::from_value(time.clone()).unwrap();
    time.unix_ms()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
