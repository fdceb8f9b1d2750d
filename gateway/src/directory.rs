//! Finds calls: rooms of the LiveKit server that nobody taps yet.

mod rooms;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidetone_room::service::{Error, RoomInfo, RoomService};
use sidetone_service::backoff::Backoff;
use sidetone_service::clock;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error};

use crate::keeper::Keeper;
use crate::link::Link;
use crate::shard::{Placement, Start, Work};
use crate::{JOINS_PER_SECOND, Sfu, Shared, metrics};
use rooms::Rooms;
pub(crate) use rooms::{Ended, Fate, ROOMS};

/// Names of changed rooms waiting to be looked at. With more, all rooms are listed instead.
pub(crate) const CHANGES: usize = 64;
/// Changed rooms asked for one by one; with more, one listing is cheaper.
const ASKED_ONE_BY_ONE: usize = 4;
/// Between listings while nobody tells us about changes, and while webhooks do.
const LIST_EVERY: Duration = Duration::from_secs(2);
const LIST_EVERY_WITH_WEBHOOKS: Duration = Duration::from_secs(15);
/// Webhooks are taken to work for so long after the latest.
const WEBHOOKS_FRESH: Duration = Duration::from_mins(1);
/// Listings asked for by webhooks do not follow each other faster than this.
const LIST_SPACING: Duration = Duration::from_millis(200);
/// How long a listing may take: a server that takes longer is as good as gone.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits after a failed listing.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// What was asked and what the server answered.
type Answer = (Question, Result<Vec<RoomInfo>, Error>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    /// Every room.
    All,
    /// One that was said to have changed.
    One(String),
}

/// Finds rooms and gives them to shards, for ever.
pub(crate) async fn run(
    shared: Arc<Shared>,
    placement: Placement,
    mut changes: mpsc::Receiver<String>,
) {
    let Sfu { url, credentials } = shared.sfu();
    let service = RoomService::new(url, credentials);
    let (ended, mut endings) = mpsc::channel(ROOMS);
    let mut search = Search::new(clock::now());
    let mut starter = Starter {
        shared: shared.clone(),
        placement,
        ended,
    };
    let mut asking: Option<Pin<Box<dyn Future<Output = Answer> + Send + '_>>> = None;
    let mut starts = tokio::time::interval(Duration::from_secs(1) / JOINS_PER_SECOND);
    starts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if asking.is_none()
            && let Some(question) = search.next_question(clock::now())
        {
            asking = Some(Box::pin(ask(&service, question)));
        }
        let idle = asking.is_none();
        tokio::select! {
            Some(name) = changes.recv() => search.handle_change(name, clock::now()),
            Some(ended) = endings.recv() => search.rooms.handle_end(ended, clock::now()),
            _ = starts.tick(), if search.rooms.any_waiting() => {
                if let Some(room) = search.rooms.next_start() {
                    starter.start(room).await;
                }
            }
            answer = answered(&mut asking), if !idle => {
                asking = None;
                let signal = search.handle_answer(answer, clock::now());
                shared.fleet.signal(signal);
            }
            () = tokio::time::sleep_until(search.next_listing.into()), if idle => {}
        }
    }
}

async fn answered(
    asking: &mut Option<Pin<Box<dyn Future<Output = Answer> + Send + '_>>>,
) -> Answer {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

async fn ask(service: &RoomService, question: Question) -> Answer {
    let asking = async {
        match &question {
            Question::One(name) => Ok(service.find_room(name).await?.into_iter().collect()),
            Question::All => service.list_rooms().await,
        }
    };
    let answer = tokio::time::timeout(LIST_TIMEOUT, asking).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(Error::Unreachable {
            url: "the server".to_owned(),
            reason: format!("no answer within {LIST_TIMEOUT:?}"),
        })
    });
    (question, answer)
}

/// When to ask the server what, and what became of it.
struct Search {
    rooms: Rooms,
    link: Link,
    backoff: Backoff,
    /// Changed rooms to ask for.
    changed: VecDeque<String>,
    latest_change: Option<Instant>,
    latest_listing: Option<Instant>,
    next_listing: Instant,
}

impl Search {
    fn new(now: Instant) -> Self {
        Self {
            rooms: Rooms::default(),
            link: Link::default(),
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            changed: VecDeque::new(),
            latest_change: None,
            latest_listing: None,
            next_listing: now,
        }
    }

    /// A webhook named a room.
    fn handle_change(&mut self, name: String, now: Instant) {
        self.latest_change = Some(now);
        if !self.rooms.is_of_interest(&name) || self.changed.contains(&name) {
            return;
        }
        if self.changed.len() < ASKED_ONE_BY_ONE {
            return self.changed.push_back(name);
        }
        self.changed.clear();
        let soon = self
            .latest_listing
            .map_or(now, |at| now.max(at + LIST_SPACING));
        self.next_listing = self.next_listing.min(soon);
    }

    /// What to ask now.
    fn next_question(&mut self, now: Instant) -> Option<Question> {
        if self.next_listing <= now {
            self.latest_listing = Some(now);
            self.changed.clear();
            return Some(Question::All);
        }
        self.changed.pop_front().map(Question::One)
    }

    fn handle_answer(&mut self, (question, answer): Answer, now: Instant) -> sidetone_wire::Signal {
        let whole = question == Question::All;
        let signal = self.link.handle_answer(answer.as_ref().map(drop));
        match answer {
            Ok(found) => {
                self.backoff.reset();
                let left = self.rooms.handle_found(found, whole, now);
                metrics::rooms_left_waiting(left);
                let webhooks = self
                    .latest_change
                    .is_some_and(|at| now < at + WEBHOOKS_FRESH);
                let every = if webhooks {
                    LIST_EVERY_WITH_WEBHOOKS
                } else {
                    LIST_EVERY
                };
                if whole {
                    self.next_listing = now + every;
                }
            }
            Err(_) => self.next_listing = now + self.backoff.wait(),
        }
        signal
    }
}

/// Gives rooms to shards.
struct Starter {
    shared: Arc<Shared>,
    placement: Placement,
    ended: mpsc::Sender<Ended>,
}

impl Starter {
    async fn start(&mut self, room: RoomInfo) {
        // dropped on every way out: the directory hears how it ended
        let fate = Fate::new(self.ended.clone(), &room);
        let Shared { fleet, node, .. } = &*self.shared;
        let key = format!("room:{}", room.name);
        let Some(lease) = fleet.acquire(&key, node, clock::now()).await else {
            debug!(room = room.name, "another gateway has it");
            return fate.elsewhere();
        };
        let name = room.name.clone();
        let keeper = Keeper::new(lease, name.clone());
        let start = Work::Room(Start { room, keeper, fate });
        if self.placement.place(Box::new(start)).is_err() {
            error!(room = name, "no shard takes it: trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search() -> (Search, Instant) {
        let now = clock::now();
        let mut search = Search::new(now);
        assert_eq!(
            search.next_question(now),
            Some(Question::All),
            "the first question is for all"
        );
        search.handle_answer((Question::All, Ok(Vec::new())), now);
        (search, now)
    }

    #[test]
    fn rooms_are_listed_often_until_webhooks_tell_of_them() {
        let (mut search, now) = search();
        assert_eq!(
            search.next_question(now + Duration::from_millis(1900)),
            None
        );
        let then = now + LIST_EVERY;
        assert_eq!(search.next_question(then), Some(Question::All));
        search.handle_change("call-1".into(), then);
        search.handle_answer((Question::All, Ok(Vec::new())), then);
        assert_eq!(
            search.next_question(then + LIST_EVERY),
            Some(Question::One("call-1".into()))
        );
        assert_eq!(search.next_question(then + LIST_EVERY), None);
        assert_eq!(
            search.next_question(then + LIST_EVERY_WITH_WEBHOOKS),
            Some(Question::All)
        );
    }

    #[test]
    fn a_storm_of_webhooks_is_one_listing() {
        let (mut search, now) = search();
        let now = now + Duration::from_secs(1);
        for n in 0..10_000 {
            search.handle_change(format!("call-{n}"), now);
        }
        assert_eq!(search.next_question(now), Some(Question::All));
        search.handle_answer((Question::All, Ok(Vec::new())), now);
        for n in 0..10_000 {
            search.handle_change(format!("call-{n}"), now);
        }
        assert!(search.next_listing >= now + LIST_SPACING);
    }

    #[test]
    fn a_server_that_fails_is_asked_less_and_less_often() {
        let (mut search, mut now) = search();
        for n in 0..12 {
            now = search.next_listing;
            assert_eq!(search.next_question(now), Some(Question::All));
            let error = Error::Unreachable {
                url: String::new(),
                reason: String::new(),
            };
            search.handle_answer((Question::All, Err(error)), now);
            let wait = search.next_listing - now;
            assert!(wait <= LAST_RETRY, "{wait:?}");
            assert!(n < 8 || wait >= LAST_RETRY / 2, "{wait:?}");
        }
        search.handle_answer((Question::All, Ok(Vec::new())), now);
        assert_eq!(search.next_listing, now + LIST_EVERY);
    }
}
