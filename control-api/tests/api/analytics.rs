use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};

use crate::world::{User, World};

/// 2025-10-30T00:00:00Z, a Thursday.
const DAY: i64 = 1_761_782_400_000;
const HOUR: i64 = 3_600_000;
const SPAN: &str = "from=2025-10-30T00:00:00Z&to=2025-10-31T00:00:00Z&bucket=hour";

/// Two calls of an hour from 10:00 and 10:30, one of half an hour from 22:45, by two agents.
async fn world() -> (World, User) {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut last = String::new();
    for (room, agent, start, length) in [
        ("a", "ann", 10 * HOUR, HOUR),
        ("b", "ann", 10 * HOUR + HOUR / 2, HOUR),
        ("c", "bob", 22 * HOUR + HOUR * 3 / 4, HOUR / 2),
    ] {
        let at = Timestamp::from_unix_ms(DAY + start);
        let mut call = gateway.hold_since(room, None, at);
        call.facts.agent_id = Some(agent.to_owned());
        call.log.send(CallEvent::Facts(call.facts.clone()));
        let at = Timestamp::from_unix_ms(DAY + start + length);
        let reason = EndReason::new(EndClass::Completed, "participants_left");
        call.log.send(CallEvent::Ended { at, reason });
        last = call.path();
    }
    admin
        .eventually(&last, |call| call["status"] == "ended")
        .await;
    (world, admin)
}

async fn report(user: &User, name: &str, more: &str) -> Value {
    user.read(&format!("/api/analytics/{name}?{SPAN}{more}"))
        .await
}

#[tokio::test]
async fn reports_count_what_happened_in_the_hours_of_the_zone() {
    let (_world, admin) = world().await;
    let found = report(&admin, "duration", "").await;
    assert_eq!(found["averageSeconds"], 3000.0);
    assert_eq!(found["buckets"].as_array().unwrap().len(), 24);
    assert_eq!(found["buckets"][10]["start"], "2025-10-30T10:00:00.000Z");
    assert_eq!(found["buckets"][10]["averageSeconds"], 3600.0);
    assert_eq!(found["byHour"][22]["averageSeconds"], 1800.0);
    assert_eq!(found["byWeekday"][3]["ended"], 3);

    let found = report(&admin, "duration", "&tz=Asia/Kathmandu").await;
    assert_eq!(found["tz"], "Asia/Kathmandu");
    // 10:00 and 10:30 there are 15:45 and 16:15
    assert_eq!(found["byHour"][15]["ended"], 1);
    assert_eq!(found["byHour"][16]["ended"], 1);
    // and 22:45 is 04:30 on Friday
    assert_eq!(found["byWeekday"][4]["ended"], 1);

    let found = report(&admin, "peaks", "").await;
    assert_eq!(found["calls"], 3);
    assert_eq!(found["busiest"][0]["start"], "2025-10-30T10:00:00.000Z");
    assert_eq!(found["busiest"][0]["calls"], 2);
    assert_eq!(found["byHour"][10]["averageCalls"], 2.0);

    let found = report(&admin, "concurrency", "").await;
    assert_eq!(found["maximum"], 2);
    assert_eq!(found["maximumAt"], "2025-10-30T10:30:00.000Z");
    assert_eq!(found["buckets"][10]["maximum"], 2);
    assert_eq!(found["buckets"][10]["average"], 1.5);
    assert_eq!(found["buckets"][11]["maximum"], 1);
    assert_eq!(found["buckets"][12]["maximum"], 0);

    let found = report(&admin, "utilization", "").await;
    assert_eq!(found["agents"][0]["agentId"], "ann");
    assert_eq!(found["agents"][0]["talkSeconds"], 7200);
    assert_eq!(found["agents"][0]["busySeconds"], 5400);
    assert_eq!(found["agents"][0]["utilization"], 0.0625);
    assert_eq!(found["buckets"][22]["busySeconds"], 900);

    let calls = admin.read("/api/calls?agent=ann&limit=1").await;
    let path = format!("/api/calls/{}/feedback", calls["items"][0]["id"]).replace('"', "");
    admin.post(&path, &json!({"rating": 4})).await;
    let found = admin.read("/api/analytics/feedback").await;
    assert_eq!(found["ratings"], json!([0, 0, 0, 1, 0]));
    assert_eq!(found["agents"][0]["agentId"], "ann");
    assert_eq!(found["averageRating"], 4.0);

    let found = report(&admin, "tags", "").await;
    assert_eq!(
        (&found["calls"], &found["untagged"]),
        (&3.into(), &3.into())
    );
}

#[tokio::test]
async fn a_report_is_a_table_too() {
    let (_world, admin) = world().await;
    let path = format!("/api/analytics/concurrency?{SPAN}&format=csv");
    let response = admin.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/csv; charset=utf-8"
    );
    let table = response.text().await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "start,maximum,average");
    assert_eq!(lines[11], "2025-10-30T10:00:00.000Z,2,1.5");
    assert_eq!(lines.len(), 25);
}

#[tokio::test]
async fn what_cannot_be_reported_is_refused_with_its_name() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (query, field) in [
        ("tz=Europe/Atlantis", "tz"),
        ("bucket=week", "bucket"),
        ("from=yesterday", "from"),
        ("from=2025-10-31T00:00:00Z&to=2025-10-30T00:00:00Z", "from"),
        ("from=2020-01-01T00:00:00Z&to=2025-10-30T00:00:00Z", "from"),
        ("colour=red", "colour"),
        ("format=xml", "format"),
    ] {
        for name in [
            "duration",
            "peaks",
            "concurrency",
            "utilization",
            "tags",
            "feedback",
        ] {
            let (status, problem) = admin.get(&format!("/api/analytics/{name}?{query}")).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {query}");
            assert_eq!(problem["errors"][0]["field"], field, "{name} {query}");
        }
    }
    let agent = world.user(&admin, "ann", "agent").await;
    let (status, _) = agent.get("/api/analytics/peaks").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
