//! Who has a call: takeover, hand back, voice, mute and end as the control plane sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_wire::{
    CallEvent, Capability, Command, CommandError, EndClass, EndReason, Floor, Party, Reply,
    TalkMode, Timestamp, UserId,
};

use crate::plain::Plain;
use crate::world::{Gateway, Held, User, World, answer, within};

pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) admin: User,
    pub(crate) sue: User,
    pub(crate) tom: User,
    pub(crate) gateway: Gateway,
    pub(crate) call: Held,
}

impl Office {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let admin = world.admin().await;
        let sue = world.user(&admin, "sue", "supervisor").await;
        let tom = world.user(&admin, "tom", "supervisor").await;
        let gateway = world.gateway();
        let call = gateway.hold("room-1", None);
        call.known_to(&admin).await;
        Self {
            world,
            admin,
            sue,
            tom,
            gateway,
            call,
        }
    }

    pub(crate) fn path(&self, act: &str) -> String {
        format!("{}/{act}", self.call.path())
    }

    pub(crate) async fn act(&self, user: &User, act: &str) -> (StatusCode, Value) {
        user.send(Method::POST, &self.path(act)).await
    }

    async fn call(&self) -> Value {
        self.admin.read(&self.call.path()).await
    }

    /// What the gateway was last told of who has the call.
    pub(crate) fn floor(&self) -> Option<Floor> {
        let commands = self.gateway.commands().into_iter().rev();
        commands.into_iter().find_map(|command| match command {
            Command::SetFloor { floor, .. } => Some(floor),
            Command::Listen { .. }
            | Command::Unlisten { .. }
            | Command::Feed { .. }
            | Command::UnlistenAll { .. }
            | Command::Talk { .. }
            | Command::Whisper { .. }
            | Command::EndCall { .. }
            | Command::WatchLevels { .. }
            | Command::PauseRecording { .. }
            | Command::ResumeRecording { .. }
            | Command::StopRecording { .. }
            | Command::EraseTakes { .. }
            | Command::Hear(_)
            | Command::CallOver { .. }
            | Command::RoomChanged { .. } => None,
        })
    }

    fn holder(&self) -> Option<String> {
        let seat = self.floor().and_then(|floor| floor.holder);
        seat.map(|seat| seat.monitor.user.to_string())
    }

    pub(crate) async fn audited(&self, action: &str) -> Vec<Value> {
        let path = format!("/api/audit?action={action}");
        let page = self.admin.read(&path).await;
        page["items"].as_array().unwrap().clone()
    }
}

pub(crate) fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_supervisor_takes_a_call_and_gives_it_back() {
    let office = Office::new().await;
    let mut client = Plain::connect(&office.world, &office.tom.token).await;
    let (status, taken) = office.act(&office.sue, "takeover").await;
    assert_eq!(status, StatusCode::OK, "{taken}");
    let holder = format!("supervisor:{}", office.sue.id);
    assert_eq!(taken["control"]["holder"], holder.as_str());
    assert_eq!(taken["control"]["holderName"], "sue");
    assert_eq!(taken["control"]["version"], 1);
    let told = client.event("control-change").await;
    assert_eq!(told["callId"], office.call.id.to_string().as_str());
    assert_eq!(told["control"]["holder"], holder.as_str());
    assert_eq!(told["by"], office.sue.id.as_str());
    assert_eq!(office.holder(), Some(office.sue.id.clone()));
    let seen = office.call().await;
    assert_eq!(seen["control"]["holder"], holder.as_str());
    assert_eq!(seen["watchers"][0]["mode"], "takeover");

    let (status, again) = office.act(&office.sue, "takeover").await;
    assert_eq!((status, &again), (StatusCode::OK, &taken), "harmless");
    let (status, back) = office.act(&office.sue, "handback").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(back["control"]["holder"], "agent");
    assert_eq!(back["control"]["version"], 2);
    let floor = office.floor().unwrap();
    assert!(floor.holder.is_none() && floor.restore);
    assert_eq!(
        client.event("control-change").await["control"]["holder"],
        "agent"
    );
    assert_eq!(office.call().await["watchers"][0]["mode"], "listen");
    let (status, again) = office.act(&office.sue, "handback").await;
    assert_eq!((status, again), (StatusCode::OK, back), "harmless");
    for action in ["call.takeover", "call.handback"] {
        let rows = office.audited(action).await;
        assert!(rows.len() >= 2, "an intent and a result: {rows:?}");
    }
    let actions = office.admin.read(&office.path("actions")).await;
    assert_eq!(actions["items"][0]["kind"], "JOIN_CALL");
    assert_eq!(actions["items"][0]["detail"]["mode"], "takeover");
}

#[tokio::test]
async fn of_many_who_take_a_call_at_once_one_has_it_and_the_others_may_listen_on() {
    let office = Office::new().await;
    for _ in 0..10 {
        let (sue, tom) = tokio::join!(
            office.act(&office.sue, "takeover"),
            office.act(&office.tom, "takeover")
        );
        let won = [&sue, &tom].map(|(status, _)| *status == StatusCode::OK);
        assert!(won[0] != won[1], "{sue:?} {tom:?}");
        let (winner, loser) = if won[0] {
            (&office.sue, (&office.tom, tom))
        } else {
            (&office.tom, (&office.sue, sue))
        };
        let (user, (status, body)) = loser;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "control_conflict")
        );
        assert_eq!(office.holder(), Some(winner.id.clone()));
        let (status, _) = office.act(user, "listen").await;
        assert_eq!(status, StatusCode::OK, "whoever lost listens on");
        let (status, body) = office.act(user, "handback").await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "control_conflict")
        );
        assert_eq!(office.act(winner, "handback").await.0, StatusCode::OK);
    }
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    let (status, back) = office.act(&office.admin, "handback").await;
    assert_eq!(
        status,
        StatusCode::OK,
        "an admin gives it back for others: {back}"
    );
    assert_eq!(office.holder(), None);
}

#[tokio::test]
async fn older_clients_name_their_own_tenant_or_are_refused() {
    let office = Office::new().await;
    for act in ["takeover", "force-transfer"] {
        let path = format!("/api/default/calls/{}/{act}", office.call.id);
        let (status, taken) = office.sue.send(Method::POST, &path).await;
        assert_eq!(status, StatusCode::OK, "{taken}");
        assert_eq!(office.act(&office.sue, "handback").await.0, StatusCode::OK);
        let path = format!("/api/elsewhere/calls/{}/{act}", office.call.id);
        let (status, body) = office.sue.send(Method::POST, &path).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::FORBIDDEN, "other_tenant")
        );
    }
}

#[tokio::test]
async fn a_takeover_that_the_gateway_does_not_do_is_none() {
    let office = Office::new().await;
    let failed = CommandError::Failed {
        detail: "no room".to_owned(),
    };
    for (error, status, expected) in [
        (CommandError::NoHolder, 409, "call_not_live"),
        (CommandError::TimedOut, 504, "gateway_timeout"),
        (CommandError::Overloaded, 503, "gateway_overloaded"),
        (failed, 502, "gateway_failed"),
    ] {
        office.gateway.answers(move |command| {
            if let Command::SetFloor { floor, .. } = command
                && floor.holder.is_some()
            {
                return Err(error.clone());
            }
            Ok(Reply::Done)
        });
        let (found, body) = office.act(&office.sue, "takeover").await;
        assert_eq!((found.as_u16(), code(&body)), (status, expected));
        let control = office.call().await["control"].clone();
        assert_eq!(control["holder"], "agent", "{control}");
        let given_back = within(async || office.floor().is_some_and(|f| f.holder.is_none()));
        assert!(given_back.await, "whoever carries the call is told so");
    }
}

#[tokio::test]
async fn a_hand_back_that_is_not_confirmed_holds_and_is_told_again() {
    let office = Office::new().await;
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    let well = Arc::new(AtomicBool::new(false));
    let answers = well.clone();
    office.gateway.answers(move |_| {
        let well = answers.load(Ordering::SeqCst);
        well.then_some(Reply::Done).ok_or(CommandError::TimedOut)
    });
    let (status, body) = office.act(&office.sue, "handback").await;
    assert_eq!(
        (status.as_u16(), code(&body)),
        (503, "hand_back_unconfirmed")
    );
    assert_eq!(office.call().await["control"]["holder"], "agent");
    well.store(true, Ordering::SeqCst);
    let before = office.gateway.commands().len();
    assert!(within(async || office.gateway.commands().len() > before).await);
    assert!(office.floor().unwrap().restore);
}

#[tokio::test]
async fn a_supervisor_who_is_lost_has_the_call_no_more() {
    let office = Office::new().await;
    let mut client = Plain::connect(&office.world, &office.tom.token).await;
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    client.event("control-change").await;
    let seat = office.floor().unwrap().holder.unwrap();
    let lost = |room: &str| CallEvent::SupervisorLost {
        user: UserId(office.sue.id.parse().unwrap()),
        room: room.to_owned(),
    };
    office
        .call
        .log
        .send(lost("sidetone-monitor-of-another-browser"));
    office.call.log.send(lost(&seat.monitor.room));
    let told = client.event("control-change").await;
    assert_eq!(told["control"]["holder"], "agent");
    assert_eq!(
        told["control"]["version"], 2,
        "another browser's loss is nobody's"
    );
    assert_eq!(told["by"], "rule:supervisor_lost");
    assert!(within(async || office.holder().is_none()).await);
    assert_eq!(office.audited("control.lost").await.len(), 1);
    assert_eq!(office.act(&office.tom, "takeover").await.0, StatusCode::OK);
}

#[tokio::test]
async fn logout_gives_the_call_back() {
    let office = Office::new().await;
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    let (status, _) = office.sue.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(office.call().await["control"]["holder"], "agent");
    assert!(within(async || office.holder().is_none()).await);
    assert_eq!(office.act(&office.tom, "takeover").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_call_that_ends_belongs_to_nobody() {
    let office = Office::new().await;
    let mut client = Plain::connect(&office.world, &office.tom.token).await;
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    client.event("control-change").await;
    office.call.log.send(CallEvent::Ended {
        at: Timestamp::from_unix_ms(sidetone_service::clock::wall()),
        reason: EndReason::new(EndClass::Caller, "hangup"),
    });
    assert_eq!(
        client.event("control-change").await["control"]["holder"],
        "agent"
    );
    let seen = office.call().await;
    assert_eq!(seen["control"]["holder"], "agent");
    assert_eq!(seen["capabilities"], json!([]));
    for act in ["takeover", "handback", "end"] {
        let (status, body) = office.act(&office.sue, act).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "call_ended"),
            "{act}"
        );
    }
    let talk = json!({"mode": "barge"});
    let (status, body) = office.sue.post(&office.path("talk"), &talk).await;
    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "call_ended"));
}

#[tokio::test]
async fn whoever_takes_a_call_is_told_who_has_it() {
    let office = Office::new().await;
    assert_eq!(office.act(&office.sue, "takeover").await.0, StatusCode::OK);
    let before = office.gateway.commands().len();
    office
        .call
        .log
        .send(CallEvent::Facts(office.call.facts.clone()));
    assert!(within(async || office.gateway.commands().len() > before).await);
    assert_eq!(office.holder(), Some(office.sue.id.clone()));
}

#[tokio::test]
async fn who_speaks_is_seen_by_others_and_in_the_log() {
    let office = Office::new().await;
    for (mode, word, seen) in [
        (TalkMode::Armed, "armed", "listen"),
        (TalkMode::Whisper, "whisper", "whisper"),
        (TalkMode::Barge, "barge", "barge"),
        (TalkMode::Off, "off", "listen"),
    ] {
        let body = json!({"mode": word});
        let (status, talking) = office.sue.post(&office.path("talk"), &body).await;
        assert_eq!(status, StatusCode::OK, "{talking}");
        assert_eq!(talking, json!({"mode": word, "holds": false}));
        let last = office.gateway.commands().pop();
        assert!(
            matches!(&last, Some(Command::Talk { mode: told, seat, .. })
                if *told == mode && seat.name == "sue"
                && seat.monitor.user.to_string() == office.sue.id),
            "{last:?}"
        );
        assert_eq!(office.call().await["watchers"][0]["mode"], seen);
    }
    assert_eq!(office.audited("call.talk").await.len(), 8);
    let actions = office.admin.read(&office.path("actions")).await;
    let kinds: Vec<_> = actions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["kind"])
        .collect();
    assert_eq!(kinds, ["COACH_AGENT", "JOIN_CALL"]);
    let (status, body) = office
        .sue
        .post(&office.path("talk"), &json!({"mode": "shout"}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "mode");
}

#[tokio::test]
async fn a_muted_party_is_muted_until_it_is_not() {
    let office = Office::new().await;
    let mute = async |party: &str, muted: bool| {
        let body = json!({"party": party, "muted": muted});
        office.sue.post(&office.path("mute"), &body).await
    };
    let (status, call) = mute("customer", true).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(call["muted"], json!(["customer"]));
    assert_eq!(office.floor().unwrap().muted, [Party::Customer]);
    assert_eq!(
        mute("agent", true).await.1["muted"],
        json!(["customer", "agent"])
    );
    assert_eq!(mute("customer", false).await.1["muted"], json!(["agent"]));
    let (_, call) = mute("agent", false).await;
    assert!(call["muted"].is_null(), "{call}");
    assert!(office.floor().unwrap().muted.is_empty());
    let (status, body) = mute("supervisor", true).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "party");
}

#[tokio::test]
async fn a_call_is_ended_by_its_gateway_and_the_log_says_by_whom() {
    let office = Office::new().await;
    let (status, call) = office.act(&office.sue, "end").await;
    assert_eq!(status, StatusCode::OK, "{call}");
    let last = office.gateway.commands().pop();
    assert_eq!(
        last,
        Some(Command::EndCall {
            call: office.call.id
        })
    );
    let actions = office.admin.read(&office.path("actions")).await;
    assert_eq!(actions["items"][0]["kind"], "END_CALL");
    assert_eq!(office.audited("call.ended").await.len(), 2);
}

#[tokio::test]
async fn what_an_upstream_cannot_do_is_refused_and_not_tried() {
    let mut office = Office::new().await;
    office.call.facts.capabilities = vec![Capability::Listen];
    office
        .call
        .log
        .send(CallEvent::Facts(office.call.facts.clone()));
    let (path, only) = (office.call.path(), json!(["listen"]));
    office
        .admin
        .eventually(&path, |call| call["capabilities"] == only)
        .await;
    let why = office.call().await["incapable"].clone();
    assert_eq!(
        why["takeover"],
        "There is no customer in the call to take over from."
    );
    assert_eq!(why.as_object().unwrap().len(), Capability::ALL.len() - 1);
    let before = office.gateway.commands().len();
    let acts = [
        ("takeover", json!(null)),
        ("handback", json!(null)),
        ("end", json!(null)),
        ("talk", json!({"mode": "whisper"})),
        ("talk", json!({"mode": "barge"})),
        ("mute", json!({"party": "agent", "muted": true})),
        ("whisper", json!({"text": "Slow down."})),
    ];
    for (act, body) in acts {
        let (status, body) = office.sue.post(&office.path(act), &body).await;
        let expected = (StatusCode::CONFLICT, "unsupported_by_upstream");
        assert_eq!((status, code(&body)), expected, "{act}");
        let told = why.as_object().unwrap().values();
        assert!(told.into_iter().any(|why| *why == body["detail"]), "{body}");
    }
    assert_eq!(office.gateway.commands().len(), before);
}

#[tokio::test]
async fn an_act_with_a_key_is_done_once() {
    let office = Office::new().await;
    let send = async |key: &str, act: &str| {
        let request = office.sue.request(Method::POST, &office.path(act));
        answer(request.header("idempotency-key", key)).await
    };
    let (status, taken) = send("k-1", "takeover").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(office.act(&office.sue, "handback").await.0, StatusCode::OK);
    let (status, again) = send("k-1", "takeover").await;
    assert_eq!((status, again), (StatusCode::OK, taken), "the same answer");
    assert_eq!(
        office.call().await["control"]["holder"],
        "agent",
        "and no act"
    );
    let (status, body) = send("k-1", "handback").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "idempotency-key");
    let request = office.tom.request(Method::POST, &office.path("takeover"));
    let (status, _) = answer(request.header("idempotency-key", "k-1")).await;
    assert_eq!(status, StatusCode::OK, "each has their own keys");
    let (status, _) = send("k-2", "takeover").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(office.act(&office.tom, "handback").await.0, StatusCode::OK);
    assert_eq!(
        send("k-2", "takeover").await.0,
        StatusCode::OK,
        "what was refused may be tried"
    );
}

#[tokio::test]
async fn whoever_acts_like_a_machine_is_slowed_down() {
    let office = Office::new().await;
    let mut refused = None;
    for _ in 0..200 {
        let (status, body) = office.act(&office.sue, "handback").await;
        if status != StatusCode::OK {
            refused = Some((status, code(&body).to_owned()));
            break;
        }
    }
    let expected = (StatusCode::TOO_MANY_REQUESTS, "rate_limited".to_owned());
    assert_eq!(refused, Some(expected));
    assert_eq!(office.act(&office.tom, "takeover").await.0, StatusCode::OK);
}
