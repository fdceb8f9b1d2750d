//! Takes as a recorder would seal, store and book them.

use std::io::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use sidetone_service::clock;
use sidetone_vault::DataKey;
use sidetone_vault::chunked::Sealer;
use sidetone_wire::{Booked, Booking, Manifest, RecordingId, TakeState};

use crate::world::{Held, User, World};

/// What lies in a take's files: not sound, but it need not be for the server.
pub(crate) fn sound() -> Vec<u8> {
    (0..100_000u32).map(|n| (n % 251) as u8).collect()
}

/// A take's manifest: 61.5 s, both parties, the customer by name.
pub(crate) fn manifest(call: &Held, recording: RecordingId) -> Manifest {
    let sound = sound();
    let manifest = json!({
        "version": 2,
        "recording": recording,
        "call": call.id,
        "tenant": call.facts.tenant.as_deref().unwrap_or("default"),
        "startedAt": "2026-11-20T10:00:00.000Z",
        "durationMs": 61_500,
        "channels": [
            {"index": 0, "party": "customer", "name": "Carla"},
            {"index": 1, "party": "agent"},
        ],
        "gaps": [{"fromMs": 1000, "toMs": 1500, "reason": "disconnected"}],
        "pauses": [],
        "object": format!("objects/default/2026/11/{recording}.enc"),
        "bytes": sound.len(),
        "sha256": hex::encode(Sha256::digest(&sound)),
        "software": "sidetone test",
    });
    serde_json::from_value(manifest).unwrap()
}

/// A file of a take, encrypted.
pub(crate) fn sealed(sound: &[u8], key: &DataKey) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), key).unwrap();
    sealer.write_all(sound).unwrap();
    sealer.finish().unwrap().0
}

impl World {
    /// A take's booking with a key of its own.
    pub(crate) fn booking(&self, manifest: Manifest, state: TakeState) -> Booking {
        let key = DataKey::generate().unwrap();
        self.booking_of(manifest, &key, state)
    }

    fn booking_of(&self, mut manifest: Manifest, key: &DataKey, state: TakeState) -> Booking {
        let wrapped = self
            .keyring
            .wrap(key, &manifest.tenant, manifest.recording)
            .unwrap();
        manifest.key_id = Some(wrapped.key_id.clone());
        Booking {
            manifest,
            key: wrapped,
            state,
        }
    }

    /// Puts a take's files in the store and books it there, as an uploader does.
    pub(crate) async fn store(&self, manifest: Manifest) -> RecordingId {
        let key = DataKey::generate().unwrap();
        let recording = manifest.recording;
        let mut booking = self.booking_of(manifest, &key, TakeState::Sealed);
        assert_eq!(self.ledger.book(&booking).await.unwrap(), Booked::Kept);
        let object = booking.manifest.object.clone();
        let mut objects = vec![object.clone()];
        for file in &booking.manifest.extra {
            objects.push(file.object.clone());
        }
        for object in objects {
            let bytes = sealed(&sound(), &key);
            self.objects.put_bytes(&object, bytes).await.unwrap();
        }
        let folder = object.rsplit_once('/').unwrap().0;
        let beside = format!("{folder}/{recording}.json");
        let manifest = serde_json::to_vec(&booking.manifest).unwrap();
        self.objects.put_bytes(&beside, manifest).await.unwrap();
        booking.state = TakeState::Stored;
        assert_eq!(self.ledger.book(&booking).await.unwrap(), Booked::Kept);
        recording
    }

    /// A stored take of a call, as it is for most tests.
    pub(crate) async fn stored(&self, call: &Held) -> RecordingId {
        self.store(manifest(call, RecordingId(clock::new_id())))
            .await
    }

    /// A stored take that ended that many days ago.
    pub(crate) async fn stored_ago(&self, call: &Held, days: f64) -> RecordingId {
        let mut manifest = manifest(call, RecordingId(clock::new_id()));
        let ended_at = clock::wall() - (days * 86_400_000.0) as i64;
        manifest.started_at = sidetone_wire::Timestamp::from_unix_ms(ended_at - 61_500);
        self.store(manifest).await
    }

    /// What lies in the store, by name.
    pub(crate) async fn kept(&self) -> Vec<String> {
        let listed = self.objects.list("objects/", None).await.unwrap();
        listed.into_iter().map(|listed| listed.name).collect()
    }
}

/// Where a recording is found.
pub(crate) fn path(recording: RecordingId) -> String {
    format!("/api/recordings/{recording}")
}

/// The rows of the audit log about a subject, oldest first.
pub(crate) async fn audited(user: &User, subject: &str) -> Vec<serde_json::Value> {
    let list = user.read(&format!("/api/audit?subject={subject}")).await;
    let mut rows = list["items"].as_array().unwrap().clone();
    rows.reverse();
    rows
}
