use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_wire::CallEvent;

use crate::plain::Plain;
use crate::socket::Socket;
use crate::world::{User, World, answer};

const CUSTOMER: &str = "+4930123456";
const HIDDEN: &str = "+49•••••456";

/// What an agent must not be shown in any way of writing.
fn shows_number(value: &impl ToString) -> bool {
    let text: String = value.to_string();
    text.contains("30123456") || text.contains("30 123456")
}

/// A world with an agent, a call of theirs and a call of somebody else.
async fn world() -> (World, User, User, [crate::world::Held; 2]) {
    let world = World::new().await;
    let admin = world.admin().await;
    let ann = world.user(&admin, "ann", "agent").await;
    let gateway = world.gateway();
    let mut own = gateway.hold("own", None);
    own.facts.agent_id = Some("ann".to_owned());
    own.log.send(CallEvent::Facts(own.facts.clone()));
    let mut other = gateway.hold("call-+4930123456", None);
    other.facts.customer_name = Some("+49 30 123456".to_owned());
    other.log.send(CallEvent::Facts(other.facts.clone()));
    let agent = |id: &'static str| move |call: &Value| call["agentId"] == id;
    admin.eventually(&own.path(), agent("ann")).await;
    let named = |call: &Value| call["customerName"] == "+49 30 123456";
    admin.eventually(&other.path(), named).await;
    (world, admin, ann, [own, other])
}

#[tokio::test]
async fn an_agent_sees_the_numbers_of_their_own_calls_and_no_others_in_any_answer() {
    let (world, admin, ann, [own, other]) = world().await;
    assert_eq!(ann.read(&own.path()).await["from"], CUSTOMER);
    let seen = ann.read(&other.path()).await;
    assert_eq!(seen["from"], HIDDEN);
    assert!(!shows_number(&seen), "{seen}");
    for path in [
        "/api/calls",
        "/api/calls/active",
        "/api/dashboard/active-calls",
        "/api/dashboard/recent-calls",
        "/api/dashboard/export?format=json",
    ] {
        let seen = ann.read(path).await.to_string();
        assert_eq!(seen.matches(CUSTOMER).count(), 1, "{path}: {seen}");
        let own = seen.replacen(CUSTOMER, "", 1);
        assert!(!shows_number(&own), "{path}: {seen}");
        assert!(seen.contains(HIDDEN), "{path}: {seen}");
    }
    let csv = ann.request(Method::GET, "/api/dashboard/export");
    let csv = csv.send().await.unwrap().text().await.unwrap();
    assert_eq!(csv.matches("30123456").count(), 1, "{csv}");

    for role in ["supervisor", "auditor"] {
        let user = world.user(&admin, role, role).await;
        assert_eq!(user.read(&other.path()).await["from"], CUSTOMER);
    }
}

#[tokio::test]
async fn an_agent_finds_no_call_by_a_number_that_they_may_not_see() {
    let (_world, admin, ann, [own, other]) = world().await;
    let found = async |user: &User, q: &str| {
        let path = format!("/api/calls?q={q}");
        let list = user.read(&path).await;
        let items = list["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|call| call["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for digits in ["30123456", "4930", "456", "%2B49"] {
        assert_eq!(found(&admin, digits).await.len(), 2, "{digits}");
        assert_eq!(found(&ann, digits).await, [own.id.to_string()], "{digits}");
    }
    assert_eq!(found(&ann, "aria").await.len(), 2);
    assert!(found(&ann, "call-").await.contains(&other.id.to_string()));
}

#[tokio::test]
async fn an_agent_is_told_no_number_that_they_may_not_see_on_either_connection() {
    let (world, admin, ann, [mut own, mut other]) = world().await;
    let mut plain = Plain::connect(&world, &ann.token).await;
    let mut socket = Socket::connect(&world, &ann.token).await;
    let mut batched = Plain::connect(&world, &ann.token).await;
    let mut whole = Plain::connect(&world, &admin.token).await;
    for state in [
        plain.event("initial_state").await,
        socket.event("initial_state").await,
        batched.event("initial_state").await,
    ] {
        // from and phoneNumber of the own call, in both lists
        let seen = state.to_string();
        assert_eq!(seen.matches(CUSTOMER).count(), 3, "{seen}");
        assert!(!shows_number(&seen.replace(CUSTOMER, "")), "{seen}");
    }
    whole.event("initial_state").await;
    batched
        .send("subscribe", json!({"stream": "calls", "batch": true}))
        .await;
    batched.send("ping", json!({})).await;
    batched.event("pong").await;

    for call in [&mut own, &mut other] {
        call.facts.agent_name = Some("Aria 2".to_owned());
        call.log.send(CallEvent::Facts(call.facts.clone()));
    }
    let mine = |seen: &Value| seen["agentId"] == "ann";
    let mut told = 0;
    while told < 2 {
        let upsert = plain.event("call-upsert").await;
        let event = plain.event("call_event").await;
        let again = socket.event("call-upsert").await;
        for seen in [&upsert, &event["call"], &again] {
            assert_eq!(shows_number(seen), mine(seen), "{seen}");
        }
        told += 1;
    }
    let list = plain.event("active_calls_update").await;
    assert_eq!(list.to_string().matches("30123456").count(), 1, "{list}");
    let (_, update) = batched.next().await.unwrap();
    for seen in update["calls"].as_array().unwrap() {
        assert_eq!(shows_number(seen), mine(seen), "{seen}");
    }
    assert!(shows_number(&whole.event("call-upsert").await));
}

#[tokio::test]
async fn an_export_is_noted_streams_every_call_and_is_harmless_for_spreadsheets() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let mut evil = gateway.hold("evil", None);
    evil.facts.customer_name = Some("=HYPERLINK(\"http://evil\")".to_owned());
    evil.log.send(CallEvent::Facts(evil.facts.clone()));
    let held: Vec<_> = (0..120)
        .map(|n| gateway.hold(&format!("room-{n}"), None))
        .collect();
    let some = |count: &Value| count["count"].as_u64() > Some(60);
    admin.eventually("/api/calls/active/count", some).await;
    let all = |count: &Value| count["count"] == held.len() + 1;
    admin.eventually("/api/calls/active/count", all).await;

    let response = admin.request(Method::GET, "/api/dashboard/export");
    let response = response.send().await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/csv; charset=utf-8"
    );
    let csv = response.text().await.unwrap();
    assert_eq!(csv.lines().count(), held.len() + 2);
    assert!(csv.starts_with("id,startedAt,answeredAt,"), "{csv}");
    assert!(
        csv.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""),
        "{csv}"
    );
    let json = admin.read("/api/dashboard/export?format=json").await;
    assert_eq!(json.as_array().unwrap().len(), held.len() + 1);

    for (narrowed, count) in [("q=evil", 1), ("q=evil&status=ended", 0)] {
        let path = format!("/api/dashboard/export?format=json&{narrowed}");
        let found = admin.read(&path).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{narrowed}");
    }

    let noted = admin.read("/api/audit?action=calls.exported").await;
    assert_eq!(noted["items"].as_array().unwrap().len(), 4);
    for (query, field) in [("format=xml", "format"), ("colour=red", "colour")] {
        let path = format!("/api/dashboard/export?{query}");
        let (status, problem) = answer(admin.request(Method::GET, &path)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["field"], field);
    }
}
