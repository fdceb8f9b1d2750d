//! All metrics of the recorder.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;

const PACKETS: &str = "sidetone_recorder_packets_total";
const DROPPED: &str = "sidetone_recorder_dropped_packets_total";
const WRITTEN: &str = "sidetone_recorder_spool_written_bytes_total";
const ERRORS: &str = "sidetone_recorder_spool_write_errors_total";
const TAKES: &str = "sidetone_recorder_takes_running";
const SEALING: &str = "sidetone_recorder_takes_sealing";
const SEALED: &str = "sidetone_recorder_takes_sealed_total";
const FAILED: &str = "sidetone_recorder_takes_failed_total";
const BYTES: &str = "sidetone_recorder_spool_bytes";
const WAITING: &str = "sidetone_recorder_takes_waiting";
const UPLOADING: &str = "sidetone_recorder_takes_uploading";
const STORED: &str = "sidetone_recorder_takes_stored_total";
const DESTROYED: &str = "sidetone_recorder_takes_destroyed_total";
const UPLOAD_ERRORS: &str = "sidetone_recorder_upload_errors_total";
const UPLOAD: &str = "sidetone_recorder_upload_seconds";
const FLUSH: &str = "sidetone_recorder_flush_seconds";
const SEAL: &str = "sidetone_recorder_seal_seconds";

/// Why a packet is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drop {
    /// The buffers are full: the disk is slower than the calls.
    Full,
    /// Not Opus, or larger than any Opus packet of a call.
    Unsupported,
}

impl Drop {
    const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Says what each metric means, to the recorder that is installed.
pub fn describe() {
    describe_counter!(PACKETS, "Packets handed to the recorder and kept");
    describe_counter!(DROPPED, "Packets not kept, by reason (full, unsupported)");
    describe_counter!(WRITTEN, "Bytes written to the spool");
    describe_counter!(
        ERRORS,
        "Writes and syncs of the spool that failed and will be tried again"
    );
    describe_gauge!(BYTES, "Bytes that the spool holds on disk");
    describe_gauge!(TAKES, "Takes being recorded");
    describe_gauge!(SEALING, "Takes that ended and wait for their file");
    describe_counter!(SEALED, "Takes that were sealed");
    describe_counter!(FAILED, "Tries to seal a take that failed");
    describe_uploads();
    describe_histogram!(
        FLUSH,
        "Seconds that one flush of all takes took, with its sync"
    );
    describe_histogram!(SEAL, "Seconds that sealing one take took");
}

fn describe_uploads() {
    describe_gauge!(WAITING, "Sealed takes that wait for the store");
    describe_gauge!(UPLOADING, "Sealed takes that are being sent to the store");
    describe_counter!(STORED, "Takes that were brought to the store");
    describe_counter!(
        DESTROYED,
        "Takes that were erased before they came to the store"
    );
    describe_counter!(
        UPLOAD_ERRORS,
        "Tries to store a take that failed, by kind (away: store or ledger, own: the take)"
    );
    describe_histogram!(UPLOAD, "Seconds that storing one take took");
}

pub(crate) fn packets(kept: u64) {
    counter!(PACKETS).increment(kept);
}

pub(crate) fn dropped(reason: Drop, packets: u64) {
    if packets > 0 {
        counter!(DROPPED, "reason" => reason.label()).increment(packets);
    }
}

pub(crate) fn spool_written(bytes: usize) {
    counter!(WRITTEN).increment(bytes as u64);
}

pub(crate) fn spool_bytes(bytes: u64) {
    gauge!(BYTES).set(bytes as f64);
}

pub(crate) fn spool_error() {
    counter!(ERRORS).increment(1);
}

pub(crate) fn takes(running: usize, sealing: usize) {
    gauge!(TAKES).set(running as f64);
    gauge!(SEALING).set(sealing as f64);
}

pub(crate) fn flushed(took: Duration) {
    histogram!(FLUSH).record(took.as_secs_f64());
}

pub(crate) fn sealed(took: Duration, ok: bool) {
    histogram!(SEAL).record(took.as_secs_f64());
    counter!(if ok { SEALED } else { FAILED }).increment(1);
}

pub(crate) fn uploads(waiting: usize, uploading: usize) {
    gauge!(WAITING).set(waiting as f64);
    gauge!(UPLOADING).set(uploading as f64);
}

pub(crate) fn uploaded(stored: bool, took: Duration) {
    histogram!(UPLOAD).record(took.as_secs_f64());
    counter!(if stored { STORED } else { DESTROYED }).increment(1);
}

/// `kind` is `away` or `own`.
pub(crate) fn upload_failed(kind: &'static str) {
    counter!(UPLOAD_ERRORS, "kind" => kind).increment(1);
}
