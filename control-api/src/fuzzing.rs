//! What the fuzz targets run, and the tests with the corpus: each function takes any bytes and
//! panics where a promise about vendors' webhooks is broken.

use axum::http::{HeaderMap, HeaderValue};
use sidetone_wire::{Timestamp, WebhookAuth};

use crate::calls::{CallUpdate, Rows, State, subtitles, transcript};
use crate::inbound::signature::{RETELL_HEADER, Signed, Verifier};
use crate::inbound::{Message, retell, vapi};

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 4] = [
    ("webhook_vapi", webhook_vapi),
    ("webhook_retell", webhook_retell),
    ("monitor_retell", monitor_retell),
    ("webhook_signature", webhook_signature),
];

const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

/// Whatever Vapi sends is read or refused, and what is read can be kept and told.
pub fn webhook_vapi(bytes: &[u8]) {
    if let Ok(message) = vapi::read(bytes, NOW) {
        keeps(&message);
    }
}

/// Whatever Retell sends is read or refused, and what is read can be kept and told.
pub fn webhook_retell(bytes: &[u8]) {
    if let Ok(message) = retell::read(bytes, NOW) {
        keeps(&message);
    }
}

/// Whatever Retell's monitor socket says, a message in each line, is bounded, and what is made of
/// it can be kept and told.
pub fn monitor_retell(bytes: &[u8]) {
    let mut monitor = retell::Monitor::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        if let Some(update) = monitor.handle(line, NOW) {
            keeps_update(&update);
        }
        assert!(monitor.is_bounded());
    }
}

/// The first line is a signature, the rest a body: nothing fits a secret that nobody knows.
pub fn webhook_signature(bytes: &[u8]) {
    let line = bytes
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(bytes.len());
    let (shown, body) = bytes.split_at(line);
    let Ok(shown) = HeaderValue::from_bytes(shown) else {
        return;
    };
    for scheme in ["vapi_secret", "bearer", "oauth2", "hmac", "retell"] {
        let auth = format!("{{\"scheme\":\"{scheme}\"}}");
        let auth: WebhookAuth = serde_json::from_str(&auth).expect("it is a scheme");
        let names = [
            "x-vapi-secret",
            "authorization",
            "x-signature",
            "x-timestamp",
            RETELL_HEADER,
        ];
        let headers: HeaderMap = names
            .into_iter()
            .map(|name| (axum::http::HeaderName::from_static(name), shown.clone()))
            .collect();
        let signed = Signed {
            url: "",
            headers: &headers,
            body,
            now: NOW,
        };
        let verifier = Verifier::new(auth, "9e1f6c63-not-in-any-corpus".into());
        assert!(verifier.verify(signed).is_none());
    }
}

fn keeps(message: &Message) {
    if let Some((_, update)) = &message.call {
        keeps_update(update);
    }
}

fn keeps_update(update: &CallUpdate) {
    let (mut state, mut rows) = (State::default(), Rows::default());
    state.absorb(update, &mut rows);
    let (former, kept) = (state.clone(), rows.put.len());
    state.absorb(update, &mut rows);
    assert_eq!((&state, rows.put.len()), (&former, kept), "the same again");
    let text = serde_json::to_string(&state).expect("it is plain data");
    assert!(!text.contains("\\u0000"), "no database keeps that");
    let again: State = serde_json::from_str(&text).expect("it was written by us");
    assert_eq!(again, state);
    let segments = transcript::arrange(rows.put.into_values().collect(), state.started_at());
    let vtt = subtitles::vtt(&segments);
    assert_eq!(vtt.matches("-->").count(), segments.len());
    let srt = subtitles::srt(&segments);
    assert_eq!(srt.matches("-->").count(), segments.len());
}
