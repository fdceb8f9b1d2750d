//! Tenants.

use sidetone_wire::{TenantId, Timestamp};
use sqlx::any::AnyRow;

use super::columns::Columns as _;
use super::{Result, Store, Tx};

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

/// The tenant a call belongs to: the one with that slug, else the default one.
pub(super) async fn of_call(tx: &mut Tx, slug: Option<&str>) -> Result<TenantId> {
    let row = sqlx::query(
        "SELECT id FROM clients WHERE slug = $1 OR slug = $2 \
         ORDER BY CASE WHEN slug = $1 THEN 0 ELSE 1 END LIMIT 1",
    )
    .bind(slug.unwrap_or(DEFAULT_TENANT).to_lowercase())
    .bind(DEFAULT_TENANT)
    .fetch_one(&mut **tx)
    .await?;
    row.parsed("id")
}
