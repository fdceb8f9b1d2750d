//! Tenants' accounts at vendors. Secrets come and go encrypted.

use serde_json::{Map, Value, json};
use sidetone_wire::{ConnectionId, ConnectionKind, TenantId, Timestamp, WebhookAuth};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{self, Columns as _, Statement};
use super::{Result, Store, Tenant};

const ACCOUNT: &str = "SELECT c.id, c.client_id, c.kind, c.name, c.credentials, c.webhook, \
    c.webhook_secret, c.settings, c.created_at, c.updated_at FROM connections c";

/// With its tenant's slug, unless that is disabled.
const STREAM_ACCOUNT: &str = "SELECT c.id, c.client_id, c.kind, c.name, c.credentials, c.webhook, \
    c.webhook_secret, c.settings, c.created_at, c.updated_at, t.slug FROM connections c \
    JOIN clients t ON t.id = c.client_id WHERE t.disabled = 0 AND t.deleted_at IS NULL";

/// An account's row.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: ConnectionId,
    pub(crate) client_id: TenantId,
    pub(crate) kind: ConnectionKind,
    pub(crate) name: String,
    /// A JSON object, encrypted.
    pub(crate) credentials: Option<String>,
    pub(crate) webhook: WebhookAuth,
    /// Encrypted.
    pub(crate) webhook_secret: Option<String>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

fn account(row: &AnyRow) -> Result<Account> {
    Ok(Account {
        id: row.parsed("id")?,
        client_id: row.parsed("client_id")?,
        kind: row.parsed("kind")?,
        name: row.text("name")?,
        credentials: row.opt_text("credentials")?,
        webhook: row.json("webhook")?,
        webhook_secret: row.opt_text("webhook_secret")?,
        settings: row.json("settings")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

impl Account {
    /// How it reads in the audit log.
    fn shown(&self) -> Value {
        json!({ "kind": self.kind, "name": self.name, "webhook": self.webhook,
            "settings": self.settings })
    }
}

impl Tenant {
    /// Accounts by name, those after `after`.
    pub(crate) async fn accounts(
        &self,
        kind: Option<ConnectionKind>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Account>> {
        let mut statement = Statement::new(ACCOUNT);
        statement.sql(" WHERE c.client_id = ").text(self.key());
        if let Some(kind) = kind {
            statement.sql(" AND c.kind = ").text(kind.as_str());
        }
        if let Some(after) = after {
            statement.sql(" AND c.name > ").text(after);
        }
        statement
            .sql(" ORDER BY c.name LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(account).collect()
    }

    pub(crate) async fn account(&self, id: ConnectionId) -> Result<Option<Account>> {
        let mut statement = Statement::new(ACCOUNT);
        statement.sql(" WHERE c.client_id = ").text(self.key());
        statement.sql(" AND c.id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(account).transpose()
    }

    /// Adds an account. A name that is taken is a duplicate.
    pub(crate) async fn add_account(&self, new: &Account, actor: &Actor) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO connections (id, client_id, kind, name, credentials, webhook, \
             webhook_secret, settings, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        )
        .bind(new.id.to_string())
        .bind(self.key())
        .bind(new.kind.as_str())
        .bind(&new.name)
        .bind(new.credentials.clone())
        .bind(columns::json(&new.webhook))
        .bind(new.webhook_secret.clone())
        .bind(columns::json(&new.settings))
        .bind(new.created_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let (subject, at) = (Subject::Connection(new.id), new.created_at);
        let action = "connection.added";
        audit::note(&mut tx, self.id, actor, action, subject, &new.shown(), at).await?;
        tx.commit().await
    }

    /// Puts an account in the place of `former`; `false` when it is gone.
    pub(crate) async fn change_account(
        &self,
        former: &Account,
        account: &Account,
        actor: &Actor,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query(
            "UPDATE connections SET name = $1, credentials = $2, webhook = $3, \
             webhook_secret = $4, settings = $5, updated_at = $6 WHERE id = $7 AND client_id = $8",
        )
        .bind(&account.name)
        .bind(account.credentials.clone())
        .bind(columns::json(&account.webhook))
        .bind(account.webhook_secret.clone())
        .bind(columns::json(&account.settings))
        .bind(account.updated_at.unix_ms())
        .bind(account.id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let detail = json!({
            "from": former.shown(),
            "to": account.shown(),
            "credentialsChanged": former.credentials != account.credentials,
            "secretChanged": former.webhook_secret != account.webhook_secret,
        });
        let (subject, at) = (Subject::Connection(account.id), account.updated_at);
        let action = "connection.changed";
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes an account; `false` when it is gone.
    pub(crate) async fn remove_account(
        &self,
        account: &Account,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query("DELETE FROM connections WHERE id = $1 AND client_id = $2")
            .bind(account.id.to_string())
            .bind(self.key())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (subject, detail) = (Subject::Connection(account.id), account.shown());
        let action = "connection.removed";
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Store {
    /// An account that streams are brought to, with its tenant's slug, unless the tenant is
    /// disabled.
    pub(crate) async fn stream_account(
        &self,
        id: ConnectionId,
    ) -> Result<Option<(Account, String)>> {
        let mut statement = Statement::new(STREAM_ACCOUNT);
        statement.sql(" AND c.id = ").text(id.to_string());
        let row = statement.query().fetch_optional(&self.pool).await?;
        let found = row.map(|row| Ok((account(&row)?, row.text("slug")?)));
        found.transpose()
    }

    /// Accounts at Genesys whose streams may come, of all tenants, with their slugs: the newest
    /// first, at most `limit`.
    pub(crate) async fn genesys_accounts(&self, limit: u32) -> Result<Vec<(Account, String)>> {
        let mut statement = Statement::new(STREAM_ACCOUNT);
        let kind = ConnectionKind::Genesys;
        statement.sql(" AND c.kind = ").text(kind.as_str());
        statement
            .sql(" AND c.credentials IS NOT NULL ORDER BY c.created_at DESC, c.id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(&self.pool).await?;
        let found = rows
            .iter()
            .map(|row| Ok((account(row)?, row.text("slug")?)));
        found.collect()
    }

    /// Accounts of a vendor that webhooks may come from, of one tenant by its slug or of all: the
    /// newest first, at most `limit`.
    pub(crate) async fn webhook_accounts(
        &self,
        kind: ConnectionKind,
        slug: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Account>> {
        let mut statement = Statement::new(ACCOUNT);
        statement.sql(" JOIN clients t ON t.id = c.client_id WHERE c.webhook_secret IS NOT NULL");
        statement.sql(" AND c.kind = ").text(kind.as_str());
        if let Some(slug) = slug {
            statement.sql(" AND t.slug = ").text(slug);
        }
        statement
            .sql(" ORDER BY c.created_at DESC, c.id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(&self.pool).await?;
        rows.iter().map(account).collect()
    }
}
