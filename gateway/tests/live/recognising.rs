//! What is said is written down by whoever recognises speech, over real sockets.

use std::collections::HashSet;
use std::f64::consts::TAU;
use std::time::Duration;

use sidetone_room::token::{Kind, Token};
use sidetone_service::clock;
use sidetone_simulate::listen;
use sidetone_simulate::recognise::{Manner, Provider, Recognising};
use sidetone_simulate::script::Side;
use sidetone_testkit::{LivekitServer, Tone, ToneSpeaker, wait_for};
use sidetone_wire::{
    CallEvent, CallId, Command, ConnectionKind, Hidden, Party, Recogniser, RecordingRule, Reply,
    Signal, Utterance,
};

use crate::keeping::ruled;
use crate::sockets::{Vendor, is_told, told};
use crate::world::{DEADLINE, World, credentials};

const PROVIDERS: [(Provider, ConnectionKind); 3] = [
    (Provider::Deepgram, ConnectionKind::Deepgram),
    (Provider::Assemblyai, ConnectionKind::Assemblyai),
    (Provider::Openai, ConnectionKind::Openai),
];
const KEY: &str = "the-key";

fn rule(kind: ConnectionKind, recognising: &Recognising) -> RecordingRule {
    RecordingRule {
        recogniser: Some(Recogniser {
            kind,
            origin: recognising.origin(),
            key: Hidden(KEY.to_owned()),
            language: Some("en".to_owned()),
            model: None,
            always: false,
        }),
        ..RecordingRule::default()
    }
}

fn said(world: &World, call: CallId) -> Vec<Utterance> {
    let events = world
        .events()
        .into_iter()
        .filter(|event| event.call == call);
    let said = events.filter_map(|event| match event.event {
        CallEvent::Said(utterance) => Some(utterance),
        _ => None,
    });
    said.collect()
}

fn of(said: &[Utterance], party: Party) -> Vec<&Utterance> {
    said.iter().filter(|one| one.party == party).collect()
}

/// The customer says a word each second, one after the other.
#[derive(Clone, Copy)]
struct Words;

/// How long a word is.
const WORD_S: f64 = 0.6;
const VOCABULARY: u32 = 8;

impl Words {
    /// The pitch of a word: far enough from its neighbours'.
    const fn hz(word: u32) -> u32 {
        400 + 150 * word
    }

    fn vocabulary() -> Vec<(u32, String)> {
        let words = (0..VOCABULARY).map(|word| (Self::hz(word), format!("word {word}")));
        words.collect()
    }
}

impl listen::Sound for Words {
    fn at(&self, side: Side, seconds: f64) -> f64 {
        if side == Side::Agent || seconds.fract() > WORD_S {
            return 0.0;
        }
        let hz = f64::from(Self::hz(seconds as u32 % VOCABULARY));
        0.25 * (seconds * hz * TAU).sin()
    }
}

/// How the call's sound comes: nobody has to guess.
fn spoken() -> listen::Manner {
    listen::Manner {
        announced: true,
        ..listen::Manner::default()
    }
}

fn manner() -> Manner {
    Manner {
        words: Words::vocabulary(),
        ..Manner::new(KEY)
    }
}

/// A call on Vapi in which words are said and written down.
struct Dictation {
    world: World,
    vendor: Vendor,
    recognising: Recognising,
}

impl Dictation {
    async fn start((provider, kind): (Provider, ConnectionKind), manner: Manner) -> Self {
        let recognising = Recognising::start(provider, manner, 0).await.unwrap();
        let world = World::start_alone();
        let vendor = Vendor::saying(Words, spoken()).await;
        world.ledger.set_rule(vendor.call, rule(kind, &recognising));
        vendor.is_heard_by(&world).await;
        Self {
            world,
            vendor,
            recognising,
        }
    }

    fn said(&self) -> Vec<Utterance> {
        said(&self.world, self.vendor.call)
    }

    async fn has_said(&self, count: usize) {
        let more = || async { self.said().len() >= count };
        wait_for("words", DEADLINE * 2, more).await;
    }

    async fn command(&self, command: Command) {
        let done = self.world.command(self.vendor.call, command).await;
        assert_eq!(done, Ok(Reply::Done));
    }
}

/// Which word it is.
fn word(utterance: &Utterance) -> u32 {
    utterance.text.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Every word is there once, in its order, a second after the one before.
fn assert_whole(said: &[Utterance]) {
    for pair in said.windows(2) {
        let step = (word(&pair[1]) + VOCABULARY - word(&pair[0])) % VOCABULARY;
        let texts: Vec<&str> = said.iter().map(|one| &*one.text).collect();
        assert_eq!(step, 1, "{texts:?}");
        let between = pair[1].from.ms_since(pair[0].from);
        assert!((850..=1_150).contains(&between), "{between} ms");
        assert_ne!(pair[0].id, pair[1].id);
    }
}

async fn speaker(server: &LivekitServer, who: &str, hz: f64) -> ToneSpeaker {
    let token = Token::participant("call-1", who);
    let token = if who == "agent" {
        token.kind(Kind::Agent)
    } else {
        token
    };
    let token = token.sign(&credentials(server)).unwrap();
    let tone = Tone::with_pauses(hz, -12.0, 600, 900).unwrap();
    ToneSpeaker::join(&server.url(), token, tone).await.unwrap()
}

async fn a_room_is_written_down_by((provider, kind): (Provider, ConnectionKind)) {
    let words = vec![(440, "Yes.".to_owned()), (1_000, "No.".to_owned())];
    let manner = Manner {
        words,
        ..Manner::new(KEY)
    };
    let recognising = Recognising::start(provider, manner, 0).await.unwrap();
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let call = ruled(&server, &world, "call-1", rule(kind, &recognising)).await;
    let mut signals = world.fleet.signals();
    let customer = speaker(&server, "customer", 440.0).await;
    let agent = speaker(&server, "agent", 1_000.0).await;
    wait_for("both to be written down", DEADLINE, || async {
        let said = said(&world, call);
        of(&said, Party::Customer).len() >= 4 && of(&said, Party::Agent).len() >= 3
    })
    .await;
    let mut interim = false;
    while let Ok(signal) = signals.try_recv() {
        if let Signal::Saying { utterance, .. } = signal {
            interim |= ["Yes.", "No."].contains(&&*utterance.text);
        }
    }
    assert!(interim, "nothing was told before it was final");
    customer.leave().await.unwrap();
    agent.leave().await.unwrap();
    wait_for("the lines to be ended", DEADLINE, || async {
        recognising.seen().open == 0
    })
    .await;
    let all = said(&world, call);
    for (party, text) in [(Party::Customer, "Yes."), (Party::Agent, "No.")] {
        let of = of(&all, party);
        let texts: Vec<&str> = of.iter().map(|one| &*one.text).collect();
        assert!(texts.iter().all(|one| *one == text), "{party}: {texts:?}");
        // the first one began before we came
        for pair in of[1..].windows(2) {
            let between = pair[1].from.ms_since(pair[0].from);
            let spans: Vec<_> = of.iter().map(|one| (one.from, one.to, &one.id)).collect();
            let whole = (1_400..=1_600).contains(&between);
            assert!(whole, "{provider:?}: {between} ms in {spans:?}");
        }
        let ids: HashSet<&String> = of.iter().map(|one| &one.id).collect();
        assert_eq!(ids.len(), of.len(), "each is told once");
        let lasts = of[1].to.ms_since(of[1].from);
        assert!((560..=680).contains(&lasts), "{lasts} ms");
    }
    let seen = recognising.seen();
    assert_eq!((seen.faults, seen.dialled), (Vec::new(), 2));
    assert!(seen.ended >= 1, "as the protocol says");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_room_is_written_down_by_each_provider() {
    for provider in PROVIDERS {
        a_room_is_written_down_by(provider).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_again_and_again_loses_no_word() {
    let calls = PROVIDERS.map(|provider| async move {
        let manner = Manner {
            closed: Some((Duration::from_millis(4_700), 1011)),
            ..manner()
        };
        let dictation = Dictation::start(provider, manner).await;
        dictation.has_said(12).await;
        assert_whole(&dictation.said());
        let seen = dictation.recognising.seen();
        assert!(
            seen.dialled >= 5,
            "{} connections of two parties",
            seen.dialled
        );
        assert_eq!(seen.faults, Vec::<String>::new());
    });
    let [deepgram, assemblyai, openai] = calls;
    tokio::join!(deepgram, assemblyai, openai);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_a_pause_and_the_connection_outlives_it() {
    let dictation = Dictation::start(PROVIDERS[0], manner()).await;
    dictation.has_said(3).await;
    let (call, by) = (dictation.vendor.call, "u1".to_owned());
    dictation
        .command(Command::PauseRecording { call, by })
        .await;
    // what is held for its order, and what was said before, is still to be sent
    let sound_ms = || dictation.recognising.seen().sound_ms;
    let (mut before, mut since) = (0, clock::now());
    wait_for("the last of it", DEADLINE, || {
        if before != sound_ms() {
            (before, since) = (sound_ms(), clock::now());
        }
        let settled = clock::now() - since >= Duration::from_secs(1);
        async move { settled }
    })
    .await;
    let (paused, known) = (sound_ms(), dictation.said().len());
    wait_for("the connection to be kept", DEADLINE, || async {
        dictation.recognising.seen().kept_alive >= 2
    })
    .await;
    assert_eq!(sound_ms(), paused, "sound was sent in a pause");
    let last = dictation.said().last().unwrap().to;
    dictation.command(Command::ResumeRecording { call }).await;
    dictation.has_said(known + 4).await;
    let said = dictation.said();
    let after: Vec<&Utterance> = said.iter().filter(|one| one.from > last).collect();
    let hole = after
        .iter()
        .map(|one| one.from.ms_since(last))
        .min()
        .unwrap();
    assert!(hole >= 4_000, "something of the pause is there: {hole} ms");
    assert_eq!(dictation.recognising.seen().dialled, 2, "one of each party");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_or_stalls_is_told_of_and_costs_the_call_nothing_else() {
    let refused = Manner {
        refused: Some(401),
        ..manner()
    };
    let dictation = Dictation::start(PROVIDERS[1], refused).await;
    let (world, call) = (&dictation.world, dictation.vendor.call);
    is_told(world, call, "401").await;
    dictation.recognising.behave(manner());
    dictation.has_said(2).await;
    wait_for("the end of it to be told", DEADLINE, || async {
        told(world, call).last() == Some(&None)
    })
    .await;
    let stalled = Manner {
        stalled: Some(Duration::from_millis(500)),
        ..manner()
    };
    let known = told(world, call).len();
    dictation.recognising.behave(stalled);
    wait_for("the stall to be told", DEADLINE, || async {
        told(world, call).len() > known
    })
    .await;
    let why = told(world, call).into_iter().flatten().next_back().unwrap();
    assert!(why.contains("transcription") && !why.contains(KEY), "{why}");
    let take = dictation.vendor.ends(world).await;
    assert_eq!(take.gaps, Vec::new(), "the recording knows nothing of it");
}
