//! What the fuzz targets run, and the tests with the corpus: each function takes any bytes and
//! panics where a promise of this crate is broken.

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 1] = [("listen_vapi", listen_vapi)];

/// Whatever comes on a listen socket and whenever, what is made of it is bounded and has its place.
pub fn listen_vapi(bytes: &[u8]) {
    crate::source::listen::fuzz_vapi(bytes);
}
