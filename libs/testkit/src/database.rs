//! The database of a test: SQLite, or one of its own on a PostgreSQL for the whole run.

use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

/// Names the PostgreSQL, for example `postgres://postgres@127.0.0.1:5432`; without it databases
/// are SQLite. `make test` runs the tests of the control plane both ways.
pub const TEST_POSTGRES: &str = "SIDETONE_TEST_POSTGRES";

/// Begins the names of databases that tests made.
const PREFIX: &str = "sidetone_test_";

/// The address of the database that belongs to a data folder, made when it is not there. On
/// PostgreSQL the databases of folders that are gone are dropped with that.
///
/// # Panics
/// When PostgreSQL refuses.
pub async fn database(folder: &Path) -> String {
    let Ok(server) = std::env::var(TEST_POSTGRES) else {
        return format!("sqlite://{}/sidetone.db", folder.display());
    };
    let made = on_postgres(&server, folder).await;
    made.unwrap_or_else(|error| panic!("{TEST_POSTGRES}: {error:#}"))
}

async fn on_postgres(server: &str, folder: &Path) -> Result<String> {
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await?;
    let folder = folder.to_str().context("the folder's name is text")?;
    let hash = hex::encode(digest::digest(&digest::SHA256, folder.as_bytes()));
    let name = format!("{PREFIX}{}", &hash[..32]);
    let known = "SELECT COUNT(*) FROM pg_database WHERE datname = $1";
    let known: i64 = sqlx::query_scalar(known)
        .bind(&name)
        .fetch_one(&mut admin)
        .await?;
    if known == 0 {
        drop_orphans(&mut admin).await?;
        let sql = format!("CREATE DATABASE {name}");
        admin.execute(AssertSqlSafe(sql)).await?;
        // says whose it is; a folder of ours has no quotes in its name
        let sql = format!("COMMENT ON DATABASE {name} IS '{folder}'");
        admin.execute(AssertSqlSafe(sql)).await?;
    }
    Ok(format!("{server}/{name}"))
}

async fn drop_orphans(admin: &mut PgConnection) -> Result<()> {
    let listed = "SELECT datname, shobj_description(oid, 'pg_database') AS folder \
        FROM pg_database WHERE starts_with(datname, $1)";
    let rows = sqlx::query(listed).bind(PREFIX).fetch_all(&mut *admin);
    for row in rows.await? {
        let (name, folder): (String, Option<String>) = (row.get(0), row.get(1));
        if folder.is_some_and(|folder| !Path::new(&folder).exists()) {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            // another test may drop it at the same time
            drop(admin.execute(AssertSqlSafe(sql)).await);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PostgresServer;

    #[tokio::test]
    async fn a_folder_keeps_its_database_and_takes_it_with_it() {
        let server = PostgresServer::start().await.unwrap();
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = on_postgres(&server.url(), one.path()).await.unwrap();
        let again = on_postgres(&server.url(), one.path()).await.unwrap();
        assert_eq!(first, again);
        let busy = PgConnection::connect(&first).await.expect("it is there");
        drop(one);
        on_postgres(&server.url(), other.path()).await.unwrap();
        let gone = PgConnection::connect(&first).await.unwrap_err();
        assert!(gone.to_string().contains("does not exist"), "{gone}");
        drop(busy);
    }
}
