//! Losing the server and getting it back, and leaving it.

use std::time::Duration;

use sidetone_room::service::RoomService;
use sidetone_room::token::Token;
use sidetone_room::{Closed, Event, PublishOptions, Room};
use sidetone_testkit::{LivekitServer, wait_for};

use crate::driver::{Driven, credentials, logs, options};

const OPUS: [u8; 3] = [0xf8, 0xff, 0xfe];

#[tokio::test]
async fn a_lost_signalling_connection_is_resumed_and_media_goes_on() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let (track, sid) = caller.publish(PublishOptions::opus("voice")).await;
    let _sending = caller.send_steadily(track, OPUS.to_vec(), 960);
    tap.subscribe("voice").await;
    let number = tap.number_of(&sid).await;
    tap.wait_packets(number, 10).await;
    for room in [&tap, &caller] {
        room.act(Room::drop_signalling).await;
        room.wait("the resume", |event| match event {
            Event::Resumed { .. } => Some(()),
            Event::Rejoined { .. } => panic!("a resume was enough"),
            _ => None,
        })
        .await;
    }
    tap.packets.lock().unwrap().clear();
    tap.wait_packets(number, 50).await;
    // and the session still works
    let (second, sid) = caller.publish(PublishOptions::opus("second")).await;
    let _sending = caller.send_steadily(second, OPUS.to_vec(), 960);
    tap.subscribe("second").await;
    let number = tap.number_of(&sid).await;
    tap.wait_packets(number, 10).await;
}

#[tokio::test]
async fn a_restarted_server_is_rejoined_and_tracks_are_published_again() {
    logs();
    let mut server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let (track, sid) = caller.publish(PublishOptions::opus("voice")).await;
    let _sending = caller.send_steadily(track, OPUS.to_vec(), 960);
    tap.subscribe("voice").await;
    let number = tap.number_of(&sid).await;
    tap.wait_packets(number, 10).await;
    tap.clear();
    caller.clear();
    server.restart().await.unwrap();
    for room in [&tap, &caller] {
        room.wait("the rejoin", |event| {
            matches!(event, Event::Rejoined { .. }).then_some(())
        })
        .await;
    }
    let again = tap.subscribe("voice").await;
    assert_ne!(again, sid, "a new session has new sids");
    let number = tap.number_of(&again).await;
    tap.wait_packets(number, 50).await;
}

#[tokio::test]
async fn a_deleted_room_ends_it() {
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    caller.wait("nothing", |_| None::<()>.or(Some(()))).await;
    let service = sidetone_room::service::RoomService::new(&server.url(), &credentials(&server));
    let rooms = service.list_rooms().await.unwrap();
    assert_eq!(rooms[0].name, "call");
    assert!(rooms[0].created_unix_ms > 0);
    service.delete_room("call").await.unwrap();
    tap.wait("the end", |event| match event {
        Event::Closed(why) => Some(why.clone()),
        _ => None,
    })
    .await;
    let events = tap.events.lock().unwrap();
    assert!(
        matches!(events.last(), Some(Event::Closed(Closed::RoomClosed))),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_hidden_tap_does_not_keep_the_room_open() {
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    let (_, _) = caller.publish(PublishOptions::opus("voice")).await;
    caller.leave().await;
    tap.wait("the room's end", |event| {
        matches!(event, Event::Closed(Closed::RoomClosed)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_busy_room_is_gone_at_once_whatever_they_had_not_read_yet() {
    const GUESTS: usize = 30;
    logs();
    let server = LivekitServer::start().await.unwrap();
    let service = RoomService::new(&server.url(), &credentials(&server));
    let mut guests = Vec::new();
    for n in 0..GUESTS {
        let token = Token::participant("call", &format!("guest-{n}"));
        let guest = Driven::join(options(&server, token)).await;
        guest.publish(PublishOptions::opus("voice")).await;
        guests.push(guest);
    }
    // each goodbye is news for all the others, who are leaving themselves
    let leaving: Vec<_> = guests
        .into_iter()
        .map(|guest| tokio::spawn(guest.leave()))
        .collect();
    for leaving in leaving {
        leaving.await.unwrap();
    }
    // one that is cut off instead is missed, and keeps the room open, for 15 seconds
    wait_for("the room to close", Duration::from_secs(10), || async {
        service.find_room("call").await.unwrap().is_none()
    })
    .await;
}
