//! What is a vendor's own: what its frames say.

use serde_json::Value;
use sidetone_fleet::ingress::Introduction;
use sidetone_service::random;
use sidetone_wire::{Party, Upstream};

use super::audiohook::Audiohook;
use super::audiosocket::Audiosocket;
use super::jambonz::{self, Jambonz};
use super::media::Media;
use super::vonage::Vonage;
use crate::source::listen::format::Format;

/// Texts are read up to here; longer ones are about something else.
const TEXT_BYTES: usize = 64 * 1024;

/// Sound of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sound {
    /// Two channels are customer and agent.
    pub(crate) format: Format,
    /// Whose it is, if it has one channel. Where everybody is on it, it is the customer's.
    pub(crate) party: Party,
    /// When its first sample was spoken, in samples since the stream's start; `None` where the
    /// vendor does not say and the count of samples is all there is.
    pub(crate) ticks: Option<i64>,
    pub(crate) bytes: Vec<u8>,
}

impl Sound {
    /// Sound of everybody whose vendor says no time: the count of its samples is all there is.
    pub(super) fn counted(format: Format, bytes: Vec<u8>) -> Self {
        Self {
            format,
            party: Party::Customer,
            ticks: None,
            bytes,
        }
    }
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// Which call it is. Said once, before there is sound.
    Here(Box<Introduction>),
    Sound(Sound),
    /// Somebody pressed a key. Which one is nobody's business.
    Key,
    /// What the vendor waits for: a text.
    Reply(String),
    /// No sound comes for now, and that is as it should be; or it does again.
    Hold(bool),
    /// The stream is over, and why, as an end's code.
    Over(&'static str),
    /// It cannot be heard, and why.
    Deaf(&'static str),
}

/// A vendor's frames, without a clock or a socket: a plain state machine.
pub(crate) trait Adapter: Send {
    /// A text frame.
    fn handle_text(&mut self, text: &str, out: &mut Vec<Said>);
    /// Any other frame.
    fn handle_binary(&mut self, bytes: &[u8], out: &mut Vec<Said>);
    /// What it holds of frames that are not whole yet.
    fn held_bytes(&self) -> usize {
        0
    }
}

/// Vendors whose streams come to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Twilio and those that do as it does, and Vonage: told apart by their first words.
    Media,
    /// jambonz, and whoever else forks audio so.
    Jambonz,
    /// Genesys AudioHook.
    Audiohook,
    /// Asterisk's AudioSocket, which has a listener of its own.
    Audiosocket,
}

impl Family {
    /// The family that has a vendor's address: the word in its path.
    pub(crate) fn of(vendor: &str) -> Option<Self> {
        match vendor {
            "twilio" | "telnyx" | "plivo" | "exotel" | "vonage" => Some(Self::Media),
            "jambonz" => Some(Self::Jambonz),
            _ => None,
        }
    }

    /// The subprotocols that it asks for.
    pub(crate) const fn protocols(self) -> &'static [&'static str] {
        match self {
            Self::Media | Self::Audiohook | Self::Audiosocket => &[],
            Self::Jambonz => jambonz::PROTOCOLS,
        }
    }
}

/// What understands a family.
pub(crate) fn adapter(family: Family) -> Box<dyn Adapter> {
    match family {
        Family::Media => Box::new(Guess {
            candidates: vec![Box::<Media>::default(), Box::<Vonage>::default()],
        }),
        Family::Jambonz => Box::<Jambonz>::default(),
        Family::Audiohook => Box::<Audiohook>::default(),
        Family::Audiosocket => Box::<Audiosocket>::default(),
    }
}

/// Whoever understands the first words first is the one.
struct Guess {
    /// One, once it is known.
    candidates: Vec<Box<dyn Adapter>>,
}

impl Adapter for Guess {
    fn handle_text(&mut self, text: &str, out: &mut Vec<Said>) {
        let mut chosen = None;
        for (n, candidate) in self.candidates.iter_mut().enumerate() {
            candidate.handle_text(text, out);
            if out.iter().any(|said| matches!(said, Said::Here(_))) {
                chosen = Some(n);
                break;
            }
        }
        if let Some(chosen) = chosen {
            self.candidates = vec![self.candidates.swap_remove(chosen)];
        }
    }

    fn handle_binary(&mut self, bytes: &[u8], out: &mut Vec<Said>) {
        for candidate in &mut self.candidates {
            candidate.handle_binary(bytes, out);
        }
    }
}

/// What a text says; longer ones than [`TEXT_BYTES`], and those that are no JSON, say nothing.
pub(super) fn read(text: &str) -> Option<Value> {
    let short = Some(text).filter(|text| text.len() <= TEXT_BYTES)?;
    serde_json::from_str(short).ok()
}

/// What a vendor tells of a call, in itself or in what whoever made the stream added.
pub(super) fn introduction(
    upstream: Upstream,
    id: String,
    told: &Value,
    added: Option<&Value>,
) -> Introduction {
    let find = |names: &[&str]| {
        let own = names.iter().find_map(|name| word(told.get(name)));
        own.or_else(|| {
            let added = added?;
            names.iter().find_map(|name| word(added.get(name)))
        })
    };
    Introduction {
        from: find(&["from", "From", "caller"]),
        to: find(&["to", "To", "called"]),
        customer_name: find(&["customerName", "customer_name"]),
        agent_id: find(&["agentId", "agent_id"]),
        agent_name: find(&["agentName", "agent_name"]),
        ..Introduction::new(upstream, id)
    }
}

/// A call's id, under the first of the names that has one; one of ours where the vendor does not
/// say which it is.
pub(super) fn id_of(told: &Value, names: &[&str]) -> String {
    let id = names.iter().find_map(|name| word(told.get(name)));
    id.unwrap_or_else(random::token)
}

/// A text that a vendor sent for a name, number or id; what is none is nothing.
pub(super) fn word(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.as_u64()?.to_string(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(256).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
