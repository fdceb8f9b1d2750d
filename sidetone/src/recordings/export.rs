//! `sidetone recordings export`: a recording as files that any player plays.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use control_api::Row;
use futures_util::StreamExt as _;
use sidetone_vault::StoreError;
use sidetone_wire::TakeState;

use super::{Bench, media};
use crate::cli::ExportOptions;
use crate::tools;

/// Writes the recording's media, decrypted, and its manifest beside it.
pub(super) async fn run(bench: &Bench, options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let id = options.recording;
    let mut rows = bench.index.rows_of(&[id]).await?;
    let Some(row) = rows.remove(&id) else {
        bail!("there is no recording {id}");
    };
    match row.state {
        TakeState::Stored => {}
        TakeState::Erased => bail!("recording {id} was erased"),
        TakeState::Recording | TakeState::Sealed | TakeState::Failed => bail!(
            "recording {id} is not in the store: it is {}. See sidetone recordings check",
            row.state
        ),
    }
    let key = media::key_of(bench, &row)?;
    bench.index.note_export(&row).await?;
    let default = PathBuf::from(format!("{id}.{}", row.format));
    let out = options.out.as_ref().unwrap_or(&default);
    for (n, file) in row.files.iter().enumerate() {
        let path = match n {
            0 => out.clone(),
            n => out.with_extension(format!("{n}.{}", row.format)),
        };
        let object = media::open(bench, file, key.as_ref())
            .await
            .with_context(|| format!("{} in the store", file.object))?;
        let mut output = create(&path)?;
        let hash = media::copy(&object, &mut output).await;
        if !matches!(&hash, Ok(hash) if *hash == file.sha256) {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        let hash = hash.with_context(|| format!("{} in the store", file.object))?;
        let booked = &file.sha256;
        ensure!(
            hash == *booked,
            "{} has the hash {hash}, {booked} was booked: nothing is written. See sidetone recordings check",
            file.object
        );
        tools::print(&path.display().to_string())?;
    }
    manifest(bench, &row, &out.with_extension("json")).await
}

async fn manifest(bench: &Bench, row: &Row, path: &Path) -> anyhow::Result<ExitCode> {
    let object = row.files.first().map(|file| file.object.as_str());
    let name = recorder::manifest_name(object.unwrap_or_default());
    let object = match bench.store.open_plain(&name).await {
        Ok(object) => object,
        // a vendor's recording has none
        Err(StoreError::NotFound) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error).with_context(|| name.clone()),
    };
    let mut json = Vec::new();
    let mut read = object.read(0..object.len()).await?;
    while let Some(bytes) = read.next().await {
        json.extend_from_slice(&bytes?);
    }
    create(path)?
        .write_all(&json)
        .with_context(|| path.display().to_string())?;
    tools::print(&path.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Creates a file for its owner only, where there is none.
fn create(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())
}
