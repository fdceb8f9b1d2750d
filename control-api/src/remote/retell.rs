//! Retell's API of live calls. A takeover ends the agent for good and needs a voice in Retell's own
//! room: the gateway that hears the call asks for it.

use secrecy::ExposeSecret as _;
use serde_json::json;
use sidetone_wire::{Capability, Upstream};

use super::{Ask, Order, Trouble, ask, is_plain};
use crate::app::App;
use crate::credentials::{self, API_KEY, Key};
use crate::store::Line;

/// What can be done with a tenant's key.
pub(super) const ABLE: &[Capability] = &[
    Capability::WhisperText,
    Capability::Takeover,
    Capability::End,
];

const ORIGIN: &str = "https://api.retellai.com";

pub(super) async fn give(app: &App, line: &Line, order: Order<'_>) -> Result<(), Trouble> {
    let upstream = Upstream::Retell;
    let id = &line.upstream_call_id;
    if !is_plain(id) {
        // none of Retell's, and it must not lead elsewhere
        return Err(Trouble::Gone(upstream));
    }
    let (how, path, body) = match order {
        Order::Whisper { text, trigger } => (
            Ask::Patch,
            format!("/v2/update-live-call/{id}"),
            json!({"call_control": {"additional_context": text, "trigger_response": trigger}}),
        ),
        Order::End => (Ask::Post, format!("/v2/stop-call/{id}"), json!({})),
        Order::Silence { .. } | Order::Transfer { .. } => return Err(Trouble::Unable(upstream)),
    };
    let key = credentials::key(app, line.tenant, upstream, API_KEY).await?;
    let key = key.ok_or(Trouble::NoKey(upstream, API_KEY))?;
    let url = url(&key, &path);
    let by = (&app.remote.retell, upstream);
    ask(by, how, &url, Some(key.secret.expose_secret()), &body).await
}

/// Where to ask for the room of a call, and for the call; `None` for an id that is none of Retell's.
pub(super) fn room_urls(key: &Key, id: &str) -> Option<(String, String)> {
    let of = |what: &str| url(key, &format!("/v2/{what}/{id}"));
    is_plain(id).then(|| (of("listen-live-call"), of("take-over-live-call")))
}

fn url(key: &Key, path: &str) -> String {
    let origin = key.api_url.as_deref().unwrap_or(ORIGIN);
    format!("{}{path}", origin.trim_end_matches('/'))
}
