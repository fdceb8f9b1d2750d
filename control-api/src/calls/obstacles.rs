//! Why something cannot be done to a call now, for people.

use std::collections::BTreeMap;

use sidetone_wire::{Call, CallStatus, Capability, Upstream};

/// What cannot be done to a call, each with why; nothing when it is over.
pub(crate) fn obstacles(call: &Call) -> BTreeMap<Capability, String> {
    if call.ended_at.is_some() {
        return BTreeMap::new();
    }
    let missing = Capability::ALL
        .iter()
        .filter(|one| !call.capabilities.contains(one));
    missing
        .map(|one| (*one, why(call, *one).to_owned()))
        .collect()
}

fn why(call: &Call, missing: Capability) -> &'static str {
    match call.upstream {
        Upstream::Livekit => in_a_room(missing),
        Upstream::Vapi => at_vapi(missing, is_early(call)),
        Upstream::Retell => at_retell(missing, is_early(call)),
        Upstream::Bland if missing == Capability::Listen => {
            "No listenUrl was given for this call: ask Bland for one and register it."
        }
        Upstream::Elevenlabs => at_elevenlabs(missing),
        Upstream::Twilio
        | Upstream::Bland
        | Upstream::Telnyx
        | Upstream::Plivo
        | Upstream::Vonage
        | Upstream::Exotel
        | Upstream::Jambonz
        | Upstream::Audiohook
        | Upstream::Audiosocket
        | Upstream::Sip
        | Upstream::Api => "Nothing can be done from here to calls of this upstream.",
    }
}

/// Nobody is in the call yet.
fn is_early(call: &Call) -> bool {
    match call.status {
        CallStatus::Connecting | CallStatus::Ringing => true,
        CallStatus::Connected
        | CallStatus::OnHold
        | CallStatus::Transferring
        | CallStatus::Ended => false,
    }
}

const EARLY: &str = "Nobody is in the call yet.";

const fn in_a_room(missing: Capability) -> &'static str {
    match missing {
        Capability::WhisperText | Capability::WhisperVoice => {
            "There is no agent in the call to whisper to."
        }
        Capability::MuteAgent => "There is no agent in the call.",
        Capability::Takeover => "There is no customer in the call to take over from.",
        Capability::MuteCustomer => "There is no customer in the call.",
        Capability::Transfer => "There is no customer in the call to transfer.",
        Capability::Dtmf => "Keys cannot be pressed from here yet.",
        Capability::Listen | Capability::Barge | Capability::HandBack | Capability::End => {
            "The call is out of reach now."
        }
    }
}

const fn at_vapi(missing: Capability, early: bool) -> &'static str {
    match missing {
        Capability::Listen => "Vapi gave no listenUrl for this call.",
        Capability::WhisperVoice => "Vapi takes no voice for its agents: write to them instead.",
        Capability::Barge => "Vapi lets nobody speak into a call: take it over instead.",
        Capability::Dtmf => "Vapi presses no keys from here.",
        Capability::WhisperText
        | Capability::Takeover
        | Capability::HandBack
        | Capability::Transfer
        | Capability::MuteAgent
        | Capability::MuteCustomer
        | Capability::End
            if early =>
        {
            EARLY
        }
        Capability::WhisperText
        | Capability::Takeover
        | Capability::HandBack
        | Capability::Transfer
        | Capability::MuteAgent
        | Capability::MuteCustomer
        | Capability::End => {
            "Vapi gave no controlUrl for this call: allow it in the assistant's monitorPlan."
        }
    }
}

const fn at_elevenlabs(missing: Capability) -> &'static str {
    match missing {
        Capability::WhisperText | Capability::End => {
            "No connection to ElevenLabs has an apiKey: add it under Connections."
        }
        Capability::Listen => "ElevenLabs lets nobody hear a live call.",
        Capability::WhisperVoice => {
            "ElevenLabs takes no voice for its agents: write to them instead."
        }
        Capability::Barge
        | Capability::Takeover
        | Capability::HandBack
        | Capability::Transfer
        | Capability::MuteAgent
        | Capability::MuteCustomer
        | Capability::Dtmf => "That cannot be done from here to calls at ElevenLabs.",
    }
}

const fn at_retell(missing: Capability, early: bool) -> &'static str {
    match missing {
        Capability::WhisperText | Capability::Takeover | Capability::End if early => EARLY,
        Capability::Listen | Capability::WhisperText | Capability::Takeover | Capability::End => {
            "No connection to Retell has an apiKey: add it under Connections."
        }
        Capability::HandBack => {
            "A takeover at Retell ends its agent for good: the call cannot be handed back."
        }
        Capability::WhisperVoice => "Retell takes no voice for its agents: write to them instead.",
        Capability::Barge => "Retell lets nobody speak into a call: take it over instead.",
        Capability::Transfer
        | Capability::MuteAgent
        | Capability::MuteCustomer
        | Capability::Dtmf => "Retell does not allow that from outside.",
    }
}
