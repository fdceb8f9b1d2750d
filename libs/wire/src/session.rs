//! Who is logged in: what `GET /api/me` answers.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{ApiKeyId, Membership, TenantId, UserId};

words! {
    /// What a user may do: admin ⊃ supervisor ⊃ agent; an auditor reads everything and changes
    /// nothing.
    Role {
        /// Manages the tenant.
        Admin = "admin",
        /// Listens, coaches, takes over.
        Supervisor = "supervisor",
        /// Answers calls.
        Agent = "agent",
        /// Reads.
        Auditor = "auditor",
    }
}

/// The caller, as the dashboard's profile shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Me {
    /// The user.
    pub id: UserId,
    /// The name they log in with.
    pub username: String,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub full_name: Option<String>,
    /// Where their calls are forwarded to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forwarding_number: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The tenant whose calls they see.
    pub client_id: TenantId,
    /// Its name.
    pub client_name: String,
    /// The tenants they may act for (`POST /api/auth/switch`).
    #[serde(default)]
    pub clients: Vec<Membership>,
    /// Set when a program acts, by an API key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub api_key_id: Option<ApiKeyId>,
}
