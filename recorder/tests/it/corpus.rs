//! The fuzz targets' corpus, replayed.

use std::path::Path;

use recorder::fuzzing::TARGETS;

#[test]
fn the_committed_corpus_breaks_no_promise() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for (name, entry) in TARGETS {
        let program = fuzz.join("fuzz_targets").join(format!("{name}.rs"));
        let program = std::fs::read_to_string(program).unwrap();
        assert!(program.contains(&format!("fuzzing::{name}(bytes)")));
        let seeds = std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap();
        let mut count = 0;
        for seed in seeds {
            entry(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 3, "{name} has a corpus");
    }
}
