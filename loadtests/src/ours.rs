//! Our recorder without a control plane: a ledger in memory, a store on the disk.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use sidetone_fleet::ledger::MemoryLedger;
use sidetone_fleet::take::TakeStart;
use sidetone_service::clock;
use sidetone_vault::{Keyring, Store};
use sidetone_wire::{CallId, RecordingId, Timestamp};

/// A master key: what is recorded here is noise.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Bytes that the spool may hold: more than any scenario writes.
const SPOOL_BYTES: u64 = 64 << 30;

/// The recorder and who books its takes.
pub(crate) struct Ours {
    pub(crate) recorder: recorder::Recorder,
    pub(crate) ledger: Arc<MemoryLedger>,
}

/// Starts the recorder in `folder`, after it has recovered what is there.
pub(crate) async fn recorder(folder: &Path, max_takes: usize) -> Result<Ours> {
    // a ledger of this process only knows spools without a history
    let identity = folder.join("spool/identity");
    if identity.exists() {
        std::fs::remove_file(&identity).context("the spool's identity")?;
    }
    let ledger = Arc::new(MemoryLedger::default());
    let settings = recorder::Settings {
        spool_dir: folder.join("spool"),
        max_takes,
        spool_bytes: SPOOL_BYTES,
        keyring: Keyring::from_base64(&KEY.to_owned().into())?,
        node: "bench".to_owned(),
    };
    let store = Store::local(&folder.join("store"))?;
    let recorder = recorder::load(settings, store, ledger.clone()).await?;
    Ok(Ours { recorder, ledger })
}

/// A take that begins now.
pub(crate) fn take_start() -> TakeStart {
    TakeStart {
        recording: RecordingId(clock::new_id()),
        call: CallId(clock::new_id()),
        tenant: "bench".to_owned(),
        started_at: Timestamp::from_unix_ms(clock::wall()),
    }
}
