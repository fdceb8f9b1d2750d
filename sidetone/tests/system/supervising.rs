//! Supervisors speak in calls, take them over and give them back: by sound.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_room::token::{Kind, Token};
use sidetone_service::{clock, random};
use sidetone_testkit::{LivekitServer, PythonPeer, ToneListener, User, id, items, wait_for};

use crate::office::{self, AGENT, CUSTOMER, LEVEL_DBFS};
use crate::sound::Stereo;

/// What supervisors say, in Hz: no harmonic of the others.
pub(crate) const SUPERVISOR: f64 = 1700.0;
/// What somebody says who may not.
const FORGED: f64 = 2300.0;
/// A tone that is heard.
const HEARD_DBFS: f64 = -30.0;
/// One that is not.
const SILENT_DBFS: f64 = -80.0;
/// Below this a tone is not there, beside others: where these crack on a busy machine, a little of
/// every pitch is.
const NOT_THERE_DBFS: f64 = -60.0;
/// How long something must stay silent.
const A_WHILE: Duration = Duration::from_secs(2);
/// After its holder was lost the customer hears the agent within this time.
const BACK_WITHIN: Duration = Duration::from_secs(6);
/// Random acts against a real server.
const SEQUENCES: usize = 50;
const ACTS: usize = 6;

/// A call with a customer and an agent on LiveKit's own SDK, and a supervisor.
pub(crate) struct Scene {
    pub(crate) user: User,
    pub(crate) call: String,
    pub(crate) customer: PythonPeer,
    pub(crate) agent: PythonPeer,
    supervisor: PythonPeer,
    /// The room in which the supervisor listens.
    monitor: String,
}

impl Scene {
    pub(crate) async fn new(livekit: &LivekitServer, user: User) -> Self {
        let mut customer = office::python(livekit, office::customer_token("call-1")).await;
        let mut agent = office::python(livekit, office::agent_token("call-1")).await;
        for (peer, hz) in [(&mut customer, CUSTOMER), (&mut agent, AGENT)] {
            let said = peer.publish_tone("microphone", hz, LEVEL_DBFS).await;
            said.unwrap();
        }
        let call = id(&user.answered_call_in("call-1").await);
        let grant = user.listen(&call).await;
        let mut supervisor = PythonPeer::start().await.unwrap();
        supervisor.join(&grant.url, &grant.token).await.unwrap();
        Self {
            user,
            call,
            customer,
            agent,
            supervisor,
            monitor: grant.room,
        }
    }

    pub(crate) async fn act(&self, act: &str) -> Value {
        let path = format!("/api/calls/{}/{act}", self.call);
        let (status, body) = self.user.send(Method::POST, &path).await;
        assert_eq!(status, StatusCode::OK, "{act}: {body}");
        body
    }

    async fn talk(&self, mode: &str) {
        let path = format!("/api/calls/{}/talk", self.call);
        let body = json!({ "mode": mode });
        self.user.ask(Method::POST, &path, &body).await;
    }

    /// The supervisor's microphone is armed and says its tone.
    pub(crate) async fn arm(&mut self) {
        self.talk("armed").await;
        let said = self
            .supervisor
            .publish_tone("microphone", SUPERVISOR, LEVEL_DBFS);
        said.await.expect("it may publish one microphone now");
    }
}

/// How loud somebody hears a tone of participants whose identity begins so, now.
async fn level(peer: &mut PythonPeer, of: &str, hz: f64) -> f64 {
    let heard = peer.heard(&[hz]).await.unwrap();
    let theirs = heard.iter().filter(|track| track.identity.starts_with(of));
    theirs
        .map(|track| track.level_dbfs(hz))
        .fold(-200.0, f64::max)
}

pub(crate) async fn hears(peer: &mut PythonPeer, of: &str, hz: f64) {
    let what = format!("{hz} Hz of {of}");
    let loud = |track: &sidetone_testkit::Heard| {
        track.identity.starts_with(of) && track.level_dbfs(hz) > HEARD_DBFS
    };
    peer.wait_heard(&what, office::DEADLINE, &[hz], loud).await;
}

/// Waits until a tone of participants whose identity begins so is silent, and then that it stays so.
pub(crate) async fn hears_no(peer: &mut PythonPeer, of: &str, hz: f64) {
    let silent = if of.is_empty() {
        NOT_THERE_DBFS
    } else {
        SILENT_DBFS
    };
    let end = clock::now() + office::DEADLINE;
    while level(peer, of, hz).await >= silent {
        assert!(clock::now() < end, "{hz} Hz of {of} does not fall silent");
    }
    let end = clock::now() + A_WHILE;
    while clock::now() < end {
        let level = level(peer, of, hz).await;
        assert!(level < silent, "{hz} Hz of {of} at {level} dBFS");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_a_supervisor_is_a_matter_of_the_mode_and_the_customer_hears_no_whisper() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let mut scene = Scene::new(&livekit, system.login().await).await;
    hears(&mut scene.customer, "agent", AGENT).await;
    let refused = scene
        .supervisor
        .publish_tone("forged", SUPERVISOR, LEVEL_DBFS);
    assert!(refused.await.is_err(), "whoever listens publishes nothing");
    scene.arm().await;
    hears_no(&mut scene.agent, "supervisor-", SUPERVISOR).await;

    scene.talk("whisper").await;
    hears(&mut scene.agent, "supervisor-", SUPERVISOR).await;
    hears_no(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    let still = level(&mut scene.agent, "supervisor-", SUPERVISOR).await;
    assert!(
        still > HEARD_DBFS,
        "the agent hears it all the while: {still}"
    );

    scene.talk("barge").await;
    hears(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    hears(&mut scene.agent, "supervisor-", SUPERVISOR).await;
    hears(&mut scene.customer, "agent", AGENT).await;
    scene.talk("off").await;
    hears_no(&mut scene.customer, "supervisor-", SUPERVISOR).await;

    scene.act("takeover").await;
    hears(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    hears_no(&mut scene.customer, "agent", AGENT).await;
    hears(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    hears(&mut scene.agent, "customer", CUSTOMER).await;

    scene.act("handback").await;
    hears(&mut scene.customer, "agent", AGENT).await;
    hears_no(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    hears(&mut scene.agent, "customer", CUSTOMER).await;

    scene.act("end").await;
    let ended = scene.user.ended(&scene.call).await;
    assert_eq!(ended["control"]["holder"], "agent");
    let recordings = scene.user.stored(&scene.call, 1).await;
    let parties: Vec<_> = recordings[0].channels.iter().map(|c| c.party).collect();
    assert!(
        parties.contains(&sidetone_wire::Party::Supervisor),
        "the supervisor has a channel of their own: {parties:?}"
    );
    let sound = Stereo::decode(&scene.user.audio(&recordings[0]).await).await;
    Stereo::lacks(&sound.left, SUPERVISOR, SILENT_DBFS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_whose_browser_dies_leaves_the_customer_with_the_agent() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let mut scene = Scene::new(&livekit, system.login().await).await;
    scene.arm().await;
    scene.act("takeover").await;
    hears(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    hears_no(&mut scene.customer, "agent", AGENT).await;
    drop(scene.supervisor);
    let killed = clock::now();
    hears(&mut scene.customer, "agent", AGENT).await;
    let took = clock::now() - killed;
    println!("the agent is heard after {took:?}");
    assert!(took < BACK_WITHIN, "the agent is heard after {took:?}");
    let path = format!("/api/calls/{}", scene.call);
    let agent_has_it = |call: &Value| (call["control"]["holder"] == "agent").then_some(());
    scene
        .user
        .until("the agent's call", &path, agent_has_it)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_during_a_takeover_leaves_nobody_silent_and_forgets_nothing() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let mut system = office::start(&livekit).await;
    let mut scene = Scene::new(&livekit, system.login().await).await;
    scene.arm().await;
    scene.act("takeover").await;
    hears_no(&mut scene.customer, "agent", AGENT).await;
    system.start_again().await;
    hears(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    let call = scene.user.read(&format!("/api/calls/{}", scene.call)).await;
    assert!(
        call["control"]["holder"]
            .as_str()
            .unwrap()
            .starts_with("supervisor:")
    );
    hears_no(&mut scene.customer, "agent", AGENT).await;
    scene.act("handback").await;
    hears(&mut scene.customer, "agent", AGENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_in_any_mode_leaves_the_customer_with_the_agent_and_keeps_a_mute() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let mut system = office::start(&livekit).await;
    let mut scene = Scene::new(&livekit, system.login().await).await;
    scene.arm().await;
    for mode in ["whisper", "barge"] {
        scene.talk(mode).await;
        hears(&mut scene.agent, "supervisor-", SUPERVISOR).await;
        system.start_again().await;
        hears_no(&mut scene.agent, "supervisor-", SUPERVISOR).await;
        hears(&mut scene.customer, "agent", AGENT).await;
        hears(&mut scene.agent, "customer", CUSTOMER).await;
        scene.user.answered_call(&scene.call).await;
    }
    let path = format!("/api/calls/{}/mute", scene.call);
    let muted = json!({"party": "agent", "muted": true});
    scene.user.ask(Method::POST, &path, &muted).await;
    hears_no(&mut scene.customer, "agent", AGENT).await;
    system.start_again().await;
    scene.user.answered_call(&scene.call).await;
    hears_no(&mut scene.customer, "agent", AGENT).await;
    let heard = json!({"party": "agent", "muted": false});
    scene.user.ask(Method::POST, &path, &heard).await;
    hears(&mut scene.customer, "agent", AGENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_nobody_granted_is_forwarded_nowhere() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let mut scene = Scene::new(&livekit, system.login().await).await;
    scene.arm().await;
    // in the supervisor's own room, and with every right that LiveKit has
    let token = Token::participant(&scene.monitor, "somebody-else");
    let mut other = office::python(&livekit, token).await;
    let tone = other.publish_tone("microphone", FORGED, LEVEL_DBFS);
    tone.await.unwrap();
    scene.talk("barge").await;
    for peer in [&mut scene.customer, &mut scene.agent] {
        hears(peer, "supervisor-", SUPERVISOR).await;
        hears_no(peer, "", FORGED).await;
        hears(peer, "supervisor-", SUPERVISOR).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_fifty_random_sequences_of_acts_the_agent_is_heard_and_every_act_is_in_the_log() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let admin = system.login().await;
    let new = json!({"username": "sue", "password": "a password of sue", "role": "supervisor"});
    admin.ask(Method::POST, "/api/users", &new).await;
    let client = reqwest::Client::new();
    let sue = User::login(&client, admin.url(), "sue", "a password of sue").await;
    let token = office::sign(&livekit, Token::listener("call-1", "customer"));
    let customer = ToneListener::join(&livekit.url(), token, 100)
        .await
        .unwrap();
    let agent = Token::participant("call-1", "agent").kind(Kind::Agent);
    let _agent = office::speaker(&livekit, agent, AGENT).await;
    let path = "/api/calls/active";
    let call = admin
        .until("the answered call", path, |page| {
            let calls = items(page);
            calls
                .into_iter()
                .find(|call| call["answeredAt"].is_string())
        })
        .await;
    let base = format!("/api/calls/{}", id(&call));
    let heard = async || {
        wait_for("the agent to be heard", office::DEADLINE, || async {
            customer.hears("microphone", AGENT)
        })
        .await;
    };
    heard().await;
    let mut acted = 0;
    for _ in 0..SEQUENCES {
        for _ in 0..ACTS {
            acted += random_acts(&[&admin, &sue], &base).await;
        }
        let (status, body) = admin.send(Method::POST, &format!("{base}/handback")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        for party in ["agent", "customer"] {
            let body = json!({"party": party, "muted": false});
            admin
                .ask(Method::POST, &format!("{base}/mute"), &body)
                .await;
        }
        acted += 3;
        heard().await;
        let call = admin.read(&base).await;
        assert_eq!(
            (&call["control"]["holder"], &call["muted"]),
            (&json!("agent"), &Value::Null)
        );
    }
    let mut intents = 0;
    let mut page = admin.read("/api/audit?action=call.&limit=100").await;
    loop {
        let rows = items(&page);
        intents += rows.iter().filter(|row| row["phase"] == "intent").count();
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        page = admin
            .read(&format!(
                "/api/audit?action=call.&limit=100&cursor={cursor}"
            ))
            .await;
    }
    assert_eq!(intents, acted);
}

/// One act, or a race of two who take the call; gives how many acts that were.
async fn random_acts(users: &[&User; 2], base: &str) -> usize {
    // a person is not that fast, and nobody should be slowed down here
    tokio::time::sleep(Duration::from_millis(120)).await;
    let draw = random::u64();
    let user = users[(draw & 1) as usize];
    let post = async |user: &User, act: &str, body: Value| {
        let request = user.request(Method::POST, &format!("{base}/{act}"));
        let response = request.json(&body).send().await.unwrap();
        let status = response.status();
        let expected = [StatusCode::OK, StatusCode::CONFLICT].contains(&status);
        assert!(
            expected,
            "{act}: {status} {}",
            response.text().await.unwrap()
        );
        status
    };
    match (draw >> 8) % 6 {
        0 => {
            let takes = |user| post(user, "takeover", Value::Null);
            let (one, other) = tokio::join!(takes(users[0]), takes(users[1]));
            let won = [one, other]
                .iter()
                .filter(|s| **s == StatusCode::OK)
                .count();
            assert_eq!(won, 1, "one winner");
            return 2;
        }
        1 => post(user, "takeover", Value::Null).await,
        2 => post(user, "handback", Value::Null).await,
        3 => post(user, "talk", json!({"mode": "whisper"})).await,
        4 => post(user, "talk", json!({"mode": "off"})).await,
        _ => {
            let body = json!({"party": "agent", "muted": draw & 16 == 0});
            post(user, "mute", body).await
        }
    };
    1
}
