//! Who hears the calls: by WebSocket, or in the monitor room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::json;
use sidetone_room::{Event, Options, Room};
use sidetone_testkit::User;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// When a sound is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listeners by WebSocket; they leave when this is dropped.
pub(super) struct Ears {
    heard: Arc<Heard>,
    listening: JoinSet<()>,
}

/// What all of them got.
#[derive(Default)]
struct Heard {
    hearing: AtomicUsize,
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Ears {
    /// The mean of all frames.
    pub(super) fn frame_bytes(&self) -> usize {
        let frames = self.heard.frames.load(Ordering::Relaxed);
        (self.heard.bytes.load(Ordering::Relaxed) / frames.max(1)) as usize
    }
}

/// Lets so many hear each call by WebSocket; gives them once each hears something.
pub(super) async fn feeds(user: &User, calls: &[String], each: usize) -> Result<Ears> {
    let mut ears = Ears {
        heard: Arc::default(),
        listening: JoinSet::new(),
    };
    for call in calls {
        for _ in 0..each {
            let path = format!("/api/calls/{call}/listen");
            let grant = user.ask(Method::POST, &path, &json!({})).await;
            let url = grant["listenProxyUrl"].as_str();
            hear(&mut ears, url.context("no address to listen at")?).await?;
        }
    }
    let wanted = calls.len() * each;
    let all = async {
        while ears.heard.hearing.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let all = tokio::time::timeout(PATIENCE, all).await;
    all.context("not everybody hears something")?;
    Ok(ears)
}

/// One more who reads whatever comes at a WebSocket.
async fn hear(ears: &mut Ears, url: &str) -> Result<()> {
    let (mut socket, _) = connect_async(url).await?;
    let heard = ears.heard.clone();
    ears.listening.spawn(async move {
        let mut first = true;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Binary(frame) = message else {
                continue;
            };
            if std::mem::take(&mut first) {
                heard.hearing.fetch_add(1, Ordering::Relaxed);
            }
            heard.frames.fetch_add(1, Ordering::Relaxed);
            let bytes = frame.len() as u64;
            heard.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// Lets one supervisor hear all calls in the monitor room; gives who does, once every track is
/// heard.
pub(super) async fn monitor(user: &User, calls: &[String]) -> Result<JoinHandle<()>> {
    let mut room = None;
    let mut tracks = 0;
    for call in calls {
        let grant = user.listen(call).await;
        tracks += grant.tracks.len();
        if room.is_none() {
            let joined = Room::join(Options::new(&grant.url, grant.token.clone()));
            room = Some(Box::pin(joined).await?);
        }
    }
    let room = room.context("there is no call")?;
    let (hears, heard) = oneshot::channel();
    let listening = tokio::spawn(listen(room, tracks, hears));
    let heard = tokio::time::timeout(PATIENCE * 2, heard).await;
    ensure!(matches!(heard, Ok(Ok(()))), "not every track is heard");
    Ok(listening)
}

/// Subscribes everything, and says when so many tracks have given a packet.
async fn listen(mut room: Room, tracks: usize, hears: oneshot::Sender<()>) {
    let mut hears = Some(hears);
    let mut heard = std::collections::HashSet::new();
    loop {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a listener only listens")]
        match room.next().await {
            Event::TrackPublished { track, .. } => room.subscribe(&track.sid),
            Event::Packet(packet) if hears.is_some() => {
                heard.insert(packet.track);
                if heard.len() >= tracks
                    && let Some(hears) = hears.take()
                {
                    hears.send(()).ok();
                }
            }
            Event::Closed(_) => return,
            _ => {}
        }
    }
}
