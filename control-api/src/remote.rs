//! Acting on calls at their vendor.
//!
//! An order is a message in the vendor's own words, sent by the guarded dialler to where the vendor
//! said that it takes them. What the vendor was told to silence is in the database until it was
//! told the opposite, so that nobody stays silent because we died.
//!
//! **Invariant**: no text of a [`Trouble`] says where the vendor was asked.

mod elevenlabs;
mod retell;
mod vapi;

use sidetone_service::dial::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use sidetone_service::dial::{DialError, Dialler, Policy};
use sidetone_wire::{CallId, Capability, Party, Upstream};
use tracing::debug;

use crate::app::App;
use crate::calls::Destination;
use crate::control::Holder;
use crate::credentials::Key;
use crate::store::{self, Line, WantedFloor};
pub(crate) use elevenlabs::KEY as ELEVENLABS_KEY;

/// A vendor that takes orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Vapi,
    Retell,
    Elevenlabs,
}

/// Who takes orders for calls at an upstream.
pub(crate) const fn vendor(upstream: Upstream) -> Option<Vendor> {
    match upstream {
        Upstream::Vapi => Some(Vendor::Vapi),
        Upstream::Retell => Some(Vendor::Retell),
        Upstream::Elevenlabs => Some(Vendor::Elevenlabs),
        Upstream::Livekit
        | Upstream::Twilio
        | Upstream::Bland
        | Upstream::Telnyx
        | Upstream::Plivo
        | Upstream::Vonage
        | Upstream::Exotel
        | Upstream::Jambonz
        | Upstream::Audiohook
        | Upstream::Audiosocket
        | Upstream::Sip
        | Upstream::Api => None,
    }
}

/// Whether orders are given with the tenant's account, and not at a URL of the call.
pub(crate) fn by_account(upstream: Upstream) -> bool {
    match vendor(upstream) {
        Some(Vendor::Retell | Vendor::Elevenlabs) => true,
        Some(Vendor::Vapi) | None => false,
    }
}

/// Where a vendor is asked for the room of a call, and for the call itself; `None` for one that has
/// no rooms, or an id that is none of the vendor's.
pub(crate) fn room_urls(key: &Key, upstream: Upstream, id: &str) -> Option<(String, String)> {
    if has_rooms(upstream) {
        retell::room_urls(key, id)
    } else {
        None
    }
}

/// Whether calls at an upstream are in rooms of its own: whoever carries such a call takes it over,
/// by voice, and for good.
pub(crate) const fn has_rooms(upstream: Upstream) -> bool {
    matches!(vendor(upstream), Some(Vendor::Retell))
}

/// What there is to reach a call by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) upstream: Upstream,
    /// It can be heard.
    pub(crate) listen: bool,
    /// A URL that takes orders.
    pub(crate) control: bool,
    /// The tenant's account.
    pub(crate) account: bool,
    /// Somebody is in the call.
    pub(crate) goes_on: bool,
}

/// What may be done to a call that its vendor reports.
pub(crate) fn capabilities(reach: Reach) -> Vec<Capability> {
    let mut able = Vec::new();
    if reach.listen {
        able.push(Capability::Listen);
    }
    let ordered = match vendor(reach.upstream) {
        Some(Vendor::Vapi) if reach.control => vapi::ABLE,
        Some(Vendor::Retell) if reach.account => retell::ABLE,
        Some(Vendor::Elevenlabs) if reach.account => elevenlabs::ABLE,
        Some(Vendor::Vapi | Vendor::Retell | Vendor::Elevenlabs) | None => &[],
    };
    if reach.goes_on {
        able.extend_from_slice(ordered);
    }
    able
}

/// Something for a vendor to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order<'a> {
    /// Tell the agent something; it speaks about it at once, or only knows it.
    Whisper { text: &'a str, trigger: bool },
    /// Nobody hears a party, or everybody does again.
    Silence { party: Party, silent: bool },
    /// Send the customer elsewhere.
    Transfer { to: &'a Destination },
    /// End the call.
    End,
}

/// Why a vendor did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0} does not know the call any more: it has ended there, or was transferred")]
    Gone(Upstream),
    #[error("{0} does not let us in: check the credentials of its connection")]
    Unauthorized(Upstream),
    #[error("no connection to {0} has the credential {1}: add it under Connections")]
    NoKey(Upstream, &'static str),
    #[error("{0} cannot do that to a call")]
    Unable(Upstream),
    #[error("{0} refuses it (status {1})")]
    Refused(Upstream, u16),
    #[error("{0} failed (status {1}); try again")]
    Failed(Upstream, u16),
    #[error("{0} cannot be reached; try again")]
    Unreachable(Upstream),
    #[error("{0} did not answer in time; whether it was done is not known")]
    Silent(Upstream),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Trouble {
    /// Whether the same order may be taken later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Gone(_) | Self::NoKey(..) | Self::Unable(_) | Self::Refused(..) => false,
            Self::Unauthorized(_)
            | Self::Failed(..)
            | Self::Unreachable(_)
            | Self::Silent(_)
            | Self::Store(_) => true,
        }
    }
}

/// Who dials for orders.
pub(crate) struct Diallers {
    vapi: Dialler,
    retell: Dialler,
    elevenlabs: Dialler,
}

impl Diallers {
    /// `loopback`: vendors may be on this machine.
    pub(crate) fn new(loopback: bool) -> anyhow::Result<Self> {
        let dialler = |upstream: Upstream| {
            let policy = Policy::acts(upstream.as_str(), loopback);
            Dialler::new(policy.expect("it is a vendor whose hosts are known"))
        };
        Ok(Self {
            vapi: dialler(Upstream::Vapi)?,
            retell: dialler(Upstream::Retell)?,
            elevenlabs: dialler(Upstream::Elevenlabs)?,
        })
    }
}

/// Has a call's vendor do something.
pub(crate) async fn order(app: &App, call: CallId, order: Order<'_>) -> Result<(), Trouble> {
    let Some(line) = app.store.line(call).await? else {
        return Err(Trouble::Unable(Upstream::Api));
    };
    give(app, &line, order).await
}

async fn give(app: &App, line: &Line, order: Order<'_>) -> Result<(), Trouble> {
    match vendor(line.upstream) {
        Some(Vendor::Vapi) => vapi::give(app, line, order).await,
        Some(Vendor::Retell) => retell::give(app, line, order).await,
        Some(Vendor::Elevenlabs) => elevenlabs::give(app, line, order).await,
        None => Err(Trouble::Unable(line.upstream)),
    }
}

/// Makes heard and silent whom the database says, and tells an agent that is heard again what was
/// said meanwhile.
pub(crate) async fn silence(
    app: &App,
    call: CallId,
    wanted: &WantedFloor,
    summary: Option<&str>,
) -> Result<(), Trouble> {
    let Some(line) = app.store.line(call).await? else {
        return Ok(());
    };
    let held = wanted.state.holder != Holder::Agent;
    let mut silenced = line.silenced.clone();
    for party in [Party::Agent, Party::Customer] {
        let silent = wanted.muted.contains(&party) || (held && party == Party::Agent);
        if silent == silenced.contains(&party) {
            continue;
        }
        if let Some(summary) = summary.filter(|_| party == Party::Agent && !silent) {
            // before it speaks
            let text = format!("A supervisor had the call. Meanwhile it was said:\n{summary}");
            let trigger = false;
            let text = text.as_str();
            give(app, &line, Order::Whisper { text, trigger }).await?;
        }
        give(app, &line, Order::Silence { party, silent }).await?;
        silenced.retain(|other| *other != party);
        if silent {
            silenced.push(party);
        }
        app.store.set_silenced(call, &silenced).await?;
    }
    Ok(())
}

/// Whether a call's id is one that may stand in a vendor's URL.
pub(crate) fn is_plain(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !id.is_empty() && id.chars().all(plain)
}

/// Where a vendor's sockets are: at `usual`, unless the account says otherwise.
pub(crate) fn socket_origin(key: &Key, usual: &str) -> String {
    let own = key.api_url.as_deref().map(|url| url.trim_end_matches('/'));
    own.map_or_else(
        || usual.to_owned(),
        |url| match url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => url.to_owned(),
        },
    )
}

/// What it means that something dialled came to nothing.
fn trouble(upstream: Upstream, error: &DialError) -> Trouble {
    match error {
        DialError::Status { status, .. } => answered(upstream, *status),
        DialError::TooSlow { .. } => Trouble::Silent(upstream),
        DialError::Refused(_)
        | DialError::Redirected { .. }
        | DialError::Unresolved { .. }
        | DialError::Unreachable { .. }
        | DialError::TooLarge { .. }
        | DialError::Cut { .. } => Trouble::Unreachable(upstream),
    }
}

/// What a status that is no yes means.
const fn answered(upstream: Upstream, status: u16) -> Trouble {
    match status {
        401 | 403 => Trouble::Unauthorized(upstream),
        404 | 410 => Trouble::Gone(upstream),
        429 | 500.. => Trouble::Failed(upstream, status),
        _ => Trouble::Refused(upstream, status),
    }
}

/// How a vendor is asked.
enum Ask {
    Post,
    Patch,
}

/// Sends an order; every answer that says so is a yes.
async fn ask(
    (dialler, upstream): (&Dialler, Upstream),
    how: Ask,
    url: &str,
    key: Option<&str>,
    body: &serde_json::Value,
) -> Result<(), Trouble> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    if let Some(key) = key {
        let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
        let mut bearer = bearer.map_err(|_| Trouble::Unauthorized(upstream))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let body = body.to_string();
    let answer = match how {
        Ask::Post => dialler.post(url, headers, body).await,
        Ask::Patch => dialler.patch(url, headers, body).await,
    };
    let answer = answer.inspect_err(|error| debug!(%error, %upstream, "an order is not taken"));
    match answer.map(|answer| answer.status()) {
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(answered(upstream, status)),
        Err(error) => Err(trouble(upstream, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_can_be_acted_on_while_it_goes_on_and_there_is_a_way_to() {
        let reach = |upstream, listen, control, account, goes_on| {
            capabilities(Reach {
                upstream,
                listen,
                control,
                account,
                goes_on,
            })
        };
        let listen = [Capability::Listen];
        assert_eq!(reach(Upstream::Vapi, true, true, false, false), listen);
        assert_eq!(reach(Upstream::Vapi, true, false, true, true), listen);
        let all = reach(Upstream::Vapi, true, true, false, true);
        assert!(all.contains(&Capability::Takeover) && all.contains(&Capability::HandBack));
        assert_eq!(
            reach(Upstream::Retell, true, true, true, true),
            [
                Capability::Listen,
                Capability::WhisperText,
                Capability::Takeover,
                Capability::End
            ]
        );
        assert_eq!(reach(Upstream::Retell, false, true, false, true), []);
        assert_eq!(reach(Upstream::Api, false, true, true, true), []);
    }
}
