//! What a process leaves behind that died while recording.

use std::path::Path;
use std::sync::Arc;

use sidetone_media::MediaTime;
use sidetone_wire::{GapReason, Party, RecordingId};

use crate::support::{Coder, Expected, Studio, Voice, assert_plays, wait_for};

/// Copies the spool's files as a crash would leave them now, and starts a recorder on them.
fn crash(studio: &Studio) -> Studio {
    restart(copy(studio))
}

fn copy(studio: &Studio) -> tempfile::TempDir {
    let after = tempfile::tempdir().unwrap();
    let to = after.path().join("spool");
    std::fs::create_dir_all(&to).unwrap();
    for file in std::fs::read_dir(studio.spool()).unwrap() {
        let path = file.unwrap().path();
        let of_a_take = |e: &std::ffi::OsStr| e == "take" || e == "enc" || e == "sealed";
        if path.extension().is_some_and(of_a_take) {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    after
}

fn restart(folder: tempfile::TempDir) -> Studio {
    Studio::open(folder, Arc::default()).unwrap()
}

fn take_files(spool: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(spool).unwrap();
    let mut takes: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "take"))
        .collect();
    takes.sort();
    takes
}

fn spooled_bytes(studio: &Studio) -> u64 {
    let takes = take_files(&studio.spool());
    takes
        .iter()
        .map(|take| take.metadata().unwrap().len())
        .sum()
}

#[test]
fn a_take_cut_off_by_a_crash_is_sealed_at_the_next_start_up_to_its_last_packet() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    let packets = Voice::new(440.0, Coder::Celt).talk(0, 3_000);
    for packet in &packets {
        take.write(Party::Customer, packet);
    }
    wait_for("the spool", || spooled_bytes(&studio) > 20_000);
    let after = crash(&studio);
    let sealed = after.sealed(recording);
    assert_eq!(sealed.manifest.duration_ms, 3_000);
    let expected = [Expected::new(&packets, 3_000), Expected::new(&[], 3_000)];
    assert_plays(&sealed, [&expected[0], &expected[1]]);
}

#[test]
fn a_torn_tail_costs_what_was_in_it_and_a_second_start_finds_nothing() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
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
    let after = copy(&studio);
    let spool = take_files(&after.path().join("spool")).remove(0);
    let bytes = std::fs::read(&spool).unwrap();
    std::fs::write(&spool, &bytes[..bytes.len() - 1]).unwrap();

    let recovered = restart(after);
    assert_eq!(recovered.sealed(recording).manifest.duration_ms, 2_000);
    wait_for("an empty spool", || recovered.recorder.backlog().bytes == 0);
    let (folder, ledger) = recovered.close();
    let again = Studio::open(folder, ledger).unwrap();
    assert_eq!(again.ledger.bookings().len(), 1);
    assert_eq!(again.recorder.backlog().bytes, 0);
}

#[test]
fn a_crash_between_the_sealed_take_and_its_removal_from_the_spool_seals_nothing_twice() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(440.0, Coder::Celt).talk(0, 1_000) {
        take.write(Party::Customer, &packet);
    }
    wait_for("the spool", || spooled_bytes(&studio) > 5_000);
    let after = copy(&studio);
    take.end(MediaTime::from_samples(48_000));
    let first = studio.sealed(recording);
    // its spool file is there as well as what says that it is complete
    let recovered = restart(after);
    let second = recovered.sealed(recording);
    assert_eq!(first.manifest.sha256, second.manifest.sha256);
    assert_eq!(first.manifest.object, second.manifest.object);
    assert_eq!(
        take_files(&recovered.spool()),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn a_file_that_is_no_spool_file_is_kept_and_reported_as_lost_where_it_names_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    std::fs::create_dir_all(&spool).unwrap();
    let new_id = || RecordingId(sidetone_service::clock::new_id());
    let (foreign, former) = (new_id(), new_id());
    std::fs::write(spool.join("x.take"), b"not one of ours").unwrap();
    let long = [b"not one of ours".repeat(9), Vec::new()].concat();
    std::fs::write(spool.join(format!("{foreign}.take")), long).unwrap();
    let old = [b"sidetone take 1\n".to_vec(), vec![7; 100]].concat();
    std::fs::write(spool.join(format!("{former}.take")), old).unwrap();
    let studio = restart(folder);
    for (recording, why) in [(foreign, "not a spool file"), (former, "format 1")] {
        wait_for("the report", || {
            let lost = studio.ledger.why_lost(recording);
            lost.is_some_and(|text| text.contains(why))
        });
    }
    assert_eq!(take_files(&spool).len(), 3);
}

#[test]
fn damage_in_the_middle_costs_the_batch_it_is_in_and_the_gap_is_listed() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    let mut voice = Voice::new(440.0, Coder::Celt);
    for second in 0..8 {
        let before = spooled_bytes(&studio);
        for packet in voice.talk(second * 1_000, (second + 1) * 1_000) {
            take.write(Party::Customer, &packet);
        }
        wait_for("a batch", || spooled_bytes(&studio) > before + 5_000);
    }
    let after = copy(&studio);
    let spool = take_files(&after.path().join("spool")).remove(0);
    let mut bytes = std::fs::read(&spool).unwrap();
    let at = bytes.len() * 2 / 5;
    bytes[at] ^= 0x10;
    std::fs::write(&spool, bytes).unwrap();
    let recovered = restart(after);
    let sealed = recovered.sealed(recording);
    assert_eq!(sealed.manifest.duration_ms, 8_000);
    let gaps: Vec<_> = sealed.manifest.gaps.iter().collect();
    let degraded = gaps.iter().find(|gap| gap.reason == GapReason::Degraded);
    let degraded = degraded.expect("a listed gap");
    assert!(degraded.to_ms - degraded.from_ms <= 1_100, "{gaps:?}");
    assert!(
        degraded.from_ms > 2_000 && degraded.to_ms < 5_000,
        "{gaps:?}"
    );
    let kept = recovered.spool().join(format!("{recording}.damaged"));
    assert!(kept.exists(), "kept for a person to see");
}

#[test]
fn a_take_that_is_dropped_is_sealed_up_to_its_last_packet() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(440.0, Coder::Celt).talk(0, 1_000) {
        take.write(Party::Agent, &packet);
    }
    drop(take);
    assert_eq!(studio.sealed(recording).manifest.duration_ms, 1_000);
}

#[test]
fn a_shutdown_seals_what_has_ended_and_the_next_start_stores_it() {
    let studio = Studio::new();
    let mut recordings = Vec::new();
    for _ in 0..5 {
        let (mut take, recording) = studio.begin();
        for packet in Voice::new(440.0, Coder::Celt).talk(0, 200) {
            take.write(Party::Agent, &packet);
        }
        take.end(MediaTime::from_samples(9_600));
        recordings.push(recording);
    }
    let (folder, ledger) = studio.close();
    assert!(take_files(&folder.path().join("spool")).is_empty());
    let again = Studio::open(folder, ledger).unwrap();
    for recording in recordings {
        assert_eq!(again.sealed(recording).manifest.duration_ms, 200);
    }
}

#[test]
fn nothing_readable_of_a_take_is_on_the_disk_at_any_time() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    let packets = Voice::new(440.0, Coder::Celt).talk(0, 2_000);
    let marker = packets[50].payload[8..24].to_vec();
    take.name(Party::Agent, "Ada Lovelace");
    for packet in &packets {
        take.write(Party::Customer, packet);
    }
    let needles: [&[u8]; 5] = [b"OggS", b"OpusHead", b"RIFF", b"Lovelace", &marker];
    let search = || {
        for folder in ["spool", "store"] {
            for (path, bytes) in every_file(&studio.folder.path().join(folder)) {
                for needle in needles {
                    let found = bytes.windows(needle.len()).any(|w| w == needle);
                    assert!(!found, "{needle:?} in {}", path.display());
                }
            }
        }
    };
    wait_for("the spool", || spooled_bytes(&studio) > 10_000);
    search();
    take.end(MediaTime::from_samples(96_000));
    studio.sealed(recording);
    search();
}

/// Every file below a folder, with what is in it; those that go meanwhile left out.
fn every_file(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(every_file(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}
