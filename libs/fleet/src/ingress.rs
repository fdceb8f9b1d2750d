//! Streams that vendors bring to us: who is let in, and which call it is.
//!
//! A gateway takes the socket; the control plane says whose it is and what call it belongs to.

use std::fmt;

use async_trait::async_trait;
use sidetone_wire::{CallId, ConnectionKind, Direction, Hidden, TenantId, Upstream};

/// A handshake, as it came. Nothing of it is printed: its URL lets whoever knows it in.
#[derive(Clone)]
pub struct Knock {
    /// Path and query of the URL.
    pub target: Hidden,
    /// The token in it; `None` where the vendor proves otherwise who it is.
    pub token: Option<Hidden>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Knock {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Knock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Knock").finish_non_exhaustive()
    }
}

/// Whoever knocked is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Whose stream it is.
    pub tenant: TenantId,
    /// The same tenant's slug.
    pub slug: String,
    /// Who began the call, as the URL says.
    pub direction: Direction,
    /// The vendor of the connection that lets it in; `None` where none is needed.
    pub kind: Option<ConnectionKind>,
    /// The vendor proved by a signature that it is the one.
    pub signed: bool,
}

/// A call, as its vendor tells of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Where it lives.
    pub upstream: Upstream,
    /// Its id there.
    pub upstream_call_id: String,
    /// Who began it, where the vendor says so.
    pub direction: Option<Direction>,
    /// Who calls.
    pub from: Option<String>,
    /// Who was called.
    pub to: Option<String>,
    /// The customer's name.
    pub customer_name: Option<String>,
    /// The agent's id.
    pub agent_id: Option<String>,
    /// The agent's name.
    pub agent_name: Option<String>,
}

impl Introduction {
    /// A call of which only that is known.
    pub fn new(upstream: Upstream, upstream_call_id: String) -> Self {
        Self {
            upstream,
            upstream_call_id,
            direction: None,
            from: None,
            to: None,
            customer_name: None,
            agent_id: None,
            agent_name: None,
        }
    }
}

impl fmt::Debug for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introduction")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

/// Why nobody is let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No connection has this token or key.
    #[error("no connection has this token")]
    Unknown,
    /// The vendor's signature does not fit, or cannot be verified.
    #[error("{0}")]
    Unsigned(&'static str),
    /// The control plane or its database is away.
    #[error("the control plane cannot be asked: {0}")]
    Away(String),
}

/// The control plane at the door.
#[async_trait]
pub trait Porter: Send + Sync {
    /// Whose stream it is that somebody wants to bring.
    ///
    /// # Errors
    /// When they are not let in.
    async fn admit(&self, knock: &Knock) -> Result<Pass, Refused>;

    /// Whose streams are that come on a listener of the operator's own, where nothing is proved.
    ///
    /// # Errors
    /// [`Refused::Away`].
    async fn trusted(&self) -> Result<Pass, Refused>;

    /// The call that a stream belongs to, known to all from here on. The same one again gives the
    /// same call.
    ///
    /// # Errors
    /// [`Refused::Away`].
    async fn introduce(&self, pass: &Pass, who: &Introduction) -> Result<CallId, Refused>;
}
