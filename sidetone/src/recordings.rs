//! `sidetone recordings`: what an operator asks about recordings without a running process.

mod check;
mod export;
mod media;
mod repair;

use std::path::PathBuf;
use std::process::ExitCode;

use control_api::{RecordingsIndex, recordings_index};
use recorder::Inspection;
use sidetone_service::Settings;
use sidetone_vault::{Keyring, Store};

use crate::cli::{Recordings, RecordingsCommand};
use crate::tools;

/// Does what was asked for.
pub(crate) async fn run(settings: &Settings, command: Recordings) -> anyhow::Result<ExitCode> {
    let bench = Bench::open(settings).await?;
    match command.command {
        RecordingsCommand::Check(options) => check::run(&bench, &options).await,
        RecordingsCommand::Export(options) => export::run(&bench, &options).await,
    }
}

/// The three that hold recordings, and the key to them.
struct Bench {
    index: RecordingsIndex,
    store: Store,
    keyring: Keyring,
    spool_dir: PathBuf,
}

impl Bench {
    async fn open(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            index: recordings_index(settings).await?,
            store: tools::recordings_store(settings).await?,
            keyring: Keyring::from_base64(&settings.keys.recording_key)?,
            spool_dir: settings.spool_dir(),
        })
    }

    async fn inspect(&self) -> anyhow::Result<Inspection> {
        let (spool_dir, keyring) = (self.spool_dir.clone(), self.keyring.clone());
        let inspecting =
            tokio::task::spawn_blocking(move || recorder::inspect(&spool_dir, &keyring));
        Ok(inspecting.await??)
    }
}
