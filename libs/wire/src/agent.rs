//! People who answer calls.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{CallId, Direction, Role, Timestamp, UserId};

words! {
    /// Whether somebody takes calls. The words are written with a capital: older clients have them
    /// so.
    AgentStatus {
        /// Takes calls.
        Available = "Available",
        /// Is there, and takes none.
        Busy = "Busy",
        /// Is not there.
        Offline = "Offline",
    }
}

/// The call an agent is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct AgentCall {
    /// The call.
    pub id: CallId,
    /// Who began it.
    pub direction: Direction,
    /// The customer's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_name: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
}

/// Somebody who answers calls. Also what `status_update` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Agent {
    /// The user.
    pub user_id: UserId,
    /// The name they log in with.
    pub username: String,
    /// The name others see.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they take calls.
    pub status: AgentStatus,
    /// Since when; missing while they never set one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<Timestamp>,
    /// The call they are in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current_call: Option<AgentCall>,
}
