//! What LiveKit needs of the control plane: tokens for monitor rooms, and believing its webhooks.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use sidetone_room::service::RoomService;
use sidetone_room::sip::SipService;
use sidetone_room::token::{Credentials, Token, TokenError};
use sidetone_room::webhook::{self, Verifier};
use sidetone_service::config::LivekitAccess;
use sidetone_wire::{MonitorRoom, UserId};
use uuid::Uuid;

/// How long a monitor room's token may be used to connect. It does not end a connection: taking
/// back what is published does.
pub(crate) const TOKEN_TTL: Duration = Duration::from_mins(10);

/// The same of the room in which two talk about a transfer, from which they are removed.
const SIDE_TTL: Duration = Duration::from_mins(1);

/// The SFU as the control plane knows it.
pub(crate) struct Livekit {
    credentials: Credentials,
    verifier: Verifier,
    ws_url: String,
    pub(crate) rooms: RoomService,
    pub(crate) sip: SipService,
    /// Through which telephones are rung.
    pub(crate) trunk: Option<String>,
}

impl Livekit {
    pub(crate) fn new(access: LivekitAccess) -> Self {
        let credentials = Credentials::new(&access.api_key, access.api_secret.expose_secret());
        Self {
            verifier: Verifier::new(&credentials),
            rooms: RoomService::new(&access.url, &credentials),
            sip: SipService::new(&access.sip_url, &credentials),
            trunk: access.sip_trunk_id,
            credentials,
            ws_url: access.ws_url,
        }
    }

    /// Where browsers reach the SFU.
    pub(crate) fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// A token that joins the monitor room as its listener, subscribes, and publishes nothing.
    pub(crate) fn listener_token(
        &self,
        monitor: &MonitorRoom,
        name: &str,
    ) -> Result<String, TokenError> {
        Token::listener(&monitor.room, &monitor.listener)
            .name(name)
            .ttl(TOKEN_TTL)
            .sign(&self.credentials)
    }

    /// A token with which somebody talks in the room of a transfer.
    pub(crate) fn side_token(
        &self,
        room: &str,
        identity: &str,
        name: &str,
    ) -> Result<String, TokenError> {
        Token::talker(room, identity)
            .name(name)
            .ttl(SIDE_TTL)
            .sign(&self.credentials)
    }

    /// The event of a webhook whose `Authorization` is a token of our key for exactly that body.
    pub(crate) fn verify(
        &self,
        body: &[u8],
        authorization: &str,
    ) -> Result<webhook::Event, webhook::Error> {
        self.verifier.verify(body, authorization)
    }
}

/// The monitor room of one session of a user: two browsers of one person do not push each other
/// out, and every call that a browser listens to comes over one connection.
pub(crate) fn monitor_room(user: UserId, session: Uuid) -> MonitorRoom {
    // the last characters of a UUIDv7 are random
    let session = session.simple().to_string();
    let n = &session[session.len() - 8..];
    MonitorRoom {
        room: format!("sidetone-monitor-{user}-{n}"),
        listener: format!("supervisor-{user}-{n}"),
        user,
    }
}

/// What the names of rooms begin with in which transfers are talked about.
pub(crate) const SIDE: &str = "sidetone-side-";

/// The room in which a transfer is talked about. Whom the call is transferred to listens and
/// speaks there as a supervisor does in a monitor room, once they have the call.
pub(crate) fn side_room(transfer: Uuid) -> MonitorRoom {
    MonitorRoom {
        room: format!("{SIDE}{transfer}"),
        listener: format!("target-{transfer}"),
        // nobody's: it ends with the transfer, whoever logs out meanwhile
        user: UserId(transfer),
    }
}

/// Who somebody is who transfers, in that room.
pub(crate) fn side_author(transfer: Uuid) -> String {
    format!("supervisor-{transfer}")
}
