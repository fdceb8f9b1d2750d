//! Several supervisors speak in one call at once: by sound.

use std::time::Duration;

use sidetone_room::token::{Kind, Token};
use sidetone_service::clock;
use sidetone_testkit::{Heard, LivekitServer, PythonPeer, Tone, ToneSpeaker};
use sidetone_wire::{CallId, Command, MonitorRoom, Reply, Seat, TalkMode};

use crate::world::{DEADLINE, World, credentials, monitor_room};

const ROOM: &str = "several";
const CUSTOMER: f64 = 440.0;
const AGENT: f64 = 1000.0;
/// What the two supervisors say, in Hz: no harmonic of the others.
const FIRST: f64 = 1700.0;
const SECOND: f64 = 2300.0;
const LEVEL_DBFS: f64 = -12.0;
/// A tone that is heard.
const HEARD_DBFS: f64 = -30.0;
/// One that is not.
const SILENT_DBFS: f64 = -80.0;
/// How long something must stay silent.
const A_WHILE: Duration = Duration::from_secs(2);

async fn party(server: &LivekitServer, token: Token, hz: f64) -> PythonPeer {
    let mut peer = PythonPeer::start().await.unwrap();
    let token = token.sign(&credentials(server)).unwrap();
    peer.join(&server.url(), &token).await.unwrap();
    let said = peer.publish_tone("microphone", hz, LEVEL_DBFS).await;
    said.unwrap();
    peer
}

fn of_supervisors(heard: &Heard) -> bool {
    heard.identity.starts_with("supervisor-")
}

/// Waits until a tone is heard of a supervisor; gives whose identity that is.
async fn hears(peer: &mut PythonPeer, hz: f64) -> String {
    let what = format!("{hz} Hz of a supervisor");
    let loud = |track: &Heard| of_supervisors(track) && track.level_dbfs(hz) > HEARD_DBFS;
    let heard = peer.wait_heard(&what, DEADLINE, &[hz], loud).await;
    heard.identity
}

/// Waits until a tone is silent, and then that it stays so.
async fn hears_no(peer: &mut PythonPeer, hz: f64) {
    let mut level = async || {
        let heard = peer.heard(&[hz]).await.unwrap();
        let levels = heard.iter().map(|track| track.level_dbfs(hz));
        levels.fold(-200.0, f64::max)
    };
    let end = clock::now() + DEADLINE;
    while level().await >= SILENT_DBFS {
        assert!(clock::now() < end, "{hz} Hz does not fall silent");
    }
    let end = clock::now() + A_WHILE;
    while clock::now() < end {
        let level = level().await;
        assert!(level < SILENT_DBFS, "{hz} Hz at {level} dBFS");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Lets a supervisor speak so.
pub(crate) async fn talk(world: &World, call: CallId, monitor: &MonitorRoom, mode: TalkMode) {
    let seat = Seat {
        monitor: monitor.clone(),
        name: monitor.listener.clone(),
    };
    let told = world
        .command(call, Command::Talk { call, seat, mode })
        .await;
    assert_eq!(told, Ok(Reply::Done));
}

/// Somebody who listens and has an armed microphone.
pub(crate) async fn supervisor(
    server: &LivekitServer,
    world: &World,
    call: CallId,
    (monitor, hz): (&MonitorRoom, f64),
) -> ToneSpeaker {
    world.listen(call, monitor).await.unwrap();
    talk(world, call, monitor, TalkMode::Armed).await;
    let token = Token::talker(&monitor.room, &monitor.listener);
    let token = token.sign(&credentials(server)).unwrap();
    let tone = Tone::new(hz, LEVEL_DBFS).unwrap();
    let said = Box::pin(ToneSpeaker::join(&server.url(), token, tone)).await;
    said.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_supervisors_speak_at_once_each_on_tracks_of_their_own_to_whom_each_may() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let customer = Token::participant(ROOM, "caller");
    let mut customer = party(&server, customer, CUSTOMER).await;
    let agent = Token::participant(ROOM, "bot").kind(Kind::Agent);
    let mut agent = party(&server, agent, AGENT).await;
    let (call, _) = world
        .call_in(ROOM, |facts| facts.answered_at.is_some())
        .await;
    let (one, other) = (monitor_room(1), monitor_room(2));
    let _first = supervisor(&server, &world, call, (&one, FIRST)).await;
    let _second = supervisor(&server, &world, call, (&other, SECOND)).await;
    for hz in [FIRST, SECOND] {
        hears_no(&mut agent, hz).await;
    }

    talk(&world, call, &one, TalkMode::Whisper).await;
    talk(&world, call, &other, TalkMode::Barge).await;
    let first = hears(&mut agent, FIRST).await;
    let second = hears(&mut agent, SECOND).await;
    assert_ne!(first, second, "each is somebody else in the call");
    assert_eq!(hears(&mut customer, SECOND).await, second);
    hears_no(&mut customer, FIRST).await;

    talk(&world, call, &one, TalkMode::Barge).await;
    talk(&world, call, &other, TalkMode::Whisper).await;
    assert_eq!(hears(&mut customer, FIRST).await, first);
    hears_no(&mut customer, SECOND).await;
    assert_eq!(hears(&mut agent, FIRST).await, first);
    assert_eq!(hears(&mut agent, SECOND).await, second);

    // one who stops, or goes, takes nobody else along
    talk(&world, call, &one, TalkMode::Off).await;
    talk(&world, call, &other, TalkMode::Barge).await;
    hears_no(&mut customer, FIRST).await;
    assert_eq!(hears(&mut customer, SECOND).await, second);
    world.unlisten(call, &one).await;
    hears_no(&mut agent, FIRST).await;
    assert_eq!(hears(&mut agent, SECOND).await, second);
}
