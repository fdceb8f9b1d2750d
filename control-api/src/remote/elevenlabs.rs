//! ElevenLabs' monitor socket of a live conversation, which takes commands: each over a socket of
//! its own, so that whoever gives one needs nobody else. What is written is known to the agent, who
//! does not speak about it at once.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sidetone_service::dial::Socket;
use sidetone_service::dial::header::{HeaderMap, HeaderName, HeaderValue};
use sidetone_wire::{Capability, Upstream};
use tokio_tungstenite::tungstenite::Message;
use tracing::debug;

use super::{Order, Trouble, is_plain, socket_origin, trouble};
use crate::app::App;
use crate::credentials::{self, API_KEY};
use crate::store::Line;
use crate::watching;

/// What can be done with a tenant's key.
pub(super) const ABLE: &[Capability] = &[Capability::WhisperText, Capability::End];
/// The header of the key.
pub(crate) const KEY: &str = "xi-api-key";

const ORIGIN: &str = "wss://api.elevenlabs.io";
/// A command is taken, and the socket closed, within this time.
const TAKEN_WITHIN: Duration = Duration::from_secs(4);

pub(super) async fn give(app: &App, line: &Line, order: Order<'_>) -> Result<(), Trouble> {
    let upstream = Upstream::Elevenlabs;
    let id = &line.upstream_call_id;
    if !is_plain(id) {
        return Err(Trouble::Gone(upstream)); // none of theirs, and it must not lead elsewhere
    }
    let command = match order {
        Order::Whisper { text, .. } => json!({"command_type": "contextual_update",
            "parameters": {"contextual_update": text}}),
        Order::End => json!({"command_type": "end_call"}),
        Order::Silence { .. } | Order::Transfer { .. } => return Err(Trouble::Unable(upstream)),
    };
    let key = credentials::key(app, line.tenant, upstream, API_KEY).await?;
    let key = key.ok_or(Trouble::NoKey(upstream, API_KEY))?;
    let value = HeaderValue::from_str(key.secret.expose_secret());
    let mut value = value.map_err(|_| Trouble::Unauthorized(upstream))?;
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([(HeaderName::from_static(KEY), value)]);
    let origin = socket_origin(&key, ORIGIN);
    let url = format!("{origin}/v1/convai/conversations/{id}/monitor");
    let socket = app.remote.elevenlabs.socket(&url, headers).await;
    let socket = socket.map_err(|error| {
        debug!(%error, %upstream, "an order is not taken");
        trouble(upstream, &error)
    })?;
    let taken = tokio::time::timeout(TAKEN_WITHIN, Box::pin(tell(socket, command.to_string())));
    taken.await.map_err(|_| Trouble::Silent(upstream))??;
    if matches!(order, Order::End) && !watching::handle_ended(app, line.tenant, upstream, id).await
    {
        debug!(%upstream, "an end is not written yet; whoever watches the call does");
    }
    Ok(())
}

/// Says a command, and waits until the other side has taken all there was to take.
async fn tell(mut socket: Socket, command: String) -> Result<(), Trouble> {
    let upstream = Upstream::Elevenlabs;
    let told = async {
        socket.send(Message::text(command)).await?;
        socket.close(None).await
    };
    told.await.map_err(|_| Trouble::Unreachable(upstream))?;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(frame)) = message {
            let code = u16::from(frame.code);
            // anything else is about the command
            return match code {
                1000 | 1001 | 1005 => Ok(()),
                1011..=1013 => Err(Trouble::Failed(upstream, code)),
                _ => Err(Trouble::Refused(upstream, code)),
            };
        }
    }
    Ok(())
}
