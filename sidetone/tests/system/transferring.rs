//! Calls are given to somebody else after a word with them: by sound.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sidetone_room::token::{Credentials, Token};
use sidetone_simulate::sip::{Phone, Phones, SipApi};
use sidetone_testkit::{LivekitServer, PythonPeer, System, Tone, ToneSpeaker, wait_for};
use tokio::sync::Mutex;

use crate::office::{self, AGENT, CUSTOMER, LEVEL_DBFS};
use crate::supervising::{SUPERVISOR, Scene, hears, hears_no};

const NUMBER: &str = "+49301234567";
const TRUNK: &str = "ST_out";
/// What whoever is rung says, in Hz.
const TARGET: f64 = 2300.0;
/// What a supervisor says to them, in Hz.
const ASIDE: f64 = 3100.0;

/// A telephone on LiveKit's own SDK.
#[derive(Clone)]
struct Handset {
    url: String,
    credentials: Credentials,
    peer: Arc<Mutex<Option<PythonPeer>>>,
}

impl Phones for Handset {
    fn joins(&self, token: Token) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (handset, token) = (self.clone(), token.sign(&self.credentials).unwrap());
        Box::pin(async move {
            let mut peer = PythonPeer::start().await.unwrap();
            peer.join(&handset.url, &token).await.unwrap();
            let said = peer.publish_tone("microphone", TARGET, LEVEL_DBFS);
            said.await.unwrap();
            *handset.peer.lock().await = Some(peer);
        })
    }

    fn leaves(&self, _room: &str, _identity: &str) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        panic!("nobody is sent elsewhere here")
    }
}

async fn stands(scene: &Scene, stage: &str) -> Value {
    let path = format!("/api/calls/{}", scene.call);
    let there = |call: &Value| (call["transfer"]["stage"] == stage).then(|| call.clone());
    scene.user.until(stage, &path, there).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_a_call_is_given_to_hears_the_customer_who_heard_nothing_of_what_was_said_before() {
    let _machine = office::alone().await;
    let livekit = LivekitServer::start().await.unwrap();
    let handset = Handset {
        url: livekit.url(),
        credentials: office::credentials(&livekit),
        peer: Arc::default(),
    };
    let account = (livekit.api_key(), livekit.api_secret());
    let sip = SipApi::start(&handset.url, account, TRUNK, handset.clone())
        .await
        .unwrap();
    sip.connect(NUMBER, Phone::Answers(Duration::from_millis(300)));
    let settings = vec![
        ("LIVEKIT_SIP_URL", sip.url()),
        ("LIVEKIT_SIP_TRUNK_ID", TRUNK.to_owned()),
    ];
    let system = System::start_set(office::binary(), &livekit, settings).await;
    let mut scene = Scene::new(&livekit, system.login().await).await;
    scene.arm().await;
    scene.act("takeover").await;
    hears(&mut scene.customer, "supervisor-", SUPERVISOR).await;

    let path = format!("/api/calls/{}/transfer", scene.call);
    let body = json!({"to": NUMBER, "mode": "attended"});
    let call = scene.user.ask(Method::POST, &path, &body).await;
    let id = call["transfer"]["id"].as_str().unwrap().to_owned();
    hears_no(&mut scene.customer, "supervisor-", SUPERVISOR).await;
    let seat = scene.act("transfer/join").await;
    let token = seat["token"].as_str().unwrap().to_owned();
    let tone = Tone::new(ASIDE, LEVEL_DBFS).unwrap();
    let aside = ToneSpeaker::join(seat["url"].as_str().unwrap(), token, tone);
    let aside = Box::pin(aside).await.unwrap();
    stands(&scene, "talking").await;
    let mut phone = handset.peer.lock().await.take().expect("it was answered");
    hears(&mut phone, "supervisor-", ASIDE).await;
    hears_no(&mut phone, "", CUSTOMER).await;
    for unheard in [ASIDE, TARGET, SUPERVISOR] {
        hears_no(&mut scene.customer, "", unheard).await;
    }

    scene.act("transfer/complete").await;
    hears(&mut scene.customer, "supervisor-", TARGET).await;
    hears(&mut phone, "gateway-", CUSTOMER).await;
    hears_no(&mut scene.customer, "agent", AGENT).await;
    hears_no(&mut phone, "supervisor-", ASIDE).await;
    hears_no(&mut scene.customer, "", SUPERVISOR).await;
    let call = stands(&scene, "completed").await;
    assert_eq!(call["control"]["holder"], format!("target:{id}").as_str());
    drop(aside);

    phone.leave().await.unwrap();
    hears(&mut scene.customer, "agent", AGENT).await;
    hears(&mut scene.agent, "customer", CUSTOMER).await;
    let rooms = office::rooms(&livekit);
    let side = format!("sidetone-side-{id}");
    wait_for("the side room to close", office::DEADLINE, || async {
        rooms.find_room(&side).await.unwrap().is_none()
    })
    .await;
    let call = scene.user.read(&format!("/api/calls/{}", scene.call)).await;
    assert_eq!(call["control"]["holder"], "agent");
}
