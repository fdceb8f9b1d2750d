use reqwest::StatusCode;
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};

use crate::world::World;

fn ago(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::wall() - ms)
}

fn ids(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_call_appears_connects_and_ends() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut call = world.gateway().hold("room-1", None);
    let seen = call.known_to(&admin).await;
    assert_eq!(seen["status"], "connecting");
    assert_eq!(seen["upstream"], "livekit");
    assert_eq!(seen["livekitRoomName"], "room-1");
    assert_eq!(seen["control"]["holder"], "agent");
    assert_eq!(seen["recording"]["state"], "off");
    assert_eq!(seen["capabilities"], json!(call.facts.capabilities));
    assert_eq!(seen["watchers"], json!([]));
    assert!((4..=15).contains(&seen["durationSeconds"].as_u64().unwrap()));
    assert_eq!(admin.read("/api/calls/active/count").await["count"], 1);

    call.facts.answered_at = Some(ago(3000));
    call.log.send(CallEvent::Facts(call.facts.clone()));
    let seen = admin
        .eventually(&call.path(), |call| call["status"] == "connected")
        .await;
    assert_eq!(
        seen["answeredAt"],
        call.facts.answered_at.unwrap().to_string()
    );

    let reason = EndReason::new(EndClass::Completed, "participants_left");
    let at = ago(0);
    call.log.send(CallEvent::Ended { at, reason });
    let seen = admin
        .eventually(&call.path(), |call| call["status"] == "ended")
        .await;
    assert_eq!(
        seen["endReason"],
        json!({"class": "completed", "code": "participants_left"})
    );
    assert_eq!(seen["endedAt"], at.to_string());
    assert_eq!(admin.read("/api/calls/active").await["items"], json!([]));
    let (status, _) = admin.get(&format!("/api/calls/active/{}", call.id)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn events_that_come_again_or_from_a_former_holder_change_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut call = gateway.hold("room-1", None);
    call.known_to(&admin).await;

    // another gateway takes over with a greater fencing number
    let newer = world.fleet.event_log(call.id, 9);
    call.facts.agent_name = Some("Second".into());
    newer.send(CallEvent::Facts(call.facts.clone()));
    admin
        .eventually(&call.path(), |call| call["agentName"] == "Second")
        .await;
    // the former holder does not know yet
    let reason = EndReason::new(EndClass::Ours, "too_late");
    call.log.send(CallEvent::Ended { at: ago(0), reason });
    // the same event once more, under the number it had
    let again = world.fleet.event_log(call.id, 9);
    call.facts.agent_name = Some("Replayed".into());
    again.send(CallEvent::Facts(call.facts.clone()));
    // something that is applied shows that those before it were dealt with
    call.facts.agent_name = Some("Third".into());
    again.send(CallEvent::Facts(call.facts.clone()));
    let seen = admin
        .eventually(&call.path(), |call| call["agentName"] != "Second")
        .await;
    assert_eq!(seen["agentName"], "Third");
    assert_eq!(seen["status"], "connecting");
}

#[tokio::test]
async fn a_list_is_newest_first_and_pages_through_all_without_gaps() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut held = Vec::new();
    for n in 0..7 {
        // some begin in the same millisecond
        let at = Timestamp::from_unix_ms(1_790_000_000_000 + i64::from(n / 3));
        held.push(gateway.hold_since(&format!("room-{n}"), None, at));
    }
    for call in &held {
        call.known_to(&admin).await;
    }
    let whole = admin.read("/api/calls").await;
    assert!(whole["nextCursor"].is_null());
    let mut paged = Vec::new();
    let mut path = "/api/calls?limit=2".to_owned();
    loop {
        let page = admin.read(&path).await;
        paged.extend(ids(&page));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/calls?limit=2&cursor={cursor}");
    }
    assert_eq!(paged.len(), 7);
    assert_eq!(paged, ids(&whole));
    let starts: Vec<&str> = whole["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["startedAt"].as_str().unwrap())
        .collect();
    assert!(starts.is_sorted_by(|a, b| a >= b));
    assert_eq!(ids(&admin.read("/api/calls/active").await), paged);
}

#[tokio::test]
async fn a_list_holds_what_fits_all_its_filters() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let old = gateway.hold_since("old-room_1", None, ago(7_200_000));
    let new = gateway.hold_since("new-room", None, ago(10_000));
    for call in [&old, &new] {
        call.known_to(&admin).await;
    }
    let reason = EndReason::new(EndClass::Completed, "room_finished");
    let at = ago(3_600_000);
    old.log.send(CallEvent::Ended { at, reason });
    admin
        .eventually(&old.path(), |call| call["status"] == "ended")
        .await;

    let hour_ago = ago(3_600_000).to_string();
    let (only_old, only_new) = (vec![old.id.to_string()], vec![new.id.to_string()]);
    let both = vec![new.id.to_string(), old.id.to_string()];
    for (query, expected) in [
        ("status=ended".to_owned(), &only_old),
        ("status=connecting".to_owned(), &only_new),
        ("direction=inbound&upstream=livekit".to_owned(), &both),
        ("direction=outbound".to_owned(), &vec![]),
        ("agent=agent-7".to_owned(), &both),
        ("agent=Aria".to_owned(), &both),
        ("agent=aria".to_owned(), &vec![]),
        ("q=OLD-room_".to_owned(), &only_old),
        ("q=carla".to_owned(), &both),
        ("q=room%251".to_owned(), &vec![]),
        ("tag=vip".to_owned(), &vec![]),
        (format!("from={hour_ago}"), &only_new),
        (format!("to={hour_ago}"), &only_old),
        ("min_duration=3000".to_owned(), &only_old),
    ] {
        let page = admin.read(&format!("/api/calls?{query}")).await;
        assert_eq!(&ids(&page), expected, "{query}");
    }
}

#[tokio::test]
async fn unknown_and_wrong_parameters_are_422_with_their_name() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (path, field) in [
        ("/api/calls?colour=red", "colour"),
        ("/api/calls?limit=0", "limit"),
        ("/api/calls?limit=101", "limit"),
        ("/api/calls?limit=many", "limit"),
        ("/api/calls?status=over", "status"),
        ("/api/calls?direction=up", "direction"),
        ("/api/calls?from=yesterday", "from"),
        ("/api/calls?cursor=nonsense", "cursor"),
        ("/api/calls?min_duration=-1", "min_duration"),
        (
            "/api/calls?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "to",
        ),
        ("/api/calls/active?status=ended", "status"),
        ("/api/users?page=2", "page"),
        ("/api/dashboard/metrics?hours=0", "hours"),
        ("/api/dashboard/metrics?hours=169", "hours"),
        ("/api/dashboard/recent-calls?limit=101", "limit"),
    ] {
        let (status, body) = admin.get(path).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {body}");
        assert_eq!(body["code"], "validation_failed");
        assert_eq!(body["errors"][0]["field"], field, "{path}");
    }
}

#[tokio::test]
async fn the_older_dashboards_dialect_has_exactly_its_keys() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let live = gateway.hold("live", None);
    let over = gateway.hold("over", None);
    for call in [&live, &over] {
        call.known_to(&admin).await;
    }
    let reason = EndReason::new(EndClass::Completed, "participants_left");
    over.log.send(CallEvent::Ended { at: ago(0), reason });
    admin
        .eventually(&over.path(), |call| call["status"] == "ended")
        .await;

    assert_eq!(
        admin.read("/api/dashboard/health").await,
        json!({"status": "healthy", "websocket_enabled": true})
    );
    let metrics = admin.read("/api/dashboard/metrics?hours=1").await;
    assert_eq!(metrics["success"], true);
    assert_eq!(metrics["user_id"], admin.id.as_str());
    let figures = &metrics["metrics"];
    assert_eq!(figures["total_calls"], 2);
    assert_eq!(figures["active_calls"], 1);
    assert_eq!(figures["completed_calls"], 1);
    assert_eq!(figures["success_rate"], 100.0);
    assert_eq!(figures["outcome_counts"], json!({"completed": 1}));
    assert_eq!(figures["period_hours"], 1);
    assert!(figures["average_duration"].as_f64().unwrap() >= 5.0);
    let active = admin.read("/api/dashboard/active-calls").await;
    assert_eq!(active["count"], 1);
    let mut keys: Vec<&String> = active["active_calls"][0]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "agentConfigId",
            "direction",
            "duration",
            "id",
            "livekitRoomName",
            "phoneNumber",
            "startedAt"
        ]
    );
    let recent = admin.read("/api/dashboard/recent-calls?limit=1").await;
    assert_eq!(recent["count"], 1);
    assert_eq!(recent["calls"].as_array().unwrap().len(), 1);
}
