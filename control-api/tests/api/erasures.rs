//! Consent, erasure, legal hold, retention.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_testkit::database;
use sidetone_vault::{Keyring, Store, s3 as bucket};
use sidetone_wire::{Booked, CallEvent, Command, MediaFile, RecordingId, TakeState, Timestamp};
use tokio::net::TcpListener;

use crate::takes::{audited, manifest, path, sound};
use crate::world::{Gateway, Held, User, World, within};

/// Calls of a former process have that long to be found again.
const REFOUND: Duration = Duration::from_secs(30);

struct Kept {
    world: World,
    admin: User,
    gateway: Gateway,
    call: Held,
}

impl Kept {
    async fn new() -> Self {
        let world = World::new().await;
        let admin = world.admin().await;
        let gateway = world.gateway();
        let call = gateway.hold("room-1", None);
        call.known_to(&admin).await;
        Self {
            world,
            admin,
            gateway,
            call,
        }
    }

    async fn erase(&self, recording: RecordingId) -> (StatusCode, Value) {
        self.admin.send(Method::DELETE, &path(recording)).await
    }

    async fn hold(&self, recording: RecordingId) {
        let path = format!("{}/hold", path(recording));
        let body = json!({"held": true, "reason": "case 7"});
        let (status, found) = self.admin.put(&path, &body).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        assert_eq!(found["legalHold"], true);
    }

    async fn lift(&self, recording: RecordingId) {
        let path = format!("{}/hold", path(recording));
        let body = json!({"held": false, "reason": "case closed"});
        assert_eq!(self.admin.put(&path, &body).await.0, StatusCode::OK);
    }

    async fn policy(&self, policy: Value) {
        let (status, body) = self.admin.put("/api/retention", &policy).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    async fn state(&self, recording: RecordingId) -> Value {
        self.admin.read(&path(recording)).await["state"].clone()
    }

    async fn consent(&self, consent: &str) -> (StatusCode, Value) {
        let path = format!("{}/consent", self.call.path());
        self.admin.put(&path, &json!({ "consent": consent })).await
    }

    /// Waits until the store holds nothing of a recording.
    async fn gone(&self, recording: RecordingId) -> bool {
        let id = recording.to_string();
        within(async || {
            !self
                .world
                .kept()
                .await
                .iter()
                .any(|name| name.contains(&id))
        })
        .await
    }
}

#[tokio::test]
async fn an_erased_recording_leaves_a_tombstone_and_no_byte_of_it() {
    let kept = Kept::new().await;
    let (world, admin) = (&kept.world, &kept.admin);
    let recording = RecordingId(clock::new_id());
    let mut manifest = manifest(&kept.call, recording);
    manifest.extra.push(MediaFile {
        channel: 2,
        object: format!("objects/default/2026/11/{recording}.2.enc"),
        bytes: 100_000,
        sha256: "ab".to_owned(),
    });
    world.store(manifest).await;
    let other = world.stored(&kept.call).await;
    let audio = format!("{}/audio", path(recording));
    let heard = admin.request(Method::GET, &audio).send().await.unwrap();
    assert_eq!(heard.bytes().await.unwrap(), sound());

    assert_eq!(kept.erase(recording).await.0, StatusCode::NO_CONTENT);
    let found = admin.read(&path(recording)).await;
    assert_eq!(found["state"], "erased");
    assert!(found["erasedAt"].is_string());
    assert_eq!(found["durationSeconds"], 61.5);
    assert_eq!(found["sha256"], "");
    assert!(!found.to_string().contains("Carla"), "{found}");
    let (status, body) = admin.get(&audio).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::GONE, &json!("recording_erased"))
    );
    assert!(kept.gone(recording).await);
    assert_eq!(world.kept().await.len(), 2, "the other's are still there");
    assert_eq!(kept.state(other).await, "stored");
    let recordings = vec![recording];
    let told = Command::EraseTakes { recordings };
    assert!(kept.gateway.heard(|command| *command == told).await);
    let known = world.ledger.find(recording).await.unwrap();
    assert_eq!(known, Some((TakeState::Erased, None)));

    assert_eq!(kept.erase(recording).await.0, StatusCode::NO_CONTENT);
    let rows = audited(admin, &recording.to_string()).await;
    let erasures = rows
        .iter()
        .filter(|row| row["action"] == "recording.erased");
    assert_eq!(erasures.count(), 1);
}

#[tokio::test]
async fn a_backup_of_the_store_cannot_be_read_after_an_erasure() {
    let kept = Kept::new().await;
    let recording = kept.world.stored(&kept.call).await;
    let (_, key) = kept.world.ledger.find(recording).await.unwrap().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(kept.world.dir.path().join("objects"))
        .arg(backup.path())
        .status();
    assert!(copied.unwrap().success());
    let copy = Store::local(backup.path()).unwrap();
    let object = manifest(&kept.call, recording).object;
    // with its key it is all there
    let opened = kept
        .world
        .keyring
        .unwrap(&key.unwrap(), "default", recording);
    assert!(copy.open(&object, &opened.unwrap()).await.is_ok());

    assert_eq!(kept.erase(recording).await.0, StatusCode::NO_CONTENT);
    assert!(kept.gone(recording).await);
    // the backup and the master key are what is left, and the key is in neither of the two
    let dir = kept.world.stop().await;
    let text = std::fs::read_to_string(dir.path().join("recording.key"));
    let keyring = text.map(|text| Keyring::from_base64(&text.into()).unwrap());
    assert!(keyring.is_ok(), "the master key is where it was");
    let wrapped = serde_json::to_string(&opened_text(&backup)).unwrap();
    assert!(!wrapped.contains("wrapped"));
    assert!(
        std::env::var("SIDETONE_TEST_POSTGRES").is_ok() || !has_key(dir.path(), recording).await
    );
}

/// Everything in the backup that is text.
fn opened_text(backup: &tempfile::TempDir) -> Vec<String> {
    let mut open = vec![backup.path().to_owned()];
    let mut texts = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push(text);
            }
        }
    }
    assert!(!texts.is_empty(), "there are manifests");
    texts
}

/// Whether the database in the folder still has a recording's key.
async fn has_key(dir: &std::path::Path, recording: RecordingId) -> bool {
    use sqlx::{AssertSqlSafe, Connection as _, Row as _};
    sqlx::any::install_default_drivers();
    let url = database(dir).await;
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    let sql = format!("SELECT wrapped_key FROM recordings WHERE id = '{recording}'");
    let row = sqlx::query(AssertSqlSafe(sql));
    let row = row.fetch_one(&mut database).await.unwrap();
    row.get::<Option<String>, _>("wrapped_key").is_some()
}

#[tokio::test]
async fn a_take_that_comes_to_be_booked_after_its_erasure_is_refused() {
    let kept = Kept::new().await;
    let recording = RecordingId(clock::new_id());
    kept.call.log.send(CallEvent::RecordingStarted {
        recording,
        started_at: Timestamp::from_unix_ms(clock::wall()),
    });
    kept.admin
        .eventually(&path(recording), |found| found["state"] == "recording")
        .await;
    assert_eq!(kept.erase(recording).await.0, StatusCode::NO_CONTENT);
    for state in [TakeState::Sealed, TakeState::Stored] {
        let booking = kept.world.booking(manifest(&kept.call, recording), state);
        let booked = kept.world.ledger.book(&booking).await.unwrap();
        assert_eq!(booked, Booked::Erased);
    }
    let known = kept.world.ledger.find(recording).await.unwrap();
    assert_eq!(known, Some((TakeState::Erased, None)));
    let call = kept.admin.read(&kept.call.path()).await;
    assert_eq!(call["recording"]["state"], "off");
}

#[tokio::test]
async fn a_legal_hold_wins_over_deletion_consent_and_age() {
    let kept = Kept::new().await;
    let held = kept.world.stored_ago(&kept.call, 40.0).await;
    kept.hold(held).await;
    let (status, body) = kept.erase(held).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("legal_hold"))
    );
    let free = kept.world.stored_ago(&kept.call, 40.0).await;
    kept.policy(json!({"days": 30})).await;
    assert!(kept.gone(free).await);
    assert_eq!(kept.consent("denied").await.0, StatusCode::OK);
    assert_eq!(kept.state(held).await, "stored");
    assert_eq!(kept.world.kept().await.len(), 2);

    kept.policy(json!({"legalHold": true})).await;
    kept.lift(held).await;
    let found = kept.admin.read(&path(held)).await;
    assert_eq!(found["legalHold"], true);
    assert!(found.get("retainUntil").is_none());
    let (status, body) = kept.erase(held).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("legal_hold"))
    );
    assert_eq!(kept.state(held).await, "stored");

    kept.policy(json!({"legalHold": false})).await;
    assert!(kept.gone(held).await, "nothing holds it any more");
    let rows = audited(&kept.admin, &held.to_string()).await;
    let actions: Vec<_> = rows.iter().map(|row| row["action"].clone()).collect();
    assert_eq!(
        actions,
        ["recording.held", "recording.released", "recording.erased"]
    );
    assert_eq!(rows[0]["detail"]["reason"], "case 7");
    assert_eq!(rows[2]["actor"], "rule:retention");
    let path = format!("{}/hold", path(held));
    let (status, body) = kept
        .admin
        .put(&path, &json!({"held": true, "reason": "late"}))
        .await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("recording_erased"))
    );
}

#[tokio::test]
async fn a_denied_consent_ends_and_erases_and_a_later_yes_brings_nothing_back() {
    let kept = Kept::new().await;
    let stored = kept.world.stored(&kept.call).await;
    let running = RecordingId(clock::new_id());
    kept.call.log.send(CallEvent::RecordingStarted {
        recording: running,
        started_at: Timestamp::from_unix_ms(clock::wall()),
    });
    kept.admin
        .eventually(&path(running), |found| found["state"] == "recording")
        .await;
    let (status, call) = kept.consent("denied").await;
    assert_eq!(status, StatusCode::OK, "{call}");
    assert_eq!(call["consent"], "denied");
    assert_eq!(call["recording"]["state"], "off");
    let stop = Command::StopRecording {
        call: kept.call.id,
        erase: true,
    };
    assert!(kept.gateway.commands().contains(&stop));
    assert!(
        kept.world
            .ledger
            .recording_rule(kept.call.id)
            .await
            .unwrap()
            .denied
    );
    for recording in [stored, running] {
        assert_eq!(kept.state(recording).await, "erased");
        assert!(kept.gone(recording).await);
    }
    // what a gateway recorded that did not live to hear of it
    let late = RecordingId(clock::new_id());
    let booking = kept
        .world
        .booking(manifest(&kept.call, late), TakeState::Sealed);
    let booked = kept.world.ledger.book(&booking).await.unwrap();
    assert_eq!(booked, Booked::Erased);
    assert_eq!(kept.state(late).await, "erased");

    assert_eq!(kept.consent("granted").await.0, StatusCode::OK);
    assert!(
        !kept
            .world
            .ledger
            .recording_rule(kept.call.id)
            .await
            .unwrap()
            .denied
    );
    assert_eq!(kept.state(stored).await, "erased");
    let rows = audited(&kept.admin, &kept.call.id.to_string()).await;
    let consents: Vec<_> = rows.iter().map(|row| row["detail"].clone()).collect();
    assert_eq!(
        consents,
        [
            json!({"from": "unknown", "to": "denied"}),
            json!({"from": "denied", "to": "granted"})
        ]
    );
}

#[tokio::test]
async fn a_denied_consent_under_a_tenants_hold_stops_the_take_and_keeps_it() {
    let kept = Kept::new().await;
    kept.policy(json!({"legalHold": true})).await;
    let stored = kept.world.stored(&kept.call).await;
    assert_eq!(kept.consent("denied").await.0, StatusCode::OK);
    let stop = Command::StopRecording {
        call: kept.call.id,
        erase: false,
    };
    assert!(kept.gateway.commands().contains(&stop));
    assert_eq!(kept.state(stored).await, "stored");
}

#[tokio::test]
async fn what_is_older_than_the_policy_goes_and_what_is_a_minute_younger_stays() {
    let kept = Kept::new().await;
    let minute = 1.0 / 1440.0;
    let old = kept.world.stored_ago(&kept.call, 30.0 + minute).await;
    let young = kept.world.stored_ago(&kept.call, 30.0 - minute).await;
    let acme = kept.world.tenant(&kept.admin, "acme").await;
    let theirs = kept.gateway.hold("theirs", Some("acme"));
    theirs.known_to(&acme).await;
    let elsewhere = kept.world.stored_ago(&theirs, 400.0).await;
    kept.policy(json!({"days": 30})).await;
    assert!(kept.gone(old).await);
    let found = kept.admin.read(&path(young)).await;
    assert_eq!(found["state"], "stored");
    let until: Timestamp = serde_json::from_value(found["retainUntil"].clone()).unwrap();
    assert!((until.unix_ms() - clock::wall() - 60_000).abs() < 30_000);
    assert_eq!(acme.read(&path(elsewhere)).await["state"], "stored");
    assert!(
        acme.read(&path(elsewhere))
            .await
            .get("retainUntil")
            .is_none()
    );
}

#[tokio::test]
async fn an_erasure_that_a_crash_interrupts_is_finished_after_the_next_start() {
    let kept = Kept::new().await;
    let recording = kept.world.stored(&kept.call).await;
    let objects = kept.world.kept().await;
    let dir = kept.world.stop().await;
    // the store is away: it hangs up on whoever asks
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = bucket::Settings {
        endpoint: Some(format!("http://{}", away.local_addr().unwrap())),
        region: Some("us-east-1".to_owned()),
        path_style: true,
        access_key: Some(bucket::AccessKey {
            id: "id".to_owned(),
            secret: "secret".into(),
        }),
        ..bucket::Settings::new("away")
    };
    let store = Store::s3(settings).await.unwrap();
    let world = World::start_with(dir, &[], REFOUND, Some(store)).await;
    let admin = world.admin().await;
    let (status, _) = admin.send(Method::DELETE, &path(recording)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    drop(away.accept().await.expect("the store is asked"));
    let dir = world.stop().await;
    let world = World::start(dir, &[], REFOUND).await;
    assert!(within(async || world.kept().await.is_empty()).await);
    assert_eq!(objects.len(), 2, "media and manifest were there before");
}

#[tokio::test]
async fn many_recordings_are_erased_in_one_sweep() {
    let kept = Kept::new().await;
    let count: usize = std::env::var("SIDETONE_TEST_ERASURES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(450);
    let mut held = Vec::new();
    for n in 0..count {
        let recording = kept.world.stored_ago(&kept.call, 31.0).await;
        if n % 100 == 0 {
            kept.hold(recording).await;
            held.push(recording);
        }
    }
    let start = clock::now();
    kept.policy(json!({"days": 30})).await;
    let deadline = start + Duration::from_mins(1);
    let left = Arc::new(Mutex::new(usize::MAX));
    while clock::now() < deadline && *left.lock().unwrap() > 2 * held.len() {
        *left.lock().unwrap() = files(kept.world.dir.path());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = clock::now() - start;
    assert_eq!(*left.lock().unwrap(), 2 * held.len());
    for recording in held {
        assert_eq!(kept.state(recording).await, "stored");
    }
    println!("{count} recordings erased in {took:?}");
}

/// How many files recordings have in the store below the folder.
fn files(dir: &std::path::Path) -> usize {
    let mut open = vec![dir.join("objects")];
    let mut count = 0;
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "enc" || e == "json") {
                count += 1;
            }
        }
    }
    count
}

#[tokio::test]
async fn a_policy_is_changed_field_by_field_checked_and_audited() {
    let kept = Kept::new().await;
    let admin = &kept.admin;
    let nothing = json!({"days": null, "legalHold": false, "pauseOnDtmf": false,
        "resumeAfterSeconds": null, "hasPauseWebhookSecret": false,
        "redactCards": true, "redactPhones": false});
    assert_eq!(admin.read("/api/retention").await, nothing);
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    kept.policy(
        json!({"days": 30, "pauseOnDtmf": true, "resumeAfterSeconds": 90,
        "pauseWebhookSecret": secret, "redactPhones": true}),
    )
    .await;
    assert!(
        kept.world
            .ledger
            .recording_rule(kept.call.id)
            .await
            .unwrap()
            .pause_on_dtmf
    );
    kept.policy(json!({"legalHold": true, "resumeAfterSeconds": null}))
        .await;
    let policy = admin.read("/api/retention").await;
    let expected = json!({"days": 30, "legalHold": true, "pauseOnDtmf": true,
        "resumeAfterSeconds": null, "hasPauseWebhookSecret": true,
        "redactCards": true, "redactPhones": true});
    assert_eq!(policy, expected);
    for (field, value) in [
        ("days", json!(0)),
        ("days", json!(36_501)),
        ("resumeAfterSeconds", json!(0)),
        ("resumeAfterSeconds", json!(3601)),
        ("pauseWebhookSecret", json!("hunter2")),
        ("colour", json!("red")),
    ] {
        let (status, body) = admin.put("/api/retention", &json!({ field: value })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(body["errors"][0]["field"], field);
    }
    assert_eq!(admin.read("/api/retention").await, expected);
    let log = admin.read("/api/audit?action=retention.changed").await;
    assert_eq!(log["items"].as_array().unwrap().len(), 2);
    assert_eq!(log["items"][1]["detail"]["to"]["days"], 30);
    assert!(!log.to_string().contains("AAECAw"));
    kept.policy(json!({"pauseWebhookSecret": null})).await;
    let policy = admin.read("/api/retention").await;
    assert_eq!(policy["hasPauseWebhookSecret"], false);
}
