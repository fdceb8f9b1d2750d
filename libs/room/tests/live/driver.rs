//! Drives rooms for the tests: every room has a task that collects its events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidetone_room::token::{Credentials, Token};
use sidetone_room::{Event, LocalTrack, Options, PublishOptions, Room, RtpIn, RtpOut};
use sidetone_testkit::{LivekitServer, wait_for, wait_some};
use tokio::sync::{mpsc, oneshot};

/// Generous: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

type Act = Box<dyn FnOnce(&mut Room) + Send>;

/// A room that is driven by a task of its own, for tests.
pub(crate) struct Driven {
    acts: mpsc::UnboundedSender<Act>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    pub(crate) packets: Arc<Mutex<Vec<RtpIn>>>,
    leave: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

pub(crate) fn credentials(server: &LivekitServer) -> Credentials {
    Credentials::new(server.api_key(), server.api_secret())
}

pub(crate) fn options(server: &LivekitServer, token: Token) -> Options {
    Options::new(
        &server.url(),
        token.sign(&credentials(server)).expect("signed"),
    )
}

/// Shows logs of a failing test with `RUST_LOG=sidetone_room=debug`.
pub(crate) fn logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init(),
    );
}

impl Driven {
    pub(crate) async fn join(options: Options) -> Self {
        let mut room = Room::join(options).await.expect("joined");
        let (acts, mut queue) = mpsc::unbounded_channel::<Act>();
        let (leave, mut left) = oneshot::channel::<oneshot::Sender<()>>();
        let events = Arc::new(Mutex::new(Vec::new()));
        let packets = Arc::new(Mutex::new(Vec::new()));
        let (kept_events, kept_packets) = (events.clone(), packets.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = room.next() => match event {
                        Event::Packet(packet) => kept_packets.lock().expect("no panic").push(packet),
                        event => kept_events.lock().expect("no panic").push(event),
                    },
                    act = queue.recv() => match act {
                        Some(act) => act(&mut room),
                        None => break,
                    },
                    done = &mut left => {
                        room.leave().await;
                        if let Ok(done) = done {
                            let _ = done.send(());
                        }
                        break;
                    }
                }
            }
        });
        Self {
            acts,
            events,
            packets,
            leave: Some(leave),
        }
    }

    /// Does something to the room and returns what it gives.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Room) -> T + Send + 'static,
    ) -> T {
        let (done, result) = oneshot::channel();
        let act: Act = Box::new(move |room| drop(done.send(act(room))));
        self.acts.send(act).ok().expect("the room's task lives");
        result.await.expect("the room's task lives")
    }

    /// Waits until data can come and go.
    pub(crate) async fn connected(&self) {
        self.wait("the connection", |event| {
            matches!(event, Event::Connected).then_some(())
        })
        .await;
    }

    /// Waits until an event fits, and says what of it is wanted.
    pub(crate) async fn wait<T>(&self, what: &str, fits: impl Fn(&Event) -> Option<T>) -> T {
        wait_some(what, DEADLINE, || async {
            self.events.lock().unwrap().iter().find_map(&fits)
        })
        .await
    }

    pub(crate) fn clear(&self) {
        self.events.lock().unwrap().clear();
        self.packets.lock().unwrap().clear();
    }

    pub(crate) async fn publish(&self, options: PublishOptions) -> (LocalTrack, String) {
        let track = self.act(move |room| room.publish(options)).await;
        let sid = self
            .wait("our track to be published", |event| match event {
                Event::Published { track: t, sid } if *t == track => Some(sid.clone()),
                Event::PublishFailed { reason, .. } => panic!("{reason}"),
                _ => None,
            })
            .await;
        (track, sid)
    }

    /// Waits for a track of this name, subscribes it and returns its sid.
    pub(crate) async fn subscribe(&self, name: &'static str) -> String {
        let sid = self
            .wait("a published track", |event| match event {
                Event::TrackPublished { track, .. } if track.name == name => {
                    Some(track.sid.clone())
                }
                _ => None,
            })
            .await;
        let wanted = sid.clone();
        self.act(move |room| room.subscribe(&wanted)).await;
        sid
    }

    /// The number under which packets of this track come.
    pub(crate) async fn number_of(&self, sid: &str) -> u32 {
        self.wait("the subscription", |event| match event {
            Event::Subscribed { track, sid: s } if s == sid => Some(*track),
            _ => None,
        })
        .await
    }

    pub(crate) async fn wait_packets(&self, number: u32, count: usize) {
        wait_for(
            &format!("{count} packets of track {number}"),
            DEADLINE,
            || async {
                self.packets
                    .lock()
                    .unwrap()
                    .iter()
                    .filter(|p| p.track == number)
                    .count()
                    >= count
            },
        )
        .await;
    }

    pub(crate) async fn leave(mut self) {
        let (done, left) = oneshot::channel();
        let leave = self.leave.take().expect("once");
        leave.send(done).ok().expect("the room's task lives");
        left.await.expect("left");
    }

    /// Sends 20 ms packets on a track until the returned guard is dropped.
    pub(crate) fn send_steadily(
        &self,
        track: LocalTrack,
        payload: Vec<u8>,
        samples: u32,
    ) -> Sending {
        let acts = self.acts.clone();
        let payload: Arc<[u8]> = payload.into();
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            for n in 0.. {
                tick.tick().await;
                let packet = RtpOut {
                    seq: n,
                    timestamp: (n as u32).wrapping_mul(samples),
                    marker: n == 0,
                    level_dbov: Some(20),
                    payload: payload.clone(),
                };
                let write: Act = Box::new(move |room| {
                    room.write(track, packet);
                });
                if acts.send(write).is_err() {
                    break;
                }
            }
        });
        Sending(task)
    }
}

/// Stops sending when dropped.
pub(crate) struct Sending(tokio::task::JoinHandle<()>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}
