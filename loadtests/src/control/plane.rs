//! The thing that is measured: a control plane, with a gateway's reports of calls.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::{Deserialize, Serialize};
use sidetone_fleet::{EventLog, Fleet};
use sidetone_service::config::Input;
use sidetone_service::ops::Readiness;
use sidetone_service::{Lifecycle, Settings, clock, files};
use sidetone_vault::{Keyring, Store};
use sidetone_wire::{
    CallEvent, CallFacts, CallId, Direction, Party, Signal, Timestamp, Upstream, Utterance,
};

use super::http::Client;
use crate::child::{Child, questions, say};

/// Password of the first user.
pub(super) const PASSWORD: &str = "password-of-the-bench";
/// Until it has brought its database up to date and counted what is in it.
const READY_WITHIN: Duration = Duration::from_mins(10);
/// Changes come evenly: so many times a second a part of the calls.
const TICKS_PER_SECOND: usize = 50;
/// What people say in a call is told so often.
pub(super) const WORDS_PER_SECOND: f64 = 2.0;
/// What stands before a moment in what is said.
const MOMENT: &str = "zz";

/// Where it works.
#[derive(Args)]
pub(crate) struct Plane {
    /// `DATABASE_URL`.
    #[arg(long)]
    database: String,
    /// `SIDETONE_DATA`.
    #[arg(long)]
    data: PathBuf,
}

/// What the parent asks.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    /// Where it listens.
    Address,
    /// Calls begin, divided among tenants, and each changes every second from then on. Answered
    /// with their number.
    Change { tenants: Vec<String>, calls: usize },
    /// So many calls begin, and people talk in each from then on. Answered with their ids.
    Talk { calls: usize },
}

/// A control plane that was started.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) client: Client,
}

impl Running {
    /// Starts one over a database, logged in as its first user.
    pub(super) async fn start(database: &str, data: &Path) -> Result<Self> {
        let data = data.to_str().context("the folder's name is text")?;
        let arguments = ["--database", database, "--data", data].map(str::to_owned);
        let mut child = Child::start("plane", &arguments)?;
        child.wait_for("ready", READY_WITHIN)?;
        let url: String = child.ask(&serde_json::to_string(&Question::Address)?)?;
        let client = Client::login(&url, "admin", PASSWORD).await?;
        Ok(Self { child, client })
    }

    /// Lets calls begin and change.
    pub(super) fn change(&mut self, tenants: &[String], calls: usize) -> Result<usize> {
        let tenants = tenants.to_vec();
        let question = Question::Change { tenants, calls };
        self.child.ask(&serde_json::to_string(&question)?)
    }
}

impl Running {
    /// Lets people talk in so many calls.
    pub(super) fn talk(&mut self, calls: usize) -> Result<Vec<CallId>> {
        self.child
            .ask(&serde_json::to_string(&Question::Talk { calls })?)
    }
}

impl Plane {
    pub(crate) fn run(self) -> Result<()> {
        files::raise_limit();
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        tokio::runtime::Runtime::new()?.block_on(Box::pin(self.serve()))
    }

    async fn serve(self) -> Result<()> {
        let data = self.data.to_str().context("the folder's name is text")?;
        let settings = Settings::load_from(&Input::from_vars([
            ("DATABASE_URL", self.database.as_str()),
            ("SIDETONE_DATA", data),
            ("SIDETONE_HTTP", "127.0.0.1:0"),
            ("SIDETONE_ENV", "test"),
            ("SIDETONE_ADMIN_PASSWORD", PASSWORD),
        ]))?;
        let fleet = Fleet::in_process();
        let readiness = Readiness::new();
        let api = control_api::load(
            &settings,
            fleet.clone(),
            &readiness,
            Store::local(&settings.store_dir())?,
            Keyring::from_base64(&settings.keys.recording_key)?,
        );
        let api = Box::pin(api).await?;
        let url = format!("http://{}", api.address()?);
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        lifecycle.spawn_vital("control-api", api.run(lifecycle.clone()));
        tokio::spawn(lifecycle.run());
        say("ready");
        let mut questions = questions();
        while let Some(question) = questions.recv().await {
            let answer = match serde_json::from_str(&question)? {
                Question::Address => serde_json::to_string(&url)?,
                Question::Change { tenants, calls } => {
                    let begun = begin(&fleet, &tenants, calls);
                    tokio::spawn(change(begun));
                    calls.to_string()
                }
                Question::Talk { calls } => {
                    let begun = begin(&fleet, &["default".to_owned()], calls);
                    let ids: Vec<CallId> = begun.iter().map(|(_, facts)| id_of(facts)).collect();
                    tokio::spawn(talk(fleet.clone(), begun));
                    serde_json::to_string(&ids)?
                }
            };
            say(&answer);
        }
        Ok(())
    }
}

fn begin(fleet: &Fleet, tenants: &[String], calls: usize) -> Vec<(EventLog, CallFacts)> {
    let at = Timestamp::from_unix_ms(clock::wall());
    (0..calls)
        .map(|n| {
            let facts = CallFacts {
                upstream: Upstream::Livekit,
                upstream_call_id: format!("RM_{n}"),
                tenant: Some(tenants[n % tenants.len()].clone()),
                direction: Direction::Inbound,
                from: format!("+4930{n:07}"),
                to: format!("room-{n}"),
                customer_name: Some(format!("Customer {n}")),
                agent_id: Some(format!("agent-{}", n % 50)),
                agent_name: Some("Aria".to_owned()),
                campaign: None,
                livekit_room_name: Some(format!("room-{n}")),
                started_at: at,
                answered_at: None,
                capabilities: Vec::new(),
            };
            let id = id_of(&facts);
            let log = fleet.event_log(id, 1);
            log.send(CallEvent::Facts(facts.clone()));
            (log, facts)
        })
        .collect()
}

/// Changes each call once a second, for ever.
async fn change(mut calls: Vec<(EventLog, CallFacts)>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / TICKS_PER_SECOND as u32);
    let part = calls.len().div_ceil(TICKS_PER_SECOND).max(1);
    for round in 0.. {
        for part in calls.chunks_mut(part) {
            ticks.tick().await;
            for (log, facts) in part {
                facts.agent_name = Some(format!("Aria {round}"));
                log.send(CallEvent::Facts(facts.clone()));
            }
        }
    }
}

fn id_of(facts: &CallFacts) -> CallId {
    CallId::of_upstream("livekit", &facts.upstream_call_id, facts.started_at)
}

/// What the two parties of every call say: three versions of each utterance, then its final text,
/// half a second apart, each with the moment at which it was told.
async fn talk(fleet: Fleet, calls: Vec<(EventLog, CallFacts)>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(500) / TICKS_PER_SECOND as u32);
    let part = calls.len().div_ceil(TICKS_PER_SECOND).max(1);
    for round in 0_u64.. {
        let (utterance, version) = (round / 4, round % 4);
        for part in calls.chunks(part) {
            ticks.tick().await;
            for (log, facts) in part {
                let now_ms = clock::wall();
                let said = Utterance {
                    id: format!("u{utterance}"),
                    party: if utterance % 2 == 0 {
                        Party::Customer
                    } else {
                        Party::Agent
                    },
                    text: format!("I have been waiting for it since then {}", moment(now_ms)),
                    from: Timestamp::from_unix_ms(now_ms - 450 * version.cast_signed()),
                    to: Timestamp::from_unix_ms(now_ms),
                    confidence: Some(9_500),
                };
                if version == 3 {
                    log.send(CallEvent::Said(said));
                } else {
                    fleet.signal(Signal::Saying {
                        call: id_of(facts),
                        utterance: said,
                    });
                }
            }
        }
    }
}

/// A moment as a word: digits in what is said would be looked at as numbers.
fn moment(unix_ms: i64) -> String {
    let digits = unix_ms.to_string();
    let letters = digits
        .bytes()
        .map(|digit| char::from(b'a' + (digit - b'0')));
    format!("{MOMENT}{}", letters.collect::<String>())
}

/// The last moment in a text, in milliseconds since 1970.
pub(super) fn moment_in(text: &str) -> Option<i64> {
    let (_, rest) = text.rsplit_once(MOMENT)?;
    let letters = rest.bytes().take_while(u8::is_ascii_lowercase);
    let digits: Vec<u8> = letters.map(|letter| letter - b'a' + b'0').collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}
