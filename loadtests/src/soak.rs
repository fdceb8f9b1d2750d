//! Calls that begin and end over and over: memory has to come back.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use sidetone_service::clock;

use crate::bench::{Stack, Wanted, counts, wait_until};
use crate::child::say;
use crate::process::Usage;

/// How long each round of calls lasts.
const ROUND: Duration = Duration::from_secs(20);

/// Rounds before growth is measured: buffers and tables reach the size they need.
const WARM_UP_ROUNDS: usize = 3;

/// The goal: growth for every thousand calls.
const TARGET_KIB_PER_THOUSAND: f64 = 1024.0;

/// How long and how much.
#[derive(Args)]
pub(crate) struct Soak {
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Calls in each round.
    #[arg(long, default_value_t = 50)]
    calls: usize,
}

impl Soak {
    pub(crate) fn run(self) -> Result<()> {
        let wanted = Wanted {
            calls: self.calls,
            record: true,
            shards: 2,
        };
        let mut stack = Stack::without_calls(&wanted)?;
        let ends = clock::now() + Duration::from_mins(self.minutes);
        let mut resident = Vec::new();
        while clock::now() < ends || resident.len() <= WARM_UP_ROUNDS {
            stack.publish(self.calls)?;
            std::thread::sleep(ROUND);
            stack.hang_up();
            wait_until("every call to be over", Duration::from_mins(2), || {
                Ok(counts(&mut stack.carrier)?.active == 0)
            })?;
            let usage = Usage::of(stack.carrier.pid())?;
            say(&format!(
                "round {:4}: {:8} KiB",
                resident.len() + 1,
                usage.resident_kib
            ));
            resident.push(usage.resident_kib as f64);
        }
        let settled = &resident[WARM_UP_ROUNDS..];
        let calls = self.calls * settled.len().saturating_sub(1).max(1);
        let grown = settled[settled.len() - 1] - settled[0];
        let per_thousand = grown / calls as f64 * 1000.0;
        let verdict = json!({
            "scenario": "soak", "rounds": resident.len(), "calls": calls,
            "kib_per_thousand_calls": per_thousand, "target": TARGET_KIB_PER_THOUSAND,
            "passed": per_thousand <= TARGET_KIB_PER_THOUSAND,
        });
        say(&verdict.to_string());
        Ok(())
    }
}
