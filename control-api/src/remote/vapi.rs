//! Vapi's control messages, sent to a call's own `controlUrl`.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sidetone_wire::{Capability, Party, Upstream};
use tracing::error;

use super::{Ask, Order, Trouble, ask};
use crate::app::App;
use crate::calls::Destination;
use crate::credentials::{self, LIVE_KEY};
use crate::routes::webhook_vendor::url_context;
use crate::store::Line;

/// What can be done by these messages.
pub(super) const ABLE: &[Capability] = &[
    Capability::WhisperText,
    Capability::Takeover,
    Capability::HandBack,
    Capability::Transfer,
    Capability::MuteAgent,
    Capability::MuteCustomer,
    Capability::End,
];

pub(super) async fn give(app: &App, line: &Line, order: Order<'_>) -> Result<(), Trouble> {
    let (upstream, tenant) = (Upstream::Vapi, line.tenant);
    let message = message(line, order).ok_or(Trouble::Unable(upstream))?;
    let Some(sealed) = &line.control_url else {
        return Err(Trouble::Unable(upstream));
    };
    let context = url_context("control", tenant, upstream, &line.upstream_call_id);
    let url = app.keyring.unwrap_secret(&context, sealed);
    let url = url.map_err(|error| {
        error!(call = %line.call, %error, "a control URL was encrypted by another master key");
        Trouble::Unable(upstream)
    })?;
    // asked for where the assistant's monitorPlan says so, and harmless elsewhere
    let key = credentials::key(app, tenant, upstream, LIVE_KEY).await?;
    let key = key.as_ref().map(|key| key.secret.expose_secret());
    let by = (&app.remote.vapi, upstream);
    ask(by, Ask::Post, url.expose_secret(), key, &message).await
}

/// An order in Vapi's words; `None` for what it has none for.
fn message(line: &Line, order: Order<'_>) -> Option<Value> {
    Some(match order {
        Order::Whisper { text, trigger } => json!({
            "type": "add-message",
            "message": {"role": "system", "content": text},
            "triggerResponseEnabled": trigger,
        }),
        Order::Silence { party, silent } => {
            let control = match (party, silent) {
                (Party::Agent, true) => "mute-assistant",
                (Party::Agent, false) => "unmute-assistant",
                (Party::Customer, true) => "mute-customer",
                (Party::Customer, false) => "unmute-customer",
                (Party::Supervisor, _) => return None,
            };
            json!({"type": "control", "control": control})
        }
        Order::Transfer { to } => {
            let destination = match to {
                Destination::Number(number) => json!({"type": "number", "number": number}),
                Destination::Sip(uri) => json!({"type": "sip", "sipUri": uri,
                    "sipHeaders": {"X-Sidetone-Call": line.call}}),
            };
            json!({"type": "transfer", "destination": destination})
        }
        Order::End => json!({"type": "end-call"}),
    })
}
