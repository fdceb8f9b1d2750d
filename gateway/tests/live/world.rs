//! A gateway under test, with a recorder that remembers what it was given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidetone_fleet::Fleet;
use sidetone_fleet::ledger::MemoryLedger;
use sidetone_fleet::take::{Durable, Recorder, Take, TakeError, TakeStart};
use sidetone_media::{MediaTime, Packet};
use sidetone_room::token::Credentials;
use sidetone_service::Lifecycle;
use sidetone_testkit::{LivekitServer, wait_some};
use sidetone_wire::{
    CallEvent, CallFacts, CallId, Command, CommandError, GapReason, MonitorRoom, NodeId, Numbered,
    Party, RecordingId, Reply, Signal, UserId,
};
use tokio::task::JoinHandle;

use crate::door::Calls;

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

/// What a take was given, and what it keeps of that.
#[derive(Debug, Default, Clone)]
pub(crate) struct Taken {
    pub(crate) call: Option<CallId>,
    pub(crate) recording: Option<RecordingId>,
    pub(crate) tenant: String,
    pub(crate) packets: HashMap<Party, u64>,
    pub(crate) latest: MediaTime,
    pub(crate) names: HashMap<Party, String>,
    pub(crate) gaps: Vec<(MediaTime, MediaTime, GapReason)>,
    pub(crate) pauses: Vec<Paused>,
    pub(crate) kept: Vec<(MediaTime, Arc<[u8]>)>,
    /// The same with whose it is.
    pub(crate) heard_of: Vec<(Party, MediaTime, Arc<[u8]>)>,
    pub(crate) ended_at: Option<MediaTime>,
    pub(crate) discarded: bool,
}

/// A stretch that was paused.
#[derive(Debug, Clone)]
pub(crate) struct Paused {
    pub(crate) from: MediaTime,
    pub(crate) to: Option<MediaTime>,
    pub(crate) by: String,
}

impl Paused {
    fn holds(&self, at: MediaTime) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

impl Taken {
    pub(crate) fn heard(&self, party: Party) -> u64 {
        self.packets.get(&party).copied().unwrap_or_default()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pauses.last().is_some_and(|pause| pause.to.is_none())
    }

    /// How many packets are kept that are one of these.
    pub(crate) fn kept_of(&self, sounds: &[Arc<[u8]>]) -> usize {
        let kept = self.kept.iter();
        kept.filter(|(_, payload)| sounds.contains(payload)).count()
    }
}

/// A recorder that remembers.
#[derive(Default)]
pub(crate) struct Takes {
    begun: Mutex<Vec<Arc<Mutex<Taken>>>>,
    /// Callbacks of a disk that is slow until the test says otherwise.
    waiting: Arc<Mutex<Option<Vec<Durable>>>>,
    erased: Mutex<Vec<RecordingId>>,
}

struct OneTake {
    taken: Arc<Mutex<Taken>>,
    waiting: Arc<Mutex<Option<Vec<Durable>>>>,
}

impl Takes {
    pub(crate) fn all(&self) -> Vec<Taken> {
        let takes = self.begun.lock().unwrap();
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

    /// From here on nothing is durable before [`Takes::let_disk_go_on`].
    pub(crate) fn hold_disk(&self) {
        *self.waiting.lock().unwrap() = Some(Vec::new());
    }

    /// How much waits for the disk.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().as_ref().map_or(0, Vec::len)
    }

    pub(crate) fn let_disk_go_on(&self) {
        for durable in self.waiting.lock().unwrap().take().unwrap() {
            durable(Ok(()));
        }
    }

    /// What was to be destroyed.
    pub(crate) fn erased(&self) -> Vec<RecordingId> {
        self.erased.lock().unwrap().clone()
    }
}

impl Recorder for Takes {
    fn begin(&self, start: TakeStart) -> Result<Box<dyn Take>, TakeError> {
        let taken = Arc::new(Mutex::new(Taken {
            call: Some(start.call),
            recording: Some(start.recording),
            tenant: start.tenant,
            ..Taken::default()
        }));
        self.begun.lock().unwrap().push(taken.clone());
        let waiting = self.waiting.clone();
        Ok(Box::new(OneTake { taken, waiting }))
    }

    fn erase(&self, recordings: &[RecordingId]) {
        self.erased.lock().unwrap().extend(recordings);
    }
}

impl OneTake {
    fn when_durable(&self, durable: Durable) {
        match &mut *self.waiting.lock().unwrap() {
            Some(waiting) => waiting.push(durable),
            None => durable(Ok(())),
        }
    }
}

impl Take for OneTake {
    fn write(&mut self, party: Party, packet: &Packet) {
        let mut taken = self.taken.lock().unwrap();
        if taken.pauses.iter().any(|pause| pause.holds(packet.at)) {
            return;
        }
        *taken.packets.entry(party).or_default() += 1;
        taken.latest = taken.latest.max(packet.at);
        taken.kept.push((packet.at, packet.payload.clone()));
        let payload = packet.payload.clone();
        taken.heard_of.push((party, packet.at, payload));
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

    fn pause(&mut self, at: MediaTime, by: &str, durable: Durable) {
        let mut taken = self.taken.lock().unwrap();
        if !taken.is_paused() {
            taken.pauses.push(Paused {
                from: at,
                to: None,
                by: by.to_owned(),
            });
            taken.kept.retain(|(kept, _)| *kept < at);
        }
        drop(taken);
        self.when_durable(durable);
    }

    fn resume(&mut self, at: MediaTime, durable: Durable) {
        if let Some(pause) = self.taken.lock().unwrap().pauses.last_mut() {
            pause.to.get_or_insert(at);
        }
        self.when_durable(durable);
    }

    fn is_degraded(&self) -> bool {
        false
    }

    fn end(self: Box<Self>, at: MediaTime) {
        self.taken.lock().unwrap().ended_at = Some(at);
    }

    fn discard(self: Box<Self>) {
        self.taken.lock().unwrap().discarded = true;
    }
}

/// A gateway that runs on a server.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) takes: Arc<Takes>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) life: Lifecycle,
    /// Where vendors dial us: `ws://…` without a path.
    pub(crate) streams: String,
    /// The same for AudioSocket: `tcp://…`.
    pub(crate) audiosocket: String,
    pub(crate) porter: Arc<Calls>,
    events: Arc<Mutex<Vec<Numbered>>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

impl World {
    pub(crate) fn start(server: &LivekitServer) -> Self {
        Self::start_with(&server.url(), credentials(server))
    }

    pub(crate) fn start_with(url: &str, credentials: Credentials) -> Self {
        let url = url.to_owned();
        Self::start_in(Some(gateway::Sfu { url, credentials }), true)
    }

    /// One without a LiveKit server: what is heard comes from sockets on this machine.
    pub(crate) fn start_alone() -> Self {
        Self::start_in(None, true)
    }

    /// The same, which may dial nothing on this machine.
    pub(crate) fn start_guarded() -> Self {
        Self::start_in(None, false)
    }

    fn start_in(livekit: Option<gateway::Sfu>, allow_loopback: bool) -> Self {
        logs();
        // another test may have been faster
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let fleet = Fleet::in_process();
        let takes = Arc::new(Takes::default());
        let ledger = Arc::new(MemoryLedger::default());
        let settings = gateway::Settings {
            livekit,
            node: NodeId("test".to_owned()),
            shards: 2,
            record: true,
            allow_loopback,
        };
        let life = Lifecycle::new(Duration::from_secs(5));
        let gateway = gateway::load(settings, fleet.clone(), takes.clone(), ledger.clone());
        let gateway = gateway.expect("TLS is there");
        let porter = Arc::new(Calls::default());
        let streams = serve(gateway.streams(porter.clone()), &life);
        let (listener, audiosocket) = listener("tcp");
        tokio::spawn(gateway.audiosocket(listener, porter.clone(), life.clone()));
        let running = Some(tokio::spawn(gateway.run(life.clone())));
        let events = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(collect(fleet.clone(), events.clone()));
        Self {
            fleet,
            takes,
            ledger,
            life,
            streams,
            audiosocket,
            porter,
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

    /// Asks for something to be done to a call.
    pub(crate) async fn command(
        &self,
        call: CallId,
        command: Command,
    ) -> Result<Reply, CommandError> {
        self.fleet.command(call, command).await
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

/// Serves routes on a free port until the end.
fn serve(routes: axum::Router, life: &Lifecycle) -> String {
    let (listener, url) = listener("ws");
    let life = life.clone();
    tokio::spawn(async move {
        sidetone_service::serve::serve(listener, routes, &life).await;
    });
    url
}

/// A listener on a free port, and its address.
fn listener(scheme: &str) -> (tokio::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    (tokio::net::TcpListener::from_std(listener).unwrap(), url)
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
