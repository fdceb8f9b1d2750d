//! `kill -9` in the middle of calls, over and over: what is lost of their recordings?

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use sidetone_testkit::{Kills as Rounds, Report};

use crate::child::say;

/// The goals: what is missing at the end of a take.
const WORST_TARGET_MS: u64 = 1_000;
const MEDIAN_TARGET_MS: u64 = 500;

/// How often progress is told, in rounds.
const TELL_EVERY: usize = 10;

/// How often and how much.
#[derive(Args)]
pub(crate) struct Kills {
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Calls in each round.
    #[arg(long, default_value_t = 50)]
    calls: usize,
    /// The program that is killed; the one beside this if it is not named.
    #[arg(long)]
    sidetone: Option<PathBuf>,
}

impl Kills {
    pub(crate) fn run(self) -> Result<()> {
        let beside = std::env::current_exe()?.with_file_name("sidetone");
        let binary = self.sidetone.unwrap_or(beside);
        let binary = std::path::absolute(&binary).context("the program's path")?;
        let runtime = tokio::runtime::Runtime::new()?;
        let rounds = Rounds {
            rounds: self.rounds,
            calls: self.calls,
        };
        let told = |round: usize, report: &Report| {
            if round.is_multiple_of(TELL_EVERY) {
                let cut_off = report.missing_ms.len();
                let worst = report.missing_ms.iter().max().copied().unwrap_or_default();
                say(&format!(
                    "{round} rounds: {cut_off} takes cut off, each kept, {worst} ms lost at worst"
                ));
            }
        };
        let report = runtime.block_on(Box::pin(rounds.run(&binary, told)));
        let slowest = report.listed.iter().max().copied().unwrap_or_default();
        let (worst, median) = (report.worst_ms(), report.median_ms());
        let verdict = json!({
            "scenario": "kills", "rounds": self.rounds, "calls": self.calls,
            "recordings": report.recordings,
            "missing_worst_ms": worst, "missing_worst_target_ms": WORST_TARGET_MS,
            "missing_median_ms": median, "missing_median_target_ms": MEDIAN_TARGET_MS,
            "listed_slowest_s": slowest.as_secs_f64(),
            "passed": worst <= WORST_TARGET_MS && median <= MEDIAN_TARGET_MS,
        });
        say(&verdict.to_string());
        Ok(())
    }
}
