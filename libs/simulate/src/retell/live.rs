//! Retell's live calls: each in a room of a livekit-server where both parties talk, and the API by
//! which it is watched, heard, taken over, written to and ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use sidetone_codec::{Application, EncoderConfig, FRAME_SAMPLES, OpusEncoder, SAMPLE_RATE_HZ};
use sidetone_media::level::to_dbov;
use sidetone_room::Kind;
use sidetone_room::service::RoomService;
use sidetone_room::token::Token;
use sidetone_service::{clock, random};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Server};
use crate::clip::{PACKET, Sound as Packet};
use crate::control;
use crate::conversation::Silence;
use crate::listen::Sound;
use crate::script::Side;

/// What sockets have not sent yet; one that is so far behind is cut.
const BEHIND: usize = 256;
/// What a socket is closed with before the call is live.
const NOT_LIVE_YET: u16 = 4004;
/// High enough that the codec's own noise stays 60 dB below a tone.
const BITRATE_BPS: i32 = 96_000;
/// How often it is looked whether who has a call is there.
const LOOK: Duration = Duration::from_millis(200);
/// How long a listener's token lets it in.
const TOKEN_LASTS: Duration = Duration::from_mins(10);

/// How whoever wants to hear a call, or to have it, is answered.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// In another way than LiveKit's: this word.
    pub transport: Option<String>,
    /// Another server than the one that the room is on.
    pub url: Option<String>,
    /// With this status, and nothing else.
    pub status: Option<u16>,
    /// So is whoever wants to take it over.
    pub takeover: Option<u16>,
}

/// Retell, with its calls. It is gone when it is dropped.
pub struct RetellLive {
    server: control::Server,
    retell: Arc<Retell>,
}

struct Retell {
    livekit: Server,
    key: String,
    calls: Mutex<HashMap<String, Arc<Call>>>,
    manner: Mutex<Manner>,
    /// What it was asked: path and body.
    asked: Mutex<Vec<(String, Value)>>,
}

/// A call whose parties talk. They hang up when it is dropped.
pub struct Talk {
    call: Arc<Call>,
    retell: Arc<Retell>,
}

struct Call {
    id: String,
    room: String,
    items: Mutex<Vec<Value>>,
    news: broadcast::Sender<News>,
    /// Who was let in to listen.
    listeners: Mutex<Vec<String>>,
    /// A listener has it, and the agent is gone.
    taken: CancellationToken,
    /// Both parties have hung up, or are to.
    over: CancellationToken,
}

#[derive(Debug, Clone)]
enum News {
    Said(Value),
    Ended(String),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RetellLive {
    /// Begins with no call. `key`: what its API asks for.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn start(livekit: Server, key: &str) -> std::io::Result<Self> {
        let retell = Arc::new(Retell {
            livekit,
            key: key.to_owned(),
            calls: Mutex::default(),
            manner: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .route("/v2/monitor-call/{id}", get(monitor))
            .route("/v2/listen-live-call/{id}", post(listen))
            .route("/v2/take-over-live-call/{id}", post(take_over))
            .route("/v2/update-live-call/{id}", patch(update))
            .route("/v2/stop-call/{id}", post(stop))
            .with_state(retell.clone());
        let server = control::Server::start(router).await?;
        Ok(Self { server, retell })
    }

    /// What to put in the place of `https://api.retellai.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// How whoever wants to hear a call is answered from now on.
    pub fn answers(&self, manner: Manner) {
        *lock(&self.retell.manner) = manner;
    }

    /// What was asked of it: path and body, the first first.
    pub fn asked(&self) -> Vec<(String, Value)> {
        lock(&self.retell.asked).clone()
    }

    /// Begins a call in which both parties say something.
    ///
    /// # Errors
    /// When the server cannot be joined.
    pub async fn call(&self, id: &str, sound: impl Sound) -> Result<Talk> {
        let room = format!("retell-{id}-{:08x}", random::u64() as u32);
        let livekit = &self.retell.livekit;
        let service = RoomService::new(livekit.url(), livekit.credentials());
        // on a server of ours it would be taken for a call of ours
        let metadata = json!({"sidetone": false}).to_string();
        let opened = service.create_room(&room, &metadata).await;
        opened.with_context(|| format!("cannot open the room {room}"))?;
        let customer = Token::participant(&room, &format!("caller-{id}")).kind(Kind::Sip);
        let customer = Client::join(livekit, customer, Silence::Continuous);
        let customer = Box::pin(customer)
            .await
            .context("the customer cannot join")?;
        let agent = Token::participant(&room, "server");
        let agent = Client::join_as(livekit, agent, "agent_audio", Silence::Continuous);
        let agent = Box::pin(agent).await.context("the agent cannot join")?;
        let call = Arc::new(Call {
            id: id.to_owned(),
            room,
            items: Mutex::default(),
            news: broadcast::channel(BEHIND).0,
            listeners: Mutex::default(),
            taken: CancellationToken::new(),
            over: CancellationToken::new(),
        });
        lock(&self.retell.calls).insert(id.to_owned(), call.clone());
        let sound: Arc<dyn Sound> = Arc::new(sound);
        let began = clock::now();
        let voice = |client, side| -> Result<_> {
            let voice = Voice {
                client,
                side,
                sound: sound.clone(),
                encoder: encoder()?,
                slot: 0,
            };
            Ok(tokio::spawn(Box::pin(voice.speak(began, call.clone()))))
        };
        let parties = [voice(customer, Side::Customer)?, voice(agent, Side::Agent)?];
        let retell = self.retell.clone();
        tokio::spawn(conclude(retell.clone(), call.clone(), parties));
        Ok(Talk { call, retell })
    }
}

impl Talk {
    /// The room that it is in.
    pub fn room(&self) -> &str {
        &self.call.room
    }

    /// Somebody said something by now: the same id is the same, grown.
    pub fn says(&self, id: &str, role: &str, seconds: f64, text: &str) {
        let item = json!({"id": id, "role": role, "content": text, "time_sec": seconds});
        let mut items = lock(&self.call.items);
        items.retain(|known| known["id"] != id);
        items.push(item.clone());
        // nobody needs to look
        self.call.news.send(News::Said(item)).ok();
    }

    /// Both parties hang up, and whoever watches is told why.
    pub fn ends(&self, reason: &str) {
        self.call.end(&self.retell, reason);
    }

    /// Whether a listener has it from the agent.
    pub fn is_taken(&self) -> bool {
        self.call.taken.is_cancelled()
    }

    /// Returns when a listener has it.
    pub async fn taken(&self) {
        self.call.taken.cancelled().await;
    }

    /// Returns when it was ended from outside.
    pub async fn ended(&self) {
        self.call.over.cancelled().await;
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.ends("user_hangup");
    }
}

impl Call {
    fn end(&self, retell: &Retell, reason: &str) {
        if lock(&retell.calls).remove(&self.id).is_some() {
            self.news.send(News::Ended(reason.to_owned())).ok();
        }
        self.over.cancel();
    }
}

/// The room is closed once both have left it, or one has who was not relieved.
async fn conclude(retell: Arc<Retell>, call: Arc<Call>, parties: [JoinHandle<()>; 2]) {
    let [mut customer, mut agent] = parties;
    let relieved = tokio::select! {
        _ = &mut customer => false,
        _ = &mut agent => call.taken.is_cancelled(),
    };
    if relieved {
        drop((&mut customer).await);
    }
    call.end(&retell, "user_hangup");
    for party in [customer, agent] {
        // one that was awaited is over
        if !party.is_finished() {
            drop(party.await);
        }
    }
    let service = RoomService::new(retell.livekit.url(), retell.livekit.credentials());
    // it may be closed already
    service.delete_room(&call.room).await.ok();
}

fn encoder() -> Result<OpusEncoder> {
    let config = EncoderConfig {
        application: Application::Audio,
        bitrate_bps: BITRATE_BPS,
        ..EncoderConfig::default()
    };
    Ok(OpusEncoder::new(config)?)
}

/// A party on its microphone.
struct Voice {
    client: Client,
    side: Side,
    sound: Arc<dyn Sound>,
    encoder: OpusEncoder,
    slot: u32,
}

impl Voice {
    async fn speak(mut self, began: Instant, call: Arc<Call>) {
        let side = self.side;
        let relieved = async {
            match side {
                Side::Customer => std::future::pending().await,
                Side::Agent => call.taken.cancelled().await,
            }
        };
        tokio::pin!(relieved);
        let mut ticks = tokio::time::interval_at(began.into(), PACKET);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                biased;
                () = call.over.cancelled() => break,
                () = &mut relieved => break,
                _ = self.client.drive() => return,
                _ = ticks.tick() => self.say(),
            }
        }
        Box::pin(self.client.leave()).await;
    }

    fn say(&mut self) {
        let first = f64::from(self.slot) * FRAME_SAMPLES as f64;
        let sample = |n: usize| {
            let seconds = (first + n as f64) / f64::from(SAMPLE_RATE_HZ);
            (self.sound.at(self.side, seconds) * f64::from(i16::MAX)) as i16
        };
        let samples: Vec<i16> = (0..FRAME_SAMPLES).map(sample).collect();
        if let Ok(payload) = self.encoder.encode(&samples) {
            let packet = Packet {
                payload: payload.into(),
                level_dbov: to_dbov(sidetone_codec::level(&samples)),
                marker: self.slot == 0,
            };
            self.client.write(self.slot, &packet);
        }
        self.slot += 1;
    }
}

impl Retell {
    /// The call, for whoever shows the key.
    fn admit(&self, headers: &HeaderMap, id: &str) -> Result<Arc<Call>, StatusCode> {
        let shown = headers.get("authorization").map(HeaderValue::as_bytes);
        if shown != Some(format!("Bearer {}", self.key).as_bytes()) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let call = lock(&self.calls).get(id).cloned();
        call.ok_or(StatusCode::NOT_FOUND)
    }

    /// The call, and what is asked about it.
    fn take(
        &self,
        headers: &HeaderMap,
        (what, id): (&str, &str),
        body: &[u8],
    ) -> Result<(Arc<Call>, Value), StatusCode> {
        let body = serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?;
        lock(&self.asked).push((format!("/v2/{what}/{id}"), Value::clone(&body)));
        Ok((self.admit(headers, id)?, body))
    }
}

async fn listen(
    State(retell): State<Arc<Retell>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, StatusCode> {
    let (call, body) = retell.take(&headers, ("listen-live-call", &id), &body)?;
    if body != json!({}) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let manner = lock(&retell.manner).clone();
    if let Some(status) = manner.status {
        return Err(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
    }
    let listener = format!("listener_{:016x}", random::u64());
    let token = Token::tap(&call.room, &listener).ttl(TOKEN_LASTS);
    let token = token.sign(retell.livekit.credentials());
    let token = token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    lock(&call.listeners).push(listener.clone());
    let lasts_ms = i64::try_from(TOKEN_LASTS.as_millis()).unwrap_or(i64::MAX);
    Ok(Json(json!({
        "transport": manner.transport.as_deref().unwrap_or("livekit"),
        "url": manner.url.as_deref().unwrap_or(retell.livekit.url()),
        "access_token": token, "room_name": call.room, "participant_id": listener,
        "expires_at": clock::wall() + lasts_ms,
    })))
}

/// A listener becomes a party, and the agent is gone; the call is over when they leave it.
async fn take_over(
    State(retell): State<Arc<Retell>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, StatusCode> {
    let (call, body) = retell.take(&headers, ("take-over-live-call", &id), &body)?;
    let listener = body["participant_id"].as_str().unwrap_or_default();
    let known = lock(&call.listeners).iter().any(|one| one == listener);
    if !known || body.as_object().is_none_or(|body| body.len() != 1) {
        return Err(StatusCode::BAD_REQUEST);
    }
    if let Some(status) = lock(&retell.manner).takeover {
        return Err(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
    }
    if lock(&retell.calls).remove(&id).is_none() {
        return Err(StatusCode::CONFLICT); // somebody was faster
    }
    let (retell, listener) = (retell.clone(), listener.to_owned());
    let service = RoomService::new(retell.livekit.url(), retell.livekit.credentials());
    let permitted = service.set_permission(&call.room, &listener, true, true);
    permitted.await.map_err(|_| StatusCode::CONFLICT)?;
    call.taken.cancel();
    let word = "call_take_over".to_owned();
    call.news.send(News::Ended(word)).ok();
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = call.over.cancelled() => return,
            }
            let there = service.participants(&call.room).await;
            if there.is_ok_and(|there| there.iter().all(|one| one.identity != listener)) {
                return call.over.cancel();
            }
        }
    });
    Ok(Json(json!({})))
}

async fn update(
    State(retell): State<Arc<Retell>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, StatusCode> {
    let (_, body) = retell.take(&headers, ("update-live-call", &id), &body)?;
    control::check_retell(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(json!({})))
}

async fn stop(
    State(retell): State<Arc<Retell>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, StatusCode> {
    let (call, _) = retell.take(&headers, ("stop-call", &id), &body)?;
    call.end(&retell, "manual_stopped");
    Ok(StatusCode::NO_CONTENT)
}

async fn monitor(
    State(retell): State<Arc<Retell>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match retell.admit(&headers, &id) {
        Ok(call) => upgrade.on_upgrade(|socket| async move {
            // who has gone is told nothing more
            watch(socket, &call).await.ok();
        }),
        Err(StatusCode::NOT_FOUND) => upgrade.on_upgrade(|socket| async move {
            close(socket, NOT_LIVE_YET, "not live").await.ok();
        }),
        Err(status) => status.into_response(),
    }
}

/// Says what was said in a call, as it is said, until it is over.
async fn watch(mut socket: WebSocket, call: &Call) -> Result<(), axum::Error> {
    let mut news = call.news.subscribe();
    let items = lock(&call.items).clone();
    let snapshot = json!({"type": "transcript_snapshot", "transcripts": items,
        "pre_session_transcripts": []});
    socket.send(Message::text(snapshot.to_string())).await?;
    loop {
        let told = tokio::select! {
            told = news.recv() => told,
            heard = socket.recv() => match heard {
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Ok(()),
            },
        };
        match told {
            Ok(News::Said(item)) => {
                let update = json!({"type": "transcript_updated", "transcripts": [item]});
                socket.send(Message::text(update.to_string())).await?;
            }
            Ok(News::Ended(reason)) => {
                let ended = json!({"type": "call_ended", "disconnection_reason": reason,
                    "event_timestamp": clock::wall()});
                socket.send(Message::text(ended.to_string())).await?;
                return close(socket, 1000, "call_ended").await;
            }
            Err(_) => return Ok(()),
        }
    }
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) -> Result<(), axum::Error> {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    socket.send(Message::Close(Some(frame))).await
}
