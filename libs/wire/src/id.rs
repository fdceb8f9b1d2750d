//! Ids: UUIDv7 behind a type each, so that a call's id cannot be passed for a user's.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema,
        )]
        #[serde(transparent)]
        #[ts(type = "string")]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map($name)
            }
        }
    )*};
}

ids! {
    /// One call, wherever it lives.
    CallId;
    /// A client company (`clientId` in the API).
    TenantId;
    /// A person, or the account of an API key, whose id it has.
    UserId;
    /// A tenant's branch.
    BranchId;
    /// A phone number that belongs to a tenant.
    PhoneNumberId;
    /// A tenant's account at a vendor.
    ConnectionId;
    /// One take: a recording of a call from its start to its end.
    RecordingId;
    /// A call's sound on its way to one listener.
    FeedId;
    /// A key of a program.
    ApiKeyId;
    /// The right to register, once.
    InviteId;
}

impl CallId {
    /// The id of an upstream's call: a UUIDv7 whose time is the call's start and whose random
    /// bits are a hash of upstream and upstream id. Two gateways that find the same call, and one
    /// that finds it again after a restart, agree on it without asking anybody.
    pub fn of_upstream(upstream: &str, upstream_call_id: &str, started_at: Timestamp) -> Self {
        let mut hash = Sha256::new();
        hash.update(upstream.as_bytes());
        hash.update([0]);
        hash.update(upstream_call_id.as_bytes());
        let hash = hash.finalize();
        let mut bytes = [0u8; 16];
        let unix_ms = started_at.unix_ms().max(0).to_be_bytes();
        bytes[..6].copy_from_slice(&unix_ms[2..]);
        bytes[6..].copy_from_slice(&hash[..10]);
        bytes[6] = (bytes[6] & 0x0f) | 0x70; // version 7 (RFC 9562 section 5.7)
        bytes[8] = (bytes[8] & 0x3f) | 0x80; // variant
        Self(Uuid::from_bytes(bytes))
    }
}

/// A process that takes part in the fleet, for example `gateway-7f3a`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub String);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_call_has_the_same_id_wherever_it_is_found() {
        let at = Timestamp::from_unix_ms(1_790_000_000_123);
        let a = CallId::of_upstream("livekit", "RM_abc", at);
        assert_eq!(a, CallId::of_upstream("livekit", "RM_abc", at));
        assert_ne!(a, CallId::of_upstream("livekit", "RM_abd", at));
        assert_ne!(a, CallId::of_upstream("vapi", "RM_abc", at));
        assert_eq!(a.0.get_version_num(), 7);
        let (secs, nanos) = a.0.get_timestamp().expect("version 7").to_unix();
        assert_eq!(
            secs * 1000 + u64::from(nanos) / 1_000_000,
            1_790_000_000_123
        );
    }

    #[test]
    fn upstream_and_id_are_not_run_together() {
        let at = Timestamp::from_unix_ms(1);
        assert_ne!(
            CallId::of_upstream("a", "bc", at),
            CallId::of_upstream("ab", "c", at)
        );
    }
}
