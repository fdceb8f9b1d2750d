//! Data packets: text streams put together, remote procedure calls kept track of.

use std::collections::HashMap;
use std::io::Read;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::data_packet::Value;
use proto::data_stream::CompressionType;

use crate::event::{Event, RpcError, RpcRequest, Segment, Text, Transcription};

/// Text streams that may be open at once; beyond it the oldest is forgotten.
const OPEN_STREAMS: usize = 64;

/// The longest text stream, also after inflating; longer ones are cut off and dropped.
const TEXT_BYTES: usize = 256 * 1024;

/// The topic of transcripts.
const TRANSCRIPTION: &str = "lk.transcription";

/// Of a longer one only the whole is told: what is read again with every piece must be short.
const GROWING_BYTES: usize = 8 * 1024;

/// Calls of ours that may wait for an answer at once.
const PENDING_RPCS: usize = 256;

/// How long the other side has to acknowledge a call.
const ACK_TIMEOUT: Duration = Duration::from_secs(7);

/// The largest piece of a text stream in one packet (livekit SDKs use the same).
const CHUNK_BYTES: usize = 15_000;

const RPC_UNSUPPORTED_METHOD: u32 = 1400;
const RPC_CONNECTION_TIMEOUT: u32 = 1501;
const RPC_RESPONSE_TIMEOUT: u32 = 1502;
const RPC_SEND_FAILED: u32 = 1505;

struct OpenStream {
    order: u64,
    from: String,
    topic: String,
    attributes: HashMap<String, String>,
    deflated: bool,
    bytes: Vec<u8>,
}

struct PendingRpc {
    number: u64,
    acknowledged: bool,
    ack_by: Instant,
    answer_by: Instant,
}

/// The state of a room's data: handle packets in, get events and packets out.
#[derive(Default)]
pub(crate) struct Data {
    streams: HashMap<String, OpenStream>,
    opened: u64,
    rpcs: HashMap<String, PendingRpc>,
    last_rpc: u64,
}

/// What a packet leads to.
#[derive(Default)]
pub(crate) struct Handled {
    pub(crate) event: Option<Event>,
    pub(crate) reply: Option<proto::DataPacket>,
}

impl From<Event> for Handled {
    fn from(event: Event) -> Self {
        Self {
            event: Some(event),
            reply: None,
        }
    }
}

impl Data {
    /// A packet from the wire. What cannot be decoded or is of no interest is nothing.
    pub(crate) fn handle_packet(&mut self, bytes: &[u8]) -> Handled {
        use prost::Message as _;
        let Ok(packet) = proto::DataPacket::decode(bytes) else {
            metrics::counter!("room_malformed_data_packets_total").increment(1);
            return Handled::default();
        };
        let from = packet.participant_identity;
        match packet.value {
            Some(Value::User(user)) => Event::Data {
                from,
                topic: user.topic.unwrap_or_default(),
                payload: user.payload,
            }
            .into(),
            Some(Value::SipDtmf(dtmf)) => Event::Dtmf {
                from,
                code: dtmf.code,
                digit: dtmf.digit,
            }
            .into(),
            Some(Value::Transcription(t)) => Event::Transcription(transcription(t)).into(),
            Some(Value::StreamHeader(header)) => self.open_stream(from, header),
            Some(Value::StreamChunk(chunk)) => self.add_chunk(&chunk),
            Some(Value::StreamTrailer(trailer)) => self.close_stream(trailer),
            Some(Value::RpcRequest(request)) => rpc_request(from, request),
            Some(Value::RpcAck(ack)) => {
                if let Some(rpc) = self.rpcs.get_mut(&ack.request_id) {
                    rpc.acknowledged = true;
                }
                Handled::default()
            }
            Some(Value::RpcResponse(response)) => self.rpc_response(response),
            _ => Handled::default(),
        }
    }

    fn open_stream(&mut self, from: String, header: proto::data_stream::Header) -> Handled {
        let text = matches!(
            header.content_header,
            Some(proto::data_stream::header::ContentHeader::TextHeader(_)) | None
        );
        if !text {
            return Handled::default();
        }
        let deflated = header.compression() == CompressionType::DeflateRaw;
        self.opened += 1;
        let stream = OpenStream {
            order: self.opened,
            from,
            topic: header.topic,
            attributes: header.attributes,
            deflated,
            bytes: header.inline_content.clone().unwrap_or_default(),
        };
        if header.inline_content.is_some() {
            return finish(header.stream_id, stream);
        }
        if self.streams.len() >= OPEN_STREAMS
            && let Some(oldest) = self
                .streams
                .iter()
                .min_by_key(|(_, s)| s.order)
                .map(|(id, _)| id.clone())
        {
            metrics::counter!("room_text_streams_dropped_total").increment(1);
            self.streams.remove(&oldest);
        }
        self.streams.insert(header.stream_id, stream);
        Handled::default()
    }

    fn add_chunk(&mut self, chunk: &proto::data_stream::Chunk) -> Handled {
        let Some(stream) = self.streams.get_mut(&chunk.stream_id) else {
            return Handled::default();
        };
        if stream.bytes.len() + chunk.content.len() > TEXT_BYTES {
            metrics::counter!("room_text_streams_dropped_total").increment(1);
            self.streams.remove(&chunk.stream_id);
            return Handled::default();
        }
        stream.bytes.extend_from_slice(&chunk.content);
        if stream.topic != TRANSCRIPTION || stream.deflated || stream.bytes.len() > GROWING_BYTES {
            return Handled::default();
        }
        Event::TextSoFar(Text {
            from: stream.from.clone(),
            topic: stream.topic.clone(),
            id: chunk.stream_id.clone(),
            text: begun(&stream.bytes).to_owned(),
            attributes: stream.attributes.clone(),
        })
        .into()
    }

    fn close_stream(&mut self, trailer: proto::data_stream::Trailer) -> Handled {
        let Some(mut stream) = self.streams.remove(&trailer.stream_id) else {
            return Handled::default();
        };
        stream.attributes.extend(trailer.attributes);
        finish(trailer.stream_id, stream)
    }

    fn rpc_response(&mut self, response: proto::RpcResponse) -> Handled {
        use proto::rpc_response::Value as V;
        let Some(rpc) = self.rpcs.remove(&response.request_id) else {
            return Handled::default();
        };
        let result = match response.value {
            Some(V::Payload(text)) => Ok(text),
            Some(V::CompressedPayload(bytes)) => inflate(&bytes).ok_or_else(|| RpcError {
                code: RPC_SEND_FAILED,
                message: "the answer cannot be inflated".to_owned(),
            }),
            Some(V::Error(error)) => Err(RpcError {
                code: error.code,
                message: error.message,
            }),
            None => Ok(String::new()),
        };
        Event::RpcResult {
            rpc: rpc.number,
            result,
        }
        .into()
    }

    /// Begins a call: its number and the packet to send. `None` for the packet if too many wait.
    pub(crate) fn begin_rpc(
        &mut self,
        id: String,
        to: &str,
        method: &str,
        payload: &str,
        timeout: Duration,
        now: Instant,
    ) -> (u64, Option<proto::DataPacket>) {
        self.last_rpc += 1;
        let number = self.last_rpc;
        if self.rpcs.len() >= PENDING_RPCS {
            return (number, None);
        }
        let pending = PendingRpc {
            number,
            acknowledged: false,
            ack_by: now + ACK_TIMEOUT.min(timeout),
            answer_by: now + timeout,
        };
        self.rpcs.insert(id.clone(), pending);
        let request = proto::RpcRequest {
            id,
            method: method.to_owned(),
            payload: payload.to_owned(),
            response_timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            version: 1,
            ..Default::default()
        };
        (
            number,
            Some(packet(Value::RpcRequest(request), &[to.to_owned()])),
        )
    }

    /// Panics if more is kept than may be.
    pub(crate) fn assert_bounded(&self) {
        assert!(self.streams.len() <= OPEN_STREAMS);
        assert!(
            self.streams
                .values()
                .all(|stream| stream.bytes.len() <= TEXT_BYTES)
        );
        assert!(self.rpcs.len() <= PENDING_RPCS);
    }

    /// When [`Data::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = |rpc: &PendingRpc| {
            if rpc.acknowledged {
                rpc.answer_by
            } else {
                rpc.ack_by
            }
        };
        self.rpcs.values().map(due).min()
    }

    /// Gives up calls whose time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        self.rpcs.retain(|_, rpc| {
            let (due, code, message) = if rpc.acknowledged {
                (rpc.answer_by, RPC_RESPONSE_TIMEOUT, "no answer in time")
            } else {
                (rpc.ack_by, RPC_CONNECTION_TIMEOUT, "not acknowledged")
            };
            if due <= now {
                let error = RpcError {
                    code,
                    message: message.to_owned(),
                };
                events.push(Event::RpcResult {
                    rpc: rpc.number,
                    result: Err(error),
                });
            }
            due > now
        });
        events
    }
}

/// The failure of a call that could not even be sent.
pub(crate) fn unsent_rpc(number: u64) -> Event {
    let error = RpcError {
        code: RPC_SEND_FAILED,
        message: "too many calls wait".to_owned(),
    };
    Event::RpcResult {
        rpc: number,
        result: Err(error),
    }
}

fn rpc_request(from: String, request: proto::RpcRequest) -> Handled {
    let ack = Value::RpcAck(proto::RpcAck {
        request_id: request.id.clone(),
    });
    let reply = Some(packet(ack, std::slice::from_ref(&from)));
    let payload = if request.compressed_payload.is_empty() {
        Some(request.payload)
    } else {
        inflate(&request.compressed_payload)
    };
    let Some(payload) = payload else {
        let error = RpcError {
            code: RPC_UNSUPPORTED_METHOD,
            message: "the argument cannot be inflated".to_owned(),
        };
        return Handled {
            event: None,
            reply: Some(rpc_answer(&request.id, &from, Err(error))),
        };
    };
    let request = RpcRequest {
        id: request.id,
        from,
        method: request.method,
        payload,
    };
    Handled {
        event: Some(Event::RpcRequest(request)),
        reply,
    }
}

/// The packet that answers a call.
pub(crate) fn rpc_answer(
    id: &str,
    to: &str,
    result: Result<String, RpcError>,
) -> proto::DataPacket {
    use proto::rpc_response::Value as V;
    let value = match result {
        Ok(text) => V::Payload(text),
        Err(error) => V::Error(proto::RpcError {
            code: error.code,
            message: error.message,
            data: String::new(),
        }),
    };
    let response = proto::RpcResponse {
        request_id: id.to_owned(),
        value: Some(value),
    };
    packet(Value::RpcResponse(response), &[to.to_owned()])
}

/// A packet for these identities, or for everybody.
pub(crate) fn packet(value: Value, to: &[String]) -> proto::DataPacket {
    proto::DataPacket {
        destination_identities: to.to_vec(),
        value: Some(value),
        ..Default::default()
    }
}

/// The packets of a text stream: header, pieces, trailer.
pub(crate) fn text_packets(
    id: &str,
    topic: &str,
    text: &str,
    attributes: &[(&str, &str)],
    unix_ms: i64,
    to: &[String],
) -> Vec<proto::DataPacket> {
    use proto::data_stream::{Chunk, Header, TextHeader, Trailer, header::ContentHeader};
    let header = Header {
        stream_id: id.to_owned(),
        timestamp: unix_ms,
        topic: topic.to_owned(),
        mime_type: "text/plain".to_owned(),
        total_length: Some(text.len() as u64),
        attributes: attributes
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
        ..Default::default()
    };
    let mut packets = vec![packet(Value::StreamHeader(header), to)];
    let mut rest = text;
    let mut chunk_index = 0;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES.min(rest.len())));
        let chunk = Chunk {
            stream_id: id.to_owned(),
            chunk_index,
            content: piece.as_bytes().to_vec(),
            ..Default::default()
        };
        packets.push(packet(Value::StreamChunk(chunk), to));
        chunk_index += 1;
        rest = tail;
    }
    let trailer = Trailer {
        stream_id: id.to_owned(),
        ..Default::default()
    };
    packets.push(packet(Value::StreamTrailer(trailer), to));
    packets
}

/// The packet of transcript segments in the older carrier.
pub(crate) fn transcription_packet(transcription: Transcription) -> proto::DataPacket {
    let segments = transcription
        .segments
        .into_iter()
        .map(|s| proto::TranscriptionSegment {
            id: s.id,
            text: s.text,
            r#final: s.last,
            language: s.language,
            ..Default::default()
        });
    let value = proto::Transcription {
        transcribed_participant_identity: transcription.identity,
        track_id: transcription.track_sid,
        segments: segments.collect(),
    };
    packet(Value::Transcription(value), &[])
}

fn transcription(t: proto::Transcription) -> Transcription {
    let segments = t.segments.into_iter().map(|s| Segment {
        id: s.id,
        text: s.text,
        last: s.r#final,
        language: s.language,
    });
    Transcription {
        identity: t.transcribed_participant_identity,
        track_sid: t.track_id,
        segments: segments.collect(),
    }
}

fn finish(id: String, stream: OpenStream) -> Handled {
    let text = if stream.deflated {
        inflate(&stream.bytes)
    } else {
        Some(String::from_utf8_lossy(&stream.bytes).into_owned())
    };
    let Some(text) = text else {
        metrics::counter!("room_text_streams_dropped_total").increment(1);
        return Handled::default();
    };
    Event::Text(Text {
        from: stream.from,
        topic: stream.topic,
        id,
        text,
        attributes: stream.attributes,
    })
    .into()
}

/// The text so far: a piece may end within a character.
fn begun(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("it is valid up to there")
        }
    }
}

/// Raw deflate (RFC 1951) to text, at most [`TEXT_BYTES`] of it.
fn inflate(bytes: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    let limit = TEXT_BYTES as u64 + 1;
    flate2::read::DeflateDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut text)
        .ok()?;
    if text.len() > TEXT_BYTES {
        return None;
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
