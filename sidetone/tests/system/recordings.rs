//! Recordings as they are fetched after a call.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, User, id, unix_ms};
use sidetone_wire::{Party, Recording};

use crate::office::{self, AGENT, CUSTOMER};
use crate::sound::Stereo;

/// How far a recording's length may be from the call's.
const LENGTH_SLACK_MS: f64 = 20.0;
/// How long after its parties' leaving a call may end: a party that is cut off is noticed after
/// 15 seconds, one that says goodbye at once.
const ENDING_SLACK_MS: i64 = 5000;
/// From a party's act to its being in the recording, at most; the server is told first.
const REACTION_MS: i64 = 2000;
/// From a party's silence to silence in the recording: what is in the codec and on the way.
const FADING_MS: i64 = 300;

/// Lets the call go on for a while.
async fn talk(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_has_the_customer_left_and_the_agent_right_and_is_as_long_as_the_call() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let customer = office::customer(&livekit, "call-1").await;
    let agent = office::agent(&livekit, "call-1").await;
    let call = user.answered_call_in("call-1").await;
    let both_since = clock::wall();
    talk(Duration::from_secs(6)).await;
    let left_at = clock::wall();
    agent.leave().await.unwrap();
    customer.leave().await.unwrap();

    let call = user.ended(&id(&call)).await;
    assert_ended_at(&call, left_at);
    let (recording, file, sound) = fetched(&user, &call).await;
    let (from, to) = (both_since - start(&call), left_at - start(&call));
    let stretch = (from + REACTION_MS, to - FADING_MS);
    Stereo::says(&sound.left, CUSTOMER, AGENT, stretch);
    Stereo::says(&sound.right, AGENT, CUSTOMER, stretch);
    assert_whole(&recording, to);
    let parties: Vec<_> = recording.channels.iter().map(|c| c.party).collect();
    assert_eq!(parties, [Party::Customer, Party::Agent]);
    let names: Vec<_> = recording.channels.iter().map(|c| &c.name).collect();
    assert_eq!(names, [&Some("Ada".to_owned()), &Some("Robin".to_owned())]);
    assert_ranges(&user, &recording, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_a_mute_and_another_publication_are_where_they_were_in_the_call() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let customer = office::customer(&livekit, "call-1").await;
    let call = user.call_in("call-1").await;
    let alone_since = clock::wall();
    talk(Duration::from_secs(4)).await;
    let agent_comes = clock::wall();
    let mut agent = office::agent(&livekit, "call-1").await;
    let both_since = clock::wall();
    user.answered_call_in("call-1").await;
    talk(Duration::from_secs(3)).await;
    let muted_at = clock::wall();
    customer.mute(true).await.unwrap();
    talk(Duration::from_secs(3)).await;
    let unmuted_at = clock::wall();
    customer.mute(false).await.unwrap();
    talk(Duration::from_secs(3)).await;
    let republishes_at = clock::wall();
    agent.republish().await.unwrap();
    let republished_at = clock::wall();
    talk(Duration::from_secs(4)).await;
    let left_at = clock::wall();
    agent.leave().await.unwrap();
    customer.leave().await.unwrap();

    let call = user.ended(&id(&call)).await;
    assert_ended_at(&call, left_at);
    let (recording, _, sound) = fetched(&user, &call).await;
    let of_call = |from: i64, to: i64| (from - start(&call), to - start(&call));
    let speaks = |from, to| of_call(from + REACTION_MS, to - FADING_MS);
    let quiet = |from, to| of_call(from + FADING_MS, to);
    let (left, right) = (&sound.left, &sound.right);
    Stereo::says(left, CUSTOMER, AGENT, speaks(alone_since, muted_at));
    Stereo::is_silent(left, quiet(muted_at, unmuted_at));
    Stereo::says(left, CUSTOMER, AGENT, speaks(unmuted_at, left_at));
    Stereo::is_silent(right, quiet(alone_since, agent_comes));
    Stereo::says(right, AGENT, CUSTOMER, speaks(both_since, republishes_at));
    Stereo::says(right, AGENT, CUSTOMER, speaks(republished_at, left_at));
    assert_whole(&recording, left_at - start(&call));
}

/// The call's only recording: what the API says of it, the file, and its sound, the lengths of
/// which are the call's.
async fn fetched(user: &User, call: &Value) -> (Recording, Vec<u8>, Stereo) {
    let recordings = user.stored(&id(call), 1).await;
    let recording = recordings.into_iter().next().unwrap();
    let file = user.audio(&recording).await;
    assert_eq!(file.len() as u64, recording.bytes);
    let sound = Stereo::decode(&file).await;
    let call_ms = (unix_ms(&call["endedAt"]) - start(call)) as f64;
    let told_ms = recording.duration_seconds * 1000.0;
    println!(
        "call {call_ms} ms, recording {told_ms} ms, sound {} ms",
        sound.ms()
    );
    assert!(
        (sound.ms() - call_ms).abs() <= LENGTH_SLACK_MS,
        "{call_ms} ms"
    );
    assert!((sound.ms() - told_ms).abs() <= 1.0, "{told_ms} ms");
    assert_eq!(sound.left.len(), sound.right.len());
    (recording, file, sound)
}

/// Fails unless the call ended when its parties left.
fn assert_ended_at(call: &Value, left_at: i64) {
    let late_ms = unix_ms(&call["endedAt"]) - left_at;
    assert!(late_ms.abs() <= ENDING_SLACK_MS, "{late_ms} ms later");
}

/// Fails if anything was lost while both parties were there. What a party says last may be lost
/// between its packets and its leaving.
fn assert_whole(recording: &Recording, left_ms: i64) {
    let last_words = u64::try_from(left_ms - FADING_MS).unwrap();
    let gaps = &recording.gaps;
    assert!(gaps.iter().all(|gap| gap.from_ms > last_words), "{gaps:?}");
    assert!(recording.pauses.is_empty(), "{:?}", recording.pauses);
}

fn start(call: &Value) -> i64 {
    unix_ms(&call["startedAt"])
}

/// Any part that is asked for is that part of the file.
async fn assert_ranges(user: &User, recording: &Recording, file: &[u8]) {
    let size = file.len();
    let middle = format!("bytes={}-{}", size / 3, size / 2);
    for (range, expected) in [
        ("bytes=0-99", &file[..100]),
        (middle.as_str(), &file[size / 3..=size / 2]),
        ("bytes=-50", &file[size - 50..]),
    ] {
        let request = user.request(Method::GET, &recording.audio_url);
        let response = request.header("range", range).send().await.unwrap();
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(&response.bytes().await.unwrap()[..], expected, "{range}");
    }
}
