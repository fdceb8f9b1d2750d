//! Calls heard by WebSocket, from a gateway that is played.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_fleet::{FeedEnd, Feeder};
use sidetone_service::clock;
use sidetone_wire::{
    CallEvent, Command, CommandError, EndClass, EndReason, FeedSound, MonitorRoom, Reply, Timestamp,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{Gateway, Held, User, World, within};

/// Beyond it a message that is waited for counts as missing.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a gateway feeds.
struct Fed {
    monitor: MonitorRoom,
    sound: FeedSound,
    feeder: Feeder,
}

/// A call that can be heard.
struct Heard {
    world: World,
    gateway: Gateway,
    call: Held,
    fed: Arc<Mutex<Vec<Fed>>>,
}

impl Heard {
    async fn new() -> Self {
        let world = World::new().await;
        let gateway = world.gateway();
        let fed = Arc::new(Mutex::new(Vec::new()));
        let (fleet, feeds) = (world.fleet.clone(), fed.clone());
        gateway.answers(move |command| {
            if let Command::Feed {
                monitor,
                feed,
                sound,
                ..
            } = command
            {
                let feeder = fleet.pick_up(*feed).ok_or(CommandError::TimedOut)?;
                let (monitor, sound) = (monitor.clone(), *sound);
                feeds.lock().unwrap().push(Fed {
                    monitor,
                    sound,
                    feeder,
                });
            }
            Ok(Reply::Listening { tracks: Vec::new() })
        });
        let call = gateway.hold("room-1", None);
        call.known_to(&world.admin().await).await;
        Self {
            world,
            gateway,
            call,
            fed,
        }
    }

    /// Where a user may hear it.
    async fn url(&self, user: &User) -> String {
        let path = format!("{}/listen", self.call.path());
        let (status, grant) = user.send(Method::POST, &path).await;
        assert_eq!(status, StatusCode::OK, "{grant}");
        grant["listenProxyUrl"].as_str().unwrap().to_owned()
    }

    async fn listens(&self, user: &User, query: &str) -> Listener {
        Listener::connect(&self.world, &self.url(user).await, query).await
    }

    /// The newest feed.
    fn feed<T>(&self, with: impl FnOnce(&Fed) -> T) -> T {
        with(self.fed.lock().unwrap().last().expect("somebody listens"))
    }

    async fn watchers(&self, admin: &User) -> Value {
        admin.read(&self.call.path()).await["watchers"].clone()
    }
}

struct Listener(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Listener {
    async fn connect(world: &World, url: &str, query: &str) -> Self {
        Self::try_connect(world, url, query, None).await.unwrap()
    }

    /// Gives the status with which it was refused.
    async fn try_connect(
        world: &World,
        url: &str,
        query: &str,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        let (_, token) = url.split_once("/listen/").unwrap();
        let url = world.url.replacen("http", "ws", 1);
        let url = format!("{url}/listen/{token}{query}");
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            let headers = request.headers_mut();
            headers.insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn next(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.0.next()).await;
            match next
                .expect("a message in time")
                .expect("no end without a word")
            {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) => return message,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn text(&mut self) -> Value {
        let message = self.next().await;
        let text = message.to_text().expect("a text");
        serde_json::from_str(text).unwrap_or_else(|_| panic!("{message:?}"))
    }

    /// The code with which it is closed; sound before it is skipped.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a reason").code.into();
            }
        }
    }
}

/// The codes of who was not let in.
async fn refused(world: &World, url: &str) -> u16 {
    Listener::connect(world, url, "").await.closed().await
}

#[tokio::test]
async fn a_call_is_heard_by_websocket_from_the_first_frame_to_the_reason_of_its_end() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let mut listener = heard.listens(&admin, "").await;
    let start = json!({"type": "start", "encoding": "opus", "sampleRate": 48_000,
        "channels": 2, "frameMs": 20});
    assert_eq!(listener.text().await, start);
    heard.feed(|fed| {
        assert_eq!(fed.sound, FeedSound::Opus);
        assert_eq!(fed.monitor.user.to_string(), admin.id);
        assert!(fed.feeder.push(&Bytes::from_static(b"one")));
        assert!(fed.feeder.push(&Bytes::from_static(b"two")));
        fed.feeder.end(FeedEnd::Over(Some("customer_left".into())));
    });
    heard.fed.lock().unwrap().clear();
    assert_eq!(listener.next().await, Message::binary("one"));
    assert_eq!(listener.next().await, Message::binary("two"));
    let end = json!({"type": "end", "reason": "customer_left"});
    assert_eq!(listener.text().await, end);
    assert_eq!(listener.closed().await, 1000);
}

#[tokio::test]
async fn the_end_is_told_with_what_the_control_plane_knows_of_it() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let mut listener = heard
        .listens(&admin, "?encoding=linear16&sampleRate=8000")
        .await;
    let start = listener.text().await;
    assert_eq!(
        (&start["encoding"], &start["sampleRate"]),
        (&json!("linear16"), &json!(8_000))
    );
    assert_eq!(
        heard.feed(|fed| fed.sound),
        FeedSound::Linear16 { rate_hz: 8_000 }
    );
    let reason = EndReason::new(EndClass::Caller, "caller_hung_up");
    let at = Timestamp::from_unix_ms(clock::wall());
    heard.call.log.send(CallEvent::Ended { at, reason });
    let ended = |call: &Value| call["status"] == "ended";
    admin.eventually(&heard.call.path(), ended).await;
    heard.feed(|fed| fed.feeder.end(FeedEnd::Over(None)));
    heard.fed.lock().unwrap().clear();
    assert_eq!(listener.text().await["reason"], "caller_hung_up");
    assert_eq!(listener.closed().await, 1000);
    assert_eq!(
        refused(&heard.world, &format!("/listen/{}", "x")).await,
        4401
    );
    let (_, call) = admin.get(&heard.call.path()).await;
    assert!(call.get("listenProxyUrl").is_none(), "it has ended");
}

#[tokio::test]
async fn a_token_is_good_once_for_a_live_call_and_for_who_may_hear_it() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let world = &heard.world;
    let url = heard.url(&admin).await;
    let mut first = Listener::connect(world, &url, "").await;
    assert_eq!(first.text().await["type"], "start");
    assert_eq!(refused(world, &url).await, 4401, "used");
    assert_eq!(refused(world, &format!("{url}x")).await, 4401, "another");

    // it is on the call for those who may hear it, and good in its own right
    let call = admin.read(&heard.call.path()).await;
    let offered = call["listenProxyUrl"].as_str().unwrap();
    assert_ne!(offered, url);
    let mut second = Listener::connect(world, offered, "").await;
    assert_eq!(second.text().await["type"], "start");
    let agent = world.user(&admin, "agent", "agent").await;
    let seen = agent.read(&heard.call.path()).await;
    assert!(seen.get("listenProxyUrl").is_none());

    // what the token was made for may be over when it is shown
    let sue = world.user(&admin, "sue", "supervisor").await;
    let (good, late) = (heard.url(&sue).await, heard.url(&sue).await);
    sue.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(refused(world, &good).await, 4403);
    heard.gateway.answers(|_| Err(CommandError::NoHolder));
    let nobody_has_it = admin.read(&heard.call.path()).await;
    let nobody_has_it = nobody_has_it["listenProxyUrl"].as_str().unwrap();
    assert_eq!(refused(world, nobody_has_it).await, 4404);
    let before = admin.read(&heard.call.path()).await;
    let reason = EndReason::new(EndClass::Completed, "participants_left");
    let at = Timestamp::from_unix_ms(clock::wall());
    heard.call.log.send(CallEvent::Ended { at, reason });
    let ended = |call: &Value| call["status"] == "ended";
    admin.eventually(&heard.call.path(), ended).await;
    assert_eq!(
        refused(world, before["listenProxyUrl"].as_str().unwrap()).await,
        4404
    );
    assert_eq!(refused(world, &late).await, 4403);
}

#[tokio::test]
async fn who_hears_a_call_by_websocket_is_shown_and_noted_until_they_leave() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let sue = heard.world.user(&admin, "sue", "supervisor").await;
    let call = sue.read(&heard.call.path()).await;
    assert_eq!(call["watchers"], json!([]));
    let url = call["listenProxyUrl"].as_str().unwrap();
    let mut listener = Listener::connect(&heard.world, url, "").await;
    listener.text().await;
    let watchers = heard.watchers(&admin).await;
    assert_eq!(watchers[0]["userId"], sue.id.as_str());
    let user = heard.feed(|fed| fed.monitor.user);
    drop(listener);
    let gone = within(async || heard.feed(|fed| fed.feeder.is_over())).await;
    assert!(gone, "the gateway notices");
    heard.call.log.send(CallEvent::ListenerLeft { user });
    let nobody = |call: &Value| call["watchers"] == json!([]);
    admin.eventually(&heard.call.path(), nobody).await;
    let of_call = format!("/api/audit?subject={}", heard.call.id);
    let rows = admin
        .eventually(&of_call, |rows| {
            rows["items"][0]["action"] == "call.unlistened"
        })
        .await;
    let noted: Vec<(&str, &str)> = rows["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["action"].as_str().unwrap(),
                row["actor"].as_str().unwrap(),
            )
        })
        .collect();
    let by_sue = |action| (action, &*sue.id);
    let expected = ["call.unlistened", "call.listened", "call.listened"].map(by_sue);
    assert_eq!(noted, expected, "intent, result, end");
    assert_eq!(rows["items"][0]["detail"]["via"], "websocket");
}

#[tokio::test]
async fn logout_ends_what_is_heard_by_websocket_through_the_gateway() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let sue = heard.world.user(&admin, "sue", "supervisor").await;
    let mut listener = heard.listens(&sue, "").await;
    listener.text().await;
    let (_, session) = (sue.send(Method::POST, "/api/auth/logout").await, &sue);
    let user = heard.feed(|fed| fed.monitor.user);
    let told = heard
        .gateway
        .heard(|command| *command == Command::UnlistenAll { user })
        .await;
    assert!(told, "{} hears on", session.id);
    heard.feed(|fed| {
        fed.feeder.push(&Bytes::from_static(b"not to be heard"));
        fed.feeder.end(FeedEnd::Revoked);
    });
    assert_eq!(listener.closed().await, 4403);
}

#[tokio::test]
async fn a_listener_who_takes_nothing_is_cut_off_whatever_lies_between() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let mut slow = heard.listens(&admin, "").await;
    assert_eq!(slow.text().await["type"], "start");
    // nothing is read and no question answered; what is sent fits the buffers between us
    tokio::time::timeout(DEADLINE, async {
        while heard.feed(|fed| fed.feeder.push(&Bytes::from_static(b"sound"))) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is cut off");
    assert_eq!(slow.closed().await, 4408);
}

#[tokio::test]
async fn what_is_no_handshake_or_asks_for_what_there_is_not_is_refused_before_it_is_a_socket() {
    let heard = Heard::new().await;
    let admin = heard.world.admin().await;
    let url = heard.url(&admin).await;
    for query in [
        "?encoding=mp3",
        "?encoding=linear16&sampleRate=44100",
        "?sampleRate=8000",
        "?colour=red",
    ] {
        let refused = Listener::try_connect(&heard.world, &url, query, None).await;
        assert_eq!(refused.err(), Some(422), "{query}");
    }
    let evil = Some("https://evil.example");
    let refused = Listener::try_connect(&heard.world, &url, "", evil).await;
    assert_eq!(refused.err(), Some(403));
    let (_, token) = url.split_once("/listen/").unwrap();
    let (status, _) = admin.get(&format!("/listen/{token}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let mut listener = Listener::connect(&heard.world, &url, "").await;
    assert_eq!(
        listener.text().await["type"],
        "start",
        "the token is still good"
    );
}
