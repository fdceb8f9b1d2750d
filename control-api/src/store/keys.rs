//! API keys.
//!
//! Beside a key there are an account and a session under its id (see the migration), so that what
//! a key does is noted, watched and ended as what a person does.

use serde_json::json;
use sidetone_wire::{ApiKey, ApiKeyId, Role, Timestamp};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tenant};

/// When a key ends that does not end by itself.
const NEVER: Timestamp = Timestamp::from_unix_ms(i64::MAX);

/// How long a key's last use is not noted again.
const USE_NOTED_MS: i64 = 60_000;

/// A key to be added.
pub(crate) struct NewKey {
    pub(crate) key: ApiKey,
    /// SHA-256 of the whole key, in hex.
    pub(crate) secret_hash: String,
}

const KEY: &str = "SELECT id, name, role, hint, created_by, created_at, expires_at, last_used_at, \
    revoked_at FROM api_keys WHERE client_id = ";

fn key(row: &AnyRow) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.parsed("id")?,
        name: row.text("name")?,
        role: row.parsed("role")?,
        hint: row.text("hint")?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        expires_at: row.opt_time("expires_at")?,
        last_used_at: row.opt_time("last_used_at")?,
        revoked_at: row.opt_time("revoked_at")?,
    })
}

impl Store {
    /// The session of the key with that hash, whether or not it is valid. Its use is noted.
    pub(crate) async fn key_session(&self, hash: &str, now: Timestamp) -> Result<Option<Uuid>> {
        let row = sqlx::query("SELECT id, last_used_at FROM api_keys WHERE secret_hash = $1")
            .bind(hash)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id: Uuid = row.parsed("id")?;
        let stale = now.unix_ms() - USE_NOTED_MS;
        if row.opt_int("last_used_at")?.is_none_or(|at| at < stale) {
            sqlx::query(
                "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND revoked_at IS NULL \
                 AND (last_used_at IS NULL OR last_used_at < $3)",
            )
            .bind(now.unix_ms())
            .bind(id.to_string())
            .bind(stale)
            .execute(&self.pool)
            .await?;
        }
        Ok(Some(id))
    }
}

impl Tenant {
    /// Keys, newest first, those before `before`.
    pub(crate) async fn keys(&self, before: Option<Uuid>, limit: u32) -> Result<Vec<ApiKey>> {
        let mut statement = Statement::new(KEY);
        statement.text(self.key());
        if let Some(before) = before {
            statement.sql(" AND id < ").text(before.to_string());
        }
        statement
            .sql(" ORDER BY id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(key).collect()
    }

    /// Adds a key with its account and its session.
    pub(crate) async fn add_key(&self, new: &NewKey, actor: &Actor) -> Result<()> {
        let NewKey { key, secret_hash } = new;
        let (id, at) = (key.id.to_string(), key.created_at.unix_ms());
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO users (id, username, password_hash, full_name, created_at, updated_at) \
             VALUES ($1, $2, '', $3, $4, $4)",
        )
        .bind(&id)
        .bind(account_name(key.id))
        .bind(&key.name)
        .bind(at)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO sessions (id, user_id, client_id, created_at, expires_at) \
             VALUES ($1, $1, $2, $3, $4)",
        )
        .bind(&id)
        .bind(self.key())
        .bind(at)
        .bind(key.expires_at.unwrap_or(NEVER).unix_ms())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO api_keys (id, client_id, name, role, secret_hash, hint, created_by, \
             created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&id)
        .bind(self.key())
        .bind(&key.name)
        .bind(key.role.as_str())
        .bind(secret_hash)
        .bind(&key.hint)
        .bind(key.created_by.to_string())
        .bind(at)
        .bind(key.expires_at.map(Timestamp::unix_ms))
        .execute(&mut *tx)
        .await?;
        let detail = json!({ "name": key.name, "role": key.role, "expiresAt": key.expires_at });
        let (action, subject) = ("api_key.created", Subject::ApiKey(key.id));
        let at = key.created_at;
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await
    }

    /// Revokes a key and its session; gives whether there is such a key. Once is enough.
    pub(crate) async fn revoke_key(
        &self,
        id: ApiKeyId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let row = sqlx::query("SELECT revoked_at FROM api_keys WHERE id = $1 AND client_id = $2")
            .bind(id.to_string())
            .bind(self.key())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(false) };
        if row.opt_int("revoked_at")?.is_some() {
            return Ok(true);
        }
        for sql in [
            "UPDATE api_keys SET revoked_at = $1 WHERE id = $2",
            "UPDATE sessions SET revoked_at = $1 WHERE id = $2",
        ] {
            sqlx::query(sql)
                .bind(now.unix_ms())
                .bind(id.to_string())
                .execute(&mut *tx)
                .await?;
        }
        let (action, subject) = ("api_key.revoked", Subject::ApiKey(id));
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The name of a key's account, which is none that a person can have.
fn account_name(id: ApiKeyId) -> String {
    format!("key:{id}")
}

/// What a key may do, instead of what a membership says. For `sessions.rs`.
pub(super) fn of_session(row: &AnyRow) -> Result<Option<(ApiKeyId, Role)>> {
    let Some(id) = row.opt_parsed("key_id")? else {
        return Ok(None);
    };
    Ok(Some((id, row.parsed("key_role")?)))
}
