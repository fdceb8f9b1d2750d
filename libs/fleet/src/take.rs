//! The seam between whoever hears packets and whoever keeps them.
//!
//! The gateway's record sink knows only these traits; the recorder implements them. Writing is
//! called on the media path, so it must neither block nor wait: it hands over to the recorder's
//! own flusher, and what does not fit is dropped, counted and marked as a gap by the recorder.

use sidetone_media::{MediaTime, Packet};
use sidetone_wire::{CallId, GapReason, Party, RecordingId, Timestamp};

/// What a take is of.
#[derive(Debug, Clone)]
pub struct TakeStart {
    /// Its id.
    pub recording: RecordingId,
    /// Its call.
    pub call: CallId,
    /// The tenant's slug; object keys begin with it.
    pub tenant: String,
    /// Wall clock at [`MediaTime::ZERO`] of the packets that will be written.
    pub started_at: Timestamp,
}

/// Called once, from any thread, when something is on disk or cannot be.
pub type Durable = Box<dyn FnOnce(Result<(), TakeError>) + Send>;

/// Begins takes. What becomes of each, the recorder tells the [`Ledger`](crate::ledger::Ledger).
pub trait Recorder: Send + Sync {
    /// Begins a take.
    ///
    /// # Errors
    /// When there is no room or no disk for another take.
    fn begin(&self, start: TakeStart) -> Result<Box<dyn Take>, TakeError>;

    /// Destroys whatever the spool has of takes, running or ended. Does not wait for it: what is
    /// booked later is answered with [`Booked::Erased`](sidetone_wire::Booked::Erased) and
    /// destroyed then.
    fn erase(&self, recordings: &[RecordingId]);
}

/// A take being recorded. Dropping it without [`Take::end`] seals what there is up to its last
/// packet.
pub trait Take: Send {
    /// Keeps a packet of one of the call's parties, unless it lies in a pause. Only Opus is kept
    /// as it comes.
    fn write(&mut self, party: Party, packet: &Packet);

    /// Says who is on a channel, once known.
    fn name(&mut self, party: Party, name: &str);

    /// Marks a stretch as lost for every party.
    fn gap(&mut self, from: MediaTime, to: MediaTime, reason: GapReason);

    /// Pauses at `at`: nothing from there on is kept, and nothing of it that was written already
    /// comes into the file. `durable` is called when a crash can no longer undo it. A second pause
    /// changes nothing but who paused.
    fn pause(&mut self, at: MediaTime, by: &str, durable: Durable);

    /// Ends the pause at `at`.
    fn resume(&mut self, at: MediaTime, durable: Durable);

    /// Whether packets are being lost now: the disk refuses, or is too slow.
    fn is_degraded(&self) -> bool;

    /// Ends the take: the recording is as long as the call, from zero to `at`.
    fn end(self: Box<Self>, at: MediaTime);

    /// Ends the take and destroys what there is of it.
    fn discard(self: Box<Self>);
}

/// Why a take cannot be made or kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TakeError {
    /// The disk or folder refused.
    #[error("recording cannot be written to {path}: {error}")]
    Disk {
        /// Where.
        path: String,
        /// What the system said.
        error: String,
    },
    /// As many takes as configured are running.
    #[error("{limit} recordings are running, which is the limit")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// The spool holds as much as it may.
    #[error("the spool holds {bytes} bytes, which is its budget; recordings wait for the store")]
    OverBudget {
        /// Its size.
        bytes: u64,
    },
    /// The system refuses what a data key needs.
    #[error("no data key: {0}")]
    Key(String),
    /// What was kept cannot be put in a file.
    #[error("recording cannot be sealed: {0}")]
    Seal(String),
}

/// Undoes something when dropped.
pub struct Guard(Option<Box<dyn FnOnce() + Send>>);

impl Guard {
    /// Runs `undo` when dropped.
    pub fn new(undo: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(undo)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}
