//! How each vendor writes the same.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sidetone_codec::{g711, g722, pcm};

use super::{Plan, audiohook};
use crate::listen::Sound;
use crate::script::Side;

/// A vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Twilio Media Streams, both tracks in µ-law.
    Twilio,
    /// Telnyx, both tracks in A-law, or in G.722.
    Telnyx,
    /// Plivo, both tracks in 16 kHz.
    Plivo,
    /// Exotel: everybody on one track of 8 kHz.
    Exotel,
    /// Vonage: everybody on one track of 16 kHz.
    Vonage,
    /// jambonz: both sides in turn, in 16 kHz.
    Jambonz,
    /// Genesys AudioHook: both sides in turn, in µ-law.
    Audiohook,
    /// Asterisk's AudioSocket: everybody on one track of 8 kHz, over TCP.
    Audiosocket,
}

impl Dialect {
    /// Every vendor, with the word in the path of its address.
    pub const ALL: [(&'static str, Self); 8] = [
        ("twilio", Self::Twilio),
        ("telnyx", Self::Telnyx),
        ("plivo", Self::Plivo),
        ("exotel", Self::Exotel),
        ("vonage", Self::Vonage),
        ("jambonz", Self::Jambonz),
        ("audiohook", Self::Audiohook),
        ("audiosocket", Self::Audiosocket),
    ];

    /// Whether everybody is on one track.
    pub const fn is_mixed(self) -> bool {
        matches!(self, Self::Exotel | Self::Vonage | Self::Audiosocket)
    }
}

/// What one side, or both, says in 20 ms.
#[derive(Debug, Clone)]
pub struct Chunk {
    number: u64,
    side: Option<Side>,
    bytes: Vec<u8>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

/// How sound is written.
enum Coding {
    Ulaw,
    Alaw,
    Wide,
    Linear(u32),
}

/// What is remembered of each side's sound where what is sent next depends on it.
#[derive(Default)]
pub(super) struct Coders([g722::Encoder; 2]);

fn text(value: &Value) -> Frame {
    Frame::Text(value.to_string())
}

impl Dialect {
    /// Headers of the handshake.
    pub(super) fn handshake(self, url: &str, secret: Option<&str>) -> Vec<(String, String)> {
        match (self, secret) {
            (Self::Twilio, Some(secret)) => {
                let signature = twilio_signature(url, secret);
                vec![("x-twilio-signature".to_owned(), signature)]
            }
            (Self::Jambonz, _) => {
                let protocol = "audio.jambonz.org".to_owned();
                vec![("sec-websocket-protocol".to_owned(), protocol)]
            }
            (Self::Audiohook, secret) => audiohook::handshake(url, secret.unwrap_or_default()),
            (
                Self::Twilio
                | Self::Telnyx
                | Self::Plivo
                | Self::Exotel
                | Self::Vonage
                | Self::Audiosocket,
                _,
            ) => Vec::new(),
        }
    }

    /// What is said before there is sound.
    pub(super) fn opening(self, plan: &Plan) -> Vec<Frame> {
        let Plan {
            call_id, from, to, ..
        } = plan;
        let stream = self.stream(plan);
        let start = match self {
            Self::Twilio => json!({"event": "start", "sequenceNumber": "1", "start": {
                "streamSid": stream, "accountSid": "AC1", "callSid": call_id,
                "tracks": ["inbound", "outbound"], "customParameters": added(plan),
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}},
                "streamSid": stream}),
            Self::Telnyx => json!({"event": "start", "sequence_number": "1", "start": {
                "user_id": "u-1", "call_control_id": call_id, "call_session_id": "s-1",
                "client_state": "", "from": from, "to": to,
                "media_format": {"encoding": if plan.wideband { "G722" } else { "PCMA" },
                    "sample_rate": 8000, "channels": 1}},
                "stream_id": stream}),
            Self::Plivo => json!({"event": "start", "sequenceNumber": 0, "start": {
                "callId": call_id, "streamId": stream, "accountId": "MA1", "from": from, "to": to,
                "tracks": ["inbound", "outbound"],
                "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000}},
                "extra_headers": "{}"}),
            Self::Exotel => json!({"event": "start", "sequence_number": "1", "start": {
                "stream_sid": stream, "call_sid": call_id, "account_sid": "a-1", "from": from,
                "to": to, "custom_parameters": {},
                "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}},
                "stream_sid": stream}),
            Self::Vonage => {
                return vec![text(&json!({"event": "websocket:connected",
                    "content-type": "audio/l16;rate=16000", "conversation_uuid": call_id,
                    "from": from, "to": to}))];
            }
            Self::Jambonz => {
                return vec![text(&json!({"callSid": call_id, "direction": "inbound",
                    "from": from, "to": to, "callerName": "Ada", "accountSid": "a-1",
                    "sampleRate": 16000, "mixType": "stereo"}))];
            }
            Self::Audiohook => return vec![text(&audiohook::open(plan))],
            Self::Audiosocket => return vec![framed(0x01, &uuid(call_id))],
        };
        let connected = match self {
            Self::Twilio => json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
            Self::Telnyx
            | Self::Plivo
            | Self::Exotel
            | Self::Vonage
            | Self::Jambonz
            | Self::Audiohook
            | Self::Audiosocket => json!({"event": "connected", "version": "1.0.0"}),
        };
        vec![text(&connected), text(&start)]
    }

    /// What each side says in a chunk's time.
    pub(super) fn chunks(
        self,
        plan: &Plan,
        number: u64,
        sound: &dyn Sound,
        Coders(coders): &mut Coders,
    ) -> Vec<Chunk> {
        let coding = match self {
            Self::Twilio | Self::Audiohook => Coding::Ulaw,
            Self::Telnyx if plan.wideband => Coding::Wide,
            Self::Telnyx => Coding::Alaw,
            Self::Plivo | Self::Vonage | Self::Jambonz => Coding::Linear(16_000),
            Self::Exotel | Self::Audiosocket => Coding::Linear(8_000),
        };
        let mut said = |sides: &[Side]| {
            let coder = usize::from(sides == [Side::Agent]);
            coding.write(number, sides, sound, &mut coders[coder])
        };
        let both = |bytes| Chunk {
            number,
            side: None,
            bytes,
        };
        if self.is_mixed() {
            return vec![both(said(&[Side::Customer, Side::Agent]))];
        }
        if matches!(self, Self::Jambonz | Self::Audiohook) {
            let width = if self == Self::Jambonz { 2 } else { 1 };
            let sides = [said(&[Side::Customer]), said(&[Side::Agent])];
            let samples = sides[0].chunks(width).zip(sides[1].chunks(width));
            return vec![both(samples.flat_map(|(a, b)| [a, b].concat()).collect())];
        }
        let chunk = |side| Chunk {
            number,
            side: Some(side),
            bytes: said(&[side]),
        };
        [Side::Customer, Side::Agent].map(chunk).into()
    }

    /// A chunk as it is sent.
    pub(super) fn media(self, plan: &Plan, chunk: &Chunk, sequence: u64) -> Frame {
        let (timestamp, number) = (chunk.number * 20, chunk.number + 1);
        let payload = STANDARD.encode(&chunk.bytes);
        let track = match chunk.side {
            Some(Side::Agent) => "outbound",
            Some(Side::Customer) | None => "inbound",
        };
        let stream = self.stream(plan);
        let told = |number: u64| number.to_string();
        text(&match self {
            Self::Twilio => json!({"event": "media", "sequenceNumber": told(sequence),
                "media": {"track": track, "chunk": told(number), "timestamp": told(timestamp),
                    "payload": payload}, "streamSid": stream}),
            Self::Telnyx => json!({"event": "media", "sequence_number": told(sequence),
                "media": {"track": track, "chunk": told(number), "timestamp": told(timestamp),
                    "payload": payload}, "stream_id": stream}),
            Self::Plivo => json!({"event": "media", "sequenceNumber": sequence, "streamId": stream,
                "media": {"track": track, "chunk": number, "timestamp": timestamp,
                    "payload": payload}, "extra_headers": "{}"}),
            Self::Exotel => json!({"event": "media", "sequence_number": told(sequence),
                "stream_sid": stream, "media": {"chunk": told(number),
                    "timestamp": told(timestamp), "payload": payload}}),
            Self::Vonage | Self::Jambonz | Self::Audiohook => {
                return Frame::Binary(chunk.bytes.clone());
            }
            Self::Audiosocket => return framed(0x10, &chunk.bytes),
        })
    }

    /// Somebody pressed a key.
    pub(super) fn key(self, plan: &Plan, key: char, sequence: u64) -> Vec<Frame> {
        let stream = self.stream(plan);
        let digit = key.to_string();
        vec![text(&match self {
            Self::Twilio => json!({"event": "dtmf", "streamSid": stream,
                "sequenceNumber": sequence.to_string(),
                "dtmf": {"track": "inbound_track", "digit": digit}}),
            Self::Telnyx => json!({"event": "dtmf", "stream_id": stream,
                "sequence_number": sequence.to_string(), "dtmf": {"digit": digit}}),
            Self::Plivo => json!({"event": "dtmf", "streamId": stream,
                "dtmf": {"track": "inbound", "digit": digit}}),
            Self::Exotel => json!({"event": "dtmf", "stream_sid": stream,
                "sequence_number": sequence.to_string(),
                "dtmf": {"duration": "100", "digit": digit}}),
            Self::Vonage => json!({"event": "websocket:dtmf", "digit": digit, "duration": 260}),
            Self::Jambonz => json!({"event": "dtmf", "dtmf": digit, "duration": "1600"}),
            Self::Audiohook => audiohook::say(plan, "dtmf", sequence, &json!({"digit": digit})),
            Self::Audiosocket => return vec![framed(0x03, digit.as_bytes())],
        })]
    }

    /// What is said of chunks that were thrown away: what has timestamps needs no words.
    pub(super) fn discarded(self, plan: &Plan, from: u64, lost: u64, sequence: u64) -> Vec<Frame> {
        if self != Self::Audiohook {
            return Vec::new();
        }
        let seconds = |chunks: u64| format!("PT{}S", chunks as f64 / 50.0);
        let parameters = json!({"start": seconds(from), "discarded": seconds(lost)});
        let said = audiohook::say(plan, "discarded", sequence, &parameters);
        vec![text(&said)]
    }

    /// What is said at the end.
    pub(super) fn closing(self, plan: &Plan, sequence: u64) -> Vec<Frame> {
        let (stream, call) = (self.stream(plan), &plan.call_id);
        vec![text(&match self {
            Self::Twilio => json!({"event": "stop", "sequenceNumber": sequence.to_string(),
                "streamSid": stream, "stop": {"accountSid": "AC1", "callSid": call}}),
            Self::Telnyx => json!({"event": "stop", "sequence_number": sequence.to_string(),
                "stop": {"user_id": "u-1", "call_control_id": call}, "stream_id": stream}),
            Self::Plivo => json!({"event": "stop", "streamId": stream,
                "stop": {"callId": call, "reason": "hangup"}}),
            Self::Exotel => json!({"event": "stop", "sequence_number": sequence.to_string(),
                "stream_sid": stream, "stop": {"call_sid": call, "account_sid": "a-1",
                    "reason": "callended"}}),
            // the end of the socket is the end
            Self::Vonage => return Vec::new(),
            Self::Jambonz => json!({"event": "stop", "callSid": call}),
            Self::Audiohook => audiohook::say(plan, "close", sequence, &json!({"reason": "end"})),
            Self::Audiosocket => return vec![framed(0x00, &[])],
        })]
    }

    fn stream(self, plan: &Plan) -> String {
        let kind = match self {
            Self::Twilio => "MZ",
            Self::Telnyx
            | Self::Plivo
            | Self::Exotel
            | Self::Vonage
            | Self::Jambonz
            | Self::Audiohook
            | Self::Audiosocket => "stream-",
        };
        format!("{kind}{}", plan.call_id)
    }
}

impl Coding {
    /// What sides say together in a chunk's time.
    fn write(
        &self,
        number: u64,
        sides: &[Side],
        sound: &dyn Sound,
        coder: &mut g722::Encoder,
    ) -> Vec<u8> {
        let rate = match self {
            Self::Ulaw | Self::Alaw => 8_000,
            Self::Wide => g722::SAMPLE_RATE_HZ,
            Self::Linear(rate) => *rate,
        };
        let samples = u64::from(rate / 50);
        let samples: Vec<i16> = (number * samples..(number + 1) * samples)
            .map(|sample| {
                let seconds = sample as f64 / f64::from(rate);
                let said: f64 = sides.iter().map(|side| sound.at(*side, seconds)).sum();
                (said.clamp(-1.0, 1.0) * 32_767.0) as i16
            })
            .collect();
        match self {
            Self::Ulaw => samples.iter().map(|one| g711::encode_ulaw(*one)).collect(),
            Self::Alaw => samples.iter().map(|one| g711::encode_alaw(*one)).collect(),
            Self::Wide => coder.encode(&samples),
            Self::Linear(_) => pcm::to_bytes(&samples),
        }
    }
}

/// What whoever makes a stream at Twilio adds to it.
fn added(plan: &Plan) -> Value {
    let mut added = json!({"from": plan.from, "to": plan.to});
    let names = [
        ("customerName", &plan.customer_name),
        ("agentName", &plan.agent_name),
    ];
    for (name, value) in names {
        if let Some(value) = value {
            added[name] = json!(value);
        }
    }
    added
}

/// A frame of AudioSocket.
fn framed(kind: u8, payload: &[u8]) -> Frame {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let head = [kind, length.to_be_bytes()[0], length.to_be_bytes()[1]];
    Frame::Binary([&head[..], payload].concat())
}

/// The bytes of a UUID; those of another text as far as they go.
pub(super) fn uuid(id: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let whole = hex::decode(id.replace('-', "")).ok();
    let given = whole.filter(|bytes| bytes.len() == 16);
    let given = given.unwrap_or_else(|| id.bytes().take(16).collect());
    bytes[..given.len()].copy_from_slice(&given);
    bytes
}

/// A UUID as it is written.
pub(super) fn uuid_text(bytes: &[u8; 16]) -> String {
    let parts = [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| hex::encode(&bytes[part]));
    parts.join("-")
}

/// What Twilio puts into `X-Twilio-Signature` for a URL without parameters in a body.
pub fn twilio_signature(url: &str, auth_token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token.as_bytes());
    STANDARD.encode(hmac::sign(&key, url.as_bytes()))
}
