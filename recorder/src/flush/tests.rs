//! The spool under a disk that fails at every call in turn, and under power cuts.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use sidetone_fleet::take::Durable;
use sidetone_media::{Codec, MediaTime, Packet, TrackId};
use sidetone_service::clock;
use sidetone_vault::Keyring;
use sidetone_wire::{CallId, Manifest, Party, Timestamp};

use super::*;
use crate::Settings;
use crate::buffer::Shared;
use crate::core::Begun;
use crate::disk::faulty::Faulty;
use crate::record::{Record, Records};
use crate::sealed::Sealed;
use crate::spool::{Batches, Keys, SpoolError, Tail};

/// Packets that a take hears between two flushes.
const PACKETS: u64 = 20;

fn keyring() -> Keyring {
    let text = "c2lkZXRvbmUgcmVjb3JkZXIgdGVzdHMgbWFzdGVyIGs=".to_owned();
    Keyring::from_base64(&text.into()).unwrap()
}

fn recording(n: u128) -> RecordingId {
    RecordingId(uuid::Uuid::from_u128(n))
}

/// A flusher and sealer without threads, in made-up time.
struct World {
    folder: tempfile::TempDir,
    core: Arc<Core>,
    disk: Faulty,
    now: Instant,
    heard: u64,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Faulty::default();
        let lock = File::create(folder.path().join(".lock")).unwrap();
        let settings = Settings {
            spool_dir: folder.path().to_owned(),
            max_takes: 8,
            spool_bytes: 1 << 30,
            keyring: keyring(),
            node: "world".into(),
        };
        Self {
            core: Arc::new(Core::new(settings, Box::new(disk.clone()), lock)),
            folder,
            disk,
            now: clock::now(),
            heard: 0,
        }
    }

    fn begin(&self, n: u128) -> Arc<Shared> {
        let keys = Keys::new(&keyring(), "acme", recording(n)).unwrap();
        let manifest = Manifest {
            version: 2,
            recording: recording(n),
            call: CallId(uuid::Uuid::from_u128(n)),
            tenant: "acme".into(),
            started_at: Timestamp::from_unix_ms(1_793_000_000_000),
            duration_ms: 0,
            channels: Vec::new(),
            gaps: Vec::new(),
            pauses: Vec::new(),
            object: String::new(),
            bytes: 0,
            sha256: String::new(),
            key_id: Some(keys.wrapped.key_id.clone()),
            software: String::new(),
            extra: Vec::new(),
        };
        let shared = Arc::new(Shared::new(self.core.budget.clone()));
        let begun = Begun {
            keys,
            start: serde_json::to_vec(&manifest).unwrap(),
            shared: shared.clone(),
        };
        // `begin` refuses while the disk does; here that is the flusher's own matter
        self.core.set_disk_error(None);
        self.core.begin(begun).unwrap();
        shared
    }

    /// Has every take hear the next packets.
    fn hear(&mut self, takes: &[Arc<Shared>]) {
        for seq in self.heard..self.heard + PACKETS {
            let packet = Packet {
                track: TrackId(1),
                ssrc: 1,
                seq,
                at: MediaTime::from_samples(seq * 960),
                codec: Codec::Opus,
                marker: false,
                level_dbov: None,
                payload: [0xf8, (seq >> 8) as u8, seq as u8, 1].as_slice().into(),
                arrived: self.now,
            };
            for take in takes {
                take.packet(Party::Customer, &packet);
            }
        }
        self.heard += PACKETS;
    }

    /// One round of the flusher.
    fn flush(&mut self, flusher: &mut Flusher<'_>) {
        self.now += FLUSH_EVERY;
        flusher.take_in(self.core.wait(clock::now()));
        flusher.pass(true, self.now);
        flusher.sort_out(false);
        flusher.probe();
    }
}

/// The numbers of the packets that a folder has of a take, how it ended, whether it has holes.
fn recovered(folder: &std::path::Path, n: u128) -> Result<(Vec<u64>, Tail), SpoolError> {
    let segments = spool::segments_of(folder, recording(n)).unwrap();
    let mut batches = Batches::open(&segments, &keyring())?;
    let mut packets = Vec::new();
    while let Some(batch) = batches.next()? {
        assert!(!batch.behind_hole, "a hole before batch {}", batch.number);
        if batch.number > 0 {
            packets.extend(Records::new(batch.body).filter_map(|record| match record {
                Record::Packet { lane, .. } => Some(lane.seq),
                Record::Name { .. }
                | Record::Gap { .. }
                | Record::End { .. }
                | Record::Pause { .. }
                | Record::Resume { .. } => None,
            }));
        }
    }
    Ok((packets, batches.tail()))
}

impl Flusher<'_> {
    /// Whether all that a take heard is durable.
    fn has_durable(&self, n: u128, shared: &Shared) -> bool {
        let take = self
            .takes
            .iter()
            .find(|take| take.recording() == recording(n));
        take.is_some_and(|take| !take.holds_back()) && shared.held_bytes() == 0
    }
}

/// Two takes from their begin until they are sealed, one with a pause, while these calls fail.
/// Gives how many calls there were, and the hashes of the media.
fn record_while_failing(calls: Range<u64>) -> (u64, [String; 2]) {
    let mut world = World::new();
    world.disk.fail(calls.clone());
    let core = world.core.clone();
    let mut flusher = Flusher::new(&core);
    let takes = [world.begin(1), world.begin(2)];
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || -> Durable {
        let told = told.clone();
        Box::new(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
        })
    };
    for round in 0..4 {
        let at = MediaTime::from_samples(world.heard * 960);
        match round {
            1 => takes[0].pause(at, "user-7", tell()),
            2 => takes[0].resume(at, tell()),
            _ => {}
        }
        world.hear(&takes);
        world.flush(&mut flusher);
        let after = tempfile::tempdir().unwrap();
        world.disk.cut_power(after.path(), |_| 0);
        if flusher.has_durable(2, &takes[1]) {
            let found = recovered(after.path(), 2);
            let found = found.unwrap_or_else(|error| panic!("{calls:?}: {error}"));
            assert_eq!(found.0, (0..world.heard).collect::<Vec<_>>(), "{calls:?}");
        }
    }
    let end = MediaTime::from_samples(world.heard * 960);
    for take in &takes {
        take.end(Some(end));
    }
    for _ in 0..200 {
        world.flush(&mut flusher);
    }
    assert!(flusher.takes.is_empty(), "{calls:?}");
    assert_eq!(told.load(Ordering::Relaxed), 2, "{calls:?}");
    let hashes = [1, 2].map(|n| world.seal(n, &calls));
    let mut left: Vec<String> = std::fs::read_dir(world.folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    left.sort();
    let [a, b] = [recording(1), recording(2)];
    let expected = [
        format!("{a}.0.enc"),
        format!("{a}.sealed"),
        format!("{b}.0.enc"),
        format!("{b}.sealed"),
    ];
    assert_eq!(left, expected, "{calls:?}");
    (world.disk.calls(), hashes)
}

impl World {
    /// Seals a take, however often that takes; gives the hash of its media.
    fn seal(&self, n: u128, calls: &Range<u64>) -> String {
        for _ in 0..50 {
            let folder = self.folder.path();
            match crate::seal::seal(&self.disk, folder, &keyring(), recording(n)) {
                Ok(sealed) => {
                    let read = Sealed::read(folder, recording(n), &keyring()).unwrap();
                    assert_eq!(read, Some(sealed.clone()), "{calls:?}");
                    let manifest = sealed.booking.manifest;
                    assert!(manifest.gaps.is_empty(), "{calls:?}: {:?}", manifest.gaps);
                    assert_eq!(manifest.pauses.len(), usize::from(n == 1), "{calls:?}");
                    return manifest.sha256;
                }
                Err(crate::seal::SealError::Disk(_)) => {}
                Err(error) => panic!("{calls:?}: {error}"),
            }
        }
        panic!("{calls:?}: not sealed")
    }
}

#[test]
fn whichever_call_fails_nothing_is_lost_nothing_is_doubled_and_the_take_is_sealed() {
    let (_, expected) = record_while_failing(0..0);
    for length in [1, 2, 25] {
        for call in 0.. {
            let (calls, hashes) = record_while_failing(call..call + length);
            assert_eq!(hashes, expected, "calls {call} to {}", call + length);
            if calls <= call {
                assert!(call > 20, "{calls} calls are too few to be all");
                break;
            }
        }
    }
}

#[test]
fn a_failed_sync_is_never_repeated_on_the_same_file() {
    let mut world = World::new();
    let core = world.core.clone();
    let mut flusher = Flusher::new(&core);
    let takes = [world.begin(1)];
    for round in 0..6 {
        world.hear(&takes);
        if round == 2 {
            // open, write, and the sync
            let next = world.disk.calls();
            world.disk.fail(next + 1..next + 2);
        }
        world.flush(&mut flusher);
    }
    let segments = spool::segments_of(world.folder.path(), recording(1)).unwrap();
    assert_eq!(segments.len(), 2);
    let after = tempfile::tempdir().unwrap();
    world.disk.cut_power(after.path(), |_| 0);
    let (packets, _) = recovered(after.path(), 1).unwrap();
    assert_eq!(packets, (0..world.heard).collect::<Vec<_>>());
}

#[test]
fn what_waits_for_a_disk_that_refuses_is_told_so_at_once_and_again_asked_for_it_is_durable() {
    let mut world = World::new();
    let core = world.core.clone();
    let mut flusher = Flusher::new(&core);
    let takes = [world.begin(1)];
    world.hear(&takes);
    world.flush(&mut flusher);
    let results = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = || -> Durable {
        let results = results.clone();
        Box::new(move |result| results.lock().unwrap().push(result.is_ok()))
    };
    let next = world.disk.calls();
    world.disk.fail(next..next + 1);
    let paused = MediaTime::from_samples(world.heard * 960);
    takes[0].pause(paused, "user-7", tell());
    world.flush(&mut flusher);
    takes[0].pause(paused, "user-7", tell());
    world.hear(&takes);
    world.flush(&mut flusher);
    world.flush(&mut flusher);
    assert_eq!(*results.lock().unwrap(), [false, true]);
    let after = tempfile::tempdir().unwrap();
    world.disk.cut_power(after.path(), |_| 0);
    let (packets, _) = recovered(after.path(), 1).unwrap();
    assert_eq!(packets.len() as u64, PACKETS);
}

#[test]
fn a_running_take_holds_little_memory_and_gives_back_what_a_burst_took() {
    let mut world = World::new();
    let core = world.core.clone();
    let mut flusher = Flusher::new(&core);
    let takes = [world.begin(1)];
    for _ in 0..500 {
        world.hear(&takes);
    }
    assert!(takes[0].capacity_bytes() > 64 << 10);
    for _ in 0..3 {
        world.flush(&mut flusher);
        world.hear(&takes);
    }
    let held = takes[0].capacity_bytes() + flusher.takes[0].capacity_bytes();
    assert!(held < 32 << 10, "{held} bytes");
    assert_eq!(core.budget.load(Ordering::Relaxed), takes[0].held_bytes());
}

#[test]
fn a_discarded_take_gives_back_its_memory_and_its_files_and_confirms_every_pause() {
    let mut world = World::new();
    let core = world.core.clone();
    let mut flusher = Flusher::new(&core);
    let takes = [world.begin(1), world.begin(2)];
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || -> Durable {
        let told = told.clone();
        Box::new(move |result| {
            told.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
        })
    };
    world.hear(&takes);
    let next = world.disk.calls();
    // the sync: what was written stays pending
    world.disk.fail(next + 7..next + 8);
    world.flush(&mut flusher);
    world.hear(&takes);
    let at = MediaTime::from_samples(world.heard * 960);
    takes[0].pause(at, "user-7", tell());
    takes[0].discard();
    core.erase(&[recording(2)]);
    world.flush(&mut flusher);
    takes[1].pause(at, "user-7", tell());
    takes[1].end(Some(at));
    world.hear(&takes);
    world.flush(&mut flusher);
    assert_eq!(told.load(Ordering::Relaxed), 2);
    assert_eq!(core.budget.load(Ordering::Relaxed), 0);
    assert!(spool::files(world.folder.path()).unwrap().is_empty());
    let backlog = core.backlog();
    assert_eq!((backlog.recording, backlog.sealing), (0, 0));
}

/// One step of a take's life before the power is cut.
#[derive(Debug, Clone, Copy)]
enum Step {
    Hear,
    Flush,
    /// Calls that fail from the next one on.
    Fail(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Hear),
        4 => Just(Step::Flush),
        1 => (1u64..6).prop_map(Step::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_power_cut_leaves_the_exact_beginning_and_no_less_than_was_durable(
        steps in prop::collection::vec(any_step(), 1..40),
        seed: u64,
    ) {
        let mut world = World::new();
        let core = world.core.clone();
        let mut flusher = Flusher::new(&core);
        let takes = [world.begin(1), world.begin(2)];
        let mut durable = [0, 0];
        for step in steps {
            match step {
                Step::Hear => world.hear(&takes),
                Step::Flush => {
                    world.flush(&mut flusher);
                    for ((n, durable), take) in (1..).zip(&mut durable).zip(&takes) {
                        if flusher.has_durable(n, take) {
                            *durable = world.heard;
                        }
                    }
                }
                Step::Fail(calls) => {
                    let next = world.disk.calls();
                    world.disk.fail(next..next + calls);
                }
            }
        }
        let after = tempfile::tempdir().unwrap();
        let mut state = seed | 1;
        world.disk.cut_power(after.path(), |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        });
        for (n, durable) in (1..).zip(durable) {
            match recovered(after.path(), n) {
                Ok((packets, tail)) => {
                    prop_assert!(tail != Tail::Damaged);
                    let count = packets.len() as u64;
                    prop_assert_eq!(packets, (0..count).collect::<Vec<_>>());
                    prop_assert!(count >= durable && count <= world.heard);
                }
                Err(SpoolError::Empty) => prop_assert_eq!(durable, 0),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
