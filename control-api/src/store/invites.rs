//! Invites: the right to register, once.

use serde_json::json;
use sidetone_wire::{Invite, InviteId, InviteState, Role, TenantId, Timestamp};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::people::{self, NewUser};
use super::{Result, Store, Tenant};

/// An invite to be added.
pub(crate) struct NewInvite {
    pub(crate) invite: Invite,
    /// SHA-256 of the token, in hex.
    pub(crate) token_hash: String,
}

/// What an invite that is good gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invited {
    pub(crate) id: InviteId,
    pub(crate) tenant: TenantId,
    pub(crate) role: Role,
}

const INVITE: &str = "SELECT id, role, created_by, created_at, expires_at, used_by, used_at, \
    revoked_at FROM invites WHERE client_id = ";

fn invite(row: &AnyRow, now: Timestamp) -> Result<Invite> {
    let expires_at = row.time("expires_at")?;
    let state = if row.opt_int("used_at")?.is_some() {
        InviteState::Used
    } else if row.opt_int("revoked_at")?.is_some() {
        InviteState::Revoked
    } else if expires_at <= now {
        InviteState::Expired
    } else {
        InviteState::Pending
    };
    Ok(Invite {
        id: row.parsed("id")?,
        role: row.parsed("role")?,
        state,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        expires_at,
        used_by: row.opt_parsed("used_by")?,
    })
}

impl Tenant {
    /// Invites, newest first, those before `before`.
    pub(crate) async fn invites(
        &self,
        before: Option<Uuid>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Invite>> {
        let mut statement = Statement::new(INVITE);
        statement.text(self.key());
        if let Some(before) = before {
            statement.sql(" AND id < ").text(before.to_string());
        }
        statement
            .sql(" ORDER BY id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(|row| invite(row, now)).collect()
    }

    pub(crate) async fn add_invite(&self, new: &NewInvite, actor: &Actor) -> Result<()> {
        let NewInvite { invite, token_hash } = new;
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO invites (id, client_id, role, token_hash, created_by, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(invite.id.to_string())
        .bind(self.key())
        .bind(invite.role.as_str())
        .bind(token_hash)
        .bind(invite.created_by.to_string())
        .bind(invite.created_at.unix_ms())
        .bind(invite.expires_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let detail = json!({ "role": invite.role, "expiresAt": invite.expires_at });
        let (action, subject) = ("invite.created", Subject::Invite(invite.id));
        let at = invite.created_at;
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await
    }

    /// Takes an invite back; gives whether there is such an invite. One that was used stays so.
    pub(crate) async fn revoke_invite(
        &self,
        id: InviteId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let there = sqlx::query("SELECT id FROM invites WHERE id = $1 AND client_id = $2")
            .bind(id.to_string())
            .bind(self.key())
            .fetch_optional(&mut *tx)
            .await?;
        if there.is_none() {
            return Ok(false);
        }
        let done = sqlx::query(
            "UPDATE invites SET revoked_at = $1 WHERE id = $2 AND client_id = $3 \
             AND used_at IS NULL AND revoked_at IS NULL",
        )
        .bind(now.unix_ms())
        .bind(id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() > 0 {
            let (action, subject) = ("invite.revoked", Subject::Invite(id));
            audit::note(&mut tx, self.id, actor, action, subject, &json!({}), now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

impl Store {
    /// What a token gives, if it is good now.
    pub(crate) async fn invited(&self, hash: &str, now: Timestamp) -> Result<Option<Invited>> {
        let row = sqlx::query(
            "SELECT i.id, i.client_id, i.role FROM invites i \
             JOIN clients c ON c.id = i.client_id \
             WHERE i.token_hash = $1 AND i.used_at IS NULL AND i.revoked_at IS NULL \
             AND i.expires_at > $2 AND c.disabled = 0",
        )
        .bind(hash)
        .bind(now.unix_ms())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Invited {
                id: row.parsed("id")?,
                tenant: row.parsed("client_id")?,
                role: row.parsed("role")?,
            })
        })
        .transpose()
    }

    /// Adds somebody who registers, and uses their invite up; `false` when another was faster with
    /// it. A name that is taken is a duplicate.
    pub(crate) async fn register(
        &self,
        tenant: TenantId,
        new: &NewUser,
        invite: Option<InviteId>,
        address: Option<String>,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        if let Some(invite) = invite {
            let done = sqlx::query(
                "UPDATE invites SET used_at = $1, used_by = $2 WHERE id = $3 \
                 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $1",
            )
            .bind(new.at.unix_ms())
            .bind(new.id.to_string())
            .bind(invite.to_string())
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
        }
        let actor = Actor {
            name: new.id.to_string(),
            address,
        };
        let detail = json!({ "role": new.role, "inviteId": invite });
        people::insert(&mut tx, tenant, new).await?;
        let (action, subject) = ("user.registered", Subject::User(new.id));
        audit::note(&mut tx, tenant, &actor, action, subject, &detail, new.at).await?;
        tx.commit().await?;
        Ok(true)
    }
}
