//! What the control plane carries: webhooks into PostgreSQL, dashboards beside changing calls, what
//! is said in many calls, figures and lists over very many calls. The control plane is a process of its own, and so are
//! the dashboards; databases are real and keep what is committed on the disk.

mod dashboards;
mod http;
mod ingest;
mod plane;
mod queries;
mod seed;
mod transcripts;

use anyhow::Result;
use clap::{Args, ValueEnum};

pub(crate) use dashboards::Dashboards;
pub(crate) use plane::Plane;

/// What is measured, and how much of it.
#[derive(Args)]
pub(crate) struct Control {
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "ingest,dashboards,transcripts,queries"
    )]
    parts: Vec<Part>,
    /// Dashboards that are connected.
    #[arg(long, default_value_t = 5_000)]
    clients: usize,
    /// Calls that lists and figures are read over.
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Ingest,
    Dashboards,
    Transcripts,
    Queries,
}

impl Control {
    pub(crate) fn run(self) -> Result<()> {
        sidetone_service::files::raise_limit();
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let runtime = tokio::runtime::Runtime::new()?;
        for part in &self.parts {
            match part {
                Part::Ingest => runtime.block_on(Box::pin(ingest::run(self.seconds)))?,
                Part::Dashboards => {
                    runtime.block_on(Box::pin(dashboards::run(self.clients, self.seconds)))?;
                }
                Part::Transcripts => runtime.block_on(Box::pin(transcripts::run(self.seconds)))?,
                Part::Queries => runtime.block_on(Box::pin(queries::run(self.calls)))?,
            }
        }
        Ok(())
    }
}

/// The value below which a part of all lies; they are sorted by it.
fn percentile(of: &mut [f64], part: f64) -> f64 {
    of.sort_by(f64::total_cmp);
    let last = of.len().saturating_sub(1);
    of.get((of.len() as f64 * part) as usize)
        .or_else(|| of.get(last))
        .copied()
        .unwrap_or_default()
}
