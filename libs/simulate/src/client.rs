//! One simulated party: a connection to a room with one microphone track.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use sidetone_room::token::{Credentials, Token};
use sidetone_room::{
    Event, JoinPacer, LocalTrack, Options, PublishOptions, Room, RtpOut, Segment, Transcription,
};
use sidetone_service::random;

use crate::clip::{PACKET_SAMPLES, Sound};
use crate::conversation::{Silence, TranscriptLine};

/// Tokens outlive every call, so that a party can come back after the server was restarted.
const TOKEN_TTL: Duration = Duration::from_hours(1);
/// A track is published within some 100 ms; a server under load may take longer.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(20);
/// A room that is gone for so long is a call that is over.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);

/// A LiveKit server and the right to use it.
#[derive(Clone)]
pub struct Server {
    url: String,
    credentials: Credentials,
    pacer: JoinPacer,
}

impl Server {
    /// The server at `url` (`ws://…` or `wss://…`); at most 20 joins a second are begun on it by
    /// everybody who shares this value.
    pub fn new(url: &str, credentials: Credentials) -> Self {
        Self {
            url: url.to_owned(),
            credentials,
            pacer: JoinPacer::default(),
        }
    }

    /// Its WebSocket address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its API key and secret.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.url)
    }
}

/// A joined party whose track takes packets.
pub(crate) struct Client {
    /// Boxed: it is large, and parties are moved.
    room: Box<Room>,
    track: LocalTrack,
    sid: String,
    seq: u64,
    first_timestamp: u32,
}

impl Client {
    /// Joins and publishes the microphone; returns when it takes packets.
    pub(crate) async fn join(server: &Server, token: Token, silence: Silence) -> Result<Self> {
        Self::join_as(server, token, "microphone", silence).await
    }

    /// The same with another name for the microphone.
    pub(crate) async fn join_as(
        server: &Server,
        token: Token,
        name: &str,
        silence: Silence,
    ) -> Result<Self> {
        let token = token.ttl(TOKEN_TTL).sign(&server.credentials)?;
        let mut options = Options::new(&server.url, token);
        options.give_up_after = GIVE_UP_AFTER;
        options.pacer = server.pacer.clone();
        let mut room = Box::new(Box::pin(Room::join(options)).await?);
        let microphone = PublishOptions {
            dtx: silence == Silence::Dtx,
            ..PublishOptions::opus(name)
        };
        let track = room.publish(microphone);
        let published = tokio::time::timeout(PUBLISH_DEADLINE, published(&mut room));
        let sid = published
            .await
            .context("the microphone is not published in time")??;
        let draw = random::u64();
        Ok(Self {
            room,
            track,
            sid,
            seq: draw & 0x7fff,
            first_timestamp: (draw >> 32) as u32,
        })
    }

    /// Drives the connection; completes with the reason when the party is out of the room.
    /// Cancel-safe.
    pub(crate) async fn drive(&mut self) -> anyhow::Error {
        poll_fn(|cx| self.poll_drive(cx)).await
    }

    /// Like [`Client::drive`], for those who drive many.
    pub(crate) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<anyhow::Error> {
        while let Poll::Ready(event) = self.room.poll_next(cx) {
            if let Event::Closed(why) = event {
                let identity = &self.room.local().identity;
                return Poll::Ready(anyhow!("{identity} is out of the room: {why}"));
            }
            // a track that is published again, after a rejoin, has a new sid
            if let Event::Published { sid, .. } = event {
                self.sid = sid;
            }
        }
        Poll::Pending
    }

    /// Sends a packet as that of the 20 ms after `slot` such. It leaves when [`Client::drive`] is
    /// next awaited. Lost while the connection is.
    pub(crate) fn write(&mut self, slot: u32, sound: &Sound) {
        let packet = RtpOut {
            seq: self.seq,
            timestamp: self
                .first_timestamp
                .wrapping_add(slot.wrapping_mul(PACKET_SAMPLES)),
            marker: sound.marker,
            level_dbov: Some(sound.level_dbov),
            payload: sound.payload.clone(),
        };
        self.seq += 1;
        self.room.write(self.track, packet);
    }

    /// Publishes what this party said as a text stream in its own name.
    pub(crate) fn say(&mut self, line: &TranscriptLine) {
        let segment = self.segment_id(line);
        let attributes = [
            ("lk.segment_id", segment.as_str()),
            ("lk.transcribed_track_id", self.sid.as_str()),
            (
                "lk.transcription_final",
                if line.last { "true" } else { "false" },
            ),
        ];
        self.room
            .send_text("lk.transcription", &line.text, &attributes, &[]);
    }

    /// What this party said, in the older carrier.
    pub(crate) fn transcription(&self, line: &TranscriptLine) -> Transcription {
        Transcription {
            identity: self.room.local().identity.clone(),
            track_sid: self.sid.clone(),
            segments: vec![Segment {
                id: self.segment_id(line),
                text: line.text.clone(),
                last: line.last,
                language: "en".to_owned(),
            }],
        }
    }

    /// Sends a transcription; the server passes it on from agents alone.
    pub(crate) fn send_transcription(&mut self, transcription: Transcription) {
        self.room.send_transcription(transcription);
    }

    fn segment_id(&self, line: &TranscriptLine) -> String {
        format!("SG_{}_{}", self.room.sid(), line.turn)
    }

    /// Hangs up.
    pub(crate) async fn leave(self) {
        Box::pin(self.room.leave()).await;
    }
}

async fn published(room: &mut Room) -> Result<String> {
    loop {
        let event = room.next().await;
        if let Event::Published { sid, .. } = event {
            return Ok(sid);
        }
        if let Event::PublishFailed { reason, .. } = event {
            bail!("the microphone is refused: {reason}");
        }
        if let Event::Closed(why) = event {
            bail!("{why}");
        }
    }
}
