//! Telephone numbers for those who may not see them.
//!
//! An agent sees the numbers of the calls in which they are the agent (the call's `agentId` is
//! their user id or their username); of all other numbers they see `+49•••••456`. Everybody else
//! sees them whole.
//!
//! **Invariant**: whatever an agent is answered or told has passed [`hide`]: answers in
//! [`answer`], which lies around all routes, messages in `realtime::message`, exports line by line.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};
use sidetone_wire::Role;
use tracing::error;

use crate::problem::Problem;
use crate::store::Identity;

/// Digits that make a text a telephone number; fewer are an extension or a room's number.
const DIGITS_MIN: usize = 5;
/// Digits from which on a number shows its beginning too.
const DIGITS_LONG: usize = 8;
/// What stands for the digits that are not shown, however many there are.
const HIDDEN: &str = "•••••";
/// Bytes of an answer that is looked through: more than any list of ours has.
const ANSWER_MAX: usize = 16 << 20;

/// Keys whose texts are numbers wherever they stand.
const NUMBERS: [&str; 8] = [
    "phoneNumber",
    "phone_number",
    "customerNumber",
    "customer_number",
    "callerNumber",
    "fromNumber",
    "toNumber",
    "number",
];
/// Keys whose texts are numbers in objects that speak of a call.
const PARTIES: [&str; 2] = ["from", "to"];
/// Keys of a call whose texts may contain its numbers.
const NAMES: [&str; 5] = [
    "customerName",
    "livekitRoomName",
    "upstreamCallId",
    "listenProxyUrl",
    "room",
];
/// Keys that say who a call's agent is.
const AGENTS: [&str; 2] = ["agentId", "agentConfigId"];

/// The names under which somebody is a call's agent, if they see the numbers of their own calls
/// only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) id: String,
    pub(crate) username: String,
}

impl Viewer {
    /// `None` for those who see every number.
    pub(crate) fn of(identity: &Identity) -> Option<Self> {
        match identity.role {
            Role::Admin | Role::Supervisor | Role::Auditor => None,
            Role::Agent => Some(Self {
                id: identity.user.to_string(),
                username: identity.username.clone(),
            }),
        }
    }

    fn is(&self, agent: &str) -> bool {
        agent == self.id || agent == self.username
    }

    /// Whether they are one of those agents.
    pub(crate) fn is_among(&self, agents: &HashSet<String>) -> bool {
        agents.contains(&self.id) || agents.contains(&self.username)
    }
}

/// Hides the numbers in whatever JSON, but those of calls that `viewer` has. Gives the agents of
/// the calls whose numbers were hidden.
pub(crate) fn hide(value: &mut Value, viewer: Option<&Viewer>) -> HashSet<String> {
    let mut agents = HashSet::new();
    walk(value, viewer, &mut agents);
    agents
}

fn walk(value: &mut Value, viewer: Option<&Viewer>, agents: &mut HashSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                walk(item, viewer, agents);
            }
        }
        Value::Object(fields) => {
            let agent = AGENTS
                .iter()
                .find_map(|key| fields.get(*key)?.as_str().map(str::to_owned));
            if let (Some(viewer), Some(agent)) = (viewer, &agent)
                && viewer.is(agent)
            {
                return;
            }
            hide_fields(fields);
            agents.extend(agent);
            for (_, field) in fields {
                walk(field, viewer, agents);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn hide_fields(fields: &mut Map<String, Value>) {
    let of_a_call = ["direction", "callId", "upstreamCallId"]
        .iter()
        .any(|key| fields.contains_key(*key));
    let mut numbers = Vec::new();
    let parties = PARTIES.iter().filter(|_| of_a_call);
    for key in NUMBERS.iter().chain(parties) {
        if let Some(Value::String(text)) = fields.get_mut(*key)
            && is_number(text)
        {
            let hidden = masked(text);
            numbers.push((digits(text), hidden.clone()));
            *text = hidden;
        }
    }
    if !of_a_call && numbers.is_empty() {
        return;
    }
    for key in NAMES {
        if let Some(Value::String(text)) = fields.get_mut(key) {
            for (number, hidden) in &numbers {
                if text.contains(number.as_str()) {
                    *text = text
                        .replace(&format!("+{number}"), hidden)
                        .replace(number.as_str(), hidden);
                }
            }
            // a name may be a number written in another way
            if key == "customerName" && is_number(text) {
                *text = masked(text);
            }
        }
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Whether a text is a number or an address with one: `+49 30 123456`, `sip:+4930123456@host`.
fn is_number(text: &str) -> bool {
    local(text).chars().filter(char::is_ascii_digit).count() >= DIGITS_MIN
}

/// What stands before a SIP address's host.
fn local(text: &str) -> &str {
    text.split('@').next().unwrap_or(text)
}

/// A number as others see it: `+49•••••456`; shorter ones lose their beginning too.
fn masked(text: &str) -> String {
    let local = local(text);
    let digits = digits(local);
    let plus = if local.contains('+') { "+" } else { "" };
    let (first, last) = if digits.len() >= DIGITS_LONG {
        (&digits[..2], &digits[digits.len() - 3..])
    } else {
        ("", &digits[digits.len() - 2..])
    };
    format!("{plus}{first}{HIDDEN}{last}")
}

/// Who is answered: set by whoever finds out who asks, read when the answer comes back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answered(Arc<OnceLock<Option<Viewer>>>);

impl Answered {
    pub(crate) fn is(&self, identity: &Identity) {
        // the first word counts: a request has one caller
        let _ = self.0.set(Viewer::of(identity));
    }
}

/// Says that an answer was looked through while it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hidden;

/// Hides numbers in answers to those who may not see them.
pub(crate) async fn answer(mut request: Request, next: Next) -> Response {
    let answered = Answered::default();
    request.extensions_mut().insert(answered.clone());
    let response = next.run(request).await;
    let Some(Some(viewer)) = answered.0.get() else {
        return response;
    };
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !is_json || response.extensions().get::<Hidden>().is_some() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_MAX).await else {
        error!("an answer to an agent is too long to be looked through and is kept back");
        return Problem::internal().into_response();
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    hide(&mut value, Some(viewer));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_shows_its_country_and_its_last_three_digits() {
        for (whole, shown) in [
            ("+4930123456", "+49•••••456"),
            ("+49 30 123 456", "+49•••••456"),
            ("004930123456", "00•••••456"),
            ("sip:+4930123456@trunk.example", "+49•••••456"),
            ("30123", "•••••23"),
        ] {
            assert!(is_number(whole), "{whole}");
            assert_eq!(masked(whole), shown, "{whole}");
        }
        for name in ["room-1", "1001", "Carla", "", "+49", "agent@host12345"] {
            assert!(!is_number(name), "{name}");
        }
    }

    fn viewer() -> Viewer {
        Viewer {
            id: "0190".to_owned(),
            username: "ann".to_owned(),
        }
    }

    #[test]
    fn the_numbers_of_others_calls_are_hidden_at_every_depth_and_ones_own_are_not() {
        let call = |agent: &str| {
            json!({"direction": "inbound", "from": "+4930123456", "to": "+4989654321",
                "customerName": "+49 30 123456", "livekitRoomName": "call-+4930123456_x",
                "agentId": agent, "upstreamCallId": "RM_4989654321"})
        };
        let mut value = json!({"items": [call("bob"), {"call": call("ann")}]});
        let agents = hide(&mut value, Some(&viewer()));
        assert_eq!(agents, HashSet::from(["bob".to_owned()]));
        assert_eq!(value["items"][1]["call"], call("ann"));
        let text = value["items"][0].to_string();
        assert_eq!(value["items"][0]["from"], "+49•••••456");
        for number in ["30123456", "89654321", "30 123456"] {
            assert!(!text.contains(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        let mut value = json!({"from": "2025-10-30T12:00:00.000Z", "to": "2025-10-31T12:00:00.000Z",
            "number": 12345, "period_hours": 24, "customerName": "Carla"});
        let before = value.clone();
        hide(&mut value, None);
        assert_eq!(value, before);
    }

    #[test]
    fn whatever_a_number_looks_like_its_middle_is_not_shown() {
        use proptest::prelude::*;
        proptest!(|(number in "\\+?[0-9]{8,15}")| {
            let mut value = json!({"phoneNumber": number});
            hide(&mut value, None);
            let shown = value["phoneNumber"].as_str().expect("a text");
            let kept = shown.chars().filter(char::is_ascii_digit).count();
            prop_assert_eq!(kept, 5);
        });
    }
}
