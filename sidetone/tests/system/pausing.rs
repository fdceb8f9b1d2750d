//! What is said while a recording is paused is in nothing that is kept.

use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sidetone_room::token::Token;
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, Tone, ToneSpeaker, User, id, items};
use sidetone_wire::Recording;

use crate::office::{self, AGENT, CUSTOMER, LEVEL_DBFS};
use crate::plain::Prying;
use crate::sound::Stereo;

/// What is said that must not be kept, in Hz.
const CARD_NUMBER: f64 = 2000.0;
/// How the key `#` sounds, in Hz.
const KEY: [f64; 2] = [941.0, 1477.0];
/// From a party's act to its being in the recording, at most.
const REACTION_MS: i64 = 500;
/// What a pause may differ from its span in the sound: a slot and what the codec fades.
const EDGE_MS: i64 = 100;

/// Lets the call go on for a while.
async fn talk(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn say(party: &ToneSpeaker, tone: anyhow::Result<Tone>) {
    party.say(tone.unwrap()).await.unwrap();
}

async fn ask(user: &User, call: &str, what: &str) -> Value {
    let path = format!("/api/calls/{call}/recording/{what}");
    user.ask(Method::POST, &path, &json!({"reason": "card number"}))
        .await
}

/// Waits until a call has so many recordings, the last of which is being made.
async fn recorded_again(user: &User, call: &str, count: usize) {
    let path = format!("/api/calls/{call}/recordings");
    user.until("another recording", &path, |page| {
        let all = items(page);
        let running = all
            .iter()
            .any(|recording| recording["state"] == "recording");
        (all.len() == count && running).then_some(())
    })
    .await;
}

/// The sound of a recording in both formats.
async fn sounds(user: &User, recording: &Recording) -> [Stereo; 2] {
    let (ogg, wav) = (user.audio(recording).await, user.wav(recording).await);
    [Stereo::decode(&ogg).await, Stereo::of_wav(&wav)]
}

/// Fails if anything of what was said in the pause is in a recording.
fn assert_nothing_of_the_pause(sound: &Stereo) {
    for hz in [CARD_NUMBER, KEY[0], KEY[1]] {
        Stereo::lacks(&sound.left, hz, LEVEL_DBFS - 60.0);
    }
    Stereo::lacks(&sound.right, CARD_NUMBER, LEVEL_DBFS - 60.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_pause_is_in_no_output_also_when_the_process_is_killed_in_it() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let mut system = office::start(&livekit).await;
    let prying = Prying::into(&system.data_dir());
    let user = system.login().await;
    let customer = office::customer(&livekit, "call-1").await;
    let agent = office::agent(&livekit, "call-1").await;
    let call = id(&user.answered_call_in("call-1").await);
    talk(4).await;
    let asked_at = clock::wall();
    let paused = ask(&user, &call, "pause").await;
    let paused_at = clock::wall();
    assert_eq!(paused["recording"]["state"], "paused");
    say(&customer, Tone::new(CARD_NUMBER, LEVEL_DBFS)).await;
    talk(2).await;
    say(&customer, Tone::pair(KEY, LEVEL_DBFS - 6.0)).await;
    talk(2).await;

    system.kill();
    system.start_again().await;
    recorded_again(&user, &call, 2).await;
    let found = user.call_in("call-1").await;
    assert_eq!(
        (id(&found), &found["recording"]["state"]),
        (call.clone(), &json!("paused"))
    );
    talk(2).await;
    say(&customer, Tone::new(CARD_NUMBER, LEVEL_DBFS)).await;
    talk(1).await;
    say(&customer, Tone::new(CUSTOMER, LEVEL_DBFS)).await;
    let resumed = ask(&user, &call, "resume").await;
    let resumed_at = clock::wall();
    assert_eq!(resumed["recording"]["state"], "recording");
    talk(4).await;
    let left_at = clock::wall();
    agent.leave().await.unwrap();
    customer.leave().await.unwrap();
    user.ended(&call).await;

    let mut recordings = user.stored(&call, 2).await;
    recordings.sort_by_key(|recording| recording.started_at);
    let me = user.read("/api/me").await;
    for recording in &recordings {
        assert_eq!(recording.pauses.len(), 1, "{:?}", recording.pauses);
        assert_eq!(json!(recording.pauses[0].by), me["id"]);
    }
    assert_paused_to_its_end(&user, &recordings[0], asked_at..=paused_at).await;
    assert_paused_from_its_start(&user, &recordings[1], resumed_at, left_at).await;
    assert_audited(&user, &call, &me["id"]).await;
    let seen = prying.end();
    println!("{} files were read", seen.files);
    assert!(seen.files > 50);
    assert!(seen.open.is_empty(), "sound in the open: {:?}", seen.open);
}

/// A recording that was cut off in its pause.
async fn assert_paused_to_its_end(user: &User, before: &Recording, asked: RangeInclusive<i64>) {
    let since = before.started_at.unix_ms();
    let from_ms = before.pauses[0].from_ms.cast_signed();
    assert!(
        asked.contains(&(since + from_ms)),
        "{from_ms} ms after {since}"
    );
    for sound in sounds(user, before).await {
        Stereo::says(
            &sound.left,
            CUSTOMER,
            AGENT,
            (from_ms - 2000, from_ms - EDGE_MS),
        );
        Stereo::says(
            &sound.right,
            AGENT,
            CUSTOMER,
            (from_ms - 2000, from_ms - EDGE_MS),
        );
        sound.is_silent_from(from_ms + EDGE_MS);
        assert_nothing_of_the_pause(&sound);
    }
}

/// A recording that began in the pause.
async fn assert_paused_from_its_start(
    user: &User,
    after: &Recording,
    resumed_at: i64,
    left_at: i64,
) {
    let since = after.started_at.unix_ms();
    let to_ms = after.pauses[0].to_ms.cast_signed();
    assert_eq!(after.pauses[0].from_ms, 0);
    assert!(since + to_ms <= resumed_at);
    for sound in sounds(user, after).await {
        Stereo::is_silent(&sound.left, (0, to_ms - EDGE_MS));
        Stereo::is_silent(&sound.right, (0, to_ms - EDGE_MS));
        let talk = (to_ms + REACTION_MS, left_at - since - REACTION_MS);
        Stereo::says(&sound.left, CUSTOMER, AGENT, talk);
        Stereo::says(&sound.right, AGENT, CUSTOMER, talk);
        assert_nothing_of_the_pause(&sound);
    }
}

/// Who paused, resumed, and why, is in the audit log.
async fn assert_audited(user: &User, call: &str, me: &Value) {
    let rows = items(&user.read(&format!("/api/audit?subject={call}")).await);
    for action in ["recording.paused", "recording.resumed"] {
        let of_action: Vec<_> = rows.iter().filter(|row| row["action"] == action).collect();
        assert_eq!(of_action.len(), 1, "{action} in {rows:?}");
        assert_eq!(&of_action[0]["actor"], me);
        assert_eq!(of_action[0]["detail"]["reason"], "card number");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pauses_by_the_tenants_rule_and_the_pause_ends_by_itself() {
    const HOLDS_S: u64 = 3;
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let rule = json!({"pauseOnDtmf": true, "resumeAfterSeconds": HOLDS_S});
    user.ask(Method::PUT, "/api/retention", &rule).await;
    let customer = office::customer(&livekit, "call-1").await;
    let agent = office::agent(&livekit, "call-1").await;
    let mut keys = office::python(&livekit, Token::participant("call-1", "keys")).await;
    let call = id(&user.answered_call_in("call-1").await);
    talk(3).await;
    let pressed_at = clock::wall();
    keys.press('#').await.unwrap();
    let is = async |state: &str| {
        user.until(state, &format!("/api/calls/{call}"), |found| {
            (found["recording"]["state"] == state).then_some(())
        })
        .await;
    };
    is("paused").await;
    is("recording").await;
    let held_ms = clock::wall() - pressed_at;
    assert!(held_ms >= HOLDS_S.cast_signed() * 1000, "{held_ms} ms");
    talk(3).await;
    keys.leave().await.unwrap();
    agent.leave().await.unwrap();
    customer.leave().await.unwrap();
    user.ended(&call).await;

    let recording = user.stored(&call, 1).await.remove(0);
    assert_eq!(recording.pauses.len(), 1, "{:?}", recording.pauses);
    let pause = &recording.pauses[0];
    assert_eq!(pause.by, "rule:dtmf");
    let from = recording.started_at.unix_ms() + pause.from_ms.cast_signed();
    let early_ms = pressed_at - from;
    assert!(
        (0..=1000).contains(&early_ms),
        "{early_ms} ms before the key"
    );
    let span = (pause.from_ms.cast_signed(), pause.to_ms.cast_signed());
    for sound in sounds(&user, &recording).await {
        Stereo::is_silent(&sound.left, (span.0 + EDGE_MS, span.1 - EDGE_MS));
        Stereo::is_silent(&sound.right, (span.0 + EDGE_MS, span.1 - EDGE_MS));
        let after = (span.1 + REACTION_MS, span.1 + REACTION_MS + 1500);
        Stereo::says(&sound.left, CUSTOMER, AGENT, after);
    }
    let rows = items(&user.read(&format!("/api/audit?subject={call}")).await);
    let actors: Vec<_> = rows
        .iter()
        .map(|row| (&row["action"], &row["actor"]))
        .collect();
    assert!(
        actors.contains(&(&json!("recording.paused"), &json!("rule:dtmf"))),
        "{rows:?}"
    );
}
