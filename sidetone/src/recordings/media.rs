//! Media files in the store as they were booked.

use anyhow::Context as _;
use control_api::{Row, RowFile};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use sidetone_vault::{DataKey, Object, StoreError};

use super::Bench;

/// How much of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its ends: they tell that it is there, opens with its key, and has its length.
    Ends,
    /// All of it: its hash too.
    Whole,
}

/// A row's data key; `None` for one of before encryption.
pub(super) fn key_of(bench: &Bench, row: &Row) -> anyhow::Result<Option<DataKey>> {
    let Some((wrapped, tenant)) = &row.key else {
        return Ok(None);
    };
    let key = bench.keyring.unwrap(wrapped, tenant, row.recording);
    key.map(Some).context("its data key does not open")
}

/// Opens a media file.
pub(super) async fn open(
    bench: &Bench,
    file: &RowFile,
    key: Option<&DataKey>,
) -> Result<Object, StoreError> {
    match key {
        Some(key) => bench.store.open(&file.object, key).await,
        None => bench.store.open_plain(&file.object).await,
    }
}

/// What is wrong with a media file, if anything.
///
/// # Errors
/// When the store cannot say.
pub(super) async fn fault(
    bench: &Bench,
    file: &RowFile,
    key: Option<&DataKey>,
    depth: Depth,
) -> anyhow::Result<Option<String>> {
    match read(bench, file, key, depth).await {
        Ok(fault) => Ok(fault),
        Err(StoreError::NotFound) => Ok(Some("is not in the store".to_owned())),
        Err(StoreError::Damaged(why)) => Ok(Some(format!("is damaged: {why}"))),
        Err(error) => Err(error).with_context(|| file.object.clone()),
    }
}

async fn read(
    bench: &Bench,
    file: &RowFile,
    key: Option<&DataKey>,
    depth: Depth,
) -> Result<Option<String>, StoreError> {
    let object = open(bench, file, key).await?;
    let (len, booked) = (object.len(), file.bytes);
    if len != booked {
        let fault = format!("holds {len} bytes of sound, {booked} were booked");
        return Ok(Some(fault));
    }
    if depth == Depth::Whole {
        let hash = copy(&object, &mut std::io::sink()).await?;
        let other = hash != file.sha256;
        return Ok(other.then(|| format!("has another hash than was booked: {hash}")));
    }
    for range in [0..1, len.saturating_sub(1)..len] {
        let mut read = object.read(range).await?;
        while let Some(bytes) = read.next().await {
            bytes?;
        }
    }
    Ok(None)
}

/// Writes all of a media file to `out`; gives its hash in lower-case hex.
pub(super) async fn copy(
    object: &Object,
    out: &mut impl std::io::Write,
) -> Result<String, StoreError> {
    let mut hash = Sha256::new();
    let mut read = object.read(0..object.len()).await?;
    while let Some(bytes) = read.next().await {
        let bytes = bytes?;
        hash.update(&bytes);
        out.write_all(&bytes)
            .map_err(|error| StoreError::Refused(format!("writing it: {error}")))?;
    }
    Ok(hex::encode(hash.finalize()))
}
