//! Calls heard by feed, as listeners outside of LiveKit hear them.

use sidetone_codec::{StereoDecoder, pcm};
use sidetone_fleet::{Feed, FeedEnd};
use sidetone_room::token::{Kind, Token};
use sidetone_service::clock;
use sidetone_simulate::listen::Manner;
use sidetone_testkit::{LivekitServer, Tone, ToneSpeaker, level_dbfs, wait_for, wait_some};
use sidetone_wire::{
    CallEvent, CallId, Command, CommandError, FeedId, FeedSound, MonitorRoom, Reply,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::sockets::{AGENT, CUSTOMER, Vendor};
use crate::world::{DEADLINE, World, credentials, monitor_room};

/// Frames of a second.
const SECOND: usize = 50;

async fn feed(world: &World, call: CallId, monitor: MonitorRoom, sound: FeedSound) -> Feed {
    let feed = world.fleet.open_feed(FeedId(clock::new_id()));
    let command = Command::Feed {
        call,
        monitor,
        feed: feed.id(),
        sound,
    };
    // whoever has won a call takes commands for it a moment later
    wait_for("the call's holder", DEADLINE, || async {
        let answer = world.command(call, command.clone()).await;
        assert!(
            matches!(answer, Ok(Reply::Done) | Err(CommandError::NoHolder)),
            "{answer:?}"
        );
        answer.is_ok()
    })
    .await;
    feed
}

async fn next(feed: &mut Feed) -> Result<Vec<u8>, FeedEnd> {
    let next = tokio::time::timeout(DEADLINE, feed.next()).await;
    Ok(next.expect("a frame in time")?.to_vec())
}

/// A second of both sides, at 48 kHz.
async fn second(feed: &mut Feed, sound: FeedSound, opus: &mut StereoDecoder) -> [Vec<i16>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..SECOND {
        let frame = next(feed).await.unwrap();
        let samples = match sound {
            FeedSound::Opus => opus.decode(&frame).unwrap().to_vec(),
            FeedSound::Linear16 { .. } => pcm::from_bytes(&frame),
        };
        for pair in samples.as_chunks::<2>().0 {
            sides[0].push(pair[0]);
            sides[1].push(pair[1]);
        }
    }
    sides
}

/// Waits for a second in which the parties are heard whole, each on their side alone.
async fn hears_both(feed: &mut Feed, sound: FeedSound) {
    let mut opus = StereoDecoder::new().unwrap();
    let mut last = Vec::new();
    for _ in 0..20 {
        let [left, right] = second(feed, sound, &mut opus).await;
        let level = |pcm: &[i16], hz| level_dbfs(pcm, hz);
        last = vec![
            level(&left, CUSTOMER),
            level(&right, AGENT),
            level(&left, AGENT),
            level(&right, CUSTOMER),
        ];
        let loud = last[..2].iter().all(|level| (level + 12.0).abs() < 1.5);
        if loud && last[2..].iter().all(|level| *level < -55.0) {
            return;
        }
    }
    panic!("{sound:?}: customer left and agent right, then crosstalk: {last:?} dBFS");
}

/// Somebody who hears both parties, and then whatever comes until the end.
struct Listener {
    heard: oneshot::Receiver<()>,
    ended: JoinHandle<FeedEnd>,
}

impl Listener {
    async fn listens(world: &World, call: CallId, number: u128, sound: FeedSound) -> Self {
        let mut feed = feed(world, call, monitor_room(number), sound).await;
        let (hears, heard) = oneshot::channel();
        let ended = tokio::spawn(async move {
            hears_both(&mut feed, sound).await;
            hears.send(()).unwrap();
            loop {
                if let Err(end) = feed.next().await {
                    return end;
                }
            }
        });
        Self { heard, ended }
    }

    async fn hears_both(&mut self) {
        let heard = tokio::time::timeout(DEADLINE, &mut self.heard).await;
        heard
            .expect("both parties in time")
            .expect("as they were said");
    }

    async fn ended(self) -> FeedEnd {
        let ended = tokio::time::timeout(DEADLINE, self.ended).await;
        ended.expect("it ends in time").unwrap()
    }
}

const WIDE: FeedSound = FeedSound::Linear16 { rate_hz: 48_000 };

#[tokio::test(flavor = "multi_thread")]
async fn a_call_behind_a_socket_is_heard_without_livekit_by_everybody_who_asks() {
    let world = World::start_alone();
    let vendor = Vendor::start(Manner::default()).await;
    vendor.is_heard_by(&world).await;
    let mut listeners = Vec::new();
    for (number, sound) in [(1, FeedSound::Opus), (2, WIDE), (3, WIDE)] {
        listeners.push(Listener::listens(&world, vendor.call, number, sound).await);
    }
    for listener in &mut listeners {
        listener.hears_both().await;
    }
    // LiveKit is not there, and nobody says otherwise
    let monitor = monitor_room(1);
    let refused = world.listen(vendor.call, &monitor).await;
    assert!(
        matches!(refused, Err(CommandError::Unsupported { .. })),
        "{refused:?}"
    );

    world.unlisten(vendor.call, &monitor).await;
    let user = monitor_room(2).user;
    world.fleet.command_all(Command::UnlistenAll { user }).await;
    let last = listeners.pop().unwrap();
    for listener in listeners {
        assert_eq!(listener.ended().await, FeedEnd::Revoked);
    }
    vendor.ends(&world).await;
    assert_eq!(last.ended().await, FeedEnd::Over(None));
    let left = |event: &CallEvent| matches!(event, CallEvent::ListenerLeft { .. });
    let left = world.events().iter().any(|event| left(&event.event));
    assert!(!left, "nobody left by themselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_a_room_is_heard_by_feed_as_one_behind_a_socket_is() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut speakers = Vec::new();
    let parties = [
        ("customer", Kind::Standard, CUSTOMER),
        ("agent", Kind::Agent, AGENT),
    ];
    for (identity, kind, hz) in parties {
        let token = Token::participant("call-1", identity).kind(kind);
        let token = token.sign(&credentials(&server)).unwrap();
        let tone = Tone::new(hz, -12.0).unwrap();
        let speaker = ToneSpeaker::join(&server.url(), token, tone).await;
        speakers.push(speaker.unwrap());
    }
    let (call, _) = world
        .call_in("call-1", |facts| facts.answered_at.is_some())
        .await;
    let mut listeners = Vec::new();
    for (number, sound) in [(1, FeedSound::Opus), (2, WIDE)] {
        listeners.push(Listener::listens(&world, call, number, sound).await);
    }
    for listener in &mut listeners {
        listener.hears_both().await;
    }

    // who goes by themselves is told of, once nothing of theirs is left
    let user = monitor_room(3).user;
    let first = feed(&world, call, monitor_room(3), WIDE).await;
    drop(feed(&world, call, monitor_room(3), WIDE).await);
    drop(first);
    wait_for("the listener's leaving", DEADLINE, || async {
        let left = CallEvent::ListenerLeft { user };
        world.events().iter().any(|event| event.event == left)
    })
    .await;
    drop(speakers);
    for listener in listeners {
        let FeedEnd::Over(Some(reason)) = listener.ended().await else {
            panic!("the call is over for everybody");
        };
        let ending = wait_some("the call's end", DEADLINE, || async {
            world.endings(call).into_iter().next()
        });
        let (_, told) = ending.await;
        assert_eq!(told.split('/').next_back(), Some(&*reason));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_ends_says_that_the_call_goes_on_elsewhere() {
    let mut world = World::start_alone();
    let vendor = Vendor::start(Manner::default()).await;
    vendor.is_heard_by(&world).await;
    let mut feed = feed(&world, vendor.call, monitor_room(1), FeedSound::Opus).await;
    next(&mut feed).await.unwrap();
    world.drain().await;
    let end = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Err(end) = feed.next().await {
                return end;
            }
        }
    });
    assert_eq!(end.await.expect("it ends"), FeedEnd::Elsewhere);
}
