//! Parties on our own client: one that says a tone, one that listens for tones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use sidetone_codec::OpusDecoder;
use sidetone_media::Codec;
use sidetone_room::{Event, LocalTrack, Options, PublishOptions, Room, RtpOut};
use sidetone_service::{clock, random};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::{Marks, Tone, ToneDetector};

/// A tone's packets last so long.
const PACKET: Duration = Duration::from_millis(20);
/// Samples at 48 kHz in [`PACKET`].
const PACKET_SAMPLES: u32 = 960;
/// A track without packets for so long is silent, whatever was heard before.
const SILENT_AFTER: Duration = Duration::from_millis(150);
/// Commands not yet carried out: tests wait for each.
const COMMANDS: usize = 4;
/// How long the server may take to publish a track.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(20);

enum Command {
    Say(Box<Tone>),
    Mute(bool),
    Republish,
    Leave,
}

/// Says a tone in a room until it is dropped; then it is gone as a crashed client is.
pub struct ToneSpeaker {
    commands: mpsc::Sender<(Command, oneshot::Sender<Result<String>>)>,
    task: JoinHandle<()>,
    sid: String,
    sent: Arc<AtomicU64>,
}

/// What a party says.
enum Says {
    Tone(Box<Tone>),
    Marks(Arc<Marks>),
}

impl ToneSpeaker {
    /// Joins and publishes the tone as a microphone; returns when it is on the air.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(url: &str, token: String, tone: Tone) -> Result<Self> {
        Self::join_saying(url, token, Says::Tone(Box::new(tone))).await
    }

    /// The same with marks: what is missing of a recording can be told from them.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join_marking(url: &str, token: String, marks: &Arc<Marks>) -> Result<Self> {
        Self::join_saying(url, token, Says::Marks(marks.clone())).await
    }

    async fn join_saying(url: &str, token: String, says: Says) -> Result<Self> {
        let mut room = Box::new(Box::pin(Room::join(Options::new(url, token))).await?);
        let (track, sid) = publish(&mut room).await?;
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let draw = random::u64();
        let sent = Arc::new(AtomicU64::new(0));
        let speaking = Speaking {
            room,
            track,
            says,
            sent: sent.clone(),
            muted: false,
            seq: draw & 0x7fff,
            timestamp: (draw >> 32) as u32,
        };
        let task = tokio::spawn(speaking.run(inbox));
        Ok(Self {
            commands,
            task,
            sid,
            sent,
        })
    }

    /// Counts what it says in packets of 20 ms, also when it has left.
    pub fn sent(&self) -> Arc<AtomicU64> {
        self.sent.clone()
    }

    /// The sid of its track.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Says another tone from now on; returns when its first packet was sent.
    ///
    /// # Errors
    /// When it is out of the room.
    pub async fn say(&self, tone: Tone) -> Result<()> {
        self.command(Command::Say(Box::new(tone))).await.map(drop)
    }

    /// Mutes or unmutes the track: nothing is sent while it is muted.
    ///
    /// # Errors
    /// When it is out of the room.
    pub async fn mute(&self, muted: bool) -> Result<()> {
        self.command(Command::Mute(muted)).await.map(drop)
    }

    /// Ends the track and publishes another, with a new sid and SSRC.
    ///
    /// # Errors
    /// When it is out of the room or the server refuses.
    pub async fn republish(&mut self) -> Result<()> {
        self.sid = self.command(Command::Republish).await?;
        Ok(())
    }

    /// Leaves the room.
    ///
    /// # Errors
    /// When it was out of the room already.
    pub async fn leave(self) -> Result<()> {
        self.command(Command::Leave).await.map(drop)
    }

    async fn command(&self, command: Command) -> Result<String> {
        let (reply, answer) = oneshot::channel();
        let gone = || anyhow!("the speaker is out of the room");
        self.commands
            .send((command, reply))
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for ToneSpeaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Speaking {
    room: Box<Room>,
    track: LocalTrack,
    says: Says,
    sent: Arc<AtomicU64>,
    muted: bool,
    seq: u64,
    timestamp: u32,
}

impl Speaking {
    async fn run(mut self, mut inbox: mpsc::Receiver<(Command, oneshot::Sender<Result<String>>)>) {
        let mut tick = tokio::time::interval(PACKET);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = tick.tick() => self.write(),
                event = self.room.next() => {
                    if matches!(event, Event::Closed(_)) {
                        return;
                    }
                }
                command = inbox.recv() => match command {
                    Some((Command::Say(tone), reply)) => {
                        self.says = Says::Tone(tone);
                        tick.tick().await;
                        self.write();
                        let _ = reply.send(Ok(String::new()));
                    }
                    Some((Command::Mute(muted), reply)) => {
                        self.muted = muted;
                        self.room.set_muted(self.track, muted);
                        // whoever gave up waiting does not need the answer
                        let _ = reply.send(Ok(String::new()));
                    }
                    Some((Command::Republish, reply)) => {
                        let _ = reply.send(Box::pin(self.republish()).await);
                    }
                    Some((Command::Leave, reply)) => {
                        Box::pin(self.room.leave()).await;
                        let _ = reply.send(Ok(String::new()));
                        return;
                    }
                    None => return,
                },
            }
        }
    }

    async fn republish(&mut self) -> Result<String> {
        self.room.unpublish(self.track);
        let (track, sid) = publish(&mut self.room).await?;
        self.track = track;
        self.seq = random::u64() & 0x7fff;
        Ok(sid)
    }

    fn write(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(PACKET_SAMPLES);
        let count = self.sent.load(Ordering::Relaxed);
        let (payload, level_dbov) = match &mut self.says {
            Says::Tone(tone) => {
                let packet = tone.packet().expect("libopus encodes a tone");
                (packet.map(Arc::from), tone.level_dbov())
            }
            Says::Marks(marks) => (Some(marks.packet(count)), marks.level_dbov()),
        };
        let Some(payload) = payload.filter(|_| !self.muted) else {
            return;
        };
        self.seq += 1;
        self.sent.store(count + 1, Ordering::Relaxed);
        let packet = RtpOut {
            seq: self.seq,
            timestamp: self.timestamp,
            marker: false,
            level_dbov: Some(level_dbov),
            payload,
        };
        self.room.write(self.track, packet);
    }
}

async fn publish(room: &mut Room) -> Result<(LocalTrack, String)> {
    let track = room.publish(PublishOptions::opus("microphone"));
    let published = async {
        loop {
            let event = room.next().await;
            if let Event::Published { track: live, sid } = event {
                if live == track {
                    return Ok((track, sid));
                }
            } else if let Event::PublishFailed { reason, .. } = event {
                bail!("the track is refused: {reason}");
            } else if let Event::Closed(why) = event {
                bail!("{why}");
            }
        }
    };
    tokio::time::timeout(PUBLISH_DEADLINE, published)
        .await
        .context("the track is not published in time")?
}

/// What was heard of one track.
struct Ear {
    decoder: OpusDecoder,
    detector: ToneDetector,
    packets: u64,
    last: Option<Instant>,
}

/// Listens to every audio track in a room, by the track's name.
pub struct ToneListener {
    ears: Arc<Mutex<HashMap<String, Ear>>>,
    task: JoinHandle<()>,
}

impl ToneListener {
    /// Joins and subscribes whatever is or will be published; looks at windows of `window_ms`
    /// (100 tells quickly, 400 tells 60 dB apart).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(url: &str, token: String, window_ms: usize) -> Result<Self> {
        let room = Box::new(Box::pin(Room::join(Options::new(url, token))).await?);
        let ears = Arc::default();
        let listening = Listening {
            room,
            window_ms,
            ears: Arc::clone(&ears),
            names: HashMap::new(),
            numbers: HashMap::new(),
        };
        let task = tokio::spawn(listening.run());
        Ok(Self { ears, task })
    }

    /// Names of the tracks that were ever heard, sorted.
    pub fn tracks(&self) -> Vec<String> {
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = ears.keys().cloned().collect();
        names.sort();
        names
    }

    /// Packets of the track so far.
    pub fn packets(&self, name: &str) -> u64 {
        self.ear(name, |ear| ear.packets).unwrap_or(0)
    }

    /// Level of the tone of `hz` on the track now, in dBFS; -200 if it is silent.
    pub fn level_dbfs(&self, name: &str, hz: f64) -> f64 {
        let now = clock::now();
        self.ear(name, |ear| {
            let silent = ear.last.is_none_or(|last| now - last > SILENT_AFTER);
            if silent {
                -200.0
            } else {
                ear.detector.level_dbfs(hz)
            }
        })
        .unwrap_or(-200.0)
    }

    /// Whether the tone of `hz` is on the track now, above -50 dBFS.
    pub fn hears(&self, name: &str, hz: f64) -> bool {
        self.level_dbfs(name, hz) > -50.0
    }

    fn ear<T>(&self, name: &str, look: impl FnOnce(&Ear) -> T) -> Option<T> {
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        ears.get(name).map(look)
    }
}

impl Drop for ToneListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listening {
    room: Box<Room>,
    window_ms: usize,
    ears: Arc<Mutex<HashMap<String, Ear>>>,
    /// By sid.
    names: HashMap<String, String>,
    /// By the number of a subscription.
    numbers: HashMap<u32, String>,
}

impl Listening {
    async fn run(mut self) {
        loop {
            let event = self.room.next().await;
            if let Event::Packet(packet) = event {
                let is_ulaw = packet.codec == Codec::Pcmu;
                self.hear(packet.track, is_ulaw, &packet.payload);
            } else if let Event::TrackPublished { track, .. } = event {
                if track.audio {
                    self.room.subscribe(&track.sid);
                    self.names.insert(track.sid, track.name);
                }
            } else if let Event::Subscribed { track, sid } = event {
                if let Some(name) = self.names.get(&sid) {
                    self.numbers.insert(track, name.clone());
                }
            } else if let Event::Unsubscribed { track, .. } = event {
                self.numbers.remove(&track);
            } else if let Event::Closed(_) = event {
                return;
            }
        }
    }

    fn hear(&mut self, track: u32, is_ulaw: bool, payload: &[u8]) {
        let Some(name) = self.numbers.get(&track) else {
            return;
        };
        let mut ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        let ear = ears.entry(name.clone()).or_insert_with(|| Ear {
            decoder: OpusDecoder::new().expect("libopus has memory"),
            detector: ToneDetector::new(self.window_ms),
            packets: 0,
            last: None,
        });
        ear.packets += 1;
        ear.last = Some(clock::now());
        if is_ulaw {
            ear.detector.push_ulaw(payload);
        } else if let Ok(pcm) = ear.decoder.decode(payload) {
            ear.detector.push(pcm);
        }
    }
}
