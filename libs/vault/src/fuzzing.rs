//! What the fuzz targets run, and the tests with the corpus: each function takes any bytes and
//! panics where a promise of this crate is broken.

use std::io::Write as _;

use crate::DataKey;
use crate::chunked::{self, HEADER_BYTES, Sealer};

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 1] = [("object", object)];

const KEY: DataKey = DataKey::fixed(0x5a);

/// An object that opens is, byte by byte, what sealing its content gives; one that was changed
/// does not open.
///
/// The first byte chooses: even, the rest is an object as it comes. Odd, the next three (little-
/// endian) are the size of an object that is sealed here, and each four of the rest a change of
/// it: three bytes say where, one says what.
pub fn object(bytes: &[u8]) {
    match bytes.split_first() {
        Some((kind, rest)) if kind % 2 == 0 => any_object(rest),
        Some((_, rest)) => changed_object(rest),
        None => {}
    }
}

fn any_object(stored: &[u8]) {
    let Ok(plain) = chunked::open_whole(&KEY, stored) else {
        return;
    };
    let salt = stored[HEADER_BYTES - 32..HEADER_BYTES].try_into();
    let salt = salt.expect("what opens has a header");
    assert!(seal(&plain, &salt) == stored, "two objects open as one");
}

fn changed_object(script: &[u8]) {
    let Some(([a, b, c], changes)) = script.split_first_chunk() else {
        return;
    };
    // up to 256 KiB: four chunks
    let size = u32::from_le_bytes([*a, *b, *c, 0]) & 0x3_ffff;
    let plain: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    let whole = seal(&plain, &[1; 32]);
    let mut stored = whole.clone();
    for change in changes.chunks_exact(4).take(16) {
        let at = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize;
        let at = at % stored.len().max(1);
        match change[3] {
            0 => stored.truncate(at),
            1 => stored.rotate_left(at),
            2 => stored.extend_from_within(at..),
            3 => drop(stored.drain(..at)),
            bits if at < stored.len() => stored[at] ^= bits,
            _ => {}
        }
    }
    match chunked::open_whole(&KEY, &stored) {
        Ok(opened) => assert!(
            stored == whole && opened == plain,
            "a change was not noticed"
        ),
        Err(_) => assert!(stored != whole, "what was not changed does not open"),
    }
}

fn seal(plain: &[u8], salt: &[u8; 32]) -> Vec<u8> {
    let sealer = Sealer::with_salt(Vec::new(), &KEY, salt);
    let mut sealer = sealer.expect("memory does not refuse");
    sealer.write_all(plain).expect("memory does not refuse");
    sealer.finish().expect("memory does not refuse").0
}
