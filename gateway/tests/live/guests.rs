//! Calls that are heard in a room of their upstream, judged by their sound.

use std::time::Duration;

use sidetone_room::service::RoomService;
use sidetone_service::clock;
use sidetone_simulate::Server;
use sidetone_simulate::listen::Tones;
use sidetone_simulate::retell::live::{Manner, RetellLive, Talk};
use sidetone_testkit::{LivekitServer, wait_for, wait_some};
use sidetone_wire::{
    CallId, Command, CommandError, Floor, Hidden, MonitorRoom, Party, Reply, Seat, Socket,
    TalkMode, Upstream,
};

use crate::peers::Listener;
use crate::sockets::{AGENT, CUSTOMER, hear, is_told, says, sound, told};
use crate::voices;
use crate::world::{DEADLINE, World, credentials, monitor_room};

const KEY: &str = "key-of-the-account";
const TAKE_OVER: &str = "/v2/take-over-live-call/call_1";
const TONES: Tones = Tones {
    customer: CUSTOMER,
    agent: AGENT,
};

/// Retell, on a server of its own.
struct Vendor {
    livekit: LivekitServer,
    retell: RetellLive,
    call: CallId,
}

impl Vendor {
    async fn start() -> Self {
        let livekit = LivekitServer::start().await.unwrap();
        let server = Server::new(&livekit.url(), credentials(&livekit));
        let retell = RetellLive::start(server, KEY).await.unwrap();
        Self {
            livekit,
            retell,
            call: CallId(clock::new_id()),
        }
    }

    async fn talk(&self) -> Talk {
        self.retell.call("call_1", TONES).await.unwrap()
    }

    /// What a gateway is told of the call.
    fn socket(&self, key: &str) -> Socket {
        Socket {
            call: self.call,
            upstream: Upstream::Retell,
            tenant: "default".to_owned(),
            url: Hidden(format!("{}/v2/listen-live-call/call_1", self.retell.url())),
            takeover: Some(Hidden(format!("{}{TAKE_OVER}", self.retell.url()))),
            bearer: Some(Hidden(key.to_owned())),
            customer_name: Some("Ada".to_owned()),
            agent_name: Some("Aria".to_owned()),
        }
    }

    async fn is_heard_by(&self, world: &World) {
        hear(world, self.socket(KEY)).await;
        self.is_recorded(world, 50).await;
    }

    /// Waits until so many packets of each party are kept.
    async fn is_recorded(&self, world: &World, packets: u64) {
        world.recorded(self.call, packets).await;
    }

    /// Whoever is in the room, hidden ones too.
    async fn there(&self, room: &str) -> Vec<(String, bool)> {
        let service = RoomService::new(&self.livekit.url(), &credentials(&self.livekit));
        let there = service.participants(room).await.unwrap().into_iter();
        there
            .map(|who| (who.identity, who.permission.hidden))
            .collect()
    }

    /// The listeners in the room.
    async fn listeners(&self, room: &str) -> Vec<String> {
        let there = self.there(room).await.into_iter();
        let hidden = there.filter(|(_, hidden)| *hidden);
        hidden.map(|(identity, _)| identity).collect()
    }

    /// Where nothing may lead whoever reads what is told.
    fn secrets(&self) -> [String; 2] {
        let port = |url: &str| url.rsplit(':').next().unwrap().to_owned();
        [port(&self.retell.url()), port(&self.livekit.url())]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_retells_room_is_heard_and_recorded_with_its_parties_apart_until_it_ends() {
    let ours = LivekitServer::start().await.unwrap();
    let (world, vendor) = (World::start(&ours), Vendor::start().await);
    let talk = vendor.talk().await;
    vendor.is_heard_by(&world).await;
    let there = vendor.there(talk.room()).await;
    let seen: Vec<_> = there.iter().filter(|(_, hidden)| !hidden).collect();
    assert_eq!(seen.len(), 2, "nobody sees us: {there:?}");

    let (call, monitor) = (vendor.call, monitor_room(1));
    let supervisor = Listener::join(&ours, &monitor.room, &monitor.listener).await;
    let listening = world.listen(call, &monitor).await;
    assert!(matches!(listening, Ok(Reply::Listening { .. })));
    for (party, own, other) in [("customer", CUSTOMER, AGENT), ("agent", AGENT, CUSTOMER)] {
        let track = format!("{call}/{party}");
        let [own, other] = wait_some("the tone", DEADLINE, || async {
            let levels = supervisor.levels(&track, [own, other]);
            levels.filter(|[own, _]| *own > -20.0)
        })
        .await;
        assert!(other - own < -50.0, "crosstalk of {} dB", other - own);
    }
    vendor.is_recorded(&world, 150).await;
    assert_eq!(told(&world, call), [], "nothing is wrong");

    talk.ends("user_hangup");
    // nobody says so: the room is over, and Retell knows the call no more
    wait_for("the end", DEADLINE, || async {
        !world.endings(call).is_empty()
    })
    .await;
    assert_eq!(world.endings(call)[0].1, "completed/upstream_closed");
    let takes = world.takes.of(call);
    assert_eq!(takes.len(), 1);
    let [customer, agent] = [Party::Customer, Party::Agent].map(|one| sound(&takes[0], one));
    says(&customer, CUSTOMER, AGENT);
    says(&agent, AGENT, CUSTOMER);
    assert_eq!(takes[0].names[&Party::Agent], "Aria");
    let asked = vendor.retell.asked();
    let path = "/v2/listen-live-call/call_1";
    assert!(asked.iter().all(|(asked, _)| asked == path), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_put_out_of_a_room_asks_to_be_let_in_and_the_recording_goes_on_with_a_gap() {
    let (world, vendor) = (World::start_alone(), Vendor::start().await);
    let talk = vendor.talk().await;
    vendor.is_heard_by(&world).await;
    let former = vendor.listeners(talk.room()).await.pop().unwrap();
    let service = RoomService::new(&vendor.livekit.url(), &credentials(&vendor.livekit));
    let removed = service.remove_participant(talk.room(), &former).await;
    removed.unwrap();
    wait_for("another listener", DEADLINE, || async {
        let there = vendor.listeners(talk.room()).await;
        there.iter().any(|one| *one != former)
    })
    .await;
    let before = world.takes.of(vendor.call)[0].heard(Party::Agent);
    vendor.is_recorded(&world, before + 100).await;
    let call = vendor.call;
    world.fleet.command_all(Command::CallOver { call }).await;
    let take = wait_some("the take's end", DEADLINE, || async {
        let take = world.takes.of(call).into_iter().next()?;
        take.ended_at.is_some().then_some(take)
    })
    .await;
    assert_eq!(world.takes.of(call).len(), 1, "the same take goes on");
    assert_eq!(take.gaps.len(), 1, "{:?}", take.gaps);
    wait_for("our leaving", DEADLINE, || async {
        vendor.listeners(talk.room()).await.is_empty()
    })
    .await;
    assert_eq!(vendor.there(talk.room()).await.len(), 2, "the call goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_room_is_told_until_there_is_one() {
    let (world, vendor) = (World::start_alone(), Vendor::start().await);
    let _talk = vendor.talk().await;
    let odd = |transport: Option<&str>, status| Manner {
        transport: transport.map(str::to_owned),
        url: None,
        status,
        takeover: None,
    };
    vendor.retell.answers(odd(Some("gateway"), None));
    hear(&world, vendor.socket(KEY)).await;
    is_told(&world, vendor.call, "it documents nowhere").await;
    vendor.retell.answers(odd(None, Some(403)));
    is_told(&world, vendor.call, "it answers with status 403").await;
    vendor.retell.answers(Manner::default());
    vendor.is_recorded(&world, 50).await;
    wait_for("that all is well", DEADLINE, || async {
        told(&world, vendor.call).last() == Some(&None)
    })
    .await;
    for reason in told(&world, vendor.call).into_iter().flatten() {
        for secret in vendor.secrets() {
            assert!(!reason.contains(&secret), "{reason}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_none_of_retells_is_not_joined() {
    let (world, vendor) = (World::start_alone(), Vendor::start().await);
    let _talk = vendor.talk().await;
    for url in [
        "wss://livekit.example.com",
        "wss://retellai.com.example.com",
        "wss://rtc.retellai.com@10.0.0.1/",
        "wss://10.0.0.1",
        "ws://rtc.retellai.com",
        "wss://rtc.retellai.com:7880",
        "file:///etc/passwd",
    ] {
        vendor.retell.answers(Manner {
            url: Some(url.to_owned()),
            ..Manner::default()
        });
        let call = CallId(clock::new_id());
        let socket = vendor.socket(KEY);
        hear(&world, Socket { call, ..socket }).await;
        is_told(&world, call, "its room is not joined").await;
        world.fleet.command_all(Command::CallOver { call }).await;
        assert!(world.takes.of(call).is_empty(), "{url}");
    }
    // a gateway that dials nothing on this machine does not ask there either
    let guarded = World::start_guarded();
    let path = "/v2/listen-live-call/call_2";
    let url = Hidden(format!("{}{path}", vendor.retell.url()));
    let socket = vendor.socket(KEY);
    hear(&guarded, Socket { url, ..socket }).await;
    is_told(&guarded, vendor.call, "cannot be reached").await;
    let asked = vendor.retell.asked();
    assert!(asked.iter().all(|(asked, _)| asked != path), "{asked:?}");
}

/// What the supervisor says, in Hz.
const SUPERVISOR: f64 = 1700.0;

fn seat(monitor: &MonitorRoom) -> Seat {
    Seat {
        monitor: monitor.clone(),
        name: "Sue".to_owned(),
    }
}

/// Gives the call to somebody, or back to nobody.
async fn floor(world: &World, call: CallId, holder: Option<Seat>) -> Result<Reply, CommandError> {
    let floor = Floor {
        holder,
        ..Floor::default()
    };
    let command = Command::SetFloor { call, floor };
    world.command(call, command).await
}

/// Takes the call over once the microphone has reached the gateway.
async fn is_taken(world: &World, call: CallId, monitor: &MonitorRoom) {
    wait_for("the call", DEADLINE, || async {
        let taken = floor(world, call, Some(seat(monitor))).await;
        if let Err(CommandError::Failed { detail }) = &taken {
            panic!("{detail}");
        }
        taken == Ok(Reply::Done)
    })
    .await;
}

async fn how_it_ended(world: &World, call: CallId) -> String {
    wait_for("the end", DEADLINE, || async {
        !world.endings(call).is_empty()
    })
    .await;
    world.endings(call)[0].1.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_at_retell_is_taken_over_for_good_and_over_when_the_supervisor_leaves_it() {
    let ours = LivekitServer::start().await.unwrap();
    let (world, vendor) = (World::start(&ours), Vendor::start().await);
    let talk_there = vendor.talk().await;
    vendor.is_heard_by(&world).await;
    // hears what the customer does, and is no party
    let there = Listener::join(&vendor.livekit, talk_there.room(), "listener_test").await;
    let (call, monitor) = (vendor.call, monitor_room(1));
    for mode in [TalkMode::Whisper, TalkMode::Barge] {
        let (call, seat) = (call, seat(&monitor));
        let refused = world.command(call, Command::Talk { call, seat, mode });
        let refused = refused.await;
        assert!(matches!(refused, Err(CommandError::Unsupported { .. })));
    }
    let sue = (&monitor, SUPERVISOR);
    let microphone = voices::supervisor(&ours, &world, call, sue).await;
    vendor.retell.answers(Manner {
        takeover: Some(409),
        ..Manner::default()
    });
    let detail = wait_some("the upstream's no", DEADLINE, || async {
        match floor(&world, call, Some(seat(&monitor))).await {
            Err(CommandError::Failed { detail }) => Some(detail),
            Err(CommandError::Unsupported { .. }) => None, // the microphone is on its way
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(detail.contains("status 409"), "{detail}");
    assert!(!talk_there.is_taken(), "the agent keeps the call");
    assert_eq!(floor(&world, call, None).await, Ok(Reply::Done));

    vendor.retell.answers(Manner::default());
    is_taken(&world, call, &monitor).await;
    assert!(talk_there.is_taken());
    wait_for("the supervisor at the customer's", DEADLINE, || async {
        let levels = there.levels("supervisor", [SUPERVISOR, AGENT]);
        levels.is_some_and(|[own, other]| own > -20.0 && other < -60.0)
    })
    .await;
    wait_for("the agent's silence", DEADLINE, || async {
        there.silent_for("agent_audio") > Duration::from_secs(1)
    })
    .await;
    let heard = there.packets("microphone");
    wait_for("the customer's voice", DEADLINE, || async {
        there.packets("microphone") > heard + 50
    })
    .await;
    wait_for("the supervisor's recording", DEADLINE, || async {
        world.takes.of(call)[0].heard(Party::Supervisor) > 100
    })
    .await;
    assert_eq!(
        floor(&world, call, Some(seat(&monitor))).await,
        Ok(Reply::Done),
        "once more is harmless"
    );

    assert_eq!(floor(&world, call, None).await, Ok(Reply::Done));
    assert_eq!(how_it_ended(&world, call).await, "ours/supervisor_left");
    let over = tokio::time::timeout(DEADLINE, talk_there.ended()).await;
    assert!(over.is_ok(), "Retell ends it when nobody serves");
    let take = &world.takes.of(call)[0];
    says(&sound(take, Party::Supervisor), SUPERVISOR, CUSTOMER);
    let asked = vendor.retell.asked().into_iter();
    let asked = asked.filter(|(path, _)| path == TAKE_OVER);
    let bodies: Vec<_> = asked.map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    let listener = bodies[0]["participant_id"].as_str().unwrap();
    assert!(listener.starts_with("listener_"), "{listener}");
    drop(microphone);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_a_call_at_retell_without_a_microphone() {
    let ours = LivekitServer::start().await.unwrap();
    let (world, vendor) = (World::start(&ours), Vendor::start().await);
    let talk_there = vendor.talk().await;
    vendor.is_heard_by(&world).await;
    let (call, monitor) = (vendor.call, monitor_room(1));
    world.listen(call, &monitor).await.unwrap();
    for armed in [false, true] {
        if armed {
            voices::talk(&world, call, &monitor, TalkMode::Armed).await;
        }
        let refused = floor(&world, call, Some(seat(&monitor))).await;
        let Err(CommandError::Unsupported { detail }) = refused else {
            panic!("{refused:?}");
        };
        assert!(detail.contains("microphone"), "{detail}");
    }
    assert!(!talk_there.is_taken());
    let asked = vendor.retell.asked();
    assert!(asked.iter().all(|(path, _)| path != TAKE_OVER), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_taken_over_is_over_when_either_of_the_two_is_gone() {
    let ours = LivekitServer::start().await.unwrap();
    for customer_goes in [true, false] {
        let (world, vendor) = (World::start(&ours), Vendor::start().await);
        let talk_there = vendor.talk().await;
        vendor.is_heard_by(&world).await;
        let (call, monitor) = (vendor.call, monitor_room(u128::from(customer_goes)));
        let sue = (&monitor, SUPERVISOR);
        let microphone = voices::supervisor(&ours, &world, call, sue).await;
        is_taken(&world, call, &monitor).await;
        let expected = if customer_goes {
            talk_there.ends("user_hangup");
            ["completed/customer_left", "completed/upstream_closed"]
        } else {
            microphone.leave().await.unwrap();
            ["ours/supervisor_lost"; 2]
        };
        let ended = how_it_ended(&world, call).await;
        assert!(expected.contains(&ended.as_str()), "{ended}");
        let over = tokio::time::timeout(DEADLINE, talk_there.ended()).await;
        assert!(over.is_ok(), "Retell ends it too");
    }
}
