//! Replays the fuzz targets' corpus, so that what a fuzzer once found stays found.

use std::path::Path;

use control_api::fuzzing::TARGETS;

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, run) in TARGETS {
        let files = std::fs::read_dir(corpus.join(name))
            .unwrap_or_else(|e| panic!("the corpus of {name}: {e}"));
        let mut replayed = 0;
        for file in files {
            run(&std::fs::read(file.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed >= 4, "{name} has {replayed} inputs");
    }
}

#[test]
fn every_target_has_its_program() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let program = fuzz.join(format!("fuzz_targets/{name}.rs"));
        let program = std::fs::read_to_string(program).unwrap();
        assert!(program.contains(&format!("fuzzing::{name}(bytes)")));
        assert!(manifest.contains(&format!("name = \"{name}\"")));
    }
}
