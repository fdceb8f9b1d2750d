//! `sidetone recordings check` and `export`, as an operator runs them, on folders and a database
//! that disagree.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers are tests: what fails there fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use recorder::{Recorder, Settings};
use sidetone_fleet::ledger::MemoryLedger;
use sidetone_fleet::take::{Recorder as _, TakeStart};
use sidetone_media::{Codec, MediaTime, Packet, TrackId};
use sidetone_service::clock;
use sidetone_vault::{Keyring, Store};
use sidetone_wire::{CallId, Party, RecordingId, Timestamp};
use sqlx::AnyPool;

/// The master key.
const KEY: &str = "c2lkZXRvbmUgcmVjb3JkaW5ncyBjaGVjayB0ZXN0ISE=";

/// The tenant.
const CLIENT: &str = "019ab2c3-0000-7000-8000-000000000001";

/// How long anything may take before the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// An installation whose process is not running.
struct House {
    data: tempfile::TempDir,
    database: AnyPool,
    call: CallId,
}

impl House {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let migrated = sidetone(data.path(), &["migrate"]);
        assert!(migrated.status.success(), "{migrated:?}");
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}/sidetone.db", data.path().display());
        let database = AnyPool::connect(&url).await.unwrap();
        let call = CallId(clock::new_id());
        for sql in [
            &format!(
                "INSERT INTO clients (id, slug, name, created_at) VALUES ('{CLIENT}', 'acme', 'Acme', 1)"
            ),
            &format!(
                "INSERT INTO calls (id, client_id, upstream, upstream_call_id, direction, \
                 from_party, to_party, status, started_at, ended_at, control_since, seen_at) \
                 VALUES ('{call}', '{CLIENT}', 'livekit', 'x', 'inbound', '', '', 'ended', 1, 2, 1, 1)"
            ),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
                .execute(&database)
                .await
                .unwrap();
        }
        Self {
            data,
            database,
            call,
        }
    }

    fn spool(&self) -> PathBuf {
        self.data.path().join("spool")
    }

    fn objects(&self) -> PathBuf {
        self.data.path().join("objects/acme/2026/10")
    }

    async fn sql(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query(sql).execute(&self.database).await.unwrap();
    }

    /// Leaves takes in the spool as a process leaves them that was killed while the store was
    /// away: some complete, the last one cut off.
    async fn record(&self, complete: usize) -> Vec<RecordingId> {
        let settings = Settings {
            spool_dir: self.spool(),
            max_takes: 100,
            spool_bytes: 1 << 30,
            keyring: Keyring::from_base64(&KEY.to_owned().into()).unwrap(),
            node: "test".into(),
        };
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join("objects"), b"").unwrap();
        let store = Store::local(elsewhere.path()).unwrap();
        let ledger = Arc::new(MemoryLedger::default());
        let recorder = recorder::load(settings, store, ledger).await.unwrap();
        let takes: Vec<RecordingId> = (0..=complete)
            .map(|n| self.take(&recorder, n < complete))
            .collect();
        until("takes are in the spool", || {
            let files = names(&self.spool());
            let count = |end: &str| files.iter().filter(|name| name.ends_with(end)).count();
            count(".sealed") == complete && count(".take") == 1
        })
        .await;
        recorder.shutdown(DEADLINE).await;
        takes
    }

    fn take(&self, recorder: &Recorder, complete: bool) -> RecordingId {
        let recording = RecordingId(clock::new_id());
        let start = TakeStart {
            recording,
            call: self.call,
            tenant: "acme".into(),
            started_at: Timestamp::from_unix_ms(1_793_000_000_000),
        };
        let mut take = recorder.begin(start).unwrap();
        for n in 0..10 {
            let packet = Packet {
                track: TrackId(1),
                ssrc: 1,
                seq: n,
                at: MediaTime::from_samples(n * 960),
                codec: Codec::Opus,
                marker: false,
                level_dbov: None,
                payload: vec![0xf8, 0xff, 0xfe, 1, 2, 3].into(),
                arrived: clock::now(),
            };
            take.write(Party::Customer, &packet);
        }
        if complete {
            take.end(MediaTime::from_samples(9_600));
        } else {
            // as a crash leaves it
            std::mem::forget(take);
        }
        recording
    }

    /// Runs the check; gives what it said and whether it found that all agree.
    fn check(&self, options: &[&str]) -> (bool, Vec<String>) {
        let arguments = [&["recordings", "check"], options].concat();
        let output = sidetone(self.data.path(), &arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        let code = output.status.code();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(code == Some(0) || code == Some(1), "{said}{error}");
        (code == Some(0), said.lines().map(str::to_owned).collect())
    }

    /// Fails unless the check finds this and nothing else.
    fn assert_only(&self, about: &str, wrong: &str) {
        let (agrees, said) = self.check(&[]);
        assert!(!agrees && said.len() == 2, "{said:#?}");
        assert!(
            said[0].contains(about) && said[0].contains(wrong),
            "{said:#?}"
        );
        assert!(said[0].contains("; "), "what to do: {said:#?}");
    }

    fn assert_agrees(&self, options: &[&str]) -> Vec<String> {
        let (agrees, said) = self.check(options);
        assert!(agrees, "{said:#?}");
        said
    }
}

fn sidetone(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sidetone"))
        .args(arguments)
        .env_clear()
        .env("SIDETONE_DATA", data)
        .env("RECORDING_KEY", KEY)
        .current_dir(data)
        .output()
        .unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = clock::now() + DEADLINE;
    while !condition() {
        assert!(clock::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_spool_is_named_and_brought_to_the_store_when_asked_for() {
    let house = House::new().await;
    house.assert_agrees(&[]);
    let takes = house.record(2).await;

    let (agrees, said) = house.check(&[]);
    let count = |text: &str| said.iter().filter(|line| line.contains(text)).count();
    assert!(!agrees);
    assert_eq!(count("belongs to another database"), 1, "{said:#?}");
    assert_eq!(count("waits in the spool for the store"), 2, "{said:#?}");
    assert_eq!(count("was cut off and waits"), 1, "{said:#?}");
    let (agrees, said) = house.check(&["--repair"]);
    assert!(!agrees && said[0].contains("another database"), "{said:#?}");

    // as a folder that this database has not seen yet
    std::fs::remove_file(house.spool().join("identity")).unwrap();
    let said = house.assert_agrees(&["--repair"]);
    for take in &takes {
        let line = format!("recording {take}: left the spool, is stored now");
        assert!(said.contains(&line), "{said:#?}");
    }
    let said = house.assert_agrees(&["--whole"]);
    assert!(said[0].starts_with("3 recordings, 6 files in the store, 0 takes"));
    assert_eq!(names(&house.objects()).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_disagreement_is_a_line_that_says_what_to_do() {
    let house = House::new().await;
    let takes = house.record(1).await;
    std::fs::remove_file(house.spool().join("identity")).unwrap();
    let kept = tempfile::tempdir().unwrap();
    let of_take = |name: &String| name.starts_with(&takes[0].to_string());
    for name in names(&house.spool()).iter().filter(|name| of_take(name)) {
        std::fs::copy(house.spool().join(name), kept.path().join(name)).unwrap();
    }
    house.assert_agrees(&["--repair"]);
    let id = takes[0].to_string();
    let (object, manifest) = (
        house.objects().join(format!("{id}.enc")),
        house.objects().join(format!("{id}.json")),
    );
    let good = std::fs::read(&object).unwrap();

    let mut damaged = good.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(&object, &damaged).unwrap();
    house.assert_only(&id, "is damaged");
    std::fs::write(&object, &good[..good.len() - 1]).unwrap();
    house.assert_only(&id, "bytes of sound");
    std::fs::remove_file(&object).unwrap();
    let (_, said) = house.check(&[]);
    assert!(
        said[0].contains(&id) && said[0].contains("not in the store"),
        "{said:#?}"
    );
    std::fs::write(&object, &good).unwrap();

    let json = std::fs::read(&manifest).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    house.assert_only(&id, ".json is not in the store");
    std::fs::write(&manifest, &json).unwrap();

    let stray = RecordingId(clock::new_id());
    let stray_json = house.objects().join(format!("{stray}.json"));
    std::fs::write(&stray_json, &json).unwrap();
    house.assert_only(&stray.to_string(), "is a manifest without media");
    std::fs::remove_file(&stray_json).unwrap();
    let stray_object = house.objects().join(format!("{stray}.enc"));
    std::fs::write(&stray_object, &good).unwrap();
    house.assert_only(&stray.to_string(), "the database does not know");
    std::fs::remove_file(&stray_object).unwrap();

    // what a process left that was killed just before it emptied the spool
    for name in names(kept.path()) {
        std::fs::copy(kept.path().join(&name), house.spool().join(&name)).unwrap();
    }
    house.assert_only(&id, "it is stored, and still in the spool");
    house.assert_agrees(&["--repair"]);
    house.assert_agrees(&[]);

    let wrong = format!("UPDATE recordings SET state = 'sealed' WHERE id = '{id}'");
    house.sql(&wrong).await;
    house.assert_only(&id, "neither in this spool nor stored");
    house.sql(&wrong.replace("sealed", "stored")).await;

    house
        .sql(&format!(
            "UPDATE recordings SET state = 'erased', wrapped_key = NULL, erased_at = 1, \
             erase_done_at = 2 WHERE id = '{id}'"
        ))
        .await;
    let (_, said) = house.check(&[]);
    assert_eq!(said.len(), 3, "object and manifest: {said:#?}");
    assert!(said[0].contains(&id) && said[0].contains("left of an erased recording"));
    let said = house.assert_agrees(&["--repair"]);
    assert!(said[0].contains("is erased now"), "{said:#?}");
    assert!(!object.exists() && !manifest.exists());
    house.assert_agrees(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_exported_decrypted_with_its_manifest_and_that_is_audited() {
    let house = House::new().await;
    let takes = house.record(1).await;
    std::fs::remove_file(house.spool().join("identity")).unwrap();
    house.assert_agrees(&["--repair"]);
    let id = takes[0].to_string();
    let out = house.data.path().join("out.ogg");
    let arguments = ["recordings", "export", &id, "--out", out.to_str().unwrap()];
    let exported = sidetone(house.data.path(), &arguments);
    assert!(exported.status.success(), "{exported:?}");
    assert!(std::fs::read(&out).unwrap().starts_with(b"OggS"));
    let manifest = std::fs::read_to_string(out.with_extension("json")).unwrap();
    assert!(manifest.contains(&id));
    let audited = sqlx::query("SELECT id FROM audit WHERE action = 'recording.exported'")
        .fetch_all(&house.database)
        .await
        .unwrap();
    assert_eq!(audited.len(), 1);

    // nothing is overwritten, and what is damaged is not written
    let again = sidetone(house.data.path(), &arguments);
    assert!(!again.status.success());
    std::fs::remove_file(&out).unwrap();
    let object = house.objects().join(format!("{id}.enc"));
    let mut damaged = std::fs::read(&object).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(&object, damaged).unwrap();
    let refused = sidetone(house.data.path(), &arguments);
    assert!(!refused.status.success() && !out.exists());
    let unknown = sidetone(
        house.data.path(),
        &["recordings", "export", &clock::new_id().to_string()],
    );
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no recording"));
}
