//! What is kept of a call, and what is not.

use sidetone_fleet::LEASE_TTL;
use sidetone_room::service::RoomService;
use sidetone_room::token::Token;
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, PythonPeer, wait_for};
use sidetone_wire::{
    CallEvent, CallId, Command, CommandError, NodeId, Party, RecordingRule, Reply, Timestamp,
};

use crate::peers::{Listener, Peer, sounds};
use crate::world::{DEADLINE, World, credentials, monitor_room};

/// What is said that must not be kept, in Hz.
const CARD_NUMBER: f64 = 2000.0;
/// What an act of a party and a command to the gateway may differ by: a packet.
const TOLERANCE: usize = 1;

fn pause(call: CallId) -> Command {
    let by = "u1".to_owned();
    Command::PauseRecording { call, by }
}

fn done(command: &str, answer: &Result<Reply, CommandError>) {
    assert_eq!(answer, &Ok(Reply::Done), "{command}");
}

/// A room whose call has a rule before anybody is in it.
pub(crate) async fn ruled(
    server: &LivekitServer,
    world: &World,
    room: &str,
    rule: RecordingRule,
) -> CallId {
    let service = RoomService::new(&server.url(), &credentials(server));
    service.create_room(room, "").await.unwrap();
    let info = service.find_room(room).await.unwrap().unwrap();
    let created_at = Timestamp::from_unix_ms(info.created_unix_ms);
    let call = CallId::of_upstream("livekit", &info.sid, created_at);
    world.ledger.set_rule(call, rule);
    call
}

/// Waits until so many more packets of the call's latest take are kept.
async fn keeps_more(world: &World, call: CallId, packets: usize) {
    let kept = || {
        world
            .takes
            .of(call)
            .last()
            .map_or(0, |take| take.kept.len())
    };
    let before = kept();
    wait_for("the recording to go on", DEADLINE, || async {
        kept() >= before + packets
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_pause_reaches_no_take() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    world.recorded(call, 50).await;
    let [talk, card] = [440.0, CARD_NUMBER].map(sounds);
    let hears = Listener::join(&server, "call-1", "bystander").await;
    for round in 0..3 {
        done("pause", &world.command(call, pause(call)).await);
        customer.say(&card).await;
        let heard = hears.all_packets();
        wait_for("two seconds of talk", DEADLINE, || async {
            hears.all_packets() > heard + 200
        })
        .await;
        customer.say(&talk).await;
        let resume = Command::ResumeRecording { call };
        done("resume", &world.command(call, resume).await);
        keeps_more(&world, call, 50).await;
        let takes = world.takes.of(call);
        let leaked = takes[0].kept_of(&card);
        assert!(leaked <= TOLERANCE * (round + 1), "{leaked} packets leaked");
    }
    let takes = world.takes.of(call);
    assert_eq!(takes.len(), 1, "one take over all pauses");
    assert_eq!(takes[0].pauses.len(), 3);
    for pause in &takes[0].pauses {
        let length_ms = pause.to.unwrap().ms() - pause.from.ms();
        assert!(length_ms > 1500, "{length_ms} ms");
        assert_eq!(pause.by, "u1");
    }
    println!("{} packets leaked in 3 pauses", takes[0].kept_of(&card));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_answered_when_it_is_on_disk_and_not_before() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    world.recorded(call, 20).await;
    world.takes.hold_disk();
    let fleet = world.fleet.clone();
    let asking = tokio::spawn(async move { fleet.command(call, pause(call)).await });
    wait_for("the pause at the disk", DEADLINE, || async {
        world.takes.waiting() == 1
    })
    .await;
    assert!(!asking.is_finished());
    assert!(world.takes.of(call)[0].is_paused(), "at once all the same");
    world.takes.let_disk_go_on();
    done("pause", &asking.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_another_gateway_takes_over_stays_paused() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    world.recorded(call, 20).await;
    let paused = RecordingRule {
        paused_by: Some("u1".into()),
        ..RecordingRule::default()
    };
    world.ledger.set_rule(call, paused);
    done("pause", &world.command(call, pause(call)).await);
    let card = sounds(CARD_NUMBER);
    customer.say(&card).await;

    // another gateway whose clock says that the lease has run out
    let later = clock::now() + LEASE_TTL * 2;
    let other = NodeId("another".into());
    let stolen = world.fleet.acquire("room:call-1", &other, later).await;
    assert!(stolen.is_some());
    wait_for("the take's end", DEADLINE, || async {
        world.takes.of(call)[0].ended_at.is_some()
    })
    .await;
    drop(stolen);
    wait_for("another take, paused", DEADLINE, || async {
        let takes = world.takes.of(call);
        takes.len() == 2 && takes[1].is_paused()
    })
    .await;
    customer.say(&sounds(440.0)).await;
    done(
        "resume",
        &world.command(call, Command::ResumeRecording { call }).await,
    );
    keeps_more(&world, call, 50).await;
    let takes = world.takes.of(call);
    let leaked: usize = takes.iter().map(|take| take.kept_of(&card)).sum();
    assert!(leaked <= TOLERANCE, "{leaked} packets leaked");
    assert_eq!(takes[1].pauses[0].from.ms(), 0);
    assert!(takes[1].pauses[0].to.is_some());
    assert!(world.endings(call).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_consent_is_heard_and_not_recorded() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let denied = RecordingRule {
        denied: true,
        ..RecordingRule::default()
    };
    let call = ruled(&server, &world, "call-1", denied).await;
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    assert_eq!(world.call_in("call-1", |_| true).await.0, call);
    let monitor = monitor_room(1);
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    world.listen(call, &monitor).await.unwrap();
    wait_for("both parties", DEADLINE, || async {
        ["customer", "agent"]
            .iter()
            .all(|party| supervisor.packets(&format!("{call}/{party}")) > 50)
    })
    .await;
    assert!(world.takes.all().is_empty());
    // whoever resumes it has no say in that
    done(
        "resume",
        &world.command(call, Command::ResumeRecording { call }).await,
    );
    let heard = supervisor.all_packets();
    wait_for("more of them", DEADLINE, || async {
        supervisor.all_packets() > heard + 100
    })
    .await;
    assert!(world.takes.all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pressed_key_pauses_where_the_rule_says_so() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let rule = RecordingRule {
        pause_on_dtmf: true,
        ..RecordingRule::default()
    };
    let call = ruled(&server, &world, "call-1", rule).await;
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let mut keys = PythonPeer::start().await.unwrap();
    let token = Token::participant("call-1", "keys")
        .sign(&credentials(&server))
        .unwrap();
    keys.join(&server.url(), &token).await.unwrap();
    let before = world.recorded(call, 100).await;
    let pressed_at = clock::wall();
    keys.press('7').await.unwrap();
    wait_for("the pause", DEADLINE, || async {
        world.takes.of(call)[0].is_paused()
    })
    .await;
    let take = world.takes.of(call)[0].clone();
    let pause = &take.pauses[0];
    assert_eq!(pause.by, "rule:dtmf");
    assert!(
        take.latest >= pause.from,
        "nothing of the last second is kept"
    );
    assert!(take.kept.iter().all(|(at, _)| *at < pause.from));
    let told = || {
        let of_call = world
            .events()
            .into_iter()
            .filter(|event| event.call == call);
        let paused = of_call.filter_map(|event| match event.event {
            CallEvent::RecordingPaused { recording, at, by } => Some((recording, at, by)),
            _ => None,
        });
        paused.collect::<Vec<_>>()
    };
    wait_for("the control plane to know", DEADLINE, || async {
        !told().is_empty()
    })
    .await;
    let (recording, at, by) = told().remove(0);
    assert_eq!(
        (Some(recording), by.as_str()),
        (before.recording, "rule:dtmf")
    );
    let early_ms = pressed_at - at.unix_ms();
    assert!(
        (0..=1000).contains(&early_ms),
        "{early_ms} ms before the key"
    );
    // each second of pressing puts off the end of the pause
    let pressing = async {
        while told().len() < 2 {
            keys.press('7').await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, pressing).await.unwrap();
    assert_eq!(world.takes.of(call)[0].pauses.len(), 1);
    drop(keys);
    done(
        "resume",
        &world.command(call, Command::ResumeRecording { call }).await,
    );
    keeps_more(&world, call, 50).await;
    assert_eq!(world.takes.of(call)[0].heard(Party::Supervisor), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_stopped_is_destroyed_and_not_begun_again() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let _customer = Peer::customer(&server, "call-1").await;
    let _agent = Peer::agent(&server, "call-1").await;
    let (call, _) = world.call_in("call-1", |_| true).await;
    let take = world.recorded(call, 20).await;
    let stop = Command::StopRecording { call, erase: true };
    done("stop", &world.command(call, stop).await);
    assert!(world.takes.of(call)[0].discarded);
    let recordings = vec![take.recording.unwrap()];
    let erase = Command::EraseTakes {
        recordings: recordings.clone(),
    };
    world.fleet.command_all(erase).await;
    wait_for("the recorder to know", DEADLINE, || async {
        world.takes.erased() == recordings
    })
    .await;
    let monitor = monitor_room(1);
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    world.listen(call, &monitor).await.unwrap();
    wait_for("the call to go on", DEADLINE, || async {
        supervisor.all_packets() > 100
    })
    .await;
    assert_eq!(world.takes.of(call).len(), 1);
}
