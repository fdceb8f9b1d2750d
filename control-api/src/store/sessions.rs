//! Sessions: made by login, looked up at every use, ended at once.

use sidetone_wire::{Role, TenantId, Timestamp, UserId};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::columns::Columns as _;
use super::{Result, Store};

/// Who a login is about.
#[derive(Debug)]
pub(crate) struct LoginUser {
    pub(crate) user: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) password_hash: String,
}

/// A session to be kept.
pub(crate) struct NewSession {
    pub(crate) id: Uuid,
    pub(crate) user: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) at: Timestamp,
    pub(crate) until: Timestamp,
}

/// Whoever acts: a session that is valid now, with what its user is and may do now.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) session: Uuid,
    pub(crate) user: UserId,
    pub(crate) username: String,
    pub(crate) full_name: Option<String>,
    pub(crate) role: Role,
    pub(crate) tenant: TenantId,
    pub(crate) tenant_slug: String,
    pub(crate) tenant_name: String,
    pub(crate) until: Timestamp,
}

impl Identity {
    /// The name others see.
    pub(crate) fn name(&self) -> &str {
        self.full_name.as_deref().unwrap_or(&self.username)
    }
}

fn identity(row: &AnyRow) -> Result<Identity> {
    Ok(Identity {
        session: row.parsed("id")?,
        user: row.parsed("user_id")?,
        username: row.text("username")?,
        full_name: row.opt_text("full_name")?,
        role: row.parsed("role")?,
        tenant: row.parsed("client_id")?,
        tenant_slug: row.text("slug")?,
        tenant_name: row.text("client_name")?,
        until: row.time("expires_at")?,
    })
}

impl Store {
    /// The user of that name in the first tenant that lets them in.
    pub(crate) async fn login_user(&self, username: &str) -> Result<Option<LoginUser>> {
        let row = sqlx::query(
            "SELECT u.id, u.password_hash, m.client_id FROM users u \
             JOIN memberships m ON m.user_id = u.id JOIN clients c ON c.id = m.client_id \
             WHERE u.username = $1 AND m.disabled = 0 AND c.disabled = 0 \
             ORDER BY m.created_at, m.client_id LIMIT 1",
        )
        .bind(username)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(LoginUser {
            user: row.parsed("id")?,
            tenant: row.parsed("client_id")?,
            password_hash: row.text("password_hash")?,
        }))
    }

    pub(crate) async fn add_session(&self, new: &NewSession) -> Result<()> {
        sqlx::query(
            "INSERT INTO sessions (id, user_id, client_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(new.id.to_string())
        .bind(new.user.to_string())
        .bind(new.tenant.to_string())
        .bind(new.at.unix_ms())
        .bind(new.until.unix_ms())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Who acts in a session, if it is valid at `now`.
    pub(crate) async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<Identity>> {
        let row = sqlx::query(
            "SELECT s.id, s.user_id, s.client_id, s.expires_at, u.username, u.full_name, m.role, \
             c.slug, c.name AS client_name FROM sessions s \
             JOIN users u ON u.id = s.user_id \
             JOIN memberships m ON m.user_id = s.user_id AND m.client_id = s.client_id \
             JOIN clients c ON c.id = s.client_id \
             WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 \
             AND m.disabled = 0 AND c.disabled = 0",
        )
        .bind(id.to_string())
        .bind(now.unix_ms())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(identity).transpose()
    }

    /// Ends a session.
    pub(crate) async fn revoke_session(&self, id: Uuid, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(now.unix_ms())
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How many sessions of a user are valid at `now`.
    pub(crate) async fn live_sessions(&self, user: UserId, now: Timestamp) -> Result<i64> {
        sqlx::query(
            "SELECT COUNT(*) AS n FROM sessions \
             WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
        )
        .bind(user.to_string())
        .bind(now.unix_ms())
        .fetch_one(&self.pool)
        .await?
        .int("n")
    }

    /// Drops sessions that ended before `before`, unless something still refers to them.
    pub(crate) async fn forget_sessions(&self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM sessions WHERE expires_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM watchers w WHERE w.session_id = sessions.id)",
        )
        .bind(before.unix_ms())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

impl super::Tenant {
    /// Ends every session of one of the tenant's users, there.
    pub(crate) async fn revoke_user(&self, user: UserId, now: Timestamp) -> Result<()> {
        sqlx::query(
            "UPDATE sessions SET revoked_at = $1 \
             WHERE user_id = $2 AND client_id = $3 AND revoked_at IS NULL",
        )
        .bind(now.unix_ms())
        .bind(user.to_string())
        .bind(self.key())
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
