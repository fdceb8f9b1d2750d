//! The database: every line of SQL of the project is below this module.
//!
//! One SQL text runs on SQLite and PostgreSQL through sqlx's `Any` driver.
//!
//! **Invariant**: what belongs to a tenant is read and changed through a [`Tenant`] only, whose
//! statements all name the tenant: another tenant's row answers like one that is not there. The
//! methods of [`Store`] itself are for those who act for no tenant: login, the event consumer, the
//! sweeper.

mod accesses;
mod agents;
mod alerts;
mod analytics;
mod audit;
mod branches;
mod calls;
mod campaigns;
mod chain;
mod check;
mod columns;
mod connections;
mod control;
mod deliveries;
mod effects;
mod erasure;
mod events;
mod fallbacks;
mod health;
mod hearing;
mod hours;
mod ingest;
mod invites;
mod keys;
mod likings;
mod live;
mod members;
mod notes;
mod once;
mod outbox;
mod pauses;
mod people;
mod policies;
mod recordings;
mod remote;
mod rules;
mod sessions;
mod spools;
mod states;
mod statistics;
mod subscriptions;
mod takes;
mod tenants;
mod tickets;
mod transcripts;
mod transfers;
mod vendor;
mod watchers;
mod watching;

use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sidetone_service::clock;
use sidetone_wire::TenantId;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Executor as _, Transaction};
use tracing::warn;

use chain::AuditLog;

pub(crate) use agents::Member;
pub(crate) use alerts::{AlertFilter, NewAlert, Opened, Raised};
pub(crate) use analytics::{Opinion, Reported, Slot};
pub(crate) use audit::{Actor, AuditFilter, Intent, Subject};
pub(crate) use branches::BranchRemoval;
pub(crate) use calls::{CallFilter, CallState, Place};
pub(crate) use campaigns::{CampaignChange, dialled};
pub use check::{Row, RowFile};
pub(crate) use columns::{Edit, Moment};
pub(crate) use connections::Account;
pub(crate) use control::{Controlled, WantedFloor};
pub(crate) use deliveries::{Attempted, DeliveryFilter, DeliveryLease, Outgoing};
pub(crate) use erasure::{Erasure, Remains};
pub(crate) use events::Applied;
pub(crate) use hearing::Hearable;
pub(crate) use ingest::{Changed, Delivery, Ingested, Outcome, Receipt};
pub(crate) use invites::NewInvite;
pub(crate) use keys::NewKey;
pub(crate) use live::Parts;
pub(crate) use notes::{NewAnnotation, NewFeedback, Written};
pub(crate) use once::Once;
pub(crate) use pauses::{CallName, Pause, Wanted};
pub(crate) use people::{NewUser, User, UserChange, UserChanged};
pub(crate) use policies::Policy;
pub(crate) use recordings::StoredRecording;
pub(crate) use remote::Line;
pub(crate) use rules::{PastCall, RuleChange};
pub(crate) use sessions::{Identity, LoginUser, NewSession};
pub(crate) use subscriptions::SubscriptionChange;
pub(crate) use tenants::{Client, DEFAULT_TENANT, Deletion};
pub(crate) use transcripts::Kept;
pub(crate) use transfers::{Begun, Occurrence, Tended};
pub(crate) use vendor::{Fetch, Fetched, Lease, NewFetch, NotedUrl};
pub(crate) use watchers::Watched;
pub(crate) use watching::Watchable;

/// Connections to the database: SQLite has one writer anyway, and readers are quick.
const POOL: u32 = 8;

/// How long a request waits for a connection before it is told that the database is away.
const ACQUIRE: Duration = Duration::from_secs(2);

/// How long a database is waited for at the start.
const START_WITHIN: Duration = Duration::from_secs(20);

/// How long SQLite waits for another writer, in milliseconds; what is erased (keys above all) is
/// overwritten in its file.
const SQLITE_SETUP: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
    PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;";

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What the driver says.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this version cannot read.
    #[error("column {column} holds what this version cannot read: {why}")]
    Column { column: String, why: String },
}

impl Error {
    /// Whether it is worth trying again later: the database is away or busy.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            // SQLite: busy, locked, I/O, full, cannot open; PostgreSQL: class 08, 53, 57
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                matches!(
                    code.as_ref(),
                    "5" | "6" | "10" | "13" | "14" | "261" | "262" | "517"
                ) || (code.len() == 5 && ["08", "53", "57"].iter().any(|c| code.starts_with(c)))
            }),
            Self::Database(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
            ),
            Self::Migration(_) | Self::Column { .. } => false,
        }
    }

    /// Whether another transaction was in the way of this one, which may be tried again at once.
    pub(crate) fn is_conflict(&self) -> bool {
        // PostgreSQL: serialization failure, deadlock
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code.len() == 5 && code.starts_with("40")))
    }

    /// Whether a unique column has that value already.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    pool: AnyPool,
    begin_write: &'static str,
    lock_rows: &'static str,
    sqlite: bool,
    log: Arc<AuditLog>,
}

/// A write in progress: taken back when it is dropped. What it notes for the audit log is written
/// when it is committed.
struct Tx {
    transaction: Transaction<'static, Any>,
    /// Ends a `SELECT` of calls that are going to be changed.
    lock_rows: &'static str,
    notes: Vec<audit::Note>,
    log: Arc<AuditLog>,
}

/// One tenant's part of the database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tenant {
    store: Store,
    id: TenantId,
}

/// Connects to a database that may be starting as we are.
async fn connect(options: AnyPoolOptions, to: AnyConnectOptions) -> Result<AnyPool> {
    let end = clock::now() + START_WITHIN;
    loop {
        match options.clone().connect_with(to.clone()).await {
            Err(sqlx::Error::PoolTimedOut) if clock::now() < end => {
                warn!("the database does not answer; tried again");
            }
            connected => return Ok(connected?),
        }
    }
}

impl Store {
    /// Connects and brings the schema up to date.
    /// `secret` is the `SECRET_KEY`, which proves the rows of the audit log.
    pub(crate) async fn open(url: &SecretString, secret: &SecretString) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let url = url.expose_secret();
        let sqlite = url.starts_with("sqlite:");
        let options = AnyPoolOptions::new()
            .max_connections(POOL)
            .acquire_timeout(ACQUIRE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        connection.execute(SQLITE_SETUP).await?;
                    }
                    Ok(())
                })
            });
        let url = if sqlite && !url.contains("mode=") {
            let separator = if url.contains('?') { '&' } else { '?' };
            format!("{url}{separator}mode=rwc")
        } else {
            url.to_owned()
        };
        let pool = connect(options, AnyConnectOptions::from_str(&url)?).await?;
        MIGRATIONS.run(&pool).await?;
        let store = Self {
            pool,
            // a write that begins as a read may find that another was faster, and SQLite then
            // fails it instead of waiting
            begin_write: if sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" },
            // SQLite has one writer at a time; with PostgreSQL others change rows meanwhile
            lock_rows: if sqlite {
                ""
            } else {
                " FOR NO KEY UPDATE OF c"
            },
            sqlite,
            log: Arc::new(AuditLog::new(secret)),
        };
        Ok(store)
    }

    /// That tenant's part.
    pub(crate) fn tenant(&self, id: TenantId) -> Tenant {
        Tenant {
            store: self.clone(),
            id,
        }
    }

    /// Connections to the database that are used, and that are idle.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let idle = self.pool.num_idle();
        ((self.pool.size() as usize).saturating_sub(idle), idle)
    }

    async fn write(&self) -> Result<Tx> {
        Ok(Tx {
            transaction: self.pool.begin_with(self.begin_write).await?,
            lock_rows: self.lock_rows,
            notes: Vec::new(),
            log: self.log.clone(),
        })
    }
}

impl Tx {
    /// Everything of it is there from now on, the rows of the audit log with it.
    async fn commit(mut self) -> Result<()> {
        let rows = chain::chain(&mut self).await?;
        self.transaction.commit().await?;
        if rows > 0 {
            self.log.added(rows);
        }
        Ok(())
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

impl Tenant {
    /// Whose part it is.
    pub(crate) fn id(&self) -> TenantId {
        self.id
    }

    fn pool(&self) -> &AnyPool {
        &self.store.pool
    }

    /// The tenant's id as the database has it.
    fn key(&self) -> String {
        self.id.to_string()
    }
}
