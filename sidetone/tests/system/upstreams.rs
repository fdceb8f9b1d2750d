//! Calls wherever they live: each is listed, heard in the monitor room and by WebSocket,
//! transcribed where its upstream gives text, and recorded, as one in a room is.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sidetone_codec::StereoDecoder;
use sidetone_service::clock;
use sidetone_simulate::Server;
use sidetone_simulate::listen::{self, Listening, Sound, Stall, Tones};
use sidetone_simulate::retell::RetellCall;
use sidetone_simulate::retell::live::{self, RetellLive};
use sidetone_simulate::script::Side;
use sidetone_simulate::stream::audiohook::API_KEY;
use sidetone_simulate::stream::{self, Dialect, Plan, Streaming};
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;
use sidetone_testkit::{
    LivekitServer, System, ToneListener, ToneSpeaker, User, free_tcp_port, id, level_dbfs, wait_for,
};
use tokio_tungstenite::connect_async;

use crate::office::{self, AGENT, CUSTOMER};
use crate::sockets::{Ear, next, second};
use crate::sound::Stereo;

/// Base64, as one of the vendors has it.
const SECRET: &str = "YXV0aC10b2tlbi1vZi10aGUtYWNjb3VudA==";
const RETELL_KEY: &str = "key-of-retell";
/// How much too fast the clocks of vendors are.
const DRIFT_PPM: f64 = 200.0;
/// What is lost of each vendor's call: by then it is known what its sound is.
const LOST: Stall = Stall {
    after: Duration::from_secs(3),
    lasts: Duration::from_secs(1),
    lost: true,
};
/// How far anything may be from where it was said, beyond what a busy machine sent it late: what
/// has no timestamp lies where it came.
const SLACK_MS: f64 = 20.0;
/// Calls that go on side by side.
const AT_ONCE: usize = 4;
/// What nobody says, in Hz.
const NOBODY: f64 = 700.0;

/// Both parties' tones until a cue. Knows what was never asked for, because it was lost.
#[derive(Clone)]
struct Talk {
    began: Instant,
    said: Arc<Mutex<Said>>,
}

/// All times are seconds of the speaker's clock.
#[derive(Clone, Copy, Default)]
struct Said {
    last: f64,
    /// What was lost, and when it went on.
    lost: f64,
    on: f64,
    end: Option<f64>,
    /// When it was looked last how late the speaker is; how late it was least and most.
    looked: f64,
    late: Option<(f64, f64)>,
}

impl Said {
    /// How much later than at other times something was sent, in milliseconds.
    fn late_ms(&self) -> f64 {
        self.late
            .map_or(0.0, |(least, most)| (most - least) * 1_000.0)
    }

    fn look(&mut self, seconds: f64, since: Duration) {
        let late = since.as_secs_f64() - seconds / (1.0 + DRIFT_PPM / 1e6);
        let (least, most) = self.late.unwrap_or((late, late));
        (self.looked, self.late) = (seconds, Some((least.min(late), most.max(late))));
    }
}

impl Talk {
    fn new() -> Self {
        Self {
            began: clock::now(),
            said: Arc::default(),
        }
    }

    fn said(&self) -> Said {
        *self.said.lock().unwrap()
    }

    /// Both parties fall silent at the same moment, which was not said yet.
    async fn ends(&self) -> Said {
        {
            let mut said = self.said.lock().unwrap();
            said.end = Some((said.last * 10.0).ceil() / 10.0 + 0.2);
        }
        wait_for("the end of the talk", office::DEADLINE, || async {
            let said = self.said();
            said.end.is_some_and(|end| said.last > end + 0.5)
        })
        .await;
        self.said()
    }
}

impl Sound for Talk {
    fn at(&self, side: Side, seconds: f64) -> f64 {
        let mut said = self.said.lock().unwrap();
        if seconds >= said.looked + 0.02 {
            said.look(seconds, clock::now() - self.began);
        }
        if seconds - said.last > 0.3 && said.last > 0.0 {
            (said.lost, said.on) = (seconds - said.last, seconds);
        }
        said.last = said.last.max(seconds);
        if said.end.is_some_and(|end| seconds >= end) {
            return 0.0;
        }
        let tones = Tones {
            customer: CUSTOMER,
            agent: AGENT,
        };
        tones.at(side, seconds)
    }
}

/// Where a call lives.
#[derive(Clone, Copy, PartialEq)]
enum Home {
    Room,
    Vapi,
    Retell,
    Stream(Dialect),
}

impl Home {
    fn all() -> Vec<(&'static str, Self)> {
        let mut all = vec![
            ("livekit", Self::Room),
            ("vapi", Self::Vapi),
            ("retell", Self::Retell),
        ];
        all.extend(Dialect::ALL.map(|(word, dialect)| (word, Self::Stream(dialect))));
        all
    }

    /// Everybody is on one track.
    fn is_mixed(self) -> bool {
        matches!(self, Self::Stream(dialect) if dialect.is_mixed())
    }

    /// What comes says when it was spoken.
    fn is_timed(self) -> bool {
        use Dialect::{Audiohook, Exotel, Plivo, Telnyx, Twilio};
        matches!(
            self,
            Self::Stream(Twilio | Telnyx | Plivo | Exotel | Audiohook)
        )
    }

    /// How far below the one who speaks everybody else is: G.711 and G.722 are no better than that.
    fn apart_db(self) -> f64 {
        match self {
            Self::Stream(Dialect::Twilio | Dialect::Telnyx | Dialect::Audiohook) => 30.0,
            Self::Room | Self::Vapi | Self::Retell | Self::Stream(_) => 50.0,
        }
    }
}

/// What carries a call, until it is dropped.
enum Line {
    Room(ToneSpeaker, ToneSpeaker),
    Vapi(Box<VapiCall>, Listening, Talk),
    Retell(Box<RetellCall>, live::Talk),
    Stream(Streaming, Talk),
}

/// A system on a server, and who looks at it.
struct Stage {
    livekit: LivekitServer,
    system: System,
    user: User,
    audiosocket: String,
    retell: RetellLive,
}

impl Stage {
    async fn start() -> Self {
        let livekit = LivekitServer::start().await.unwrap();
        let audiosocket = format!("127.0.0.1:{}", free_tcp_port());
        let more = vec![("SIDETONE_AUDIOSOCKET", audiosocket.clone())];
        let system = System::start_set(office::binary(), &livekit, more).await;
        let user = system.login().await;
        let server = Server::new(&livekit.url(), office::credentials(&livekit));
        let retell = RetellLive::start(server, RETELL_KEY).await.unwrap();
        for account in [
            json!({"kind": "vapi", "name": "vapi",
                "webhook": {"scheme": "hmac", "secret": SECRET}}),
            json!({"kind": "retell", "name": "retell", "settings": {"apiUrl": retell.url()},
                "credentials": {"apiKey": RETELL_KEY},
                "webhook": {"scheme": "retell", "secret": SECRET}}),
        ] {
            user.ask(Method::POST, "/api/connections", &account).await;
        }
        Self {
            livekit,
            system,
            user,
            audiosocket: format!("tcp://{audiosocket}"),
            retell,
        }
    }

    async fn tells(&self, vendor: &str, message: &Value) {
        let signing = match vendor {
            "vapi" => Signing::Hmac(SECRET.to_owned()),
            _ => Signing::Retell(SECRET.to_owned()),
        };
        let webhook = signing.sign(message.to_string(), clock::wall());
        let url = format!("{}/api/webhooks/{vendor}/default", self.system.url());
        let (status, answer) = webhook.send(&Client::new(), &url).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// Where a vendor brings its streams.
    async fn door(&self, word: &str, dialect: Dialect) -> String {
        let account = match dialect {
            Dialect::Audiosocket => return self.audiosocket.clone(),
            Dialect::Audiohook => json!({"kind": "genesys", "name": word,
                "credentials": {"apiKey": API_KEY, "clientSecret": SECRET}}),
            Dialect::Twilio
            | Dialect::Telnyx
            | Dialect::Plivo
            | Dialect::Exotel
            | Dialect::Vonage
            | Dialect::Jambonz => json!({"kind": word, "name": word,
                "credentials": {"authToken": SECRET}}),
        };
        let account = self
            .user
            .ask(Method::POST, "/api/connections", &account)
            .await;
        account["streamUrls"]["inbound"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Begins a call.
    async fn begins(&self, word: &str, home: Home) -> Line {
        let talk = Talk::new();
        match home {
            Home::Room => Line::Room(
                office::customer(&self.livekit, word).await,
                office::agent(&self.livekit, word).await,
            ),
            Home::Vapi => {
                let manner = listen::Manner {
                    drift_ppm: DRIFT_PPM,
                    stall: Some(LOST),
                    ..listen::Manner::default()
                };
                let listening = Listening::start(talk.clone(), manner).await.unwrap();
                let mut call = VapiCall::new("vapi-1", clock::wall() - 5_000);
                call.listen_url = Some(listening.url());
                self.tells(word, &call.status("in-progress", 4_000)).await;
                Line::Vapi(Box::new(call), listening, talk)
            }
            Home::Retell => {
                let tones = Tones {
                    customer: CUSTOMER,
                    agent: AGENT,
                };
                let talk = self.retell.call("retell-1", tones).await.unwrap();
                let call = RetellCall::new("retell-1", clock::wall());
                let started = call.event("call_started", &json!({}));
                self.tells(word, &started).await;
                Line::Retell(Box::new(call), talk)
            }
            Home::Stream(dialect) => {
                let mut plan = Plan::new(dialect, &format!("{word}-1"));
                plan.secret = Some(SECRET.to_owned());
                plan.wideband = true; // where the vendor has that
                plan.manner = stream::Manner {
                    drift_ppm: DRIFT_PPM,
                    stall: Some(LOST),
                    ..stream::Manner::default()
                };
                let url = self.door(word, dialect).await;
                let streaming = Streaming::dial(&url, plan, talk.clone()).await.unwrap();
                Line::Stream(streaming, talk)
            }
        }
    }

    /// What of a call is heard in the monitor room.
    async fn is_heard(&self, call: &str, home: Home, ear: &ToneListener) {
        let [customers, agents] = ["customer", "agent"].map(|party| format!("{call}/{party}"));
        let agents = if home.is_mixed() { &customers } else { &agents };
        wait_for("both parties", office::DEADLINE, || async {
            ear.hears(&customers, CUSTOMER) && ear.hears(agents, AGENT)
        })
        .await;
    }

    /// What was said in a call, as it is read: what its upstream tells of it.
    async fn is_transcribed(&self, call: &str, line: &Line) {
        let said = match line {
            Line::Vapi(vapi, ..) => {
                let said = json!({"role": "user", "transcriptType": "final",
                    "transcript": "My parcel is late."});
                let after_ms = clock::wall() - vapi.created_ms;
                self.tells("vapi", &vapi.message("transcript", after_ms, &said))
                    .await;
                "My parcel is late."
            }
            Line::Retell(retell, _) => {
                let (_, update) = &retell.webhooks()[2];
                self.tells("retell", update).await;
                "I want to cancel."
            }
            Line::Room(..) | Line::Stream(..) => return, // gives no text by itself
        };
        let path = format!("/api/calls/{call}/transcript");
        self.user
            .until(said, &path, |found| {
                let mut segments = found["segments"].as_array()?.iter();
                segments
                    .any(|one| one["text"] == said && one["party"] == "customer")
                    .then_some(())
            })
            .await;
    }

    /// Ends a call as its parties or its vendor do; gives what was said of it, if that is known.
    async fn ends(&self, line: Line) -> Option<Said> {
        match line {
            Line::Room(customer, agent) => {
                agent.leave().await.unwrap();
                customer.leave().await.unwrap();
                None
            }
            Line::Vapi(vapi, listening, talk) => {
                let said = talk.ends().await;
                listening.end();
                let mut ended = vapi.status("ended", clock::wall() - vapi.created_ms);
                ended["message"]["endedReason"] = json!("customer-ended-call");
                self.tells("vapi", &ended).await;
                Some(said)
            }
            Line::Retell(retell, talk) => {
                talk.ends("user_hangup");
                let ended = retell.webhooks().into_iter();
                let mut ended = ended.filter(|(_, webhook)| webhook["event"] == "call_ended");
                let (_, mut ended) = ended.next().unwrap();
                // nothing of it is to be fetched
                ended["call"]
                    .as_object_mut()
                    .unwrap()
                    .remove("recording_url");
                self.tells("retell", &ended).await;
                None
            }
            Line::Stream(streaming, talk) => {
                let said = talk.ends().await;
                drop(streaming.stop().await);
                Some(said)
            }
        }
    }
}

/// Waits for a second in which everybody is heard by WebSocket on their side, and nobody else is.
async fn is_fed(mut ear: Ear, home: Home) {
    let start = next(&mut ear).await;
    let start: Value = serde_json::from_str(start.to_text().unwrap()).unwrap();
    assert_eq!(start["encoding"], "opus", "{start}");
    let mut opus = StereoDecoder::new().unwrap();
    let mut levels = [[0.0; 2]; 2];
    let heard = async {
        loop {
            let sides = second(&mut ear, &mut opus).await;
            levels = sides.map(|side| [CUSTOMER, AGENT].map(|hz| level_dbfs(&side, hz)));
            let [[own, crosstalk], [right_crosstalk, right]] = levels;
            let is_loud = |level: f64, off: f64| (level + 12.0).abs() < off;
            let fits = if home.is_mixed() {
                is_loud(own, 5.0) && is_loud(crosstalk, 5.0) && right < -60.0
            } else {
                let limit = -12.0 - home.apart_db();
                is_loud(own, 1.5)
                    && is_loud(right, 1.5)
                    && crosstalk < limit
                    && right_crosstalk < limit
            };
            if fits {
                return;
            }
        }
    };
    let heard = tokio::time::timeout(office::DEADLINE, heard).await;
    assert!(
        heard.is_ok(),
        "customer and agent, left and right: {levels:?} dBFS"
    );
}

/// Where nothing is loud for at least a fifth of a second, in milliseconds.
fn silences(pcm: &[i16]) -> Vec<(usize, usize)> {
    let loud = pcm
        .chunks(48)
        .map(|one| one.iter().any(|s| s.unsigned_abs() > 1_000));
    let mut silences = Vec::new();
    let mut from = 0;
    // tones are below that around each passage through zero
    for (ms, loud) in loud.chain([true]).enumerate() {
        if loud {
            if ms - from >= 200 {
                silences.push((from, ms));
            }
            from = ms + 1;
        }
    }
    silences
}

/// Everything of a party lies where it was said: the silence of what was lost, and the end.
fn lies_right(what: &str, home: Home, pcm: &[i16], said: &Said) -> (usize, usize) {
    let silences = silences(pcm);
    let [.., (from, on), (end, _)] = silences[..] else {
        panic!("{what}: what was lost and the end are silent: {silences:?}");
    };
    let off = |was: usize, seconds: f64| was as f64 - seconds * 1_000.0 / (1.0 + DRIFT_PPM / 1e6);
    let lost = off(on - from, said.lost);
    let length = off(end - on, said.end.unwrap() - said.on);
    let late = said.late_ms();
    println!("{what}: the gap is {lost:.0} ms off, what follows {length:.0}; sent {late:.0} late");
    // a clock that says when is put right by a frame at once, at most
    let slack = SLACK_MS
        + if home.is_timed() {
            late.min(20.0)
        } else {
            late
        };
    assert!(lost.abs() <= slack, "{what}: {silences:?}");
    assert!(length.abs() <= slack, "{what}: {silences:?}");
    (on, end)
}

/// What is kept of a call is what was said, to whom it belongs.
async fn is_recorded(user: &User, what: &str, call: &str, home: Home, said: Option<Said>) {
    let recordings = user.stored(call, 1).await;
    let recording = recordings.first().unwrap();
    assert!(!recording.degraded, "{what}: {recording:?}");
    let sound = Stereo::decode(&user.audio(recording).await).await;
    let told_ms = recording.duration_seconds * 1_000.0;
    let off_ms = sound.ms() - told_ms;
    assert!(
        off_ms.abs() <= SLACK_MS,
        "{what}: {} of {told_ms} ms",
        sound.ms()
    );
    let (left, right) = (&sound.left, &sound.right);
    let (from, to) = match said {
        Some(said) => {
            let (on, end) = lies_right(what, home, left, &said);
            if !home.is_mixed() {
                let (of_agent, agents_end) = lies_right(what, home, right, &said);
                let apart = [on.abs_diff(of_agent), end.abs_diff(agents_end)];
                assert!(
                    apart.iter().all(|ms| *ms as f64 <= SLACK_MS),
                    "{what}: {apart:?}"
                );
            }
            (on, end)
        }
        // the vendor's word that it is over comes after the last one of the parties
        None if home == Home::Retell => {
            let last = left.iter().rposition(|s| s.unsigned_abs() > 1_000);
            let last = last.unwrap_or_default() / 48;
            assert!(sound.ms() as usize - last < 2_000, "{what}: {last} ms");
            (2_000, last)
        }
        None => (2_000, sound.ms() as usize - 300),
    };
    let stretch = (from as i64 + 100, to as i64 - 100);
    let apart_db = home.apart_db();
    if home.is_mixed() {
        Stereo::says_apart(left, CUSTOMER, NOBODY, stretch, 30.0);
        Stereo::says_apart(left, AGENT, NOBODY, stretch, 30.0);
        Stereo::is_silent(right, stretch);
    } else {
        Stereo::says_apart(left, CUSTOMER, AGENT, stretch, apart_db);
        Stereo::says_apart(right, AGENT, CUSTOMER, stretch, apart_db);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_listed_heard_transcribed_and_recorded_alike_wherever_it_lives() {
    let _machine = office::alone().await;
    let stage = Stage::start().await;
    let user = &stage.user;
    let mut ear = None;
    for homes in Home::all().chunks(AT_ONCE) {
        let mut calls = Vec::new();
        for (word, home) in homes {
            let line = stage.begins(word, *home).await;
            let call = user
                .until(word, "/api/calls/active", |page| {
                    let mut items = page["items"].as_array()?.iter();
                    items.find(|call| call["upstream"] == *word).cloned()
                })
                .await;
            calls.push((*word, *home, id(&call), line));
        }
        for (word, home, call, line) in &calls {
            let path = format!("/api/calls/{call}");
            let is_live = user.until(word, &path, |call| {
                (call["status"] == "connected").then(|| call["capabilities"].to_string())
            });
            let can = is_live.await;
            stage.is_transcribed(call, line).await;
            assert!(can.contains("listen"), "{word}: {can}");
            user.until("the recording's light", &path, |call| {
                (call["recording"]["state"] == "recording").then_some(())
            })
            .await;
            let listen = format!("{path}/listen");
            let grant = user.ask(Method::POST, &listen, &json!({})).await;
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            if ear.is_none() {
                let (url, token) = (text(&grant["livekit"]["url"]), &grant["livekit"]["token"]);
                let joined = ToneListener::join(&url, text(token), 100).await;
                ear = Some(joined.unwrap());
            }
            stage.is_heard(call, *home, ear.as_ref().unwrap()).await;
            let (feed, _) = connect_async(text(&grant["listenProxyUrl"])).await.unwrap();
            is_fed(feed, *home).await;
        }
        for (word, home, call, line) in calls {
            if let Line::Vapi(.., talk) | Line::Stream(_, talk) = &line {
                // what is lost is, and enough is said afterwards to be judged
                wait_for("what was lost", office::DEADLINE, || async {
                    let said = talk.said();
                    said.lost > 0.0 && said.last > said.on + 2.0
                })
                .await;
            }
            let said = stage.ends(line).await;
            user.ended(&call).await;
            is_recorded(user, word, &call, home, said).await;
        }
    }
}
