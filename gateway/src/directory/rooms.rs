//! Which rooms there are, and which of them are to be tapped when.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use sidetone_room::service::RoomInfo;
use tokio::sync::mpsc;

use crate::call::Metadata;

/// Rooms that one gateway taps or has in mind: beyond what one machine carries. Further ones wait
/// for the next listing.
pub(crate) const ROOMS: usize = 4096;

/// Begins the names of rooms that are ours: monitor rooms.
const OUR_PREFIX: &str = "sidetone-";
/// A room that ended here is not looked at for so long, unless it was opened anew: a listing may
/// be older than its end, and a join would open it again.
const OVER_REST: Duration = Duration::from_secs(30);
/// Another gateway may have died: its lease is asked for again after this.
const ELSEWHERE_REST: Duration = Duration::from_secs(2);
/// The longest rest of a room that could not be joined.
const FAILED_REST: Duration = Duration::from_secs(30);

/// How the tapping of a room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The room is over.
    Over,
    /// Another gateway has it.
    Elsewhere,
    /// It could not be joined, or something broke.
    Failed,
}

/// Says that a room is tapped no more.
#[derive(Debug)]
pub(crate) struct Ended {
    name: String,
    sid: String,
    why: Why,
}

/// Travels with a room and tells the directory of its end, whatever that is.
#[derive(Debug)]
pub(crate) struct Fate {
    ended: mpsc::Sender<Ended>,
    name: String,
    sid: String,
    why: Why,
}

impl Fate {
    pub(super) fn new(ended: mpsc::Sender<Ended>, room: &RoomInfo) -> Self {
        Self {
            ended,
            name: room.name.clone(),
            sid: room.sid.clone(),
            why: Why::Failed,
        }
    }

    /// The room, whose sid this was at last, is over.
    pub(crate) fn over(mut self, sid: &str) {
        sid.clone_into(&mut self.sid);
        self.why = Why::Over;
    }

    /// Another gateway has the room.
    pub(crate) fn elsewhere(mut self) {
        self.why = Why::Elsewhere;
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        let ended = Ended {
            name: std::mem::take(&mut self.name),
            sid: std::mem::take(&mut self.sid),
            why: self.why,
        };
        // holds as many as there can be tapped rooms; fails only when the directory is gone
        drop(self.ended.try_send(ended));
    }
}

enum Entry {
    Waiting {
        room: RoomInfo,
        failures: u32,
    },
    Tapped {
        failures: u32,
    },
    Resting {
        sid: String,
        over: bool,
        until: Instant,
        failures: u32,
    },
}

/// The rooms.
#[derive(Default)]
pub(super) struct Rooms {
    known: HashMap<String, Entry>,
    /// Names of waiting rooms, in order.
    waiting: VecDeque<String>,
}

impl Rooms {
    /// Whether a change of this room is worth asking about.
    pub(super) fn is_of_interest(&self, name: &str) -> bool {
        !name.starts_with(OUR_PREFIX)
            && !matches!(
                self.known.get(name),
                Some(Entry::Tapped { .. } | Entry::Waiting { .. })
            )
    }

    /// Takes in what the server lists: all rooms if `whole`. Gives the number of rooms that there
    /// was no place for.
    pub(super) fn handle_found(
        &mut self,
        found: Vec<RoomInfo>,
        whole: bool,
        now: Instant,
    ) -> usize {
        let mut left = 0;
        let mut known = self.known.len();
        let mut names = HashSet::new();
        for room in found {
            if whole {
                names.insert(room.name.clone());
            }
            if !is_call(&room) {
                continue;
            }
            let failures = match self.known.get_mut(&room.name) {
                Some(Entry::Tapped { .. }) => continue,
                Some(Entry::Waiting { room: known, .. }) => {
                    *known = room;
                    continue;
                }
                Some(Entry::Resting {
                    sid,
                    over,
                    until,
                    failures,
                }) => {
                    let opened_anew = *over && *sid != room.sid;
                    if *until > now && !opened_anew {
                        continue;
                    }
                    *failures
                }
                None if known >= ROOMS => {
                    left += 1;
                    continue;
                }
                None => {
                    known += 1;
                    0
                }
            };
            self.waiting.push_back(room.name.clone());
            self.known
                .insert(room.name.clone(), Entry::Waiting { room, failures });
        }
        if whole {
            self.known.retain(|name, entry| match entry {
                Entry::Tapped { .. } => true,
                Entry::Waiting { .. } => names.contains(name),
                Entry::Resting { until, .. } => *until > now || names.contains(name),
            });
            let known = &self.known;
            self.waiting
                .retain(|name| matches!(known.get(name), Some(Entry::Waiting { .. })));
        }
        left
    }

    /// Whether a room waits to be tapped.
    pub(super) fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next room to tap; it counts as tapped from now on.
    pub(super) fn next_start(&mut self) -> Option<RoomInfo> {
        let name = self.waiting.pop_front()?;
        let entry = self.known.get_mut(&name)?;
        let Entry::Waiting { failures, .. } = entry else {
            return None;
        };
        let failures = *failures;
        match std::mem::replace(entry, Entry::Tapped { failures }) {
            Entry::Waiting { room, .. } => Some(room),
            Entry::Tapped { .. } | Entry::Resting { .. } => None,
        }
    }

    /// A room is tapped no more.
    pub(super) fn handle_end(&mut self, ended: Ended, now: Instant) {
        let Ended { name, sid, why } = ended;
        let Some(Entry::Tapped { failures }) = self.known.get(&name) else {
            return;
        };
        let (rest, failures) = match why {
            Why::Over => (OVER_REST, 0),
            Why::Elsewhere => (ELSEWHERE_REST, 0),
            Why::Failed => {
                let rest = Duration::from_secs(1 << (*failures).min(8)).min(FAILED_REST);
                (rest, failures + 1)
            }
        };
        let over = why == Why::Over;
        let until = now + rest;
        self.known.insert(
            name,
            Entry::Resting {
                sid,
                over,
                until,
                failures,
            },
        );
    }
}

/// Whether a room is a call (API.md, Rooms).
fn is_call(room: &RoomInfo) -> bool {
    !room.name.starts_with(OUR_PREFIX) && !Metadata::read(&room.metadata).opted_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    fn room(name: &str, sid: &str) -> RoomInfo {
        RoomInfo {
            name: name.into(),
            sid: sid.into(),
            created_unix_ms: 1,
            metadata: String::new(),
            participants: 0,
        }
    }

    fn started(rooms: &mut Rooms) -> Vec<String> {
        let mut names = Vec::new();
        while rooms.any_waiting() {
            names.extend(rooms.next_start().map(|room| room.name));
        }
        names
    }

    fn ended(name: &str, sid: &str, why: Why) -> Ended {
        Ended {
            name: name.into(),
            sid: sid.into(),
            why,
        }
    }

    #[test]
    fn a_thousand_rooms_at_once_wait_their_turn_and_are_started_once_each() {
        let (mut rooms, now) = (Rooms::default(), clock::now());
        let listing = || {
            (0..1000)
                .map(|n| room(&format!("call-{n}"), "RM_1"))
                .collect::<Vec<_>>()
        };
        assert_eq!(rooms.handle_found(listing(), true, now), 0);
        for n in 0..10 {
            assert_eq!(rooms.next_start().unwrap().name, format!("call-{n}"));
        }
        rooms.handle_found(listing(), true, now);
        assert_eq!(started(&mut rooms).len(), 990);
        rooms.handle_found(listing(), true, now);
        assert!(started(&mut rooms).is_empty());
    }

    #[test]
    fn more_rooms_than_there_is_place_for_are_left_for_later() {
        let (mut rooms, now) = (Rooms::default(), clock::now());
        let listing = (0..ROOMS + 500)
            .map(|n| room(&format!("call-{n}"), "RM_1"))
            .collect();
        assert_eq!(rooms.handle_found(listing, true, now), 500);
        assert_eq!(started(&mut rooms).len(), ROOMS);
    }

    #[test]
    fn monitor_rooms_and_rooms_that_opted_out_are_no_calls() {
        let (mut rooms, now) = (Rooms::default(), clock::now());
        let mut private = room("private", "RM_2");
        private.metadata = r#"{"sidetone": false}"#.into();
        let mut odd = room("odd", "RM_3");
        odd.metadata = "not JSON {".into();
        let listing = vec![room("sidetone-monitor-u-1", "RM_1"), private, odd];
        rooms.handle_found(listing, true, now);
        assert_eq!(started(&mut rooms), ["odd"]);
        assert!(!rooms.is_of_interest("sidetone-monitor-u-1"));
    }

    #[test]
    fn a_room_that_closed_before_its_turn_is_not_joined() {
        let (mut rooms, now) = (Rooms::default(), clock::now());
        rooms.handle_found(vec![room("a", "RM_1"), room("b", "RM_2")], true, now);
        rooms.handle_found(vec![room("b", "RM_2")], true, now);
        assert_eq!(started(&mut rooms), ["b"]);
    }

    #[test]
    fn a_room_that_is_over_is_tapped_again_only_when_it_was_opened_anew() {
        let (mut rooms, now) = (Rooms::default(), clock::now());
        rooms.handle_found(vec![room("a", "RM_1")], true, now);
        assert_eq!(started(&mut rooms), ["a"]);
        // the server was restarted meanwhile: the room has another sid, and it is the same call
        rooms.handle_found(vec![room("a", "RM_2")], true, now);
        assert!(started(&mut rooms).is_empty(), "its lease is held");
        rooms.handle_end(ended("a", "RM_2", Why::Over), now);
        rooms.handle_found(vec![room("a", "RM_2")], true, now);
        assert!(started(&mut rooms).is_empty(), "an old listing");
        rooms.handle_found(vec![room("a", "RM_3")], true, now);
        assert_eq!(started(&mut rooms), ["a"]);
    }

    #[test]
    fn a_room_that_cannot_be_joined_is_tried_less_and_less_often() {
        let (mut rooms, mut now) = (Rooms::default(), clock::now());
        let mut waits = Vec::new();
        for _ in 0..7 {
            rooms.handle_found(vec![room("a", "RM_1")], true, now);
            assert_eq!(started(&mut rooms), ["a"]);
            rooms.handle_end(ended("a", "RM_1", Why::Failed), now);
            let mut waited = 0;
            while !rooms.any_waiting() {
                now += Duration::from_secs(1);
                waited += 1;
                rooms.handle_found(vec![room("a", "RM_1")], true, now);
            }
            waits.push(waited);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn rooms_that_are_gone_are_forgotten() {
        let (mut rooms, now) = (Rooms::default(), clock::now());
        for n in 0..100_u64 {
            let now = now + Duration::from_secs(n * 60);
            rooms.handle_found(vec![room(&format!("call-{n}"), "RM_1")], true, now);
            started(&mut rooms);
            rooms.handle_end(ended(&format!("call-{n}"), "RM_1", Why::Over), now);
        }
        assert!(rooms.known.len() <= 2, "{}", rooms.known.len());
    }
}
