//! Simulated calls with verdicts, and benches against yardsticks.

mod publish;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Simulated calls with verdicts; benches against yardsticks")]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Two-track calls from one process until it is killed.
    Publish(publish::Publish),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().scenario {
        Scenario::Publish(publish) => publish.run(),
    }
}
