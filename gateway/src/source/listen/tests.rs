use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use sidetone_service::clock;

use super::*;
use crate::fuzzing::TARGETS;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn odd_frames_neither_panic_nor_grow(bytes in prop::collection::vec(any::<u8>(), 0..8_192)) {
        fuzz_vapi(&bytes);
    }
}

#[test]
fn frames_of_a_byte_and_of_256_kib_cost_what_they_may() {
    let origin = clock::now();
    for size in [1, 256 * 1024] {
        let (mut source, frame) = (Listen::new(origin), vec![0x55; size]);
        for n in 0..2_000 {
            let now = origin + Duration::from_millis(n);
            source.handle_binary(&frame, now);
            while source.lay.pace.pop(now).is_some() {}
            assert!(source.held_bytes() <= MOST_BYTES, "{}", source.held_bytes());
        }
        if size > 1 {
            assert!(source.take_surplus() > 0);
        }
    }
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, run) in TARGETS {
        let files: Vec<_> = std::fs::read_dir(fuzz.join("corpus").join(name))
            .unwrap()
            .collect();
        assert!(files.len() >= 4, "{name} has {} inputs", files.len());
        for file in files {
            run(&std::fs::read(file.unwrap().path()).unwrap());
        }
        let program = fuzz.join(format!("fuzz_targets/{name}.rs"));
        let program = std::fs::read_to_string(program).unwrap();
        assert!(program.contains(&format!("fuzzing::{name}(bytes)")));
        assert!(manifest.contains(&format!("name = \"{name}\"")));
    }
}
