//! Active calls and their counts in Redis, for the services of an installation that look there.
//!
//! `sidetone:active:<client id>` is a hash from a call's id to the call, as the API shows it to an
//! admin. `sidetone:active:counts` is a hash from a client's id to how many it has, and `global` is
//! their sum. The database is what counts: it is read, and written here whole, at most once a second
//! for a client whose calls changed, and for all clients every [`ANEW`], which repairs what two
//! processes wrote at the same time, and at once when Redis has lost it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::AsyncTypedCommands as _;
use redis::aio::MultiplexedConnection;
use sidetone_service::backoff::Backoff;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::TenantId;
use thiserror::Error;
use tracing::{info, warn};

use super::PULSE;
use crate::app::App;
use crate::routes::dashboard;
use crate::store;

/// How often everything is written.
const ANEW: Duration = Duration::from_secs(30);
/// What is not written anew for so long is gone: nobody keeps it any more.
const KEPT_SECONDS: i64 = 120;
/// Calls of one client that are listed, the newest ones; its count has all.
const LISTED: u32 = 5_000;
const COUNTS: &str = "sidetone:active:counts";
const GLOBAL: &str = "global";
/// Waiting for a Redis that is away.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
enum Error {
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("database: {0}")]
    Store(#[from] store::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

fn key(tenant: TenantId) -> String {
    format!("sidetone:active:{tenant}")
}

/// Keeps Redis up to date until the process drains.
pub(crate) async fn run(
    app: Arc<App>,
    client: redis::Client,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let error = tokio::select! {
            error = keep(&app, &client, &mut backoff) => error,
            () = lifecycle.draining() => return Ok(()),
        };
        let wait = backoff.wait();
        warn!(%error, ?wait, "active calls in Redis are out of date");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = lifecycle.draining() => return Ok(()),
        }
    }
}

/// Keeps it up to date until something fails.
async fn keep(app: &App, client: &redis::Client, backoff: &mut Backoff) -> Error {
    let mut connection = match client.get_multiplexed_async_connection().await {
        Ok(connection) => connection,
        Err(error) => return error.into(),
    };
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut written: Option<Instant> = None;
    loop {
        pulse.tick().await;
        let touched = app.active.take_touched();
        let now = clock::now();
        let kept = match connection.exists(COUNTS).await {
            Ok(kept) => kept,
            Err(error) => return error.into(),
        };
        let anew = !kept || written.is_none_or(|at| now - at >= ANEW);
        if touched.is_empty() && !anew {
            continue;
        }
        if let Err(error) = write(app, &mut connection, touched, anew).await {
            return error; // everything is written when it is back
        }
        if written.is_none() {
            info!("active calls are kept in Redis");
            *backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        }
        if anew {
            written = Some(now);
        }
    }
}

async fn write(
    app: &App,
    connection: &mut MultiplexedConnection,
    mut tenants: HashSet<TenantId>,
    anew: bool,
) -> Result<(), Error> {
    let counts = app.store.active_counts().await?;
    if anew {
        tenants.extend(counts.keys());
    }
    for tenant in tenants {
        let calls = dashboard::active(&app.store.tenant(tenant), LISTED).await?;
        let key = key(tenant);
        let mut pipe = redis::pipe();
        pipe.atomic().del(&key).ignore();
        for call in &calls {
            let json = serde_json::to_string(call)?;
            pipe.hset(&key, call.id.to_string(), json).ignore();
        }
        if !calls.is_empty() {
            pipe.expire(&key, KEPT_SECONDS).ignore();
        }
        pipe.exec_async(connection).await?;
    }
    let mut pipe = redis::pipe();
    pipe.atomic().del(COUNTS).ignore();
    let global: u64 = counts.values().sum();
    pipe.hset(COUNTS, GLOBAL, global).ignore();
    for (tenant, count) in counts {
        pipe.hset(COUNTS, tenant.to_string(), count).ignore();
    }
    pipe.expire(COUNTS, KEPT_SECONDS).ignore();
    pipe.exec_async(connection).await?;
    Ok(())
}
