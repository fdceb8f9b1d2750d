//! What each provider is told, and how it tells.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sidetone_codec::pcm;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::Provider;
use super::ear::{Ear, Spoken};

/// What is answered.
pub(super) enum Answer {
    Say(Value),
    Close(u16, &'static str),
}

/// What a client did since it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) sound_ms: u64,
    pub(super) kept_alive: usize,
    pub(super) ended: usize,
    pub(super) understood: Vec<(String, u64, u64)>,
    pub(super) faults: Vec<String>,
}

/// One connection's side of the conversation.
pub(super) struct Dialect {
    provider: Provider,
    ear: Ear,
    done: Done,
    /// OpenAI: the session was set up.
    ready: bool,
    /// The client said that nothing more comes.
    over: bool,
    heard_ms: u64,
    turns: u64,
}

/// Whether a client is let in.
pub(super) fn judge(provider: Provider, request: &Request, key: &str) -> Result<(), StatusCode> {
    let shown = request.headers().get("authorization");
    let shown = shown
        .and_then(|shown| shown.to_str().ok())
        .unwrap_or_default();
    let (path, wanted, parameters): (_, _, &[&str]) = match provider {
        Provider::Deepgram => (
            "/v1/listen",
            format!("Token {key}"),
            &["encoding=linear16", "sample_rate=16000", "channels=1"],
        ),
        Provider::Assemblyai => (
            "/v3/ws",
            key.to_owned(),
            &[
                "encoding=pcm_s16le",
                "sample_rate=16000",
                "format_turns=true",
            ],
        ),
        Provider::Openai => (
            "/v1/realtime",
            format!("Bearer {key}"),
            &["intent=transcription"],
        ),
    };
    if request.uri().path() != path {
        return Err(StatusCode::NOT_FOUND);
    }
    if shown != wanted {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let query = request.uri().query().unwrap_or_default();
    let given: Vec<&str> = query.split('&').collect();
    if parameters.iter().all(|wanted| given.contains(wanted)) {
        Ok(())
    } else {
        Err(StatusCode::BAD_REQUEST)
    }
}

impl Dialect {
    pub(super) fn new(provider: Provider, words: Vec<(u32, String)>) -> Self {
        let rate_hz = match provider {
            Provider::Deepgram | Provider::Assemblyai => 16_000,
            Provider::Openai => 24_000,
        };
        Self {
            provider,
            ear: Ear::new(rate_hz, words),
            done: Done::default(),
            ready: false,
            over: false,
            heard_ms: 0,
            turns: 0,
        }
    }

    /// What the client did since this was last asked.
    pub(super) fn take_done(&mut self) -> Done {
        std::mem::take(&mut self.done)
    }

    /// What is said first.
    pub(super) fn greeting(&self) -> Vec<Answer> {
        let greeting = match self.provider {
            Provider::Deepgram => return Vec::new(),
            Provider::Assemblyai => json!({"type": "Begin", "id": "sim", "expires_at": 0}),
            Provider::Openai => json!({"type": "session.created", "session": {}}),
        };
        vec![Answer::Say(greeting)]
    }

    /// What a message is answered with.
    pub(super) fn take(&mut self, message: &Message) -> Vec<Answer> {
        match message {
            Message::Binary(bytes) if self.provider != Provider::Openai => self.sound(bytes),
            Message::Text(text) => match serde_json::from_str(text) {
                Ok(value) => self.command(&value),
                Err(_) => self.fault("a text that is no JSON"),
            },
            Message::Binary(_) => self.fault("sound in a binary message"),
            Message::Close(_) if self.provider == Provider::Openai => {
                // it has no other word for the end
                self.done.ended += 1;
                Vec::new()
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                Vec::new()
            }
        }
    }

    fn fault(&mut self, what: &str) -> Vec<Answer> {
        self.done.faults.push(what.to_owned());
        let code = match self.provider {
            Provider::Deepgram => 1008,
            Provider::Assemblyai => 3007,
            Provider::Openai => {
                let error = json!({"type": "error", "error":
                    {"type": "invalid_request_error", "code": "invalid", "message": what}});
                return vec![Answer::Say(error)];
            }
        };
        vec![Answer::Close(code, "it is not as the protocol says")]
    }

    fn sound(&mut self, bytes: &[u8]) -> Vec<Answer> {
        if self.over {
            return self.fault("sound after the end");
        }
        let sound = pcm::from_bytes(bytes);
        if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
            return self.fault("sound that is no whole number of samples");
        }
        let rate_per_ms = if self.provider == Provider::Openai {
            24
        } else {
            16
        };
        let ms = sound.len() as u64 / rate_per_ms;
        if self.provider == Provider::Assemblyai && !(50..=1_000).contains(&ms) {
            return self.fault("sound that is not between 50 and 1000 ms");
        }
        self.heard_ms += ms;
        self.done.sound_ms += ms;
        let spoken = self.ear.hear(&sound);
        self.say_all(spoken)
    }

    fn say_all(&mut self, spoken: Vec<Spoken>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for one in spoken {
            if one.is_final && !one.text.is_empty() {
                let understood = (one.text.clone(), one.from_ms, one.to_ms);
                self.done.understood.push(understood);
            }
            answers.extend(self.say(&one).into_iter().map(Answer::Say));
        }
        answers
    }

    fn flush(&mut self) -> Vec<Answer> {
        let spoken = self.ear.flush().into_iter().collect();
        self.say_all(spoken)
    }

    fn end(&mut self, last: Value) -> Vec<Answer> {
        let mut answers = self.flush();
        answers.push(Answer::Say(last));
        answers.push(Answer::Close(1000, "the end"));
        self.over = true;
        self.done.ended += 1;
        answers
    }

    fn command(&mut self, command: &Value) -> Vec<Answer> {
        let heard_s = self.heard_ms as f64 / 1_000.0;
        match (self.provider, command["type"].as_str()) {
            (Provider::Deepgram, Some("KeepAlive")) => {
                self.done.kept_alive += 1;
                Vec::new()
            }
            (Provider::Deepgram, Some("Finalize"))
            | (Provider::Assemblyai, Some("ForceEndpoint")) => self.flush(),
            (Provider::Deepgram, Some("CloseStream")) => {
                self.end(json!({"type": "Metadata", "duration": heard_s, "channels": 1}))
            }
            (Provider::Assemblyai, Some("Terminate")) => self.end(json!({"type": "Termination",
                "audio_duration_seconds": heard_s, "session_duration_seconds": heard_s})),
            (Provider::Openai, Some("session.update")) => {
                let input = &command["session"]["audio"]["input"];
                if input["format"] != json!({"type": "audio/pcm", "rate": 24_000}) {
                    return self.fault("a session whose sound is not PCM of 24 kHz");
                }
                self.ready = true;
                vec![Answer::Say(
                    json!({"type": "session.updated", "session": {}}),
                )]
            }
            (Provider::Openai, Some("input_audio_buffer.append")) if self.ready => {
                match STANDARD.decode(command["audio"].as_str().unwrap_or_default()) {
                    Ok(bytes) => self.sound(&bytes),
                    Err(_) => self.fault("sound that is no base64"),
                }
            }
            (Provider::Openai, Some("input_audio_buffer.commit")) if self.ready => {
                let answers = self.flush();
                if answers.is_empty() {
                    return vec![Answer::Say(json!({"type": "error", "error": {
                        "type": "invalid_request_error", "message": "buffer too small",
                        "code": "input_audio_buffer_commit_empty"}}))];
                }
                answers
            }
            (_, other) => {
                let what = format!("a message of the type {other:?}");
                self.fault(&what)
            }
        }
    }

    fn say(&mut self, spoken: &Spoken) -> Vec<Value> {
        let Spoken {
            text,
            from_ms,
            to_ms,
            is_final,
            begins,
        } = spoken;
        let (from_s, to_s) = (*from_ms as f64 / 1_000.0, *to_ms as f64 / 1_000.0);
        match self.provider {
            Provider::Deepgram => {
                let words = if text.is_empty() {
                    json!([])
                } else {
                    json!([{"word": text, "start": from_s, "end": to_s, "confidence": 0.99}])
                };
                vec![
                    json!({"type": "Results", "channel_index": [0, 1], "start": from_s,
                    "duration": to_s - from_s, "is_final": is_final, "speech_final": is_final,
                    "channel": {"alternatives": [
                        {"transcript": text, "confidence": 0.99, "words": words}]}}),
                ]
            }
            Provider::Assemblyai | Provider::Openai if text.is_empty() => Vec::new(),
            Provider::Assemblyai => {
                let turn = self.turns;
                let version = |text: &str, formatted: bool| {
                    json!({"type": "Turn", "turn_order": turn, "turn_is_formatted": formatted,
                        "end_of_turn": is_final, "transcript": text, "words": [{"text": text,
                        "start": from_ms, "end": to_ms, "confidence": 0.99,
                        "word_is_final": is_final}]})
                };
                if !is_final {
                    return vec![version(text, false)];
                }
                self.turns += 1;
                vec![version(&text.to_lowercase(), false), version(text, true)]
            }
            Provider::Openai => {
                let item = format!("item_{}", self.turns);
                let event = |name: &str, more: Value| {
                    let mut event = json!({"type": name, "item_id": item});
                    if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
                        event.extend(more.clone());
                    }
                    event
                };
                let mut events = Vec::new();
                if *begins {
                    let name = "input_audio_buffer.speech_started";
                    events.push(event(name, json!({"audio_start_ms": from_ms})));
                }
                let name = "conversation.item.input_audio_transcription.delta";
                if !is_final {
                    events.push(event(name, json!({"content_index": 0, "delta": text})));
                    return events;
                }
                let stopped = "input_audio_buffer.speech_stopped";
                events.push(event(stopped, json!({"audio_end_ms": to_ms})));
                events.push(event("input_audio_buffer.committed", json!({})));
                let name = "conversation.item.input_audio_transcription.completed";
                events.push(event(name, json!({"content_index": 0, "transcript": text})));
                self.turns += 1;
                events
            }
        }
    }
}
