//! Campaigns: what calls belong together.

use reqwest::{Method, StatusCode};
use serde_json::json;
use sidetone_service::clock;
use sidetone_wire::{CallEvent, CallId, Direction, Timestamp};

use crate::world::{World, facts};

#[tokio::test]
async fn a_call_comes_into_a_campaign_by_its_number_its_metadata_or_by_hand() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"word": "spring", "name": "Spring sale", "numbers": ["+49 (30) 55-1"]});
    let (status, spring) = admin.post("/api/campaigns", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{spring}");
    assert_eq!(spring["numbers"], json!(["+4930551"]));
    assert_eq!(spring["active"], true);

    let at = Timestamp::from_unix_ms(clock::wall() - 5000);
    let report = |room: &str, change: &dyn Fn(&mut sidetone_wire::CallFacts)| {
        let mut facts = facts(room, None, at);
        change(&mut facts);
        let id = CallId::of_upstream("livekit", &facts.upstream_call_id, at);
        world.fleet.event_log(id, 1).send(CallEvent::Facts(facts));
        format!("/api/calls/{id}")
    };
    let by_number = report("a", &|facts| facts.to = "+49 30 551".into());
    let outbound = report("b", &|facts| {
        facts.direction = Direction::Outbound;
        facts.from = "+4930551".into();
    });
    let by_word = report("c", &|facts| {
        facts.to = "+4930551".into();
        facts.campaign = Some("winter".into());
    });
    let neither = report("d", &|_| {});
    for (path, word) in [
        (&by_number, "spring"),
        (&outbound, "spring"),
        (&by_word, "winter"),
    ] {
        admin
            .eventually(path, |call| call["campaign"] == word)
            .await;
    }
    let call = admin
        .eventually(&neither, |call| call["id"].is_string())
        .await;
    assert!(call.get("campaign").is_none(), "{call}");

    let path = format!("{neither}/campaign");
    let (status, call) = admin.put(&path, &json!({"campaign": "spring"})).await;
    assert_eq!(
        (status, &call["campaign"]),
        (StatusCode::OK, &json!("spring"))
    );
    let (status, problem) = admin.put(&path, &json!({"campaign": "summer"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["field"], "campaign");
    let (status, call) = admin.put(&path, &json!({"campaign": null})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(call.get("campaign").is_none(), "{call}");
    let (status, _) = admin.put(&path, &json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn campaigns_are_added_changed_and_removed_within_a_tenant() {
    let world = World::new().await;
    let admin = world.admin().await;
    let agent = world.user(&admin, "ann", "agent").await;
    let body = json!({"word": "spring", "name": "Spring", "description": "d", "numbers": ["1"]});
    assert_eq!(
        agent.post("/api/campaigns", &body).await.0,
        StatusCode::FORBIDDEN
    );
    let (_, spring) = admin.post("/api/campaigns", &body).await;
    let path = format!("/api/campaigns/{}", spring["id"].as_str().unwrap());
    assert_eq!(agent.read(&path).await, spring);
    let (status, problem) = admin.post("/api/campaigns", &body).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("campaign_taken"))
    );
    let other = json!({"word": "autumn", "name": "Autumn", "numbers": ["1"]});
    assert_eq!(
        admin.post("/api/campaigns", &other).await.0,
        StatusCode::CONFLICT
    );
    let foreign = world.tenant(&admin, "other").await;
    assert_eq!(
        foreign.post("/api/campaigns", &body).await.0,
        StatusCode::CREATED
    );
    assert_eq!(foreign.get(&path).await.0, StatusCode::NOT_FOUND);
    let (status, _) = foreign.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    let change =
        json!({"name": "Spring 2", "description": null, "numbers": ["2"], "active": false});
    let (status, changed) = admin.patch(&path, &change).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["name"], "Spring 2");
    assert_eq!(changed["numbers"], json!(["2"]));
    assert_eq!(changed["active"], false);
    assert!(changed.get("description").is_none(), "{changed}");
    assert_eq!(
        admin.post("/api/campaigns", &other).await.0,
        StatusCode::CREATED
    );
    let listed = admin.read("/api/campaigns").await;
    assert_eq!(listed["items"][0]["word"], "autumn");
    for (body, field) in [
        (json!({"word": "Spring!", "name": "x"}), "word"),
        (json!({"word": "x", "name": ""}), "name"),
        (
            json!({"word": "x", "name": "x", "numbers": [" - "]}),
            "numbers[0]",
        ),
    ] {
        let (status, problem) = admin.post("/api/campaigns", &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let (status, _) = admin.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(&path).await.0, StatusCode::NOT_FOUND);
}
