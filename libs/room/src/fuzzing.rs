//! What the fuzz targets run, and a test with the corpus: each function takes any bytes and
//! panics where a promise of this crate is broken.

use crate::data::Data;
use crate::sdp;

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 2] = [("room_sdp", room_sdp), ("room_data", room_data)];

/// A description that was rewritten once needs no rewriting, and names what it named before.
pub fn room_sdp(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let sendonly = sdp::sendonly_offer(&text);
    assert_eq!(sdp::sendonly_offer(&sendonly), sendonly);
    assert_eq!(sdp::msids(&sendonly).len(), sdp::msids(&text).len());
    let asking = sdp::offer_with_nack(&text);
    assert!(asking.len() >= text.len());
    for section in sdp::msids(&text) {
        let single = sdp::offer_single_codec(&text, &section.mid, "0");
        assert_eq!(sdp::offer_single_codec(&single, &section.mid, "0"), single);
    }
}

/// Packets of up to 64 KiB, as they come: whatever they are, what is kept is bounded.
pub fn room_data(bytes: &[u8]) {
    let mut data = Data::default();
    let mut rest = bytes;
    while let [high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (packet, after) = tail.split_at(length);
        drop(data.handle_packet(packet));
        rest = after;
    }
    data.assert_bounded();
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_input_of_the_corpus_keeps_the_promises() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (name, entry) in TARGETS {
            let mut inputs = 0;
            for file in std::fs::read_dir(corpus.join(name)).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                entry(&bytes);
                for cut in 0..bytes.len() {
                    entry(&bytes[..cut]);
                }
                inputs += 1;
            }
            assert!(inputs > 0, "{name} has a corpus");
        }
    }
}
