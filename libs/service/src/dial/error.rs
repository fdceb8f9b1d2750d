//! Why a URL from outside was not opened, or what came of it was cut. No text of these holds a
//! URL's path or query: those are often the secret.

use std::net::IpAddr;

/// Why a URL is not dialled. It will not be, however often it is tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no absolute URL, or longer than 4096 characters.
    #[error("it is not an absolute URL of at most 4096 characters")]
    NotAUrl,
    /// It is written so that two readers could understand two hosts: characters outside of ASCII,
    /// backslashes, escapes in the host, a fragment.
    #[error("it is not written plainly: scheme, host and path in ASCII, without fragment")]
    Unplain,
    /// Neither `https` (`wss` for WebSockets), nor loopback where that is allowed.
    #[error("its scheme is {0}; it must be https, or wss for a WebSocket")]
    Scheme(String),
    /// It holds a user name or password.
    #[error("it holds a user name or a password")]
    Userinfo,
    /// A port other than 443.
    #[error("its port is {0}; it must be 443")]
    Port(u16),
    /// An address where a name must stand.
    #[error("its host is an address; it must be a name")]
    Literal,
    /// A host that the policy does not name.
    #[error("its host {0} is not one of those that are allowed here")]
    Host(String),
    /// The name leads to an address that is not the public internet's.
    #[error("its host {host} leads to {address}, which is not an address of the public internet")]
    Address {
        /// The name.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
}

/// Why something that was dialled came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The URL, or one that it redirects to, is not dialled.
    #[error("the URL is refused: {0}")]
    Refused(#[from] Refusal),
    /// It redirects where redirects are not followed, or more often than they are, or nowhere.
    #[error("{host} redirects, which is not followed here, or too often, or without saying where")]
    Redirected {
        /// Who does.
        host: String,
    },
    /// The name has no address now.
    #[error("the host {host} has no address: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// No connection, no TLS, or no answer that can be read.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The name.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// The WebSocket was answered with another status than 101.
    #[error("{host} answers the WebSocket with status {status}")]
    Status {
        /// The name.
        host: String,
        /// Its HTTP status.
        status: u16,
    },
    /// Nothing came for too long, or too little, or it took too long in all.
    #[error("{host} is too slow: {why}")]
    TooSlow {
        /// The name.
        host: String,
        /// Which limit it went beyond.
        why: String,
    },
    /// More bytes than are taken.
    #[error("{host} sends more than {limit_bytes} bytes")]
    TooLarge {
        /// The name.
        host: String,
        /// How many are taken.
        limit_bytes: u64,
    },
    /// The answer ended before its end.
    #[error("{host} broke off: {why}")]
    Cut {
        /// The name.
        host: String,
        /// What went wrong.
        why: String,
    },
}

impl DialError {
    /// Whether it is worth trying again later.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Redirected { .. } | Self::TooLarge { .. } => false,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Unresolved { .. }
            | Self::Unreachable { .. }
            | Self::TooSlow { .. }
            | Self::Cut { .. } => true,
        }
    }
}
