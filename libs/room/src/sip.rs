//! The server's SIP API: telephones are rung into rooms, and callers sent elsewhere.
//!
//! Both answer when it is decided: somebody has answered there, or will not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::service::{Refused, http_url};
use crate::token::{Credentials, Token, TokenError};

/// The server's answer may take so much longer than the ringing.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// A telephone to be rung into a room.
#[derive(Debug, Clone, Copy)]
pub struct Ring<'a> {
    /// The outbound trunk.
    pub trunk: &'a str,
    /// The number.
    pub number: &'a str,
    /// The room.
    pub room: &'a str,
    /// Who it is there.
    pub identity: &'a str,
    /// What people in the room see.
    pub name: &'a str,
}

/// Why nobody answered there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The telephone, or its network, said no: the status of SIP.
    #[error("the other side declined (SIP {status})")]
    Declined {
        /// For example 486: busy.
        status: u16,
    },
    /// It rang in vain.
    #[error("nobody answered")]
    Unanswered,
    /// Whoever was to be sent elsewhere is not on the telephone any more.
    #[error("there is no such telephone in the room any more")]
    Gone,
    /// The server has no SIP service, or no such trunk.
    #[error("LiveKit has no SIP service for it: {0}")]
    Missing(String),
    /// The server cannot be asked.
    #[error("LiveKit's SIP API does not answer: {0}")]
    Unreachable(String),
}

/// A client of the server's SIP API.
#[derive(Debug)]
pub struct SipService {
    url: String,
    http: reqwest::Client,
    credentials: Credentials,
}

impl SipService {
    /// For the server at `url` (`ws`, `wss`, `http` or `https`).
    pub fn new(url: &str, credentials: &Credentials) -> Self {
        Self {
            url: http_url(url),
            http: crate::tls::client(),
            credentials: credentials.clone(),
        }
    }

    /// Rings a telephone, for so long at most, and gives an answer when somebody answers it.
    pub async fn ring(&self, ring: &Ring<'_>, within: Duration) -> Result<(), Error> {
        let asked = json!({
            "sip_trunk_id": ring.trunk,
            "sip_call_to": ring.number,
            "room_name": ring.room,
            "participant_identity": ring.identity,
            "participant_name": ring.name,
            "hide_phone_number": true,
            "play_dialtone": true,
            "wait_until_answered": true,
            "ringing_timeout": seconds(within),
        });
        let token = Token::telephonist(None);
        self.ask("CreateSIPParticipant", token, &asked, within)
            .await
    }

    /// Has a caller's telephone call another one, which rings for so long at most. The caller
    /// leaves the room when that one has answered, and stays otherwise.
    pub async fn refer(
        &self,
        room: &str,
        identity: &str,
        to: &str,
        within: Duration,
    ) -> Result<(), Error> {
        let asked = json!({
            "room_name": room,
            "participant_identity": identity,
            "transfer_to": to,
            "play_dialtone": true,
            "ringing_timeout": seconds(within),
        });
        let token = Token::telephonist(Some(room));
        self.ask("TransferSIPParticipant", token, &asked, within)
            .await
    }

    async fn ask(
        &self,
        method: &str,
        token: Token,
        asked: &Value,
        within: Duration,
    ) -> Result<(), Error> {
        let token = token.sign(&self.credentials);
        let token = token.map_err(|error: TokenError| Error::Unreachable(error.to_string()))?;
        let url = format!("{}/twirp/livekit.SIP/{method}", self.url);
        let request = self.http.post(url).bearer_auth(token).json(asked);
        let answer = request.timeout(within + ON_THE_WAY).send().await;
        let answer = answer.map_err(|error| lost(&error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| lost(&error))?;
        Err(refused(status, &text))
    }
}

fn lost(error: &reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::Unanswered;
    }
    // its text has no token, and no number either
    Error::Unreachable(if error.is_connect() {
        "it cannot be reached".to_owned()
    } else {
        "the connection was lost".to_owned()
    })
}

/// Statuses that say that it rang in vain.
const IN_VAIN: [u16; 3] = [408, 480, 487];

fn refused(status: u16, text: &str) -> Error {
    let Ok(refused) = serde_json::from_str::<Refused>(text) else {
        return Error::Unreachable(format!("status {status}"));
    };
    let status = refused.meta.get("sip_status_code");
    if let Some(status) = status.and_then(|status| status.parse().ok()) {
        return if IN_VAIN.contains(&status) {
            Error::Unanswered
        } else {
            Error::Declined { status }
        };
    }
    match refused.code.as_str() {
        "deadline_exceeded" | "canceled" => Error::Unanswered,
        "not_found" if refused.msg.contains("trunk") => Error::Missing(refused.msg),
        "not_found" => Error::Gone,
        // without Redis, or without livekit-sip behind it
        "internal" if refused.msg.contains("sip not connected") => Error::Missing(refused.msg),
        "unavailable" | "bad_route" | "unimplemented" => Error::Missing(refused.msg),
        code => Error::Unreachable(format!("{code}: {}", refused.msg)),
    }
}

/// As the JSON of protocol buffers has a time.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_why_nobody_answered() {
        let status = |code: u16| {
            json!({"code": "unavailable", "msg": "sip", "meta":
                {"sip_status_code": code.to_string(), "sip_status": "x"}})
        };
        let plain = |code: &str, msg: &str| json!({"code": code, "msg": msg});
        for (body, expected) in [
            (status(486), Error::Declined { status: 486 }),
            (status(603), Error::Declined { status: 603 }),
            (status(408), Error::Unanswered),
            (plain("deadline_exceeded", "x"), Error::Unanswered),
            (plain("not_found", "participant"), Error::Gone),
            (
                plain("not_found", "sip trunk not found"),
                Error::Missing("sip trunk not found".into()),
            ),
            (
                plain("internal", "sip not connected (redis required)"),
                Error::Missing("sip not connected (redis required)".into()),
            ),
            (
                plain("permission_denied", "no"),
                Error::Unreachable("permission_denied: no".into()),
            ),
        ] {
            assert_eq!(refused(500, &body.to_string()), expected, "{body}");
        }
        let odd = refused(502, "<html>");
        assert_eq!(odd, Error::Unreachable("status 502".into()));
    }
}
