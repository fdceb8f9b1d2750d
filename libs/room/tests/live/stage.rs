//! Many tracks over as many connections as that takes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sidetone_room::token::Token;
use sidetone_room::{
    Audience, Event, JoinPacer, PUBLISHES_PER_CONNECTION, PublishOptions, Stage, StageEvent,
    StageOptions, TRACKS_PER_CONNECTION,
};
use sidetone_testkit::LivekitServer;

use crate::driver::{DEADLINE, Driven, credentials, logs, options};

fn stage(server: &LivekitServer) -> Stage {
    let credentials = credentials(server);
    Stage::new(StageOptions {
        url: server.url(),
        token: Arc::new(move |connection, attempt| {
            let identity = format!("gateway-{connection}-{attempt}");
            Token::publisher("monitor", &identity)
                .sign(&credentials)
                .map_err(|e| e.to_string())
        }),
        audience: Audience::Only(vec!["ada".to_owned()]),
        pacer: JoinPacer::default(),
        uplink_nack: true,
    })
}

async fn published(stage: &mut Stage, mut wanted: BTreeSet<sidetone_room::StageTrack>) {
    let all = async {
        while !wanted.is_empty() {
            match stage.next().await {
                StageEvent::Published { track, .. } => {
                    wanted.remove(&track);
                }
                StageEvent::PublishFailed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, all)
        .await
        .expect("all published in time");
}

#[tokio::test]
async fn more_tracks_than_one_connection_carries_are_all_published() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let ada = Driven::join(options(&server, Token::listener("monitor", "ada"))).await;
    let mut stage = stage(&server);
    let tracks: BTreeSet<_> = (0..70)
        .map(|n| stage.publish(PublishOptions::opus(&format!("call-{n}/agent"))))
        .collect();
    published(&mut stage, tracks).await;
    assert_eq!(
        stage.connections(),
        70_usize.div_ceil(TRACKS_PER_CONNECTION)
    );
    let seen = || {
        let events = ada.events.lock().unwrap();
        events
            .iter()
            .filter(|e| matches!(e, Event::TrackPublished { .. }))
            .count()
    };
    let all_seen =
        sidetone_testkit::wait_for("70 tracks to be seen", DEADLINE, || async { seen() == 70 });
    tokio::select! {
        () = all_seen => {}
        () = async { loop { stage.next().await; } } => {}
    }
}

#[tokio::test]
async fn a_worn_connection_is_replaced() {
    let server = LivekitServer::start().await.unwrap();
    let _ada = Driven::join(options(&server, Token::listener("monitor", "ada"))).await;
    let mut stage = stage(&server);
    for _ in 0..=PUBLISHES_PER_CONNECTION / 20 {
        let tracks: BTreeSet<_> = (0..20)
            .map(|_| stage.publish(PublishOptions::opus("x")))
            .collect();
        published(&mut stage, tracks.clone()).await;
        for track in tracks {
            stage.unpublish(track);
        }
    }
    let one = stage.publish(PublishOptions::opus("last"));
    published(&mut stage, BTreeSet::from([one])).await;
    assert_eq!(
        stage.connections(),
        1,
        "worn connections are left when they are idle"
    );
}

#[tokio::test]
async fn tracks_are_published_again_when_the_room_was_deleted() {
    let server = LivekitServer::start().await.unwrap();
    let mut stage = stage(&server);
    let track = stage.publish(PublishOptions::opus("call/agent"));
    published(&mut stage, BTreeSet::from([track])).await;
    let service = sidetone_room::service::RoomService::new(&server.url(), &credentials(&server));
    service.delete_room("monitor").await.unwrap();
    published(&mut stage, BTreeSet::from([track])).await;
    tokio::time::timeout(Duration::from_secs(10), stage.leave())
        .await
        .expect("left");
}

#[tokio::test]
async fn whoever_was_there_has_left_when_the_room_is_lost_and_is_told_again_when_back() {
    let server = LivekitServer::start().await.unwrap();
    let ada = Driven::join(options(&server, Token::listener("monitor", "ada"))).await;
    let mut stage = stage(&server);
    next_presence(&mut stage, "+ada").await;
    let service = sidetone_room::service::RoomService::new(&server.url(), &credentials(&server));
    service.delete_room("monitor").await.unwrap();
    next_presence(&mut stage, "-ada").await;
    drop(ada);
    let _ada = Driven::join(options(&server, Token::listener("monitor", "ada"))).await;
    next_presence(&mut stage, "+ada").await;
}

/// Waits for somebody to come (`+`) or go (`-`), who must be this one.
async fn next_presence(stage: &mut Stage, expected: &str) {
    let next = async {
        loop {
            match stage.next().await {
                StageEvent::Joined(identity) => return format!("+{identity}"),
                StageEvent::Left(identity) => return format!("-{identity}"),
                _ => {}
            }
        }
    };
    let next = tokio::time::timeout(DEADLINE, next).await;
    assert_eq!(next.expect("somebody comes or goes"), expected);
}
