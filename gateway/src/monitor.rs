//! Monitor rooms: what this shard publishes for each listening supervisor.
//!
//! Each room has a task of its own with the connections to it. Calls on the same thread hand it
//! packets through one queue; whoever is slow there loses packets of that room only.

mod presence;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidetone_media::Codec;
use sidetone_room::token::Token;
use sidetone_room::{
    Audience, PublishOptions, RtpOut, Stage, StageEvent, StageOptions, StageTrack,
};
use sidetone_service::clock;
use sidetone_wire::{MonitorRoom, UserId};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::metrics::{ForwardLatency, Present, monitor_packets_dropped};
use crate::shard::Serial;
use crate::timer::until;
use crate::{Shared, pace};
use presence::{Presence, Verdict};

/// Packets waiting for one monitor room: 0.3 s of 60 calls. The oldest are dropped: late sound is
/// worth nothing.
const PACKETS: usize = 2048;
/// A track that could not be published is tried again after this.
const PUBLISH_AGAIN: Duration = Duration::from_secs(1);
/// How long leaving a room may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A published track within its monitor room; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u32);

/// Why a monitor room takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nobody listens to anything there.
    Idle,
    /// The listener is gone.
    Left,
    /// The user's grants were taken back.
    Revoked,
    /// The gateway ends.
    Drained,
}

/// The monitor rooms of a shard.
pub(crate) struct Monitors {
    shared: Arc<Shared>,
    shard: usize,
    serial: Serial,
    lines: RefCell<HashMap<MonitorRoom, Rc<Line>>>,
    tasks: RefCell<JoinSet<()>>,
}

/// What calls and the room's task share.
struct Line {
    room: MonitorRoom,
    wake: Notify,
    end: Cell<Option<End>>,
    grants: Cell<u32>,
    keys: Serial,
    work: RefCell<Work>,
}

#[derive(Default)]
struct Work {
    /// In order of their keys.
    published: Vec<Publication>,
    ended: Vec<StageTrack>,
    packets: VecDeque<Waiting>,
    dropped: u64,
}

struct Publication {
    key: Key,
    name: String,
    codec: Codec,
    track: Option<StageTrack>,
    not_before: Option<Instant>,
}

struct Waiting {
    key: Key,
    packet: RtpOut,
    arrived: Instant,
}

/// The right of one call to be heard in a monitor room. The room is kept while there is one.
pub(crate) struct Grant(Rc<Line>);

impl Monitors {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Self {
        Self {
            shared,
            shard,
            serial: Serial::default(),
            lines: RefCell::default(),
            tasks: RefCell::default(),
        }
    }

    /// A right to be heard in `room`; connects to it if that is not done yet.
    pub(crate) fn grant(&self, room: &MonitorRoom) -> Grant {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|_, line| line.end.get().is_none());
        let line = lines.entry(room.clone()).or_insert_with(|| self.open(room));
        line.grants.set(line.grants.get() + 1);
        line.wake.notify_one();
        Grant(line.clone())
    }

    /// Withdraws everything that a user hears.
    pub(crate) fn revoke(&self, user: UserId) {
        self.end(End::Revoked, |room| room.user == user);
    }

    /// Leaves every room.
    pub(crate) async fn left(&self) {
        self.end(End::Drained, |_| true);
        let mut tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        while tasks.join_next().await.is_some() {}
    }

    fn end(&self, why: End, which: impl Fn(&MonitorRoom) -> bool) {
        let lines = self.lines.borrow();
        for line in lines.values().filter(|line| which(&line.room)) {
            line.close(why);
            line.wake.notify_one();
        }
    }

    fn open(&self, room: &MonitorRoom) -> Rc<Line> {
        let line = Rc::new(Line {
            room: room.clone(),
            wake: Notify::new(),
            end: Cell::new(None),
            grants: Cell::new(0),
            keys: Serial::default(),
            work: RefCell::default(),
        });
        let stage = Stage::new(self.stage_options(room));
        let span = info_span!("monitor", room = room.room);
        let task = publish(line.clone(), stage).instrument(span);
        let mut tasks = self.tasks.borrow_mut();
        while let Some(ended) = tasks.try_join_next() {
            if let Err(panicked) = ended {
                warn!(error = %panicked, "a monitor room's task broke");
            }
        }
        tasks.spawn_local(async move { Box::pin(task).await });
        line
    }

    fn stage_options(&self, room: &MonitorRoom) -> StageOptions {
        let (shared, shard, serial) = (self.shared.clone(), self.shard, self.serial.next());
        let name = room.room.clone();
        let token = move |connection: u32, attempt: u32| {
            let node = &shared.node;
            let identity = format!("gateway-{node}-{shard}-{serial}.{connection}-{attempt}");
            Token::publisher(&name, &identity)
                .name("Sidetone gateway")
                .attribute("sidetone.role", "gateway")
                .attribute("sidetone.node", &node.0)
                .sign(&shared.sfu().credentials)
                .map_err(|error| error.to_string())
        };
        StageOptions {
            url: self.shared.sfu().url.clone(),
            token: Arc::new(token),
            audience: Audience::Only(vec![room.listener.clone()]),
            pacer: self.shared.pacer.clone(),
            uplink_nack: true,
        }
    }
}

impl Grant {
    pub(crate) fn room(&self) -> &MonitorRoom {
        &self.0.room
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.end.get().is_some()
    }

    pub(crate) fn has_left(&self) -> bool {
        self.0.end.get() == Some(End::Left)
    }

    /// Publishes a track.
    pub(crate) fn publish(&self, name: String, codec: Codec) -> Key {
        let key = Key(self.0.keys.next());
        let publication = Publication {
            key,
            name,
            codec,
            track: None,
            not_before: None,
        };
        self.0.work.borrow_mut().published.push(publication);
        self.0.wake.notify_one();
        key
    }

    /// Ends a track: none of its packets leaves any more. Gives its name.
    pub(crate) fn unpublish(&self, key: Key) -> Option<String> {
        let mut work = self.0.work.borrow_mut();
        let at = work.find(key)?;
        let publication = work.published.remove(at);
        work.ended.extend(publication.track);
        work.packets.retain(|waiting| waiting.key != key);
        self.0.wake.notify_one();
        Some(publication.name)
    }

    /// Sends a packet on a track.
    pub(crate) fn push(&self, key: Key, packet: RtpOut, arrived: Instant) {
        if self.is_closed() {
            return;
        }
        let mut work = self.0.work.borrow_mut();
        if work.packets.is_empty() {
            self.0.wake.notify_one();
        } else if work.packets.len() >= PACKETS {
            work.packets.pop_front();
            work.dropped += 1;
        }
        work.packets.push_back(Waiting {
            key,
            packet,
            arrived,
        });
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.0.grants.set(self.0.grants.get().saturating_sub(1));
        self.0.wake.notify_one();
    }
}

impl Work {
    fn find(&self, key: Key) -> Option<usize> {
        self.published
            .binary_search_by_key(&key, |publication| publication.key)
            .ok()
    }

    /// When a refused track is to be tried again.
    fn due(&self) -> Option<Instant> {
        self.published
            .iter()
            .filter_map(|publication| publication.not_before)
            .min()
    }
}

impl Line {
    fn close(&self, why: End) {
        if self.end.get().is_none() {
            self.end.set(Some(why));
        }
    }

    /// Hands what calls have left here to the connections.
    fn hand_over(&self, stage: &mut Stage, latency: &mut ForwardLatency, now: Instant) {
        let mut work = self.work.borrow_mut();
        let work = &mut *work;
        for track in work.ended.drain(..) {
            stage.unpublish(track);
        }
        let waits = |publication: &&mut Publication| {
            publication.track.is_none() && publication.not_before.is_none_or(|at| at <= now)
        };
        for publication in work.published.iter_mut().filter(waits) {
            let options = match publication.codec {
                Codec::Pcmu => PublishOptions::pcmu(&publication.name),
                Codec::Opus | Codec::Pcma | Codec::G722 | Codec::Linear16(_) => {
                    PublishOptions::opus(&publication.name)
                }
            };
            publication.track = Some(stage.publish(options));
            publication.not_before = None;
        }
        if work.packets.is_empty() {
            return;
        }
        let mut sample = None;
        for Waiting {
            key,
            packet,
            arrived,
        } in work.packets.drain(..)
        {
            let at = work
                .published
                .binary_search_by_key(&key, |publication| publication.key);
            if let Ok(at) = at
                && let Some(track) = work.published[at].track
                && stage.write(track, packet)
                && latency.is_due()
            {
                sample = Some(arrived);
            }
        }
        stage.flush();
        if let Some(arrived) = sample {
            latency.record(clock::now().saturating_duration_since(arrived));
        }
        if work.dropped > 0 {
            monitor_packets_dropped(std::mem::take(&mut work.dropped));
        }
    }

    fn publish_failed(&self, track: StageTrack, reason: &str, now: Instant) {
        let mut work = self.work.borrow_mut();
        let failed = work.published.iter_mut().find(|p| p.track == Some(track));
        if let Some(failed) = failed {
            warn!(track = failed.name, reason, "not published: trying again");
            failed.track = None;
            failed.not_before = Some(now + PUBLISH_AGAIN);
        }
    }

    fn handle_event(&self, event: StageEvent, presence: &mut Presence, now: Instant) {
        match event {
            StageEvent::Joined(identity) if identity == self.room.listener => {
                presence.handle_joined();
            }
            StageEvent::Left(identity) if identity == self.room.listener => {
                presence.handle_left(now);
            }
            StageEvent::Joined(_) | StageEvent::Left(_) => {}
            StageEvent::Published { track, sid } => debug!(?track, sid, "published"),
            StageEvent::PublishFailed { track, reason } => {
                self.publish_failed(track, &reason, now);
            }
            StageEvent::ConnectionLost(why) => info!(%why, "lost the monitor room: joining anew"),
            StageEvent::Refused(answer) => warn!(answer, "may not publish in the monitor room"),
        }
    }
}

/// Publishes in one monitor room until nobody needs it.
async fn publish(line: Rc<Line>, mut stage: Stage) {
    let _listener = pace::Listener::new();
    let _present = Present::monitor();
    let mut latency = ForwardLatency::new();
    let mut presence = Presence::new(clock::now());
    loop {
        let now = clock::now();
        line.hand_over(&mut stage, &mut latency, now);
        presence.handle_grants(line.grants.get() > 0, now);
        match presence.verdict(now) {
            Verdict::Stay => {}
            Verdict::Idle => line.close(End::Idle),
            Verdict::Left => line.close(End::Left),
        }
        if let Some(why) = line.end.get() {
            info!(?why, "leaving the monitor room");
            break;
        }
        let due = line.work.borrow().due();
        let due = [due, presence.poll_timeout()].into_iter().flatten().min();
        tokio::select! {
            biased;
            () = line.wake.notified() => {}
            event = stage.next() => line.handle_event(event, &mut presence, clock::now()),
            () = until(due) => {}
        }
    }
    *line.work.borrow_mut() = Work::default();
    if tokio::time::timeout(LEAVE_TIMEOUT, Box::pin(stage.leave()))
        .await
        .is_err()
    {
        debug!("the server did not take our leave");
    }
}
