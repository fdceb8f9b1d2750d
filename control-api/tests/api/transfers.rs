//! Calls in LiveKit rooms on their way to somebody else: a real livekit-server, telephones behind
//! a SIP API that checks what it is asked, and a gateway that notes what it is told.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_room::service::RoomService;
use sidetone_room::token::{Credentials, Kind, Token};
use sidetone_simulate::sip::{Asked, Phone, Phones, SipApi};
use sidetone_testkit::{LivekitServer, Tone, ToneSpeaker};
use sidetone_wire::{Command, Floor};

use crate::control::code;
use crate::plain::Plain;
use crate::world::{Gateway, Held, User, World, within};

const ROOM: &str = "call-1";
const TRUNK: &str = "ST_out";
const NUMBER: &str = "+49301234567";
const CALLER: &str = "sip_+4930123456";

/// Telephones that say a tone in the room, as long as they are there.
#[derive(Clone)]
struct Tones {
    livekit: String,
    credentials: Credentials,
    there: Arc<Mutex<Vec<ToneSpeaker>>>,
}

impl Phones for Tones {
    fn joins(&self, token: Token) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (tones, token) = (self.clone(), token.sign(&self.credentials).unwrap());
        Box::pin(async move {
            let tone = Tone::new(700.0, -12.0).unwrap();
            let phone = Box::pin(ToneSpeaker::join(&tones.livekit, token, tone)).await;
            tones.there.lock().unwrap().push(phone.unwrap());
        })
    }

    fn leaves(&self, room: &str, identity: &str) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let rooms = RoomService::new(&self.livekit, &self.credentials);
        let (room, identity) = (room.to_owned(), identity.to_owned());
        Box::pin(async move {
            rooms.remove_participant(&room, &identity).await.unwrap();
        })
    }
}

struct Desk {
    world: World,
    admin: User,
    sue: User,
    gateway: Gateway,
    call: Held,
    sip: SipApi,
    rooms: RoomService,
    credentials: Credentials,
    phones: Tones,
    livekit: LivekitServer,
}

impl Desk {
    async fn new() -> Self {
        Self::with(Some(TRUNK)).await
    }

    async fn with(trunk: Option<&str>) -> Self {
        let livekit = LivekitServer::start().await.unwrap();
        let (url, key, secret) = (livekit.url(), livekit.api_key(), livekit.api_secret());
        let credentials = Credentials::new(key, secret);
        let phones = Tones {
            livekit: url.clone(),
            credentials: credentials.clone(),
            there: Arc::default(),
        };
        let sip = SipApi::start(&url, (key, secret), TRUNK, phones.clone());
        let sip = sip.await.unwrap();
        let sip_url = sip.url();
        let mut settings = vec![
            ("LIVEKIT_URL", &*url),
            ("LIVEKIT_API_KEY", key),
            ("LIVEKIT_API_SECRET", secret),
            ("LIVEKIT_SIP_URL", &sip_url),
        ];
        settings.extend(trunk.map(|trunk| ("LIVEKIT_SIP_TRUNK_ID", trunk)));
        let world = World::with(&settings).await;
        let admin = world.admin().await;
        let sue = world.user(&admin, "sue", "supervisor").await;
        let gateway = world.gateway();
        let call = gateway.hold(ROOM, None);
        call.known_to(&admin).await;
        Self {
            rooms: RoomService::new(&url, &credentials),
            world,
            admin,
            sue,
            gateway,
            call,
            sip,
            credentials,
            phones,
            livekit,
        }
    }

    /// The customer calls by telephone.
    async fn caller(&self) -> ToneSpeaker {
        let token = Token::participant(ROOM, CALLER)
            .kind(Kind::Sip)
            .attribute("sip.callID", "SCL_1")
            .attribute("sip.callStatus", "active");
        let token = token.sign(&self.credentials).unwrap();
        let tone = Tone::new(440.0, -12.0).unwrap();
        Box::pin(ToneSpeaker::join(&self.livekit.url(), token, tone))
            .await
            .unwrap()
    }

    fn path(&self, act: &str) -> String {
        format!("{}/{act}", self.call.path())
    }

    async fn transfer(&self, to: &str, mode: &str) -> (StatusCode, Value) {
        let body = json!({"to": to, "mode": mode});
        self.sue.post(&self.path("transfer"), &body).await
    }

    /// Sue asks somebody to have the call; gives the transfer's id.
    async fn ring(&self, to: &str) -> String {
        let (status, call) = self.transfer(to, "attended").await;
        assert_eq!(status, StatusCode::OK, "{call}");
        assert_eq!(call["status"], "transferring");
        assert_eq!(call["transfer"]["stage"], "ringing");
        call["transfer"]["id"].as_str().unwrap().to_owned()
    }

    /// Sue cannot give the call away, for that reason.
    async fn cannot_complete(&self, reason: &str) {
        let path = self.path("transfer/complete");
        let (status, body) = self.sue.send(Method::POST, &path).await;
        assert_eq!((status, code(&body)), (StatusCode::CONFLICT, reason));
    }

    /// The call once its transfer stands there.
    async fn stands(&self, stage: &str) -> Value {
        let there = |call: &Value| call["transfer"]["stage"] == stage;
        self.admin.eventually(&self.call.path(), there).await
    }

    /// Sue's browser is where she talks with whom she would transfer the call to.
    async fn joins(&self, user: &User) -> ToneSpeaker {
        let (status, seat) = user.send(Method::POST, &self.path("transfer/join")).await;
        assert_eq!(status, StatusCode::OK, "{seat}");
        let (url, token) = (
            seat["url"].as_str().unwrap(),
            seat["token"].as_str().unwrap(),
        );
        let tone = Tone::new(1700.0, -12.0).unwrap();
        Box::pin(ToneSpeaker::join(url, token.to_owned(), tone))
            .await
            .unwrap()
    }

    fn floor(&self) -> Option<Floor> {
        let commands = self.gateway.commands().into_iter().rev();
        let mut floors = commands.filter_map(|command| {
            if let Command::SetFloor { floor, .. } = command {
                Some(floor)
            } else {
                None
            }
        });
        floors.next()
    }

    /// The stages that the call's acts tell of, in order.
    async fn told(&self) -> Vec<String> {
        let page = self.admin.read(&self.path("actions")).await;
        let acts = page["items"].as_array().unwrap();
        let stages = acts.iter().filter(|act| act["kind"] == "TRANSFER_CALL");
        let mut stages: Vec<_> = stages
            .map(|act| act["detail"]["stage"].as_str().unwrap().to_owned())
            .collect();
        if stages
            .first()
            .is_some_and(|first| first != "ringing" && first != "referring")
        {
            stages.reverse();
        }
        stages
    }

    async fn is_closed(&self, id: &str) -> bool {
        let side = format!("sidetone-side-{id}");
        within(async || self.rooms.find_room(&side).await.unwrap().is_none()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_on_the_telephone_is_sent_elsewhere_and_stays_if_nobody_answers_there() {
    let desk = Desk::new().await;
    let _caller = desk.caller().await;
    let mut client = Plain::connect(&desk.world, &desk.sue.token).await;
    desk.sip.connect(NUMBER, Phone::Declines(486));
    let (status, call) = desk.transfer(NUMBER, "blind").await;
    assert_eq!(status, StatusCode::OK, "{call}");
    let call = desk.stands("refused").await;
    assert_eq!(call["status"], "connecting", "as before");
    assert!(call["transfer"]["reason"].as_str().unwrap().contains("486"));
    let told = client.until("transfer-update", |update| {
        update["transfer"]["stage"] == "refused"
    });
    assert_eq!(told.await["callId"], desk.call.id.to_string().as_str());
    assert_eq!(desk.rooms.participants(ROOM).await.unwrap().len(), 1);

    desk.sip.connect(NUMBER, Phone::Rings);
    let (status, call) = desk.transfer(NUMBER, "blind").await;
    assert_eq!(
        (status, &call["status"]),
        (StatusCode::OK, &json!("transferring"))
    );
    assert_eq!(call["transfer"]["number"], NUMBER);
    let (status, body) = desk.transfer(NUMBER, "blind").await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "transfer_running")
    );
    let (status, body) = desk.sue.send(Method::DELETE, &desk.path("transfer")).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "unsupported_by_upstream")
    );
    desk.sip.connect(NUMBER, Phone::Answers(Duration::ZERO));
    desk.stands("completed").await;
    let gone = async || desk.rooms.participants(ROOM).await.unwrap().is_empty();
    assert!(within(gone).await, "the customer has left");
    let asked = Asked::Refer {
        room: ROOM.into(),
        identity: CALLER.into(),
        to: format!("tel:{NUMBER}"),
    };
    assert_eq!(desk.sip.asked(), [asked.clone(), asked]);
    let rows = desk.admin.read("/api/audit?action=call.transfer").await;
    let stages: Vec<_> = rows["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["detail"]["stage"].as_str())
        .collect();
    assert_eq!(stages, ["completed", "refused"], "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_cannot_be_says_what_to_do() {
    let desk = Desk::with(None).await;
    let conflict = StatusCode::CONFLICT;
    for (to, mode, status, expected) in [
        (NUMBER, "blind", conflict, "unsupported_by_upstream"),
        (NUMBER, "attended", conflict, "trunk_missing"),
        (
            "sip:sue@pbx.example.com",
            "attended",
            conflict,
            "unsupported_by_upstream",
        ),
        (
            &*format!("user:{}", desk.sue.id),
            "attended",
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation_failed",
        ),
        (
            &*format!("user:{}", desk.sue.id),
            "blind",
            conflict,
            "forwarding_number_missing",
        ),
    ] {
        let (found, body) = desk.transfer(to, mode).await;
        assert_eq!(
            (found, code(&body)),
            (status, expected),
            "{to} {mode}: {body}"
        );
    }
    for (method, act) in [
        (Method::POST, "transfer/join"),
        (Method::POST, "transfer/complete"),
        (Method::DELETE, "transfer"),
    ] {
        let (status, body) = desk.sue.send(method, &desk.path(act)).await;
        assert_eq!((status, code(&body)), (conflict, "transfer_over"), "{act}");
    }
    let call = desk.admin.read(&desk.call.path()).await;
    assert!(call["transfer"].is_null() && call["status"] == "connecting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_given_to_a_telephone_after_a_word_and_comes_back_to_the_agent() {
    let desk = Desk::new().await;
    desk.sip.connect(NUMBER, Phone::Rings);
    let (status, _) = desk.sue.send(Method::POST, &desk.path("takeover")).await;
    assert_eq!(status, StatusCode::OK);
    let id = desk.ring(NUMBER).await;
    assert!(
        desk.floor().unwrap().aside,
        "the customer hears nothing of it"
    );
    desk.cannot_complete("transfer_unanswered").await;
    let sue = desk.joins(&desk.sue).await;
    desk.sip.connect(NUMBER, Phone::Answers(Duration::ZERO));
    desk.stands("talking").await;
    let other = desk.world.user(&desk.admin, "tom", "supervisor").await;
    let (status, body) = other.send(Method::POST, &desk.path("transfer/join")).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::FORBIDDEN, "transfer_of_another")
    );

    let (status, given) = desk
        .sue
        .send(Method::POST, &desk.path("transfer/complete"))
        .await;
    assert_eq!(status, StatusCode::OK, "{given}");
    assert_eq!(given["control"]["holder"], format!("target:{id}").as_str());
    let (status, again) = desk
        .sue
        .send(Method::POST, &desk.path("transfer/complete"))
        .await;
    assert_eq!((status, &again), (StatusCode::OK, &given), "harmless");
    let call = desk.stands("completed").await;
    assert_ne!(call["status"], "transferring");
    let floor = desk.floor().unwrap();
    assert!(floor.telephone && !floor.aside);
    let seat = floor.holder.unwrap();
    assert_eq!(seat.monitor.room, format!("sidetone-side-{id}"));
    let listens = |command: &Command| matches!(command, Command::Listen { monitor, .. } if *monitor == seat.monitor);
    assert!(desk.gateway.heard(listens).await, "they hear the customer");
    let alone = async || {
        let there = desk.rooms.participants(&seat.monitor.room).await.unwrap();
        there.len() == 1 && there[0].identity == seat.monitor.listener
    };
    assert!(within(alone).await, "whoever transferred has left");
    drop(sue);
    let (status, body) = other.send(Method::POST, &desk.path("takeover")).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "control_conflict")
    );

    // they hang up
    desk.call
        .log
        .send(sidetone_wire::CallEvent::SupervisorLost {
            user: seat.monitor.user,
            room: seat.monitor.room.clone(),
        });
    let back = |call: &Value| call["control"]["holder"] == "agent";
    desk.admin.eventually(&desk.call.path(), back).await;
    assert!(desk.is_closed(&id).await);
    assert_eq!(desk.told().await, ["ringing", "talking", "completed"]);
    drop(desk.phones);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_transfers_goes_back_to_the_customer_and_the_telephone_is_hung_up() {
    let desk = Desk::new().await;
    desk.sip.connect(NUMBER, Phone::Rings);
    desk.sue.send(Method::POST, &desk.path("takeover")).await;
    // before it is answered
    let first = desk.ring(NUMBER).await;
    let (status, call) = desk.sue.send(Method::DELETE, &desk.path("transfer")).await;
    assert_eq!(
        (status, &call["transfer"]["stage"]),
        (StatusCode::OK, &json!("returned"))
    );
    assert!(desk.is_closed(&first).await);
    let heard = async || {
        desk.floor()
            .is_some_and(|floor| !floor.aside && floor.holder.is_some())
    };
    assert!(within(heard).await, "the customer hears them again");
    // after it
    desk.sip.connect(NUMBER, Phone::Answers(Duration::ZERO));
    let second = desk.ring(NUMBER).await;
    let _sue = desk.joins(&desk.sue).await;
    desk.stands("talking").await;
    let (status, _) = desk.sue.send(Method::DELETE, &desk.path("transfer")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(desk.is_closed(&second).await);
    desk.cannot_complete("transfer_over").await;
    let call = desk.admin.read(&desk.call.path()).await;
    assert_eq!(
        call["control"]["holder"],
        format!("supervisor:{}", desk.sue.id).as_str()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_never_answers_or_hangs_up_and_a_call_that_ends_leave_nothing_open() {
    let desk = Desk::new().await;
    desk.sip.connect(NUMBER, Phone::Rings);
    let late = desk.ring(NUMBER).await;
    let mut database = desk.world.database().await;
    sqlx::query("UPDATE calls SET rings_until = 0")
        .execute(&mut database)
        .await
        .unwrap();
    desk.stands("unanswered").await;
    assert!(desk.is_closed(&late).await);

    desk.sip.connect(NUMBER, Phone::Answers(Duration::ZERO));
    let hung_up = desk.ring(NUMBER).await;
    let _sue = desk.joins(&desk.sue).await;
    desk.stands("talking").await;
    desk.phones.there.lock().unwrap().clear();
    desk.rooms
        .remove_participant(
            &format!("sidetone-side-{hung_up}"),
            &format!("target-{hung_up}"),
        )
        .await
        .unwrap();
    desk.stands("refused").await;
    assert!(desk.is_closed(&hung_up).await);

    desk.sip.connect(NUMBER, Phone::Rings);
    let ended = desk.ring(NUMBER).await;
    desk.call.log.send(sidetone_wire::CallEvent::Ended {
        at: sidetone_wire::Timestamp::from_unix_ms(sidetone_service::clock::wall()),
        reason: sidetone_wire::EndReason::new(sidetone_wire::EndClass::Completed, "room_finished"),
    });
    let call = desk.stands("abandoned").await;
    assert_eq!(call["status"], "ended");
    assert!(desk.is_closed(&ended).await);
    for (method, act) in [
        (Method::POST, "transfer/join"),
        (Method::DELETE, "transfer"),
    ] {
        let (status, body) = desk.sue.send(method, &desk.path(act)).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "transfer_over")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_is_told_answers_in_the_browser_and_has_the_call_until_they_give_it_back() {
    let desk = Desk::new().await;
    let ann = desk.world.user(&desk.admin, "ann", "agent").await;
    let bob = desk.world.user(&desk.admin, "bob", "agent").await;
    let mut screen = Plain::connect(&desk.world, &ann.token).await;
    let to = format!("user:{}", ann.id);
    // one who does not want it
    desk.ring(&to).await;
    let asked = screen.event("transfer-update").await;
    assert_eq!(asked["transfer"]["userId"], ann.id.as_str());
    assert_eq!(asked["transfer"]["by"]["name"], "sue");
    let (status, body) = bob.send(Method::DELETE, &desk.path("transfer")).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::FORBIDDEN, "transfer_of_another")
    );
    let (status, _) = ann.send(Method::DELETE, &desk.path("transfer")).await;
    assert_eq!(status, StatusCode::OK);
    desk.stands("refused").await;
    // and one who does
    let id = desk.ring(&to).await;
    let _ann = desk.joins(&ann).await;
    desk.stands("talking").await;
    let _sue = desk.joins(&desk.sue).await;
    let (status, given) = desk
        .sue
        .send(Method::POST, &desk.path("transfer/complete"))
        .await;
    assert_eq!(status, StatusCode::OK, "{given}");
    assert_eq!(given["control"]["holderName"], "ann");
    assert!(!desk.floor().unwrap().telephone);
    let (status, call) = ann.send(Method::DELETE, &desk.path("transfer")).await;
    assert_eq!(
        (status, &call["control"]["holder"]),
        (StatusCode::OK, &json!("agent"))
    );
    assert!(desk.is_closed(&id).await);
    // a session that is over has no call
    let id = desk.ring(&to).await;
    let _ann = desk.joins(&ann).await;
    desk.stands("talking").await;
    let (status, _) = desk
        .sue
        .send(Method::POST, &desk.path("transfer/complete"))
        .await;
    assert_eq!(status, StatusCode::OK);
    ann.send(Method::POST, "/api/auth/logout").await;
    let back = |call: &Value| call["control"]["holder"] == "agent";
    desk.admin.eventually(&desk.call.path(), back).await;
    assert!(desk.is_closed(&id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_transfer_an_agent_sees_no_number() {
    let desk = Desk::new().await;
    let bob = desk.world.user(&desk.admin, "bob", "agent").await;
    let mut screen = Plain::connect(&desk.world, &bob.token).await;
    desk.sip.connect(NUMBER, Phone::Declines(486));
    let (status, call) = desk.transfer(NUMBER, "attended").await;
    assert_eq!(status, StatusCode::OK, "{call}");
    let told = screen.event("transfer-update").await;
    let call = bob.read(&desk.call.path()).await;
    let actions = bob.read(&desk.path("actions")).await;
    for seen in [told, call, actions] {
        assert!(!seen.to_string().contains("301234567"), "{seen}");
    }
}

impl Desk {
    /// What is to be done with calls whose supervisor is lost.
    async fn fallback(&self, policy: Value) {
        let path = "/api/supervision/fallback";
        let (status, set) = self.admin.put(path, &policy).await;
        assert_eq!((status, &set), (StatusCode::OK, &policy));
        assert_eq!(self.admin.read(path).await, policy);
    }

    /// Sue takes the call, and her browser dies.
    async fn loses_sue(&self) {
        let (status, _) = self.sue.send(Method::POST, &self.path("takeover")).await;
        assert_eq!(status, StatusCode::OK);
        let seat = self.floor().unwrap().holder.unwrap();
        self.call
            .log
            .send(sidetone_wire::CallEvent::SupervisorLost {
                user: seat.monitor.user,
                room: seat.monitor.room,
            });
        let back =
            |call: &Value| call["control"]["holder"] != format!("supervisor:{}", self.sue.id);
        self.admin.eventually(&self.call.path(), back).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_supervisor_is_lost_somebody_is_rung_who_has_the_call_when_they_answer() {
    let desk = Desk::new().await;
    desk.sip.connect(NUMBER, Phone::Rings);
    desk.fallback(json!({"act": "transfer", "to": NUMBER}))
        .await;
    desk.loses_sue().await;
    let call = desk.stands("ringing").await;
    assert_eq!(call["control"]["holder"], "agent", "meanwhile");
    let id = call["transfer"]["id"].as_str().unwrap().to_owned();
    desk.sip.connect(NUMBER, Phone::Answers(Duration::ZERO));
    let call = desk.stands("completed").await;
    assert_eq!(call["control"]["holder"], format!("target:{id}").as_str());
    assert!(desk.floor().unwrap().telephone);

    // they hang up: that is nobody's loss
    let seat = desk.floor().unwrap().holder.unwrap();
    desk.call
        .log
        .send(sidetone_wire::CallEvent::SupervisorLost {
            user: seat.monitor.user,
            room: seat.monitor.room,
        });
    assert!(desk.is_closed(&id).await);
    let call = desk.admin.read(&desk.call.path()).await;
    assert_eq!(call["control"]["holder"], "agent");
    assert_eq!(call["transfer"]["id"], id.as_str(), "nobody else is rung");

    // nobody answers, or whoever is back has the call
    desk.sip.connect(NUMBER, Phone::Declines(486));
    desk.loses_sue().await;
    let refused = |call: &Value| {
        call["transfer"]["stage"] == "refused" && call["transfer"]["id"] != id.as_str()
    };
    let call = desk.admin.eventually(&desk.call.path(), refused).await;
    assert_eq!(call["control"]["holder"], "agent");
    desk.sip.connect(NUMBER, Phone::Rings);
    desk.loses_sue().await;
    desk.stands("ringing").await;
    desk.sue.send(Method::POST, &desk.path("takeover")).await;
    desk.sip.connect(NUMBER, Phone::Answers(Duration::ZERO));
    let call = desk.stands("failed").await;
    assert_eq!(
        call["control"]["holder"],
        format!("supervisor:{}", desk.sue.id).as_str()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_supervisor_is_lost_a_call_ends_or_goes_on_as_the_tenant_wants() {
    let desk = Desk::with(None).await;
    desk.loses_sue().await;
    desk.fallback(json!({"act": "end"})).await;
    let ends = |command: &Command| matches!(command, Command::EndCall { .. });
    assert!(
        !desk.gateway.commands().iter().any(ends),
        "the agent has it, by default"
    );
    desk.loses_sue().await;
    assert!(desk.gateway.heard(ends).await);
    // what cannot be done leaves the call with the agent, and is in the log
    desk.fallback(json!({"act": "transfer", "to": NUMBER}))
        .await;
    desk.loses_sue().await;
    let log = "/api/audit?action=call.transfer";
    let noted = |page: &Value| page.to_string().contains("LIVEKIT_SIP_TRUNK_ID");
    desk.admin.eventually(log, noted).await;
    let call = desk.admin.read(&desk.call.path()).await;
    assert_eq!(call["control"]["holder"], "agent");
    let someone = format!("user:{}", desk.admin.id);
    desk.fallback(json!({"act": "transfer", "to": someone}))
        .await;
    for (wrong, field) in [
        (json!({"act": "transfer"}), "to"),
        (json!({"act": "transfer", "to": "sip:a@b.example"}), "to"),
        (json!({"act": "transfer", "to": "user:nobody"}), "to"),
        (json!({"act": "end", "to": NUMBER}), "to"),
        (json!({"act": "wait"}), "act"),
        (json!({"act": "end", "after": 5}), "after"),
    ] {
        let (status, body) = desk.admin.put("/api/supervision/fallback", &wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(
            body["errors"].to_string().contains(field),
            "{wrong}: {body}"
        );
    }
    let kept = desk.admin.read("/api/supervision/fallback").await;
    assert_eq!(kept["to"], someone.as_str());
    let changed = desk.admin.read("/api/audit?action=fallback.changed").await;
    assert_eq!(changed["items"].as_array().unwrap().len(), 3);
}
