//! Pauses: nothing of them is kept, and they outlive the process.

use std::sync::{Arc, mpsc};

use sidetone_fleet::take::{Durable, TakeError};
use sidetone_media::MediaTime;
use sidetone_testkit::Tmpfs;
use sidetone_wire::Party;

use crate::support::{
    Coder, DEADLINE, MS, Player, Sealed, Studio, Voice, cut, settings, tone_db, wait_for,
};

const SPOKEN_HZ: f64 = 440.0;
const SECRET_HZ: f64 = 1_320.0;

fn at(ms: u64) -> MediaTime {
    MediaTime::from_samples(ms * MS)
}

/// Something to wait for the disk with.
fn durable() -> (Durable, mpsc::Receiver<Result<(), TakeError>>) {
    let (tell, told) = mpsc::channel();
    (Box::new(move |result| drop(tell.send(result))), told)
}

/// Fails where any of the secret is heard, or the rest is not.
fn assert_silent(sealed: &Sealed, from_ms: u64, to_ms: u64) {
    let pauses: Vec<_> = sealed.manifest.pauses.iter().collect();
    let spans: Vec<_> = pauses.iter().map(|p| (p.from_ms, p.to_ms)).collect();
    assert_eq!(spans, [(from_ms, to_ms)], "{pauses:?}");
    for player in Player::ALL {
        let heard = player.play(sealed.path(), 2);
        let whole = tone_db(&heard[0], SECRET_HZ);
        assert!(whole < -60.0, "{player:?}: {whole} dB of the secret");
        assert!(tone_db(cut(&heard[0], 200, from_ms - 50), SPOKEN_HZ) > -20.0);
        let paused = tone_db(cut(&heard[0], from_ms + 20, to_ms - 20), SPOKEN_HZ);
        assert!(paused < -80.0, "{player:?}: {paused} dB in the pause");
    }
    assert!(sealed.manifest.gaps.is_empty(), "a pause is no gap");
}

#[test]
fn what_is_said_while_paused_is_in_no_file_and_the_span_says_who_paused() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    let mut spoken = Voice::new(SPOKEN_HZ, Coder::Celt);
    let mut secret = Voice::new(SECRET_HZ, Coder::Celt);
    for packet in spoken.talk(0, 2_000) {
        take.write(Party::Customer, &packet);
    }
    let (tell, told) = durable();
    take.pause(at(2_000), "user-7", tell);
    told.recv_timeout(DEADLINE).unwrap().unwrap();
    for packet in secret.talk(2_000, 4_000) {
        take.write(Party::Customer, &packet);
        take.write(Party::Supervisor, &packet);
    }
    let (tell, told) = durable();
    take.resume(at(4_000), tell);
    // late ones, of the pause
    for packet in secret.talk(3_500, 4_000) {
        take.write(Party::Customer, &packet);
    }
    told.recv_timeout(DEADLINE).unwrap().unwrap();
    spoken.skip(100);
    for packet in spoken.talk(4_000, 6_000) {
        take.write(Party::Customer, &packet);
    }
    take.end(at(6_000));
    let sealed = studio.sealed(recording);
    assert_eq!(sealed.manifest.duration_ms, 6_000);
    assert_silent(&sealed, 2_000, 4_000);
    assert_eq!(sealed.manifest.pauses[0].by, "user-7");
    let heard = Player::Opusdec.play(sealed.path(), 2);
    assert!(tone_db(cut(&heard[0], 4_100, 5_900), SPOKEN_HZ) > -20.0);
}

#[test]
fn a_pause_that_begins_before_now_takes_back_what_was_written() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(SPOKEN_HZ, Coder::Celt).talk(0, 2_000) {
        take.write(Party::Customer, &packet);
    }
    for packet in Voice::new(SECRET_HZ, Coder::Celt).talk(2_000, 3_000) {
        take.write(Party::Customer, &packet);
    }
    let spooled = || studio.recorder.backlog().bytes;
    wait_for("the secret on the disk", || spooled() > 20_000);
    let (tell, told) = durable();
    take.pause(at(2_000), "rule:dtmf", tell);
    told.recv_timeout(DEADLINE).unwrap().unwrap();
    take.end(at(4_000));
    assert_silent(&studio.sealed(recording), 2_000, 4_000);
}

#[test]
fn a_process_that_dies_while_paused_leaves_silence_from_the_pause_on() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(SPOKEN_HZ, Coder::Celt).talk(0, 2_000) {
        take.write(Party::Customer, &packet);
    }
    let mut secret = Voice::new(SECRET_HZ, Coder::Celt);
    // under way already: written before the pause, of the time behind it
    for packet in secret.talk(2_000, 2_400) {
        take.write(Party::Customer, &packet);
    }
    let (tell, told) = durable();
    take.pause(at(2_000), "user-7", tell);
    told.recv_timeout(DEADLINE).unwrap().unwrap();
    // as kill -9 leaves it: what `durable` promised is on the disk at this moment
    let after = tempfile::tempdir().unwrap();
    let (from, to) = (studio.spool(), after.path().join("spool"));
    std::fs::create_dir_all(&to).unwrap();
    let name = format!("{recording}.take");
    std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    for packet in secret.talk(2_400, 4_000) {
        take.write(Party::Customer, &packet);
    }
    let recovered = Studio::open(after, Arc::default()).unwrap();
    let sealed = recovered.sealed(recording);
    assert_eq!(sealed.manifest.pauses[0].from_ms, 2_000);
    let heard = Player::Opusdec.play(sealed.path(), 2);
    assert!(tone_db(&heard[0], SECRET_HZ) < -60.0);
    assert!(tone_db(cut(&heard[0], 200, 1_900), SPOKEN_HZ) > -20.0);
}

#[test]
fn a_second_pause_changes_only_who_paused_and_a_resume_without_one_nothing() {
    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(SPOKEN_HZ, Coder::Celt).talk(0, 1_000) {
        take.write(Party::Customer, &packet);
    }
    let mut waits = Vec::new();
    let mut wait = || {
        let (tell, told) = durable();
        waits.push(told);
        tell
    };
    take.resume(at(500), wait());
    take.pause(at(1_000), "rule:dtmf", wait());
    take.pause(at(1_500), "user-7", wait());
    take.resume(at(2_000), wait());
    take.resume(at(2_500), wait());
    for told in waits {
        told.recv_timeout(DEADLINE).unwrap().unwrap();
    }
    take.end(at(3_000));
    let sealed = studio.sealed(recording);
    assert_silent(&sealed, 1_000, 2_000);
    assert_eq!(sealed.manifest.pauses[0].by, "user-7");
}

#[test]
fn a_pause_that_the_disk_does_not_take_is_said_to_be_unconfirmed_and_holds_all_the_same() {
    let Some(disk) = Tmpfs::mount(1 << 20).unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.spool_dir = disk.path().join("spool");
    let studio = Studio::with(folder, Arc::default(), settings).unwrap();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(SPOKEN_HZ, Coder::Celt).talk(0, 1_000) {
        take.write(Party::Customer, &packet);
    }
    wait_for("a batch", || studio.recorder.backlog().bytes > 5_000);
    disk.fill().unwrap();
    // fills the rest of the last page, so that there is no room for the pause
    let mut secret = Voice::new(SECRET_HZ, Coder::Celt);
    let (tell, told) = durable();
    for packet in secret.talk(1_000, 3_000) {
        take.write(Party::Customer, &packet);
    }
    take.pause(at(1_000), "user-7", tell);
    let told = told.recv_timeout(DEADLINE).unwrap();
    assert!(matches!(told, Err(TakeError::Disk { .. })), "{told:?}");
    for packet in secret.talk(3_000, 5_000) {
        take.write(Party::Customer, &packet);
    }
    disk.free().unwrap();
    take.end(at(6_000));
    assert_silent(&studio.sealed(recording), 1_000, 6_000);
}
