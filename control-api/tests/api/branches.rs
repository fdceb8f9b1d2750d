use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::socket::Socket;
use crate::world::World;

#[tokio::test]
async fn branches_and_their_numbers_are_the_admins_to_change() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"name": "Berlin", "timezone": "Europe/Berlin"});
    let (status, branch) = admin.post("/api/branches", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{branch}");
    assert_eq!(branch["activeCalls"], 0);
    let id = branch["id"].as_str().unwrap();
    let path = format!("/api/branches/{id}");
    assert_eq!(
        admin.post("/api/branches", &body).await.0,
        StatusCode::CONFLICT
    );
    let number = json!({"number": "+49 (30) 123-4567", "branchId": id, "label": "Front desk"});
    let (status, number) = admin.post("/api/phone-numbers", &number).await;
    assert_eq!(status, StatusCode::CREATED, "{number}");
    assert_eq!(number["number"], "+49301234567");
    let (status, problem) = admin.send(Method::DELETE, &path).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("branch_has_numbers"))
    );
    let (_, changed) = admin
        .patch(&path, &json!({"timezone": null, "name": "Mitte"}))
        .await;
    assert_eq!(
        (&changed["name"], &changed["timezone"]),
        (&json!("Mitte"), &json!(null))
    );

    let agent = world.user(&admin, "al", "agent").await;
    assert_eq!(
        agent.read("/api/branches").await["items"][0]["name"],
        "Mitte"
    );
    let listed = agent
        .read(&format!("/api/phone-numbers?branchId={id}"))
        .await;
    assert_eq!(listed["items"][0]["label"], "Front desk");
    assert_eq!(
        agent.post("/api/branches", &body).await.0,
        StatusCode::FORBIDDEN
    );

    let at = format!("/api/phone-numbers/{}", number["id"].as_str().unwrap());
    let (_, moved) = admin.patch(&at, &json!({"branchId": null})).await;
    assert_eq!(moved["branchId"], json!(null));
    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        admin.send(Method::DELETE, &at).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(admin.get(&at).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_number_belongs_to_one_tenant_and_is_a_number() {
    let world = World::new().await;
    let admin = world.admin().await;
    let other = world.tenant(&admin, "other").await;
    let number = json!({"number": "+49301234567"});
    assert_eq!(
        other.post("/api/phone-numbers", &number).await.0,
        StatusCode::CREATED
    );
    let (status, problem) = admin.post("/api/phone-numbers", &number).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("number_taken"))
    );
    assert_eq!(admin.read("/api/phone-numbers").await["items"], json!([]));
    let (_, branch) = other.post("/api/branches", &json!({"name": "Far"})).await;
    for (body, field) in [
        (json!({"number": "030 1234567"}), "number"),
        (
            json!({"number": "+49301234568", "branchId": branch["id"]}),
            "branchId",
        ),
        (json!({"number": "+49301234568", "colour": 1}), "colour"),
    ] {
        let (status, problem) = admin.post("/api/phone-numbers", &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let body = json!({"name": "x", "timezone": "../etc"});
    assert_eq!(
        admin.post("/api/branches", &body).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn a_room_is_the_tenants_whose_number_was_called_unless_it_names_another() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let other = world.tenant(&admin, "other").await;
    let (_, branch) = acme.post("/api/branches", &json!({"name": "Berlin"})).await;
    let number = json!({"number": "+4930555555", "branchId": branch["id"]});
    acme.post("/api/phone-numbers", &number).await;
    let gateway = world.gateway();
    let mut held = gateway.hold("room-1", None);
    held.facts.to = "+4930555555".into();
    held.log
        .send(sidetone_wire::CallEvent::Facts(held.facts.clone()));
    let call = held.known_to(&acme).await;
    assert_eq!(call["branchId"], branch["id"]);
    let path = format!("/api/branches/{}", branch["id"].as_str().unwrap());
    acme.eventually(&path, |branch| branch["activeCalls"] == 1)
        .await;
    let mut named = gateway.hold("room-2", Some("other"));
    named.facts.to = "+4930555555".into();
    named
        .log
        .send(sidetone_wire::CallEvent::Facts(named.facts.clone()));
    let call = named.known_to(&other).await;
    assert_eq!(call["branchId"], json!(null));
}

#[tokio::test]
async fn a_tenants_clients_are_told_when_a_branchs_calls_change() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (_, branch) = admin
        .post("/api/branches", &json!({"name": "Berlin"}))
        .await;
    let number = json!({"number": "+4930555555", "branchId": branch["id"]});
    admin.post("/api/phone-numbers", &number).await;
    let mut socket = Socket::connect(&world, &admin.token).await;
    socket.event("initial_state").await;
    let register = |id: usize| {
        json!({"upstream": "api", "upstreamCallId": format!("c-{id}"), "direction": "inbound",
            "from": "+4930123456", "to": "+4930555555"})
    };
    for id in 1..=3 {
        admin.post("/api/calls", &register(id)).await;
    }
    // several changes within a second may be told as one
    loop {
        let pulse = socket.event("branch_pulse").await;
        assert_eq!(pulse["branchId"], branch["id"]);
        assert!(pulse["timestamp"].is_string());
        if pulse["activeCalls"] == 3 {
            break;
        }
    }
}
