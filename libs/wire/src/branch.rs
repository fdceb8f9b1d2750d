//! A tenant's branches, and the phone numbers by which calls are theirs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{BranchId, PhoneNumberId, TenantId, Timestamp};

/// A part of a tenant: a shop, an office, a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Branch {
    /// The branch's id.
    pub id: BranchId,
    /// The tenant that it is part of.
    pub client_id: TenantId,
    /// Its name, of its own within the tenant.
    pub name: String,
    /// Where it is, as the IANA database names time zones, for example `Europe/Berlin`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timezone: Option<String>,
    /// Calls to its numbers that have not ended.
    #[ts(type = "number")]
    pub active_calls: u64,
    /// When it was added.
    pub created_at: Timestamp,
}

/// `branch_pulse`: how many calls a branch has now; at most one a second and branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BranchPulse {
    /// The branch.
    pub branch_id: BranchId,
    /// Calls to its numbers that have not ended.
    #[ts(type = "number")]
    pub active_calls: u64,
    /// When this was counted.
    pub timestamp: Timestamp,
}

/// A phone number: calls to it are its tenant's, and its branch's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PhoneNumber {
    /// The number's id.
    pub id: PhoneNumberId,
    /// The tenant that it belongs to.
    pub client_id: TenantId,
    /// In E.164: `+` and 7 to 15 digits. Belongs to one tenant.
    pub number: String,
    /// The branch that is called by it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch_id: Option<BranchId>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
}
