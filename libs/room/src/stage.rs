//! Any number of tracks published into one room, over as many connections as that takes.
//!
//! A connection's offers grow with every track ever published on it, and publishing becomes
//! superlinear. So a connection carries at most [`TRACKS_PER_CONNECTION`] live tracks, takes no
//! new ones after [`PUBLISHES_PER_CONNECTION`], and is left when its last track has ended.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::warn;

use crate::event::{Closed, Event, RtpOut};
use crate::model::{Audience, LocalTrack, PublishOptions};
use crate::options::{JoinPacer, Options};
use crate::room::{JoinError, Room};

/// Live tracks on one connection. More make every renegotiation slower.
pub const TRACKS_PER_CONNECTION: usize = 32;

/// Tracks ever published on one connection before another takes over.
pub const PUBLISHES_PER_CONNECTION: u32 = 200;

/// Connections of one stage: 32 of them carry a thousand tracks.
pub const CONNECTIONS: usize = 32;

/// First and longest wait before a connection that failed is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Makes the token of a connection: its number (from 0, never re-used) and the attempt.
pub type ConnectionToken = Arc<dyn Fn(u32, u32) -> Result<String, String> + Send + Sync>;

/// How to set up a stage.
#[derive(Clone)]
pub struct StageOptions {
    /// The server's WebSocket address.
    pub url: String,
    /// Who each connection is: identities must differ.
    pub token: ConnectionToken,
    /// Who may hear the tracks.
    pub audience: Audience,
    /// Spreads the joins of a process.
    pub pacer: JoinPacer,
    /// See [`Options::uplink_nack`].
    pub uplink_nack: bool,
}

/// A track on a stage. Never re-used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageTrack(u64);

/// What happened on a stage.
#[derive(Debug)]
pub enum StageEvent {
    /// The track takes packets. Comes again after a connection was lost and made anew.
    Published {
        /// The track.
        track: StageTrack,
        /// Its sid.
        sid: String,
    },
    /// The track could not be published and is gone.
    PublishFailed {
        /// The track.
        track: StageTrack,
        /// Why.
        reason: String,
    },
    /// Somebody else is in the room: identity.
    Joined(String),
    /// They left, or whether they are still there is not known: who is comes again. Identity.
    Left(String),
    /// A connection ended for good; its tracks are published on another.
    ConnectionLost(Closed),
    /// The server does not let us in: nothing will be published.
    Refused(String),
}

type Joining = Pin<Box<dyn Future<Output = Result<Room, JoinError>> + Send>>;

enum State {
    Joining(Joining),
    Waiting(Pin<Box<tokio::time::Sleep>>),
    Joined(Box<Room>),
}

struct Connection {
    number: u32,
    attempt: u32,
    retry: Duration,
    state: State,
    tracks: HashMap<LocalTrack, StageTrack>,
    /// Waiting for the connection, in order.
    queued: VecDeque<StageTrack>,
    published: u32,
    dirty: bool,
}

struct Track {
    options: PublishOptions,
    connection: u32,
    local: Option<LocalTrack>,
}

/// See the module.
pub struct Stage {
    options: StageOptions,
    connections: Vec<Connection>,
    tracks: HashMap<StageTrack, Track>,
    events: VecDeque<StageEvent>,
    /// Who else is in the room, as the first connection sees it.
    present: BTreeSet<String>,
    last_track: u64,
    next_connection: u32,
    refused: bool,
}

impl Stage {
    /// Begins to connect; the first track is heard sooner when the connection is up already.
    pub fn new(options: StageOptions) -> Self {
        let mut stage = Self {
            options,
            connections: Vec::new(),
            tracks: HashMap::new(),
            events: VecDeque::new(),
            present: BTreeSet::new(),
            last_track: 0,
            next_connection: 0,
            refused: false,
        };
        stage.connect();
        stage
    }

    /// Publishes a track; [`StageEvent::Published`] says when it takes packets.
    pub fn publish(&mut self, options: PublishOptions) -> StageTrack {
        self.last_track += 1;
        let track = StageTrack(self.last_track);
        let connection = self.connection_with_room();
        self.tracks.insert(
            track,
            Track {
                options,
                connection,
                local: None,
            },
        );
        self.place(track);
        track
    }

    /// Ends a track: packets stop at once, listeners are told.
    pub fn unpublish(&mut self, track: StageTrack) {
        let Some(ended) = self.tracks.remove(&track) else {
            return;
        };
        let Some(connection) = self.connection(ended.connection) else {
            return;
        };
        connection.queued.retain(|queued| *queued != track);
        if let (Some(local), State::Joined(room)) = (ended.local, &mut connection.state) {
            connection.tracks.remove(&local);
            room.unpublish(local);
        }
        self.retire();
    }

    /// Sends a packet; see [`Room::write`]. `false` if the track takes none now.
    pub fn write(&mut self, track: StageTrack, packet: RtpOut) -> bool {
        let Some(Track {
            connection,
            local: Some(local),
            ..
        }) = self.tracks.get(&track)
        else {
            return false;
        };
        let (number, local) = (*connection, *local);
        let Some(connection) = self.connection(number) else {
            return false;
        };
        let State::Joined(room) = &mut connection.state else {
            return false;
        };
        let written = room.write(local, packet);
        connection.dirty |= written;
        written
    }

    /// Sends what was written.
    pub fn flush(&mut self) {
        for connection in &mut self.connections {
            if let State::Joined(room) = &mut connection.state
                && std::mem::take(&mut connection.dirty)
            {
                room.flush();
            }
        }
    }

    /// Whether nothing is published or on its way.
    pub fn is_idle(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Connections now, for those who measure.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What happens next. Cancel-safe.
    pub async fn next(&mut self) -> StageEvent {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Like [`Stage::next`], for hand-written futures.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<StageEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            let mut any = false;
            for at in 0..self.connections.len() {
                any |= self.poll_connection(at, cx);
            }
            self.retire();
            if !any && self.events.is_empty() {
                return Poll::Pending;
            }
        }
    }

    /// Leaves the room with every connection.
    pub async fn leave(self) {
        for connection in self.connections {
            if let State::Joined(room) = connection.state {
                room.leave().await;
            }
        }
    }

    fn connect(&mut self) -> u32 {
        let number = self.next_connection;
        self.next_connection += 1;
        self.connections.push(Connection {
            number,
            attempt: 0,
            retry: FIRST_RETRY,
            state: State::Joining(self.join(number, 0)),
            tracks: HashMap::new(),
            queued: VecDeque::new(),
            published: 0,
            dirty: false,
        });
        number
    }

    fn join(&self, number: u32, attempt: u32) -> Joining {
        let token = self.options.token.clone();
        // each attempt of a connection is an identity of its own (what the server remembers of
        // a former one is not ours)
        let source = Arc::new(move |again: u32| token(number, attempt.saturating_add(again)));
        let mut options = Options::with_token_source(&self.options.url, source);
        options.audience = self.options.audience.clone();
        options.pacer = self.options.pacer.clone();
        options.uplink_nack = self.options.uplink_nack;
        Box::pin(Room::join(options))
    }

    fn connection(&mut self, number: u32) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|c| c.number == number)
    }

    /// A connection that takes another track: an open one if possible.
    fn connection_with_room(&mut self) -> u32 {
        let has_room = |c: &&Connection| {
            c.tracks.len() + c.queued.len() < TRACKS_PER_CONNECTION
                && c.published < PUBLISHES_PER_CONNECTION
        };
        if let Some(connection) = self.connections.iter().find(has_room) {
            return connection.number;
        }
        if self.connections.len() < CONNECTIONS {
            return self.connect();
        }
        let least = self
            .connections
            .iter()
            .min_by_key(|c| c.tracks.len() + c.queued.len());
        least.expect("there are as many as allowed").number
    }

    /// Publishes on the track's connection, or queues for it.
    fn place(&mut self, track: StageTrack) {
        let Some(Track {
            options,
            connection,
            ..
        }) = self.tracks.get(&track)
        else {
            return;
        };
        let (options, number) = (options.clone(), *connection);
        let Some(connection) = self.connection(number) else {
            return;
        };
        let State::Joined(room) = &mut connection.state else {
            connection.queued.push_back(track);
            return;
        };
        let local = room.publish(options);
        connection.published += 1;
        connection.tracks.insert(local, track);
        if let Some(known) = self.tracks.get_mut(&track) {
            known.local = Some(local);
        }
    }

    fn poll_connection(&mut self, at: usize, cx: &mut Context<'_>) -> bool {
        let connection = &mut self.connections[at];
        match &mut connection.state {
            State::Joined(room) => match room.poll_next(cx) {
                Poll::Pending => false,
                Poll::Ready(event) => {
                    self.handle_room_event(at, event);
                    true
                }
            },
            State::Waiting(sleep) => {
                if sleep.as_mut().poll(cx).is_pending() {
                    return false;
                }
                let (number, attempt) = (connection.number, connection.attempt);
                let joining = State::Joining(self.join(number, attempt));
                self.connections[at].state = joining;
                true
            }
            State::Joining(joining) => match joining.as_mut().poll(cx) {
                Poll::Pending => false,
                Poll::Ready(Ok(room)) => {
                    self.handle_joined(at, room);
                    true
                }
                Poll::Ready(Err(error)) => {
                    self.handle_join_error(at, &error);
                    true
                }
            },
        }
    }

    fn handle_joined(&mut self, at: usize, room: Room) {
        let connection = &mut self.connections[at];
        connection.retry = FIRST_RETRY;
        connection.state = State::Joined(Box::new(room));
        for track in std::mem::take(&mut connection.queued) {
            self.place(track);
        }
    }

    fn handle_join_error(&mut self, at: usize, error: &JoinError) {
        let connection = &mut self.connections[at];
        if error.closed().is_some() && !self.refused {
            self.refused = true;
            self.events
                .push_back(StageEvent::Refused(error.to_string()));
        }
        warn!(%error, "publisher connection failed: trying again");
        connection.attempt += 1;
        connection.state = State::Waiting(Box::pin(tokio::time::sleep(connection.retry)));
        connection.retry = (connection.retry * 2).min(LAST_RETRY);
    }

    fn handle_room_event(&mut self, at: usize, event: Event) {
        let connection = &mut self.connections[at];
        let first = at == 0;
        match event {
            Event::Published { track, sid } => {
                if let Some(track) = connection.tracks.get(&track) {
                    self.events
                        .push_back(StageEvent::Published { track: *track, sid });
                }
            }
            Event::PublishFailed { track, reason } => {
                if let Some(track) = connection.tracks.remove(&track) {
                    self.tracks.remove(&track);
                    self.events
                        .push_back(StageEvent::PublishFailed { track, reason });
                }
            }
            // every connection sees everybody: one is enough
            Event::ParticipantJoined(who) if first => {
                self.present.insert(who.identity.clone());
                self.events.push_back(StageEvent::Joined(who.identity));
            }
            Event::ParticipantLeft(who) if first => {
                self.present.remove(&who.identity);
                self.events.push_back(StageEvent::Left(who.identity));
            }
            Event::Rejoined { .. } if first => self.nobody_is_known(),
            Event::Closed(why) => {
                if first {
                    self.nobody_is_known();
                }
                self.handle_closed(at, why);
            }
            _ => {}
        }
    }

    /// The connection that sees who is there is lost; it tells everybody afresh when it is back.
    fn nobody_is_known(&mut self) {
        let present = std::mem::take(&mut self.present);
        self.events
            .extend(present.into_iter().map(StageEvent::Left));
    }

    /// A connection is gone for good (removed, room deleted): its tracks go to a new attempt.
    fn handle_closed(&mut self, at: usize, why: Closed) {
        let connection = &mut self.connections[at];
        connection.attempt += 1;
        connection.published = 0;
        connection
            .queued
            .extend(connection.tracks.drain().map(|(_, track)| track));
        connection.state = State::Waiting(Box::pin(tokio::time::sleep(connection.retry)));
        for track in &connection.queued {
            if let Some(track) = self.tracks.get_mut(track) {
                track.local = None;
            }
        }
        self.events.push_back(StageEvent::ConnectionLost(why));
    }

    /// Leaves connections that have no tracks and may take no more, and all but the first that
    /// are idle.
    fn retire(&mut self) {
        let mut at = 0;
        while at < self.connections.len() {
            let c = &self.connections[at];
            let idle = c.tracks.is_empty() && c.queued.is_empty();
            let worn = c.published >= PUBLISHES_PER_CONNECTION;
            if idle && (worn || self.connections.len() > 1) {
                let connection = self.connections.remove(at);
                if let State::Joined(room) = connection.state {
                    tokio::spawn(room.leave());
                }
            } else {
                at += 1;
            }
        }
        if self.connections.is_empty() {
            self.connect();
        }
    }
}
