//! Tenants.

use sidetone_wire::{BranchId, CallFacts, Direction, TenantId, Timestamp};
use sqlx::any::AnyRow;

use super::columns::Columns as _;
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

impl Store {
    pub(crate) async fn clients(&self) -> Result<Vec<Client>> {
        let rows = sqlx::query(
            "SELECT id, slug, name, disabled, created_at FROM clients \
             WHERE deleted_at IS NULL ORDER BY slug",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(client).collect()
    }

    /// Adds a tenant. A slug that is taken is a duplicate.
    pub(crate) async fn add_client(&self, new: &Client) -> Result<()> {
        sqlx::query("INSERT INTO clients (id, slug, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(new.id.to_string())
            .bind(&new.slug)
            .bind(&new.name)
            .bind(new.created_at.unix_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
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
