//! A call centre on a normal day: calls come and go, a number of them at any time.

use std::time::Duration;

use sidetone_service::backoff::Backoff;
use sidetone_service::random;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::call::{CallPlan, SimulatedCall};
use crate::client::Server;
use crate::script::{self, Side};

/// What the population is like.
#[derive(Debug, Clone)]
pub struct PopulationSettings {
    /// Calls at any time.
    pub calls: usize,
    /// The first calls begin so far apart; default 1.5 s.
    pub stagger: Duration,
    /// A line is free for up to so long before the next call; default 6 s.
    pub rest: Duration,
    /// Slugs of tenants, given to calls in turn; empty (the default) for none.
    pub tenants: Vec<String>,
    /// Begins every room's name, so that populations do not meet; default `call`.
    pub room_prefix: String,
}

impl PopulationSettings {
    /// `calls` at any time, everything else by default.
    pub fn new(calls: usize) -> Self {
        Self {
            calls,
            stagger: Duration::from_millis(1500),
            rest: Duration::from_secs(6),
            tenants: Vec::new(),
            room_prefix: "call".to_owned(),
        }
    }
}

/// Keeps calls running on a server.
#[derive(Debug)]
pub struct Population {
    server: Server,
    settings: PopulationSettings,
}

impl Population {
    /// A population of `settings` on `server`.
    pub fn new(server: Server, settings: PopulationSettings) -> Self {
        Self { server, settings }
    }

    /// Runs until `stop` is cancelled; then everybody hangs up, which takes about a second. A call
    /// that fails is replaced by another one after a while.
    pub async fn run(self, stop: CancellationToken) {
        let mut lines = JoinSet::new();
        for number in 0..self.settings.calls {
            let line = Line {
                server: self.server.clone(),
                settings: self.settings.clone(),
                number,
                calls: 0,
            };
            lines.spawn(line.run(stop.clone()));
        }
        while lines.join_next().await.is_some() {}
    }
}

/// One telephone line: a call, a rest, the next call.
struct Line {
    server: Server,
    settings: PopulationSettings,
    number: usize,
    calls: usize,
}

impl Line {
    async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));
        let mut rest = self.settings.stagger * self.number as u32;
        loop {
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = stop.cancelled() => return,
            }
            let call = SimulatedCall::new(self.server.clone(), self.plan());
            info!(
                line = self.number,
                duration_s = call.duration().as_secs(),
                "a simulated call begins"
            );
            let outcome = Box::pin(call.run(stop.cancelled())).await;
            if stop.is_cancelled() {
                return;
            }
            match outcome {
                Ok(()) => {
                    backoff.reset();
                    rest = random_up_to(self.settings.rest);
                }
                Err(error) => {
                    rest = backoff.wait();
                    warn!(
                        line = self.number,
                        "a simulated call failed, the next comes in {rest:?}: {error:#}"
                    );
                }
            }
        }
    }

    /// The next call: neighbouring lines have different scripts, and so have successive calls.
    fn plan(&mut self) -> CallPlan {
        let scripts = script::all();
        let lines = self.settings.calls.max(1);
        let turn = self.number + self.calls * (lines | 1);
        self.calls += 1;
        let tenants = &self.settings.tenants;
        let draw = random::u64();
        CallPlan {
            room: format!("{}-{:08x}", self.settings.room_prefix, draw >> 32),
            tenant: (!tenants.is_empty()).then(|| tenants[turn % tenants.len()].clone()),
            script: &scripts[turn % scripts.len()],
            pause_percent: 80 + (draw % 51) as u32,
            hangs_up: if draw & 0x100 == 0 {
                Side::Customer
            } else {
                Side::Agent
            },
        }
    }
}

fn random_up_to(most: Duration) -> Duration {
    most.mul_f64((random::u64() >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_room::token::Credentials;
    use std::collections::HashSet;

    fn line(number: usize, calls: usize) -> Line {
        let server = Server::new("ws://127.0.0.1:1", Credentials::new("key", "secret"));
        let mut settings = PopulationSettings::new(calls);
        settings.tenants = vec!["north".to_owned(), "south".to_owned()];
        Line {
            server,
            settings,
            number,
            calls: 0,
        }
    }

    #[test]
    fn neighbours_and_successive_calls_have_different_scripts() {
        let first: HashSet<_> = (0..6)
            .map(|n| line(n, 6).plan().script.name.clone())
            .collect();
        assert_eq!(first.len(), 6);
        let mut one = line(0, 6);
        let names: Vec<_> = (0..script::all().len())
            .map(|_| one.plan().script.name.clone())
            .collect();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn calls_are_spread_over_the_tenants_and_rooms_never_repeat() {
        let plans: Vec<_> = (0..6).map(|n| line(n, 6).plan()).collect();
        let tenants: HashSet<_> = plans.iter().filter_map(|p| p.tenant.clone()).collect();
        let rooms: HashSet<_> = plans.iter().map(|p| p.room.clone()).collect();
        assert_eq!(tenants.len(), 2);
        assert_eq!(rooms.len(), 6);
        assert!(plans.iter().all(|p| (80..=130).contains(&p.pause_percent)));
    }
}
