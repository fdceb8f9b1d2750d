//! A call's recording with made-up time, beside a recorder that remembers.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use sidetone_fleet::ledger::LedgerError;
use sidetone_fleet::take::TakeError;
use sidetone_fleet::{Events, Fleet};
use sidetone_media::{Codec, TrackId};
use sidetone_wire::RecordingRule;

use super::*;
use crate::bus::Bus;
use crate::permit::BY_DTMF;
use crate::sink;
use Party::{Agent, Customer, Supervisor};
use Told::{Begin, Discard, End, Gap, Resume, Write};

/// What a take was told, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Begin,
    Write(Party, u64),
    Gap(u64, u64),
    Pause(u64, String),
    Resume(u64),
    End(u64),
    Discard,
}

#[derive(Default)]
struct Memory {
    told: Mutex<Vec<Told>>,
    waiting: Mutex<Vec<Durable>>,
    refuses: AtomicBool,
    loses: AtomicBool,
}

struct Remembering(Arc<Memory>);

impl Remembering {
    fn remember(&self, told: Told) {
        self.0.told.lock().unwrap().push(told);
    }
}

impl Recorder for Remembering {
    fn begin(&self, _: TakeStart) -> Result<Box<dyn Take>, TakeError> {
        if self.0.refuses.load(Ordering::Relaxed) {
            return Err(TakeError::Full { limit: 0 });
        }
        self.remember(Begin);
        Ok(Box::new(Self(self.0.clone())))
    }

    fn erase(&self, _: &[RecordingId]) {}
}

impl Take for Remembering {
    fn write(&mut self, party: Party, packet: &Packet) {
        self.remember(Write(party, packet.at.ms()));
    }

    fn name(&mut self, _: Party, _: &str) {}

    fn gap(&mut self, from: MediaTime, to: MediaTime, reason: GapReason) {
        assert_eq!(reason, GapReason::Degraded);
        self.remember(Gap(from.ms(), to.ms()));
    }

    fn pause(&mut self, at: MediaTime, by: &str, durable: Durable) {
        self.remember(Told::Pause(at.ms(), by.into()));
        self.0.waiting.lock().unwrap().push(durable);
    }

    fn resume(&mut self, at: MediaTime, durable: Durable) {
        self.remember(Resume(at.ms()));
        self.0.waiting.lock().unwrap().push(durable);
    }

    fn is_degraded(&self) -> bool {
        self.0.loses.load(Ordering::Relaxed)
    }

    fn end(self: Box<Self>, at: MediaTime) {
        self.remember(End(at.ms()));
    }

    fn discard(self: Box<Self>) {
        self.remember(Discard);
    }
}

/// One call with its recorder, in a world where only the test moves time.
struct Desk {
    bus: Bus,
    recorder: Arc<Memory>,
    events: Events,
    start: Instant,
}

impl Desk {
    fn new() -> Self {
        let fleet = Fleet::in_process();
        let call = CallId(clock::new_id());
        let recorder = Arc::new(Memory::default());
        let of = Of {
            call,
            tenant: "acme".into(),
            started_at: Timestamp::from_unix_ms(1_000_000),
        };
        let log = fleet.event_log(call, 1);
        let record = Record::new(Arc::new(Remembering(recorder.clone())), log, of);
        Self {
            bus: Bus::new(Some(record), sink::Level::new(fleet.clone(), call)),
            recorder,
            events: fleet.events(),
            start: clock::now(),
        }
    }

    fn moment(&self, ms: u64) -> (MediaTime, Instant) {
        let since = Duration::from_millis(ms);
        (MediaTime::from_duration(since), self.start + since)
    }

    fn says(&mut self, party: Party, ms: u64) {
        self.says_bytes(party, ms, 80);
    }

    fn says_bytes(&mut self, party: Party, ms: u64, bytes: usize) {
        let (at, arrived) = self.moment(ms);
        let packet = Packet {
            track: TrackId(0),
            ssrc: 1,
            seq: ms,
            at,
            codec: Codec::Opus,
            marker: false,
            level_dbov: None,
            payload: vec![0; bytes].into(),
            arrived,
        };
        self.bus.deliver(0, party, &packet);
    }

    fn asks(&mut self, ms: u64) -> bool {
        let (_, now) = self.moment(ms);
        self.bus.permit.poll_question(now)
    }

    fn answer(&mut self, ms: u64, rule: RecordingRule) {
        let (at, now) = self.moment(ms);
        self.bus.handle_rule(Ok(rule), at, now);
    }

    /// The control plane allows everything, at once.
    fn allow(&mut self, ms: u64) {
        assert!(self.asks(ms));
        self.answer(ms, RecordingRule::default());
    }

    fn tick(&mut self, ms: u64) {
        let (at, now) = self.moment(ms);
        self.bus.handle_tick(true, at, now);
    }

    fn digit(&mut self, ms: u64) {
        let (at, now) = self.moment(ms);
        self.bus.handle_digit(at, now);
    }

    /// A pause, with a place that says when it is durable.
    fn pause(&mut self, ms: u64, by: &str) -> Arc<AtomicBool> {
        let (durable, flag) = flagging();
        self.bus.pause(self.moment(ms).0, by, durable);
        flag
    }

    fn resume(&mut self, ms: u64) -> Arc<AtomicBool> {
        let (durable, flag) = flagging();
        self.bus.resume(self.moment(ms).0, durable);
        flag
    }

    fn stop(&mut self, ms: u64, erase: bool) {
        self.bus.stop(self.moment(ms).0, erase);
    }

    /// What takes were told since the last time.
    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.recorder.told.lock().unwrap())
    }

    /// Names of the events that were sent since the last time.
    fn events(&mut self) -> Vec<CallEvent> {
        let mut sent = Vec::new();
        loop {
            let next = pin!(self.events.recv());
            let Poll::Ready(delivery) = next.poll(&mut Context::from_waker(Waker::noop())) else {
                return sent;
            };
            sent.push(delivery.event().event.clone());
            delivery.taken();
        }
    }
}

fn flagging() -> (Durable, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    let durable = Box::new(move |result: Result<(), TakeError>| {
        set.store(result.is_ok(), Ordering::Relaxed);
    });
    (durable, flag)
}

fn paused_by(by: &str) -> Told {
    Told::Pause(0, by.into())
}

#[test]
fn everybody_is_kept_from_the_first_sound_on_once_that_is_allowed() {
    let mut desk = Desk::new();
    assert!(!desk.asks(0), "nobody was heard");
    desk.says(Customer, 100);
    desk.says(Agent, 110);
    assert!(desk.told().is_empty(), "nothing is kept before the answer");
    desk.allow(200);
    desk.says(Supervisor, 220);
    let said = [
        Write(Customer, 100),
        Write(Agent, 110),
        Write(Supervisor, 220),
    ];
    assert_eq!(desk.told(), [&[Begin][..], &said].concat());
    assert!(matches!(
        desk.events()[..],
        [CallEvent::RecordingStarted { .. }]
    ));
    let record = desk.bus.record.take().unwrap();
    record.end(desk.moment(5000).0);
    assert_eq!(desk.told(), [End(5000)]);
    assert!(matches!(
        desk.events()[..],
        [CallEvent::RecordingEnded { .. }]
    ));
}

#[test]
fn nothing_is_kept_of_a_call_without_consent() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    let denied = RecordingRule {
        denied: true,
        ..RecordingRule::default()
    };
    desk.answer(10, denied);
    desk.says(Customer, 20);
    desk.tick(60_000);
    assert!(desk.resume(70_000).load(Ordering::Relaxed));
    desk.says(Customer, 80_000);
    assert!(desk.told().is_empty());
    assert!(desk.events().is_empty());
}

#[test]
fn nothing_is_kept_of_a_call_that_is_over_before_the_answer() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    let record = desk.bus.record.take().unwrap();
    record.end(desk.moment(900).0);
    desk.answer(1000, RecordingRule::default());
    assert!(desk.told().is_empty());
    assert!(desk.events().is_empty());
}

#[test]
fn a_call_that_is_paused_already_has_a_take_that_is_paused_before_anything_is_in_it() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    let rule = RecordingRule {
        paused_by: Some("u1".into()),
        ..RecordingRule::default()
    };
    desk.answer(40, rule);
    assert_eq!(desk.told(), [Begin, paused_by("u1")]);
    desk.resume(3000);
    desk.says(Agent, 3010);
    assert_eq!(desk.told(), [Resume(3000), Write(Agent, 3010)]);
}

#[test]
fn a_pause_is_answered_when_no_crash_can_undo_it() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    desk.allow(0);
    let durable = desk.pause(1000, "u1");
    assert!(!durable.load(Ordering::Relaxed));
    let waiting = desk.recorder.waiting.lock().unwrap().pop().unwrap();
    waiting(Ok(()));
    assert!(durable.load(Ordering::Relaxed));
    let resumed = desk.resume(2000);
    assert!(!resumed.load(Ordering::Relaxed));
    let told = [
        Begin,
        Write(Customer, 0),
        Told::Pause(1000, "u1".into()),
        Resume(2000),
    ];
    assert_eq!(desk.told(), told);
}

#[test]
fn a_pause_before_the_first_sound_is_remembered() {
    let mut desk = Desk::new();
    assert!(
        desk.pause(500, "u1").load(Ordering::Relaxed),
        "nothing is kept as it is"
    );
    desk.says(Customer, 1000);
    desk.allow(1000);
    desk.says(Customer, 1020);
    // the take knows of the pause and drops what is said in it
    let told = [Begin, Told::Pause(500, "u1".into()), Write(Customer, 1020)];
    assert_eq!(desk.told(), told);
}

#[test]
fn a_pause_that_overtakes_the_answer_costs_what_was_held_before_it() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    desk.says(Customer, 20);
    desk.pause(30, "u1");
    desk.says(Customer, 40);
    desk.answer(50, RecordingRule::default());
    assert!(
        desk.told().is_empty(),
        "the answer may be older than the pause"
    );
    desk.resume(60);
    desk.says(Customer, 50);
    desk.says(Customer, 70);
    desk.allow(80);
    assert_eq!(desk.told(), [Begin, Gap(0, 70), Write(Customer, 70)]);
}

#[test]
fn what_is_held_is_bounded_in_time_and_what_is_lost_of_it_is_a_gap() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    for ms in (20..=15_000).step_by(20) {
        desk.says(Customer, ms);
    }
    let (at, now) = desk.moment(15_000);
    let away = Err(LedgerError::Away("its database is away".into()));
    desk.bus.handle_rule(away, at, now);
    assert!(desk.told().is_empty());
    desk.allow(20_000);
    let told = desk.told();
    assert_eq!(told[..3], [Begin, Gap(0, 5000), Write(Customer, 5000)]);
    assert_eq!(told.len(), 2 + 501);
}

#[test]
fn what_is_held_is_bounded_in_bytes() {
    let mut desk = Desk::new();
    for ms in 0..2000 {
        desk.says_bytes(Customer, ms, 1400);
    }
    desk.allow(2000);
    let kept = desk.told().len() - 2;
    assert!((300..375).contains(&kept), "{kept} packets of 1,400 bytes");
}

#[test]
fn a_take_that_is_refused_is_begun_when_there_is_room_with_what_is_missing_as_a_gap() {
    let mut desk = Desk::new();
    desk.recorder.refuses.store(true, Ordering::Relaxed);
    desk.says(Customer, 100);
    desk.allow(100);
    for ms in (250..=20_000).step_by(250) {
        desk.tick(ms);
        desk.says(Customer, ms);
    }
    assert!(desk.told().is_empty());
    assert!(
        matches!(desk.events()[..], [CallEvent::RecordingFailed { .. }]),
        "told once"
    );
    desk.pause(20_100, "u1");
    desk.recorder.refuses.store(false, Ordering::Relaxed);
    desk.tick(25_250);
    desk.says(Customer, 25_300);
    let pause = Told::Pause(20_100, "u1".into());
    assert_eq!(
        desk.told(),
        [Begin, pause, Gap(100, 20_100), Write(Customer, 25_300)]
    );
    assert!(matches!(
        desk.events()[..],
        [CallEvent::RecordingStarted { .. }]
    ));
}

#[test]
fn a_call_that_is_stopped_is_not_begun_again() {
    for (erase, last) in [(true, Discard), (false, End(1000))] {
        let mut desk = Desk::new();
        desk.says(Customer, 0);
        desk.allow(0);
        desk.stop(1000, erase);
        desk.says(Customer, 1020);
        desk.tick(60_000);
        assert_eq!(desk.told(), [Begin, Write(Customer, 0), last]);
    }
}

#[test]
fn health_is_told_when_it_changes() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    desk.allow(0);
    desk.events();
    for (loses, expected) in [(false, 0), (true, 1), (true, 0), (false, 1)] {
        desk.recorder.loses.store(loses, Ordering::Relaxed);
        desk.tick(250);
        let events = desk.events();
        assert_eq!(events.len(), expected, "{events:?}");
        assert!(events.iter().all(
            |event| matches!(event, CallEvent::RecordingDegraded { degraded, .. } if *degraded == loses)
        ));
    }
}

#[test]
fn a_digit_pauses_from_a_second_before_it_and_says_so_once_a_second() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    let rule = RecordingRule {
        pause_on_dtmf: true,
        ..RecordingRule::default()
    };
    desk.answer(0, rule);
    desk.told();
    desk.events();
    for ms in [5000, 5300, 5600, 6100] {
        desk.digit(ms);
    }
    assert_eq!(desk.told(), [Told::Pause(4000, BY_DTMF.into())]);
    let events = desk.events();
    assert_eq!(events.len(), 2, "{events:?}");
    for event in events {
        let CallEvent::RecordingPaused { at, by, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!((at.unix_ms(), by.as_str()), (1_004_000, BY_DTMF));
    }
}

#[test]
fn a_digit_before_the_answer_is_told_of_when_the_take_begins() {
    let mut desk = Desk::new();
    desk.says(Customer, 0);
    assert!(desk.asks(0));
    desk.digit(1500);
    desk.says(Customer, 1520);
    let rule = RecordingRule {
        pause_on_dtmf: true,
        ..RecordingRule::default()
    };
    desk.answer(1600, rule);
    let pause = Told::Pause(500, BY_DTMF.into());
    assert_eq!(desk.told(), [Begin, pause, Write(Customer, 0)]);
    let events = desk.events();
    assert!(
        matches!(
            events[..],
            [
                CallEvent::RecordingStarted { .. },
                CallEvent::RecordingPaused { .. }
            ]
        ),
        "{events:?}"
    );
}
