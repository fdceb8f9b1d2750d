use super::super::parties::tests::participant;
use super::*;
use sidetone_room::{Kind, Source, Track};
use sidetone_service::clock;

/// Seconds after the epoch at which the tests' rooms are opened.
const OPENED_S: i64 = 1_790_000_000;

/// A life on made-up time.
struct World {
    life: Life,
    start: Instant,
    ms: u64,
}

impl World {
    fn new(metadata: &str) -> Self {
        let room = RoomFacts {
            name: "room-1".into(),
            sid: "RM_1".into(),
            created_at: Timestamp::from_unix_ms(OPENED_S * 1000),
            metadata: metadata.into(),
        };
        Self {
            life: Life::new(room),
            start: clock::now(),
            ms: 0,
        }
    }

    fn at(&self, ms: u64) -> Moment {
        Moment {
            now: self.start + Duration::from_millis(ms),
            wall: Timestamp::from_unix_ms(OPENED_S * 1000 + ms.cast_signed()),
        }
    }

    /// Lets time pass up to `s` seconds after the start, with what is due on the way.
    fn until(&mut self, s: u64) -> Vec<Output> {
        let end = self.at(s * 1000);
        let mut outputs = Vec::new();
        while let Some(due) = self.life.poll_timeout().filter(|due| *due <= end.now) {
            self.life.handle_timeout(due);
            outputs.extend(self.outputs());
        }
        self.ms = s * 1000;
        outputs
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.life.poll_output()).collect()
    }

    fn happens(&mut self, event: &Event) -> Vec<Output> {
        let at = self.at(self.ms);
        self.life.handle_event(event, at);
        self.outputs()
    }

    fn joins(&mut self, identity: &str, kind: Kind) -> Vec<Output> {
        let joined_s = OPENED_S + (self.ms / 1000).cast_signed();
        self.happens(&Event::ParticipantJoined(participant(
            identity,
            kind,
            &[],
            joined_s,
        )))
    }

    fn leaves(&mut self, identity: &str) -> Vec<Output> {
        self.happens(&Event::ParticipantLeft(participant(
            identity,
            Kind::Standard,
            &[],
            0,
        )))
    }

    fn publishes(&mut self, identity: &str, sid: &str) -> Vec<Output> {
        let (identity, track) = (identity.to_owned(), track(sid, true));
        self.happens(&Event::TrackPublished { identity, track })
    }

    fn is_lost(&mut self) -> Vec<Output> {
        self.happens(&Event::Reconnecting {
            reason: String::new(),
        })
    }

    fn is_back(&mut self, room_sid: &str) -> Vec<Output> {
        let (after, room_sid) = (Duration::ZERO, room_sid.to_owned());
        self.happens(&Event::Rejoined { after, room_sid })
    }
}

fn track(sid: &str, audio: bool) -> Track {
    Track {
        sid: sid.into(),
        name: String::new(),
        audio,
        source: Source::Microphone,
        muted: false,
        mime_type: "audio/opus".into(),
    }
}

fn begun(outputs: &[Output]) -> Option<CallId> {
    outputs.iter().find_map(|output| match output {
        Output::Begin { call, .. } => Some(*call),
        Output::Facts(_) | Output::Tap { .. } | Output::Untap { .. } | Output::End { .. } => None,
    })
}

fn facts(outputs: &[Output]) -> CallFacts {
    let last = outputs.iter().rev().find_map(|output| match output {
        Output::Facts(facts) => Some((**facts).clone()),
        Output::Begin { .. } | Output::Tap { .. } | Output::Untap { .. } | Output::End { .. } => {
            None
        }
    });
    last.expect("facts are told")
}

/// When a call ended, in milliseconds of the world, and how.
fn ended(outputs: &[Output]) -> Option<(i64, &'static str, String)> {
    outputs.iter().find_map(|output| match output {
        Output::End { at, reason } => {
            let ms = at.wall.unix_ms() - OPENED_S * 1000;
            Some((ms, reason.class.as_str(), reason.code.clone()))
        }
        Output::Begin { .. } | Output::Facts(_) | Output::Tap { .. } | Output::Untap { .. } => None,
    })
}

#[test]
fn a_room_is_a_call_once_somebody_is_in_it() {
    let mut world = World::new(r#"{"tenant": "acme"}"#);
    assert!(world.until(3).is_empty());
    let outputs = world.joins("caller", Kind::Standard);
    let opened = Timestamp::from_unix_ms(OPENED_S * 1000);
    assert_eq!(
        begun(&outputs),
        Some(CallId::of_upstream("livekit", "RM_1", opened))
    );
    let told = facts(&outputs);
    assert_eq!(told.started_at.unix_ms(), OPENED_S * 1000 + 3000);
    assert_eq!((told.from.as_str(), told.to.as_str()), ("caller", "room-1"));
    assert_eq!(
        (told.direction, told.tenant.as_deref()),
        (Direction::Web, Some("acme"))
    );
    assert_eq!(told.answered_at, None);
    world.until(5);
    let told = facts(&world.joins("bot", Kind::Agent));
    assert_eq!(
        told.answered_at.map(Timestamp::unix_ms),
        Some(OPENED_S * 1000 + 5000)
    );
    assert_eq!(told.agent_id.as_deref(), Some("bot"));
    let same = Event::ParticipantChanged(participant("bot", Kind::Agent, &[], OPENED_S + 5));
    assert!(
        world.happens(&same).is_empty(),
        "nothing changed, nothing is told"
    );
}

#[test]
fn a_telephone_call_has_numbers_and_a_direction() {
    let sip = |more: &[(&str, &str)], joined_s| {
        let mut attributes = vec![
            ("sip.phoneNumber", "+4930"),
            ("sip.trunkPhoneNumber", "+4940"),
        ];
        attributes.extend(more);
        Event::ParticipantJoined(participant(
            "sip_1",
            Kind::Sip,
            &attributes,
            OPENED_S + joined_s,
        ))
    };
    let mut world = World::new("");
    let told = facts(&world.happens(&sip(&[], 0)));
    assert_eq!(
        (told.direction, told.from.as_str()),
        (Direction::Inbound, "+4930")
    );
    assert_eq!(told.to, "+4940");

    let mut world = World::new("");
    world.joins("bot", Kind::Agent);
    let told = facts(&world.happens(&sip(&[], 4)));
    assert_eq!(
        (told.direction, told.from.as_str()),
        (Direction::Outbound, "+4940")
    );
    assert_eq!(told.to, "+4930");

    let mut world = World::new("");
    world.joins("bot", Kind::Agent);
    let told = facts(&world.happens(&sip(&[("sip.ruleID", "SDR_1")], 4)));
    assert_eq!(
        told.direction,
        Direction::Inbound,
        "a dispatch rule let it in"
    );

    let mut world = World::new(r#"{"direction": "outbound"}"#);
    assert_eq!(
        facts(&world.happens(&sip(&[], 0))).direction,
        Direction::Outbound
    );
}

#[test]
fn a_call_that_is_found_late_began_when_its_first_party_came() {
    let mut world = World::new("");
    world.until(3600);
    let customer = participant("caller", Kind::Standard, &[], OPENED_S + 5);
    let told = facts(&world.happens(&Event::ParticipantJoined(customer)));
    assert_eq!(told.started_at.unix_ms(), (OPENED_S + 5) * 1000);
    let bot = participant("bot", Kind::Agent, &[], OPENED_S + 9);
    let told = facts(&world.happens(&Event::ParticipantJoined(bot)));
    assert_eq!(
        told.answered_at.map(Timestamp::unix_ms),
        Some((OPENED_S + 9) * 1000)
    );
}

#[test]
fn a_call_goes_on_while_parties_leave_and_return() {
    let mut world = World::new("");
    world.joins("caller", Kind::Standard);
    world.joins("bot", Kind::Agent);
    world.until(10);
    world.leaves("caller");
    world.leaves("bot");
    assert_eq!(ended(&world.until(39)), None);
    let outputs = world.joins("caller", Kind::Standard);
    assert_eq!((begun(&outputs), ended(&outputs)), (None, None));
    assert_eq!(ended(&world.until(999)), None);
}

#[test]
fn an_empty_call_ended_when_the_last_one_left() {
    let mut world = World::new("");
    world.joins("caller", Kind::Standard);
    world.until(10);
    world.leaves("caller");
    let outputs = world.until(40);
    let expected = (10_000, "completed", "participants_left".to_owned());
    assert_eq!(ended(&outputs), Some(expected.clone()));
    assert!(ended(&world.until(999)).is_none(), "once");

    let mut world = World::new("");
    world.joins("caller", Kind::Standard);
    world.until(10);
    world.leaves("caller");
    world.until(12);
    assert_eq!(
        ended(&world.happens(&Event::Closed(Closed::RoomClosed))),
        Some(expected)
    );
}

#[test]
fn whoever_comes_after_the_end_begins_another_call() {
    let mut world = World::new("");
    let first = begun(&world.joins("caller", Kind::Standard));
    world.leaves("caller");
    assert!(ended(&world.until(60)).is_some());
    let outputs = world.joins("caller", Kind::Standard);
    let second = begun(&outputs);
    assert!(second.is_some() && second != first);
    assert_eq!(facts(&outputs).upstream_call_id, "RM_1/2");
}

#[test]
fn each_way_of_losing_the_room_has_its_reason() {
    for (why, class, code) in [
        (Closed::RoomClosed, "completed", "room_finished"),
        (Closed::Removed, "upstream", "tap_removed"),
        (Closed::DuplicateIdentity, "ours", "duplicate_identity"),
        (
            Closed::Unauthorized(String::new()),
            "upstream",
            "unauthorized",
        ),
        (Closed::Lost(String::new()), "upstream", "connection_lost"),
    ] {
        let mut world = World::new("");
        assert!(
            world.happens(&Event::Closed(why.clone())).is_empty(),
            "no call, no end"
        );
        world.joins("caller", Kind::Standard);
        world.until(7);
        let outputs = world.happens(&Event::Closed(why));
        assert_eq!(ended(&outputs), Some((7000, class, code.to_owned())));
    }
}

#[test]
fn a_restarted_server_is_the_same_call_and_its_tracks_are_tapped_again() {
    let mut world = World::new("");
    world.joins("caller", Kind::Standard);
    assert_eq!(
        world.publishes("caller", "TR_1"),
        [Output::Tap {
            sid: "TR_1".into(),
            party: Party::Customer
        }]
    );
    world.until(10);
    assert!(world.is_lost().is_empty());
    world.until(12);
    let outputs = world.is_back("RM_2");
    assert_eq!(
        outputs,
        [Output::Untap {
            sid: "TR_1".into(),
            ended: false
        }]
    );
    world.until(20);
    let outputs = world.joins("caller", Kind::Standard);
    assert_eq!((begun(&outputs), ended(&outputs)), (None, None));
    assert_eq!(
        world.publishes("caller", "TR_2"),
        [Output::Tap {
            sid: "TR_2".into(),
            party: Party::Customer
        }]
    );
    assert_eq!(ended(&world.until(999)), None);
}

#[test]
fn a_call_whose_parties_do_not_come_back_ended_when_the_server_was_lost() {
    let mut world = World::new("");
    world.joins("caller", Kind::Standard);
    world.until(10);
    world.is_lost();
    world.until(50);
    world.is_back("RM_2");
    assert_eq!(ended(&world.until(79)), None);
    let expected = (10_000, "upstream", "connection_lost".to_owned());
    assert_eq!(ended(&world.until(80)), Some(expected));
}

#[test]
fn a_crowded_room_taps_a_bounded_number_of_tracks_and_moves_on_to_the_next() {
    let mut world = World::new("");
    let mut tapped = 0;
    for n in 0..2000 {
        let identity = format!("p-{n}");
        world.joins(&identity, Kind::Standard);
        tapped += world.publishes(&identity, &format!("TR_{n}")).len();
    }
    assert_eq!(tapped, tracks::TAPPED);
    let gone = Event::TrackUnpublished {
        identity: "p-0".into(),
        track: track("TR_0", true),
    };
    let outputs = world.happens(&gone);
    assert_eq!(outputs.len(), 2, "{outputs:?}");
    let next = format!("TR_{}", tracks::TAPPED);
    assert_eq!(
        outputs[1],
        Output::Tap {
            sid: next,
            party: Party::Customer
        }
    );
}

#[test]
fn video_is_not_tapped_and_a_party_that_changes_takes_its_tracks_along() {
    let mut world = World::new("");
    world.joins("somebody", Kind::Standard);
    let (identity, video) = ("somebody".to_owned(), track("TR_V", false));
    assert!(
        world
            .happens(&Event::TrackPublished {
                identity,
                track: video
            })
            .is_empty()
    );
    world.publishes("somebody", "TR_1");
    let attributes = [("sidetone.party", "agent")];
    let now = participant("somebody", Kind::Standard, &attributes, OPENED_S);
    let outputs = world.happens(&Event::ParticipantChanged(now));
    let moved = Output::Tap {
        sid: "TR_1".into(),
        party: Party::Agent,
    };
    assert!(outputs.contains(&moved), "{outputs:?}");
}

#[test]
fn a_supervisor_alone_is_no_call() {
    let mut world = World::new("");
    let attributes = [("sidetone.party", "supervisor")];
    let supervisor = participant("supervisor-1", Kind::Standard, &attributes, OPENED_S);
    assert!(
        world
            .happens(&Event::ParticipantJoined(supervisor))
            .is_empty()
    );
    world.joins("caller", Kind::Standard);
    world.leaves("caller");
    assert!(ended(&world.until(999)).is_some());
}
