//! Members of a tenant, and people across tenants.

use serde_json::json;
use sidetone_wire::{Member, Role, Timestamp, UserId};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tenant};

const MEMBER: &str = "SELECT u.id, u.username, u.full_name, m.role, m.disabled, m.created_at \
    FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.client_id = ";

fn member(row: &AnyRow) -> Result<Member> {
    Ok(Member {
        user_id: row.parsed("id")?,
        username: row.text("username")?,
        full_name: row.opt_text("full_name")?,
        role: row.parsed("role")?,
        disabled: row.flag("disabled")?,
        since: row.time("created_at")?,
    })
}

impl Tenant {
    /// Members by name, those after `after`.
    pub(crate) async fn members(&self, after: Option<&str>, limit: u32) -> Result<Vec<Member>> {
        let mut statement = Statement::new(MEMBER);
        statement.text(self.key());
        if let Some(after) = after {
            statement.sql(" AND u.username > ").text(after);
        }
        statement
            .sql(" ORDER BY u.username LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(member).collect()
    }

    pub(crate) async fn member(&self, user: UserId) -> Result<Option<Member>> {
        let mut statement = Statement::new(MEMBER);
        statement.text(self.key());
        statement.sql(" AND u.id = ").text(user.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(member).transpose()
    }

    /// Makes a user a member. One who is it already is a duplicate.
    pub(crate) async fn add_member(
        &self,
        user: UserId,
        role: Role,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO memberships (user_id, client_id, role, created_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(user.to_string())
        .bind(self.key())
        .bind(role.as_str())
        .bind(at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let (subject, detail) = (Subject::User(user), json!({ "role": role }));
        audit::note(
            &mut tx,
            self.id,
            actor,
            "member.added",
            subject,
            &detail,
            at,
        )
        .await?;
        tx.commit().await
    }

    /// Gives a user another password; the audit log tells that they did it themselves.
    pub(crate) async fn change_password(
        &self,
        user: UserId,
        hash: &str,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query("UPDATE users SET password_hash = $1, updated_at = $2 WHERE id = $3")
            .bind(hash)
            .bind(at.unix_ms())
            .bind(user.to_string())
            .execute(&mut *tx)
            .await?;
        let (action, subject) = ("password.changed", Subject::User(user));
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), at).await?;
        tx.commit().await
    }
}

impl Store {
    /// The user of that id, if it is a person's: somebody who is or was a member of a tenant.
    pub(crate) async fn person(&self, id: UserId) -> Result<Option<UserId>> {
        let sql = "SELECT id FROM users WHERE id = $1 AND password_hash <> ''";
        let row = sqlx::query(sql)
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| row.parsed("id")).transpose()
    }

    /// The person of that name.
    pub(crate) async fn person_named(&self, username: &str) -> Result<Option<UserId>> {
        let sql = "SELECT id FROM users WHERE username = $1 AND password_hash <> ''";
        let row = sqlx::query(sql)
            .bind(username.trim().to_lowercase())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| row.parsed("id")).transpose()
    }

    pub(crate) async fn password_hash(&self, user: UserId) -> Result<Option<String>> {
        let row = sqlx::query("SELECT password_hash FROM users WHERE id = $1")
            .bind(user.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| row.text("password_hash")).transpose()
    }

    /// Keeps another hash of the same password, unless the password was changed meanwhile.
    pub(crate) async fn upgrade_hash(&self, user: UserId, from: &str, to: &str) -> Result<()> {
        sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
            .bind(to)
            .bind(user.to_string())
            .bind(from)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
