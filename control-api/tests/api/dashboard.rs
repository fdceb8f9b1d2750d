use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};

use crate::world::{Held, World, answer};

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn set<const N: usize>(keys: [&str; N]) -> BTreeSet<&str> {
    keys.into_iter().collect()
}

/// A call that completed after a minute, one that failed then, and one that goes on.
fn three_calls(world: &World) -> Held {
    let gateway = world.gateway();
    let at = Timestamp::from_unix_ms(clock::wall() - 90_000);
    let ended = gateway.hold_since("done", None, at);
    let end = Timestamp::from_unix_ms(at.unix_ms() + 60_000);
    let reason = EndReason::new(EndClass::Completed, "participants_left");
    ended.log.send(CallEvent::Ended { at: end, reason });
    let failed = gateway.hold_since("failed", None, at);
    let reason = EndReason::new(EndClass::Upstream, "room_finished");
    failed.log.send(CallEvent::Ended { at: end, reason });
    gateway.hold("active", None)
}

#[tokio::test]
async fn the_dialect_of_older_dashboards_has_exactly_these_keys() {
    let world = World::new().await;
    let admin = world.admin().await;
    let active = three_calls(&world);
    let path = "/api/dashboard/metrics?hours=24";
    let found = admin
        .eventually(path, |found| {
            found["metrics"]["total_calls"] == 3 && found["metrics"]["active_calls"] == 1
        })
        .await;
    assert_eq!(keys(&found), set(["success", "metrics", "user_id"]));
    let figures = [
        "total_calls",
        "active_calls",
        "completed_calls",
        "average_duration",
        "success_rate",
        "outcome_counts",
        "period_hours",
    ];
    assert_eq!(keys(&found["metrics"]), set(figures));
    assert_eq!(found["metrics"]["completed_calls"], 2);
    assert_eq!(found["metrics"]["average_duration"], 60.0);
    assert_eq!(found["metrics"]["success_rate"], 50.0);
    assert_eq!(found["metrics"]["outcome_counts"]["completed"], 1);
    assert_eq!(found["metrics"]["outcome_counts"]["upstream"], 1);
    assert_eq!(found["user_id"], admin.id.as_str());

    let found = admin.read("/api/dashboard/active-calls").await;
    assert_eq!(
        keys(&found),
        set(["success", "active_calls", "count", "user_id"])
    );
    let call = [
        "id",
        "phoneNumber",
        "direction",
        "startedAt",
        "duration",
        "livekitRoomName",
        "agentConfigId",
    ];
    assert_eq!(keys(&found["active_calls"][0]), set(call));
    assert_eq!(found["active_calls"][0]["id"], active.id.to_string());
    let found = admin.read("/api/dashboard/recent-calls?limit=2").await;
    assert_eq!(keys(&found), set(["success", "calls", "count", "user_id"]));
    assert_eq!(found["count"], 2);
    let found = admin.read("/api/dashboard/agent-performance?hours=1").await;
    let outer = ["success", "agents", "count", "period_hours", "user_id"];
    assert_eq!(keys(&found), set(outer));
    let agent = [
        "agentConfigId",
        "total_calls",
        "average_duration",
        "success_rate",
        "completed_calls",
    ];
    assert_eq!(keys(&found["agents"][0]), set(agent));
    assert_eq!(found["agents"][0]["total_calls"], 3);
    let found = admin.read("/api/dashboard/calls-per-hour?hours=168").await;
    assert_eq!(
        keys(&found),
        set(["success", "data", "period_hours", "user_id"])
    );
    let hours = found["data"].as_object().unwrap();
    assert_eq!(hours.values().filter_map(Value::as_u64).sum::<u64>(), 3);
    assert!(
        hours
            .keys()
            .all(|hour| hour.len() == 16 && hour.ends_with(":00"))
    );
}

#[tokio::test]
async fn health_needs_no_login() {
    let world = World::new().await;
    let health = answer(world.request(Method::GET, "/api/dashboard/health")).await;
    let wanted = json!({"status": "healthy", "websocket_enabled": true});
    assert_eq!(health, (StatusCode::OK, wanted));
}

#[tokio::test]
async fn reports_that_read_the_database_find_calls_under_the_names_they_know() {
    use sqlx::{Connection as _, Row as _};
    let folder = tempfile::tempdir().unwrap();
    let mut url = sidetone_testkit::database(folder.path()).await;
    if url.is_empty() {
        url = format!("sqlite://{}/reports.db", folder.path().display());
    }
    let world = World::with(&[("DATABASE_URL", &url)]).await;
    let admin = world.admin().await;
    let active = three_calls(&world);
    active.known_to(&admin).await;
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    let rows = sqlx::query(
        "SELECT \"id\", \"userId\", \"agentConfigId\", \"phoneNumber\", \"startedAt\", \"endedAt\", \
         \"livekitRoomName\", \"livekitRoomSid\", \"direction\", \"status\", \"outcome\", \
         \"duration\", \"sipCallId\", \"recordingUrl\", \"call_metadata\", \"createdAt\", \
         \"updatedAt\" FROM call_logs ORDER BY \"livekitRoomName\"",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let text = |n: usize, column: &str| rows[n].try_get::<Option<String>, _>(column).unwrap();
    let number = |n: usize, column: &str| rows[n].try_get::<Option<i64>, _>(column).unwrap();
    assert_eq!(text(0, "id"), Some(active.id.to_string()));
    assert_eq!(text(0, "phoneNumber").as_deref(), Some("+4930123456"));
    assert_eq!(text(0, "livekitRoomSid").as_deref(), Some("RM_active"));
    assert_eq!(number(0, "duration"), None);
    assert_eq!(text(1, "outcome").as_deref(), Some("completed"));
    assert_eq!(number(1, "duration"), Some(60));
    assert_eq!(text(1, "call_metadata").as_deref(), Some("{}"));
}

#[tokio::test]
async fn hours_and_limits_out_of_range_are_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (path, field) in [
        ("metrics?hours=0", "hours"),
        ("metrics?hours=169", "hours"),
        ("agent-performance?hours=-1", "hours"),
        ("calls-per-hour?hours=x", "hours"),
        ("recent-calls?limit=0", "limit"),
        ("recent-calls?limit=101", "limit"),
        ("metrics?limit=3", "limit"),
    ] {
        let (status, problem) = admin.get(&format!("/api/dashboard/{path}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(problem["errors"][0]["field"], field, "{path}");
    }
}
