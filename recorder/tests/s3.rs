//! Recordings on their way to a bucket that is away. In a process of its own, since others' memory
//! would be counted with it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use recorder::{Recorder, Settings};
use sha2::{Digest as _, Sha256};
use sidetone_codec::{EncoderConfig, OpusEncoder};
use sidetone_fleet::ledger::MemoryLedger;
use sidetone_fleet::take::{Recorder as _, TakeStart};
use sidetone_media::{Codec, MediaTime, Packet, TrackId};
use sidetone_service::clock;
use sidetone_testkit::{Fault, FaultProxy, S3Server, wait_for};
use sidetone_vault::s3::{AccessKey, Patience, Settings as BucketSettings};
use sidetone_vault::{Keyring, Store, chunked};
use sidetone_wire::{Booking, CallId, Party, RecordingId, TakeState, Timestamp};

/// Takes that finish while the bucket is away.
const TAKES: usize = 500;
/// How long each fault lasts.
const FAULT_LASTS: Duration = Duration::from_secs(4);
/// How soon after the bucket's return everything is there: 5 min are promised, for far slower
/// stores than one on the same machine.
const DRAINED_WITHIN: Duration = Duration::from_mins(2);
/// What the outage may cost in memory.
const RISE_MAX: u64 = 20 << 20;
/// Requests that takes may have under way at the same time.
const IN_FLIGHT_MAX: usize = 16;
/// Requests in an outage at most: the sixteen that meet each fault, and a look now and then.
const OUTAGE_REQUESTS_MAX: u64 = 100;

const DEADLINE: Duration = Duration::from_mins(1);

struct Studio {
    server: S3Server,
    bucket: String,
    proxy: FaultProxy,
    store: Store,
    ledger: Arc<MemoryLedger>,
    recorder: Recorder,
    keyring: Keyring,
    folder: tempfile::TempDir,
    packets: Vec<Packet>,
}

impl Studio {
    async fn open() -> Self {
        let server = S3Server::start().await.unwrap();
        let bucket = server.versioned_bucket().await.unwrap();
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let store = Store::s3(BucketSettings {
            endpoint: Some(proxy.url()),
            path_style: true,
            patience: Patience {
                answer: Duration::from_secs(3),
                ..Patience::default()
            },
            access_key: Some(AccessKey {
                id: S3Server::ACCESS_KEY_ID.to_owned(),
                secret: S3Server::SECRET_ACCESS_KEY.to_owned().into(),
            }),
            ..BucketSettings::new(&bucket)
        });
        let store = store.await.unwrap();
        let key = "c2lkZXRvbmUgcmVjb3JkZXIgdGVzdHMgbWFzdGVyIGs=".to_owned();
        let keyring = Keyring::from_base64(&key.into()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            spool_dir: folder.path().join("spool"),
            max_takes: TAKES,
            spool_bytes: 1 << 30,
            keyring: keyring.clone(),
            node: "studio".into(),
        };
        let ledger = Arc::new(MemoryLedger::default());
        let recorder = recorder::load(settings, store.clone(), ledger.clone()).await;
        Self {
            server,
            bucket,
            proxy,
            store,
            ledger,
            recorder: recorder.unwrap(),
            keyring,
            folder,
            packets: talk(1_000),
        }
    }

    /// A take that has ended after so many of the packets.
    fn take(&self, packets: &[Packet]) -> RecordingId {
        let recording = RecordingId(clock::new_id());
        let start = TakeStart {
            recording,
            call: CallId(clock::new_id()),
            tenant: "acme".into(),
            started_at: Timestamp::from_unix_ms(1_793_000_000_000),
        };
        let mut take = self.recorder.begin(start).unwrap();
        for packet in packets {
            take.write(Party::Customer, packet);
            take.write(Party::Agent, packet);
        }
        take.end(MediaTime::from_samples(packets.len() as u64 * 960));
        recording
    }

    fn small_takes(&self, number: usize) -> Vec<RecordingId> {
        let take = |_| self.take(&self.packets[..50]);
        (0..number).map(take).collect()
    }

    fn stored(&self) -> Vec<Booking> {
        let mut bookings = self.ledger.bookings();
        bookings.retain(|booking| booking.state == TakeState::Stored);
        bookings
    }

    /// Files of the spool whose names end so.
    fn spooled(&self, end: &str) -> usize {
        let names = names(&self.folder.path().join("spool"));
        names.iter().filter(|name| name.ends_with(end)).count()
    }

    async fn all_stored(&self, takes: usize, within: Duration) {
        wait_for("all takes to be stored", within, || async {
            let left = self.spooled(".sealed") + self.spooled(".enc") + self.spooled(".take");
            self.stored().len() == takes && left == 0
        })
        .await;
    }

    /// Downloads a take and compares it with its manifest.
    async fn is_whole(&self, booking: &Booking) -> bool {
        let Booking { manifest, key, .. } = booking;
        let key = self
            .keyring
            .unwrap(key, "acme", manifest.recording)
            .unwrap();
        let object = self.store.open(&manifest.object, &key).await.unwrap();
        let plain = object.read_whole().await.unwrap();
        plain.len() as u64 == manifest.bytes
            && hex::encode(Sha256::digest(plain)) == manifest.sha256
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

/// So many packets of a tone.
fn talk(packets: usize) -> Vec<Packet> {
    let mut encoder = OpusEncoder::new(EncoderConfig::default()).unwrap();
    let packet = |n: usize| {
        let sample = |at: usize| (at as f64 * 440.0 * std::f64::consts::TAU / 48_000.0).sin();
        let pcm: Vec<i16> = (n * 960..(n + 1) * 960)
            .map(|at| (sample(at) * 10_000.0) as i16)
            .collect();
        Packet {
            track: TrackId(1),
            ssrc: 1,
            seq: n as u64,
            at: MediaTime::from_samples(n as u64 * 960),
            codec: Codec::Opus,
            marker: false,
            level_dbov: None,
            payload: encoder.encode(&pcm).unwrap().into(),
            arrived: clock::now(),
        }
    };
    (0..packets).map(packet).collect()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Waits, and gives the most memory that was taken meanwhile.
async fn most_memory_in(time: Duration) -> u64 {
    let end = clock::now() + time;
    let mut most = 0;
    while clock::now() < end {
        most = most.max(resident_bytes());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finishes_while_the_bucket_is_away_is_there_once_soon_after_its_return() {
    let studio = Studio::open().await;
    // as many as are later sent at once, so that memory is what it is in the middle of the day
    studio.small_takes(100);
    studio.all_stored(100, DEADLINE).await;
    let before = resident_bytes();
    let mut most = before;

    studio.proxy.forget();
    studio.proxy.set(Fault::Refuse);
    let mut takes: HashSet<RecordingId> = HashSet::new();
    let drip = Fault::Drip {
        bytes_per_second: 1_000,
    };
    let cut = Fault::CutRequest { after_bytes: 2_000 };
    for fault in [Fault::Refuse, Fault::Hang, Fault::SlowDown, drip, cut] {
        studio.proxy.set(fault);
        takes.extend(studio.small_takes(TAKES / 5));
        most = most.max(most_memory_in(FAULT_LASTS).await);
    }
    assert_eq!(takes.len(), TAKES);
    wait_for("all to be sealed meanwhile", DEADLINE, || async {
        studio.spooled(".sealed") + studio.stored().len() == TAKES + 100
    })
    .await;
    assert_eq!(studio.stored().len(), 100, "the faults had no effect");
    wait_for("the backlog to say so", DEADLINE, || async {
        let backlog = studio.recorder.backlog();
        backlog.waiting + backlog.uploading == TAKES as u32 && backlog.error.is_some()
    })
    .await;
    let traffic = studio.proxy.traffic();
    assert!(
        traffic.requests_total() <= OUTAGE_REQUESTS_MAX,
        "{traffic:?}"
    );

    studio.proxy.set(Fault::Pass);
    let returned = clock::now();
    let draining = studio.all_stored(TAKES + 100, DRAINED_WITHIN);
    tokio::pin!(draining);
    loop {
        tokio::select! {
            () = &mut draining => break,
            memory = most_memory_in(Duration::from_millis(50)) => most = most.max(memory),
        }
    }
    let drained = returned.elapsed();

    let in_flight_max = studio.proxy.traffic().in_flight_max;
    assert!(in_flight_max <= IN_FLIGHT_MAX, "{in_flight_max} at once");
    let rise = most.saturating_sub(before);
    assert!(rise <= RISE_MAX, "{rise} bytes more");
    // every version is counted: what was put twice would show
    let mut keys = studio.server.versions(&studio.bucket).await.unwrap();
    assert_eq!(
        keys.len(),
        2 * (TAKES + 100),
        "an object and a manifest each"
    );
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2 * (TAKES + 100));
    let uploads = studio.server.uploads(&studio.bucket).await.unwrap();
    assert_eq!(uploads, [""; 0]);
    let stored = studio.stored();
    let missing = takes
        .iter()
        .filter(|take| stored.iter().all(|b| b.manifest.recording != **take));
    assert_eq!(missing.count(), 0);
    for booking in stored.iter().step_by(20) {
        assert!(studio.is_whole(booking).await, "{booking:?}");
    }
    println!("{TAKES} takes drained in {drained:.1?}, {rise} bytes more, {in_flight_max} at once");
    assert!(studio.recorder.shutdown(DEADLINE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_to_the_middle_of_a_recording_costs_only_the_chunks_touched() {
    let studio = Studio::open().await;
    let recording = studio.take(&studio.packets);
    studio.all_stored(1, DEADLINE).await;
    let Booking { manifest, key, .. } = studio.ledger.booked(recording).unwrap();
    let key = studio.keyring.unwrap(&key, "acme", recording).unwrap();
    let object = studio.store.open(&manifest.object, &key).await.unwrap();
    assert!(
        object.len() > 2 * chunked::CHUNK_BYTES as u64,
        "{}",
        object.len()
    );
    let plain = object.read_whole().await.unwrap();
    let chunk = (chunked::CHUNK_BYTES + chunked::TAG_BYTES) as u64;
    let at = chunked::CHUNK_BYTES as u64;
    for (range, chunks) in [(at + 5..at + 10, 1), (at - 1..at + 1, 2), (9..10, 1)] {
        studio.proxy.forget();
        let stream = object.read(range.clone()).await.unwrap();
        let read: Vec<_> = stream.try_collect().await.unwrap();
        assert_eq!(
            read.concat(),
            plain[range.start as usize..range.end as usize]
        );
        let traffic = studio.proxy.traffic();
        assert_eq!(traffic.response_body_bytes, chunks * chunk);
        assert_eq!(traffic.requests_total(), 1);
    }
    assert!(studio.recorder.shutdown(DEADLINE).await);
}
