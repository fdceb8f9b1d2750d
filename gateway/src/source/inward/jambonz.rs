//! jambonz' `listen`, and FreeSWITCH's mod_audio_fork, which it stands on: the first text says what
//! call it is and how its sound is written, binary frames are 16-bit samples of one channel, or of
//! the caller and the other side in turn. Later texts tell of keys.

use serde_json::Value;
use sidetone_fleet::ingress::Introduction;
use sidetone_wire::{Direction, Upstream};

use super::adapter::{Adapter, Said, Sound, id_of, introduction, read, word};
use crate::source::listen::format::Format;

/// What it asks for.
pub(super) const PROTOCOLS: &[&str] = &["audio.jambonz.org", "audio.drachtio.org"];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Jambonz {
    begun: bool,
    format: Option<Format>,
}

impl Adapter for Jambonz {
    fn handle_text(&mut self, text: &str, out: &mut Vec<Said>) {
        let Some(said) = read(text) else { return };
        if !said.is_object() {
            return;
        }
        if self.begun {
            let event = said.get("event").or(said.get("type"));
            let is_key =
                event.and_then(Value::as_str) == Some("dtmf") || said.get("dtmf").is_some();
            if is_key {
                out.push(Said::Key);
            }
            return;
        }
        self.begun = true;
        let rate = word(said.get("sampleRate")).map_or(Some(8_000), |rate| rate.parse().ok());
        let stereo = said.get("mixType").and_then(Value::as_str) == Some("stereo");
        self.format = rate.and_then(|rate| Format::linear16(rate, 1 + u64::from(stereo)));
        out.push(Said::Here(Box::new(who(&said))));
        if self.format.is_none() {
            out.push(Said::Deaf("the stream is in a rate that is not understood"));
        }
    }

    fn handle_binary(&mut self, bytes: &[u8], out: &mut Vec<Said>) {
        let Some(format) = self.format else { return };
        out.push(Said::Sound(Sound::counted(format, bytes.to_vec())));
    }
}

fn who(said: &Value) -> Introduction {
    let names = ["callSid", "call_sid", "uuid", "callId"];
    let direction = match said.get("direction").and_then(Value::as_str) {
        Some("inbound") => Some(Direction::Inbound),
        Some("outbound") => Some(Direction::Outbound),
        Some(_) | None => None,
    };
    let id = id_of(said, &names);
    let who = introduction(Upstream::Jambonz, id, said, said.get("metadata"));
    let caller = word(said.get("callerName")).filter(|_| direction != Some(Direction::Outbound));
    Introduction {
        direction,
        customer_name: who.customer_name.clone().or(caller),
        ..who
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn says(jambonz: &mut Jambonz, text: &Value) -> Vec<Said> {
        let mut out = Vec::new();
        jambonz.handle_text(&text.to_string(), &mut out);
        out
    }

    #[test]
    fn the_first_text_says_what_call_it_is_and_later_ones_tell_of_keys() {
        let mut jambonz = Jambonz::default();
        let first = json!({"callSid": "c-1", "direction": "outbound", "from": "+492", "to": "+491",
            "callerName": "Ada", "sampleRate": 16000, "mixType": "stereo"});
        let said = says(&mut jambonz, &first);
        let [Said::Here(who)] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!(
            (who.upstream, &*who.upstream_call_id),
            (Upstream::Jambonz, "c-1")
        );
        assert_eq!(who.direction, Some(Direction::Outbound));
        assert_eq!(who.customer_name, None, "that is who calls, and we do");
        let mut out = Vec::new();
        jambonz.handle_binary(&[0; 1_280], &mut out);
        let [Said::Sound(sound)] = out.as_slice() else {
            panic!("{out:?}");
        };
        assert_eq!(Some(sound.format), Format::linear16(16_000, 2));
        for key in [
            json!({"event": "dtmf", "dtmf": "1", "duration": "1600"}),
            json!({"dtmf": "1"}),
        ] {
            assert_eq!(says(&mut jambonz, &key), [Said::Key]);
        }
        assert_eq!(says(&mut jambonz, &json!({"event": "final"})), []);
        assert_eq!(says(&mut jambonz, &first), []);
    }

    #[test]
    fn a_fork_that_says_nothing_of_itself_is_one_channel_of_8_khz() {
        let mut jambonz = Jambonz::default();
        assert!(matches!(
            says(&mut jambonz, &json!({})).as_slice(),
            [Said::Here(_)]
        ));
        assert_eq!(jambonz.format, Format::linear16(8_000, 1));
        let mut odd = Jambonz::default();
        let said = says(&mut odd, &json!({"sampleRate": 7}));
        assert!(matches!(said.as_slice(), [Said::Here(_), Said::Deaf(_)]));
    }
}
