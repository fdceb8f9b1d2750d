//! The recorder: packets to a spool that survives a crash, from there to sealed files, and from
//! there to the store.
//!
//! [`Take::write`](sidetone_fleet::take::Take::write) appends to a buffer in memory and returns;
//! one flusher thread encrypts all takes' buffers, writes them to their spool files every
//! [`FLUSH_EVERY`] and makes them durable with one sync; one sealer thread turns the spool of an
//! ended take into encrypted Ogg Opus files and their manifest; a task brings those to the store.
//! The formats and their invariants are in docs/design/recording.md.
//!
//! ```no_run
//! # async fn demo(
//! #     keyring: sidetone_vault::Keyring,
//! #     store: sidetone_vault::Store,
//! #     ledger: std::sync::Arc<dyn sidetone_fleet::ledger::Ledger>,
//! # ) -> anyhow::Result<()> {
//! let settings = recorder::Settings {
//!     spool_dir: "data/spool".into(),
//!     max_takes: 1_000,
//!     spool_bytes: 20 << 30,
//!     keyring,
//!     node: "gateway-1".into(),
//! };
//! let recorder = recorder::load(settings, store, ledger).await?;
//! println!("{:?}", recorder.backlog());
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod backlog;
mod buffer;
mod core;
mod disk;
mod flush;
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod inspect;
mod load;
mod metrics;
mod record;
mod seal;
mod sealed;
mod sealing;
mod spool;
mod take;
mod tell;
mod upload;

use std::path::PathBuf;
use std::time::Duration;

use sidetone_vault::Keyring;

pub use inspect::{Inspection, Spooled, Stage, inspect};
pub use load::{LoadError, Recorder, load};
pub use metrics::describe as describe_metrics;
pub use upload::manifest_name;

/// How often buffers are written to the spool: what a crash may cost, with the time of a write.
pub const FLUSH_EVERY: Duration = Duration::from_millis(400);

/// What wrote a file, in its manifest and its tags.
pub(crate) const SOFTWARE: &str = concat!("sidetone ", env!("CARGO_PKG_VERSION"));

/// Where and how much to record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the takes that are not yet stored, on a disk of this machine. One process at a
    /// time may use it. Losing it loses those takes.
    pub spool_dir: PathBuf,
    /// Takes that may be recorded at once; more are refused.
    pub max_takes: usize,
    /// Bytes that the spool may hold: no take begins while it holds as many. Takes that run go on,
    /// so the disk needs room beyond it: for 4 KB/s and running take, and for as much as one take's
    /// file while that is sealed.
    pub spool_bytes: u64,
    /// Wraps the takes' data keys.
    pub keyring: Keyring,
    /// Whose spool it is, as operators see it.
    pub node: String,
}
