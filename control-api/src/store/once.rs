//! Acts that came with a key: done once, answered the same again.

use sidetone_wire::{Timestamp, UserId};

use super::columns::Columns as _;
use super::{Result, Store, Tenant};

/// A key whose act did not end within this time belongs to a process that is gone.
const GIVEN_UP_MS: i64 = 60_000;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Once {
    /// It is new: the act is to be done.
    First,
    /// The act was done, and answered so.
    Done { status: u16, body: String },
    /// The act is being done.
    Running,
    /// The key came with another request.
    Other,
}

impl Tenant {
    /// Takes a key for a request.
    pub(crate) async fn begin_once(
        &self,
        user: UserId,
        key: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<Once> {
        let done = sqlx::query(
            "INSERT INTO idempotency_keys (client_id, user_id, idempotency_key, request, created_at) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (client_id, user_id, idempotency_key) DO UPDATE \
             SET created_at = excluded.created_at \
             WHERE idempotency_keys.status IS NULL AND idempotency_keys.created_at < $6 \
             AND idempotency_keys.request = excluded.request",
        )
        .bind(self.key())
        .bind(user.to_string())
        .bind(key)
        .bind(request)
        .bind(now.unix_ms())
        .bind(now.unix_ms() - GIVEN_UP_MS)
        .execute(self.pool())
        .await?;
        if done.rows_affected() > 0 {
            return Ok(Once::First);
        }
        let row = sqlx::query(
            "SELECT request, status, body FROM idempotency_keys \
             WHERE client_id = $1 AND user_id = $2 AND idempotency_key = $3",
        )
        .bind(self.key())
        .bind(user.to_string())
        .bind(key)
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else {
            return Ok(Once::Running); // it was refused just now: whoever asks again may do it
        };
        if row.text("request")? != request {
            return Ok(Once::Other);
        }
        Ok(match (row.opt_int("status")?, row.opt_text("body")?) {
            (Some(status), Some(body)) => Once::Done {
                status: u16::try_from(status).unwrap_or(200),
                body,
            },
            _ => Once::Running,
        })
    }

    /// The act was done and is answered so.
    pub(crate) async fn end_once(
        &self,
        user: UserId,
        key: &str,
        status: u16,
        body: &str,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE idempotency_keys SET status = $1, body = $2 \
             WHERE client_id = $3 AND user_id = $4 AND idempotency_key = $5",
        )
        .bind(i64::from(status))
        .bind(body)
        .bind(self.key())
        .bind(user.to_string())
        .bind(key)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The act was refused: the key is free again.
    pub(crate) async fn forget_once(&self, user: UserId, key: &str) -> Result<()> {
        sqlx::query(
            "DELETE FROM idempotency_keys \
             WHERE client_id = $1 AND user_id = $2 AND idempotency_key = $3",
        )
        .bind(self.key())
        .bind(user.to_string())
        .bind(key)
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

impl Store {
    /// Forgets keys that came before `before`.
    pub(crate) async fn forget_keys(&self, before: Timestamp) -> Result<()> {
        sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(before.unix_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
