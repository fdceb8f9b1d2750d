//! After a crash: how long until every take is sealed, and until every take is stored.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sidetone_service::clock;
use sidetone_wire::TakeState;
use tempfile::TempDir;

use super::{raw, start};
use crate::child::{Child, questions, say};
use crate::ours;

/// Length of each take.
const TAKE_SECONDS: u64 = 30;
/// The goal: from the start of the process until every take is stored.
const TARGET_SECONDS: f64 = 30.0;
/// How long it may take before the bench gives up.
const GIVE_UP: Duration = Duration::from_mins(5);

/// What a crash of so many takes costs.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    takes: usize,
    take_seconds: u64,
    sealed_after_s: f64,
    stored_after_s: f64,
    shortest_s: f64,
    target_s: f64,
    pub(super) passed: bool,
}

/// What the recovering process says.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    takes: usize,
    sealed_after_s: f64,
    stored_after_s: f64,
    shortest_s: f64,
}

/// Kills a recorder with `takes` running, and starts it again.
pub(super) fn measure(takes: usize) -> Result<Recovery> {
    let folder = TempDir::new()?;
    let seconds = TAKE_SECONDS.to_string();
    let mut child = start(folder.path(), takes, &["--seconds", &seconds])?;
    child.tell("go")?;
    let _: raw::Written = child.answer(GIVE_UP)?;
    drop(child); // kill -9
    let folder = folder
        .path()
        .to_str()
        .context("temporary folders are UTF-8")?;
    let child = Child::start("recover", &["--folder".to_owned(), folder.to_owned()])?;
    let told: Told = child.answer(GIVE_UP)?;
    let recovery = Recovery {
        takes: told.takes,
        take_seconds: TAKE_SECONDS,
        sealed_after_s: told.sealed_after_s,
        stored_after_s: told.stored_after_s,
        shortest_s: told.shortest_s,
        target_s: TARGET_SECONDS,
        passed: told.takes == takes && told.stored_after_s <= TARGET_SECONDS,
    };
    say(&format!(
        "recovery of {} takes of {TAKE_SECONDS} s (shortest {:.1} s): sealed after {:.1} s, stored \
         after {:.1} s (target {TARGET_SECONDS})",
        recovery.takes, recovery.shortest_s, recovery.sealed_after_s, recovery.stored_after_s
    ));
    Ok(recovery)
}

/// Part of the scenario: a recorder that finds what a crash left.
#[derive(clap::Args)]
pub(crate) struct Recover {
    #[arg(long)]
    folder: PathBuf,
}

impl Recover {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(Box::pin(self.recover()))
    }

    async fn recover(self) -> Result<()> {
        let begun = clock::now();
        let ours = ours::recorder(&self.folder, 1).await?;
        let sealed_after_s = (clock::now() - begun).as_secs_f64();
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let stored = loop {
            ticks.tick().await;
            let backlog = ours.recorder.backlog();
            if backlog.waiting + backlog.uploading + backlog.sealing == 0 {
                break ours.ledger.bookings();
            }
        };
        let stored: Vec<_> = stored
            .into_iter()
            .filter(|booking| booking.state == TakeState::Stored)
            .collect();
        let shortest_ms = stored.iter().map(|booking| booking.manifest.duration_ms);
        let told = Told {
            takes: stored.len(),
            sealed_after_s,
            stored_after_s: (clock::now() - begun).as_secs_f64(),
            shortest_s: shortest_ms.min().unwrap_or_default() as f64 / 1e3,
        };
        say(&serde_json::to_string(&told)?);
        let mut questions = questions();
        while questions.recv().await.is_some() {}
        Ok(())
    }
}
