//! Pauses: by people, rules and webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_fleet::ledger::LedgerError;
use sidetone_service::clock;
use sidetone_wire::{
    CallEvent, CallId, Command, CommandError, EndClass, EndReason, RecordingId, Reply, Timestamp,
};

use crate::takes::audited;
use crate::world::{Gateway, Held, User, World, answer};

const SECRET: [u8; 32] = [7; 32];

fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(SECRET))
}

struct Live {
    world: World,
    admin: User,
    gateway: Gateway,
    call: Held,
    recording: RecordingId,
}

impl Live {
    /// A call that is being recorded.
    async fn new() -> Self {
        let world = World::new().await;
        let admin = world.admin().await;
        let gateway = world.gateway();
        let call = gateway.hold("room-1", None);
        let recording = RecordingId(clock::new_id());
        call.log.send(CallEvent::RecordingStarted {
            recording,
            started_at: now(),
        });
        let live = Self {
            world,
            admin,
            gateway,
            call,
            recording,
        };
        live.shows("recording").await;
        live
    }

    async fn shows(&self, state: &str) -> Value {
        self.admin
            .eventually(&self.call.path(), |call| {
                call["recording"]["state"] == state
            })
            .await
    }

    async fn pause(&self, body: &Value) -> (StatusCode, Value) {
        let path = format!("{}/recording/pause", self.call.path());
        self.admin.post(&path, body).await
    }

    async fn resume(&self) -> (StatusCode, Value) {
        let path = format!("{}/recording/resume", self.call.path());
        self.admin.post(&path, &json!({})).await
    }

    async fn rule(&self) -> Option<String> {
        let rule = self.world.ledger.recording_rule(self.call.id).await;
        rule.unwrap().paused_by
    }

    async fn policy(&self, policy: Value) {
        let (status, body) = self.admin.put("/api/retention", &policy).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    /// The commands about recordings so far.
    fn told(&self) -> Vec<Command> {
        let mut told = self.gateway.commands();
        told.retain(|command| {
            matches!(
                command,
                Command::PauseRecording { .. } | Command::ResumeRecording { .. }
            )
        });
        told
    }

    fn digit(&self) {
        self.call.log.send(CallEvent::RecordingPaused {
            recording: self.recording,
            at: now(),
            by: "rule:dtmf".to_owned(),
        });
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix_ms(clock::wall())
}

fn ms(value: &Value) -> i64 {
    let at: Timestamp = serde_json::from_value(value.clone()).unwrap();
    at.unix_ms()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_in_the_database_before_the_gateway_hears_of_it_and_done_before_the_200() {
    let live = Live::new().await;
    let done = Arc::new(AtomicBool::new(false));
    let (ledger, call, noted) = (live.world.ledger.clone(), live.call.id, done.clone());
    let runtime = tokio::runtime::Handle::current();
    live.gateway.answers(move |_| {
        let asking = || runtime.block_on(ledger.recording_rule(call));
        let rule = tokio::task::block_in_place(asking);
        noted.store(rule.unwrap().paused_by.is_some(), Ordering::SeqCst);
        Ok(Reply::Done)
    });
    let (status, call) = live.pause(&json!({"reason": " card data "})).await;
    assert_eq!(status, StatusCode::OK, "{call}");
    assert!(done.load(Ordering::SeqCst));
    assert_eq!(call["recording"]["state"], "paused");
    assert_eq!(call["recording"]["pausedBy"], live.admin.id.as_str());
    assert!(call["recording"].get("resumeAt").is_none());
    let rows = audited(&live.admin, &live.call.id.to_string()).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["action"], "recording.paused");
    assert_eq!(rows[0]["actor"], live.admin.id.as_str());
    assert_eq!(rows[0]["address"], "127.0.0.1");
    assert_eq!(rows[0]["detail"]["reason"], "card data");
}

#[tokio::test]
async fn pausing_and_resuming_again_changes_nothing() {
    let live = Live::new().await;
    let (by, call) = (live.admin.id.clone(), live.call.id);
    for _ in 0..2 {
        assert_eq!(live.pause(&json!({})).await.0, StatusCode::OK);
    }
    for _ in 0..2 {
        let (status, call) = live.resume().await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(call["recording"]["state"], "recording");
        assert!(call["recording"].get("pausedAt").is_none());
    }
    let pause = Command::PauseRecording { call, by };
    let resume = Command::ResumeRecording { call };
    assert_eq!(live.told(), [pause.clone(), pause, resume.clone(), resume]);
    let rows = audited(&live.admin, &call.to_string()).await;
    let actions: Vec<_> = rows.iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions, ["recording.paused", "recording.resumed"]);
}

#[tokio::test]
async fn a_pause_that_the_gateway_does_not_confirm_stays_and_is_told_again() {
    let live = Live::new().await;
    live.gateway.answers(|_| {
        let detail = "the disk is full".to_owned();
        Err(CommandError::Failed { detail })
    });
    let (status, body) = live.pause(&json!({})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["code"], "recording_pause_unconfirmed");
    assert!(live.rule().await.is_some());
    // what is not confirmed is not shown as done
    let call = live.admin.read(&live.call.path()).await;
    assert_eq!(call["recording"]["state"], "recording");
    assert!(call["recording"]["pausedAt"].is_string());
    live.gateway.answers(|_| Ok(Reply::Done));
    live.shows("paused").await;
}

#[tokio::test]
async fn a_call_that_no_gateway_holds_stays_paused_for_the_next_one_that_takes_it() {
    let live = Live::new().await;
    let Live {
        world,
        admin,
        gateway,
        call,
        ..
    } = live;
    let (id, path, facts) = (call.id, call.path(), call.facts.clone());
    drop((call, gateway));
    let pause = format!("{path}/recording/pause");
    let (status, body) = admin.post(&pause, &json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["code"], "call_not_live");
    let rule = world.ledger.recording_rule(id).await.unwrap();
    assert_eq!(rule.paused_by, Some(admin.id.clone()));

    // it begins a take before it has asked: it is told
    let gateway = Gateway::new(&world.fleet, "gateway-2");
    let log = world.fleet.event_log(id, 2);
    let _route = world
        .fleet
        .route(id, &sidetone_wire::NodeId("gateway-2".into()));
    log.send(CallEvent::Facts(facts));
    log.send(CallEvent::RecordingStarted {
        recording: RecordingId(clock::new_id()),
        started_at: now(),
    });
    let by = admin.id.clone();
    let told = Command::PauseRecording { call: id, by };
    assert!(gateway.heard(|command| *command == told).await);
    admin
        .eventually(&path, |call| call["recording"]["state"] == "paused")
        .await;
}

#[tokio::test]
async fn a_pause_survives_the_end_of_the_process() {
    let live = Live::new().await;
    assert_eq!(live.pause(&json!({})).await.0, StatusCode::OK);
    let (id, by) = (live.call.id, live.admin.id.clone());
    let dir = live.world.stop().await;
    let world = World::start(dir, &[], std::time::Duration::from_secs(30)).await;
    let rule = world.ledger.recording_rule(id).await.unwrap();
    assert_eq!(rule.paused_by, Some(by));
}

#[tokio::test]
async fn a_pause_ends_by_itself_when_its_time_is_over_and_never_before() {
    let live = Live::new().await;
    let (status, call) = live.pause(&json!({"resumeAfterSeconds": 1})).await;
    assert_eq!(status, StatusCode::OK);
    let due = ms(&call["recording"]["resumeAt"]);
    assert!((due - ms(&call["recording"]["pausedAt"]) - 1000).abs() < 500);
    live.shows("recording").await;
    assert!(clock::wall() >= due);
    let resumed = Command::ResumeRecording { call: live.call.id };
    assert!(live.gateway.heard(|command| *command == resumed).await);
    let rows = audited(&live.admin, &live.call.id.to_string()).await;
    assert_eq!(rows[1]["actor"], "rule:timeout");
}

#[tokio::test]
async fn the_tenants_time_out_counts_unless_another_is_asked_for() {
    let live = Live::new().await;
    live.policy(json!({"resumeAfterSeconds": 600})).await;
    let (_, call) = live.pause(&json!({})).await;
    let paused_at = ms(&call["recording"]["pausedAt"]);
    let after = ms(&call["recording"]["resumeAt"]) - paused_at;
    assert!((after - 600_000).abs() < 2000, "{after}");
    let (_, call) = live.pause(&json!({"resumeAfterSeconds": 30})).await;
    assert_eq!(ms(&call["recording"]["pausedAt"]), paused_at);
    let after = ms(&call["recording"]["resumeAt"]) - paused_at;
    assert!((25_000..40_000).contains(&after), "{after}");
    for seconds in [0, 3601] {
        let (status, body) = live.pause(&json!({"resumeAfterSeconds": seconds})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["field"], "resumeAfterSeconds");
    }
    let reason = "x".repeat(501);
    let (status, body) = live.pause(&json!({ "reason": reason })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "reason");
}

#[tokio::test]
async fn each_digit_prolongs_a_rules_pause_and_none_touches_a_persons() {
    let live = Live::new().await;
    live.digit();
    let first = live.shows("paused").await;
    assert_eq!(first["recording"]["pausedBy"], "rule:dtmf");
    let until = ms(&first["recording"]["resumeAt"]);
    let after = until - ms(&first["recording"]["pausedAt"]);
    assert!((59_000..62_000).contains(&after), "{after}");
    live.digit();
    let later = live
        .admin
        .eventually(&live.call.path(), |call| {
            ms(&call["recording"]["resumeAt"]) > until
        })
        .await;
    assert_eq!(
        later["recording"]["pausedAt"],
        first["recording"]["pausedAt"]
    );

    // a person takes it over, without an end
    let (_, call) = live.pause(&json!({})).await;
    assert_eq!(call["recording"]["pausedBy"], live.admin.id.as_str());
    live.digit();
    let left = CallEvent::RecordingDegraded {
        recording: live.recording,
        degraded: true,
    };
    live.call.log.send(left);
    live.call.log.send(CallEvent::RecordingEnded {
        recording: live.recording,
    });
    let call = live.admin.read(&live.call.path()).await;
    assert!(call["recording"].get("resumeAt").is_none());
    assert_eq!(live.rule().await, Some(live.admin.id.clone()));
    let rows = audited(&live.admin, &live.call.id.to_string()).await;
    let actors: Vec<_> = rows.iter().map(|row| row["actor"].clone()).collect();
    assert_eq!(actors, [json!("rule:dtmf"), json!(live.admin.id)]);
}

#[tokio::test]
async fn people_who_pause_and_resume_at_once_leave_the_gateway_as_the_database_says() {
    let live = Live::new().await;
    for round in 0..10 {
        let pause = json!({});
        let (paused, resumed, again) = tokio::join!(live.pause(&pause), live.resume(), async {
            live.digit();
            if round % 2 == 0 {
                live.pause(&pause).await.0
            } else {
                live.resume().await.0
            }
        });
        assert_eq!(
            [paused.0, resumed.0, again],
            [StatusCode::OK; 3],
            "{paused:?}"
        );
    }
    let consistent = crate::world::within(async || {
        let wanted = live.rule().await.is_some();
        let told = live.told();
        let last = told.last();
        let paused = matches!(last, Some(Command::PauseRecording { .. }));
        let shown = live.admin.read(&live.call.path()).await["recording"]["state"] == "paused";
        wanted == paused && wanted == shown
    });
    assert!(
        consistent.await,
        "{:?} {:?}",
        live.rule().await,
        live.told()
    );
}

#[tokio::test]
async fn a_call_that_is_over_can_neither_be_paused_nor_resumed() {
    let live = Live::new().await;
    live.call.log.send(CallEvent::Ended {
        at: now(),
        reason: EndReason::new(EndClass::Completed, "room_finished"),
    });
    live.admin
        .eventually(&live.call.path(), |call| call["status"] == "ended")
        .await;
    for (status, body) in [live.pause(&json!({})).await, live.resume().await] {
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(body["code"], "call_ended");
    }
    assert_eq!(live.told(), []);
}

#[tokio::test]
async fn a_call_that_is_not_known_yet_is_asked_for_again() {
    let world = World::new().await;
    let call = CallId::of_upstream("livekit", "RM_none", now());
    let rule = world.ledger.recording_rule(call).await;
    assert!(matches!(rule, Err(LedgerError::Away(_))));
}

/// A webhook as a payment page sends it.
struct Webhook<'a> {
    client: &'a str,
    id: &'a str,
    at: i64,
    secret: [u8; 32],
    body: Value,
}

impl Webhook<'_> {
    async fn send(&self, world: &World) -> (StatusCode, Value) {
        let body = self.body.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let message = format!("{}.{}.{body}", self.id, self.at);
        let signature = STANDARD.encode(hmac::sign(&key, message.as_bytes()));
        let path = format!("/api/webhooks/recording/{}", self.client);
        let request = world
            .request(Method::POST, &path)
            .header("webhook-id", self.id)
            .header("webhook-timestamp", self.at)
            .header("webhook-signature", format!("v1,{signature}"))
            .body(body);
        answer(request).await
    }
}

fn webhook(id: &str, body: Value) -> Webhook<'_> {
    Webhook {
        client: "default",
        id,
        at: clock::wall() / 1000,
        secret: SECRET,
        body,
    }
}

#[tokio::test]
async fn a_payment_page_pauses_and_resumes_by_webhook_and_a_repeated_one_does_nothing() {
    let live = Live::new().await;
    live.policy(json!({"pauseWebhookSecret": secret()})).await;
    let world = &live.world;
    let room = json!({"livekitRoom": "room-1", "action": "pause", "reason": "card"});
    let pause = webhook("msg_1", room);
    assert_eq!(pause.send(world).await.0, StatusCode::OK);
    assert_eq!(live.rule().await.as_deref(), Some("rule:webhook"));
    live.shows("paused").await;

    let upstream = live.call.facts.upstream_call_id.clone();
    let resume = json!({"upstreamCallId": upstream, "action": "resume"});
    let resume = webhook("msg_2", resume);
    assert_eq!(resume.send(world).await.0, StatusCode::OK);
    assert_eq!(live.rule().await, None);
    assert_eq!(pause.send(world).await.0, StatusCode::OK);
    assert_eq!(live.rule().await, None);

    // what a person paused, a person resumes
    live.pause(&json!({})).await;
    let resume = json!({"callId": live.call.id, "action": "resume"});
    assert_eq!(webhook("msg_3", resume).send(world).await.0, StatusCode::OK);
    assert_eq!(live.rule().await, Some(live.admin.id.clone()));
}

#[tokio::test]
async fn a_webhook_that_was_not_confirmed_may_be_sent_again() {
    let live = Live::new().await;
    live.policy(json!({"pauseWebhookSecret": secret()})).await;
    live.gateway.answers(|_| Err(CommandError::Overloaded));
    let pause = json!({"callId": live.call.id, "action": "pause"});
    let pause = webhook("msg_1", pause);
    let (status, body) = pause.send(&live.world).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["code"], "recording_pause_unconfirmed");
    live.gateway.answers(|_| Ok(Reply::Done));
    assert_eq!(pause.send(&live.world).await.0, StatusCode::OK);
    live.shows("paused").await;
}

#[tokio::test]
async fn a_webhook_that_is_forged_stale_or_another_tenants_is_401() {
    let live = Live::new().await;
    let acme = live.world.tenant(&live.admin, "acme").await;
    let body = json!({"callId": live.call.id, "action": "pause"});
    let good = || webhook("msg_1", body.clone());
    // without a secret there is no webhook
    assert_eq!(good().send(&live.world).await.0, StatusCode::UNAUTHORIZED);
    live.policy(json!({"pauseWebhookSecret": secret()})).await;
    let theirs = json!({"pauseWebhookSecret": format!("whsec_{}", STANDARD.encode([8; 32]))});
    assert_eq!(acme.put("/api/retention", &theirs).await.0, StatusCode::OK);
    let at = clock::wall() / 1000;
    for forged in [
        Webhook {
            secret: [8; 32],
            ..good()
        },
        Webhook {
            client: "acme",
            ..good()
        },
        Webhook {
            client: "nobody",
            ..good()
        },
        Webhook {
            at: at - 900,
            ..good()
        },
        Webhook {
            at: at + 900,
            ..good()
        },
        Webhook { id: "", ..good() },
    ] {
        let (status, body) = forged.send(&live.world).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["code"], "bad_signature");
    }
    // another tenant's call is not there, however well it is signed
    let (status, _) = Webhook {
        client: "acme",
        secret: [8; 32],
        ..good()
    }
    .send(&live.world)
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(live.rule().await, None);
    for wrong in [
        json!({"action": "pause"}),
        json!({"callId": live.call.id, "livekitRoom": "room-1", "action": "pause"}),
        json!({"callId": live.call.id, "action": "stop"}),
    ] {
        let (status, _) = webhook("msg_2", wrong).send(&live.world).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(good().send(&live.world).await.0, StatusCode::OK);
}
