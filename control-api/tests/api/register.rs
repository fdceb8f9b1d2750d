use reqwest::StatusCode;
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;

use crate::world::World;

fn vapi(id: &str) -> Value {
    json!({"upstream": "vapi", "upstreamCallId": id, "direction": "inbound",
        "listenUrl": "wss://x.vapi.ai/1/listen", "controlUrl": "https://x.vapi.ai/1/control",
        "from": "+4930123456", "to": "+4930999999", "agentId": "a-1", "agentName": "Aria",
        "customerName": "Carla", "tags": ["vip"]})
}

#[tokio::test]
async fn a_registered_call_is_the_same_one_however_often_and_from_wherever() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (status, call) = admin.post("/api/calls", &vapi("v-1")).await;
    assert_eq!(status, StatusCode::CREATED, "{call}");
    assert_eq!(
        (&call["from"], &call["to"]),
        (&json!("+4930123456"), &json!("+4930999999"))
    );
    assert_eq!(
        (&call["status"], &call["tags"]),
        (&json!("connecting"), &json!(["vip"]))
    );
    assert!(!call.to_string().contains("vapi.ai"), "{call}");
    let (status, again) = admin.post("/api/calls", &vapi("v-1")).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &call["id"]));
    let at_once = (0..20).map(|_| {
        let admin = admin.clone();
        tokio::spawn(async move { admin.post("/api/calls", &vapi("v-2")).await })
    });
    let (mut made, mut ids) = (0, Vec::new());
    for answer in at_once.collect::<Vec<_>>() {
        let (status, call) = answer.await.unwrap();
        made += usize::from(status == StatusCode::CREATED);
        ids.push(call["id"].clone());
    }
    ids.dedup();
    assert_eq!((made, ids.len()), (1, 1));
    // another tenant's call of that id is another call
    let other = world.tenant(&admin, "other").await;
    let (status, theirs) = other.post("/api/calls", &vapi("v-1")).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_ne!(theirs["id"], call["id"]);
}

#[tokio::test]
async fn what_the_vendor_reports_of_a_registered_call_is_of_the_same_one() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"kind": "vapi", "name": "V",
        "webhook": {"scheme": "vapi_secret", "secret": "secret-secret"}});
    admin.post("/api/connections", &body).await;
    let (_, call) = admin.post("/api/calls", &vapi("v-1")).await;
    let url = format!("{}/api/webhooks/vapi/default", world.url);
    let signing = Signing::VapiSecret("secret-secret".into());
    for message in VapiCall::new("v-1", clock::wall() - 60_000).messages() {
        let webhook = signing.sign(message.to_string(), 0);
        webhook.send(&reqwest::Client::new(), &url).await.unwrap();
    }
    let path = format!("/api/calls/{}", call["id"].as_str().unwrap());
    let ended = admin.read(&path).await;
    assert_eq!(ended["status"], "ended");
    assert_eq!(ended["tags"], json!(["parcel", "refund", "vip"]));
}

#[tokio::test]
async fn a_call_without_an_upstream_of_its_own_is_under_way() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"upstream": "api", "upstreamCallId": "x", "direction": "outbound",
        "from": "+4930999999", "to": "+4930123456"});
    let (status, call) = admin.post("/api/calls", &body).await;
    assert_eq!(
        (status, &call["status"]),
        (StatusCode::CREATED, &json!("connected"))
    );
    assert_eq!(
        (&call["from"], &call["to"]),
        (&json!("+4930999999"), &json!("+4930123456"))
    );
    assert_eq!(
        admin.read("/api/calls/active/count").await,
        json!({"count": 1})
    );
}

#[tokio::test]
async fn what_cannot_be_registered_is_named() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (change, field) in [
        (json!({"upstream": "teams"}), "upstream"),
        (
            json!({"upstream": "livekit", "listenUrl": null, "controlUrl": null}),
            "upstream",
        ),
        (json!({"upstreamCallId": " "}), "upstreamCallId"),
        (json!({"from": ""}), "from"),
        (json!({"tags": ["x".repeat(65)]}), "tags"),
        (json!({"colour": 1}), "colour"),
        (
            json!({"listenUrl": "wss://vapi.ai.evil.example/1/listen"}),
            "listenUrl",
        ),
        (json!({"listenUrl": "ws://x.vapi.ai/1/listen"}), "listenUrl"),
        (
            json!({"listenUrl": "https://x.vapi.ai/1/listen"}),
            "listenUrl",
        ),
        (json!({"listenUrl": "wss://127.0.0.1/1"}), "listenUrl"),
        (json!({"listenUrl": "wss://user@x.vapi.ai/1"}), "listenUrl"),
        (
            json!({"controlUrl": "https://x.vapi.ai:444/1"}),
            "controlUrl",
        ),
        (json!({"controlUrl": "file:///etc/passwd"}), "controlUrl"),
        (json!({"upstream": "api", "controlUrl": null}), "listenUrl"),
    ] {
        let mut body = vapi("v-1");
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let (status, problem) = admin.post("/api/calls", &body).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{change}: {problem}"
        );
        assert_eq!(problem["errors"][0]["field"], field, "{change}");
        assert!(!problem.to_string().contains("/1/listen"), "{problem}");
    }
    assert_eq!(admin.read("/api/calls").await["items"], json!([]));
    let auditor = world.user(&admin, "ada", "auditor").await;
    assert_eq!(
        auditor.post("/api/calls", &vapi("v-1")).await.0,
        StatusCode::FORBIDDEN
    );
}
