//! Campaigns: what calls belong together.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A campaign. Calls name it by its word (`campaign` of the call object).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Campaign {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// What calls name it by: 1 to 64 of `a-z 0-9 - _`. Never changed.
    pub word: String,
    /// What people call it.
    pub name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Calls to one of these numbers belong to it.
    pub numbers: Vec<String>,
    /// Whether new calls are put into it by their number.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
