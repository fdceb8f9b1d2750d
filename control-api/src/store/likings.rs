//! What a tenant and its people like: quick messages, and how the dashboard looks.

use serde_json::json;
use sidetone_wire::{Preferences, Timestamp, UserId, WhisperPill};

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, json as text};
use super::{Result, Tenant};

impl Tenant {
    /// The tenant's quick messages, if it has its own.
    pub(crate) async fn pills(&self) -> Result<Option<Vec<WhisperPill>>> {
        let row = sqlx::query("SELECT pills FROM whisper_pills WHERE client_id = $1")
            .bind(self.key())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| row.json("pills")).transpose()
    }

    /// Puts quick messages in place of the tenant's.
    pub(crate) async fn set_pills(
        &self,
        pills: &[WhisperPill],
        actor: &Actor,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO whisper_pills (client_id, pills, updated_at) VALUES ($1, $2, $3) \
             ON CONFLICT (client_id) DO UPDATE SET pills = excluded.pills, \
             updated_at = excluded.updated_at",
        )
        .bind(self.key())
        .bind(text(&pills))
        .bind(at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let detail = json!({"count": pills.len()});
        let subject = Subject::Client(self.id);
        let action = "whisper_pills.changed";
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Somebody's preferences, if they have some.
    pub(crate) async fn preferences(&self, user: UserId) -> Result<Option<Preferences>> {
        let row = sqlx::query("SELECT body FROM preferences WHERE client_id = $1 AND user_id = $2")
            .bind(self.key())
            .bind(user.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| row.json("body")).transpose()
    }

    /// Puts preferences in place of somebody's.
    pub(crate) async fn set_preferences(
        &self,
        user: UserId,
        preferences: &Preferences,
        at: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO preferences (user_id, client_id, body, updated_at) \
             VALUES ($1, $2, $3, $4) \
             ON CONFLICT (user_id, client_id) DO UPDATE SET body = excluded.body, \
             updated_at = excluded.updated_at",
        )
        .bind(user.to_string())
        .bind(self.key())
        .bind(text(preferences))
        .bind(at.unix_ms())
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
