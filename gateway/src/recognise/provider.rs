//! What tells one who recognises speech from another.

use serde_json::Value;
use sidetone_service::dial::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sidetone_wire::{ConnectionKind, Recogniser};
use tokio_tungstenite::tungstenite::Message;

use super::{assemblyai::Assemblyai, deepgram::Deepgram, openai::Openai};

/// Characters of what was understood at once.
const TEXT_MAX: usize = 8_000;
/// Later than this nothing is said on a connection: a week, in milliseconds.
const MS_MAX: f64 = 7.0 * 24.0 * 3_600_000.0;

/// What is made of a message. Times are milliseconds of the sound that the connection got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody said this. Versions of one utterance follow each other, the final one last.
    Words(Words),
    /// Whatever was sent up to there will not be understood otherwise any more.
    Understood { until_ms: u64 },
    /// It will not go on, and why.
    Failed { why: String },
    /// It was asked to end, and has.
    Done,
}

/// See [`Heard::Words`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) is_final: bool,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    /// Ten-thousandths.
    pub(super) confidence: Option<u16>,
}

/// One connection to a provider, in its words.
pub(super) trait Provider {
    /// What is said first.
    fn opening(&self) -> Option<String> {
        None
    }

    /// Sound.
    fn sound(&self, pcm: &[i16]) -> Message;

    /// What keeps a connection open on which nothing is sent.
    fn keep_alive(&self) -> Option<&'static str> {
        None
    }

    /// What was sent is to be understood now.
    fn flush(&self) -> &'static str;

    /// Nothing more is sent; `None` where there is no word for it.
    fn close(&self) -> Option<&'static str>;

    /// Whether the text of something that was said is still to come, where nothing says that all
    /// has come.
    fn waits(&self) -> bool {
        false
    }

    /// Makes of a message what it says. Whatever it is.
    fn handle_text(&mut self, text: &str, heard: &mut Vec<Heard>);
}

/// How a provider is reached.
pub(super) struct Request {
    pub(super) url: String,
    pub(super) headers: HeaderMap,
}

/// What is to be known before a connection.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Samples a second that it takes.
    pub(crate) rate_hz: u32,
    pub(super) request: fn(&Recogniser) -> Option<Request>,
    pub(super) provider: fn(&Recogniser) -> Box<dyn Provider>,
}

/// How that vendor recognises speech; `None` for those that do not.
pub(crate) fn provider_of(kind: ConnectionKind) -> Option<Kind> {
    match kind {
        ConnectionKind::Deepgram => Some(Kind {
            rate_hz: 16_000,
            request: Deepgram::request,
            provider: |_| Box::new(Deepgram),
        }),
        ConnectionKind::Assemblyai => Some(Kind {
            rate_hz: 16_000,
            request: Assemblyai::request,
            provider: |_| Box::new(Assemblyai::default()),
        }),
        ConnectionKind::Openai => Some(Kind {
            rate_hz: 24_000,
            request: Openai::request,
            provider: |recogniser| Box::new(Openai::new(recogniser)),
        }),
        ConnectionKind::Vapi
        | ConnectionKind::Retell
        | ConnectionKind::Twilio
        | ConnectionKind::Telnyx
        | ConnectionKind::Plivo
        | ConnectionKind::Vonage
        | ConnectionKind::Exotel
        | ConnectionKind::Bland
        | ConnectionKind::Elevenlabs
        | ConnectionKind::Genesys
        | ConnectionKind::Jambonz => None,
    }
}

/// The request for an address, with the key as the provider wants it; `None` for a key that fits
/// in no header.
pub(super) fn request(
    recogniser: &Recogniser,
    path: &str,
    parameters: &[(&str, Option<&str>)],
    scheme: &str,
) -> Option<Request> {
    let mut url = format!("{}{path}", recogniser.origin.trim_end_matches('/'));
    let given = parameters
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    for (n, (name, value)) in given.filter(|(_, value)| is_word(value)).enumerate() {
        let before = if n == 0 { '?' } else { '&' };
        url.push(before);
        url.push_str(name);
        url.push('=');
        url.push_str(value);
    }
    let mut key = HeaderValue::from_str(&format!("{scheme}{}", recogniser.key.0)).ok()?;
    key.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, key);
    Some(Request { url, headers })
}

/// What may stand in a URL as it is.
fn is_word(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

/// A text of a message, as far as it is taken.
pub(super) fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default().trim();
    text.chars().take(TEXT_MAX).collect()
}

/// Milliseconds of a number of them, whatever it is.
pub(super) fn ms(value: f64) -> u64 {
    if value.is_finite() {
        value.clamp(0.0, MS_MAX).round() as u64
    } else {
        0
    }
}

/// How sure somebody is, of a number from 0 to 1.
pub(super) fn confidence(value: &Value) -> Option<u16> {
    let value = value.as_f64().filter(|value| value.is_finite())?;
    Some((value.clamp(0.0, 1.0) * 10_000.0).round() as u16)
}

/// What a provider says went wrong, for the operator: it is its own text.
pub(super) fn why(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control());
    kept.take(200).collect()
}

/// Whatever a provider sends, what is made of it is bounded and has an order.
pub(crate) fn fuzz(kind: ConnectionKind, bytes: &[u8]) {
    let recogniser = Recogniser {
        kind,
        origin: String::new(),
        key: sidetone_wire::Hidden(String::new()),
        language: None,
        model: None,
        always: false,
    };
    let Some(kind) = provider_of(kind) else {
        return;
    };
    let mut provider = (kind.provider)(&recogniser);
    let mut all = Vec::new();
    for message in bytes.split(|byte| *byte == b'\n') {
        let mut heard = Vec::new();
        provider.handle_text(&String::from_utf8_lossy(message), &mut heard);
        assert!(heard.len() <= 256, "one message says so much");
        all.append(&mut heard);
    }
    for heard in all {
        if let Heard::Words(words) = heard {
            assert!(words.from_ms <= words.to_ms, "it ends before it begins");
            assert!(words.to_ms as f64 <= MS_MAX && words.text.chars().count() <= TEXT_MAX);
            assert!(words.confidence.is_none_or(|sure| sure <= 10_000));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What is made of messages.
    pub(crate) fn heard(provider: &mut dyn Provider, messages: &[Value]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for message in messages {
            provider.handle_text(&message.to_string(), &mut heard);
        }
        heard
    }

    pub(crate) fn words(text: &str, is_final: bool, from_ms: u64, to_ms: u64) -> Heard {
        Heard::Words(Words {
            text: text.to_owned(),
            is_final,
            from_ms,
            to_ms,
            confidence: None,
        })
    }

    pub(crate) fn account(kind: ConnectionKind) -> Recogniser {
        Recogniser {
            kind,
            origin: "wss://stt.example/".to_owned(),
            key: sidetone_wire::Hidden("k".to_owned()),
            language: Some("de".to_owned()),
            model: Some("a&b=c".to_owned()),
            always: false,
        }
    }

    #[test]
    fn nothing_of_the_settings_gets_into_a_url_that_could_change_it() {
        for kind in [ConnectionKind::Deepgram, ConnectionKind::Assemblyai] {
            let recogniser = account(kind);
            let request = (provider_of(kind).unwrap().request)(&recogniser).unwrap();
            assert!(
                request.url.starts_with("wss://stt.example/v"),
                "{}",
                request.url
            );
            assert!(!request.url.contains("a&b"), "{}", request.url);
            assert!(request.headers[AUTHORIZATION].is_sensitive());
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1_000))]

        #[test]
        fn whatever_a_provider_says_costs_what_it_may(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2_048),
            picks in proptest::collection::vec((0..PIECES.len(), 0..PIECES.len()), 0..24),
        ) {
            let made: Vec<String> = picks
                .iter()
                .map(|(a, b)| PIECES[*a].replace("true", PIECES[*b]))
                .collect();
            let made = made.join("\n");
            for kind in ConnectionKind::ALL {
                fuzz(*kind, &bytes);
                fuzz(*kind, made.as_bytes());
            }
        }
    }

    /// What messages are made of, sound ones and others.
    const PIECES: [&str; 12] = [
        r#"{"type":"Results","start":1e300,"duration":-5,"is_final":true,"channel":{"alternatives":[{"transcript":"a","words":[{"start":9,"end":1}],"confidence":7}]}}"#,
        r#"{"type":"Results","start":1,"duration":2,"is_final":true,"channel":{"alternatives":[]}}"#,
        r#"{"type":"Results","channel":{"alternatives":[{"transcript":true}]}}"#,
        r#"{"type":"Metadata"}"#,
        r#"{"type":"Turn","turn_order":18446744073709551615,"end_of_turn":true,"turn_is_formatted":true,"transcript":"a","words":[{"start":true,"end":-1,"confidence":1e9}]}"#,
        r#"{"type":"Turn","turn_order":0,"transcript":"b","words":[]}"#,
        r#"{"type":"Termination"}"#,
        r#"{"type":"input_audio_buffer.speech_started","item_id":"a","audio_start_ms":1e18}"#,
        r#"{"type":"input_audio_buffer.speech_stopped","item_id":"a","audio_end_ms":-1}"#,
        r#"{"type":"conversation.item.input_audio_transcription.delta","item_id":"a","delta":"x "}"#,
        r#"{"type":"conversation.item.input_audio_transcription.completed","item_id":"b","transcript":"y"}"#,
        "{\"type\":\"error\",\"error\":true}",
    ];

    #[test]
    fn only_who_recognises_speech_is_asked_to() {
        let known = ConnectionKind::ALL.iter();
        let known = known.filter(|kind| provider_of(**kind).is_some());
        assert_eq!(known.count(), 3);
    }
}
