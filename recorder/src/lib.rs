//! The recorder: packets to a spool that survives a crash, and from there to one sealed file.
//!
//! [`Take::write`](sidetone_fleet::take::Take::write) appends to a buffer in memory and returns;
//! one flusher thread writes all takes' buffers to their spool files every [`FLUSH_EVERY`]; one
//! sealer thread turns the spool file of an ended take into an Ogg Opus file and its manifest
//! beside it. The formats and their invariants are in docs/design/recording.md.
//!
//! ```no_run
//! # fn demo() -> anyhow::Result<()> {
//! use sidetone_fleet::take::Recorder as _;
//! let recorder = recorder::load(recorder::Settings {
//!     spool_dir: "data/spool".into(),
//!     store_dir: "data".into(),
//!     max_takes: 1_000,
//! })?;
//! for recovered in recorder.take_recovered() {
//!     // report it: a take that the last process did not finish
//! }
//! # drop(recorder);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod buffer;
mod flush;
mod load;
mod metrics;
mod record;
mod seal;
mod spool;
mod store;
mod take;

use std::path::PathBuf;
use std::time::Duration;

pub use load::{LoadError, Recorder, Recovered, load};
pub use metrics::describe as describe_metrics;

/// How often buffers are written to the spool: what a crash may cost, with the time of a write.
pub const FLUSH_EVERY: Duration = Duration::from_millis(400);

/// What wrote a file, in its manifest and its tags.
pub(crate) const SOFTWARE: &str = concat!("sidetone ", env!("CARGO_PKG_VERSION"));

/// Where and how much to record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the takes that are not yet stored. One process at a time may use it. Losing it
    /// loses those takes.
    pub spool_dir: PathBuf,
    /// Root of the store: sealed files lie at `objects/<tenant>/<yyyy>/<mm>/<recording>.ogg` in
    /// it. On the same file system as the spool or another.
    pub store_dir: PathBuf,
    /// Takes that may be recorded at once; more are refused.
    pub max_takes: usize,
}
