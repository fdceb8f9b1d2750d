//! Many tracks at once: publishing must not be superlinear.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;
use sidetone_service::clock;

use crate::bench::{Stack, Wanted, wait_until};
use crate::carrier::Question;
use crate::child::{Child, say};
use crate::supervise::Heard;

/// From the first request to the last track heard.
const TARGET: Duration = Duration::from_secs(10);

/// How much.
#[derive(Args)]
pub(crate) struct Burst {
    /// Calls of two tracks.
    #[arg(long, default_value_t = 30)]
    calls: usize,
    /// Supervisors who all ask for all of them.
    #[arg(long, default_value_t = 10)]
    supervisors: usize,
}

impl Burst {
    pub(crate) fn run(self) -> Result<()> {
        let wanted = Wanted {
            calls: self.calls,
            record: false,
            shards: 1,
        };
        let mut stack = Stack::start(&wanted)?;
        let mut arguments = stack.access.arguments();
        arguments.extend(["--supervisors".to_owned(), self.supervisors.to_string()]);
        let mut supervisors = Child::start("supervise", &arguments)?;
        supervisors.wait_for("ready", Duration::from_mins(1))?;
        let begun: Instant = clock::now();
        let listen = Question::Listen {
            supervisors: self.supervisors,
            everything: true,
        };
        let tracks: usize = stack.carrier.ask(&serde_json::to_string(&listen)?)?;
        ensure!(
            tracks == 2 * self.calls * self.supervisors,
            "{tracks} tracks were promised"
        );
        wait_until("every track to be heard", Duration::from_mins(2), || {
            Ok(supervisors.ask::<Heard>("heard")?.tracks >= tracks)
        })?;
        let took = clock::now() - begun;
        say(&format!(
            "{tracks} tracks asked for at once, all heard after {took:.1?}"
        ));
        let verdict = json!({
            "scenario": "burst", "tracks": tracks, "seconds": took.as_secs_f64(),
            "target_seconds": TARGET.as_secs(), "passed": took <= TARGET,
        });
        say(&verdict.to_string());
        Ok(())
    }
}
