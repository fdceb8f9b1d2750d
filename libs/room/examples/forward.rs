//! Taps every room whose name begins with a prefix and publishes what is said into one other
//! room, all on one thread:
//! `cargo run --release --example forward -- ws://127.0.0.1:7880 KEY SECRET PREFIX [MONITOR]`.

#![expect(clippy::print_stderr, reason = "an example talks")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "it cares about a few of many events"
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use sidetone_room::service::RoomService;
use sidetone_room::token::{Credentials, Token};
use sidetone_room::{
    Audience, Event, JoinPacer, Options, PublishOptions, Room, RtpIn, RtpOut, Stage, StageEvent,
    StageOptions, StageTrack,
};
use tokio::sync::Notify;

/// Where a tap's track goes, once the stage has one for it.
type Slot = Rc<RefCell<Option<StageTrack>>>;

/// What taps have heard and the stage has not sent yet.
#[derive(Default)]
struct Queue {
    packets: RefCell<Vec<(StageTrack, RtpIn)>>,
    wanted: RefCell<Vec<(String, Slot)>>,
    arrived: Notify,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, key, secret, prefix, monitor @ ..] = &arguments[..] else {
        return Err("usage: forward URL KEY SECRET PREFIX [MONITOR]".into());
    };
    let credentials = Credentials::new(key, secret);
    let rooms = RoomService::new(url, &credentials).list_rooms().await?;
    let queue = Rc::new(Queue::default());
    let local = tokio::task::LocalSet::new();
    let pacer = JoinPacer::per_second(50);
    for (n, room) in rooms
        .iter()
        .filter(|room| room.name.starts_with(prefix))
        .enumerate()
    {
        let token = Token::tap(&room.name, &format!("tap-{n}")).sign(&credentials)?;
        let mut options = Options::new(url, token);
        options.pacer = pacer.clone();
        local.spawn_local(tap(options, monitor.first().map(|_| queue.clone())));
    }
    if let Some(monitor) = monitor.first().cloned() {
        let token = move |connection: u32, attempt: u32| {
            let identity = format!("forward-{connection}-{attempt}");
            Token::publisher(&monitor, &identity)
                .sign(&credentials)
                .map_err(|e| e.to_string())
        };
        let stage = Stage::new(StageOptions {
            url: url.clone(),
            token: Arc::new(token),
            audience: Audience::Everybody,
            pacer,
            uplink_nack: std::env::var_os("NO_NACK").is_none(),
        });
        local.spawn_local(forward(stage, queue));
    }
    local.await;
    Ok(())
}

async fn tap(options: Options, queue: Option<Rc<Queue>>) {
    let mut room = match Box::pin(Room::join(options)).await {
        Ok(room) => room,
        Err(error) => return eprintln!("{error}"),
    };
    let mut tracks: HashMap<u32, Slot> = HashMap::new();
    loop {
        match room.next().await {
            Event::TrackPublished { track, .. } if track.audio => room.subscribe(&track.sid),
            Event::Subscribed { track, sid } => {
                let Some(queue) = &queue else { continue };
                let slot = Rc::new(RefCell::new(None));
                queue.wanted.borrow_mut().push((sid, slot.clone()));
                queue.arrived.notify_one();
                tracks.insert(track, slot);
            }
            Event::Packet(packet) => {
                let Some(queue) = &queue else { continue };
                let Some(to) = tracks.get(&packet.track).and_then(|slot| *slot.borrow()) else {
                    continue;
                };
                queue.packets.borrow_mut().push((to, packet));
                queue.arrived.notify_one();
            }
            Event::Closed(why) => return eprintln!("{}: {why}", room.name()),
            _ => {}
        }
    }
}

async fn forward(mut stage: Stage, queue: Rc<Queue>) {
    loop {
        tokio::select! {
            event = stage.next() => if let StageEvent::PublishFailed { reason, .. } = event {
                eprintln!("{reason}");
            },
            () = queue.arrived.notified() => {
                for (name, slot) in queue.wanted.take() {
                    *slot.borrow_mut() = Some(stage.publish(PublishOptions::opus(&name)));
                }
                for (to, packet) in queue.packets.take() {
                    stage.write(to, RtpOut {
                        seq: packet.seq,
                        timestamp: packet.timestamp,
                        marker: packet.marker,
                        level_dbov: packet.level_dbov,
                        payload: packet.payload,
                    });
                }
                stage.flush();
            }
        }
    }
}
