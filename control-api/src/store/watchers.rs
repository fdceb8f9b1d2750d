//! Who takes part in live calls.

use std::collections::HashMap;

use serde_json::json;
use sidetone_wire::{ActionKind, Author, CallId, TenantId, Timestamp, UserId, WatchMode, Watcher};
use sqlx::AnyPool;
use uuid::Uuid;

use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tenant, notes};

/// A call somebody takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) call: CallId,
    pub(crate) tenant: TenantId,
}

/// The watchers of some calls, first come first.
pub(super) async fn of_calls(
    pool: &AnyPool,
    calls: &[CallId],
) -> Result<HashMap<CallId, Vec<Watcher>>> {
    let mut found: HashMap<CallId, Vec<Watcher>> = HashMap::new();
    if calls.is_empty() {
        return Ok(found);
    }
    let mut statement = Statement::new(
        "SELECT w.call_id, w.user_id, w.mode, u.username, u.full_name FROM watchers w \
         JOIN users u ON u.id = w.user_id WHERE w.call_id IN (",
    );
    for (n, call) in calls.iter().enumerate() {
        if n > 0 {
            statement.sql(", ");
        }
        statement.text(call.to_string());
    }
    statement.sql(") ORDER BY w.since, w.session_id");
    for row in statement.query().fetch_all(pool).await? {
        let watchers = found.entry(row.parsed("call_id")?).or_default();
        let user_id: UserId = row.parsed("user_id")?;
        if watchers.iter().any(|watcher| watcher.user_id == user_id) {
            continue; // the same person in two browsers
        }
        let full_name = row.opt_text("full_name")?;
        watchers.push(Watcher {
            user_id,
            name: match full_name {
                Some(name) => name,
                None => row.text("username")?,
            },
            mode: row.parsed("mode")?,
        });
    }
    Ok(found)
}

impl Store {
    /// The watchers of some calls, of whatever tenant.
    pub(crate) async fn watching(&self, calls: &[CallId]) -> Result<HashMap<CallId, Vec<Watcher>>> {
        of_calls(&self.pool, calls).await
    }
}

impl Tenant {
    /// Notes that a session takes part in a call, and once that its user joined it. `false` when the session or the call has ended
    /// meanwhile: the grant must then be taken back.
    pub(crate) async fn watch(
        &self,
        call: CallId,
        session: Uuid,
        mode: WatchMode,
        by: &Author,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let known = sqlx::query(
            "SELECT COUNT(*) AS n FROM watchers WHERE call_id = $1 AND session_id = $2",
        )
        .bind(call.to_string())
        .bind(session.to_string())
        .fetch_one(&mut *tx)
        .await?;
        let done = sqlx::query(
            "INSERT INTO watchers (call_id, session_id, user_id, mode, since) \
             SELECT c.id, s.id, s.user_id, $1, CAST($2 AS BIGINT) FROM calls c, sessions s \
             WHERE c.id = $3 AND c.client_id = $4 AND c.ended_at IS NULL \
             AND s.id = $5 AND s.revoked_at IS NULL AND s.expires_at > $2 \
             ON CONFLICT (call_id, session_id) DO UPDATE SET mode = excluded.mode",
        )
        .bind(mode.as_str())
        .bind(now.unix_ms())
        .bind(call.to_string())
        .bind(self.key())
        .bind(session.to_string())
        .execute(&mut *tx)
        .await?;
        let watches = done.rows_affected() > 0;
        if watches && known.int("n")? == 0 {
            let (kind, detail) = (ActionKind::JoinCall, json!({"mode": mode}));
            notes::acted(&mut tx, self.id, call, kind, by, &detail, now).await?;
        }
        tx.commit().await?;
        Ok(watches)
    }

    /// Notes that a session no longer takes part in a call; gives whether it did.
    pub(crate) async fn unwatch(&self, call: CallId, session: Uuid) -> Result<bool> {
        let done = sqlx::query(
            "DELETE FROM watchers WHERE call_id = $1 AND session_id = $2 \
             AND EXISTS (SELECT 1 FROM calls c WHERE c.id = $1 AND c.client_id = $3)",
        )
        .bind(call.to_string())
        .bind(session.to_string())
        .bind(self.key())
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// In how many calls a session takes part.
    pub(crate) async fn watched_by(&self, session: Uuid) -> Result<i64> {
        sqlx::query("SELECT COUNT(*) AS n FROM watchers WHERE session_id = $1")
            .bind(session.to_string())
            .fetch_one(self.pool())
            .await?
            .int("n")
    }
}

impl Store {
    /// Ends a session's part in every call; gives the calls.
    pub(crate) async fn unwatch_session(&self, session: Uuid) -> Result<Vec<Watched>> {
        self.unwatch_all("w.session_id", "session_id", session.to_string())
            .await
    }

    /// Ends a user's part in every call; gives the calls.
    pub(crate) async fn unwatch_user(&self, user: UserId) -> Result<Vec<Watched>> {
        self.unwatch_all("w.user_id", "user_id", user.to_string())
            .await
    }

    async fn unwatch_all(
        &self,
        selected: &'static str,
        deleted: &'static str,
        key: String,
    ) -> Result<Vec<Watched>> {
        let mut tx = self.write().await?;
        let mut statement = Statement::new(
            "SELECT DISTINCT w.call_id, c.client_id FROM watchers w \
             JOIN calls c ON c.id = w.call_id WHERE ",
        );
        statement.sql(selected).sql(" = ").text(key.clone());
        let rows = statement.query().fetch_all(&mut *tx).await?;
        let mut statement = Statement::new("DELETE FROM watchers WHERE ");
        statement.sql(deleted).sql(" = ").text(key);
        statement.query().execute(&mut *tx).await?;
        tx.commit().await?;
        rows.iter()
            .map(|row| {
                Ok(Watched {
                    call: row.parsed("call_id")?,
                    tenant: row.parsed("client_id")?,
                })
            })
            .collect()
    }

    /// Forgets everybody's part in every call: after a start nobody listens through this process.
    pub(crate) async fn forget_watchers(&self) -> Result<()> {
        sqlx::query("DELETE FROM watchers")
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
