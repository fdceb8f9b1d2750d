//! Bounds, and a disk that refuses.

use recorder::LoadError;
use sidetone_fleet::take::TakeError;
use sidetone_media::{Codec, MediaTime};
use sidetone_wire::{GapReason, Party, RecordingId};

use crate::support::{Coder, MS, Player, Studio, Voice, settings, tone_db, wait_for};

#[test]
fn a_spool_folder_has_one_process_only() {
    let studio = Studio::new();
    let second = recorder::load(settings(studio.folder.path()));
    assert!(matches!(second, Err(LoadError::InUse(_))));
    let folder = studio.folder;
    assert!(studio.recorder.shutdown(crate::support::DEADLINE));
    drop(studio.recorder);
    wait_for("the lock", || {
        recorder::load(settings(folder.path())).is_ok()
    });
}

#[test]
fn takes_beyond_the_limit_are_refused_until_one_has_ended() {
    let studio = Studio::new();
    let mut takes: Vec<_> = (0..8).map(|_| studio.begin()).collect();
    let ninth = RecordingId(sidetone_service::clock::new_id());
    assert!(matches!(
        studio.begin_as(ninth),
        Err(TakeError::Full { limit: 8 })
    ));
    let (take, told) = takes.remove(0);
    take.end(MediaTime::from_samples(960));
    studio.sealed(&told);
    assert!(studio.begin_as(ninth).is_ok());
}

#[test]
fn a_disk_that_refuses_costs_what_does_not_fit_in_memory_and_the_gap_is_listed() {
    let studio = Studio::new();
    let recording = RecordingId(sidetone_service::clock::new_id());
    // a folder in the place of the spool file: it cannot be created
    let obstacle = studio
        .folder
        .path()
        .join("spool")
        .join(format!("{recording}.take"));
    std::fs::create_dir(&obstacle).unwrap();
    let (mut take, told) = studio.begin_as(recording).unwrap();
    let packets = Voice::new(440.0, Coder::Celt).talk(0, 60_000);
    let bytes: usize = packets.iter().map(|p| p.payload.len()).sum();
    assert!(bytes > 300_000, "more than a take may hold back: {bytes}");
    for packet in &packets[..2_900] {
        take.write(Party::Customer, packet);
    }
    // while the disk refuses, so are new takes
    wait_for("a refusal", || {
        let id = RecordingId(sidetone_service::clock::new_id());
        matches!(studio.begin_as(id), Err(TakeError::Disk { .. }))
    });
    std::fs::remove_dir(&obstacle).unwrap();
    wait_for("the disk's return", || {
        obstacle.is_file() && obstacle.metadata().unwrap().len() > 200_000
    });
    for packet in &packets[2_900..] {
        take.write(Party::Customer, packet);
    }
    take.end(MediaTime::from_samples(60_000 * MS));
    let sealed = studio.sealed(&told);
    assert_eq!(sealed.manifest.duration_ms, 60_000);
    let gap = sealed
        .manifest
        .gaps
        .iter()
        .find(|g| g.reason == GapReason::Degraded)
        .unwrap();
    assert!(gap.from_ms > 20_000 && gap.to_ms == 58_000, "{gap:?}");
    let heard = Player::Opusdec.play(&sealed.path(), 2);
    let cut = |from, to| crate::support::cut(&heard[0], from, to);
    assert!(tone_db(cut(1_000, gap.from_ms), 440.0) > -20.0);
    assert!(tone_db(cut(gap.from_ms + 100, gap.to_ms - 100), 440.0) < -80.0);
    assert!(tone_db(cut(58_200, 59_900), 440.0) > -20.0);
}

#[test]
fn what_cannot_be_kept_as_it_comes_is_a_listed_gap() {
    let studio = Studio::new();
    let (mut take, told) = studio.begin();
    let mut packets = Voice::new(440.0, Coder::Celt).talk(0, 2_000);
    for packet in &mut packets[50..] {
        packet.codec = Codec::Pcmu;
        packet.payload = vec![0xff; 160].into();
    }
    for packet in &packets {
        take.write(Party::Customer, packet);
        take.write(Party::Supervisor, packet);
    }
    take.end(MediaTime::from_samples(2_000 * MS));
    let manifest = studio.sealed(&told).manifest;
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
    let heard = Player::Opusdec.play(&sealed.path(), 2);
    assert_eq!(heard[1].len() as u64, 2_000 * MS);
    assert!(tone_db(crate::support::cut(&heard[1], 1_500, 1_900), 440.0) > -20.0);
}
