//! What supervisors write to agents, and what agents are told of what they missed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{Command, CommandError, Reply};

use crate::control::{Office, code};
use crate::plain::Plain;
use crate::world::answer;

#[tokio::test]
async fn what_a_supervisor_writes_is_with_the_agent_the_call_and_everybody_who_watches() {
    let office = Office::new().await;
    let mut client = Plain::connect(&office.world, &office.tom.token).await;
    let body = json!({"text": "  Offer ten percent. ", "trigger": true});
    let request = office.sue.request(Method::POST, &office.path("whisper"));
    let request = request.header("idempotency-key", "w-1").json(&body);
    let again = request.try_clone().unwrap();
    let (status, written) = answer(request).await;
    assert_eq!(status, StatusCode::OK, "{written}");
    assert_eq!(written["kind"], "whisper_pill");
    assert_eq!(written["text"], "Offer ten percent.");
    assert!(written["atMs"].as_u64().unwrap() >= 5000, "{written}");
    assert_eq!(client.event("annotation-upsert").await, written);
    let told = || {
        let commands = office.gateway.commands().into_iter();
        let told = commands.filter_map(|command| {
            if let Command::Whisper { whisper, .. } = command {
                Some((whisper.text, whisper.trigger))
            } else {
                None
            }
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(), [("Offer ten percent.".to_owned(), true)]);
    assert_eq!(answer(again).await, (StatusCode::OK, written.clone()));
    assert_eq!(told().len(), 1, "once for its key");
    let page = office.admin.read(&office.path("annotations")).await;
    assert_eq!(page["items"], json!([written]));
    let actions = office.admin.read(&office.path("actions")).await;
    assert_eq!(actions["items"][0]["kind"], "COACH_AGENT");
    assert_eq!(office.audited("call.whisper").await.len(), 2);
}

#[tokio::test]
async fn what_no_agent_got_is_not_noted() {
    let office = Office::new().await;
    let failed = CommandError::Failed {
        detail: "no way".to_owned(),
    };
    let body = json!({"text": "Slow down."});
    for (error, status, expected) in [
        (CommandError::NoHolder, 409, "call_not_live"),
        (CommandError::TimedOut, 504, "gateway_timeout"),
        (failed, 502, "gateway_failed"),
    ] {
        office.gateway.answers(move |command| {
            let whisper = matches!(command, Command::Whisper { .. });
            if whisper {
                Err(error.clone())
            } else {
                Ok(Reply::Done)
            }
        });
        let (found, answer) = office.sue.post(&office.path("whisper"), &body).await;
        assert_eq!((found.as_u16(), code(&answer)), (status, expected));
    }
    let page = office.admin.read(&office.path("annotations")).await;
    assert_eq!(page["items"], json!([]));
    for (text, why) in [
        ("", "empty"),
        ("a\u{1}b", "control"),
        (&*"x".repeat(2001), "long"),
    ] {
        let body = json!({ "text": text });
        let (status, answer) = office.sue.post(&office.path("whisper"), &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{why}");
        assert_eq!(answer["errors"][0]["field"], "text");
    }
}

#[tokio::test]
async fn an_agent_that_has_a_call_again_is_told_once_what_was_said_meanwhile() {
    let office = Office::new().await;
    let say = async |id: &str, text: &str| {
        let at = clock::wall();
        let start = at - office.call.facts.started_at.unix_ms();
        let mut database = office.world.database().await;
        sqlx::query(
            "INSERT INTO transcript_segments (call_id, id, client_id, layer, party, text, final, \
             start_ms, end_ms, at) SELECT id, $1, client_id, 1, 'customer', $2, 1, \
             CAST($3 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM calls WHERE id = $5",
        )
        .bind(id)
        .bind(text)
        .bind(start)
        .bind(at)
        .bind(office.call.id.to_string())
        .execute(&mut database)
        .await
        .unwrap();
    };
    say("s-1", "Hello?").await;
    // what is said within the same millisecond is said while the supervisor has it
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    assert_eq!(office.floor().unwrap().summary, None);
    say("s-2", "I want a person.").await;
    let handed_back = office.act(&office.sue, "handback").await;
    assert_eq!(handed_back.0, StatusCode::OK);
    let summary = office.floor().unwrap().summary;
    assert_eq!(summary.as_deref(), Some("customer: I want a person."));
    let mute = json!({"party": "agent", "muted": true});
    let (status, _): (_, Value) = office.sue.post(&office.path("mute"), &mute).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(office.floor().unwrap().summary, None, "told once");
}
