//! What survives the end of a server, or of ourselves.

use std::time::Duration;

use sidetone_service::clock;
use sidetone_testkit::{LivekitServer, ToneListener, id, items, wait_for};
use sidetone_wire::GapReason;

use crate::office::{self, AGENT, CUSTOMER};
use crate::sound::Stereo;

/// Ten seconds are promised; the machine may be busy with other tests.
const TAPPED_AGAIN: Duration = Duration::from_secs(20);
/// What a kill may cost of a recording.
const LOST_MS: i64 = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restarted_under_twenty_calls_leaves_each_one_recording_with_a_gap() {
    const CALLS: usize = 20;
    let _machine = office::alone().await;
    let mut livekit = LivekitServer::start().await.unwrap();
    let system = office::start(&livekit).await;
    let user = system.login().await;
    let mut parties = Vec::new();
    for n in 0..CALLS {
        let room = format!("call-{n}");
        parties.push(office::customer(&livekit, &room).await);
        parties.push(office::agent(&livekit, &room).await);
    }
    let (mut calls, mut tracks, mut supervisor) = (Vec::new(), Vec::new(), None);
    for n in 0..CALLS {
        let call = id(&user.answered_call_in(&format!("call-{n}")).await);
        let grant = user.listen(&call).await;
        if supervisor.is_none() {
            let joined = ToneListener::join(&grant.url, grant.token, 100).await;
            supervisor = Some(joined.unwrap());
        }
        tracks.push((format!("{call}/customer"), CUSTOMER));
        tracks.push((format!("{call}/agent"), AGENT));
        calls.push(call);
    }
    let supervisor = supervisor.unwrap();
    let hears_all = || async {
        tracks
            .iter()
            .all(|(track, hz)| supervisor.hears(track, *hz))
    };
    wait_for("every party of every call", office::DEADLINE, hears_all).await;

    livekit.kill();
    let hears_none = || async {
        !tracks
            .iter()
            .any(|(track, hz)| supervisor.hears(track, *hz))
    };
    wait_for("silence", office::DEADLINE, hears_none).await;
    livekit.restart().await.unwrap();
    let back = clock::now();
    wait_for(
        "every party of every call again",
        office::DEADLINE,
        hears_all,
    )
    .await;
    println!(
        "{CALLS} calls were heard again {:?} after the server's return",
        back.elapsed()
    );
    assert!(back.elapsed() < TAPPED_AGAIN, "{:?}", back.elapsed());

    let page = user.read("/api/calls/active").await;
    let mut still: Vec<String> = items(&page).iter().map(id).collect();
    still.sort();
    calls.sort();
    assert_eq!(still, calls, "the same calls under the same ids");
    for party in parties {
        party.leave().await.unwrap();
    }
    for call in &calls {
        user.ended(call).await;
        let recordings = user.stored(call, 1).await;
        let page = user.read(&format!("/api/calls/{call}/recordings")).await;
        assert_eq!(items(&page).len(), 1, "one recording of each call");
        let gaps = &recordings[0].gaps;
        let cut = gaps
            .iter()
            .filter(|gap| gap.reason == GapReason::Disconnected);
        assert_eq!(cut.count(), 1, "{gaps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_in_a_call_finds_the_call_again_and_its_recording_is_kept() {
    let _machine = office::shared().await;
    let livekit = LivekitServer::start().await.unwrap();
    let mut system = office::start(&livekit).await;
    let user = system.login().await;
    let customer = office::customer(&livekit, "call-1").await;
    let agent = office::agent(&livekit, "call-1").await;
    let call = id(&user.answered_call_in("call-1").await);
    let both_since = clock::wall();
    tokio::time::sleep(Duration::from_secs(6)).await; // of talk
    let killed_at = clock::wall();
    system.kill();

    system.start_again().await;
    // the session outlived the process
    let found = user.answered_call_in("call-1").await;
    assert_eq!(id(&found), call, "the same call");
    assert_eq!(user.read("/api/calls/active/count").await["count"], 1);
    let cut_off = user.stored(&call, 1).await.into_iter().next().unwrap();
    let sound = Stereo::decode(&user.audio(&cut_off).await).await;
    let started_at = cut_off.started_at.unix_ms();
    let missing_ms = killed_at - started_at - sound.ms() as i64;
    println!(
        "a kill cost {missing_ms} ms of {} ms",
        killed_at - started_at
    );
    assert!(missing_ms <= LOST_MS, "{missing_ms} ms are lost");
    let stretch = (both_since - started_at + 1000, sound.ms() as i64 - 100);
    Stereo::says(&sound.left, CUSTOMER, AGENT, stretch);
    Stereo::says(&sound.right, AGENT, CUSTOMER, stretch);

    agent.leave().await.unwrap();
    customer.leave().await.unwrap();
    user.ended(&call).await;
    let both = user.stored(&call, 2).await;
    assert!(both.iter().any(|recording| recording.id == cut_off.id));
    for recording in both {
        Stereo::decode(&user.audio(&recording).await).await;
    }
}
