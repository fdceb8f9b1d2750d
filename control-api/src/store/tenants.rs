//! Tenants.

use serde_json::json;
use sidetone_wire::{BranchId, CallFacts, Direction, TenantId, Timestamp};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tx, branches};
use crate::calls::numbers::e164;

/// Slug of the tenant that is always there: calls that name no known tenant are its calls, its
/// admins may make other tenants.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// A tenant's row.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: TenantId,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) disabled: bool,
    pub(crate) created_at: Timestamp,
}

fn client(row: &AnyRow) -> Result<Client> {
    Ok(Client {
        id: row.parsed("id")?,
        slug: row.text("slug")?,
        name: row.text("name")?,
        disabled: row.flag("disabled")?,
        created_at: row.time("created_at")?,
    })
}

/// What the removal of a tenant came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    Done,
    /// It has members, calls, keys or whatever the word says.
    NotEmpty(&'static str),
    /// There is no such tenant.
    Unknown,
}

const CLIENT: &str =
    "SELECT id, slug, name, disabled, created_at FROM clients WHERE deleted_at IS NULL";

impl Store {
    pub(crate) async fn clients(&self) -> Result<Vec<Client>> {
        let mut statement = Statement::new(CLIENT);
        statement.sql(" ORDER BY slug");
        let rows = statement.query().fetch_all(&self.pool).await?;
        rows.iter().map(client).collect()
    }

    pub(crate) async fn client(&self, id: TenantId) -> Result<Option<Client>> {
        let mut statement = Statement::new(CLIENT);
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(&self.pool).await?;
        row.as_ref().map(client).transpose()
    }

    /// Id of the tenant with that slug.
    pub(crate) async fn client_id(&self, slug: &str) -> Result<TenantId> {
        sqlx::query("SELECT id FROM clients WHERE slug = $1")
            .bind(slug)
            .fetch_one(&self.pool)
            .await?
            .parsed("id")
    }

    /// Adds a tenant; the audit log of the actor's tenant tells of it. A slug that is taken is a
    /// duplicate.
    pub(crate) async fn add_client(&self, new: &Client, by: TenantId, actor: &Actor) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO clients (id, slug, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(new.id.to_string())
            .bind(&new.slug)
            .bind(&new.name)
            .bind(new.created_at.unix_ms())
            .execute(&mut *tx)
            .await?;
        let (subject, detail) = (Subject::Client(new.id), json!({ "slug": new.slug }));
        let at = new.created_at;
        audit::note(&mut tx, by, actor, "client.added", subject, &detail, at).await?;
        tx.commit().await
    }

    /// Changes a tenant; gives whether there is one. The sessions of one that is disabled are over
    /// for good, its keys only as long as it is.
    pub(crate) async fn change_client(
        &self,
        id: TenantId,
        name: Option<&str>,
        disabled: Option<bool>,
        by: TenantId,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE clients SET name = COALESCE($1, name), disabled = COALESCE($2, disabled) \
             WHERE id = $3 AND deleted_at IS NULL",
        )
        .bind(name.map(str::to_owned))
        .bind(disabled.map(i64::from))
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        if disabled == Some(true) {
            sqlx::query(
                "UPDATE sessions SET revoked_at = $1 WHERE client_id = $2 AND revoked_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.id = sessions.id)",
            )
            .bind(at.unix_ms())
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        }
        let (subject, detail) = (
            Subject::Client(id),
            json!({ "name": name, "disabled": disabled }),
        );
        audit::note(&mut tx, by, actor, "client.changed", subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a tenant of which nothing is left but its audit log. Its row stays for that.
    pub(crate) async fn delete_client(
        &self,
        id: TenantId,
        by: TenantId,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Deletion> {
        let mut tx = self.write().await?;
        let key = id.to_string();
        let done = sqlx::query(
            "UPDATE clients SET disabled = 1, deleted_at = $1, slug = '-' || id \
             WHERE id = $2 AND deleted_at IS NULL",
        )
        .bind(at.unix_ms())
        .bind(&key)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Deletion::Unknown);
        }
        for (what, sql) in [
            (
                "members",
                "SELECT 1 AS n FROM memberships WHERE client_id = $1 LIMIT 1",
            ),
            (
                "connections",
                "SELECT 1 AS n FROM connections WHERE client_id = $1 LIMIT 1",
            ),
            (
                "phone numbers",
                "SELECT 1 AS n FROM phone_numbers WHERE client_id = $1 LIMIT 1",
            ),
            (
                "branches",
                "SELECT 1 AS n FROM branches WHERE client_id = $1 LIMIT 1",
            ),
            (
                "calls",
                "SELECT 1 AS n FROM calls WHERE client_id = $1 LIMIT 1",
            ),
            (
                "recordings",
                "SELECT 1 AS n FROM recordings WHERE client_id = $1 LIMIT 1",
            ),
        ] {
            let some = sqlx::query(sql).bind(&key).fetch_optional(&mut *tx).await?;
            if some.is_some() {
                return Ok(Deletion::NotEmpty(what)); // the transaction is taken back
            }
        }
        for sql in [
            "UPDATE api_keys SET revoked_at = $1 WHERE client_id = $2 AND revoked_at IS NULL",
            "UPDATE sessions SET revoked_at = $1 WHERE client_id = $2 AND revoked_at IS NULL",
            "UPDATE invites SET revoked_at = $1 WHERE client_id = $2 AND revoked_at IS NULL \
             AND used_at IS NULL",
        ] {
            sqlx::query(sql)
                .bind(at.unix_ms())
                .bind(&key)
                .execute(&mut *tx)
                .await?;
        }
        let (action, subject) = ("client.removed", Subject::Client(id));
        audit::note(&mut tx, by, actor, action, subject, &json!({}), at).await?;
        tx.commit().await?;
        Ok(Deletion::Done)
    }
}

/// Whose a call is that a gateway found: the tenant's that it names, else that of the number on
/// the tenant's side, else the default one's. The branch is that number's, if it is the tenant's.
pub(super) async fn of_call(
    tx: &mut Tx,
    facts: &CallFacts,
) -> Result<(TenantId, Option<BranchId>)> {
    let number = match facts.direction {
        Direction::Outbound => e164(&facts.from),
        Direction::Inbound | Direction::Web => e164(&facts.to),
    };
    let lines = branches::lines(tx, &number.clone().into_iter().collect()).await?;
    let line = number.and_then(|number| lines.get(&number));
    let named = match &facts.tenant {
        Some(slug) => with_slug(tx, &slug.to_lowercase()).await?,
        None => None,
    };
    let tenant = match (named, line) {
        (Some(named), _) => named,
        (None, Some(line)) => line.tenant,
        (None, None) => default(tx).await?,
    };
    let ours = line.filter(|line| line.tenant == tenant);
    Ok((tenant, ours.and_then(|line| line.branch)))
}

/// The tenant that is always there.
pub(super) async fn default(tx: &mut Tx) -> Result<TenantId> {
    let default = with_slug(tx, DEFAULT_TENANT).await?;
    Ok(default.ok_or(sqlx::Error::RowNotFound)?)
}

async fn with_slug(tx: &mut Tx, slug: &str) -> Result<Option<TenantId>> {
    let row = sqlx::query("SELECT id FROM clients WHERE slug = $1")
        .bind(slug)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| row.parsed("id")).transpose()
}
