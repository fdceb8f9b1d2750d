//! The audit log: who did what, and whether that is what was written.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

use crate::world::{ADMIN_PASSWORD, User, World};

/// Rows of a list, newest first, as `action subject_kind`.
fn told(rows: &Value) -> Vec<String> {
    let rows = rows["items"].as_array().unwrap();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| format!("{} {}", word(row, "action"), word(row, "subjectKind")))
        .collect()
}

async fn verdict(user: &User) -> Value {
    user.read("/api/audit/verify").await
}

#[tokio::test]
async fn sign_ins_rights_and_tenants_are_told_with_who_and_where() {
    let world = World::new().await;
    let admin = world.admin().await;
    let ann = world.user(&admin, "ann", "agent").await;
    world.try_login("ann", "wrong").await;
    world.try_login("nobody", "wrong").await;
    let path = format!("/api/users/{}", ann.id);
    admin.patch(&path, &json!({"role": "supervisor"})).await;
    admin.send(Method::DELETE, &path).await;
    let (_, key) = admin
        .post("/api/api-keys", &json!({"name": "crm", "role": "agent"}))
        .await;
    let key = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
    admin.send(Method::DELETE, &key).await;
    admin
        .post("/api/clients", &json!({"name": "Acme", "slug": "acme"}))
        .await;
    let rows = admin.read("/api/audit").await;
    assert_eq!(
        told(&rows),
        [
            "client.added client",
            "api_key.revoked api_key",
            "api_key.created api_key",
            "user.removed user",
            "user.changed user",
            "session.refused client",
            "session.refused user",
            "session.opened user",
            "user.added user",
            "session.opened user",
        ]
    );
    let added = &rows["items"][0];
    assert_eq!(
        (&added["actor"], &added["actorName"]),
        (&json!(admin.id), &json!("admin"))
    );
    assert_eq!(added["address"], "127.0.0.1");
    assert_eq!(rows["items"][4]["detail"]["role"], "supervisor");
    assert_eq!(rows["items"][5]["actor"], "anonymous");
    assert!(
        !rows.to_string().contains("nobody"),
        "a name may be a password"
    );
    let seqs: Vec<u64> = rows["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=10).rev().collect::<Vec<_>>());

    let count = async |query: &str| {
        let rows = admin.read(&format!("/api/audit?{query}")).await;
        rows["items"].as_array().unwrap().len()
    };
    assert_eq!(count(&format!("subject={}", ann.id)).await, 5);
    assert_eq!(count("action=session.opened").await, 2);
    assert_eq!(count("action=session.").await, 4);
    assert_eq!(count("actor=anonymous").await, 2);
    assert_eq!(count("from=2100-01-01T00:00:00Z").await, 0);
    assert_eq!(count("to=2100-01-01T00:00:00Z").await, 10);
    let (status, body) = admin.get("/api/audit?from=yesterday").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "from");
}

#[tokio::test]
async fn a_tenants_log_is_its_own_and_starts_at_one() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let rows = acme.read("/api/audit").await;
    assert_eq!(told(&rows), ["session.opened user", "user.added user"]);
    assert_eq!(rows["items"][1]["seq"], 1);
    let verdict = verdict(&acme).await;
    assert_eq!(
        (&verdict["ok"], &verdict["rows"]),
        (&json!(true), &json!(2))
    );
    let agent = world.user(&acme, "andy", "agent").await;
    assert_eq!(
        agent.get("/api/audit/verify").await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn listening_is_written_before_it_is_given_and_again_when_it_was() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("heard", None);
    call.known_to(&admin).await;
    let listen = format!("{}/listen", call.path());
    assert_eq!(admin.post(&listen, &json!({})).await.0, StatusCode::OK);
    assert_eq!(
        admin.send(Method::DELETE, &listen).await.0,
        StatusCode::NO_CONTENT
    );
    gateway.answers(|_| Err(sidetone_wire::CommandError::TimedOut));
    assert_eq!(
        admin.post(&listen, &json!({})).await.0,
        StatusCode::GATEWAY_TIMEOUT
    );
    let rows = admin.read(&format!("/api/audit?subject={}", call.id)).await;
    let rows = rows["items"].as_array().unwrap();
    let phases: Vec<(&str, &Value, &Value)> = rows
        .iter()
        .map(|row| {
            (
                row["action"].as_str().unwrap(),
                &row["phase"],
                &row["detail"]["outcome"],
            )
        })
        .collect();
    let (none, done) = (&Value::Null, &json!("done"));
    assert_eq!(
        phases,
        [
            ("call.listened", &json!("result"), &json!("refused")),
            ("call.listened", &json!("intent"), none),
            ("call.unlistened", none, none),
            ("call.listened", &json!("result"), done),
            ("call.listened", &json!("intent"), none),
        ]
    );
    assert_eq!(rows[3]["intentId"], rows[4]["id"]);
}

/// Changes of the log that somebody makes who has the database: what is done, how it is found, and
/// where.
const DONE_TO_IT: &[(&str, &str, Option<u64>)] = &[
    (
        "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET address = NULL WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET action = 'user.added' WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET subject_id = 'none' WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET detail = '{ }' WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET adopted = 1 WHERE seq = 3",
        "changed",
        Some(3),
    ),
    (
        "UPDATE audit SET mac = hash WHERE seq = 3",
        "forged",
        Some(3),
    ),
    (
        "UPDATE audit SET hash = mac WHERE seq = 3",
        "changed",
        Some(3),
    ),
    ("DELETE FROM audit WHERE seq = 3", "missing", Some(3)),
    ("DELETE FROM audit WHERE seq = 1", "missing", Some(1)),
    (
        "UPDATE audit SET seq = seq + 100 WHERE seq > 3",
        "truncated",
        None,
    ),
    (
        "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; \
         UPDATE audit SET seq = 3 WHERE seq = 100",
        "changed",
        Some(2),
    ),
    ("DELETE FROM audit WHERE seq > 3", "truncated", None),
    (
        "UPDATE audit_heads SET seq = 3, checkpoint_seq = 0, \
         hash = (SELECT hash FROM audit WHERE seq = 3); DELETE FROM audit WHERE seq > 3",
        "truncated",
        None,
    ),
    (
        "INSERT INTO audit (id, client_id, at, actor, action, subject_kind, subject_id, seq, hash, \
         mac) SELECT 'x', client_id, at, actor, action, subject_kind, subject_id, seq + 100, hash, \
         mac FROM audit WHERE seq = 3",
        "forked",
        Some(103),
    ),
    (
        "UPDATE audit_heads SET hash = (SELECT hash FROM audit WHERE seq = 3)",
        "forked",
        None,
    ),
    ("DELETE FROM audit_heads", "truncated", None),
];

async fn run(database: &mut AnyConnection, statements: &str) {
    for statement in statements.split("; ") {
        database
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn whatever_is_done_to_the_log_in_the_database_or_the_store_is_found() {
    let world = World::new().await;
    let admin = world.admin().await;
    for name in ["a", "b", "c", "d"] {
        admin
            .post("/api/api-keys", &json!({"name": name, "role": "agent"}))
            .await;
    }
    // the end of a process puts a checkpoint
    let dir = world.stop().await;
    let world = World::start(dir, &[], Duration::from_secs(30)).await;
    let admin = world.login("admin", ADMIN_PASSWORD).await;
    let good = verdict(&admin).await;
    assert_eq!(
        (&good["ok"], &good["rows"]),
        (&json!(true), &json!(6)),
        "{good}"
    );
    assert!(good["checkpointSeq"].as_u64().unwrap() >= 5, "{good}");

    let mut database = world.database().await;
    run(
        &mut database,
        "CREATE TABLE kept AS SELECT * FROM audit; CREATE TABLE ends AS SELECT * FROM audit_heads",
    )
    .await;
    for (statements, kind, seq) in DONE_TO_IT {
        run(&mut database, statements).await;
        let found = verdict(&admin).await;
        assert_eq!(found["ok"], false, "{statements}");
        assert_eq!(
            found["disagreement"]["kind"], *kind,
            "{statements}: {found}"
        );
        if let Some(seq) = seq {
            assert_eq!(found["disagreement"]["seq"], *seq, "{statements}: {found}");
        }
        run(
            &mut database,
            "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; \
             DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM ends",
        )
        .await;
        assert_eq!(verdict(&admin).await["ok"], true);
    }
    let listed = world.objects.list("audit/", None).await.unwrap();
    for object in &listed {
        world.objects.erase(&object.name).await.unwrap();
    }
    let found = verdict(&admin).await;
    assert_eq!(
        found["disagreement"]["kind"], "checkpoint_missing",
        "{found}"
    );
    let forged = br#"{"version":1}"#.to_vec();
    world
        .objects
        .put_bytes(&listed[0].name, forged)
        .await
        .unwrap();
    let found = verdict(&admin).await;
    assert_eq!(
        found["disagreement"]["kind"], "checkpoint_forged",
        "{found}"
    );
    database.close().await.unwrap();
}

#[tokio::test]
async fn rows_of_the_release_before_are_taken_into_the_chain() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut database = world.database().await;
    // as that release adds rows: it knows none of the new columns
    run(
        &mut database,
        "INSERT INTO audit (id, client_id, at, actor, action, subject_kind, subject_id, detail) \
         SELECT '0190aaaa-0000-7000-8000-000000000001', client_id, at + 1, 'rule:retention', \
         'recording.erased', 'client', client_id, '{}' FROM audit WHERE seq = 1",
    )
    .await;
    let found = verdict(&admin).await;
    assert_eq!(found["ok"], true, "{found}");
    assert_eq!((&found["rows"], &found["adopted"]), (&json!(2), &json!(1)));
    let rows = admin.read("/api/audit?action=recording.erased").await;
    assert_eq!(rows["items"][0]["seq"], 2);
    run(
        &mut database,
        "UPDATE audit SET actor = 'nobody' WHERE seq = 2",
    )
    .await;
    assert_eq!(verdict(&admin).await["disagreement"]["seq"], 2);
    database.close().await.unwrap();
}

#[tokio::test]
async fn an_intent_whose_process_died_is_told_as_unknown() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("heard", None);
    call.known_to(&admin).await;
    assert_eq!(
        admin
            .post(&format!("{}/listen", call.path()), &json!({}))
            .await
            .0,
        StatusCode::OK
    );
    let mut database = world.database().await;
    // as if the process had ended before the result was written, ten minutes ago
    run(
        &mut database,
        "DELETE FROM audit WHERE phase = 'result'; \
         UPDATE audit SET at = at - 600000 WHERE phase = 'intent'",
    )
    .await;
    database.close().await.unwrap();
    let dir = world.stop().await;
    let world = World::start(dir, &[], Duration::from_secs(30)).await;
    let admin = world.admin().await;
    let path = format!("/api/audit?subject={}", call.id);
    let rows = admin
        .eventually(&path, |rows| rows["items"][0]["phase"] == "result")
        .await;
    assert_eq!(rows["items"][0]["detail"]["outcome"], "unknown");
    assert_eq!(rows["items"][0]["actor"], "rule:audit");
    assert_eq!(rows["items"][0]["intentId"], rows["items"][1]["id"]);
}

#[tokio::test]
async fn what_cannot_be_written_to_the_log_is_not_done() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("heard", None);
    call.known_to(&admin).await;
    let mut database = world.database().await;
    run(&mut database, "DROP TABLE audit_heads").await;
    let (status, _) = admin
        .post(&format!("{}/listen", call.path()), &json!({}))
        .await;
    assert!(status.is_server_error(), "{status}");
    assert!(gateway.commands().is_empty(), "{:?}", gateway.commands());
    let new = json!({"username": "ann", "password": "user-password", "role": "agent"});
    assert!(admin.post("/api/users", &new).await.0.is_server_error());
    let users = admin.read("/api/users").await;
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
    database.close().await.unwrap();
}
