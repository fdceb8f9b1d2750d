//! Calls at Retell that a supervisor takes from its agent for good.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sidetone_fleet::{EventLog, Lease, take};
use sidetone_service::clock;
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::webhook::Signing;
use sidetone_wire::{
    CallEvent, CallId, Command, CommandError, EndClass, EndReason, NodeId, Reply, Timestamp,
};
use tokio::task::JoinHandle;

use crate::control::code;
use crate::vendor_calls::{SECRET, only_call, send, signed};
use crate::world::{Gateway, User, World};

const PART: &str = "call_take_over";

/// A live call that a gateway hears.
struct Line {
    world: World,
    admin: User,
    sue: User,
    gateway: Gateway,
    retell: RetellCall,
    path: String,
    log: EventLog,
    /// The gateway keeps its lease until this is aborted.
    keeping: JoinHandle<()>,
    _route: take::Guard,
}

async fn keep(lease: Lease) {
    loop {
        lease.renew(clock::now()).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

impl Line {
    async fn new() -> Self {
        let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
        let admin = world.admin().await;
        let sue = world.user(&admin, "sue", "supervisor").await;
        let gateway = world.gateway();
        let account = json!({"kind": "retell", "name": "Main",
            "credentials": {"apiKey": "key-of-retell"},
            "settings": {"apiUrl": "http://127.0.0.1:1"},
            "webhook": {"scheme": "retell", "secret": SECRET}});
        let (status, made) = admin.post("/api/connections", &account).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let retell = RetellCall::new("call_1", clock::wall() - 60_000);
        says(&world, &retell, "call_started", &json!({})).await;
        let call = only_call(&admin).await;
        let id: CallId = call["id"].as_str().unwrap().parse().unwrap();
        let (key, node) = (format!("call:{id}"), NodeId("gateway-1".into()));
        let lease = world.fleet.acquire(&key, &node, clock::now()).await;
        let lease = lease.unwrap();
        Self {
            log: world.fleet.event_log(id, lease.fence()),
            _route: world.fleet.route(id, &node),
            keeping: tokio::spawn(keep(lease)),
            path: format!("/api/calls/{id}"),
            world,
            admin,
            sue,
            gateway,
            retell,
        }
    }

    async fn act(&self, act: &str, body: Value) -> (StatusCode, Value) {
        self.sue.post(&format!("{}/{act}", self.path), &body).await
    }

    async fn takes(&self) {
        let (status, taken) = self.act("takeover", json!({"irreversible": true})).await;
        assert_eq!(status, StatusCode::OK, "{taken}");
        assert_eq!(taken["control"]["holderName"], "sue");
    }

    /// Retell says that the call is over, and why.
    async fn ends(&self, event: &str, reason: &str) {
        let end = json!({"end_timestamp": clock::wall() - 30_000, "disconnection_reason": reason,
            "call_analysis": {"call_summary": "A person took over.", "call_successful": true}});
        says(&self.world, &self.retell, event, &end).await;
    }

    async fn call(&self) -> Value {
        self.admin.read(&self.path).await
    }
}

async fn says(world: &World, retell: &RetellCall, event: &str, more: &Value) {
    let signing = Signing::Retell(SECRET.to_owned());
    let hook = signed(&signing, &retell.event(event, more));
    let (status, answer) = send(world, "/api/webhooks/retell/default", &hook).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn gives_to_somebody(command: &Command) -> bool {
    matches!(command, Command::SetFloor { floor, .. } if floor.holder.is_some())
}

#[tokio::test]
async fn a_takeover_at_retell_is_for_good_and_the_end_of_the_agents_part_is_not_the_calls() {
    let line = Line::new().await;
    let call = line.call().await;
    let able = json!(["listen", "whisper_text", "takeover", "end"]);
    assert_eq!(call["capabilities"], able);
    let why = call["incapable"]["hand_back"].as_str().unwrap();
    assert!(why.contains("for good"), "it is said before: {why}");
    for body in [
        Value::Null,
        json!({}),
        json!({"irreversible": false}),
        json!("x"),
    ] {
        let (status, refused) = line.act("takeover", body).await;
        let expected = (StatusCode::CONFLICT, "takeover_irreversible");
        assert_eq!((status, code(&refused)), expected);
    }
    assert!(!line.gateway.commands().iter().any(gives_to_somebody));
    let (status, armed) = line.act("talk", json!({"mode": "armed"})).await;
    assert_eq!(status, StatusCode::OK, "{armed}");
    let (status, body) = line.act("talk", json!({"mode": "barge"})).await;
    let unsupported = (StatusCode::CONFLICT, "unsupported_by_upstream");
    assert_eq!((status, code(&body)), unsupported);

    line.takes().await;
    assert!(line.gateway.commands().iter().any(gives_to_somebody));
    line.ends("call_ended", PART).await;
    let call = line.call().await;
    assert_eq!(call["status"], "connected", "{call}");
    assert_eq!(call["control"]["holderName"], "sue");
    let (status, body) = line.act("handback", Value::Null).await;
    assert_eq!((status, code(&body)), unsupported);
    let (status, body) = line.act("end", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let ends = |command: &Command| matches!(command, Command::EndCall { .. });
    assert!(line.gateway.heard(ends).await, "who carries it leaves it");

    line.log.send(CallEvent::Ended {
        at: Timestamp::from_unix_ms(clock::wall()),
        reason: EndReason::new(EndClass::Completed, "supervisor_hangup"),
    });
    let over = |call: &Value| call["status"] == "ended";
    let ended = line.admin.eventually(&line.path, over).await;
    line.ends("call_analyzed", PART).await;
    let analysed = line.call().await;
    assert_eq!(analysed["outcome"], "successful", "{analysed}");
    for fact in ["status", "endReason", "endedAt", "durationSeconds"] {
        assert_eq!(analysed[fact], ended[fact], "{fact}");
    }
    assert_eq!(analysed["endReason"]["code"], "supervisor_hangup");
}

#[tokio::test]
async fn a_takeover_that_retell_refuses_leaves_the_call_with_its_agent() {
    let line = Line::new().await;
    line.gateway.answers(|command| {
        if gives_to_somebody(command) {
            let detail = "Retell does not give it away (status 409)".to_owned();
            return Err(CommandError::Failed { detail });
        }
        Ok(Reply::Done)
    });
    let (status, body) = line.act("takeover", json!({"irreversible": true})).await;
    let failed = (StatusCode::BAD_GATEWAY, "gateway_failed");
    assert_eq!((status, code(&body)), failed);
    let call = line.call().await;
    assert_eq!(
        (&call["status"], &call["control"]["holder"]),
        (&json!("connected"), &json!("agent"))
    );
    // somebody else was faster: that ends it
    line.ends("call_ended", PART).await;
    let call = line.call().await;
    assert_eq!(call["status"], "ended");
    assert_eq!(call["endReason"]["code"], PART);
}

#[tokio::test]
async fn a_call_that_was_taken_over_ends_with_the_gateway_that_carried_it() {
    let line = Line::new().await;
    line.takes().await;
    line.keeping.abort();
    let over = |call: &Value| call["status"] == "ended";
    let ended = line.admin.eventually(&line.path, over).await;
    let reason = json!({"class": "ours", "code": "supervisor_lost"});
    assert_eq!(ended["endReason"], reason);
    assert_eq!(ended["control"]["holder"], "agent");
}

#[tokio::test]
async fn whatever_else_ends_a_call_that_was_taken_over_ends_it() {
    let line = Line::new().await;
    line.takes().await;
    line.ends("call_ended", "user_hangup").await;
    let call = line.call().await;
    assert_eq!(call["status"], "ended");
    assert_eq!(call["endReason"]["code"], "user_hangup");
}
