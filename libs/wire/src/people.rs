//! Users, tenants and their members, API keys and invites, as admins see them.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{ApiKeyId, InviteId, Role, TenantId, Timestamp, UserId};

/// A user of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct User {
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
    /// The tenant.
    pub client_id: TenantId,
    /// Cannot log in.
    pub disabled: bool,
    /// When they were added.
    pub created_at: Timestamp,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The tenant.
    pub id: TenantId,
    /// Names the tenant in room metadata: `{"tenant": "<slug>"}`.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Nobody logs in; its calls are still kept.
    pub disabled: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Somebody who belongs to a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// The name they log in with.
    pub username: String,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub full_name: Option<String>,
    /// What they may do for this tenant.
    pub role: Role,
    /// Cannot act for this tenant.
    pub disabled: bool,
    /// Since when they belong to it.
    pub since: Timestamp,
}

/// A tenant that the caller may act for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The tenant.
    pub client_id: TenantId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What the caller may do for it.
    pub role: Role,
}

/// A key of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ApiKey {
    /// The key's id, which also names it as an actor.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The key's beginning, to tell keys apart.
    pub hint: String,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked_at: Option<Timestamp>,
}

/// A key that was made just now, with its secret: it is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiKey {
    /// What is kept of it.
    #[serde(flatten)]
    pub api_key: ApiKey,
    /// The secret: `Authorization: Bearer <key>`.
    pub key: String,
}

words! {
    /// What has become of an invite.
    InviteState {
        /// Somebody may register with it.
        Pending = "pending",
        /// Somebody has.
        Used = "used",
        /// Its time is over.
        Expired = "expired",
        /// An admin took it back.
        Revoked = "revoked",
    }
}

/// The right to register, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Invite {
    /// The invite.
    pub id: InviteId,
    /// What whoever registers with it may do.
    pub role: Role,
    /// What has become of it.
    pub state: InviteState,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Who registered with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used_by: Option<UserId>,
}

/// An invite that was made just now, with its token: it is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewInvite {
    /// What is kept of it.
    #[serde(flatten)]
    pub invite: Invite,
    /// To be sent as `invite` to `POST /api/register`.
    pub token: String,
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.api_key.fmt(f) // the secret is for its owner
    }
}

impl fmt::Debug for NewInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.invite.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_new_keys_secret_is_shown_to_its_owner_and_to_no_log() {
        let at = Timestamp::from_unix_ms(1);
        let key = NewApiKey {
            api_key: ApiKey {
                id: ApiKeyId(Uuid::nil()),
                name: "crm".into(),
                role: Role::Agent,
                hint: "stk_AbCd".into(),
                created_by: UserId(Uuid::nil()),
                created_at: at,
                expires_at: None,
                last_used_at: None,
                revoked_at: None,
            },
            key: "stk_AbCdEfGh".into(),
        };
        let json = serde_json::to_value(&key).unwrap();
        assert_eq!(
            (&json["key"], &json["name"]),
            (&"stk_AbCdEfGh".into(), &"crm".into())
        );
        assert!(!format!("{key:?}").contains("stk_AbCdEfGh"));
        let invite = NewInvite {
            invite: Invite {
                id: InviteId(Uuid::nil()),
                role: Role::Agent,
                state: InviteState::Pending,
                created_by: UserId(Uuid::nil()),
                created_at: at,
                expires_at: at,
                used_by: None,
            },
            token: "sti_secret".into(),
        };
        assert!(!format!("{invite:?}").contains("sti_secret"));
    }
}
