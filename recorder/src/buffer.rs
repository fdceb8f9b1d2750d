//! What a take has heard since the last flush, in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_fleet::take::{Durable, TakeError};
use sidetone_media::{Codec, MediaTime, Packet};
use sidetone_wire::{GapReason, Party};

use crate::metrics::{self, Drop};
use crate::record::{self, Encoder, MAX_OVERHEAD_BYTES, MAX_PAYLOAD_BYTES};

/// Bytes that one take may hold back while the disk does not take them: half a minute of two
/// parties at 32 kbit/s. Beyond it new packets are dropped, counted, and marked as a gap.
const MAX_TAKE_BYTES: usize = 256 << 10;
/// Bytes that all takes together may hold back; the same policy. Above 250 takes it is what ends
/// a stall of the disk, after 8 s of 1,000 takes.
const MAX_TOTAL_BYTES: usize = 64 << 20;
/// Records of names and gaps are dropped when a take's buffer is this much over its bound: a call
/// has some dozens of them.
const MAX_EXTRA_BYTES: usize = 16 << 10;
/// Pauses and resumes that may wait for the disk; a call has one now and then. Beyond it a resume
/// is refused, so that the pause after it always finds room.
const MAX_WAITING: usize = 64;
/// Capacity that a buffer keeps between flushes: twice what two parties say in one.
const KEPT_BYTES: usize = 8 << 10;

/// Bytes held back by all takes.
pub(crate) type Budget = Arc<AtomicUsize>;

/// One take's buffer, shared between who writes and the flusher.
pub(crate) struct Shared {
    budget: Budget,
    inner: Mutex<Inner>,
    /// Set after the last byte is in the buffer.
    ended: AtomicBool,
    discarded: AtomicBool,
    degraded: AtomicBool,
}

struct Inner {
    encoder: Encoder,
    bytes: Vec<u8>,
    kept: u64,
    dropped_full: u64,
    dropped_unsupported: u64,
    /// Since a packet found no room: all are dropped until the next flush, so that the gap is one.
    full: bool,
    /// What was dropped since the last flush.
    lost: Option<(MediaTime, MediaTime)>,
    pause: Pause,
    /// Called when what is in `bytes` is durable.
    waiting: Vec<Durable>,
}

/// What a pause leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Never,
    /// Everything that ends behind its start.
    Since(MediaTime),
    /// Everything before the resume: what comes late from before the pause with it.
    Until(MediaTime),
}

/// What the flusher takes away.
pub(crate) struct Drained {
    pub(crate) ended: bool,
    /// To be called when the batch is durable.
    pub(crate) waiting: Vec<Durable>,
}

impl Shared {
    pub(crate) fn new(budget: Budget) -> Self {
        let inner = Inner {
            encoder: Encoder::default(),
            bytes: Vec::new(),
            kept: 0,
            dropped_full: 0,
            dropped_unsupported: 0,
            full: false,
            lost: None,
            pause: Pause::Never,
            waiting: Vec::new(),
        };
        Self {
            budget,
            inner: Mutex::new(inner),
            ended: AtomicBool::new(false),
            discarded: AtomicBool::new(false),
            degraded: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // nothing in here is left half done by a panic
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a packet, or drops it: it never waits for anything but the flusher's swap.
    pub(crate) fn packet(&self, party: Party, packet: &Packet) {
        let size = packet.payload.len() + MAX_OVERHEAD_BYTES;
        let mut inner = self.lock();
        if inner.pause.leaves_out(packet) || self.is_discarded() {
            return;
        }
        if packet.codec != Codec::Opus || packet.payload.len() > MAX_PAYLOAD_BYTES {
            inner.dropped_unsupported += 1;
            inner.lose(packet);
        } else if inner.full
            || inner.bytes.len() + size > MAX_TAKE_BYTES
            || self.budget.load(Ordering::Relaxed) + size > MAX_TOTAL_BYTES
        {
            inner.full = true;
            inner.dropped_full += 1;
            inner.lose(packet);
            self.degraded.store(true, Ordering::Relaxed);
        } else {
            inner.kept += 1;
            self.add(&mut inner, |encoder, bytes| {
                encoder.packet(party, packet, bytes);
            });
        }
    }

    pub(crate) fn name(&self, party: Party, name: &str) {
        self.extra(|bytes| record::write_name(party, name, bytes));
    }

    pub(crate) fn gap(&self, from: MediaTime, to: MediaTime, reason: GapReason) {
        self.extra(|bytes| record::write_gap(from, to, reason, bytes));
    }

    fn extra(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.lock();
        if inner.bytes.len() <= MAX_TAKE_BYTES + MAX_EXTRA_BYTES {
            self.add(&mut inner, |_, bytes| write(bytes));
        }
    }

    fn add(&self, inner: &mut Inner, write: impl FnOnce(&mut Encoder, &mut Vec<u8>)) {
        if self.is_discarded() {
            return;
        }
        let before = inner.bytes.len();
        write(&mut inner.encoder, &mut inner.bytes);
        let added = inner.bytes.len() - before;
        self.budget.fetch_add(added, Ordering::Relaxed);
    }

    /// Leaves out what is from `at` on.
    pub(crate) fn pause(&self, at: MediaTime, by: &str, durable: Durable) {
        let mut inner = self.lock();
        let (since, room) = match inner.pause {
            Pause::Since(since) => (since.min(at), MAX_WAITING - 1),
            Pause::Never | Pause::Until(_) => (at, MAX_WAITING),
        };
        inner.pause = Pause::Since(since);
        if self.is_discarded() {
            drop(inner);
            durable(Ok(()));
        } else if inner.waiting.len() < room {
            inner.waiting.push(durable);
            self.add(&mut inner, |_, bytes| {
                record::write_pause(since, by, bytes);
            });
        } else {
            drop(inner);
            durable(Err(too_many_waiting()));
        }
    }

    /// Keeps what is from `at` on.
    pub(crate) fn resume(&self, at: MediaTime, durable: Durable) {
        let mut inner = self.lock();
        if self.is_discarded() {
            drop(inner);
            return durable(Ok(()));
        }
        if inner.waiting.len() >= MAX_WAITING - 1 {
            drop(inner);
            return durable(Err(too_many_waiting()));
        }
        inner.waiting.push(durable);
        if let Pause::Since(since) = inner.pause {
            let at = at.max(since);
            inner.pause = Pause::Until(at);
            self.add(&mut inner, |_, bytes| record::write_resume(at, bytes));
        }
    }

    /// Whether somebody waits for the disk.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Takes away who waits, to be told that the disk refuses.
    pub(crate) fn take_waiting(&self) -> Vec<Durable> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// Ends the take, at `at` if that is known.
    pub(crate) fn end(&self, at: Option<MediaTime>) {
        let mut inner = self.lock();
        if let Some(at) = at {
            self.add(&mut inner, |_, bytes| record::write_end(at, bytes));
        }
        self.ended.store(true, Ordering::Release);
    }

    /// Forgets what there is and keeps nothing more.
    pub(crate) fn discard(&self) {
        let mut inner = self.lock();
        self.discarded.store(true, Ordering::Release);
        self.release(inner.bytes.len());
        inner.bytes = Vec::new();
    }

    /// Whether nothing of it is to be kept.
    pub(crate) fn is_discarded(&self) -> bool {
        self.discarded.load(Ordering::Acquire)
    }

    /// Whether packets were dropped since the last flush for want of room.
    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Moves what is there to `batch`, which must be empty.
    pub(crate) fn drain(&self, batch: &mut Vec<u8>) -> Drained {
        debug_assert!(
            batch.is_empty(),
            "a batch that was not written would be lost"
        );
        let mut inner = self.lock();
        if let Some((from, to)) = inner.lost.take() {
            self.add(&mut inner, |_, bytes| {
                record::write_gap(from, to, GapReason::Degraded, bytes);
            });
        }
        if !std::mem::take(&mut inner.full) {
            self.degraded.store(false, Ordering::Relaxed);
        }
        batch.shrink_to(KEPT_BYTES);
        std::mem::swap(&mut inner.bytes, batch);
        inner.encoder.restart();
        metrics::packets(std::mem::take(&mut inner.kept));
        metrics::dropped(Drop::Full, std::mem::take(&mut inner.dropped_full));
        metrics::dropped(
            Drop::Unsupported,
            std::mem::take(&mut inner.dropped_unsupported),
        );
        Drained {
            ended: self.ended.load(Ordering::Acquire),
            waiting: std::mem::take(&mut inner.waiting),
        }
    }

    /// Bytes of memory that it keeps.
    #[cfg(test)]
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.lock().bytes.capacity()
    }

    /// Bytes in it.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Says that `bytes` drained bytes are out of memory.
    pub(crate) fn release(&self, bytes: usize) {
        self.budget.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn too_many_waiting() -> TakeError {
    TakeError::Disk {
        path: "the spool".into(),
        error: format!("{MAX_WAITING} pauses and resumes of the take wait for the disk already"),
    }
}

impl Pause {
    fn leaves_out(self, packet: &Packet) -> bool {
        match self {
            Self::Never => false,
            Self::Since(since) => packet.at + packet.duration_samples() > since,
            Self::Until(until) => packet.at < until,
        }
    }
}

impl Inner {
    fn lose(&mut self, packet: &Packet) {
        let end = packet.at + packet.duration_samples();
        self.lost = Some(match self.lost {
            Some((from, to)) => (from.min(packet.at), to.max(end)),
            None => (packet.at, end),
        });
    }
}
