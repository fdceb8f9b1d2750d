//! Users and their memberships.

use serde_json::{Value, json};
use sidetone_wire::{Membership, Role, TenantId, Timestamp, UserId};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tenant, Tx};

/// A user as their tenant's admin sees them.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) full_name: Option<String>,
    pub(crate) forwarding_number: Option<String>,
    pub(crate) role: Role,
    pub(crate) disabled: bool,
    pub(crate) created_at: Timestamp,
}

/// A user to be added.
pub(crate) struct NewUser {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) password_hash: String,
    pub(crate) full_name: Option<String>,
    pub(crate) role: Role,
    pub(crate) at: Timestamp,
}

/// What is to be changed of a user; `None` leaves it.
#[derive(Default)]
pub(crate) struct UserChange {
    pub(crate) role: Option<Role>,
    pub(crate) disabled: Option<bool>,
    pub(crate) full_name: Option<String>,
    pub(crate) forwarding_number: Option<String>,
    pub(crate) password_hash: Option<String>,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserChanged {
    Done,
    /// There is no such user.
    Unknown,
    /// The tenant would be left without an admin who can log in.
    LastAdmin,
}

const USER: &str = "SELECT u.id, u.username, u.full_name, u.forwarding_number, m.role, m.disabled, \
    u.created_at FROM users u JOIN memberships m ON m.user_id = u.id WHERE m.client_id = ";

fn user(row: &AnyRow) -> Result<User> {
    Ok(User {
        id: row.parsed("id")?,
        username: row.text("username")?,
        full_name: row.opt_text("full_name")?,
        forwarding_number: row.opt_text("forwarding_number")?,
        role: row.parsed("role")?,
        disabled: row.flag("disabled")?,
        created_at: row.time("created_at")?,
    })
}

impl Store {
    /// Makes the default tenant and its first admin, unless there is a user already. Gives whether
    /// it did.
    pub(crate) async fn found(&self, tenant: TenantId, admin: &NewUser) -> Result<bool> {
        let mut tx = self.write().await?;
        let at = admin.at.unix_ms();
        sqlx::query(
            "INSERT INTO clients (id, slug, name, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (slug) DO NOTHING",
        )
        .bind(tenant.to_string())
        .bind(super::DEFAULT_TENANT)
        .bind("Default")
        .bind(at)
        .execute(&mut *tx)
        .await?;
        let people = sqlx::query("SELECT COUNT(*) AS n FROM users")
            .fetch_one(&mut *tx)
            .await?
            .int("n")?;
        if people > 0 {
            tx.commit().await?;
            return Ok(false);
        }
        let tenant = super::tenants::default(&mut tx).await?;
        insert(&mut tx, tenant, admin).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The tenants that a user may act for, as login prefers them.
    pub(crate) async fn memberships(&self, user: UserId) -> Result<Vec<Membership>> {
        let rows = sqlx::query(
            "SELECT m.client_id, m.role, c.slug, c.name FROM memberships m \
             JOIN clients c ON c.id = m.client_id \
             WHERE m.user_id = $1 AND m.disabled = 0 AND c.disabled = 0 \
             ORDER BY m.created_at, m.client_id",
        )
        .bind(user.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Membership {
                    client_id: row.parsed("client_id")?,
                    slug: row.text("slug")?,
                    name: row.text("name")?,
                    role: row.parsed("role")?,
                })
            })
            .collect()
    }

    /// Whether nobody was added yet.
    pub(crate) async fn is_empty(&self) -> Result<bool> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM users")
            .fetch_one(&self.pool)
            .await?;
        Ok(row.int("n")? == 0)
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: TenantId, new: &NewUser) -> Result<()> {
    sqlx::query(
        "INSERT INTO users (id, username, password_hash, full_name, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $5)",
    )
    .bind(new.id.to_string())
    .bind(&new.username)
    .bind(&new.password_hash)
    .bind(new.full_name.clone())
    .bind(new.at.unix_ms())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO memberships (user_id, client_id, role, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(new.id.to_string())
    .bind(tenant.to_string())
    .bind(new.role.as_str())
    .bind(new.at.unix_ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Tenant {
    /// Users by name, those after `after`.
    pub(crate) async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>> {
        let mut statement = Statement::new(USER);
        statement.text(self.key());
        if let Some(after) = after {
            statement.sql(" AND u.username > ").text(after);
        }
        statement
            .sql(" ORDER BY u.username LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(user).collect()
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<Option<User>> {
        let mut statement = Statement::new(USER);
        statement
            .text(self.key())
            .sql(" AND u.id = ")
            .text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(user).transpose()
    }

    /// The user whose id is written so; none for what is no id.
    pub(crate) async fn user_named(&self, id: &str) -> Result<Option<User>> {
        match id.parse() {
            Ok(id) => self.user(id).await,
            Err(_) => Ok(None),
        }
    }

    /// Adds a user. A name that is taken, by whatever tenant, is a duplicate.
    pub(crate) async fn add_user(&self, new: &NewUser, actor: &Actor) -> Result<()> {
        let mut tx = self.store.write().await?;
        insert(&mut tx, self.id, new).await?;
        let (subject, detail) = (Subject::User(new.id), json!({ "role": new.role }));
        audit::note(
            &mut tx,
            self.id,
            actor,
            "user.added",
            subject,
            &detail,
            new.at,
        )
        .await?;
        tx.commit().await
    }

    /// Whether the user belongs to other tenants too: then this one must not change what is
    /// theirs everywhere, such as the password.
    pub(crate) async fn shares_user(&self, id: UserId) -> Result<bool> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM memberships WHERE user_id = $1 AND client_id <> $2",
        )
        .bind(id.to_string())
        .bind(self.key())
        .fetch_one(self.pool())
        .await?;
        Ok(row.int("n")? > 0)
    }

    /// Changes a user, unless that takes the tenant's last admin.
    pub(crate) async fn change_user(
        &self,
        id: UserId,
        change: &UserChange,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<UserChanged> {
        let mut tx = self.store.write().await?;
        let demotes = change.role.is_some_and(|role| role != Role::Admin);
        let guard = demotes || change.disabled == Some(true);
        let admin = guard && self.guard_admins(&mut tx, id).await?;
        let done = sqlx::query(
            "UPDATE memberships SET role = COALESCE($1, role), disabled = COALESCE($2, disabled) \
             WHERE user_id = $3 AND client_id = $4",
        )
        .bind(change.role.map(|role| role.as_str().to_owned()))
        .bind(change.disabled.map(i64::from))
        .bind(id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(UserChanged::Unknown);
        }
        if admin && !self.has_admin(&mut tx).await? {
            return Ok(UserChanged::LastAdmin);
        }
        sqlx::query(
            "UPDATE users SET full_name = COALESCE($1, full_name), \
             forwarding_number = COALESCE($2, forwarding_number), \
             password_hash = COALESCE($3, password_hash), updated_at = $4 WHERE id = $5",
        )
        .bind(change.full_name.clone())
        .bind(change.forwarding_number.clone())
        .bind(change.password_hash.clone())
        .bind(now.unix_ms())
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
        let (subject, detail) = (Subject::User(id), change.told());
        audit::note(
            &mut tx,
            self.id,
            actor,
            "user.changed",
            subject,
            &detail,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(UserChanged::Done)
    }

    /// Ends a user's membership, unless it is an admin's and one must stay. The user's row stays: sessions and the audit log refer to it, and
    /// without a membership nobody can log in with it.
    pub(crate) async fn remove_user(
        &self,
        id: UserId,
        keep_admin: bool,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<UserChanged> {
        let mut tx = self.store.write().await?;
        let admin = self.guard_admins(&mut tx, id).await?;
        let done = sqlx::query("DELETE FROM memberships WHERE user_id = $1 AND client_id = $2")
            .bind(id.to_string())
            .bind(self.key())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(UserChanged::Unknown);
        }
        if admin && keep_admin && !self.has_admin(&mut tx).await? {
            return Ok(UserChanged::LastAdmin);
        }
        let (action, subject) = ("user.removed", Subject::User(id));
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), now).await?;
        tx.commit().await?;
        Ok(UserChanged::Done)
    }

    /// Whether the user is an admin who can log in. Whoever asks is alone in changing the tenant's
    /// admins until the transaction's end, so that two of them do not take each other's rights.
    async fn guard_admins(&self, tx: &mut Tx, id: UserId) -> Result<bool> {
        sqlx::query("UPDATE clients SET name = name WHERE id = $1")
            .bind(self.key())
            .execute(&mut **tx)
            .await?;
        let row = sqlx::query(
            "SELECT user_id FROM memberships \
             WHERE client_id = $1 AND user_id = $2 AND role = 'admin' AND disabled = 0",
        )
        .bind(self.key())
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
        Ok(row.is_some())
    }

    async fn has_admin(&self, tx: &mut Tx) -> Result<bool> {
        let row = sqlx::query(
            "SELECT user_id FROM memberships \
             WHERE client_id = $1 AND role = 'admin' AND disabled = 0 LIMIT 1",
        )
        .bind(self.key())
        .fetch_optional(&mut **tx)
        .await?;
        Ok(row.is_some())
    }
}

impl UserChange {
    /// For the audit log: what was changed, and of names, numbers and passwords only that.
    fn told(&self) -> Value {
        json!({
            "role": self.role,
            "disabled": self.disabled,
            "fullName": self.full_name.as_ref().map(|_| true),
            "forwardingNumber": self.forwarding_number.as_ref().map(|_| true),
            "password": self.password_hash.as_ref().map(|_| true),
        })
    }
}
