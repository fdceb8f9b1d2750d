//! What a take has heard since the last flush, in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_fleet::take::Outcome;
use sidetone_media::{Codec, MediaTime, Packet, opus};
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

/// Bytes held back by all takes.
pub(crate) type Budget = Arc<AtomicUsize>;

/// One take's buffer, shared between who writes and the flusher.
pub(crate) struct Shared {
    budget: Budget,
    inner: Mutex<Inner>,
    /// Set after the last byte is in the buffer.
    ended: AtomicBool,
}

struct Inner {
    encoder: Encoder,
    bytes: Vec<u8>,
    kept: u64,
    dropped_full: u64,
    dropped_unsupported: u64,
    /// What was dropped since the last flush.
    lost: Option<(MediaTime, MediaTime)>,
    /// Called with the take's result; taken when it ended.
    outcome: Option<Outcome>,
}

/// What the flusher takes away.
pub(crate) struct Drained {
    pub(crate) ended: bool,
    /// With `ended`: whom to tell.
    pub(crate) outcome: Option<Outcome>,
}

impl Shared {
    pub(crate) fn new(budget: Budget, outcome: Outcome) -> Self {
        let inner = Inner {
            encoder: Encoder::default(),
            bytes: Vec::new(),
            kept: 0,
            dropped_full: 0,
            dropped_unsupported: 0,
            lost: None,
            outcome: Some(outcome),
        };
        Self {
            budget,
            inner: Mutex::new(inner),
            ended: AtomicBool::new(false),
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
        let kept_kind = packet.codec == Codec::Opus
            && packet.payload.len() <= MAX_PAYLOAD_BYTES
            && party != Party::Supervisor;
        if !kept_kind {
            inner.dropped_unsupported += 1;
            if party != Party::Supervisor {
                inner.lose(packet);
            }
        } else if inner.bytes.len() + size > MAX_TAKE_BYTES
            || self.budget.load(Ordering::Relaxed) + size > MAX_TOTAL_BYTES
        {
            inner.dropped_full += 1;
            inner.lose(packet);
        } else {
            let before = inner.bytes.len();
            let Inner { encoder, bytes, .. } = &mut *inner;
            encoder.packet(party, packet, bytes);
            let added = inner.bytes.len() - before;
            inner.kept += 1;
            self.budget.fetch_add(added, Ordering::Relaxed);
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
            let before = inner.bytes.len();
            write(&mut inner.bytes);
            self.budget
                .fetch_add(inner.bytes.len() - before, Ordering::Relaxed);
        }
    }

    /// Ends the take, at `at` if that is known.
    pub(crate) fn end(&self, at: Option<MediaTime>) {
        let mut inner = self.lock();
        if let Some(at) = at {
            let before = inner.bytes.len();
            record::write_end(at, &mut inner.bytes);
            self.budget
                .fetch_add(inner.bytes.len() - before, Ordering::Relaxed);
        }
        self.ended.store(true, Ordering::Release);
    }

    /// Whether nothing more will come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Moves what is there to `batch`, which must be empty.
    pub(crate) fn drain(&self, batch: &mut Vec<u8>) -> Drained {
        debug_assert!(
            batch.is_empty(),
            "a batch that was not written would be lost"
        );
        let mut inner = self.lock();
        if let Some((from, to)) = inner.lost.take() {
            let before = inner.bytes.len();
            record::write_gap(from, to, GapReason::Degraded, &mut inner.bytes);
            self.budget
                .fetch_add(inner.bytes.len() - before, Ordering::Relaxed);
        }
        std::mem::swap(&mut inner.bytes, batch);
        inner.encoder.restart();
        metrics::packets(std::mem::take(&mut inner.kept));
        metrics::dropped(Drop::Full, std::mem::take(&mut inner.dropped_full));
        metrics::dropped(
            Drop::Unsupported,
            std::mem::take(&mut inner.dropped_unsupported),
        );
        let ended = self.has_ended();
        let outcome = if ended { inner.outcome.take() } else { None };
        Drained { ended, outcome }
    }

    /// Says that `bytes` drained bytes are out of memory.
    pub(crate) fn release(&self, bytes: usize) {
        self.budget.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Inner {
    fn lose(&mut self, packet: &Packet) {
        let samples = match packet.codec {
            Codec::Opus => opus::duration_samples(&packet.payload).map_or(0, u64::from),
            Codec::Pcmu | Codec::Pcma => packet.payload.len() as u64 * 6,
        };
        let end = packet.at + samples;
        self.lost = Some(match self.lost {
            Some((from, to)) => (from.min(packet.at), to.max(end)),
            None => (packet.at, end),
        });
    }
}
