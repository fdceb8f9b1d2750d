//! The book of recordings as gateways and recorders use it.

use reqwest::StatusCode;
use serde_json::json;
use sidetone_fleet::ledger::LedgerError;
use sidetone_service::clock;
use sidetone_wire::{
    Backlog, Booked, CallEvent, CallId, RecordingId, Signal, SpoolClaim, TakeState, Timestamp,
};
use uuid::Uuid;

use crate::takes::{manifest, path};
use crate::world::World;

fn claim(spool: u128, token: Option<Uuid>) -> SpoolClaim {
    SpoolClaim {
        spool: Uuid::from_u128(spool),
        token,
        place: format!("host:/spool-{}", spool % 10),
    }
}

#[tokio::test]
async fn a_spool_is_refused_when_it_is_old_foreign_or_not_mounted() {
    let world = World::new().await;
    let ledger = &world.ledger;
    let refusal = async |claim| match ledger.claim_spool(&claim).await {
        Err(LedgerError::Refused(text)) => text,
        other => panic!("{other:?}"),
    };
    let lost = ledger.claim_spool(&claim(1, None)).await.unwrap();
    // a crash before the folder kept it: the folder asks again as it did
    let first = ledger.claim_spool(&claim(1, None)).await.unwrap();
    let spool = Uuid::from_u128(1);
    assert!(ledger.confirm_spool(spool, lost).await.is_err());
    for _ in 0..2 {
        ledger.confirm_spool(spool, first).await.unwrap();
    }
    // a crash after the folder kept it, before that was confirmed
    let second = ledger.claim_spool(&claim(1, Some(first))).await.unwrap();
    let third = ledger.claim_spool(&claim(1, Some(second))).await.unwrap();
    ledger.confirm_spool(spool, third).await.unwrap();

    for old in [Some(first), Some(second), None] {
        let text = refusal(claim(1, old)).await;
        assert!(text.contains("older than the database remembers"), "{text}");
    }
    let text = refusal(claim(11, None)).await; // another folder where the first one is known
    assert!(text.contains("mount its disk"), "{text}");
    assert!(text.contains("host:/spool-1") && text.contains(&spool.to_string()));
    let text = refusal(claim(2, Some(third))).await;
    assert!(text.contains("another database"), "{text}");
    assert!(ledger.claim_spool(&claim(2, None)).await.is_ok());
    assert!(ledger.claim_spool(&claim(1, Some(third))).await.is_ok());
}

#[tokio::test]
async fn a_take_is_booked_forward_only_and_for_known_calls_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    call.known_to(&admin).await;
    let recording = RecordingId(clock::new_id());
    let sealed = world.booking(manifest(&call, recording), TakeState::Sealed);
    let mut unknown = sealed.clone();
    unknown.manifest.call = CallId::of_upstream("livekit", "RM_none", Timestamp::from_unix_ms(1));
    let booked = world.ledger.book(&unknown).await.unwrap();
    assert_eq!(booked, Booked::UnknownCall);
    assert_eq!(world.ledger.find(recording).await.unwrap(), None);

    let mut stored = sealed.clone();
    stored.state = TakeState::Stored;
    for (booking, state) in [
        (&sealed, "sealed"),
        (&sealed, "sealed"),
        (&stored, "stored"),
        (&sealed, "stored"),
        (&stored, "stored"),
    ] {
        let booked = world.ledger.book(booking).await.unwrap();
        assert_eq!(booked, Booked::Kept);
        assert_eq!(admin.read(&path(recording)).await["state"], state);
    }
    let found = world.ledger.find(recording).await.unwrap();
    assert_eq!(found, Some((TakeState::Stored, Some(sealed.key))));
    let call = admin.read(&call.path()).await;
    assert_eq!(
        call["recordingStoredUrl"],
        format!("{}/audio", path(recording))
    );
}

#[tokio::test]
async fn a_take_that_is_lost_says_why_and_a_kept_one_is_not_lost() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    call.known_to(&admin).await;
    let kept = world.stored(&call).await;
    let lost = RecordingId(clock::new_id());
    let booking = world.booking(manifest(&call, lost), TakeState::Sealed);
    world.ledger.book(&booking).await.unwrap();
    let unknown = RecordingId(clock::new_id());
    for recording in [kept, lost, lost, unknown] {
        world
            .ledger
            .lost(recording, "the disk is gone")
            .await
            .unwrap();
    }
    assert_eq!(admin.read(&path(kept)).await["state"], "stored");
    let found = admin.read(&path(lost)).await;
    assert_eq!(
        (&found["state"], &found["error"]),
        (&json!("failed"), &json!("the disk is gone"))
    );
}

#[tokio::test]
async fn a_takes_light_follows_its_life() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    let recording = RecordingId(clock::new_id());
    let shows = async |state: &str| {
        admin
            .eventually(&call.path(), |call| call["recording"]["state"] == state)
            .await
    };
    call.log.send(CallEvent::RecordingStarted {
        recording,
        started_at: Timestamp::from_unix_ms(clock::wall()),
    });
    shows("recording").await;
    for (degraded, state) in [(true, "degraded"), (false, "recording")] {
        call.log.send(CallEvent::RecordingDegraded {
            recording,
            degraded,
        });
        shows(state).await;
        assert_eq!(admin.read(&path(recording)).await["degraded"], degraded);
    }
    call.log.send(CallEvent::RecordingEnded { recording });
    shows("off").await;
    // a gateway that died without a word leaves its take to the next one's
    let (dead, next) = (RecordingId(clock::new_id()), RecordingId(clock::new_id()));
    for (recording, later_ms) in [(dead, 1000), (next, 2000)] {
        call.log.send(CallEvent::RecordingStarted {
            recording,
            started_at: Timestamp::from_unix_ms(clock::wall() + later_ms),
        });
    }
    admin
        .eventually(&path(next), |found| found["state"] == "recording")
        .await;
    let error = "no disk".to_owned();
    call.log.send(CallEvent::RecordingFailed {
        recording: next,
        error,
    });
    shows("failed").await;
}

#[tokio::test]
async fn operators_of_the_default_tenant_see_what_spools_hold() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let said = Backlog {
        node: "gateway-1".to_owned(),
        waiting: 500,
        bytes: 1 << 33,
        error: Some("the bucket refuses".to_owned()),
        ..Backlog::default()
    };
    // whoever listens may not be there yet: it is said every few seconds
    let seen = crate::world::within(async || {
        world.fleet.signal(Signal::Backlog(said.clone()));
        let list = admin.read("/api/recordings/backlog").await;
        list["items"] == json!([said])
    });
    assert!(seen.await);
    let (status, body) = acme.get("/api/recordings/backlog").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::FORBIDDEN, &json!("other_tenant"))
    );
}
