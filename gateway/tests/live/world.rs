//! A gateway under test, with a recorder that remembers what it was given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidetone_fleet::Fleet;
use sidetone_fleet::take::{Outcome, Recorder, Take, TakeError, TakeStart};
use sidetone_media::{MediaTime, Packet};
use sidetone_room::token::Credentials;
use sidetone_service::Lifecycle;
use sidetone_testkit::{LivekitServer, wait_some};
use sidetone_wire::{
    CallEvent, CallFacts, CallId, Command, CommandError, GapReason, MonitorRoom, NodeId, Numbered,
    Party, Reply, Signal, UserId,
};
use tokio::task::JoinHandle;

/// Generous: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn credentials(server: &LivekitServer) -> Credentials {
    Credentials::new(server.api_key(), server.api_secret())
}

/// Shows logs of a failing test with `RUST_LOG=gateway=debug`.
fn logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init(),
    );
}

/// What a take was given.
#[derive(Debug, Default, Clone)]
pub(crate) struct Taken {
    pub(crate) call: Option<CallId>,
    pub(crate) tenant: String,
    pub(crate) packets: HashMap<Party, u64>,
    pub(crate) latest: MediaTime,
    pub(crate) names: HashMap<Party, String>,
    pub(crate) gaps: Vec<(MediaTime, MediaTime, GapReason)>,
    pub(crate) ended_at: Option<MediaTime>,
}

impl Taken {
    pub(crate) fn heard(&self, party: Party) -> u64 {
        self.packets.get(&party).copied().unwrap_or_default()
    }
}

/// A recorder that remembers.
#[derive(Default)]
pub(crate) struct Takes(Mutex<Vec<Arc<Mutex<Taken>>>>);

struct OneTake {
    taken: Arc<Mutex<Taken>>,
    outcome: Outcome,
}

impl Takes {
    pub(crate) fn all(&self) -> Vec<Taken> {
        let takes = self.0.lock().unwrap();
        takes
            .iter()
            .map(|take| take.lock().unwrap().clone())
            .collect()
    }

    pub(crate) fn of(&self, call: CallId) -> Vec<Taken> {
        self.all()
            .into_iter()
            .filter(|take| take.call == Some(call))
            .collect()
    }
}

impl Recorder for Takes {
    fn begin(&self, start: TakeStart, outcome: Outcome) -> Result<Box<dyn Take>, TakeError> {
        let taken = Arc::new(Mutex::new(Taken {
            call: Some(start.call),
            tenant: start.tenant,
            ..Taken::default()
        }));
        self.0.lock().unwrap().push(taken.clone());
        Ok(Box::new(OneTake { taken, outcome }))
    }
}

impl Take for OneTake {
    fn write(&mut self, party: Party, packet: &Packet) {
        let mut taken = self.taken.lock().unwrap();
        *taken.packets.entry(party).or_default() += 1;
        taken.latest = taken.latest.max(packet.at);
    }

    fn name(&mut self, party: Party, name: &str) {
        self.taken
            .lock()
            .unwrap()
            .names
            .insert(party, name.to_owned());
    }

    fn gap(&mut self, from: MediaTime, to: MediaTime, reason: GapReason) {
        self.taken.lock().unwrap().gaps.push((from, to, reason));
    }

    fn end(self: Box<Self>, at: MediaTime) {
        self.taken.lock().unwrap().ended_at = Some(at);
        (self.outcome)(Err(TakeError::Seal("kept in memory only".to_owned())));
    }
}

/// A gateway that runs on a server.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) takes: Arc<Takes>,
    pub(crate) life: Lifecycle,
    events: Arc<Mutex<Vec<Numbered>>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

impl World {
    pub(crate) fn start(server: &LivekitServer) -> Self {
        Self::start_with(&server.url(), credentials(server))
    }

    pub(crate) fn start_with(url: &str, credentials: Credentials) -> Self {
        logs();
        let fleet = Fleet::in_process();
        let takes = Arc::new(Takes::default());
        let settings = gateway::Settings {
            url: url.to_owned(),
            credentials,
            node: NodeId("test".to_owned()),
            shards: 2,
            record: true,
        };
        let life = Lifecycle::new(Duration::from_secs(5));
        let gateway = gateway::load(settings, fleet.clone(), takes.clone());
        let running = Some(tokio::spawn(gateway.run(life.clone())));
        let events = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(collect(fleet.clone(), events.clone()));
        Self {
            fleet,
            takes,
            life,
            events,
            running,
        }
    }

    pub(crate) fn events(&self) -> Vec<Numbered> {
        self.events.lock().unwrap().clone()
    }

    /// Every call that was told of, with its latest facts.
    pub(crate) fn calls(&self) -> HashMap<CallId, CallFacts> {
        let facts = self
            .events()
            .into_iter()
            .filter_map(|event| match event.event {
                CallEvent::Facts(facts) => Some((event.call, facts)),
                _ => None,
            });
        facts.collect()
    }

    /// How a call ended, as often as it was said.
    pub(crate) fn endings(&self, call: CallId) -> Vec<(sidetone_wire::Timestamp, String)> {
        let of_call = self.events().into_iter().filter(|event| event.call == call);
        of_call
            .filter_map(|event| match event.event {
                CallEvent::Ended { at, reason } => {
                    Some((at, format!("{}/{}", reason.class, reason.code)))
                }
                _ => None,
            })
            .collect()
    }

    /// Waits for the call in a room whose facts fit.
    pub(crate) async fn call_in(
        &self,
        room: &str,
        fits: impl Fn(&CallFacts) -> bool,
    ) -> (CallId, CallFacts) {
        wait_some("the call to be told of", DEADLINE, || async {
            self.calls()
                .into_iter()
                .find(|(_, facts)| facts.livekit_room_name.as_deref() == Some(room) && fits(facts))
        })
        .await
    }

    /// Waits until a call's only take has so many packets of both parties.
    pub(crate) async fn recorded(&self, call: CallId, packets: u64) -> Taken {
        wait_some(
            "both parties' packets at the recorder",
            DEADLINE,
            || async {
                let take = self.takes.of(call).into_iter().next()?;
                let heard = |party| take.heard(party) >= packets;
                (heard(Party::Customer) && heard(Party::Agent)).then_some(take)
            },
        )
        .await
    }

    pub(crate) async fn listen(
        &self,
        call: CallId,
        monitor: &MonitorRoom,
    ) -> Result<Reply, CommandError> {
        let monitor = monitor.clone();
        self.fleet
            .command(call, Command::Listen { call, monitor })
            .await
    }

    pub(crate) async fn unlisten(&self, call: CallId, monitor: &MonitorRoom) {
        let monitor = monitor.clone();
        let answer = self
            .fleet
            .command(call, Command::Unlisten { call, monitor })
            .await;
        assert_eq!(answer, Ok(Reply::Done));
    }

    /// Asks the gateway to end and waits until it has.
    pub(crate) async fn drain(&mut self) {
        self.life.shut_down();
        let running = self.running.take().expect("drained once");
        let ended = tokio::time::timeout(DEADLINE, running).await;
        ended
            .expect("the gateway ends in time")
            .expect("no panic")
            .expect("no failure");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.life.shut_down();
    }
}

async fn collect(fleet: Fleet, kept: Arc<Mutex<Vec<Numbered>>>) {
    let mut events = fleet.events();
    loop {
        let delivery = events.recv().await;
        kept.lock().unwrap().push(delivery.event().clone());
        delivery.taken();
    }
}

/// A supervisor's monitor room.
pub(crate) fn monitor_room(number: u128) -> MonitorRoom {
    let user = UserId(uuid::Uuid::from_u128(number));
    MonitorRoom {
        room: format!("sidetone-monitor-{number}"),
        listener: format!("supervisor-{number}"),
        user,
    }
}

/// Waits for what the link says.
pub(crate) async fn link_says(world: &World, fits: impl Fn(&Option<String>) -> bool) {
    let mut signals = world.fleet.signals();
    let search = async {
        loop {
            if let Ok(Signal::LivekitLink { problem }) = signals.recv().await
                && fits(&problem)
            {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, search)
        .await
        .expect("the link says so");
}
