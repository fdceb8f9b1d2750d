//! Sessions: made by login, looked up at every use, ended at once.

use std::collections::HashSet;

use sidetone_wire::{ApiKeyId, Role, TenantId, Timestamp, UserId};
use sqlx::any::AnyRow;
use uuid::Uuid;

use serde_json::json;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{DEFAULT_TENANT, Result, Store, keys};

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

/// Whoever acts: a session that is valid now, with what its user is and may do now. An API key has
/// a session and an account under its own id.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) session: Uuid,
    pub(crate) user: UserId,
    /// Set when a program acts.
    pub(crate) api_key: Option<ApiKeyId>,
    pub(crate) username: String,
    pub(crate) full_name: Option<String>,
    pub(crate) forwarding_number: Option<String>,
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
    let key = keys::of_session(row)?;
    Ok(Identity {
        api_key: key.map(|(id, _)| id),
        session: row.parsed("id")?,
        user: row.parsed("user_id")?,
        username: row.text("username")?,
        full_name: row.opt_text("full_name")?,
        forwarding_number: row.opt_text("forwarding_number")?,
        role: match key {
            Some((_, role)) => role,
            None => row.parsed("role")?,
        },
        tenant: row.parsed("client_id")?,
        tenant_slug: row.text("slug")?,
        tenant_name: row.text("client_name")?,
        until: row.time("expires_at")?,
    })
}

impl Store {
    /// The user of that name in the tenant with that slug, or in the first that lets them in.
    pub(crate) async fn login_user(
        &self,
        username: &str,
        slug: Option<&str>,
    ) -> Result<Option<LoginUser>> {
        let row = sqlx::query(
            "SELECT u.id, u.password_hash, m.client_id FROM users u \
             JOIN memberships m ON m.user_id = u.id JOIN clients c ON c.id = m.client_id \
             WHERE u.username = $1 AND m.disabled = 0 AND c.disabled = 0 \
             AND ($2 = '' OR c.slug = $2) \
             ORDER BY m.created_at, m.client_id LIMIT 1",
        )
        .bind(username)
        .bind(slug.unwrap_or_default())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(LoginUser {
            user: row.parsed("id")?,
            tenant: row.parsed("client_id")?,
            password_hash: row.text("password_hash")?,
        }))
    }

    /// Keeps a session; the audit log tells of it.
    pub(crate) async fn add_session(
        &self,
        new: &NewSession,
        actor: &Actor,
        from: Option<TenantId>,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO sessions (id, user_id, client_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(new.id.to_string())
        .bind(new.user.to_string())
        .bind(new.tenant.to_string())
        .bind(new.at.unix_ms())
        .bind(new.until.unix_ms())
        .execute(&mut *tx)
        .await?;
        let subject = Subject::User(new.user);
        let detail = from.map_or_else(|| json!({}), |from| json!({ "fromClientId": from }));
        let action = "session.opened";
        audit::note(&mut tx, new.tenant, actor, action, subject, &detail, new.at).await?;
        tx.commit().await
    }

    /// Notes that a login was refused: in the user's tenant, or in the default one when there is
    /// no such user. What was given for a name is not kept: now and then it is a password.
    pub(crate) async fn refuse_login(
        &self,
        user: Option<&LoginUser>,
        address: Option<String>,
        at: Timestamp,
    ) -> Result<()> {
        let actor = Actor {
            name: Actor::ANONYMOUS.to_owned(),
            address,
        };
        let (tenant, subject, why) = if let Some(user) = user {
            (user.tenant, Subject::User(user.user), "wrong_password")
        } else {
            let tenant = self.client_id(DEFAULT_TENANT).await?;
            (tenant, Subject::Client(tenant), "unknown_user")
        };
        let detail = json!({ "reason": why });
        let tenant = self.tenant(tenant);
        tenant
            .note(&actor, "session.refused", subject, &detail, at)
            .await
    }

    /// Who acts in a session, if it is valid at `now`.
    pub(crate) async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<Identity>> {
        let row = sqlx::query(
            "SELECT s.id, s.user_id, s.client_id, s.expires_at, u.username, u.full_name, \
             u.forwarding_number, m.role, c.slug, c.name AS client_name, k.id AS key_id, \
             k.role AS key_role FROM sessions s \
             JOIN users u ON u.id = s.user_id \
             JOIN clients c ON c.id = s.client_id \
             LEFT JOIN memberships m ON m.user_id = s.user_id AND m.client_id = s.client_id \
             AND m.disabled = 0 \
             LEFT JOIN api_keys k ON k.id = s.id AND k.revoked_at IS NULL \
             WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 \
             AND c.disabled = 0 AND (m.user_id IS NOT NULL OR k.id IS NOT NULL)",
        )
        .bind(id.to_string())
        .bind(now.unix_ms())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(identity).transpose()
    }

    /// Ends a session; the audit log tells that its user did.
    pub(crate) async fn close_session(
        &self,
        identity: &Identity,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done =
            sqlx::query("UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
                .bind(now.unix_ms())
                .bind(identity.session.to_string())
                .execute(&mut *tx)
                .await?;
        if done.rows_affected() > 0 {
            let (tenant, subject) = (identity.tenant, Subject::User(identity.user));
            let action = "session.closed";
            audit::note(&mut tx, tenant, actor, action, subject, &json!({}), now).await?;
        }
        tx.commit().await
    }

    /// Ends all sessions of a user but one, in all tenants; gives which.
    pub(crate) async fn revoke_others(
        &self,
        user: UserId,
        keep: Uuid,
        now: Timestamp,
    ) -> Result<Vec<Uuid>> {
        let rows = sqlx::query(
            "UPDATE sessions SET revoked_at = $1 WHERE user_id = $2 AND id <> $3 \
             AND revoked_at IS NULL AND expires_at > $1 RETURNING id",
        )
        .bind(now.unix_ms())
        .bind(user.to_string())
        .bind(keep.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// Those of these sessions that are no longer valid at `now`.
    pub(crate) async fn ended_sessions(&self, ids: &[Uuid], now: Timestamp) -> Result<Vec<Uuid>> {
        let mut ended = Vec::new();
        for ids in ids.chunks(500) {
            let mut statement = Statement::new(
                "SELECT s.id FROM sessions s JOIN clients c ON c.id = s.client_id \
                 LEFT JOIN memberships m ON m.user_id = s.user_id AND m.client_id = s.client_id \
                 AND m.disabled = 0 \
                 LEFT JOIN api_keys k ON k.id = s.id AND k.revoked_at IS NULL \
                 WHERE s.revoked_at IS NULL AND c.disabled = 0 \
                 AND (m.user_id IS NOT NULL OR k.id IS NOT NULL) AND s.expires_at > ",
            );
            statement.int(now.unix_ms()).sql(" AND s.id IN (");
            for (n, id) in ids.iter().enumerate() {
                statement
                    .sql(if n > 0 { ", " } else { "" })
                    .text(id.to_string());
            }
            statement.sql(")");
            let rows = statement.query().fetch_all(&self.pool).await?;
            let valid = rows
                .iter()
                .map(|row| row.parsed("id"))
                .collect::<Result<HashSet<Uuid>>>()?;
            ended.extend(ids.iter().filter(|id| !valid.contains(*id)));
        }
        Ok(ended)
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
    /// Sessions of the tenant that take part in calls, with their users.
    pub(crate) async fn watching(&self) -> Result<Vec<(UserId, Uuid)>> {
        let rows = sqlx::query(
            "SELECT DISTINCT s.user_id, s.id FROM sessions s \
             JOIN watchers w ON w.session_id = s.id WHERE s.client_id = $1",
        )
        .bind(self.key())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok((row.parsed("user_id")?, row.parsed("id")?)))
            .collect()
    }

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
