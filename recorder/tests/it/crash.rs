//! What a process leaves behind that died while recording.

use std::path::Path;

use sidetone_media::MediaTime;
use sidetone_wire::Party;

use crate::support::{
    Coder, Expected, Sealed, Studio, Voice, assert_plays, merge, settings, wait_for,
};

/// Copies what is in the spool now, as a crash would leave it.
fn crash(studio: &Studio, into: &Path) {
    let to = into.join("spool");
    std::fs::create_dir_all(&to).unwrap();
    for file in std::fs::read_dir(studio.folder.path().join("spool")).unwrap() {
        let file = file.unwrap();
        if file.path().extension().is_some_and(|e| e == "take") {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn spooled_bytes(studio: &Studio) -> u64 {
    std::fs::read_dir(studio.folder.path().join("spool"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn a_take_cut_off_by_a_crash_is_sealed_at_the_next_start_up_to_its_last_packet() {
    let studio = Studio::new();
    let (mut take, _told) = studio.begin();
    let packets = Voice::new(440.0, Coder::Celt).talk(0, 3_000);
    for packet in &packets {
        take.write(Party::Customer, packet);
    }
    wait_for("the spool", || spooled_bytes(&studio) > 20_000);
    let after = tempfile::tempdir().unwrap();
    crash(&studio, after.path());

    let recorder = recorder::load(settings(after.path())).unwrap();
    let mut recovered = recorder.take_recovered();
    assert_eq!(recovered.len(), 1);
    let manifest = recovered.remove(0).result.unwrap();
    assert_eq!(manifest.duration_ms, 3_000);
    let sealed = Sealed {
        store: after.path().to_owned(),
        manifest,
    };
    let expected = [Expected::new(&packets, 3_000), Expected::new(&[], 3_000)];
    assert_plays(&sealed, [&expected[0], &expected[1]]);
    assert!(recorder.take_recovered().is_empty());
    drop(recorder);
    drop(take);
}

#[test]
fn a_torn_tail_costs_what_was_in_it_and_a_second_start_finds_nothing() {
    let studio = Studio::new();
    let (mut take, _told) = studio.begin();
    let mut voice = Voice::new(440.0, Coder::Celt);
    for packet in voice.talk(0, 2_000) {
        take.write(Party::Customer, &packet);
    }
    wait_for("the first batch", || spooled_bytes(&studio) > 10_000);
    let first = spooled_bytes(&studio);
    for packet in voice.talk(2_000, 4_000) {
        take.write(Party::Customer, &packet);
    }
    wait_for("the second batch", || {
        spooled_bytes(&studio) > first + 10_000
    });
    let after = tempfile::tempdir().unwrap();
    crash(&studio, after.path());
    let spool = std::fs::read_dir(after.path().join("spool"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let bytes = std::fs::read(spool.path()).unwrap();
    std::fs::write(spool.path(), &bytes[..bytes.len() - 1]).unwrap();

    let recorder = recorder::load(settings(after.path())).unwrap();
    let manifest = recorder.take_recovered().remove(0).result.unwrap();
    assert_eq!(manifest.duration_ms, 2_000);
    assert!(recorder.shutdown(crate::support::DEADLINE));
    drop(recorder);
    let again = recorder::load(settings(after.path())).unwrap();
    assert!(again.take_recovered().is_empty());
}

#[test]
fn sealing_twice_gives_the_same_bytes_under_the_same_name() {
    let studio = Studio::new();
    let customer = Voice::new(440.0, Coder::Celt).talk(0, 1_000);
    let (mut take, told) = studio.begin();
    for (party, packet) in merge(customer, Vec::new()) {
        take.write(party, &packet);
    }
    wait_for("the spool", || spooled_bytes(&studio) > 5_000);
    let after = tempfile::tempdir().unwrap();
    crash(&studio, after.path());
    // the crashed process sealed too, and died before it removed the spool file
    take.end(MediaTime::from_samples(48_000));
    let first = studio.sealed(&told);
    let recorder = recorder::load(settings(after.path())).unwrap();
    let second = recorder.take_recovered().remove(0).result.unwrap();
    assert_eq!(first.manifest, second);
}

#[test]
fn a_file_that_is_no_spool_file_is_reported_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::write(spool.join("x.take"), b"not one of ours").unwrap();
    let recorder = recorder::load(settings(folder.path())).unwrap();
    let recovered = recorder.take_recovered().remove(0);
    assert!(
        recovered
            .result
            .unwrap_err()
            .to_string()
            .contains("not a spool file")
    );
    assert!(spool.join("x.take").exists());
}

#[test]
fn a_take_that_is_dropped_is_sealed_up_to_its_last_packet() {
    let studio = Studio::new();
    let (mut take, told) = studio.begin();
    for packet in Voice::new(440.0, Coder::Celt).talk(0, 1_000) {
        take.write(Party::Agent, &packet);
    }
    drop(take);
    assert_eq!(studio.sealed(&told).manifest.duration_ms, 1_000);
}

#[test]
fn a_shutdown_seals_what_has_ended_before_it_returns() {
    let studio = Studio::new();
    let mut told = Vec::new();
    for _ in 0..5 {
        let (mut take, tell) = studio.begin();
        for packet in Voice::new(440.0, Coder::Celt).talk(0, 200) {
            take.write(Party::Agent, &packet);
        }
        take.end(MediaTime::from_samples(9_600));
        told.push(tell);
    }
    assert!(studio.recorder.shutdown(crate::support::DEADLINE));
    for told in told {
        assert_eq!(told.try_recv().unwrap().unwrap().duration_ms, 200);
    }
}
