//! Packets, tracks, permissions.

use sidetone_media::Codec;
use sidetone_room::token::{Kind, Token};
use sidetone_room::{Audience, Event, PublishOptions};
use sidetone_testkit::{LivekitServer, wait_for};

use crate::driver::{DEADLINE, Driven, logs, options};

const OPUS: [u8; 3] = [0xf8, 0xff, 0xfe];

#[tokio::test]
async fn packets_of_a_track_arrive_as_they_were_sent() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(
        &server,
        Token::participant("call", "caller")
            .name("Ada")
            .attribute("sidetone.party", "customer"),
    ))
    .await;
    let (track, sid) = caller.publish(PublishOptions::opus("voice")).await;
    let payload = vec![0x78, 1, 2, 3, 4, 5, 6, 7];
    let _sending = caller.send_steadily(track, payload.clone(), 960);
    assert_eq!(tap.subscribe("voice").await, sid);
    let number = tap.number_of(&sid).await;
    tap.wait_packets(number, 100).await;

    let packets = tap.packets.lock().unwrap();
    for pair in packets.windows(2) {
        assert_eq!(
            pair[1].seq,
            pair[0].seq + 1,
            "nothing lost, nothing reordered"
        );
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 960);
        assert_eq!(&*pair[0].payload, &payload[..]);
        assert_eq!(pair[0].codec, Codec::Opus);
    }
    let who = tap
        .events
        .lock()
        .unwrap()
        .iter()
        .find_map(|event| match event {
            Event::ParticipantJoined(who) => Some(who.clone()),
            _ => None,
        })
        .expect("the caller is seen");
    assert_eq!(
        (who.identity.as_str(), who.name.as_str()),
        ("caller", "Ada")
    );
    assert_eq!(who.attributes["sidetone.party"], "customer");
    assert_eq!(who.kind, Kind::Standard);
    let seen = caller.events.lock().unwrap();
    let tap_seen = seen
        .iter()
        .any(|event| matches!(event, Event::ParticipantJoined(_)));
    assert!(!tap_seen, "nobody sees the tap: {seen:?}");
}

#[tokio::test]
async fn speakers_are_reported_from_the_level_that_the_sender_gives() {
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let (track, _) = caller.publish(PublishOptions::opus("voice")).await;
    let _sending = caller.send_steadily(track, vec![0x78; 80], 960);
    tap.subscribe("voice").await; // the server tells only those who are subscribed
    tap.wait("a speaker", |event| match event {
        Event::Speakers(speakers) => speakers
            .iter()
            .any(|s| s.identity == "caller" && s.active && s.level > 0.0)
            .then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_pcmu_track_arrives_as_pcmu() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let trunk = Driven::join(options(
        &server,
        Token::participant("call", "trunk").kind(Kind::Sip),
    ))
    .await;
    let (track, sid) = trunk.publish(PublishOptions::pcmu("phone")).await;
    let _sending = trunk.send_steadily(track, vec![0xff; 160], 160);
    tap.subscribe("phone").await;
    let number = tap.number_of(&sid).await;
    tap.wait_packets(number, 10).await;
    let packets = tap.packets.lock().unwrap();
    assert!(
        packets
            .iter()
            .all(|p| p.codec == Codec::Pcmu && p.payload.len() == 160)
    );
}

#[tokio::test]
async fn a_track_that_is_published_again_comes_under_a_new_number() {
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let mut numbers = Vec::new();
    for name in ["first", "second", "third"] {
        let (track, sid) = caller.publish(PublishOptions::opus(name)).await;
        let sending = caller.send_steadily(track, OPUS.to_vec(), 960);
        tap.subscribe(name).await;
        let number = tap.number_of(&sid).await;
        tap.wait_packets(number, 5).await;
        numbers.push(number);
        drop(sending);
        caller.act(move |room| room.unpublish(track)).await;
        tap.wait("the end of the track", |event| match event {
            Event::TrackUnpublished { track, .. } if track.sid == sid => Some(()),
            _ => None,
        })
        .await;
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
}

#[tokio::test]
async fn a_muted_track_says_so() {
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let (track, sid) = caller.publish(PublishOptions::opus("voice")).await;
    tap.subscribe("voice").await;
    for muted in [true, false] {
        caller.act(move |room| room.set_muted(track, muted)).await;
        tap.wait("the mute", |event| match event {
            Event::TrackMuted {
                sid: s, muted: m, ..
            } if *s == sid && *m == muted => Some(()),
            _ => None,
        })
        .await;
    }
}

#[tokio::test]
async fn only_the_audience_hears_a_track() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let mut stage = options(&server, Token::publisher("monitor", "gateway"));
    stage.audience = Audience::Only(vec!["ada".to_owned()]);
    let gateway = Driven::join(stage).await;
    let ada = Driven::join(options(&server, Token::listener("monitor", "ada"))).await;
    let eve = Driven::join(options(&server, Token::listener("monitor", "eve"))).await;
    let (track, sid) = gateway.publish(PublishOptions::opus("call/customer")).await;
    let _sending = gateway.send_steadily(track, OPUS.to_vec(), 960);
    eve.subscribe("call/customer").await;
    ada.subscribe("call/customer").await;
    let number = ada.number_of(&sid).await;
    ada.wait_packets(number, 50).await;
    assert!(
        eve.packets.lock().unwrap().is_empty(),
        "eve is not in the audience"
    );
}

#[tokio::test]
async fn a_change_of_permission_is_seen() {
    let server = LivekitServer::start().await.unwrap();
    let caller = Driven::join(options(&server, Token::listener("call", "caller"))).await;
    let client = sidetone_room::service::RoomService::new(
        &server.http_url(),
        &crate::driver::credentials(&server),
    );
    client
        .set_permission("call", "caller", true, true)
        .await
        .unwrap();
    caller
        .wait("the permission", |event| match event {
            Event::PermissionChanged(p) if p.can_publish => Some(()),
            _ => None,
        })
        .await;
    client.remove_participant("call", "caller").await.unwrap();
    caller
        .wait("the removal", |event| {
            matches!(event, Event::Closed(sidetone_room::Closed::Removed)).then_some(())
        })
        .await;
}

#[tokio::test]
async fn lost_packets_are_sent_again_when_the_server_asks() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let (track, sid) = caller.publish(PublishOptions::opus("voice")).await;
    tap.subscribe("voice").await;
    let number = tap.number_of(&sid).await;
    let _sending = caller.send_steadily(track, OPUS.to_vec(), 960);
    tap.wait_packets(number, 20).await;
    tap.clear();
    // one in ten datagrams in both directions
    caller.act(|room| room.impair(10)).await;
    tap.act(|room| room.impair(10)).await;
    tap.wait_packets(number, 300).await;
    let mut seqs: Vec<u64> = tap.packets.lock().unwrap().iter().map(|p| p.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let span = seqs[seqs.len() - 1] - seqs[0] + 1;
    let lost = span - seqs.len() as u64;
    assert!(
        lost * 100 <= span * 4,
        "{lost} of {span} lost though a fifth was dropped"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_named_as_such() {
    let server = LivekitServer::start().await.unwrap();
    let wrong = sidetone_room::token::Credentials::new(
        server.api_key(),
        "another_secret_that_is_at_least_32_chars_long",
    );
    let token = Token::tap("call", "tap").sign(&wrong).unwrap();
    let error = sidetone_room::Room::join(sidetone_room::Options::new(&server.url(), token)).await;
    let error = error.err().expect("refused");
    assert!(
        matches!(error, sidetone_room::JoinError::Unauthorized { .. }),
        "{error}"
    );
    let error = sidetone_room::service::RoomService::new(&server.url(), &wrong)
        .list_rooms()
        .await
        .expect_err("refused");
    assert!(
        matches!(error, sidetone_room::service::Error::Unauthorized { .. }),
        "{error}"
    );
    wait_for(
        "the server to answer the right secret",
        DEADLINE,
        || async {
            let service = sidetone_room::service::RoomService::new(
                &server.url(),
                &crate::driver::credentials(&server),
            );
            service.list_rooms().await.is_ok()
        },
    )
    .await;
}
