//! What Retell answers whoever may hear a call: where its room is, and the way in.

use std::fmt;

use serde::Deserialize;

/// The server of Retell's rooms, where an answer names none: that of Retell's own client.
const SERVER: &str = "wss://retell-ai-4ihahnq7.livekit.cloud";
/// The longest way in: a token is some hundreds of characters.
const TOKEN_CHARS: usize = 16 * 1024;
/// The longest name of a listener.
const LISTENER_CHARS: usize = 256;

/// A way into a room. Is printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// The room's server.
    pub(crate) url: String,
    pub(crate) token: String,
    /// Who we are there.
    pub(crate) listener: String,
    /// From then on the token lets nobody in, in milliseconds since 1970.
    pub(crate) expires_ms: Option<i64>,
}

/// Why an answer is no way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    Unreadable,
    Transport,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "its answer cannot be read",
            Self::Transport => {
                "it carries this call in a way that it documents nowhere, not in a LiveKit room"
            }
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    transport: Option<String>,
    url: Option<String>,
    access_token: String,
    participant_id: String,
    expires_at: Option<f64>,
}

impl Invitation {
    /// Reads the answer to `POST /v2/listen-live-call`.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Unusable> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_| Unusable::Unreadable)?;
        // older answers name none
        if answer.transport.is_some_and(|word| word != "livekit") {
            return Err(Unusable::Transport);
        }
        let fits = |text: &str, chars| {
            let printable = |byte: u8| byte.is_ascii_graphic();
            (1..=chars).contains(&text.len()) && text.bytes().all(printable)
        };
        let (token, listener) = (answer.access_token, answer.participant_id);
        if !fits(&token, TOKEN_CHARS) || !fits(&listener, LISTENER_CHARS) {
            return Err(Unusable::Unreadable);
        }
        let url = answer.url.filter(|url| !url.is_empty());
        let url = url.as_deref().unwrap_or(SERVER);
        Ok(Self {
            url: crate::websocket_url(url),
            token,
            listener,
            expires_ms: answer.expires_at.map(|ms| ms as i64),
        })
    }

    /// Whether the token lets nobody in any more.
    pub(crate) fn is_over(&self, wall_ms: i64) -> bool {
        self.expires_ms.is_some_and(|at| at <= wall_ms)
    }
}

/// What the fuzz target runs.
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(read) = Invitation::read(bytes) {
        assert!(read.url.len() <= bytes.len().max(SERVER.len()) + "wss".len());
        assert!(!read.token.is_empty() && read.token.len() <= TOKEN_CHARS);
        assert!(!read.listener.is_empty() && read.listener.len() <= LISTENER_CHARS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(answer: &Value) -> Result<Invitation, Unusable> {
        Invitation::read(answer.to_string().as_bytes())
    }

    #[test]
    fn an_answer_without_a_transport_or_a_server_is_for_retells_own_livekit() {
        let answer = json!({"access_token": "a.b.c", "room_name": "r", "participant_id": "listener_1",
            "expires_at": 1_790_000_000_000_i64, "ice_servers": [], "new": {"a": 1}});
        let way = read(&answer).unwrap();
        assert_eq!(way.url, SERVER);
        assert_eq!(
            (way.token.as_str(), way.listener.as_str()),
            ("a.b.c", "listener_1")
        );
        assert!(!way.is_over(1_789_999_999_999) && way.is_over(1_790_000_000_000));
        let there = json!({"transport": "livekit", "url": "https://rtc.retellai.com", "access_token": "t",
            "participant_id": "listener_1"});
        let way = read(&there).unwrap();
        assert_eq!(way.url, "wss://rtc.retellai.com");
        assert!(!way.is_over(i64::MAX), "it says nothing of an end");
    }

    #[test]
    fn what_is_no_way_in_is_none() {
        let other = json!({"transport": "gateway", "gateway_ip": "10.0.0.1", "access_token": "t",
            "participant_id": "listener_1"});
        assert_eq!(read(&other).err(), Some(Unusable::Transport));
        for odd in [
            json!({}),
            json!([]),
            json!({"access_token": "", "participant_id": "listener_1"}),
            json!({"access_token": "a b", "participant_id": "listener_1"}),
            json!({"access_token": "t\r\nx: y", "participant_id": "listener_1"}),
            json!({"access_token": "t", "participant_id": 1}),
            json!({"access_token": "t".repeat(TOKEN_CHARS + 1), "participant_id": "listener_1"}),
        ] {
            assert_eq!(read(&odd).err(), Some(Unusable::Unreadable), "{odd}");
        }
    }
}
