//! From a supervisor's click to what is heard of it, in a call of its own: arming the microphone,
//! whispering, taking over, giving back.
//!
//! All parties are of this process, so that one clock says when a packet was spoken and when it was
//! heard: each carries the time at which it was sent.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use sidetone_room::token::{Credentials, Token};
use sidetone_room::{Event, LocalTrack, Options, PublishOptions, Room, RtpOut};
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, System, User, id};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::child::say;

/// The goals, p95 in ms, as the design states them.
const ARMED_MS: f64 = 800.0;
const WHISPER_MS: f64 = 150.0;
const TAKEOVER_MS: f64 = 250.0;
const SILENT_MS: f64 = 350.0;
const HANDBACK_MS: f64 = 400.0;
/// What forwarding a whisper adds to the two ways through the server, p99 in ms.
const ADDED_MS: f64 = 5.0;

/// A packet lasts so long.
const PACKET: Duration = Duration::from_millis(20);
const PACKET_SAMPLES: u32 = 960;
/// TOC of a 20 ms CELT fullband mono packet of one frame.
const TOC: u8 = 0xf8;
/// When a sound is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has come; it is timed by when it came.
const LOOK: Duration = Duration::from_millis(5);
/// How long an act is listened to, and how long nothing must come until a party counts as silent.
const A_WHILE: Duration = Duration::from_millis(600);
/// Orders to a party that wait.
const ORDERS: usize = 4;

/// How often.
#[derive(Args)]
pub(crate) struct Acts {
    #[arg(long, default_value_t = 50)]
    rounds: usize,
    /// The program that carries the call; the one beside this if it is not named.
    #[arg(long)]
    sidetone: Option<PathBuf>,
}

/// How long something took, in ms.
#[derive(Debug, Serialize)]
struct Took {
    p50: f64,
    p95: f64,
    p99: f64,
    worst: f64,
}

impl Took {
    fn of(mut times: Vec<f64>) -> Result<Self> {
        ensure!(!times.is_empty(), "nothing was measured");
        times.sort_by(f64::total_cmp);
        let quantile = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        Ok(Self {
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            worst: quantile(1.0),
        })
    }
}

/// What all rounds took, in ms.
#[derive(Default)]
struct Times {
    armed: Vec<f64>,
    whisper: Vec<f64>,
    takeover: Vec<f64>,
    silent: Vec<f64>,
    handback: Vec<f64>,
    /// From the supervisor's mouth to the agent's ear.
    whispered: Vec<f64>,
    /// From the customer's mouth to the agent's ear: one way through the server.
    said: Vec<f64>,
}

impl Acts {
    pub(crate) fn run(self) -> Result<()> {
        let beside = std::env::current_exe()?.with_file_name("sidetone");
        let binary = self.sidetone.unwrap_or(beside);
        let binary = std::path::absolute(&binary).context("the program's path")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let times = runtime.block_on(Box::pin(measure(&binary, self.rounds)))?;
        let (armed, whisper) = (Took::of(times.armed)?, Took::of(times.whisper)?);
        let (takeover, silent) = (Took::of(times.takeover)?, Took::of(times.silent)?);
        let handback = Took::of(times.handback)?;
        let (whispered, said) = (Took::of(times.whispered)?, Took::of(times.said)?);
        let added = whispered.p99 - 2.0 * said.p50;
        for (what, took, target) in [
            ("microphone armed", &armed, ARMED_MS),
            ("whisper heard by the agent", &whisper, WHISPER_MS),
            ("takeover heard by the customer", &takeover, TAKEOVER_MS),
            ("agent silent for the customer", &silent, SILENT_MS),
            ("agent back after hand back", &handback, HANDBACK_MS),
        ] {
            let Took {
                p50, p95, worst, ..
            } = took;
            say(&format!(
                "{what:31} p50 {p50:5.0}  p95 {p95:5.0}  worst {worst:5.0} ms (p95 target {target})"
            ));
        }
        say(&format!(
            "a whisper's way p50 {:.2}, p99 {:.2} ms; one way through the server p50 {:.2} ms: \
             forwarding adds {added:.2} ms (p99 target {ADDED_MS})",
            whispered.p50, whispered.p99, said.p50
        ));
        let passed = armed.p95 <= ARMED_MS
            && whisper.p95 <= WHISPER_MS
            && takeover.p95 <= TAKEOVER_MS
            && silent.p95 <= SILENT_MS
            && handback.p95 <= HANDBACK_MS
            && added <= ADDED_MS;
        let verdict = json!({
            "scenario": "acts", "rounds": self.rounds,
            "armed_ms": armed, "armed_target_ms": ARMED_MS,
            "whisper_ms": whisper, "whisper_target_ms": WHISPER_MS,
            "takeover_ms": takeover, "takeover_target_ms": TAKEOVER_MS,
            "agent_silent_ms": silent, "agent_silent_target_ms": SILENT_MS,
            "handback_ms": handback, "handback_target_ms": HANDBACK_MS,
            "whispered_ms": whispered, "said_ms": said,
            "forwarding_adds_p99_ms": added, "forwarding_adds_target_ms": ADDED_MS,
            "passed": passed,
        });
        say(&verdict.to_string());
        Ok(())
    }
}

/// A call with everybody in it.
struct Scene {
    user: User,
    call: String,
    customer: Person,
    agent: Person,
    supervisor: Person,
}

async fn measure(binary: &std::path::Path, rounds: usize) -> Result<Times> {
    let livekit = LivekitServer::start().await?;
    let system = System::start(binary, &livekit).await;
    let credentials = Credentials::new(livekit.api_key(), livekit.api_secret());
    let url = livekit.url();
    let begun = clock::now();
    let join = async |who: Who, token: Token| {
        let token = token.sign(&credentials)?;
        let mut person = Person::join(who, &url, token, begun).await?;
        person.publish().await?;
        anyhow::Ok(person)
    };
    let customer = join(Who::Customer, Token::participant("acts", "customer")).await?;
    let agent = Token::participant("acts", "agent").attribute("sidetone.party", "agent");
    let agent = join(Who::Agent, agent).await?;
    let user = system.login().await;
    let call = id(&user.answered_call_in("acts").await);
    let grant = user.listen(&call).await;
    let supervisor = Person::join(Who::Supervisor, &grant.url, grant.token, begun).await?;
    let mut scene = Scene {
        user,
        call,
        customer,
        agent,
        supervisor,
    };
    let mut times = Times::default();
    for _ in 0..rounds {
        scene.round(&mut times).await?;
    }
    Ok(times)
}

impl Scene {
    async fn round(&mut self, times: &mut Times) -> Result<()> {
        self.user.listen(&self.call).await;
        let click = clock::now();
        self.talk("armed").await;
        self.supervisor.publish().await?;
        times.armed.push(ms(clock::now() - click));
        tokio::time::sleep(A_WHILE).await;

        self.agent.forget();
        let click = clock::now();
        self.talk("whisper").await;
        let heard = self.agent.hears(Who::Supervisor, click).await?;
        times.whisper.push(ms(heard - click));
        tokio::time::sleep(A_WHILE).await;
        times.whispered.extend(self.agent.ways(Who::Supervisor));
        times.said.extend(self.agent.ways(Who::Customer));
        ensure!(
            self.customer.last(Who::Supervisor, click).is_none(),
            "the customer heard a whisper"
        );
        self.talk("armed").await;
        tokio::time::sleep(A_WHILE).await;

        self.customer.forget();
        let click = clock::now();
        self.act("takeover").await;
        let heard = self.customer.hears(Who::Supervisor, click).await?;
        times.takeover.push(ms(heard - click));
        tokio::time::sleep(A_WHILE).await;
        let last = self.customer.last(Who::Agent, click).unwrap_or(click);
        ensure!(
            clock::now() - last >= A_WHILE / 2,
            "the customer hears the agent during a takeover"
        );
        times.silent.push(ms(last - click));

        self.customer.forget();
        let click = clock::now();
        self.act("handback").await;
        let heard = self.customer.hears(Who::Agent, click).await?;
        times.handback.push(ms(heard - click));
        tokio::time::sleep(A_WHILE).await;

        self.supervisor.unpublish().await?;
        let path = format!("/api/calls/{}/listen", self.call);
        self.user.ask(Method::DELETE, &path, &json!({})).await;
        tokio::time::sleep(A_WHILE).await;
        Ok(())
    }

    async fn talk(&self, mode: &str) {
        let path = format!("/api/calls/{}/talk", self.call);
        let body = json!({ "mode": mode });
        self.user.ask(Method::POST, &path, &body).await;
    }

    async fn act(&self, act: &str) {
        let path = format!("/api/calls/{}/{act}", self.call);
        self.user.ask(Method::POST, &path, &json!({})).await;
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Who spoke a packet: its second byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Who {
    Customer,
    Agent,
    Supervisor,
}

/// A packet that was heard.
struct Heard {
    who: u8,
    spoken: Instant,
    at: Instant,
}

/// Somebody in a room: says a packet every 20 ms once it publishes, and hears everybody.
struct Person {
    ear: Arc<Mutex<Vec<Heard>>>,
    orders: mpsc::Sender<(Order, oneshot::Sender<Result<()>>)>,
    task: JoinHandle<Result<()>>,
}

enum Order {
    /// As soon as it may.
    Publish,
    Unpublish,
}

impl Person {
    async fn join(who: Who, url: &str, token: String, begun: Instant) -> Result<Self> {
        let room = Box::new(Box::pin(Room::join(Options::new(url, token))).await?);
        let ear = Arc::new(Mutex::new(Vec::new()));
        let (orders, inbox) = mpsc::channel(ORDERS);
        let speaking = Speaking {
            may: who != Who::Supervisor,
            room,
            who,
            begun,
            ear: ear.clone(),
            track: None,
            live: false,
            wanted: None,
            packets: 0,
        };
        let task = tokio::spawn(speaking.run(inbox));
        Ok(Self { ear, orders, task })
    }

    async fn publish(&mut self) -> Result<()> {
        self.order(Order::Publish).await
    }

    async fn unpublish(&mut self) -> Result<()> {
        self.order(Order::Unpublish).await
    }

    async fn order(&mut self, order: Order) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.orders.send((order, done)).await?;
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.context("not published in time")??
    }

    fn ear(&self) -> std::sync::MutexGuard<'_, Vec<Heard>> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was heard so far.
    fn forget(&self) {
        self.ear().clear();
    }

    /// When the first packet of somebody came that was heard after `click`.
    async fn hears(&self, who: Who, click: Instant) -> Result<Instant> {
        let end = clock::now() + PATIENCE;
        loop {
            let first = {
                let ear = self.ear();
                let mut theirs = ear.iter().filter(|heard| heard.who == who as u8);
                theirs.find(|heard| heard.at >= click).map(|heard| heard.at)
            };
            if let Some(first) = first {
                return Ok(first);
            }
            ensure!(clock::now() < end, "{who:?} was not heard in time");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// When the last packet of somebody came, if one came after `click`.
    fn last(&self, who: Who, click: Instant) -> Option<Instant> {
        let ear = self.ear();
        let theirs = ear.iter().filter(|heard| heard.who == who as u8);
        theirs.map(|heard| heard.at).filter(|at| *at >= click).max()
    }

    /// How long each packet of somebody was under way, in ms.
    fn ways(&self, who: Who) -> Vec<f64> {
        let ear = self.ear();
        let theirs = ear.iter().filter(|heard| heard.who == who as u8);
        theirs
            .map(|heard| ms(heard.at.saturating_duration_since(heard.spoken)))
            .collect()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Speaking {
    room: Box<Room>,
    who: Who,
    begun: Instant,
    ear: Arc<Mutex<Vec<Heard>>>,
    /// Whether it may publish.
    may: bool,
    track: Option<LocalTrack>,
    /// Whether the track is on the air.
    live: bool,
    /// Who waits for the track.
    wanted: Option<oneshot::Sender<Result<()>>>,
    packets: u64,
}

impl Speaking {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<(Order, oneshot::Sender<Result<()>>)>,
    ) -> Result<()> {
        let mut tick = tokio::time::interval(PACKET);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = tick.tick() => self.say(),
                event = self.room.next() => self.on(event)?,
                order = orders.recv() => match order {
                    Some((Order::Publish, done)) => {
                        self.wanted = Some(done);
                        self.publish();
                    }
                    Some((Order::Unpublish, done)) => {
                        if let Some(track) = self.track.take() {
                            self.room.unpublish(track);
                        }
                        self.live = false;
                        done.send(Ok(())).ok(); // who gave up waiting needs no answer
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    fn publish(&mut self) {
        if self.may && self.track.is_none() && self.wanted.is_some() {
            self.packets = 0;
            self.track = Some(self.room.publish(PublishOptions::opus("microphone")));
        }
    }

    fn on(&mut self, event: Event) -> Result<()> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "everything else is not timed"
        )]
        match event {
            Event::TrackPublished { track, .. } => self.room.subscribe(&track.sid),
            Event::Packet(packet) => self.hear(&packet.payload, packet.arrived),
            Event::PermissionChanged(permission) => {
                self.may = permission.can_publish;
                self.publish();
            }
            Event::Published { track, .. } if Some(track) == self.track => {
                self.live = true;
                if let Some(done) = self.wanted.take() {
                    done.send(Ok(())).ok(); // who gave up waiting needs no answer
                }
            }
            Event::PublishFailed { reason, .. } => bail!("the track is refused: {reason}"),
            Event::Closed(why) => bail!("{why}"),
            _ => {}
        }
        Ok(())
    }

    fn hear(&self, payload: &[u8], at: Instant) {
        let Some((&[TOC, who], spoken)) = payload.split_first_chunk::<2>() else {
            return;
        };
        let Some(spoken) = spoken.first_chunk::<8>() else {
            return;
        };
        let spoken = self.begun + Duration::from_nanos(u64::from_be_bytes(*spoken));
        let mut ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
        ear.push(Heard { who, spoken, at });
    }

    fn say(&mut self) {
        let Some(track) = self.track.filter(|_| self.live) else {
            return;
        };
        let spoken = (clock::now() - self.begun).as_nanos() as u64;
        let mut payload = vec![TOC, self.who as u8];
        payload.extend(spoken.to_be_bytes());
        payload.resize(80, 0);
        self.packets += 1;
        let packet = RtpOut {
            seq: self.packets,
            timestamp: (self.packets as u32).wrapping_mul(PACKET_SAMPLES),
            marker: self.packets == 1,
            level_dbov: Some(30),
            payload: payload.into(),
        };
        self.room.write(track, packet);
    }
}
