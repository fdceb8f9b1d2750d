//! What people write about calls, and what they like.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{World, answer};

const MISSING: &str = "00000000-0000-7000-8000-000000000000";

#[tokio::test]
async fn what_a_supervisor_writes_is_told_listed_and_among_the_actions() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    let path = format!("{}/annotations", call.path());
    for (kind, text) in [
        ("note", " Asked for a manager "),
        ("bookmark", ""),
        ("flag", "rude"),
        ("whisper_pill", "Slow down"),
    ] {
        let body = json!({"kind": kind, "text": text, "atMs": 1500});
        let (status, written) = admin.post(&path, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{written}");
        assert_eq!(written["text"], text.trim());
        assert_eq!(written["atMs"], 1500);
        assert_eq!(written["by"]["userId"], admin.id);
        assert_eq!(socket.event("annotation-upsert").await, written);
    }
    let listed = admin.read(&path).await;
    let kinds: Vec<&Value> = listed["items"].as_array().unwrap().iter().collect();
    assert_eq!(kinds.len(), 4);
    assert_eq!(kinds[0]["kind"], "note");
    let first = admin.read(&format!("{path}?limit=3")).await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = admin.read(&format!("{path}?limit=3&cursor={cursor}")).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["items"][0]["kind"], "whisper_pill");

    let actions = admin.read(&format!("{}/actions", call.path())).await;
    let actions: Vec<&str> = actions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "ADD_NOTE",
        "BOOKMARK_MOMENT",
        "FLAG_FOR_REVIEW",
        "COACH_AGENT",
    ];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn whoever_listens_has_joined_the_call_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("sales", None);
    call.known_to(&admin).await;
    for _ in 0..2 {
        let (status, grant) = admin
            .post(&format!("{}/listen", call.path()), &json!({}))
            .await;
        assert_eq!(status, StatusCode::OK, "{grant}");
    }
    let actions = admin.read(&format!("{}/actions", call.path())).await;
    assert_eq!(actions["items"].as_array().unwrap().len(), 1);
    assert_eq!(actions["items"][0]["kind"], "JOIN_CALL");
    assert_eq!(actions["items"][0]["detail"]["mode"], "listen");
    assert_eq!(actions["items"][0]["by"]["userId"], admin.id);
}

#[tokio::test]
async fn agents_write_about_their_own_calls_and_auditors_about_none() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let theirs = gateway.hold("sales", None); // of agent-7
    theirs.known_to(&admin).await;
    let own = world.user(&admin, "agent-7", "agent").await;
    let other = world.user(&admin, "agent-8", "agent").await;
    let auditor = world.user(&admin, "auditor", "auditor").await;
    let note = json!({"kind": "note", "text": "hello"});
    let pill = json!({"kind": "whisper_pill", "text": "hello"});
    let (path, feedback) = (
        format!("{}/annotations", theirs.path()),
        format!("{}/feedback", theirs.path()),
    );
    assert_eq!(own.post(&path, &note).await.0, StatusCode::CREATED);
    let (status, problem) = own.post(&path, &pill).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::FORBIDDEN, &json!("role_required"))
    );
    let (status, problem) = other.post(&path, &note).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::FORBIDDEN, &json!("not_your_call"))
    );
    let (status, _) = other.post(&feedback, &json!({"rating": 5})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = other
        .put(&format!("{}/tags", theirs.path()), &json!({"tags": []}))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(auditor.post(&path, &note).await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        auditor.read(&path).await["items"].as_array().unwrap().len(),
        1
    );
    // an agent's note is no supervisor's act
    let actions = auditor.read(&format!("{}/actions", theirs.path())).await;
    assert_eq!(actions["items"], json!([]));

    let foreign = world.tenant(&admin, "other").await;
    for path in [
        path.as_str(),
        feedback.as_str(),
        &format!("/api/calls/{MISSING}/annotations"),
    ] {
        assert_eq!(foreign.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(foreign.post(&path, &note).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_with_a_note_or_a_judgement_is_named() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let long = "x".repeat(2001);
    let annotations = format!("{}/annotations", call.path());
    let feedback = format!("{}/feedback", call.path());
    for (path, body, field) in [
        (&annotations, json!({"kind": "remark", "text": "a"}), "kind"),
        (&annotations, json!({"kind": "note", "text": " "}), "text"),
        (&annotations, json!({"kind": "note"}), "text"),
        (&annotations, json!({"kind": "note", "text": long}), "text"),
        (
            &annotations,
            json!({"kind": "note", "text": "a\u{0}"}),
            "text",
        ),
        (
            &annotations,
            json!({"kind": "note", "text": "a", "atMs": -1}),
            "atMs",
        ),
        (
            &annotations,
            json!({"kind": "note", "text": "a", "atMs": 604_800_001}),
            "atMs",
        ),
        (
            &annotations,
            json!({"kind": "note", "text": "a", "who": 1}),
            "who",
        ),
        (&feedback, json!({"rating": 0}), "rating"),
        (&feedback, json!({"rating": 6}), "rating"),
        (&feedback, json!({"rating": 3, "comment": long}), "comment"),
        (&feedback, json!({"comment": "good"}), "rating"),
    ] {
        let (status, problem) = admin.post(path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let (status, problem) = admin.get(&format!("{annotations}?limit=0")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "limit");
}

#[tokio::test]
async fn everybody_has_one_judgement_of_a_call_the_last() {
    let world = World::new().await;
    let admin = world.admin().await;
    let lead = world.user(&admin, "lead", "supervisor").await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let path = format!("{}/feedback", call.path());
    let (status, first) = admin
        .post(&path, &json!({"rating": 2, "comment": "slow"}))
        .await;
    assert_eq!(
        (status, &first["comment"]),
        (StatusCode::CREATED, &json!("slow"))
    );
    let (status, again) = admin.post(&path, &json!({"rating": 4})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(again["id"], first["id"]);
    assert_eq!(again["rating"], 4);
    assert!(again.get("comment").is_none(), "{again}");
    assert_eq!(
        lead.post(&path, &json!({"rating": 5})).await.0,
        StatusCode::CREATED
    );
    let listed = admin.read(&path).await;
    let ratings: Vec<i64> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rating"].as_i64().unwrap())
        .collect();
    assert_eq!(ratings, [4, 5]);
}

#[tokio::test]
async fn tags_are_normalised_and_told_as_a_change_of_the_call() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("sales", None);
    call.known_to(&admin).await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    socket.event("initial_state").await;
    let path = format!("{}/tags", call.path());
    let (status, changed) = admin
        .put(&path, &json!({"tags": ["VIP", " call  back ", "vip"]}))
        .await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["tags"], json!(["vip", "call back"]));
    loop {
        let told = socket.event("call-upsert").await;
        if told["tags"] == json!(["vip", "call back"]) {
            break;
        }
    }
    let found = admin.read("/api/calls?tag=vip").await;
    assert_eq!(found["items"][0]["id"], call.id.to_string());
    let (status, problem) = admin.put(&path, &json!({"tags": ["ok", ""]})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "tags[1]");
}

#[tokio::test]
async fn quick_messages_are_the_defaults_until_a_supervisor_sets_them() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let path = "/api/whisper-pills";
    let defaults = agent.read(path).await;
    assert!(defaults["items"].as_array().unwrap().len() > 2);
    let mine = json!({"items": [{"text": "Breathe", "label": "B"}, {"text": "Smile"}]});
    assert_eq!(agent.put(path, &mine).await.0, StatusCode::FORBIDDEN);
    let (status, set) = admin.put(path, &mine).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(set["items"], mine["items"]);
    assert_eq!(agent.read(path).await["items"], mine["items"]);
    let foreign = world.tenant(&admin, "other").await;
    assert_eq!(foreign.read(path).await, defaults);
    let many: Vec<Value> = (0..51).map(|n| json!({"text": n.to_string()})).collect();
    for (body, field) in [
        (json!({"items": many}), "items"),
        (
            json!({"items": [{"text": "a"}, {"text": ""}]}),
            "items[1].text",
        ),
        (
            json!({"items": [{"text": "a", "colour": "red"}]}),
            "items[0].colour",
        ),
    ] {
        let (status, problem) = admin.put(path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(
        admin.put(path, &json!({"items": []})).await.0,
        StatusCode::OK
    );
    assert_eq!(admin.read(path).await["items"], json!([]));
}

#[tokio::test]
async fn preferences_are_ones_own_and_bounded() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let path = "/api/me/preferences";
    let defaults = json!({"pinnedTiles": [], "layout": "list", "theme": "system", "views": {}});
    assert_eq!(admin.read(path).await, defaults);
    let mine = json!({"pinnedTiles": [MISSING], "layout": "tiles", "theme": "dark",
        "views": {"live": {"filter": {"tag": "vip"}, "columns": [1, 2.5, null]}}});
    let (status, set) = admin.put(path, &mine).await;
    assert_eq!(status, StatusCode::OK, "{set}");
    assert_eq!(admin.read(path).await, mine);
    assert_eq!(agent.read(path).await, defaults);
    for (body, field) in [
        (json!({"layout": "circle"}), "layout"),
        (json!({"colour": "red"}), "colour"),
        (json!({"pinnedTiles": ["x"]}), "pinnedTiles[0]"),
        (json!({"pinnedTiles": vec![MISSING; 65]}), "pinnedTiles"),
        (json!({"views": {"a": "x".repeat(33_000)}}), "views"),
        (json!({"views": {"k".repeat(65): 1}}), "views"),
    ] {
        let (status, problem) = admin.put(path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(admin.read(path).await, mine);
    assert_eq!(
        answer(world.request(reqwest::Method::GET, path)).await.0,
        StatusCode::UNAUTHORIZED
    );
}
