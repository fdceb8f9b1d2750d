use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_simulate::vapi::VapiCall;
use sidetone_testkit::{PostgresServer, database};
use sidetone_wire::{CallEvent, Party, RecordingId, Signal, Timestamp, Utterance};
use sqlx::Connection as _;

use crate::socket::Socket;
use crate::takes::{manifest, path};
use crate::vendor_calls::{SECRET, VAPI, connect, hmac, only_call, send, signed};
use crate::world::{Held, User, World};

async fn world() -> (World, User) {
    let world = World::new().await;
    let admin = world.admin().await;
    connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    (world, admin)
}

async fn deliver(world: &World, message: &Value) {
    let (status, answer) = send(world, VAPI, &signed(&hmac(), message)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn said(vapi: &VapiCall, role: &str, kind: &str, text: &str, after_ms: i64) -> Value {
    let more = json!({"role": role, "transcriptType": kind, "transcript": text});
    vapi.message("transcript", after_ms, &more)
}

#[tokio::test]
async fn a_transcript_is_given_as_json_text_and_subtitles() {
    let (world, admin) = world().await;
    let mut vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    vapi.lines = vec!["Hello <b>you</b> & me".into(), "1 --> 2".into()];
    deliver(&world, &vapi.report(30_000)).await;
    let call = only_call(&admin).await;
    let id = call["id"].as_str().unwrap();
    let path = format!("/api/calls/{id}/transcript");
    let json = admin.read(&path).await;
    assert_eq!(json["callId"], id);
    assert_eq!(json["segments"][0]["text"], "Hello <b>you</b> & me");
    for (format, kind, expected) in [
        (
            "txt",
            "text/plain; charset=utf-8",
            "[00:00:00] Agent: Hello <b>you</b> & me\n",
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            "<v Agent>Hello &lt;b&gt;you&lt;/b&gt; &amp; me\n",
        ),
        (
            "srt",
            "application/x-subrip; charset=utf-8",
            "2\n00:00:03,000 --> 00:00:05,500\n",
        ),
    ] {
        let url = format!("{path}?format={format}");
        let response = admin.request(Method::GET, &url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], kind);
        let name = format!("attachment; filename=\"transcript-{id}.{format}\"");
        assert_eq!(response.headers()[CONTENT_DISPOSITION], &*name);
        let text = response.text().await.unwrap();
        assert!(text.contains(expected), "{text}");
        assert_eq!(
            text.matches("-->").count(),
            if format == "txt" { 1 } else { 2 }
        );
    }
    let (status, problem) = admin.get(&format!("{path}?format=pdf")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "format");
    let other = world.tenant(&admin, "other").await;
    for path in [path, format!("/api/calls/{id}/metadata")] {
        assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
    }
    let audit = admin.read("/api/audit?action=transcript.downloaded").await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn who_looks_at_a_call_reads_along_from_its_beginning() {
    let (world, admin) = world().await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    deliver(&world, &said(&vapi, "assistant", "final", "Hello", 5000)).await;
    deliver(&world, &said(&vapi, "user", "final", "Hi", 6000)).await;
    let call = only_call(&admin).await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    socket.event("initial_state").await;
    let stream = format!("call:{}", call["id"].as_str().unwrap());
    socket.send("subscribe", json!({ "stream": stream })).await;
    let first = socket.event("transcript-update").await;
    assert_eq!(first["callId"], call["id"]);
    let texts = |update: &Value| -> Vec<String> {
        let segments = update["transcript"].as_array().unwrap();
        segments
            .iter()
            .map(|s| s["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(&first), ["Hello", "Hi"]);
    assert_eq!(first["segment"]["text"], "Hi");
    let mut ids = Vec::new();
    for (kind, text, at) in [
        ("partial", "My", 8000),
        ("partial", "My parcel", 8500),
        ("final", "My parcel is late", 9000),
    ] {
        deliver(&world, &said(&vapi, "user", kind, text, at)).await;
        let update = socket.event("transcript-update").await;
        assert_eq!(update["segment"]["text"], text);
        assert_eq!(update["segment"]["final"], kind == "final");
        assert!(update["transcript"].is_null(), "{update}");
        ids.push(update["segment"]["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // what comes too late finds its place
    deliver(&world, &said(&vapi, "user", "final", "And", 7000)).await;
    let update = socket.event("transcript-update").await;
    assert_eq!(texts(&update), ["Hello", "Hi", "And", "My parcel is late"]);
    // and the report replaces it
    deliver(&world, &vapi.report(60_000)).await;
    let update = socket.event("transcript-update").await;
    assert_eq!(texts(&update), vapi.lines);
}

#[tokio::test]
async fn with_its_last_recording_a_call_loses_its_transcript() {
    let (world, admin) = world().await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    deliver(&world, &vapi.report(30_000)).await;
    let call = only_call(&admin).await;
    let id = call["id"].as_str().unwrap();
    let held = world.gateway().hold("room-1", None);
    held.known_to(&admin).await;
    let recordings = [(), ()].map(|()| RecordingId(clock::new_id()));
    for recording in recordings {
        let mut manifest = manifest(&held, recording);
        manifest.call = id.parse().unwrap();
        world.store(manifest).await;
    }
    let transcript = format!("/api/calls/{id}/transcript");
    let metadata = format!("/api/calls/{id}/metadata");
    admin.send(Method::DELETE, &path(recordings[0])).await;
    assert_eq!(
        admin.read(&transcript).await["segments"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    admin.send(Method::DELETE, &path(recordings[1])).await;
    assert_eq!(admin.read(&transcript).await["segments"], json!([]));
    assert_eq!(admin.read(&metadata).await, json!({}));
    // a report that comes later does not bring it back
    deliver(&world, &vapi.report(40_000)).await;
    assert_eq!(admin.read(&transcript).await["segments"], json!([]));
    assert_eq!(admin.read(&metadata).await, json!({}));
    let audit = admin.read("/api/audit?action=transcript.erased").await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_consent_nothing_is_kept_of_what_is_said() {
    let (world, admin) = world().await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    deliver(&world, &said(&vapi, "user", "final", "My secret", 5000)).await;
    let call = only_call(&admin).await;
    let path = format!("/api/calls/{}", call["id"].as_str().unwrap());
    let denied = json!({"consent": "denied"});
    admin.put(&format!("{path}/consent"), &denied).await;
    deliver(&world, &said(&vapi, "user", "final", "Another", 6000)).await;
    deliver(&world, &vapi.report(60_000)).await;
    let transcript = admin.read(&format!("{path}/transcript")).await;
    assert_eq!(transcript["segments"], json!([]));
    assert_eq!(admin.read(&path).await["status"], "ended");
}

#[tokio::test]
async fn one_that_cannot_be_written_takes_no_other_with_it() {
    let (world, admin) = world().await;
    let vapi = |n: usize| VapiCall::new(&format!("v-{n}"), clock::wall() - 60_000);
    deliver(&world, &vapi(0).report(1)).await;
    sqlx::any::install_default_drivers();
    let url = database(world.dir.path()).await;
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE upstream_calls SET state = 'nonsense'")
        .execute(&mut connection)
        .await
        .unwrap();
    let sends = (0..50).map(|n| {
        let webhook = signed(&hmac(), &vapi(n).report(2));
        let url = format!("{}{VAPI}", world.url);
        tokio::spawn(async move { webhook.send(&reqwest::Client::new(), &url).await.unwrap().0 })
    });
    for (n, send) in sends.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if n == 0 {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        assert_eq!(send.await.unwrap(), expected, "{n}");
    }
    let calls = admin.read("/api/calls?limit=100").await;
    assert_eq!(calls["items"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn while_the_database_is_away_webhooks_are_sent_back_and_come_again() {
    let mut server = PostgresServer::start().await.unwrap();
    let url = server.database("calls").await.unwrap();
    let world = World::with(&[("DATABASE_URL", &url)]).await;
    let admin = world.admin().await;
    connect(&admin, "vapi", "Main", "hmac", SECRET).await;
    let vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    let messages = vapi.messages();
    deliver(&world, &messages[0]).await;
    server.kill();
    let webhook = signed(&hmac(), messages.last().unwrap());
    let url = format!("{}{VAPI}", world.url);
    let client = reqwest::Client::new();
    let sent = client.post(&url).body(webhook.body.clone());
    let sent = webhook
        .headers
        .iter()
        .fold(sent, |sent, (name, value)| sent.header(name, value));
    let response = sent.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let wait: u32 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=2).contains(&wait));
    server.restart().await.unwrap();
    let taken =
        crate::world::within(async || send(&world, VAPI, &webhook).await.0 == StatusCode::OK);
    assert!(taken.await, "it is taken once the database is back");
    assert_eq!(only_call(&admin).await["status"], "ended");
}

/// What a gateway heard somebody say, seconds into a call.
fn utterance(call: &Held, id: &str, party: Party, text: &str, from: f64, to: f64) -> Utterance {
    let at = |seconds: f64| {
        let started_ms = call.facts.started_at.unix_ms();
        Timestamp::from_unix_ms(started_ms + (seconds * 1000.0) as i64)
    };
    Utterance {
        id: id.to_owned(),
        party,
        text: text.to_owned(),
        from: at(from),
        to: at(to),
        confidence: None,
    }
}

/// Somebody who reads along, before anything is said.
async fn reader(world: &World, admin: &User, stream: &str) -> Socket {
    let mut socket = Socket::connect(world, &admin.token).await;
    socket.event("initial_state").await;
    socket.send("subscribe", json!({ "stream": stream })).await;
    socket.send("ping", json!({})).await;
    socket.event("pong").await;
    socket
}

fn texts(segments: &Value) -> Vec<String> {
    let segments = segments.as_array().unwrap().iter();
    segments
        .map(|one| one["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_heard_where_the_call_is_is_read_along_kept_and_exported() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    let stream = format!("call:{}", call.id);
    let mut socket = reader(&world, &admin, &stream).await;

    // what is being said is shown and not kept; the first segment is the whole transcript, too
    let path = format!("/api/calls/{}/transcript", call.id);
    let saying = utterance(&call, "c1", Party::Customer, "It has", 1.0, 1.5);
    world.fleet.signal(Signal::Saying {
        call: call.id,
        utterance: saying,
    });
    let shown = socket.event("transcript-update").await;
    assert_eq!(
        (&shown["segment"]["text"], &shown["segment"]["final"]),
        (&json!("It has"), &json!(false))
    );
    assert_eq!(texts(&shown["transcript"]), ["It has"]);
    assert_eq!(admin.read(&path).await["segments"], json!([]));

    let say = |id, party, text, from, to| {
        call.log
            .send(CallEvent::Said(utterance(&call, id, party, text, from, to)));
    };
    say("c1", Party::Customer, "It has not arrived", 1.0, 3.0);
    let first = socket.event("transcript-update").await;
    assert_eq!(first["segment"]["id"], "c1");
    assert_eq!(first["segment"]["startMs"], 1000);
    assert_eq!(texts(&first["transcript"]), ["It has not arrived"]);
    say("a1", Party::Agent, "Oh.", 5.0, 5.5);
    let second = socket.event("transcript-update").await;
    assert_eq!(
        (&second["segment"]["id"], &second["transcript"]),
        (&json!("a1"), &Value::Null)
    );
    // the recogniser's next piece of the same breath: the transcript is told anew
    say("c2", Party::Customer, "at all.", 3.4, 4.0);
    let merged = socket.event("transcript-update").await;
    let whole = ["It has not arrived at all.", "Oh."];
    assert_eq!(texts(&merged["transcript"]), whole);
    // what comes again changes nothing
    say("c2", Party::Customer, "at all.", 3.4, 4.0);
    let again = socket.event("transcript-update").await;
    assert_eq!(again["transcript"], merged["transcript"]);

    let kept = admin.read(&path).await["segments"].clone();
    assert_eq!(kept, merged["transcript"]);
    let mut late = Socket::connect(&world, &admin.token).await;
    late.event("initial_state").await;
    late.send("subscribe", json!({ "stream": stream })).await;
    assert_eq!(late.event("transcript-update").await["transcript"], kept);
    for format in ["txt", "vtt", "srt"] {
        let url = format!("{path}?format={format}");
        let text = admin.request(Method::GET, &url).send().await.unwrap();
        let text = text.text().await.unwrap();
        let places = whole.map(|line| text.find(line).unwrap_or_else(|| panic!("{line}: {text}")));
        assert!(places[0] < places[1], "{text}");
    }
}

#[tokio::test]
async fn what_is_heard_at_once_is_kept_but_for_a_call_that_cannot_be_written() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let [broken, whole] = ["room-1", "room-2"].map(|room| gateway.hold(room, None));
    broken.known_to(&admin).await;
    whole.known_to(&admin).await;
    let mut socket = reader(&world, &admin, &format!("call:{}", whole.id)).await;
    let url = database(world.dir.path()).await;
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE calls SET capabilities = 'nonsense' WHERE id = $1")
        .bind(broken.id.to_string())
        .execute(&mut connection)
        .await
        .unwrap();
    let expected: Vec<String> = (0..100).map(|n| format!("Sentence {n}.")).collect();
    for (n, text) in expected.iter().enumerate() {
        for call in [&broken, &whole] {
            // far enough apart to stand for themselves
            let (id, at) = (format!("c{n}"), n as f64 * 10.0);
            let said = utterance(call, &id, Party::Customer, text, at, at + 1.0);
            call.log.send(CallEvent::Said(said));
        }
    }
    let mut told = Vec::new();
    while told.len() < expected.len() {
        let update = socket.event("transcript-update").await;
        match update["transcript"].as_array() {
            Some(_) => told = texts(&update["transcript"]),
            None => told.push(update["segment"]["text"].as_str().unwrap().to_owned()),
        }
    }
    assert_eq!(told, expected);
    let path = format!("/api/calls/{}/transcript", whole.id);
    assert_eq!(texts(&admin.read(&path).await["segments"]), expected);
}

#[tokio::test]
async fn what_is_heard_around_a_pause_or_without_consent_is_not_kept() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold_since("room-1", None, Timestamp::from_unix_ms(clock::wall()));
    call.known_to(&admin).await;
    let say = |id: &str, text: &str, from: f64, to: f64| {
        let said = utterance(&call, id, Party::Customer, text, from, to);
        call.log.send(CallEvent::Said(said));
    };
    let path = format!("/api/calls/{}/transcript", call.id);
    let pause = format!("/api/calls/{}/recording/pause", call.id);
    let (status, answer) = admin.post(&pause, &json!({})).await;
    assert!(status.is_success(), "{status} {answer}");
    let paused_s = (clock::wall() - call.facts.started_at.unix_ms()) as f64 / 1000.0;
    say("a", "4111 1111", paused_s, paused_s + 2.0);
    say("b", "Good morning", -30.0, -20.0);
    let there = |found: &Value| texts(&found["segments"]) == ["Good morning"];
    admin.eventually(&path, there).await;

    let consent = format!("/api/calls/{}/consent", call.id);
    let (status, answer) = admin.put(&consent, &json!({"consent": "denied"})).await;
    assert!(status.is_success(), "{status} {answer}");
    say("c", "And on", -10.0, -9.0);
    // events are taken in order: when the next one has had its effect, so has this one
    let mut facts = call.facts.clone();
    facts.agent_name = Some("Somebody else".into());
    call.log.send(CallEvent::Facts(facts));
    let next = |call: &Value| call["agentName"] == "Somebody else";
    admin.eventually(&call.path(), next).await;
    let kept = texts(&admin.read(&path).await["segments"]);
    assert!(!kept.contains(&"And on".to_owned()), "{kept:?}");
}

#[tokio::test]
async fn numbers_that_are_not_to_be_kept_are_left_out_whoever_tells_them_in_whatever_pieces() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    let stream = format!("call:{}", call.id);
    let mut socket = reader(&world, &admin, &stream).await;
    let say = |id: &str, party, text: &str, from: f64| {
        let said = utterance(&call, id, party, text, from, from + 2.0);
        call.log.send(CallEvent::Said(said));
    };
    // in pieces, the agent between them, the last one first complete
    say("c1", Party::Customer, "It is four one one one 1111", 1.0);
    socket.event("transcript-update").await;
    say("a1", Party::Agent, "Yes?", 4.0);
    socket.event("transcript-update").await;
    say(
        "c2",
        Party::Customer,
        "1111 1111. Thanks, +49 30 1234567",
        7.0,
    );
    let update = socket.event("transcript-update").await;
    let expected = [
        "It is [card number]",
        "Yes?",
        "[card number]. Thanks, +49 30 1234567",
    ];
    assert_eq!(
        texts(&update["transcript"]),
        expected,
        "what was told before is told anew"
    );
    let path = format!("/api/calls/{}/transcript", call.id);
    assert_eq!(texts(&admin.read(&path).await["segments"]), expected);
    let signal = |text: &str| {
        let utterance = utterance(&call, "c3", Party::Customer, text, 10.0, 11.0);
        let call = call.id;
        world.fleet.signal(Signal::Saying { call, utterance });
    };
    signal("or 5500 0000 0000 0004");
    let update = socket.event("transcript-update").await;
    assert_eq!(update["segment"]["text"], "or [card number]");
}

#[tokio::test]
async fn a_vendors_transcript_is_kept_without_the_numbers_that_the_policy_names() {
    let (world, admin) = world().await;
    let (status, answer) = admin
        .put("/api/retention", &json!({"redactPhones": true}))
        .await;
    assert!(status.is_success(), "{answer}");
    let mut vapi = VapiCall::new("v-1", clock::wall() - 60_000);
    deliver(&world, &said(&vapi, "user", "final", "4111 1111", 5_000)).await;
    deliver(
        &world,
        &said(&vapi, "user", "final", "1111 one one one one", 6_000),
    )
    .await;
    deliver(
        &world,
        &said(&vapi, "user", "final", "call 030 1234567", 9_000),
    )
    .await;
    let found = admin.read("/api/calls?upstream=vapi").await;
    let id = found["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/calls/{id}/transcript");
    let expected = ["[card number]", "[card number]", "call [phone number]"];
    assert_eq!(texts(&admin.read(&path).await["segments"]), expected);
    vapi.lines = vec![
        "Your card?".into(),
        "4111-1111-1111-1111".into(),
        "Thanks".into(),
    ];
    let mut report = vapi.report(60_000);
    report["message"]["analysis"] = json!({
        "summary": "They paid with 4111 1111 1111 1111 and want a call at 030 1234567.",
        "structuredData": {"outcome": "Paid by 4111-1111-1111-1111",
            "cards": [4_111_111_111_111_111_u64], "items": 3},
    });
    deliver(&world, &report).await;
    let expected = ["Your card?", "[card number]", "Thanks"];
    assert_eq!(texts(&admin.read(&path).await["segments"]), expected);
    let told = admin.read(&format!("/api/calls/{id}/metadata")).await;
    let expected = "They paid with [card number] and want a call at [phone number].";
    assert_eq!(told["summary"], expected);
    let expected =
        json!({"outcome": "Paid by [card number]", "cards": ["[card number]"], "items": 3});
    assert_eq!(told["structuredData"], expected);
    let call = admin.read(&format!("/api/calls/{id}")).await;
    assert_eq!(call["outcome"], "paid_by_card_number");

    // where the policy says so they are kept
    let all = json!({"redactCards": false, "redactPhones": false});
    let (status, _) = admin.put("/api/retention", &all).await;
    assert!(status.is_success());
    let vapi = VapiCall::new("v-2", clock::wall() - 60_000);
    deliver(
        &world,
        &said(&vapi, "user", "final", "4111111111111111", 5_000),
    )
    .await;
    let calls = admin.read("/api/calls?upstream=vapi").await;
    let calls = calls["items"].as_array().unwrap().iter();
    let mut kept = Vec::new();
    for call in calls {
        let path = format!("/api/calls/{}/transcript", call["id"].as_str().unwrap());
        kept.extend(texts(&admin.read(&path).await["segments"]));
    }
    assert!(kept.contains(&"4111111111111111".to_owned()), "{kept:?}");
}

#[tokio::test]
async fn a_segment_says_how_it_was_meant_and_how_sure_the_recogniser_is() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    for (id, text, from) in [
        ("c1", "That is not good at all.", 1.0),
        ("c2", "Thank you, that helps.", 20.0),
        ("c3", "The number is in the letter.", 40.0),
    ] {
        let said = utterance(&call, id, Party::Customer, text, from, from + 2.0);
        let said = Utterance {
            confidence: Some(9_500),
            ..said
        };
        call.log.send(CallEvent::Said(said));
    }
    let path = format!("/api/calls/{}/transcript", call.id);
    let all = |found: &Value| {
        found["segments"]
            .as_array()
            .is_some_and(|all| all.len() == 3)
    };
    let found = admin.eventually(&path, all).await;
    let segments = &found["segments"];
    assert_eq!(segments[0]["sentiment"], "negative");
    assert_eq!(segments[1]["sentiment"], "positive");
    assert_eq!(segments[2]["sentiment"], Value::Null);
    assert_eq!(segments[0]["confidence"], json!(0.95));
}
