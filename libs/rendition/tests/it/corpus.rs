//! Replays the fuzz target's corpus, so that what a fuzzer once found stays found.

use std::path::Path;

use sidetone_rendition::fuzzing::TARGETS;

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, run) in TARGETS {
        let files = std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap();
        let mut replayed = 0;
        for file in files {
            run(&std::fs::read(file.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed >= 4, "{name} has {replayed} inputs");
        let program = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs")));
        assert!(
            program
                .unwrap()
                .contains(&format!("fuzzing::{name}(bytes)"))
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")));
    }
}
