//! Genesys AudioHook: JSON envelopes in text frames, which ask for answers, and µ-law in binary
//! ones, the external party (the customer) and the internal one in turn.
//!
//! The sound has no timestamps, but a position that both sides count: what is sent moves it on, and
//! so does what the client says it has thrown away, or did not record while it was paused.

use serde_json::{Value, json};
use sidetone_fleet::ingress::Introduction;
use sidetone_wire::{Party, Upstream};

use super::adapter::{Adapter, Said, Sound, read, word};
use crate::source::listen::format::Format;

/// The conversation of a client that only looks whether we are there.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Samples a second.
const RATE: f64 = 8_000.0;
/// Positions beyond this are none: a year.
const LONGEST_SECONDS: f64 = 31_536_000.0;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Audiohook {
    /// The session, once it is open.
    id: Option<String>,
    /// What both sides have sent.
    seq: u64,
    client_seq: u64,
    sound: Option<(Format, Party)>,
    /// Samples so far.
    position: i64,
    over: bool,
}

impl Adapter for Audiohook {
    fn handle_text(&mut self, text: &str, out: &mut Vec<Said>) {
        if self.over {
            return;
        }
        let Some(said) = read(text) else { return };
        let (Some(kind), Some(id)) = (
            said.get("type").and_then(Value::as_str),
            word(said.get("id")),
        ) else {
            return;
        };
        self.client_seq = said.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let nothing = Value::Null;
        let told = said.get("parameters").unwrap_or(&nothing);
        match (kind, &self.id) {
            ("open", None) => self.open(id, told, out),
            (_, known) if known.as_ref() != Some(&id) => {} // of no session that there is
            ("ping", _) => out.push(self.answer("pong", &json!({}))),
            ("update", _) => out.push(self.answer("updated", &json!({}))),
            ("dtmf", _) => out.push(Said::Key),
            ("discarded", _) => self.skip(told),
            ("paused", _) => out.push(Said::Hold(true)),
            ("resumed", _) => {
                self.skip(told);
                out.push(Said::Hold(false));
            }
            ("close", _) => {
                self.over = true;
                out.push(self.answer("closed", &json!({})));
                out.push(Said::Over("stream_stopped"));
            }
            _ => {} // errors, and what was added since
        }
    }

    fn handle_binary(&mut self, bytes: &[u8], out: &mut Vec<Said>) {
        let Some((format, party)) = self.sound else {
            return;
        };
        let ticks = self.position;
        self.position += (bytes.len() / format.frame_bytes()) as i64;
        out.push(Said::Sound(Sound {
            format,
            party,
            ticks: Some(ticks),
            bytes: bytes.to_vec(),
        }));
    }
}

impl Audiohook {
    fn open(&mut self, id: String, told: &Value, out: &mut Vec<Said>) {
        let offered = told.get("media").and_then(Value::as_array);
        let offered = offered.map_or(&[][..], Vec::as_slice);
        let chosen = offered.iter().filter_map(|one| Some((one, heard(one)?)));
        // both sides, if that is to be had
        let chosen = chosen.max_by_key(|(_, (format, _))| format.channels);
        self.id = Some(id);
        let Some((media, sound)) = chosen else {
            self.over = true;
            let why = json!({"reason": "error", "info": "only PCMU at 8 kHz is heard"});
            out.push(self.answer("disconnect", &why));
            return out.push(Said::Over("stream_refused"));
        };
        let opened = json!({"startPaused": false, "media": [media]});
        out.push(self.answer("opened", &opened));
        let conversation = word(told.get("conversationId"));
        if let Some(conversation) = conversation.filter(|one| one != NOBODY) {
            self.sound = Some(sound);
            out.push(Said::Here(Box::new(who(conversation, told))));
        }
    }

    fn answer(&mut self, kind: &str, parameters: &Value) -> Said {
        self.seq += 1;
        let envelope = json!({"version": "2", "id": self.id, "type": kind, "seq": self.seq,
            "clientseq": self.client_seq, "parameters": parameters});
        Said::Reply(envelope.to_string())
    }

    /// A stretch of which no sound comes.
    fn skip(&mut self, told: &Value) {
        let seconds = |name: &str| told.get(name).and_then(Value::as_str).and_then(seconds);
        if let (Some(start), Some(lasts)) = (seconds("start"), seconds("discarded")) {
            let until = ((start + lasts) * RATE) as i64;
            self.position = self.position.max(until);
        }
    }
}

/// How an offer is heard, if it is.
fn heard(offer: &Value) -> Option<(Format, Party)> {
    let text = |name: &str| offer.get(name).and_then(Value::as_str);
    let rate = offer.get("rate").and_then(Value::as_u64);
    if text("format") != Some("PCMU") || rate != Some(8_000) {
        return None;
    }
    let channels: Vec<&str> = offer
        .get("channels")?
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let format = Format::ulaw(channels.len() as u64)?;
    match channels.as_slice() {
        ["external", "internal"] | ["external"] => Some((format, Party::Customer)),
        ["internal"] => Some((format, Party::Agent)),
        _ => None,
    }
}

fn who(conversation: String, told: &Value) -> Introduction {
    let participant = told.get("participant");
    let of = |name: &str| word(participant.and_then(|one| one.get(name)));
    Introduction {
        from: of("ani"),
        to: of("dnis"),
        customer_name: of("aniName"),
        ..Introduction::new(Upstream::Audiohook, conversation)
    }
}

/// Those of an ISO 8601 duration as AudioHook writes it: `PT1.5S`.
fn seconds(duration: &str) -> Option<f64> {
    let seconds: f64 = duration
        .strip_prefix("PT")?
        .strip_suffix('S')?
        .parse()
        .ok()?;
    (0.0..LONGEST_SECONDS).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "e160e428-53e2-487c-977d-96989bf5c99d";

    fn says(hook: &mut Audiohook, kind: &str, parameters: &Value) -> Vec<Said> {
        let mut out = Vec::new();
        let text = json!({"version": "2", "id": SESSION, "type": kind, "seq": 7, "serverseq": 0,
            "position": "PT0S", "parameters": parameters});
        hook.handle_text(&text.to_string(), &mut out);
        out
    }

    fn opening(conversation: &str) -> Value {
        let media = |format: &str, channels: &[&str]| json!({"type": "audio", "format": format, "channels": channels, "rate": 8000});
        json!({"organizationId": "o-1", "conversationId": conversation, "language": "en-US",
            "participant": {"id": "p-1", "ani": "+4930123456", "aniName": "Ada", "dnis": "+4930999999"},
            "media": [media("L16", &["external", "internal"]), media("PCMU", &["external"]),
                media("PCMU", &["external", "internal"]), media("PCMU", &["internal"])]})
    }

    fn reply(said: &Said) -> Value {
        let Said::Reply(text) = said else {
            panic!("{said:?}");
        };
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_session_is_opened_with_both_sides_in_u_law_and_closed_when_asked() {
        let mut hook = Audiohook::default();
        let said = says(&mut hook, "open", &opening("c-1"));
        let opened = reply(&said[0]);
        assert_eq!(
            (&opened["type"], &opened["seq"], &opened["clientseq"]),
            (&json!("opened"), &json!(1), &json!(7))
        );
        assert_eq!(
            opened["parameters"]["media"][0]["channels"],
            json!(["external", "internal"])
        );
        let Said::Here(who) = &said[1] else {
            panic!("{said:?}");
        };
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Audiohook, "c-1")
        );
        assert_eq!(who.customer_name.as_deref(), Some("Ada"));
        let mut out = Vec::new();
        hook.handle_binary(&[0x55; 3_200], &mut out);
        let [Said::Sound(sound)] = out.as_slice() else {
            panic!("{out:?}");
        };
        assert_eq!(
            (Some(sound.format), sound.ticks),
            (Format::ulaw(2), Some(0))
        );
        assert_eq!(hook.position, 1_600);
        let pong = reply(&says(&mut hook, "ping", &json!({"rtt": "PT0.05S"}))[0]);
        assert_eq!((&pong["type"], &pong["seq"]), (&json!("pong"), &json!(2)));
        let said = says(&mut hook, "close", &json!({"reason": "end"}));
        assert_eq!(reply(&said[0])["type"], "closed");
        assert_eq!(said[1], Said::Over("stream_stopped"));
        assert_eq!(says(&mut hook, "ping", &json!({})), []);
    }

    #[test]
    fn what_was_thrown_away_or_paused_is_time_that_passed() {
        let mut hook = Audiohook::default();
        says(&mut hook, "open", &opening("c-1"));
        hook.handle_binary(&[0x55; 1_600], &mut Vec::new());
        assert_eq!(says(&mut hook, "paused", &json!({})), [Said::Hold(true)]);
        let resumed = json!({"start": "PT0.1S", "discarded": "PT2.5S"});
        assert_eq!(says(&mut hook, "resumed", &resumed), [Said::Hold(false)]);
        assert_eq!(hook.position, 20_800);
        for nonsense in ["PT-9S", "P1Y", "PT1e300S", "PTNaNS", "", "PT1S"] {
            says(
                &mut hook,
                "discarded",
                &json!({"start": nonsense, "discarded": nonsense}),
            );
            assert_eq!(hook.position, 20_800, "{nonsense}");
        }
    }

    #[test]
    fn a_probe_is_answered_and_is_no_call() {
        let mut hook = Audiohook::default();
        let said = says(&mut hook, "open", &opening(NOBODY));
        assert_eq!(said.len(), 1);
        assert_eq!(reply(&said[0])["type"], "opened");
        let mut out = Vec::new();
        hook.handle_binary(&[0x55; 320], &mut out);
        assert_eq!(out, []);
    }

    #[test]
    fn what_cannot_be_heard_is_refused_in_words() {
        let mut hook = Audiohook::default();
        let said = says(
            &mut hook,
            "open",
            &json!({"conversationId": "c", "media": [{"format": "L16"}]}),
        );
        assert_eq!(reply(&said[0])["type"], "disconnect");
        assert_eq!(said[1], Said::Over("stream_refused"));
    }

    #[test]
    fn envelopes_of_other_sessions_change_nothing() {
        let mut hook = Audiohook::default();
        assert_eq!(says(&mut hook, "ping", &json!({})), [], "it is not open");
        says(&mut hook, "open", &opening("c-1"));
        let mut out = Vec::new();
        for text in [
            json!({"id": "another", "type": "close"}).to_string(),
            json!({"id": SESSION}).to_string(),
            json!([SESSION, "close"]).to_string(),
            "[".repeat(100_000),
        ] {
            hook.handle_text(&text, &mut out);
        }
        assert_eq!(out, []);
        assert_eq!(says(&mut hook, "open", &opening("c-2")), []);
    }
}
