//! Bounds, and a disk that refuses.

use std::sync::Arc;

use recorder::LoadError;
use sidetone_fleet::take::{Recorder as _, TakeError};
use sidetone_media::{Codec, MediaTime};
use sidetone_testkit::Tmpfs;
use sidetone_vault::Store;
use sidetone_wire::{Gap, GapReason, Party, RecordingId};

use crate::support::{
    Coder, DEADLINE, MS, Player, Studio, Voice, runtime, settings, tone_db, wait_for,
};

fn new_id() -> RecordingId {
    RecordingId(sidetone_service::clock::new_id())
}

#[test]
fn a_spool_folder_has_one_process_only() {
    let studio = Studio::new();
    let (folder, ledger) = (studio.folder.path(), studio.ledger.clone());
    let second = || {
        let store = Store::local(&folder.join("store")).unwrap();
        runtime().block_on(recorder::load(settings(folder), store, ledger.clone()))
    };
    assert!(matches!(second(), Err(LoadError::InUse(_))));
    assert!(studio.runtime.block_on(studio.recorder.shutdown(DEADLINE)));
    assert!(second().is_ok());
}

#[test]
fn a_spool_that_the_ledger_does_not_know_as_it_is_is_refused() {
    let (folder, ledger) = Studio::new().close();
    std::fs::remove_file(folder.path().join("spool/identity")).unwrap();
    let refused = Studio::open(folder, ledger).map(|_| ()).unwrap_err();
    assert!(
        refused.to_string().contains("empty where one is known"),
        "{refused}"
    );
}

#[test]
fn takes_beyond_the_limit_are_refused_until_one_has_ended() {
    let studio = Studio::new();
    let mut takes: Vec<_> = (0..8).map(|_| studio.begin()).collect();
    let ninth = new_id();
    assert!(matches!(
        studio.begin_as(ninth),
        Err(TakeError::Full { limit: 8 })
    ));
    let (take, recording) = takes.remove(0);
    take.end(MediaTime::from_samples(960));
    studio.sealed(recording);
    assert!(studio.begin_as(ninth).is_ok());
}

#[test]
fn a_spool_at_its_budget_takes_no_further_take_and_lets_those_that_run_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.spool_bytes = 20_000;
    let studio = Studio::with(folder, Arc::default(), settings).unwrap();
    let (mut take, recording) = studio.begin();
    let mut voice = Voice::new(440.0, Coder::Celt);
    for packet in voice.talk(0, 5_000) {
        take.write(Party::Customer, &packet);
    }
    wait_for("the budget", || studio.recorder.backlog().bytes > 20_000);
    let refused = studio.begin_as(new_id()).map(|_| ());
    assert!(matches!(refused, Err(TakeError::OverBudget { bytes }) if bytes > 20_000));
    for packet in voice.talk(5_000, 6_000) {
        take.write(Party::Customer, &packet);
    }
    take.end(MediaTime::from_samples(6_000 * MS));
    let sealed = studio.sealed(recording);
    assert_eq!(sealed.manifest.duration_ms, 6_000);
    assert!(sealed.manifest.gaps.is_empty());
    wait_for("room", || studio.begin_as(new_id()).is_ok());
}

#[test]
fn a_full_disk_costs_what_does_not_fit_in_memory_the_gap_is_exact_and_it_goes_on_by_itself() {
    let Some(disk) = Tmpfs::mount(4 << 20).unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.spool_dir = disk.path().join("spool");
    let studio = Studio::with(folder, Arc::default(), settings).unwrap();
    let (mut take, recording) = studio.begin();
    let packets = Voice::new(440.0, Coder::Celt).talk(0, 60_000);
    let bytes: usize = packets.iter().map(|p| p.payload.len()).sum();
    assert!(bytes > 300_000, "more than a take may hold back: {bytes}");
    let on_disk = || studio.recorder.backlog().bytes;
    for packet in &packets[..100] {
        take.write(Party::Customer, packet);
    }
    wait_for("the first batch", || on_disk() > 5_000);
    disk.fill().unwrap();
    assert!(!take.is_degraded());
    let longest = packets[100..2_900]
        .iter()
        .map(|packet| {
            let before = sidetone_service::clock::now();
            take.write(Party::Customer, packet);
            sidetone_service::clock::now() - before
        })
        .max();
    assert!(longest.unwrap().as_millis() < 100, "writing never waits");
    assert!(take.is_degraded());
    // while the disk refuses, so are new takes
    wait_for("a refusal", || studio.recorder.backlog().error.is_some());
    let refused = studio.begin_as(new_id()).map(|_| ());
    assert!(
        matches!(refused, Err(TakeError::Disk { .. })),
        "{refused:?}"
    );
    disk.free().unwrap();
    wait_for("the disk's return", || on_disk() > 200_000);
    wait_for("an even keel", || !take.is_degraded());
    for packet in &packets[2_900..] {
        take.write(Party::Customer, packet);
    }
    take.end(MediaTime::from_samples(60_000 * MS));
    let sealed = studio.sealed(recording);
    assert_eq!(sealed.manifest.duration_ms, 60_000);
    let gaps = &sealed.manifest.gaps;
    let gap = gaps.iter().find(|gap| gap.reason == GapReason::Degraded);
    let gap = gap.expect("a listed gap");
    let same = |other: &Gap| (other.from_ms, other.to_ms) == (gap.from_ms, gap.to_ms);
    assert!(gaps.iter().all(same), "{gaps:?}");
    assert!(gap.from_ms > 20_000 && gap.to_ms == 58_000, "{gap:?}");
    let heard = Player::Opusdec.play(sealed.path(), 2);
    let cut = |from, to| crate::support::cut(&heard[0], from, to);
    assert!(tone_db(cut(1_000, gap.from_ms), 440.0) > -20.0);
    assert!(tone_db(cut(gap.from_ms - 300, gap.from_ms - 20), 440.0) > -20.0);
    assert!(tone_db(cut(gap.from_ms + 100, gap.to_ms - 100), 440.0) < -80.0);
    assert!(tone_db(cut(58_200, 59_900), 440.0) > -20.0);
}

#[test]
fn what_is_erased_leaves_nothing_in_the_spool_running_or_ended() {
    let studio = Studio::new();
    let (mut running, first) = studio.begin();
    let (mut discarded, second) = studio.begin();
    let (mut kept, third) = studio.begin();
    for packet in Voice::new(440.0, Coder::Celt).talk(0, 1_000) {
        for take in [&mut running, &mut discarded, &mut kept] {
            take.write(Party::Customer, &packet);
        }
    }
    let names = || -> Vec<String> {
        let files = std::fs::read_dir(studio.spool()).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let of = |recording: RecordingId| {
        let names = names();
        let prefix = recording.to_string();
        names.iter().filter(|name| name.contains(&prefix)).count()
    };
    wait_for("three spool files", || {
        [first, second, third].into_iter().all(|r| of(r) == 1)
    });
    studio.recorder.erase(&[first]);
    discarded.discard();
    wait_for("nothing left", || of(first) + of(second) == 0);
    // a take that was erased below its writer's feet keeps nothing more
    for packet in Voice::new(440.0, Coder::Celt).talk(1_000, 2_000) {
        running.write(Party::Customer, &packet);
    }
    running.end(MediaTime::from_samples(2_000 * MS));
    kept.end(MediaTime::from_samples(1_000 * MS));
    studio.sealed(third);
    assert_eq!(of(first) + of(second), 0);
    assert!(studio.ledger.booked(first).is_none() && studio.ledger.booked(second).is_none());
    assert_eq!(studio.recorder.backlog().recording, 0);
}

#[test]
fn what_cannot_be_kept_as_it_comes_is_a_listed_gap() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    let mut packets = Voice::new(440.0, Coder::Celt).talk(0, 2_000);
    for packet in &mut packets[50..] {
        packet.codec = Codec::Pcmu;
        packet.payload = vec![0xff; 160].into();
    }
    for packet in &packets {
        take.write(Party::Customer, packet);
    }
    take.end(MediaTime::from_samples(2_000 * MS));
    let manifest = studio.sealed(recording).manifest;
    let gaps: Vec<_> = manifest
        .gaps
        .iter()
        .map(|g| (g.from_ms, g.to_ms, g.reason))
        .collect();
    assert_eq!(gaps, [(1_000, 2_000, GapReason::Degraded)]);
}

#[test]
fn garbage_for_payload_is_silence_and_nothing_worse() {
    let studio = Studio::new();
    let mut packets = Voice::new(440.0, Coder::Celt).talk(0, 2_000);
    for (n, packet) in packets.iter_mut().enumerate().skip(20).take(40) {
        packet.payload = vec![n as u8 ^ 0x5b; n % 7 * 40].into();
    }
    let packets: Vec<_> = packets.into_iter().map(|p| (Party::Agent, p)).collect();
    let sealed = studio.record(&packets, 2_000);
    assert_eq!(sealed.manifest.duration_ms, 2_000);
    let heard = Player::Opusdec.play(sealed.path(), 2);
    assert_eq!(heard[1].len() as u64, 2_000 * MS);
    assert!(tone_db(crate::support::cut(&heard[1], 1_500, 1_900), 440.0) > -20.0);
}
