use proptest::prelude::*;
use sidetone_room::Track as RoomTrack;
use sidetone_service::clock;

use super::*;
use crate::call::parties::tests::participant;

/// What the server does with what it is asked for.
#[derive(Debug, Default)]
struct Server {
    muted: BTreeSet<String>,
    deaf: BTreeSet<(String, String)>,
    paused: BTreeSet<String>,
}

impl Server {
    fn take(&mut self, floor: &mut Floor) {
        while let Some(output) = floor.poll_output() {
            match output {
                Output::Subscribe {
                    listener,
                    sids,
                    subscribe,
                } => {
                    for sid in sids {
                        let pair = (listener.clone(), sid);
                        if subscribe {
                            self.deaf.remove(&pair);
                        } else {
                            self.deaf.insert(pair);
                        }
                    }
                }
                Output::Mute {
                    sid, muted: true, ..
                } => {
                    self.muted.insert(sid);
                }
                Output::Mute { sid, .. } => {
                    self.muted.remove(&sid);
                }
                Output::Tell {
                    identity,
                    paused: true,
                } => {
                    self.paused.insert(identity);
                }
                Output::Tell { identity, .. } => {
                    self.paused.remove(&identity);
                }
            }
        }
    }

    /// Whoever leaves, and what ends, is forgotten.
    fn forget(&mut self, identity: &str) {
        self.muted.retain(|sid| !sid.starts_with(identity));
        self.deaf
            .retain(|(listener, sid)| listener != identity && !sid.starts_with(identity));
        self.paused.remove(identity);
    }

    fn is_silent(&self, sid: &str, listener: &str) -> bool {
        self.muted.contains(sid) || self.deaf.contains(&(listener.to_owned(), sid.to_owned()))
    }
}

const PEOPLE: [(&str, Kind, &str); 5] = [
    ("caller-a", Kind::Sip, "customer"),
    ("caller-b", Kind::Standard, "customer"),
    ("bot-a", Kind::Agent, "agent"),
    ("bot-b", Kind::Agent, "agent"),
    ("person-a", Kind::Standard, "agent"),
];

fn who(n: usize) -> Participant {
    let (identity, kind, party) = PEOPLE[n];
    participant(identity, kind, &[("sidetone.party", party)], 1)
}

fn published(n: usize, track: u32) -> Event {
    let (identity, ..) = PEOPLE[n];
    Event::TrackPublished {
        identity: identity.to_owned(),
        track: RoomTrack {
            sid: format!("{identity}/{track}"),
            name: String::new(),
            audio: true,
            source: sidetone_room::Source::Microphone,
            muted: false,
            mime_type: String::new(),
        },
    }
}

#[derive(Debug, Clone)]
enum Doing {
    Join(usize),
    Publish(usize, u32),
    Leave(usize),
    Wish(Wish),
    GatewayGone,
    Time,
}

fn doing() -> impl Strategy<Value = Doing> {
    let muted =
        prop::collection::btree_set(prop_oneof![Just(Party::Customer), Just(Party::Agent)], 0..2);
    let wish = (any::<bool>(), muted).prop_map(|(held, muted)| Wish {
        held,
        muted: muted.into_iter().collect(),
    });
    prop_oneof![
        3 => (0usize..5).prop_map(Doing::Join),
        3 => (0usize..5, 0u32..2).prop_map(|(who, track)| Doing::Publish(who, track)),
        1 => (0usize..5).prop_map(Doing::Leave),
        3 => wish.prop_map(Doing::Wish),
        1 => Just(Doing::GatewayGone),
        1 => Just(Doing::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_happens_nobody_is_left_silent_when_the_agent_has_the_call(
        all in prop::collection::vec(doing(), 1..60)
    ) {
        let (mut floor, mut server, now) = (Floor::default(), Server::default(), clock::now());
        let mut there: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
        let mut wish = Wish::default();
        for (step, doing) in all.into_iter().enumerate() {
            let now = now + Duration::from_secs(step as u64);
            match doing {
                Doing::Join(n) => {
                    there.entry(n).or_default();
                    floor.handle_event(&Event::ParticipantJoined(who(n)), now);
                }
                Doing::Publish(n, track) => {
                    let new = there.get_mut(&n).is_some_and(|tracks| tracks.insert(track));
                    if new {
                        floor.handle_event(&published(n, track), now);
                    }
                }
                Doing::Leave(n) => if there.remove(&n).is_some() {
                    floor.handle_event(&Event::ParticipantLeft(who(n)), now);
                    server.take(&mut floor);
                    server.forget(PEOPLE[n].0);
                },
                Doing::Wish(new) => {
                    wish = new.clone();
                    floor.set(new, false, now);
                }
                Doing::GatewayGone => {
                    floor = Floor::default();
                    for (n, tracks) in &there {
                        floor.handle_event(&Event::ParticipantJoined(who(*n)), now);
                        for track in tracks {
                            floor.handle_event(&published(*n, *track), now);
                        }
                    }
                    floor.set(wish.clone(), true, now);
                }
                Doing::Time => floor.handle_timeout(now),
            }
            server.take(&mut floor);
            for (speaker, tracks) in &there {
                for listener in there.keys() {
                    let (from, .., party) = PEOPLE[*speaker];
                    let (to, .., other) = PEOPLE[*listener];
                    let silent = party != other
                        && wish.silences(party.parse().unwrap());
                    for track in tracks {
                        let is = server.is_silent(&format!("{from}/{track}"), to);
                        prop_assert!(is || !silent, "{from} is heard by {to}: {floor:?}");
                    }
                }
            }
        }
        floor.set(Wish::default(), false, now);
        server.take(&mut floor);
        prop_assert!(server.muted.is_empty(), "{server:?}");
        prop_assert!(server.deaf.is_empty(), "{server:?}");
        prop_assert!(server.paused.is_empty(), "{server:?}");
    }
}

#[test]
fn people_are_never_muted_and_programs_are_told() {
    let (mut floor, now) = (Floor::default(), clock::now());
    for n in [0, 2, 4] {
        floor.handle_event(&Event::ParticipantJoined(who(n)), now);
        floor.handle_event(&published(n, 0), now);
    }
    let held = Wish {
        held: true,
        muted: Vec::new(),
    };
    floor.set(held, false, now);
    let outputs: Vec<_> = std::iter::from_fn(|| floor.poll_output()).collect();
    let muted = outputs.iter().filter(|o| matches!(o, Output::Mute { .. }));
    let expected = Output::Mute {
        identity: "bot-a".into(),
        sid: "bot-a/0".into(),
        muted: true,
    };
    assert_eq!(muted.collect::<Vec<_>>(), [&expected]);
    let told = Output::Tell {
        identity: "bot-a".into(),
        paused: true,
    };
    assert!(outputs.contains(&told));
    let deaf = Output::Subscribe {
        listener: "caller-a".into(),
        sids: vec!["bot-a/0".into(), "person-a/0".into()],
        subscribe: false,
    };
    assert!(outputs.contains(&deaf));
    floor.handle_timeout(now + ONCE_MORE_AFTER);
    assert!(
        floor.poll_output().is_some(),
        "whoever joins subscribes by itself: it is said once more"
    );
    floor.handle_timeout(now + ONCE_MORE_AFTER * 2);
    while floor.poll_output().is_some() {}
    floor.handle_timeout(now + ONCE_MORE_AFTER * 3);
    assert_eq!(floor.poll_output(), None);
}

#[test]
fn programs_that_know_that_they_have_the_call_are_told_again_when_there_is_more_to_say() {
    let (mut floor, now) = (Floor::default(), clock::now());
    assert!(!floor.is_served());
    for n in [0, 2, 4] {
        floor.handle_event(&Event::ParticipantJoined(who(n)), now);
    }
    assert!(floor.is_served());
    assert_eq!(floor.programs(), ["bot-a"]);
    floor.set(Wish::default(), false, now);
    assert_eq!(floor.poll_output(), None);
    floor.tell_again();
    floor.set(Wish::default(), false, now);
    let told = Output::Tell {
        identity: "bot-a".into(),
        paused: false,
    };
    assert_eq!(floor.poll_output(), Some(told));
    assert_eq!(floor.poll_output(), None);
}
