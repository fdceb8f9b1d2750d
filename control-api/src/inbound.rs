//! Webhooks of vendors: whose they are, what they say, and how it gets into the database.
//!
//! A webhook is verified over its bytes as they came ([`signature`]), read into a
//! [`CallUpdate`](crate::calls::CallUpdate) ([`vapi`], [`retell`]), and put into the one queue of
//! the writer ([`ingest`]), which answers when it is committed.
//!
//! **Invariant**: nothing of a webhook has an effect before its signature was verified, and nothing
//! is acknowledged before its effect is committed.

pub(crate) mod accounts;
pub(crate) mod announce;
pub(crate) mod ingest;
pub(crate) mod json;
pub(crate) mod retell;
pub(crate) mod signature;
pub(crate) mod vapi;

use std::fmt;

use serde_json::Value;

use crate::calls::CallUpdate;

/// What a webhook says.
#[derive(Clone)]
pub(crate) struct Message {
    /// The vendor's word for it.
    pub(crate) kind: String,
    /// The call that it tells of, by the vendor's id.
    pub(crate) call: Option<(String, CallUpdate)>,
    /// What the vendor waits for; nothing in particular for most.
    pub(crate) answer: Option<Value>,
    /// The tenant's slug, where the vendor was given it.
    pub(crate) tenant: Option<String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The body is none that the vendor sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no {vendor} webhook: {what}")]
pub(crate) struct Unreadable {
    pub(crate) vendor: &'static str,
    pub(crate) what: &'static str,
}
