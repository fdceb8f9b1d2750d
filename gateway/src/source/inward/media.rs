//! Twilio Media Streams, and those that do as it does: Telnyx, Plivo, Exotel. JSON in text frames:
//! `connected`, `start`, `media` with base64, `dtmf`, `mark`, `stop`.
//!
//! Each writes its names in another way, and that tells them apart: `streamSid` is Twilio's,
//! `stream_id` Telnyx', `streamId` Plivo's, `stream_sid` Exotel's. Numbers are texts in some.
//! Timestamps are milliseconds since the stream's start, of each track alike.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sidetone_media::Codec;
use sidetone_wire::{Party, Upstream};

use super::adapter::{Adapter, Said, Sound, introduction, word};
use crate::source::listen::format::Format;

/// Timestamps beyond this are none: the year 2286 in milliseconds.
const LATEST_MS: u64 = 10_000_000_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Media {
    state: State,
    /// Where the sound of customer and agent goes on that has no timestamp.
    next: [i64; 2],
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    /// Nothing was said yet that matters.
    #[default]
    New,
    /// It is in this format, or in one that we do not understand.
    Started(Option<Format>),
    Over,
}

/// A frame. What matters seldom is looked at as it comes.
#[derive(Debug, Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    media: Option<Chunk<'a>>,
    start: Option<Value>,
    #[serde(rename = "streamSid")]
    twilio: Option<Value>,
    #[serde(rename = "stream_id")]
    telnyx: Option<Value>,
    #[serde(rename = "streamId")]
    plivo: Option<Value>,
    #[serde(rename = "stream_sid")]
    exotel: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    track: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Option<Number<'a>>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

/// A number, or a text that is one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Number(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Number<'_> {
    fn ms(&self) -> Option<i64> {
        let ms = match self {
            Self::Number(number) if *number >= 0.0 => *number as u64,
            Self::Number(_) => return None,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        (ms <= LATEST_MS).then_some(ms as i64)
    }
}

impl Adapter for Media {
    fn handle_text(&mut self, text: &str, out: &mut Vec<Said>) {
        // what is no frame of theirs is about something else
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
            return;
        };
        match (&*frame.event, self.state) {
            ("start", State::New) => self.handle_start(&frame, out),
            ("media", State::Started(Some(format))) => {
                let sound = frame.media.and_then(|media| self.sound(&media, format));
                out.extend(sound.map(Said::Sound));
            }
            ("dtmf", State::Started(_)) => out.push(Said::Key),
            ("stop", State::Started(_)) => {
                self.state = State::Over;
                out.push(Said::Over("stream_stopped"));
            }
            _ => {} // connected, marks, what was added since
        }
    }

    fn handle_binary(&mut self, _: &[u8], _: &mut Vec<Said>) {} // none of them sends any
}

impl Media {
    fn handle_start(&mut self, frame: &Frame<'_>, out: &mut Vec<Said>) {
        let Some(start) = &frame.start else { return };
        // a stream of its own counts as a call where the vendor does not say which call it is
        let (upstream, call, stream) = if frame.twilio.is_some() {
            (Upstream::Twilio, "callSid", &frame.twilio)
        } else if frame.telnyx.is_some() {
            (Upstream::Telnyx, "call_control_id", &frame.telnyx)
        } else if frame.exotel.is_some() {
            (Upstream::Exotel, "call_sid", &frame.exotel)
        } else if frame.plivo.is_some() || start.get("streamId").is_some() {
            (Upstream::Plivo, "callId", &frame.plivo)
        } else {
            return;
        };
        let id = word(start.get(call)).or(word(stream.as_ref()));
        let Some(id) = id.or(word(start.get("streamId"))) else {
            return;
        };
        let format = format(upstream, start);
        self.state = State::Started(format);
        let added = start.get("customParameters");
        let added = added.or(start.get("custom_parameters"));
        out.push(Said::Here(Box::new(introduction(
            upstream, id, start, added,
        ))));
        if format.is_none() {
            out.push(Said::Deaf(
                "the stream is in a codec that is not understood",
            ));
        }
    }

    fn sound(&mut self, media: &Chunk<'_>, format: Format) -> Option<Sound> {
        let (party, next) = match media.track.as_deref() {
            Some("outbound" | "outbound_track") => (Party::Agent, &mut self.next[1]),
            Some(_) | None => (Party::Customer, &mut self.next[0]),
        };
        let bytes = STANDARD.decode(media.payload.as_bytes()).ok()?;
        let rate = i64::from(format.codec.clock_rate().hz());
        let at = media.timestamp.as_ref().and_then(Number::ms);
        let ticks = at.map_or(*next, |ms| ms * rate / 1000);
        *next = ticks + (bytes.len() / format.frame_bytes()) as i64;
        Some(Sound {
            format,
            party,
            ticks: Some(ticks),
            bytes,
        })
    }
}

/// The format of every track; `None` for one that is not understood.
fn format(upstream: Upstream, start: &Value) -> Option<Format> {
    let told = start.get("mediaFormat").or(start.get("media_format"));
    let told = |name: &str| word(told.and_then(|told| told.get(name)));
    let rate = told("sampleRate").or(told("sample_rate"));
    let rate = rate.map_or(Some(8_000), |rate| rate.parse().ok())?;
    let encoding = told("encoding").map(|encoding| encoding.to_ascii_lowercase());
    let is_linear = match encoding.as_deref() {
        Some("audio/x-mulaw" | "pcmu" | "mulaw" | "ulaw") => return narrow(Codec::Pcmu, rate),
        Some("audio/x-alaw" | "pcma" | "alaw") => return narrow(Codec::Pcma, rate),
        // its clock says the one, its sound has the other
        Some("audio/g722" | "g722") => {
            return (rate == 8_000 || rate == 16_000).then(|| Format::mono(Codec::G722));
        }
        Some("audio/x-l16" | "audio/x-raw" | "audio/l16" | "l16" | "linear16" | "raw/slin") => true,
        // whatever it calls it, it has one
        _ => upstream == Upstream::Exotel,
    };
    if is_linear {
        return Format::linear16(rate, 1);
    }
    encoding.is_none().then(|| Format::mono(Codec::Pcmu))
}

fn narrow(codec: Codec, rate: u64) -> Option<Format> {
    (rate == 8_000).then(|| Format::mono(codec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sidetone_fleet::ingress::Introduction;

    fn says(media: &mut Media, frame: &Value) -> Vec<Said> {
        let mut out = Vec::new();
        media.handle_text(&frame.to_string(), &mut out);
        out
    }

    fn payload(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    fn begin(start: &Value) -> (Media, Introduction) {
        let mut media = Media::default();
        assert_eq!(
            says(
                &mut media,
                &json!({"event": "connected", "version": "1.0.0"})
            ),
            []
        );
        let mut said = says(&mut media, start);
        assert_eq!(said.len(), 1, "{said:?}");
        let Said::Here(who) = said.remove(0) else {
            panic!("nobody is here");
        };
        (media, *who)
    }

    #[test]
    fn each_vendor_is_known_by_its_first_words() {
        let twilio = json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
            "streamSid": "MZ1", "accountSid": "AC1", "callSid": "CA1",
            "tracks": ["inbound", "outbound"],
            "customParameters": {"from": "+4930123456", "agentName": "Aria"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}});
        let (media, who) = begin(&twilio);
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Twilio, "CA1")
        );
        assert_eq!(who.from.as_deref(), Some("+4930123456"));
        assert_eq!(who.agent_name.as_deref(), Some("Aria"));
        assert_eq!(media.state, State::Started(Format::ulaw(1)));
        let telnyx = json!({"event": "start", "sequence_number": "1", "stream_id": "s-1", "start": {
            "call_control_id": "v3:abc", "from": "+4930123456", "to": "+4930999999",
            "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1}}});
        let (media, who) = begin(&telnyx);
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Telnyx, "v3:abc")
        );
        assert_eq!(who.to.as_deref(), Some("+4930999999"));
        assert_eq!(media.state, State::Started(Some(Format::mono(Codec::Pcma))));
        for rate in [8_000, 16_000] {
            let mut wide = telnyx.clone();
            wide["start"]["media_format"] =
                json!({"encoding": "G722", "sample_rate": rate, "channels": 1});
            let (media, _) = begin(&wide);
            assert_eq!(media.state, State::Started(Some(Format::mono(Codec::G722))));
        }
        let plivo = json!({"event": "start", "sequenceNumber": 0, "streamId": "p-1", "start": {
            "callId": "c-1", "streamId": "p-1", "accountId": "MA1", "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000}}});
        let (media, who) = begin(&plivo);
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Plivo, "c-1")
        );
        assert_eq!(media.state, State::Started(Format::linear16(16_000, 1)));
        let exotel = json!({"event": "start", "sequence_number": "1", "stream_sid": "e-1", "start": {
            "stream_sid": "e-1", "call_sid": "x-1", "account_sid": "a-1", "from": "+919876543210",
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "16"}}});
        let (media, who) = begin(&exotel);
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Exotel, "x-1")
        );
        assert_eq!(media.state, State::Started(Format::linear16(8_000, 1)));
    }

    fn twilio() -> Media {
        let start = json!({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1"}});
        begin(&start).0
    }

    #[test]
    fn sound_has_its_party_and_its_time_however_numbers_are_written() {
        let mut media = twilio();
        for (track, timestamp, party, ticks) in [
            ("inbound", json!("5"), Party::Customer, 40),
            ("outbound", json!(20), Party::Agent, 160),
            ("inbound_track", json!("1000"), Party::Customer, 8_000),
            // none, or none that is one: it goes on where that party's last ended
            ("outbound", Value::Null, Party::Agent, 320),
            ("outbound", json!("soon"), Party::Agent, 480),
            ("outbound", json!(-7), Party::Agent, 640),
            ("outbound", json!(1e300), Party::Agent, 800),
        ] {
            let frame = json!({"event": "media", "sequenceNumber": "3", "streamSid": "MZ1",
                "media": {"track": track, "chunk": "1", "timestamp": timestamp,
                    "payload": payload(&[0x55; 160])}});
            let said = says(&mut media, &frame);
            let [Said::Sound(sound)] = said.as_slice() else {
                panic!("{said:?}");
            };
            assert_eq!((sound.party, sound.ticks), (party, Some(ticks)), "{frame}");
            assert_eq!(sound.bytes.len(), 160);
        }
    }

    #[test]
    fn a_key_is_told_of_and_not_which_and_the_end_once() {
        let mut media = twilio();
        let key = json!({"event": "dtmf", "streamSid": "MZ1", "sequenceNumber": "5",
            "dtmf": {"track": "inbound_track", "digit": "1"}});
        assert_eq!(says(&mut media, &key), [Said::Key]);
        let mark = json!({"event": "mark", "streamSid": "MZ1", "mark": {"name": "m"}});
        assert_eq!(says(&mut media, &mark), []);
        let stop = json!({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}});
        assert_eq!(says(&mut media, &stop), [Said::Over("stream_stopped")]);
        assert_eq!(says(&mut media, &stop), []);
        assert_eq!(says(&mut media, &key), []);
    }

    #[test]
    fn a_codec_that_is_not_understood_is_told_and_not_played() {
        let start = json!({"event": "start", "stream_id": "s", "start": {"call_control_id": "c",
            "media_format": {"encoding": "AMR-WB", "sample_rate": 16000}}});
        let mut media = Media::default();
        let said = says(&mut media, &start);
        assert!(
            matches!(said.as_slice(), [Said::Here(_), Said::Deaf(_)]),
            "{said:?}"
        );
        let frame =
            json!({"event": "media", "stream_id": "s", "media": {"payload": payload(&[1])}});
        assert_eq!(says(&mut media, &frame), []);
    }

    #[test]
    fn what_is_no_frame_of_theirs_changes_nothing() {
        let mut media = twilio();
        let before = format!("{media:?}");
        for text in [
            "",
            "[]",
            "null",
            r#"{"event":7}"#,
            r#"{"event":"media"}"#,
            r#"{"event":"media","media":{"payload":"not base64!"}}"#,
            r#"{"event":"media","media":{"payload":["x"]}}"#,
            r#"{"event":"start","streamSid":"again","start":{"callSid":"CA2"}}"#,
            &"[".repeat(100_000),
            &format!(r#"{{"event":{}}}"#, "[".repeat(100_000)),
        ] {
            let mut out = Vec::new();
            media.handle_text(text, &mut out);
            assert_eq!(out, [], "{}", &text[..text.len().min(80)]);
        }
        media.handle_binary(&vec![1; 1 << 20], &mut Vec::new());
        assert_eq!(format!("{media:?}"), before);
    }
}
