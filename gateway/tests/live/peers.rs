//! Parties that sound, and supervisors that hear.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sidetone_codec::OpusDecoder;
use sidetone_media::Codec;
use sidetone_room::token::{Kind, Token};
use sidetone_room::{Event, LocalTrack, Options, PublishOptions, Room, RtpOut};
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, Tone, ToneDetector};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::world::{DEADLINE, credentials};

/// What a party may be told to do.
#[derive(Debug)]
enum Act {
    Mute(bool),
    Say(Vec<Arc<[u8]>>, oneshot::Sender<()>),
    PublishAgain,
    Leave(oneshot::Sender<()>),
}

/// A party with one microphone that sounds a tone.
pub(crate) struct Peer {
    acts: mpsc::Sender<Act>,
}

impl Peer {
    /// A customer at 440 Hz.
    pub(crate) async fn customer(server: &LivekitServer, room: &str) -> Self {
        Self::join(
            server,
            Token::participant(room, "caller").name("Ada"),
            440.0,
        )
        .await
    }

    /// An agent at 1000 Hz.
    pub(crate) async fn agent(server: &LivekitServer, room: &str) -> Self {
        let token = Token::participant(room, "bot")
            .name("Robin")
            .kind(Kind::Agent);
        Self::join(server, token, 1000.0).await
    }

    pub(crate) async fn join(server: &LivekitServer, token: Token, hz: f64) -> Self {
        let token = token.sign(&credentials(server)).expect("signed");
        let room = Room::join(Options::new(&server.url(), token))
            .await
            .expect("joined");
        // sounds over and over: whole cycles fit a second
        let packets = sounds(hz);
        let (acts, queue) = mpsc::channel(8);
        tokio::spawn(sound(Box::new(room), packets, queue));
        Self { acts }
    }

    async fn act(&self, act: Act) {
        self.acts.send(act).await.expect("the party lives");
    }

    /// Says these packets over and over from now on; returns when the first one is on its way.
    pub(crate) async fn say(&self, packets: &[Arc<[u8]>]) {
        let (begun, begins) = oneshot::channel();
        self.act(Act::Say(packets.to_vec(), begun)).await;
        begins.await.expect("the party lives");
    }

    pub(crate) async fn mute(&self, muted: bool) {
        self.act(Act::Mute(muted)).await;
    }

    /// Ends the track and publishes another.
    pub(crate) async fn publish_again(&self) {
        self.act(Act::PublishAgain).await;
    }

    /// Leaves, and returns when the server knows.
    pub(crate) async fn leave(self) {
        let (left, gone) = oneshot::channel();
        self.act(Act::Leave(left)).await;
        tokio::time::timeout(DEADLINE, gone)
            .await
            .expect("left in time")
            .expect("left");
    }
}

/// A second of a tone.
pub(crate) fn sounds(hz: f64) -> Vec<Arc<[u8]>> {
    let packets = Tone::new(hz, -12.0).and_then(|mut tone| tone.packets(50));
    let packets = packets.expect("encoded").into_iter();
    packets.map(Arc::from).collect()
}

async fn sound(mut room: Box<Room>, mut packets: Vec<Arc<[u8]>>, mut acts: mpsc::Receiver<Act>) {
    let mut begun: Option<oneshot::Sender<()>> = None;
    let mut track = room.publish(PublishOptions::opus("microphone"));
    let mut muted = false;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut count = 0;
    loop {
        tokio::select! {
            event = room.next() => if let Event::Closed(_) = event {
                return;
            },
            act = acts.recv() => match act {
                Some(Act::Mute(now)) => {
                    muted = now;
                    room.set_muted(track, muted);
                }
                Some(Act::Say(others, tell)) => {
                    packets = others;
                    begun = Some(tell);
                }
                Some(Act::PublishAgain) => {
                    room.unpublish(track);
                    track = room.publish(PublishOptions::opus("microphone"));
                }
                Some(Act::Leave(left)) => {
                    Box::pin(room.leave()).await;
                    let _ = left.send(());
                    return;
                }
                None => return Box::pin(room.leave()).await,
            },
            _ = ticks.tick() => {
                count += 1;
                if !muted {
                    write(&mut room, track, &packets, count);
                }
                if let Some(begun) = begun.take() {
                    let _ = begun.send(());
                }
            }
        }
    }
}

fn write(room: &mut Room, track: LocalTrack, packets: &[Arc<[u8]>], count: u64) {
    let packet = RtpOut {
        seq: count,
        timestamp: count as u32 * 960,
        marker: false,
        level_dbov: Some(15),
        payload: packets[count as usize % packets.len()].clone(),
    };
    if room.write(track, packet) {
        room.flush();
    }
}

/// What is heard on one track.
struct Ear {
    decoder: OpusDecoder,
    detector: ToneDetector,
    latest: Instant,
    packets: u64,
    publications: u32,
}

/// Somebody who hears every track of a room, by name.
pub(crate) struct Listener {
    ears: Arc<Mutex<HashMap<String, Ear>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    pub(crate) async fn join(server: &LivekitServer, room: &str, identity: &str) -> Self {
        let token = Token::listener(room, identity)
            .sign(&credentials(server))
            .expect("signed");
        let room = Room::join(Options::new(&server.url(), token))
            .await
            .expect("joined");
        let ears = Arc::new(Mutex::new(HashMap::new()));
        let task = tokio::spawn(hear(Box::new(room), ears.clone()));
        Self { ears, task }
    }

    /// Packets heard on a track so far.
    pub(crate) fn packets(&self, name: &str) -> u64 {
        self.ears
            .lock()
            .unwrap()
            .get(name)
            .map_or(0, |ear| ear.packets)
    }

    /// Packets heard on any track.
    pub(crate) fn all_packets(&self) -> u64 {
        self.ears
            .lock()
            .unwrap()
            .values()
            .map(|ear| ear.packets)
            .sum()
    }

    /// How long ago the latest packet of a track came.
    pub(crate) fn silent_for(&self, name: &str) -> Duration {
        let ears = self.ears.lock().unwrap();
        ears.get(name)
            .map_or(Duration::MAX, |ear| ear.latest.elapsed())
    }

    /// How often a track of this name was published.
    pub(crate) fn publications(&self, name: &str) -> u32 {
        self.ears
            .lock()
            .unwrap()
            .get(name)
            .map_or(0, |ear| ear.publications)
    }

    /// Levels on a track in dBFS, once a whole window was heard.
    pub(crate) fn levels(&self, name: &str, hz: [f64; 2]) -> Option<[f64; 2]> {
        let ears = self.ears.lock().unwrap();
        let detector = &ears.get(name)?.detector;
        detector
            .is_full()
            .then(|| hz.map(|hz| detector.level_dbfs(hz)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(mut room: Box<Room>, ears: Arc<Mutex<HashMap<String, Ear>>>) {
    let mut names = HashMap::new();
    let mut numbers = HashMap::new();
    loop {
        match room.next().await {
            Event::TrackPublished { track, .. } => {
                room.subscribe(&track.sid);
                let mut ears = ears.lock().unwrap();
                let ear = ears.entry(track.name.clone()).or_insert_with(|| Ear {
                    decoder: OpusDecoder::new().expect("a decoder"),
                    detector: ToneDetector::default(),
                    latest: clock::now(),
                    packets: 0,
                    publications: 0,
                });
                ear.publications += 1;
                names.insert(track.sid, track.name);
            }
            Event::Subscribed { track, sid } => {
                numbers.insert(track, names[&sid].clone());
            }
            Event::Packet(packet) => {
                let mut ears = ears.lock().unwrap();
                let Some(ear) = numbers
                    .get(&packet.track)
                    .and_then(|name| ears.get_mut(name))
                else {
                    continue;
                };
                ear.packets += 1;
                ear.latest = clock::now();
                let Ear {
                    decoder, detector, ..
                } = ear;
                if packet.codec == Codec::Pcmu {
                    detector.push_ulaw(&packet.payload);
                } else if let Ok(pcm) = decoder.decode(&packet.payload) {
                    detector.push(pcm);
                }
            }
            Event::Closed(_) => return,
            _ => {}
        }
    }
}
