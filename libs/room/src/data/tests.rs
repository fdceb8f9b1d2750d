use std::io::Write;

use prost::Message as _;

use super::*;
use crate::clock;

fn feed(data: &mut Data, packet: &proto::DataPacket) -> Option<Event> {
    data.handle_packet(&packet.encode_to_vec()).event
}

fn text_of(event: Option<Event>) -> Option<Text> {
    match event {
        Some(Event::Text(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn a_text_stream_arrives_whole_with_its_attributes() {
    let mut data = Data::default();
    let long = "né".repeat(20_000);
    let mut packets = text_packets(
        "s1",
        "lk.transcription",
        &long,
        &[("lk.segment_id", "SG_1")],
        5,
        &[],
    );
    for packet in &mut packets {
        packet.participant_identity = "caller".into();
    }
    assert!(packets.len() > 4, "several pieces");
    let last = packets.pop().expect("a trailer");
    for packet in &packets {
        assert!(feed(&mut data, packet).is_none());
    }
    let text = text_of(feed(&mut data, &last)).expect("whole");
    assert_eq!(
        (text.from.as_str(), text.topic.as_str()),
        ("caller", "lk.transcription")
    );
    assert_eq!(text.text, long);
    assert_eq!(text.attributes["lk.segment_id"], "SG_1");
}

fn inline(content: Vec<u8>, compression: CompressionType) -> proto::DataPacket {
    let header = proto::data_stream::Header {
        stream_id: "s".into(),
        topic: "lk.chat".into(),
        compression: compression as i32,
        inline_content: Some(content),
        ..Default::default()
    };
    packet(Value::StreamHeader(header), &[])
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn a_single_packet_stream_is_inflated() {
    let mut data = Data::default();
    let packet = inline(deflate(b"good morning"), CompressionType::DeflateRaw);
    assert_eq!(
        text_of(feed(&mut data, &packet)).expect("text").text,
        "good morning"
    );
    let plain = inline(b"hello".to_vec(), CompressionType::None);
    assert_eq!(
        text_of(feed(&mut data, &plain)).expect("text").text,
        "hello"
    );
}

#[test]
fn a_text_that_inflates_without_end_is_dropped() {
    let mut data = Data::default();
    let bomb = inline(deflate(&vec![b'a'; 4 << 20]), CompressionType::DeflateRaw);
    assert!(feed(&mut data, &bomb).is_none());
    assert!(
        feed(
            &mut data,
            &inline(vec![0xff; 40], CompressionType::DeflateRaw)
        )
        .is_none()
    );
}

#[test]
fn streams_that_never_end_are_bounded_in_number_and_size() {
    let mut data = Data::default();
    for n in 0..10 * OPEN_STREAMS {
        let open = text_packets(&format!("s{n}"), "t", "x", &[], 0, &[]);
        feed(&mut data, &open[0]);
    }
    assert_eq!(data.streams.len(), OPEN_STREAMS);
    let chunk = proto::data_stream::Chunk {
        stream_id: format!("s{}", 10 * OPEN_STREAMS - 1),
        content: vec![b'x'; CHUNK_BYTES],
        ..Default::default()
    };
    for _ in 0..20 {
        feed(&mut data, &packet(Value::StreamChunk(chunk.clone()), &[]));
    }
    assert!(!data.streams.contains_key(&chunk.stream_id));
}

#[test]
fn garbage_is_nothing() {
    let mut data = Data::default();
    for bytes in [&b""[..], b"\xff\xff\xff", &[0x0a; 300]] {
        assert!(data.handle_packet(bytes).event.is_none());
    }
}

#[test]
fn a_call_is_answered_acknowledged_or_given_up() {
    let mut data = Data::default();
    let now = clock::now();
    let timeout = Duration::from_secs(10);
    let (first, request) = data.begin_rpc("r1".into(), "agent", "m", "{}", timeout, now);
    assert!(request.is_some());
    let (second, _) = data.begin_rpc("r2".into(), "agent", "m", "{}", timeout, now);

    let answer = rpc_answer("r1", "us", Ok("done".into()));
    match feed(&mut data, &answer) {
        Some(Event::RpcResult { rpc, result }) => {
            assert_eq!((rpc, result), (first, Ok("done".into())));
        }
        other => panic!("{other:?}"),
    }
    assert!(feed(&mut data, &answer).is_none(), "an answer counts once");

    assert_eq!(data.poll_timeout(), Some(now + ACK_TIMEOUT));
    assert!(data.handle_timeout(now + Duration::from_secs(1)).is_empty());
    match &data.handle_timeout(now + ACK_TIMEOUT)[..] {
        [
            Event::RpcResult {
                rpc,
                result: Err(error),
            },
        ] => {
            assert_eq!((*rpc, error.code), (second, RPC_CONNECTION_TIMEOUT));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(data.poll_timeout(), None);
}

#[test]
fn an_acknowledged_call_waits_for_its_answer() {
    let mut data = Data::default();
    let now = clock::now();
    let timeout = Duration::from_secs(10);
    data.begin_rpc("r1".into(), "agent", "m", "{}", timeout, now);
    let ack = packet(
        Value::RpcAck(proto::RpcAck {
            request_id: "r1".into(),
        }),
        &[],
    );
    assert!(feed(&mut data, &ack).is_none());
    assert!(data.handle_timeout(now + ACK_TIMEOUT).is_empty());
    match &data.handle_timeout(now + timeout)[..] {
        [
            Event::RpcResult {
                result: Err(error), ..
            },
        ] => {
            assert_eq!(error.code, RPC_RESPONSE_TIMEOUT);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_to_us_is_acknowledged_at_once() {
    let mut data = Data::default();
    let request = proto::RpcRequest {
        id: "r".into(),
        method: "m".into(),
        ..Default::default()
    };
    let mut request = packet(Value::RpcRequest(request), &[]);
    request.participant_identity = "asker".into();
    let handled = data.handle_packet(&request.encode_to_vec());
    assert!(
        matches!(handled.event, Some(Event::RpcRequest(RpcRequest { ref from, .. })) if from == "asker")
    );
    let reply = handled.reply.expect("an ack");
    assert_eq!(reply.destination_identities, ["asker"]);
    assert!(matches!(reply.value, Some(Value::RpcAck(_))));
}
