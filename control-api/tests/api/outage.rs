//! A PostgreSQL that is killed and started again while calls go on and clients ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use sidetone_service::clock;
use sidetone_testkit::{PostgresServer, wait_for};
use sidetone_wire::CallEvent;
use sqlx::{Connection as _, PgConnection};

use crate::webhooks::{deliver, event, signature};
use crate::world::{API_KEY, API_SECRET, Held, User, World, within};

const CALLS: usize = 5;
/// Changes of each call, before, during and after the outage.
const CHANGES: usize = 8;
/// Between two of them.
const PACE: Duration = Duration::from_millis(300);
/// How long nobody answers.
const AWAY: Duration = Duration::from_secs(1);

/// How long what waited may take: generous, because the machine may be busy with other tests.
const CAUGHT_UP: Duration = Duration::from_mins(1);

/// What clients were answered.
#[derive(Default)]
struct Answers {
    ok: usize,
    unavailable: usize,
}

/// Asks until it is told to end; everything but 200 and a 503 that says when to come again is a
/// failure.
async fn ask(user: User, end: Arc<AtomicBool>) -> Answers {
    let mut answers = Answers::default();
    while !end.load(Ordering::Relaxed) {
        tokio::time::sleep(PACE / 10).await;
        let response = user
            .request(Method::GET, "/api/calls")
            .send()
            .await
            .unwrap();
        match response.status() {
            StatusCode::OK => answers.ok += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                let wait = response.headers()["retry-after"].to_str().unwrap();
                assert!(wait.parse::<u64>().unwrap() <= 2, "{wait}");
                answers.unavailable += 1;
            }
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
    }
    answers
}

/// Changes a call again and again; the last change is told by its number.
async fn change(mut call: Held) -> Held {
    for n in 1..=CHANGES {
        call.facts.agent_name = Some(format!("change {n}"));
        call.log.send(CallEvent::Facts(call.facts.clone()));
        tokio::time::sleep(PACE).await;
    }
    call
}

#[tokio::test]
async fn a_database_that_is_killed_under_load_costs_a_pause_and_nothing_else() {
    let mut server = PostgresServer::start().await.unwrap();
    let url = server.database("killed").await.unwrap();
    let world = World::with(&[("DATABASE_URL", &url)]).await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let calls: Vec<Held> = (0..CALLS)
        .map(|n| gateway.hold(&format!("room-{n}"), None))
        .collect();
    calls[CALLS - 1].known_to(&admin).await;

    let end = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| tokio::spawn(ask(admin.clone(), end.clone())))
        .collect();
    let changing: Vec<_> = calls
        .into_iter()
        .map(|call| tokio::spawn(change(call)))
        .collect();
    tokio::time::sleep(PACE * 2).await;
    server.kill();
    let body = event("EV_1", "room-1");
    let signed = signature(&body, API_KEY, API_SECRET);
    let (refused, _) = deliver(&world, &body, Some(&signed)).await;
    assert_eq!(
        refused,
        StatusCode::SERVICE_UNAVAILABLE,
        "nothing is taken unkept"
    );
    tokio::time::sleep(AWAY).await;
    server.restart().await.unwrap();

    for call in changing {
        let call = call.await.unwrap();
        let last = format!("change {CHANGES}");
        let told = async || {
            let (_, seen) = admin.get(&call.path()).await;
            seen["agentName"] == last.as_str()
        };
        wait_for("the last change", CAUGHT_UP, told).await;
    }
    end.store(true, Ordering::Relaxed);
    let (mut ok, mut unavailable) = (0, 0);
    for client in clients {
        let answers = client.await.unwrap();
        ok += answers.ok;
        unavailable += answers.unavailable;
    }
    assert!(
        ok > 0 && unavailable > 0,
        "{ok} answers, {unavailable} refusals"
    );

    // what was refused is sent again, more than once
    for _ in 0..3 {
        let (status, _) = deliver(&world, &body, Some(&signed)).await;
        assert_eq!(status, StatusCode::OK);
    }
    let mut database = PgConnection::connect(&url).await.unwrap();
    for (sql, expected) in [
        ("SELECT COUNT(*) FROM calls", CALLS as i64),
        ("SELECT COUNT(*) FROM webhook_receipts", 1),
    ] {
        let count: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(count, expected, "{sql}");
    }
}

#[tokio::test]
async fn connections_to_a_database_that_came_back_are_as_many_as_before() {
    let mut server = PostgresServer::start().await.unwrap();
    let url = server.database("bounded").await.unwrap();
    let world = World::with(&[("DATABASE_URL", &url)]).await;
    let admin = world.admin().await;
    server.restart().await.unwrap();
    let begun = clock::now();
    let asked = within(async || admin.get("/api/me").await.0 == StatusCode::OK).await;
    assert!(
        asked,
        "not well {:?} after the restart",
        clock::now() - begun
    );
    let all: Vec<_> = (0..50)
        .map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move { admin.get("/api/calls").await })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    let mut database = PgConnection::connect(&url).await.unwrap();
    let sql = "SELECT COUNT(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let count: i64 = sqlx::query_scalar(sql)
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert!(count <= 8, "{count} connections");
}
