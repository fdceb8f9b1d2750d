//! Text, data, remote procedure calls.

use std::time::Duration;

use sidetone_room::token::{Kind, Token};
use sidetone_room::{Event, RpcError, Segment, Transcription};
use sidetone_testkit::LivekitServer;

use crate::driver::{Driven, logs, options};

#[tokio::test]
async fn a_tap_reads_transcripts_in_both_carriers() {
    logs();
    let server = LivekitServer::start().await.unwrap();
    let tap = Driven::join(options(&server, Token::tap("call", "tap"))).await;
    let agent = Driven::join(options(
        &server,
        Token::participant("call", "agent").kind(Kind::Agent),
    ))
    .await;
    let caller = Driven::join(options(&server, Token::participant("call", "caller"))).await;
    for room in [&tap, &agent, &caller] {
        room.connected().await;
    }
    agent
        .act(|room| {
            let attributes = [
                ("lk.segment_id", "SG_1"),
                ("lk.transcription_final", "true"),
            ];
            room.send_text("lk.transcription", "good morning", &attributes, &[]);
            let segment = Segment {
                id: "SG_2".into(),
                text: "how can I help".into(),
                last: true,
                language: "en".into(),
            };
            room.send_transcription(Transcription {
                identity: "agent".into(),
                track_sid: String::new(),
                segments: vec![segment],
            });
        })
        .await;
    let text = tap
        .wait("the text stream", |event| match event {
            Event::Text(text) => Some(text.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        (text.topic.as_str(), text.text.as_str()),
        ("lk.transcription", "good morning")
    );
    assert_eq!(
        (
            text.from.as_str(),
            text.attributes["lk.segment_id"].as_str()
        ),
        ("agent", "SG_1")
    );
    let older = tap
        .wait("the older carrier", |event| match event {
            Event::Transcription(t) => Some(t.clone()),
            _ => None,
        })
        .await;
    assert_eq!(older.segments[0].text, "how can I help");
}

#[tokio::test]
async fn data_and_calls_go_both_ways() {
    let server = LivekitServer::start().await.unwrap();
    let ada = Driven::join(options(&server, Token::participant("call", "ada"))).await;
    let bob = Driven::join(options(&server, Token::participant("call", "bob"))).await;
    ada.connected().await;
    bob.connected().await;
    ada.act(|room| room.send_data("sidetone", b"hello".to_vec(), true, &["bob".to_owned()]))
        .await;
    bob.wait("the data packet", |event| match event {
        Event::Data {
            from,
            topic,
            payload,
        } => {
            assert_eq!(
                (from.as_str(), topic.as_str(), &payload[..]),
                ("ada", "sidetone", &b"hello"[..])
            );
            Some(())
        }
        _ => None,
    })
    .await;

    let rpc = ada
        .act(|room| room.perform_rpc("bob", "sidetone.whisper", "{}", Duration::from_secs(10)))
        .await;
    let asked = bob
        .wait("the call", |event| match event {
            Event::RpcRequest(request) => Some(request.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        (asked.from.as_str(), asked.method.as_str()),
        ("ada", "sidetone.whisper")
    );
    bob.act(move |room| room.answer_rpc(&asked.id, &asked.from, Ok("done".into())))
        .await;
    let result = ada
        .wait("the answer", |event| match event {
            Event::RpcResult { rpc: r, result } if *r == rpc => Some(result.clone()),
            _ => None,
        })
        .await;
    assert_eq!(result, Ok("done".to_owned()));

    let refused = bob
        .act(|room| room.perform_rpc("ada", "x", "", Duration::from_secs(10)))
        .await;
    let asked = ada
        .wait("the call", |event| match event {
            Event::RpcRequest(request) => Some(request.clone()),
            _ => None,
        })
        .await;
    let error = RpcError {
        code: 1400,
        message: "unsupported method".into(),
    };
    let answer = Err(error.clone());
    ada.act(move |room| room.answer_rpc(&asked.id, &asked.from, answer))
        .await;
    let result = bob
        .wait("the refusal", |event| match event {
            Event::RpcResult { rpc, result } if *rpc == refused => Some(result.clone()),
            _ => None,
        })
        .await;
    assert_eq!(result, Err(error));
}
