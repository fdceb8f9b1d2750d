//! What an agent on LiveKit's own SDK tells of what was said, in both carriers.

use serde_json::json;
use sidetone_room::token::{Kind, Token};
use sidetone_testkit::{LivekitServer, PythonPeer, Tone, ToneSpeaker, wait_for};
use sidetone_wire::{CallEvent, CallId, Command, Party, RecordingRule, Reply, Signal, Utterance};
use tokio::sync::broadcast::Receiver;

use crate::keeping::ruled;
use crate::world::{DEADLINE, World, credentials};

/// An agent who transcribes, and the customer whom it serves.
struct Talk {
    agent: PythonPeer,
    _customer: ToneSpeaker,
    agent_track: String,
    call: CallId,
}

impl Talk {
    async fn start(server: &LivekitServer, world: &World) -> Self {
        let sign = |token: Token| token.sign(&credentials(server)).unwrap();
        let tone = Tone::new(440.0, -12.0).unwrap();
        let token = sign(Token::participant("call-1", "customer"));
        let customer = ToneSpeaker::join(&server.url(), token, tone).await.unwrap();
        let mut agent = PythonPeer::start().await.unwrap();
        let token = sign(Token::participant("call-1", "agent").kind(Kind::Agent));
        agent.join(&server.url(), &token).await.unwrap();
        let published = json!({"do": "publish_tone", "name": "agent", "hz": 1000.0});
        let published = agent.call(published).await.unwrap();
        let (call, _) = world
            .call_in("call-1", |facts| facts.answered_at.is_some())
            .await;
        world.recorded(call, 10).await;
        Self {
            agent,
            _customer: customer,
            agent_track: published["sid"].as_str().unwrap().to_owned(),
            call,
        }
    }

    /// What somebody says in pieces, as agents say their own words: one stream.
    async fn streams(&mut self, id: &str, parts: &[&str]) {
        let ask = json!({"do": "stream_text", "topic": "lk.transcription", "parts": parts,
            "attributes": {"lk.segment_id": id, "lk.transcription_final": "false",
                "lk.transcribed_track_id": self.agent_track},
            "closing": {"lk.transcription_final": "true"}});
        self.agent.call(ask).await.unwrap();
    }

    /// What was understood of the customer by now: a stream for each version.
    async fn understands(&mut self, id: &str, text: &str, last: bool) {
        let ask = json!({"do": "stream_text", "topic": "lk.transcription", "parts": [text],
            "sender": "customer", "attributes": {"lk.segment_id": id,
                "lk.transcription_final": last.to_string()}});
        self.agent.call(ask).await.unwrap();
    }

    /// The same in the older carrier.
    async fn packet(&mut self, who: &str, id: &str, text: &str, last: bool) {
        let track = if who == "agent" {
            self.agent_track.as_str()
        } else {
            ""
        };
        let ask = json!({"do": "transcribe", "identity": who, "track": track, "segment": id,
            "text": text, "final": last});
        self.agent.call(ask).await.unwrap();
    }
}

/// What was said, in the order in which it was told.
fn said(world: &World) -> Vec<Utterance> {
    let events = world.events().into_iter();
    events
        .filter_map(|event| match event.event {
            CallEvent::Said(utterance) => Some(utterance),
            _ => None,
        })
        .collect()
}

fn texts(world: &World) -> Vec<(Party, String)> {
    let said = said(world).into_iter();
    said.map(|one| (one.party, one.text)).collect()
}

async fn is_said(world: &World, text: &str) {
    wait_for(text, DEADLINE, || async {
        said(world).iter().any(|one| one.text == text)
    })
    .await;
}

/// Everything that was being said, so far.
fn saying(signals: &mut Receiver<Signal>) -> Vec<String> {
    let signals = std::iter::from_fn(|| signals.try_recv().ok());
    signals
        .filter_map(|signal| match signal {
            Signal::Saying { utterance, .. } => Some(utterance.text),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_tells_in_both_carriers_is_said_once_by_who_said_it() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut talk = Talk::start(&server, &world).await;
    let mut signals = world.fleet.signals();

    talk.packet("agent", "P1", "Good", false).await;
    talk.streams("S1", &["Good ", "morning, ", "how can I help?"])
        .await;
    talk.packet("agent", "P1", "Good morning, how can I help?", true)
        .await;
    is_said(&world, "Good morning, how can I help?").await;

    talk.understands("S2", "My parcel", false).await;
    talk.packet("customer", "P2", "My parcel", false).await;
    talk.packet("customer", "P2", "My parcel is late.", true)
        .await;
    talk.understands("S2", "My parcel is late.", true).await;
    is_said(&world, "My parcel is late.").await;
    talk.streams("S3", &["I am sorry."]).await;
    is_said(&world, "I am sorry.").await;

    let expected = [
        (Party::Agent, "Good morning, how can I help?"),
        (Party::Customer, "My parcel is late."),
        (Party::Agent, "I am sorry."),
    ];
    let expected = expected.map(|(party, text)| (party, text.to_owned()));
    assert_eq!(texts(&world), expected);
    let times = said(&world);
    assert!(times.iter().all(|one| one.from <= one.to));
    assert!(times.windows(2).all(|pair| pair[0].from <= pair[1].from));
    let interim = saying(&mut signals);
    assert!(interim.contains(&"My parcel".to_owned()), "{interim:?}");
    assert!(interim[0].starts_with("Good"), "{interim:?}");
}

/// How often digits have paused the recording, as it was told: once for those of a second.
fn pauses(world: &World) -> usize {
    let events = world.events();
    let pauses = events.iter().map(|event| &event.event);
    pauses
        .filter(|event| matches!(event, CallEvent::RecordingPaused { .. }))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_in_a_pause_leaves_the_gateway() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let rule = RecordingRule {
        pause_on_dtmf: true,
        ..RecordingRule::default()
    };
    ruled(&server, &world, "call-1", rule).await;
    let mut talk = Talk::start(&server, &world).await;
    let mut signals = world.fleet.signals();
    talk.understands("S1", "Before.", true).await;
    is_said(&world, "Before.").await;

    talk.agent.press('7').await.unwrap();
    wait_for("the pause", DEADLINE, || async { pauses(&world) == 1 }).await;
    talk.understands("S2", "4111", false).await;
    talk.understands("S2", "4111 1111", true).await;
    talk.streams("S3", &["1111 ", "1111"]).await;
    talk.understands("S4", "2222", false).await;
    // data comes in order: when a later digit has come, so has all that was said before it
    while pauses(&world) == 1 {
        talk.agent.press('8').await.unwrap();
        tokio::task::yield_now().await;
    }
    let call = talk.call;
    let resumed = world.command(call, Command::ResumeRecording { call }).await;
    assert_eq!(resumed, Ok(Reply::Done));
    talk.understands("S4", "2222 and on", true).await;
    talk.understands("S5", "Afterwards.", true).await;
    is_said(&world, "Afterwards.").await;
    let all: Vec<String> = texts(&world).into_iter().map(|(_, text)| text).collect();
    assert_eq!(all, ["Before.", "Afterwards."]);
    let interim = saying(&mut signals);
    let leaked = |text: &String| text.contains("11") || text.contains("22");
    assert!(!interim.iter().any(leaked), "{interim:?}");
}
