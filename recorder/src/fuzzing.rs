//! What the fuzz targets run, and the tests with the corpus: each function takes any bytes and
//! panics where a promise of this crate is broken.

use sidetone_vault::Keyring;

use crate::record::Records;
use crate::spool::Batches;

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 2] = [("spool", spool), ("spool_records", spool_records)];

/// The master key of the corpus' spool files.
const KEY: &str = "c2lkZXRvbmUgcmVjb3JkZXIgdGVzdHMgbWFzdGVyIGs=";

/// Whatever a spool's files hold, its batches come in their order, each once, and no more than
/// there are bytes.
///
/// The first two bytes are the length (u16, little-endian) of the first segment; what is behind it
/// is the second.
pub fn spool(bytes: &[u8]) {
    let Some(([l0, l1], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes([*l0, *l1]));
    let (first, second) = rest.split_at(length.min(rest.len()));
    let keyring = Keyring::from_base64(&KEY.to_owned().into()).expect("32 bytes in base64");
    let Ok(mut batches) = Batches::read(vec![first, second], &keyring) else {
        return;
    };
    let (mut last, mut size) = (None, 0);
    while let Some(batch) = batches.next().expect("memory can be read") {
        assert!(last.is_none_or(|last| batch.number > last));
        assert!(batch.behind_hole || last.is_none_or(|last| batch.number == last + 1));
        last = Some(batch.number);
        size += batch.body.len();
        spool_records(batch.body);
    }
    assert!(size <= bytes.len());
}

/// Whatever a batch holds, its records are no more than its bytes.
pub fn spool_records(bytes: &[u8]) {
    let mut records = Records::new(bytes);
    let count = records.by_ref().count();
    assert!(count <= bytes.len());
    assert!(records.is_whole() || records.next().is_none());
}
