//! Who did or heard what. Rows are added, never changed.

use serde_json::Value;
use sidetone_service::clock;
use sidetone_wire::{
    BranchId, CallId, ConnectionId, PhoneNumberId, RecordingId, TenantId, Timestamp,
};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::columns::{Columns as _, Statement, json};
use super::{Result, Tenant, Tx};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    /// A user's id, or a rule's name.
    pub(crate) name: String,
    /// Where they act from.
    pub(crate) address: Option<String>,
}

impl Actor {
    /// A rule: `rule:<name>`.
    pub(crate) fn rule(name: &str) -> Self {
        Self {
            name: format!("{RULE}{name}"),
            address: None,
        }
    }
}

/// What the names of rules begin with; those of users are ids.
pub(super) const RULE: &str = "rule:";

/// What it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Call(CallId),
    Recording(RecordingId),
    Client(TenantId),
    Branch(BranchId),
    Connection(ConnectionId),
    PhoneNumber(PhoneNumberId),
}

impl Subject {
    fn columns(self) -> (&'static str, String) {
        match self {
            Self::Call(id) => ("call", id.to_string()),
            Self::Recording(id) => ("recording", id.to_string()),
            Self::Client(id) => ("client", id.to_string()),
            Self::Branch(id) => ("branch", id.to_string()),
            Self::Connection(id) => ("connection", id.to_string()),
            Self::PhoneNumber(id) => ("phone_number", id.to_string()),
        }
    }
}

/// A row as it is read.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) action: String,
    pub(crate) subject_kind: String,
    pub(crate) subject_id: String,
    pub(crate) detail: Value,
}

/// Which rows a list holds, all conditions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditFilter {
    /// Id of a call, recording or client.
    pub(crate) subject: Option<String>,
    /// A word, for example `recording.erased`.
    pub(crate) action: Option<String>,
}

fn noted(row: &AnyRow) -> Result<Noted> {
    Ok(Noted {
        id: row.parsed("id")?,
        at: row.time("at")?,
        actor: Actor {
            name: row.text("actor")?,
            address: row.opt_text("address")?,
        },
        action: row.text("action")?,
        subject_kind: row.text("subject_kind")?,
        subject_id: row.text("subject_id")?,
        detail: row.json("detail")?,
    })
}

/// Adds a row, in the transaction of what it tells of. `detail` is a JSON object.
pub(super) async fn note(
    tx: &mut Tx,
    tenant: TenantId,
    actor: &Actor,
    action: &'static str,
    subject: Subject,
    detail: &Value,
    at: Timestamp,
) -> Result<()> {
    let (kind, id) = subject.columns();
    sqlx::query(
        "INSERT INTO audit (id, client_id, at, actor, address, action, subject_kind, subject_id, \
         detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(clock::new_id().to_string())
    .bind(tenant.to_string())
    .bind(at.unix_ms())
    .bind(&actor.name)
    .bind(actor.address.clone())
    .bind(action)
    .bind(kind)
    .bind(id)
    .bind(json(detail))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Tenant {
    /// Adds a row on its own, for what changes nothing else: who heard a recording.
    pub(crate) async fn note(
        &self,
        actor: &Actor,
        action: &'static str,
        subject: Subject,
        detail: &Value,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        note(&mut tx, self.id, actor, action, subject, detail, at).await?;
        tx.commit().await.map_err(Into::into)
    }

    /// Rows that fit, newest first, those before `after` (time and id).
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        after: Option<(Timestamp, Uuid)>,
        limit: u32,
    ) -> Result<Vec<Noted>> {
        let mut statement = Statement::new(
            "SELECT id, at, actor, address, action, subject_kind, subject_id, detail \
             FROM audit WHERE client_id = ",
        );
        statement.text(self.key());
        if let Some(subject) = &filter.subject {
            statement.sql(" AND subject_id = ").text(subject.clone());
        }
        if let Some(action) = &filter.action {
            statement.sql(" AND action = ").text(action.clone());
        }
        if let Some((at, id)) = after {
            statement.sql(" AND (at < ").int(at.unix_ms());
            statement.sql(" OR (at = ").int(at.unix_ms());
            statement.sql(" AND id < ").text(id.to_string()).sql("))");
        }
        statement
            .sql(" ORDER BY at DESC, id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(noted).collect()
    }
}
