use std::ops::Range;

use proptest::prelude::*;

use super::*;

const KEY: DataKey = DataKey::fixed(7);
const SALT: [u8; SALT_BYTES] = [9; SALT_BYTES];
const FULL: usize = CHUNK_BYTES + TAG_BYTES;

fn seal(plain: &[u8]) -> Vec<u8> {
    seal_with(plain, &KEY, &SALT)
}

fn seal_with(plain: &[u8], key: &DataKey, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let mut sealer = Sealer::with_salt(Vec::new(), key, salt).unwrap();
    sealer.write_all(plain).unwrap();
    sealer.finish().unwrap().0
}

/// Bytes of which no two neighbours or chunks are alike.
fn sound(len: usize) -> Vec<u8> {
    let word = |n: usize| (n as u32).wrapping_mul(2_654_435_761).to_le_bytes();
    (0..len).map(|n| word(n / 4)[n % 4]).collect()
}

/// What a reader of a range would give out.
fn read(stored: &[u8], plain: Range<u64>) -> Result<Vec<u8>, OpenError> {
    let opener = Opener::new(&KEY, &stored[..HEADER_BYTES], stored.len() as u64)?;
    let touched = opener.chunks(plain.clone());
    let mut part = &stored[touched.stored.start as usize..touched.stored.end as usize];
    let (mut out, mut index) = (Vec::new(), touched.first);
    while !part.is_empty() {
        let (chunk, rest) = part.split_at(opener.chunk_len(index));
        out.extend_from_slice(opener.open_chunk(index, &mut chunk.to_vec())?);
        (part, index) = (rest, index + 1);
    }
    let wanted = (plain.end.min(opener.plain_len())).saturating_sub(plain.start) as usize;
    out.drain(..touched.skip.min(out.len()));
    out.truncate(wanted);
    Ok(out)
}

#[test]
fn objects_of_sizes_around_a_chunk_come_back() {
    for size in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
    ] {
        let plain = sound(size);
        let stored = seal(&plain);
        assert_eq!(stored.len() as u64, stored_len(size as u64), "{size}");
        assert_eq!(plain_len(stored.len() as u64), Some(size as u64));
        assert_eq!(open_whole(&KEY, &stored).unwrap(), plain, "{size}");
    }
}

#[test]
fn a_sealer_tells_the_sizes_and_hashes_of_both_sides() {
    let plain = sound(CHUNK_BYTES + 5);
    let mut sealer = Sealer::new(Vec::new(), &KEY).unwrap();
    for part in plain.chunks(1_001) {
        sealer.write_all(part).unwrap();
    }
    let (stored, sealed) = sealer.finish().unwrap();
    let hash = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
    let expected = Sealed {
        plain_bytes: plain.len() as u64,
        plain_sha256: hash(&plain),
        stored_bytes: stored.len() as u64,
        stored_sha256: hash(&stored),
    };
    assert_eq!(sealed, expected);
    assert_eq!(open_whole(&KEY, &stored).unwrap(), plain);
}

#[test]
fn sizes_that_no_object_has_are_known() {
    for stored in 0..(HEADER_BYTES + TAG_BYTES) as u64 {
        assert_eq!(plain_len(stored), None, "{stored}");
    }
    // a second chunk without a byte in it
    let second = (HEADER_BYTES + FULL) as u64;
    for stored in second + 1..=second + TAG_BYTES as u64 {
        assert_eq!(plain_len(stored), None, "{stored}");
    }
    assert_eq!(plain_len(u64::MAX).map(stored_len), Some(u64::MAX));
}

#[test]
fn a_sealer_whose_output_failed_takes_no_more() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(Sealer::new(Full(10), &KEY).is_err());
    let mut sealer = Sealer::new(Full(100), &KEY).unwrap();
    assert!(sealer.write_all(&sound(2 * CHUNK_BYTES)).is_err());
    assert!(sealer.write_all(b"x").is_err());
    assert!(sealer.finish().is_err());
}

#[test]
fn nothing_of_an_ogg_file_shows_in_its_object() {
    let mut plain = sound(3 * CHUNK_BYTES);
    let marks: [&[u8]; 4] = [b"OggS", b"OpusHead", b"OpusTags", b"RIFF"];
    for at in (0..plain.len() - 8).step_by(1_000) {
        let mark = marks[at / 1_000 % marks.len()];
        plain[at..at + mark.len()].copy_from_slice(mark);
    }
    let stored = seal(&plain);
    for mark in marks {
        let shows = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
        assert!(shows(&plain) && !shows(&stored), "{mark:?}");
    }
}

#[test]
fn another_key_opens_nothing() {
    let stored = seal(&sound(100));
    for byte in (0..=255).filter(|byte| *byte != 7) {
        let opened = open_whole(&DataKey::fixed(byte), &stored);
        assert_eq!(opened, Err(OpenError::Chunk(0)));
    }
}

/// One change to an object of four chunks, the last of 1,000 bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Flip {
        at: usize,
        bit: u8,
    },
    Cut {
        len: usize,
    },
    CutAtChunk {
        chunks: usize,
    },
    Swap {
        a: usize,
        b: usize,
    },
    Drop {
        chunk: usize,
    },
    Repeat {
        chunk: usize,
    },
    Append {
        bytes: Vec<u8>,
    },
    /// A chunk of another object of the same take, which has a salt of its own.
    Splice {
        chunk: usize,
    },
    /// The other object's header.
    OtherHeader,
}

const CHUNKS: usize = 4;

fn mutation() -> impl Strategy<Value = Mutation> {
    let len = stored_len((3 * CHUNK_BYTES + 1_000) as u64) as usize;
    let chunk = 0..CHUNKS;
    prop_oneof![
        4 => (0..len, 0u8..8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        1 => (0..HEADER_BYTES, 0u8..8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        2 => (0..len).prop_map(|len| Mutation::Cut { len }),
        1 => chunk.clone().prop_map(|chunks| Mutation::CutAtChunk { chunks }),
        1 => (0..CHUNKS, 1..CHUNKS)
            .prop_map(|(a, by)| Mutation::Swap { a, b: (a + by) % CHUNKS }),
        1 => chunk.clone().prop_map(|chunk| Mutation::Drop { chunk }),
        1 => chunk.clone().prop_map(|chunk| Mutation::Repeat { chunk }),
        1 => proptest::collection::vec(any::<u8>(), 1..200)
            .prop_map(|bytes| Mutation::Append { bytes }),
        1 => chunk.prop_map(|chunk| Mutation::Splice { chunk }),
        1 => Just(Mutation::OtherHeader),
    ]
}

fn apply(mutation: &Mutation, object: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = object.to_vec();
    let place = |chunk: usize| {
        let from = HEADER_BYTES + chunk * FULL;
        from..object.len().min(from + FULL)
    };
    match *mutation {
        Mutation::Flip { at, bit } => bytes[at] ^= 1 << bit,
        Mutation::Cut { len } => bytes.truncate(len),
        Mutation::CutAtChunk { chunks } => bytes.truncate(HEADER_BYTES + chunks * FULL),
        Mutation::Swap { a, b } => {
            let (first, second) = (place(a.min(b)), place(a.max(b)));
            let tail = object[second.end..].to_vec();
            bytes.truncate(first.start);
            bytes.extend_from_slice(&object[second.clone()]);
            bytes.extend_from_slice(&object[first.end..second.start]);
            bytes.extend_from_slice(&object[first]);
            bytes.extend_from_slice(&tail);
        }
        Mutation::Drop { chunk } => drop(bytes.drain(place(chunk))),
        Mutation::Repeat { chunk } => {
            let at = place(chunk).end;
            bytes.splice(at..at, object[place(chunk)].iter().copied());
        }
        Mutation::Append { bytes: ref more } => bytes.extend_from_slice(more),
        Mutation::Splice { chunk } => bytes[place(chunk)].copy_from_slice(&other[place(chunk)]),
        Mutation::OtherHeader => bytes[..HEADER_BYTES].copy_from_slice(&other[..HEADER_BYTES]),
    }
    bytes
}

#[test]
fn ten_thousand_changed_objects_are_all_refused() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let plain = sound(3 * CHUNK_BYTES + 1_000);
    let object = seal(&plain);
    let other = seal_with(&plain, &KEY, &[8; SALT_BYTES]);
    let mut runner = TestRunner::deterministic();
    for round in 0..10_000 {
        let mutation = mutation().new_tree(&mut runner).unwrap().current();
        let changed = apply(&mutation, &object, &other);
        assert_ne!(
            changed, object,
            "round {round}: {mutation:?} changes nothing"
        );
        let opened = open_whole(&KEY, &changed);
        assert!(
            opened.is_err(),
            "round {round}: {mutation:?} was not noticed"
        );
    }
}

#[test]
fn what_is_opened_of_a_changed_object_is_what_was_put_there() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let plain = sound(3 * CHUNK_BYTES + 1_000);
    let object = seal(&plain);
    let other = seal_with(&plain, &KEY, &[8; SALT_BYTES]);
    let mut runner = TestRunner::deterministic();
    for round in 0..500 {
        let mutation = mutation().new_tree(&mut runner).unwrap().current();
        let changed = apply(&mutation, &object, &other);
        let Some(header) = changed.get(..HEADER_BYTES) else {
            continue;
        };
        let Ok(opener) = Opener::new(&KEY, header, changed.len() as u64) else {
            continue;
        };
        for index in 0..=opener.last_chunk() {
            let from = HEADER_BYTES + index as usize * FULL;
            let mut chunk = changed[from..from + opener.chunk_len(index)].to_vec();
            if let Ok(opened) = opener.open_chunk(index, &mut chunk) {
                let from = index as usize * CHUNK_BYTES;
                assert_eq!(opened, &plain[from..from + opened.len()], "round {round}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_object_comes_back_however_it_was_written(
        size in 0usize..4 * CHUNK_BYTES, step in 1usize..100_000,
    ) {
        let plain = sound(size);
        let mut sealer = Sealer::new(Vec::new(), &KEY).unwrap();
        for part in plain.chunks(step) {
            sealer.write_all(part).unwrap();
        }
        let (stored, _) = sealer.finish().unwrap();
        prop_assert_eq!(stored.len() as u64, stored_len(size as u64));
        prop_assert_eq!(open_whole(&KEY, &stored).unwrap(), plain);
    }

    #[test]
    fn any_range_takes_only_the_chunks_it_touches(
        size in 0usize..4 * CHUNK_BYTES, start in 0u64..300_000, len in 0u64..300_000,
    ) {
        let plain = sound(size);
        let stored = seal(&plain);
        let range = start..start + len;
        let from = (start as usize).min(size);
        let to = ((start + len) as usize).clamp(from, size);
        prop_assert_eq!(read(&stored, range.clone()).unwrap(), &plain[from..to]);
        let opener = Opener::new(&KEY, &stored[..HEADER_BYTES], stored.len() as u64).unwrap();
        let touched = opener.chunks(range).stored;
        let most = (to - from) + 2 * FULL + (to - from) / CHUNK_BYTES * TAG_BYTES;
        prop_assert!(touched.end - touched.start <= most as u64);
        prop_assert!(touched.is_empty() == (from == to && size > 0));
    }

    #[test]
    fn sizes_there_and_back_are_the_same(plain in 0u64..1 << 48) {
        prop_assert_eq!(plain_len(stored_len(plain)), Some(plain));
    }
}
