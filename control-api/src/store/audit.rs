//! Who did or heard what. Rows are added to their tenant's chain (`chain.rs`), never changed.

use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{
    ApiKeyId, AuditPhase, AuditRow, BranchId, CallId, ConnectionId, InviteId, PhoneNumberId,
    RecordingId, TenantId, Timestamp, UserId,
};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::columns::{self, Columns as _, Statement};
use super::{Result, Store, Tenant, Tx};
use crate::audit::{Outcome, Row, START};

/// Intents ended in one round.
const ENDED_AT_ONCE: i64 = 100;
/// Intents that are older were ended long ago, or never will be.
const LOOKED_BACK_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    /// A user's or key's id, a rule's name, or [`Actor::ANONYMOUS`].
    pub(crate) name: String,
    /// Where they act from.
    pub(crate) address: Option<String>,
}

impl Actor {
    /// Somebody who has not shown who they are.
    pub(crate) const ANONYMOUS: &'static str = "anonymous";

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
    User(UserId),
    ApiKey(ApiKeyId),
    Invite(InviteId),
    /// Anything else of the tenant's: its kind as one word, and its id.
    Other(&'static str, Uuid),
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
            Self::User(id) => ("user", id.to_string()),
            Self::ApiKey(id) => ("api_key", id.to_string()),
            Self::Invite(id) => ("invite", id.to_string()),
            Self::Other(kind, id) => (kind, id.to_string()),
        }
    }
}

/// A row that a transaction will write.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) tenant: TenantId,
    pub(super) row: Row,
}

/// An act that was written before it is done; `crate::audit::result` ends it.
#[derive(Debug)]
#[must_use = "an intent without a result says that nobody knows what became of the act"]
pub(crate) struct Intent {
    id: Uuid,
    actor: Actor,
    action: String,
    subject: (String, String),
}

impl Intent {
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }
}

/// Which rows a list holds, all conditions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditFilter {
    /// Id of what it was done to.
    pub(crate) subject: Option<String>,
    /// `recording.erased`, or `recording.` for everything of that kind.
    pub(crate) action: Option<String>,
    /// Id of who did it, or a rule's name.
    pub(crate) actor: Option<String>,
    /// Not before.
    pub(crate) from: Option<Timestamp>,
    /// Before.
    pub(crate) to: Option<Timestamp>,
}

/// Adds a row in the transaction of what it tells of. `detail` is a JSON object.
#[allow(
    clippy::unused_async,
    clippy::unnecessary_wraps,
    reason = "it is written, and may fail, when the transaction is committed"
)]
pub(super) async fn note(
    tx: &mut Tx,
    tenant: TenantId,
    actor: &Actor,
    action: &str,
    subject: Subject,
    detail: &Value,
    at: Timestamp,
) -> Result<()> {
    let (kind, id) = subject.columns();
    write(tx, tenant, actor, action, (kind.to_owned(), id), detail, at);
    Ok(())
}

fn write<'a>(
    tx: &'a mut Tx,
    tenant: TenantId,
    actor: &Actor,
    action: &str,
    (subject_kind, subject_id): (String, String),
    detail: &Value,
    at: Timestamp,
) -> &'a mut Row {
    let row = Row {
        seq: 0, // its place is known when it is committed
        id: clock::new_id(),
        at_ms: at.unix_ms(),
        actor: actor.name.clone(),
        address: actor.address.clone(),
        action: action.to_owned(),
        subject_kind,
        subject_id,
        detail: columns::json(detail),
        phase: None,
        intent: None,
        adopted: false,
        hash: START,
        mac: START,
    };
    tx.notes.push(Note { tenant, row });
    &mut tx.notes.last_mut().expect("one was added").row
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
        tx.commit().await
    }

    /// Writes what is about to be done; see `crate::audit::begin`.
    pub(crate) async fn begin(
        &self,
        actor: &Actor,
        action: &'static str,
        subject: Subject,
        detail: &Value,
        at: Timestamp,
    ) -> Result<Intent> {
        let (kind, id) = subject.columns();
        let subject = (kind.to_owned(), id);
        let mut tx = self.store.write().await?;
        let row = write(&mut tx, self.id, actor, action, subject.clone(), detail, at);
        row.phase = Some(AuditPhase::Intent);
        let intent = Intent {
            id: row.id,
            actor: actor.clone(),
            action: action.to_owned(),
            subject,
        };
        tx.commit().await?;
        Ok(intent)
    }

    /// Writes what became of it; see `crate::audit::result`.
    pub(crate) async fn conclude(
        &self,
        intent: Intent,
        outcome: Outcome,
        detail: Value,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        conclude(&mut tx, self.id, intent, outcome, detail, at);
        tx.commit().await
    }

    /// Rows that fit, newest first, those before `after` (time, place in the chain, id).
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        after: Option<(Timestamp, u64, Uuid)>,
        limit: u32,
    ) -> Result<Vec<AuditRow>> {
        let mut statement = Statement::new(
            "SELECT a.id, a.seq, a.at, a.actor, a.address, a.action, a.subject_kind, \
             a.subject_id, a.detail, a.phase, a.intent_id, u.username, u.full_name \
             FROM audit a LEFT JOIN users u ON u.id = a.actor WHERE a.client_id = ",
        );
        statement.text(self.key());
        if let Some(subject) = &filter.subject {
            statement.sql(" AND a.subject_id = ").text(subject.clone());
        }
        match &filter.action {
            // `/` is the character after `.`
            Some(kind) if kind.ends_with('.') => {
                let end = format!("{}/", kind.trim_end_matches('.'));
                statement.sql(" AND a.action >= ").text(kind.clone());
                statement.sql(" AND a.action < ").text(end);
            }
            Some(action) => {
                statement.sql(" AND a.action = ").text(action.clone());
            }
            None => {}
        }
        if let Some(actor) = &filter.actor {
            statement.sql(" AND a.actor = ").text(actor.clone());
        }
        if let Some(from) = filter.from {
            statement.sql(" AND a.at >= ").int(from.unix_ms());
        }
        if let Some(to) = filter.to {
            statement.sql(" AND a.at < ").int(to.unix_ms());
        }
        if let Some((at, seq, id)) = after {
            let seq = seq as i64;
            statement.sql(" AND (a.at < ").int(at.unix_ms());
            statement.sql(" OR (a.at = ").int(at.unix_ms());
            statement.sql(" AND (COALESCE(a.seq, 0) < ").int(seq);
            statement.sql(" OR (COALESCE(a.seq, 0) = ").int(seq);
            statement
                .sql(" AND a.id < ")
                .text(id.to_string())
                .sql("))))");
        }
        statement
            .sql(" ORDER BY a.at DESC, COALESCE(a.seq, 0) DESC, a.id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(shown).collect()
    }
}

fn conclude(
    tx: &mut Tx,
    tenant: TenantId,
    intent: Intent,
    outcome: Outcome,
    mut detail: Value,
    at: Timestamp,
) {
    detail["outcome"] = Value::from(outcome.as_str());
    let Intent {
        id,
        actor,
        action,
        subject,
    } = intent;
    let row = write(tx, tenant, &actor, &action, subject, &detail, at);
    row.phase = Some(AuditPhase::Result);
    row.intent = Some(id);
}

fn shown(row: &AnyRow) -> Result<AuditRow> {
    let name = match row.opt_text("full_name")? {
        Some(name) => Some(name),
        None => row.opt_text("username")?,
    };
    Ok(AuditRow {
        id: row.parsed("id")?,
        seq: row.opt_int("seq")?.map(|seq| seq.max(0) as u64),
        at: row.time("at")?,
        actor: row.text("actor")?,
        actor_name: name,
        address: row.opt_text("address")?,
        action: row.text("action")?,
        subject_kind: row.text("subject_kind")?,
        subject_id: row.text("subject_id")?,
        detail: row.json("detail")?,
        phase: row.opt_parsed("phase")?,
        intent_id: row.opt_parsed("intent_id")?,
    })
}

impl Store {
    /// Adds rows to the default tenant's log, a thousand in a transaction.
    pub(crate) async fn fill_audit_log(&self, rows: u64, at: Timestamp) -> Result<()> {
        const AT_ONCE: u64 = 1_000;
        let tenant = self.client_id(super::DEFAULT_TENANT).await?;
        let actor = Actor {
            name: UserId(clock::new_id()).to_string(),
            address: Some("192.0.2.1".to_owned()),
        };
        let mut left = rows;
        while left > 0 {
            let some = left.min(AT_ONCE);
            let mut tx = self.write().await?;
            for n in 0..some {
                let (call, detail) = (CallId(clock::new_id()), json!({ "row": n }));
                let subject = Subject::Call(call);
                note(
                    &mut tx,
                    tenant,
                    &actor,
                    "call.listened",
                    subject,
                    &detail,
                    at,
                )
                .await?;
            }
            tx.commit().await?;
            left -= some;
        }
        Ok(())
    }

    /// Ends intents from before `before` that have no result: their process is gone.
    pub(crate) async fn end_intents(&self, before: Timestamp, at: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "SELECT a.id, a.client_id, a.action, a.subject_kind, a.subject_id FROM audit a \
             WHERE a.phase = 'intent' AND a.at < $1 AND a.at > $2 \
             AND NOT EXISTS (SELECT 1 FROM audit r WHERE r.intent_id = a.id) LIMIT $3",
        )
        .bind(before.unix_ms())
        .bind(before.unix_ms() - LOOKED_BACK_MS)
        .bind(ENDED_AT_ONCE)
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            let intent = Intent {
                id: row.parsed("id")?,
                actor: Actor::rule("audit"),
                action: row.text("action")?,
                subject: (row.text("subject_kind")?, row.text("subject_id")?),
            };
            let tenant = row.parsed("client_id")?;
            conclude(&mut tx, tenant, intent, Outcome::Unknown, json!({}), at);
        }
        tx.commit().await
    }
}
