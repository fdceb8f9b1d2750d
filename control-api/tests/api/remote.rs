//! Acting on calls at their vendors: simulated ones, which check each order against what the vendor
//! documents.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_simulate::control::{Answers, RetellApi, VapiLine};
use sidetone_simulate::listen::Tones;
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;

use crate::control::code;
use crate::plain::Plain;
use crate::vendor_calls::{SECRET, VAPI, connect, hmac, only_call, send, signed};
use crate::world::{User, World, within};

const TONES: Tones = Tones {
    customer: 440.0,
    agent: 1000.0,
};
const PUBLIC_KEY: &str = "a-public-key-of-vapi";
const NUMBER: &str = "+49301234567";

/// A tenant with a live call at Vapi.
struct Line {
    world: World,
    admin: User,
    sue: User,
    vapi: VapiLine,
    call: String,
}

impl Line {
    async fn new() -> Self {
        let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
        let admin = world.admin().await;
        let sue = world.user(&admin, "sue", "supervisor").await;
        let account = json!({"kind": "vapi", "name": "Main", "credentials": {"publicKey": PUBLIC_KEY},
            "webhook": {"scheme": "hmac", "secret": SECRET}});
        let (status, made) = admin.post("/api/connections", &account).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let vapi = VapiLine::start(TONES, 1700.0, Some(PUBLIC_KEY))
            .await
            .unwrap();
        let mut call = VapiCall::new("v-1", clock::wall() - 5000);
        call.listen_url = Some(vapi.listen_url());
        call.control_url = Some(vapi.control_url());
        let (status, answer) = send(
            &world,
            VAPI,
            &signed(&hmac(), &call.status("in-progress", 4000)),
        )
        .await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let call = only_call(&admin).await;
        Self {
            world,
            admin,
            sue,
            vapi,
            call: format!("/api/calls/{}", call["id"].as_str().unwrap()),
        }
    }

    async fn act(&self, act: &str, body: Value) -> (StatusCode, Value) {
        let (status, answer) = self.sue.post(&format!("{}/{act}", self.call), &body).await;
        let text = answer.to_string();
        for secret in [self.vapi.control_url(), self.vapi.listen_url()] {
            let host = secret.split('/').nth(2).unwrap();
            assert!(!text.contains(host), "{act}: {text}");
        }
        assert!(!text.contains(PUBLIC_KEY), "{act}: {text}");
        (status, answer)
    }

    async fn done(&self, act: &str, body: Value) -> Value {
        let (status, answer) = self.act(act, body).await;
        assert_eq!(status, StatusCode::OK, "{act}: {answer}");
        answer
    }

    fn last(&self) -> Value {
        self.vapi.taken().pop().unwrap_or_default()
    }

    /// The reasons of acts that were refused, as the audit log has them.
    async fn refused(&self, action: &str) -> Vec<String> {
        let page = self
            .admin
            .read(&format!("/api/audit?action={action}"))
            .await;
        let rows = page["items"].as_array().unwrap().iter();
        let refused = rows.filter(|row| row["detail"]["outcome"] == "refused");
        refused
            .map(|row| {
                row["detail"]["reason"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }
}

#[tokio::test]
async fn every_act_on_a_call_at_vapi_is_a_message_as_vapi_has_it() {
    let line = Line::new().await;
    let call = line.admin.read(&line.call).await;
    let able = json!([
        "listen",
        "whisper_text",
        "takeover",
        "hand_back",
        "transfer",
        "mute_agent",
        "mute_customer",
        "end"
    ]);
    assert_eq!(call["capabilities"], able);

    let written = line
        .done("whisper", json!({"text": "Offer ten percent."}))
        .await;
    assert_eq!(written["kind"], "whisper_pill");
    let message = json!({"role": "system", "content": "Offer ten percent."});
    assert_eq!(
        line.last(),
        json!({"type": "add-message", "message": message, "triggerResponseEnabled": false})
    );
    line.done("whisper", json!({"text": "Say sorry.", "trigger": true}))
        .await;
    assert_eq!(line.last()["triggerResponseEnabled"], true);

    for (party, muted, control) in [
        ("agent", true, "mute-assistant"),
        ("customer", true, "mute-customer"),
        ("agent", false, "unmute-assistant"),
        ("customer", false, "unmute-customer"),
    ] {
        line.done("mute", json!({"party": party, "muted": muted}))
            .await;
        assert_eq!(line.last(), json!({"type": "control", "control": control}));
        let count = line.vapi.taken().len();
        line.done("mute", json!({"party": party, "muted": muted}))
            .await;
        assert_eq!(line.vapi.taken().len(), count, "it is so already");
    }

    line.done("end", Value::Null).await;
    assert_eq!(line.last(), json!({"type": "end-call"}));
    let page = line.admin.read(&format!("{}/actions", line.call)).await;
    let actions = page["items"].as_array().unwrap();
    let kinds: Vec<_> = actions
        .iter()
        .map(|action| action["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["COACH_AGENT", "COACH_AGENT", "END_CALL"]);
    let (status, body) = line.act("end", Value::Null).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "call_not_live")
    );
}

#[tokio::test]
async fn a_takeover_at_vapi_needs_a_telephone_and_is_undone_when_it_fails() {
    let line = Line::new().await;
    let (status, body) = line.act("takeover", Value::Null).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "forwarding_number_missing")
    );
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("PUT /api/me/profile")
    );
    assert!(line.vapi.taken().is_empty());

    let profile = json!({"forwarding_number": NUMBER});
    assert_eq!(
        line.sue.put("/api/me/profile", &profile).await.0,
        StatusCode::OK
    );
    let taken = line.done("takeover", Value::Null).await;
    assert_eq!(taken["control"]["holderName"], "sue");
    let orders = line.vapi.taken();
    assert_eq!(
        orders[0],
        json!({"type": "control", "control": "mute-assistant"})
    );
    assert_eq!(line.vapi.transferred().unwrap()["number"], NUMBER);
    assert_eq!(orders.len(), 2);
    line.done("takeover", Value::Null).await;
    assert_eq!(line.vapi.taken().len(), 2, "harmless");
    let back = line.done("handback", Value::Null).await;
    assert_eq!(back["control"]["holder"], "agent");
    assert_eq!(
        line.last(),
        json!({"type": "control", "control": "unmute-assistant"})
    );

    line.vapi.answers(Answers::Status(500));
    let (status, body) = line.act("takeover", Value::Null).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_GATEWAY, "upstream_failed")
    );
    let call = line.admin.read(&line.call).await;
    assert_eq!(call["control"]["holder"], "agent");

    line.vapi.answers(Answers::Well);
    line.done("takeover", Value::Null).await;
    let (status, _) = line.sue.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let unmuted = json!({"type": "control", "control": "unmute-assistant"});
    assert!(
        within(async || line.last() == unmuted).await,
        "logout gives it back"
    );
}

#[tokio::test]
async fn a_call_that_vapi_forwarded_and_ended_belongs_to_nobody() {
    let line = Line::new().await;
    let mut client = Plain::connect(&line.world, &line.admin.token).await;
    let profile = json!({"forwarding_number": NUMBER});
    assert_eq!(
        line.sue.put("/api/me/profile", &profile).await.0,
        StatusCode::OK
    );
    line.done("takeover", Value::Null).await;
    let taken = client.event("control-change").await;
    assert_eq!(taken["control"]["holderName"], "sue");
    let mut ended = VapiCall::new("v-1", clock::wall() - 5000).status("ended", 5000);
    ended["message"]["endedReason"] = json!("assistant-forwarded-call");
    let (status, answer) = send(&line.world, VAPI, &signed(&hmac(), &ended)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let over = client.event("control-change").await;
    assert_eq!(
        (&over["control"]["holder"], &over["by"]),
        (&json!("agent"), &json!("rule:call_ended"))
    );
    let call = line.admin.read(&line.call).await;
    assert_eq!(
        (&call["status"], &call["control"]["holder"]),
        (&json!("ended"), &json!("agent"))
    );
    assert_eq!(call["incapable"], Value::Null);
    let (status, body) = line.act("handback", Value::Null).await;
    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "call_ended"));
}

#[tokio::test]
async fn what_vapi_does_not_do_is_said_and_in_the_log() {
    let line = Line::new().await;
    for (answers, status, expected) in [
        (Answers::Status(404), 409, "call_not_live"),
        (Answers::Status(401), 409, "upstream_unauthorized"),
        (Answers::Status(400), 502, "upstream_refused"),
        (Answers::Status(500), 502, "upstream_failed"),
        (Answers::Never, 504, "upstream_timeout"),
    ] {
        line.vapi.answers(answers);
        let (found, body) = line.act("whisper", json!({"text": "Hello."})).await;
        assert_eq!(
            (found.as_u16(), code(&body)),
            (status, expected),
            "{answers:?}"
        );
    }
    assert_eq!(line.refused("call.whisper").await.len(), 5);
    let page = line.admin.read(&format!("{}/annotations", line.call)).await;
    assert_eq!(page["items"], json!([]), "nobody got it");

    line.vapi.answers(Answers::Status(500));
    let (status, body) = line
        .act("mute", json!({"party": "agent", "muted": true}))
        .await;
    assert_eq!((status.as_u16(), code(&body)), (503, "mute_unconfirmed"));
    line.vapi.answers(Answers::Well);
    let muted = json!({"type": "control", "control": "mute-assistant"});
    assert!(
        within(async || line.last() == muted).await,
        "it is told again"
    );
}

#[tokio::test]
async fn a_transfer_is_told_to_vapi_as_vapi_has_it() {
    let line = Line::new().await;
    line.done(
        "transfer",
        json!({"to": " +49 (30) 1234567", "mode": "blind"}),
    )
    .await;
    let destination = json!({"type": "number", "number": NUMBER});
    assert_eq!(
        line.last(),
        json!({"type": "transfer", "destination": destination})
    );
    line.done(
        "transfer",
        json!({"to": "sip:sue@pbx.example.com", "mode": "blind"}),
    )
    .await;
    let id = line.call.rsplit('/').next().unwrap();
    assert_eq!(
        line.last()["destination"],
        json!({"type": "sip", "sipUri": "sip:sue@pbx.example.com",
            "sipHeaders": {"X-Sidetone-Call": id}})
    );
    let page = line.admin.read(&format!("{}/actions", line.call)).await;
    assert_eq!(page["items"][0]["kind"], "TRANSFER_CALL");
    assert_eq!(page["items"][0]["detail"]["number"], NUMBER);
}

#[tokio::test]
async fn a_transfer_goes_where_it_may_and_nowhere_else() {
    let line = Line::new().await;
    for (to, field) in [
        ("sue", "to"),
        ("user:nobody", "to"),
        ("http://x.example", "to"),
    ] {
        let (status, body) = line
            .act("transfer", json!({"to": to, "mode": "blind"}))
            .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{to}");
        assert_eq!(body["errors"][0]["field"], field);
    }
    let to = format!("user:{}", line.sue.id);
    let (status, body) = line
        .act("transfer", json!({"to": to, "mode": "blind"}))
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "forwarding_number_missing")
    );
    let profile = json!({"forwarding_number": "sip:sue@pbx.example.com"});
    assert_eq!(
        line.sue.put("/api/me/profile", &profile).await.0,
        StatusCode::OK
    );
    let (status, body) = line
        .act("transfer", json!({"to": to, "mode": "attended"}))
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "unsupported_by_upstream")
    );
    line.done("transfer", json!({"to": to, "mode": "blind"}))
        .await;
    assert_eq!(
        line.vapi.transferred().unwrap()["sipUri"],
        "sip:sue@pbx.example.com"
    );
}

#[tokio::test]
async fn a_call_at_retell_is_written_to_and_ended_with_the_tenants_key() {
    let world = World::with(&[("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true")]).await;
    let admin = world.admin().await;
    let api = RetellApi::start("key-of-retell").await.unwrap();
    connect(&admin, "retell", "Hooks", "retell", SECRET).await;
    let retell = RetellCall::new("call_1", clock::wall() - 60_000);
    let hook = Signing::Retell(SECRET.to_owned());
    let tell = async |n: usize| {
        let (_, webhook) = &retell.webhooks()[n];
        let path = "/api/webhooks/retell/default";
        let (status, answer) = send(&world, path, &signed(&hook, webhook)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        only_call(&admin).await
    };
    assert_eq!(
        tell(0).await["capabilities"],
        json!([]),
        "there is no key yet"
    );
    let account = json!({"kind": "retell", "name": "Main", "settings": {"apiUrl": api.url()},
        "credentials": {"apiKey": "key-of-retell"}, "webhook": {"scheme": "none"}});
    let (status, made) = admin.post("/api/connections", &account).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let call = tell(1).await;
    let able = json!(["listen", "whisper_text", "takeover", "end"]);
    assert_eq!(call["capabilities"], able);
    let path = format!("/api/calls/{}", call["id"].as_str().unwrap());
    let act = async |act: &str, body: Value| admin.post(&format!("{path}/{act}"), &body).await;
    let (status, body) = act("whisper", json!({"text": "Slow down.", "trigger": true})).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (status, body) = act("end", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let control = json!({"additional_context": "Slow down.", "trigger_response": true});
    assert_eq!(
        api.taken(),
        [
            json!({"call": "call_1", "order": "update-live-call", "body": {"call_control": control}}),
            json!({"call": "call_1", "order": "stop-call", "body": {}}),
        ]
    );
    let (status, body) = act("whisper", json!({"text": "Too late."})).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "call_not_live")
    );
}
