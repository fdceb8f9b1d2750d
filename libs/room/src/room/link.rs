//! Holding on to the room: resume if the session can be saved, rejoin if not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::SignalError;
use proto::signal_request::Message as Request;
use tracing::{debug, info};

use super::Room;
use super::session::{JoinError, Session, connect};
use crate::clock;
use crate::event::{Closed, Event};
use crate::options::Backoff;
use crate::roster::Roster;

/// How long a session is tried to be resumed before it is begun anew: the server forgets a
/// participant after about 15 s.
const RESUME_FOR: Duration = Duration::from_secs(12);

/// How long the reason for closed media is waited for. It is normally in the same instant.
const DOUBT_FOR: Duration = Duration::from_secs(2);

/// First and longest wait between attempts. Short at the top: 20 calls of a restarted server are
/// to be heard again within 10 s of its return.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

type Resumed = Result<(), SignalError>;
type Joined = Result<(Session, proto::JoinResponse), JoinError>;
type Attempt<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The state of the connection.
pub(crate) enum Link {
    Up,
    /// The server closed the media; until this moment it may still say why.
    Doubted(Instant),
    Resuming(Trial<Resumed>),
    Rejoining(Trial<Joined>),
    Closed,
}

/// Attempts to get back, one after another.
pub(crate) struct Trial<T> {
    since: Instant,
    backoff: Backoff,
    attempts: u32,
    running: Option<Attempt<T>>,
    next_at: Instant,
}

impl<T> Trial<T> {
    fn new(since: Instant, now: Instant) -> Self {
        Self {
            since,
            backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
            attempts: 0,
            running: None,
            next_at: now,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let Some(attempt) = self.running.as_mut() else {
            return Poll::Pending;
        };
        let result = std::task::ready!(attempt.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(result)
    }

    fn failed(&mut self, now: Instant) {
        self.next_at = now + self.backoff.wait(clock::random_below(1000));
    }

    fn due(&self) -> Option<Instant> {
        self.running.is_none().then_some(self.next_at)
    }
}

impl Link {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Up | Self::Closed => None,
            Self::Doubted(until) => Some(*until),
            Self::Resuming(trial) => trial.due(),
            Self::Rejoining(trial) => trial.due(),
        }
    }

    fn since(&self) -> Option<Instant> {
        match self {
            Self::Up | Self::Doubted(_) | Self::Closed => None,
            Self::Resuming(trial) => Some(trial.since),
            Self::Rejoining(trial) => Some(trial.since),
        }
    }
}

impl Room {
    /// The signalling is lost; the media may still flow.
    pub(super) fn resume(&mut self, reason: &str) {
        match self.link {
            Link::Up => {}
            Link::Doubted(_) => return self.rejoin(reason), // nothing is left to resume
            Link::Resuming(_) | Link::Rejoining(_) | Link::Closed => return,
        }
        info!(room = self.name, reason, "signalling lost: resuming");
        let now = clock::now();
        self.link = Link::Resuming(Trial::new(now, now));
        self.events.push_back(Event::Reconnecting {
            reason: reason.to_owned(),
        });
    }

    /// The server closed a peer connection, as it does before it says that the room is over.
    pub(super) fn doubt(&mut self) {
        if matches!(self.link, Link::Up) {
            self.link = Link::Doubted(clock::now() + DOUBT_FOR);
        }
    }

    /// The session is lost: begin a new one.
    pub(super) fn rejoin(&mut self, reason: &str) {
        if matches!(self.link, Link::Rejoining(_) | Link::Closed) {
            return;
        }
        info!(room = self.name, reason, "session lost: rejoining");
        let now = clock::now();
        if self.link.since().is_none() {
            self.events.push_back(Event::Reconnecting {
                reason: reason.to_owned(),
            });
        }
        let since = self.link.since().unwrap_or(now);
        self.link = Link::Rejoining(Trial::new(since, now));
        self.session.subscriber = None;
        self.session.publisher = None;
    }

    /// Begins attempts that are due.
    pub(super) fn handle_link_timeout(&mut self, now: Instant) {
        if matches!(self.link, Link::Doubted(until) if until <= now) {
            self.rejoin("the server closed the peer connection");
        }
        let session = &self.session;
        match &mut self.link {
            Link::Up | Link::Doubted(_) | Link::Closed => {}
            Link::Resuming(trial) => {
                if trial.due().is_some_and(|at| at <= now) {
                    let signal = session.signal.clone();
                    trial.attempts += 1;
                    trial.running = Some(Box::pin(async move {
                        let reason = proto::ReconnectReason::RrSignalDisconnected;
                        signal.restart(reason).await.map(drop)
                    }));
                }
            }
            Link::Rejoining(trial) => {
                if trial.due().is_some_and(|at| at <= now) {
                    trial.attempts += 1;
                    let (options, attempt) = (self.options.clone(), trial.attempts);
                    let first_number = session.remotes.next_number();
                    let join = async move { connect(&options, attempt, first_number).await };
                    trial.running = Some(Box::pin(join));
                }
            }
        }
    }

    /// Looks at the running attempt; `true` if it ended.
    pub(super) fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.link {
            Link::Up | Link::Doubted(_) | Link::Closed => false,
            Link::Resuming(trial) => match trial.poll(cx) {
                Poll::Pending => false,
                Poll::Ready(result) => {
                    self.handle_resumed(result);
                    true
                }
            },
            Link::Rejoining(trial) => match trial.poll(cx) {
                Poll::Pending => false,
                Poll::Ready(result) => {
                    self.handle_rejoined(result);
                    true
                }
            },
        }
    }

    fn handle_resumed(&mut self, result: Resumed) {
        let now = clock::now();
        let Link::Resuming(trial) = &mut self.link else {
            return;
        };
        let after = now.saturating_duration_since(trial.since);
        match result {
            Ok(()) => {
                self.link = Link::Up;
                self.sync_state();
                if self.session.publisher.is_some() {
                    self.locals.restart_ice = true;
                    if let Some(peer) = self.session.publisher.as_mut() {
                        peer.pending = None;
                    }
                    self.negotiate();
                }
                if self.session.reconnected() {
                    self.events.push_back(Event::Resumed { after });
                } else {
                    self.rejoin("the signalling connection is stuck");
                }
            }
            Err(SignalError::LeaveRequest { reason, .. }) => {
                self.rejoin(&format!(
                    "the server does not know us any more ({reason:?})"
                ));
            }
            Err(SignalError::Client(status, answer)) => {
                self.rejoin(&format!("resume refused with {status}: {answer}"));
            }
            Err(error) => {
                debug!(%error, room = self.name, "resume failed");
                trial.failed(now);
                if after > RESUME_FOR {
                    self.rejoin(&error.to_string());
                }
            }
        }
    }

    /// Tells the server what we think the session is, as a resume demands.
    fn sync_state(&mut self) {
        let description = |kind: &str, sdp: &Option<String>| {
            sdp.as_ref().map(|sdp| proto::SessionDescription {
                r#type: kind.to_owned(),
                sdp: sdp.clone(),
                ..Default::default()
            })
        };
        let subscriber = self.session.subscriber.as_ref();
        let published = |(cid, sid): (&str, &str)| proto::TrackPublishedResponse {
            cid: cid.to_owned(),
            track: Some(proto::TrackInfo {
                sid: sid.to_owned(),
                ..Default::default()
            }),
        };
        let state = proto::SyncState {
            answer: subscriber.and_then(|peer| description("answer", &peer.last_local)),
            offer: subscriber.and_then(|peer| description("offer", &peer.last_remote)),
            subscription: Some(proto::UpdateSubscription {
                track_sids: self.session.remotes.wanted().cloned().collect(),
                subscribe: !self.options.auto_subscribe,
                ..Default::default()
            }),
            publish_tracks: self.locals.published().map(published).collect(),
            ..Default::default()
        };
        self.request(Request::SyncState(state));
    }

    fn handle_rejoined(&mut self, result: Joined) {
        let now = clock::now();
        let Link::Rejoining(trial) = &mut self.link else {
            return;
        };
        let after = now.saturating_duration_since(trial.since);
        match result {
            Ok((session, join)) => {
                self.link = Link::Up;
                std::mem::replace(&mut self.session, session).abandon();
                self.roster = Roster::default();
                let room_sid = join
                    .room
                    .as_ref()
                    .map(|room| room.sid.clone())
                    .unwrap_or_default();
                self.events.push_back(Event::Rejoined { after, room_sid });
                let tracks = self.locals.restart();
                self.joined(join);
                for track in tracks {
                    self.announce(track);
                }
            }
            Err(error) => {
                debug!(%error, room = self.name, "rejoin failed");
                trial.failed(now);
                if let Some(why) = error.closed() {
                    self.close(why);
                } else if after > self.options.give_up_after {
                    self.close(Closed::Lost(error.to_string()));
                }
            }
        }
    }
}
