//! The server's room API: which rooms there are, and what may be done to them from outside.

use std::collections::HashMap;
use std::time::Duration;

use livekit_api::services::room::RoomClient;
use livekit_api::services::{ServerError, ServiceError};
use serde::Deserialize;
use serde_json::json;

use crate::Participant;
use crate::token::{Credentials, Token};

/// The server's answer to a call of a method may take so much longer than the participant's.
const ON_THE_WAY: Duration = Duration::from_millis(500);

/// A room as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name, unique among rooms that are open.
    pub name: String,
    /// Its sid, unique for ever.
    pub sid: String,
    /// When it was opened, milliseconds since the Unix epoch.
    pub created_unix_ms: i64,
    /// Its metadata.
    pub metadata: String,
    /// Visible participants.
    pub participants: u32,
}

/// Why the server's API did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server says that key and secret are wrong.
    #[error("{url} refuses the API key or secret: {answer}")]
    Unauthorized {
        /// The server's address.
        url: String,
        /// What it answered.
        answer: String,
    },
    /// No such room or participant.
    #[error("{0}")]
    NotFound(String),
    /// The server cannot be reached, or failed.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

/// A client of the server's room API.
#[derive(Debug)]
pub struct RoomService {
    url: String,
    client: RoomClient,
    /// For what the client of LiveKit's crate does not have.
    http: reqwest::Client,
    credentials: Credentials,
}

/// An answer of Twirp that is an error.
#[derive(Deserialize)]
pub(crate) struct Refused {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) msg: String,
    #[serde(default)]
    pub(crate) meta: HashMap<String, String>,
}

/// What a participant's method gives.
#[derive(Deserialize)]
struct Performed {
    #[serde(default)]
    payload: String,
}

impl RoomService {
    /// For the server at `url` (`ws`, `wss`, `http` or `https`).
    pub fn new(url: &str, credentials: &Credentials) -> Self {
        crate::tls::install_provider();
        let http = http_url(url);
        let client = RoomClient::with_api_key(&http, credentials.key(), credentials.secret())
            .with_failover(false);
        Self {
            url: http,
            client,
            http: crate::tls::client(),
            credentials: credentials.clone(),
        }
    }

    /// Every open room.
    pub async fn list_rooms(&self) -> Result<Vec<RoomInfo>, Error> {
        let rooms = self
            .client
            .list_rooms(Vec::new())
            .await
            .map_err(|e| self.error(&e))?;
        Ok(rooms.into_iter().map(RoomInfo::from).collect())
    }

    /// The open room of this name.
    pub async fn find_room(&self, name: &str) -> Result<Option<RoomInfo>, Error> {
        let rooms = self.client.list_rooms(vec![name.to_owned()]).await;
        let rooms = rooms.map_err(|e| self.error(&e))?;
        Ok(rooms
            .into_iter()
            .map(RoomInfo::from)
            .find(|room| room.name == name))
    }

    /// Who is in a room, hidden ones too; nobody when it is not open.
    pub async fn participants(&self, room: &str) -> Result<Vec<Participant>, Error> {
        let found = self.client.list_participants(room).await;
        match found.map_err(|e| self.error(&e)) {
            Ok(found) => Ok(found.iter().map(Participant::from).collect()),
            Err(Error::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Opens a room with metadata, or finds it open.
    pub async fn create_room(&self, name: &str, metadata: &str) -> Result<RoomInfo, Error> {
        let options = livekit_api::services::room::CreateRoomOptions {
            metadata: metadata.to_owned(),
            ..Default::default()
        };
        let room = self
            .client
            .create_room(name, options)
            .await
            .map_err(|e| self.error(&e))?;
        Ok(room.into())
    }

    /// Closes a room and removes everybody in it.
    pub async fn delete_room(&self, name: &str) -> Result<(), Error> {
        self.client
            .delete_room(name)
            .await
            .map_err(|e| self.error(&e))
    }

    /// Removes a participant. Their token would still let them in again.
    pub async fn remove_participant(&self, room: &str, identity: &str) -> Result<(), Error> {
        self.client
            .remove_participant(room, identity)
            .await
            .map_err(|e| self.error(&e))
    }

    /// Sets what a participant may do, now and without a new token. Hidden stays as it is in the
    /// token only if it is not set here: use this for visible participants.
    pub async fn set_permission(
        &self,
        room: &str,
        identity: &str,
        can_publish: bool,
        can_subscribe: bool,
    ) -> Result<(), Error> {
        let permission = livekit_protocol::ParticipantPermission {
            can_publish,
            can_subscribe,
            can_publish_data: false,
            ..Default::default()
        };
        let options = livekit_api::services::room::UpdateParticipantOptions {
            permission: Some(permission),
            ..Default::default()
        };
        let updated = self
            .client
            .update_participant(room, identity, options)
            .await;
        updated.map(drop).map_err(|e| self.error(&e))
    }

    /// Lets a listener of a room publish microphones and nothing else, or nothing at all.
    pub async fn permit_microphone(
        &self,
        room: &str,
        identity: &str,
        permitted: bool,
    ) -> Result<(), Error> {
        let permission = livekit_protocol::ParticipantPermission {
            can_publish: permitted,
            can_publish_sources: vec![livekit_protocol::TrackSource::Microphone as i32],
            can_subscribe: true,
            can_publish_data: false,
            ..Default::default()
        };
        let options = livekit_api::services::room::UpdateParticipantOptions {
            permission: Some(permission),
            ..Default::default()
        };
        let updated = self.client.update_participant(room, identity, options);
        updated.await.map(drop).map_err(|e| self.error(&e))
    }

    /// Mutes a track for everybody, or unmutes it, which servers refuse unless their
    /// configuration has `room.enable_remote_unmute`.
    pub async fn mute(
        &self,
        room: &str,
        identity: &str,
        sid: &str,
        muted: bool,
    ) -> Result<(), Error> {
        let muted = self.client.mute_published_track(room, identity, sid, muted);
        muted.await.map(drop).map_err(|e| self.error(&e))
    }

    /// Lets a participant hear tracks, or no longer, whatever they asked for themselves.
    pub async fn subscribe(
        &self,
        room: &str,
        identity: &str,
        sids: &[String],
        subscribe: bool,
    ) -> Result<(), Error> {
        let updated = self
            .client
            .update_subscriptions(room, identity, sids.to_vec(), subscribe);
        updated.await.map_err(|e| self.error(&e))
    }

    /// Sends a data packet to a participant, from nobody.
    pub async fn send_data(
        &self,
        room: &str,
        identity: &str,
        topic: &str,
        data: Vec<u8>,
    ) -> Result<(), Error> {
        let options = livekit_api::services::room::SendDataOptions {
            kind: livekit_protocol::data_packet::Kind::Reliable,
            topic: Some(topic.to_owned()),
            destination_identities: vec![identity.to_owned()],
            ..Default::default()
        };
        let sent = self.client.send_data(room, data, options);
        sent.await.map_err(|e| self.error(&e))
    }

    /// Calls a method of a participant from outside: the caller that it sees is none of the
    /// room's participants. Gives what it answers within the time.
    pub async fn perform_rpc(
        &self,
        room: &str,
        identity: &str,
        method: &str,
        payload: &str,
        within: Duration,
    ) -> Result<String, Error> {
        let unreachable = |reason: String| Error::Unreachable {
            url: self.url.clone(),
            reason,
        };
        let token = Token::administrator(room).sign(&self.credentials);
        let token = token.map_err(|error| unreachable(error.to_string()))?;
        let asked = json!({"room": room, "destination_identity": identity, "method": method,
            "payload": payload, "response_timeout_ms": within.as_millis() as u64});
        let url = format!("{}/twirp/livekit.RoomService/PerformRpc", self.url);
        let request = self.http.post(url).bearer_auth(token).json(&asked);
        let answer = request.timeout(within + ON_THE_WAY).send().await;
        let answer = answer.map_err(|error| unreachable(error.without_url().to_string()))?;
        let done = answer.status().is_success();
        let text = answer.text().await;
        let text = text.map_err(|error| unreachable(error.without_url().to_string()))?;
        if done {
            let answer: Performed = serde_json::from_str(&text)
                .map_err(|_| unreachable("the answer is none of LiveKit's".to_owned()))?;
            return Ok(answer.payload);
        }
        Err(match serde_json::from_str::<Refused>(&text) {
            Ok(refused) => self.refused(&refused.code, &refused.msg),
            Err(_) => unreachable("the answer is none of LiveKit's".to_owned()),
        })
    }

    fn refused(&self, code: &str, message: &str) -> Error {
        let url = self.url.clone();
        match code {
            "unauthenticated" | "permission_denied" => Error::Unauthorized {
                url,
                answer: message.to_owned(),
            },
            "not_found" => Error::NotFound(message.to_owned()),
            other => Error::Unreachable {
                url,
                reason: format!("{other}: {message}"),
            },
        }
    }

    fn error(&self, error: &ServiceError) -> Error {
        let url = self.url.clone();
        match error {
            ServiceError::Twirp(ServerError::Twirp(code)) => self.refused(&code.code, &code.msg),
            // a wrong key is answered with a bare 401 whose body is no Twirp error
            ServiceError::Twirp(ServerError::Request(error)) if error.is_decode() => {
                Error::Unauthorized {
                    url,
                    answer: "401, or something that is no LiveKit".to_owned(),
                }
            }
            other => Error::Unreachable {
                url,
                reason: other.to_string(),
            },
        }
    }
}

impl From<livekit_protocol::Room> for RoomInfo {
    fn from(room: livekit_protocol::Room) -> Self {
        let created_unix_ms = match room.creation_time_ms {
            0 => room.creation_time.saturating_mul(1000),
            ms => ms,
        };
        Self {
            name: room.name,
            sid: room.sid,
            created_unix_ms,
            metadata: room.metadata,
            participants: room.num_participants,
        }
    }
}

/// `ws://` and `wss://` as `http://` and `https://`, without a trailing slash.
pub(crate) fn http_url(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_websocket_address_serves_the_api_too() {
        assert_eq!(http_url("ws://127.0.0.1:7880/"), "http://127.0.0.1:7880");
        assert_eq!(http_url("wss://sfu.example"), "https://sfu.example");
        assert_eq!(http_url("https://sfu.example"), "https://sfu.example");
    }
}
