//! Calls on their way to somebody else.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::words;
use crate::{Author, CallId, Timestamp, TransferMode, UserId};

words! {
    /// Where a transfer stands.
    TransferStage {
        /// Blind: the customer's telephone is calling the other one.
        Referring = "referring",
        /// Attended: whoever is to have the call is rung.
        Ringing = "ringing",
        /// They talk with whoever transfers; the customer does not hear it.
        Talking = "talking",
        /// The customer was sent there, or they have the call.
        Completed = "completed",
        /// Whoever transferred went back to the customer.
        Returned = "returned",
        /// They did not want it, or hung up.
        Refused = "refused",
        /// It rang in vain.
        Unanswered = "unanswered",
        /// It could not be done; see `reason`.
        Failed = "failed",
        /// The call ended meanwhile.
        Abandoned = "abandoned",
    }
    /// What somebody is to be reached by.
    TransferKind {
        /// A telephone number.
        Number = "number",
        /// A SIP address.
        Sip = "sip",
        /// A user of the tenant, in their browser.
        User = "user",
    }
}

words! {
    /// What becomes of a call whose supervisor is lost for 5 s. The agent has it in any case.
    FallbackAct {
        /// No more than that.
        HandBack = "hand_back",
        /// Somebody is rung, and has the call when they answer.
        Transfer = "transfer",
        /// It is ended.
        End = "end",
    }
}

/// What becomes of the tenant's calls whose supervisor is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Fallback {
    /// What is done.
    pub act: FallbackAct,
    /// For `transfer`: a number in E.164, or `user:<id>`, who is rung in their browser.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<String>,
}

impl TransferStage {
    /// Whether it goes on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Referring | Self::Ringing | Self::Talking)
    }
}

/// A call's last transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Transfer {
    /// Its id.
    #[ts(type = "string")]
    pub id: Uuid,
    /// How.
    pub mode: TransferMode,
    /// Where it stands.
    pub stage: TransferStage,
    /// What they are reached by.
    pub kind: TransferKind,
    /// The number or SIP address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub number: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_id: Option<UserId>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Who transfers.
    pub by: Author,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Why it did not come to what was wanted, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// `transfer-update`: a transfer began, or stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferUpdate {
    /// The call.
    pub call_id: CallId,
    /// The transfer as it is now.
    pub transfer: Transfer,
}

/// What `POST /api/calls/{id}/transfer/join` gives: where to talk about a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct TransferSeat {
    /// The LiveKit server's address.
    pub url: String,
    /// Opens the room for a minute: one microphone may be published.
    pub token: String,
    /// The room in which the two talk.
    pub room: String,
}
