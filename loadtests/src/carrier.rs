//! The thing that is measured: a gateway, with a recorder or without, forwarding or not.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use sidetone_fleet::Fleet;
use sidetone_service::{Lifecycle, clock, telemetry};
use sidetone_wire::{CallEvent, CallId, Command, MonitorRoom, NodeId, Upstream, UserId};

use crate::child::{questions, say};
use crate::ours;
use crate::publish::Access;

/// Takes that may run at once: more than any scenario has.
const MAX_TAKES: usize = 2_000;

/// What to carry and how.
#[derive(Args)]
pub(crate) struct Carry {
    #[command(flatten)]
    access: Access,
    #[arg(long)]
    shards: usize,
    #[arg(long)]
    record: bool,
    /// Where the recorder works.
    #[arg(long)]
    folder: PathBuf,
}

/// What the gateway has counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) calls: usize,
    /// Now, not ever.
    pub(crate) active: usize,
    pub(crate) received: u64,
    pub(crate) forwarded: u64,
    pub(crate) dropped: u64,
    pub(crate) recorded: u64,
    pub(crate) latency_p50_ms: f64,
    pub(crate) latency_p99_ms: f64,
}

/// What the parent asks: counts, or that supervisors hear calls.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    /// [`Counts`].
    Counts,
    /// Supervisor `s` of `supervisors` hears the calls whose number is `s` modulo that; or each
    /// hears all. Answered with the number of tracks.
    Listen {
        supervisors: usize,
        everything: bool,
    },
}

impl Carry {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(Box::pin(self.carry()))
    }

    async fn carry(self) -> Result<()> {
        let metrics = telemetry::metrics();
        let fleet = Fleet::in_process();
        let ours = ours::recorder(&self.folder, MAX_TAKES).await?;
        let settings = gateway::Settings {
            livekit: Some(gateway::Sfu {
                url: self.access.url.clone(),
                credentials: self.access.credentials(),
            }),
            node: NodeId("bench".to_owned()),
            shards: self.shards,
            record: self.record,
            allow_loopback: false,
        };
        let gateway = gateway::load(
            settings,
            fleet.clone(),
            Arc::new(ours.recorder),
            ours.ledger,
        )?;
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        lifecycle.spawn_vital("gateway", gateway.run(lifecycle.clone()));
        tokio::spawn(lifecycle.run());
        say("ready");
        let mut calls = Calls {
            seen: HashSet::new(),
            order: Vec::new(),
        };
        let (mut events, mut questions) = (fleet.events(), questions());
        loop {
            tokio::select! {
                delivery = events.recv() => {
                    calls.handle(delivery.event().call, &delivery.event().event);
                    delivery.taken();
                }
                question = questions.recv() => {
                    let Some(question) = question else { return Ok(()) };
                    match serde_json::from_str(&question)? {
                        Question::Counts => {
                            let counts = Counts {
                                calls: calls.order.len(),
                                ..read_counts(&metrics.render())
                            };
                            say(&serde_json::to_string(&counts)?);
                        }
                        Question::Listen { supervisors, everything } => {
                            let tracks = calls.listen(&fleet, supervisors, everything).await?;
                            say(&tracks.to_string());
                        }
                    }
                }
            }
        }
    }
}

struct Calls {
    seen: HashSet<CallId>,
    order: Vec<CallId>,
}

impl Calls {
    fn handle(&mut self, call: CallId, event: &CallEvent) {
        if let CallEvent::Facts(facts) = event
            && facts.upstream == Upstream::Livekit
            && facts.answered_at.is_some()
            && self.seen.insert(call)
        {
            self.order.push(call);
        }
    }

    async fn listen(&self, fleet: &Fleet, supervisors: usize, everything: bool) -> Result<usize> {
        let users: Vec<_> = (0..supervisors).map(|_| clock::new_id()).collect();
        let mut tracks = 0;
        for (n, call) in self.order.iter().enumerate() {
            for (supervisor, user) in users.iter().enumerate() {
                if !everything && n % supervisors != supervisor {
                    continue;
                }
                let monitor = MonitorRoom {
                    room: monitor_room(supervisor),
                    listener: listener(supervisor),
                    user: UserId(*user),
                };
                let listen = Command::Listen {
                    call: *call,
                    monitor,
                };
                if let sidetone_wire::Reply::Listening { tracks: given } =
                    fleet.command(*call, listen).await?
                {
                    tracks += given.len();
                }
            }
        }
        Ok(tracks)
    }
}

/// The room of supervisor number `n`.
pub(crate) fn monitor_room(n: usize) -> String {
    format!("sidetone-monitor-bench-{n}")
}

/// The identity of supervisor number `n`.
pub(crate) fn listener(n: usize) -> String {
    format!("supervisor-{n}")
}

/// The figures of interest in the text that Prometheus reads.
fn read_counts(text: &str) -> Counts {
    let sum = |name: &str| -> f64 {
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    let buckets = forward_buckets(text);
    Counts {
        calls: 0,
        active: sum("gateway_calls_active") as usize,
        received: sum("gateway_packets_received_total") as u64,
        forwarded: sum("gateway_packets_forwarded_total") as u64,
        dropped: sum("gateway_monitor_packets_dropped_total") as u64
            + sum("sidetone_recorder_dropped_packets_total") as u64,
        recorded: sum("sidetone_recorder_packets_total") as u64,
        latency_p50_ms: quantile_ms(&buckets, 0.5),
        latency_p99_ms: quantile_ms(&buckets, 0.99),
    }
}

/// Upper bound in seconds and cumulative count of each bucket of the forwarding time.
fn forward_buckets(text: &str) -> Vec<(f64, f64)> {
    let bucket = |line: &str| -> Option<(f64, f64)> {
        let rest = line.strip_prefix("gateway_forward_seconds_bucket{")?;
        let (labels, count) = rest.rsplit_once("} ")?;
        let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
        Some((bound.parse().ok()?, count.parse().ok()?))
    };
    text.lines().filter_map(bucket).collect()
}

/// The quantile in milliseconds, between the bounds of its bucket in proportion.
fn quantile_ms(buckets: &[(f64, f64)], quantile: f64) -> f64 {
    let wanted = buckets.last().map_or(0.0, |(_, all)| all * quantile);
    let mut below = (0.0, 0.0);
    for &(bound, count) in buckets {
        if count >= wanted && count > below.1 {
            let part = (wanted - below.1) / (count - below.1);
            let bound = if bound.is_finite() { bound } else { below.0 };
            return (below.0 + (bound - below.0) * part) * 1000.0;
        }
        below = (bound, count);
    }
    0.0
}
