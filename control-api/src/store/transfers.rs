//! Calls on their way to somebody else.
//!
//! A call's last transfer is one JSON text in its row, changed in transactions that lock the row.

use serde_json::{Map, Value, json};
use sidetone_wire::{
    ActionKind, Call, CallId, Control, TenantId, Timestamp, Transfer, TransferKind, TransferMode,
};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement, json as text};
use super::effects;
use super::{Result, Store, Tenant, Tx, calls, notes};
use crate::control::Holder;
use crate::transfer::{Happening, next};

const TENDED: &str = "SELECT id, client_id, ended_at, control_holder, \
    control_session, transfer, transfer_session, target_session, rings_until FROM calls \
    WHERE transfer_tended = 1";

/// A transfer that has to be looked after.
#[derive(Debug, Clone)]
pub(crate) struct Tended {
    pub(crate) tenant: TenantId,
    pub(crate) call: CallId,
    pub(crate) over: bool,
    pub(crate) holder: Holder,
    pub(crate) transfer: Transfer,
    /// The session of whoever transfers.
    pub(crate) session: Uuid,
    /// The session of a user who answered.
    pub(crate) target_session: Option<Uuid>,
    pub(crate) rings_until: Timestamp,
}

impl Tended {
    /// Whom it was transferred to has the call.
    pub(crate) fn holds(&self) -> bool {
        self.holder == Holder::Target(self.transfer.id)
    }
}

/// What beginning a transfer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    Done,
    /// Another one goes on.
    Running(Box<Transfer>),
    /// Somebody else has the call.
    Taken(Control),
    NotLive,
}

/// Something that happens to a transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occurrence<'a> {
    pub(crate) happening: Happening,
    /// Whose doing it is.
    pub(crate) actor: &'a Actor,
    /// Why, for people.
    pub(crate) reason: Option<&'a str>,
    /// The session of a user who answers.
    pub(crate) session: Option<Uuid>,
}

pub(super) fn read(row: &AnyRow) -> Result<Option<Transfer>> {
    match row.opt_text("transfer")? {
        Some(_) => row.json("transfer").map(Some),
        None => Ok(None),
    }
}

/// Whether the session that has the call talks with whom it would transfer it to.
pub(super) fn aside(row: &AnyRow, holder: Option<Uuid>) -> Result<bool> {
    let session: Option<Uuid> = row.opt_parsed("transfer_session")?;
    let transfer = read(row)?;
    let talks = transfer.is_some_and(|transfer| {
        transfer.mode == TransferMode::Attended && transfer.stage.is_open()
    });
    Ok(talks && session.is_some() && session == holder)
}

/// Whether whom it was transferred to has the call, and is on a telephone.
pub(super) fn by_telephone(row: &AnyRow, holder: Holder) -> Result<bool> {
    let transfer = read(row)?.filter(|transfer| holder == Holder::Target(transfer.id));
    Ok(transfer.is_some_and(|transfer| transfer.kind != TransferKind::User))
}

fn tended(row: &AnyRow) -> Result<Tended> {
    let word = row.text("control_holder")?;
    Ok(Tended {
        tenant: row.parsed("client_id")?,
        call: row.parsed("id")?,
        over: row.opt_int("ended_at")?.is_some(),
        holder: Holder::read(&word, row.opt_parsed("control_session")?),
        transfer: row.json("transfer")?,
        session: row.parsed("transfer_session")?,
        target_session: row.opt_parsed("target_session")?,
        rings_until: row.time("rings_until")?,
    })
}

/// A step among the acts of whoever transfers. Numbers stand under the key that those do not see
/// who may not.
async fn step(tx: &mut Tx, call: &Call, transfer: &Transfer, now: Timestamp) -> Result<()> {
    let mut detail = Map::new();
    detail.insert("transfer".to_owned(), json!(transfer.id));
    detail.insert("mode".to_owned(), json!(transfer.mode));
    detail.insert("stage".to_owned(), json!(transfer.stage));
    for (key, value) in [
        ("number", json!(transfer.number)),
        ("name", json!(transfer.name)),
        ("reason", json!(transfer.reason)),
    ] {
        if value != Value::Null {
            detail.insert(key.to_owned(), value);
        }
    }
    let (kind, detail) = (ActionKind::TransferCall, Value::Object(detail));
    notes::acted(
        tx,
        call.client_id,
        call.id,
        kind,
        &transfer.by,
        &detail,
        now,
    )
    .await
}

impl Tenant {
    /// Begins a transfer, unless another one goes on or somebody else has the call.
    pub(crate) async fn begin_transfer(
        &self,
        call: CallId,
        transfer: &Transfer,
        session: Uuid,
        rings_until: Timestamp,
        now: Timestamp,
    ) -> Result<Begun> {
        let mut tx = self.store.write().await?;
        let found = calls::for_change(&mut tx, call, now).await?;
        let goes_on = |call: &Call| call.client_id == self.id && call.ended_at.is_none();
        let Some(before) = found.filter(goes_on) else {
            return Ok(Begun::NotLive);
        };
        if let Some(running) = before.transfer.clone().filter(|last| last.stage.is_open()) {
            return Ok(Begun::Running(Box::new(running)));
        }
        let own = format!("supervisor:{}", transfer.by.user_id);
        if before.control.holder != "agent" && before.control.holder != own {
            return Ok(Begun::Taken(before.control));
        }
        sqlx::query(
            "UPDATE calls SET status = 'transferring', transfer = $1, transfer_session = $2, \
             target_session = NULL, rings_until = $3, transfer_tended = 1 WHERE id = $4",
        )
        .bind(text(transfer))
        .bind(session.to_string())
        .bind(rings_until.unix_ms())
        .bind(call.to_string())
        .execute(&mut *tx)
        .await?;
        step(&mut tx, &before, transfer, now).await?;
        effects::updated(&mut tx, before, now).await?;
        tx.commit().await?;
        Ok(Begun::Done)
    }
}

impl Store {
    /// Transfers that have to be looked after.
    pub(crate) async fn tended_transfers(&self) -> Result<Vec<Tended>> {
        let rows = sqlx::query(TENDED).fetch_all(&self.pool).await?;
        rows.iter().map(tended).collect()
    }

    /// The one of a call.
    pub(crate) async fn tended_transfer(&self, call: CallId) -> Result<Option<Tended>> {
        let mut statement = Statement::new(TENDED);
        statement.sql(" AND id = ").text(call.to_string());
        let row = statement.query().fetch_optional(&self.pool).await?;
        row.as_ref().map(tended).transpose()
    }

    /// Something happens to a transfer; gives it if it stands elsewhere for it. It is in the audit
    /// log with whose doing it was.
    pub(crate) async fn step_transfer(
        &self,
        call: CallId,
        transfer: Uuid,
        what: Occurrence<'_>,
        now: Timestamp,
    ) -> Result<Option<Transfer>> {
        let mut tx = self.write().await?;
        let Some(before) = calls::for_change(&mut tx, call, now).await? else {
            return Ok(None);
        };
        let Some(mut changed) = before.transfer.clone().filter(|last| last.id == transfer) else {
            return Ok(None);
        };
        let Some(stage) = next(changed.stage, what.happening) else {
            return Ok(None);
        };
        changed.stage = stage;
        changed.since = now;
        changed.reason = what.reason.map(str::to_owned);
        sqlx::query(
            "UPDATE calls SET transfer = $1, target_session = COALESCE($2, target_session), \
             status = CASE WHEN status <> 'transferring' OR $3 = 1 THEN status \
             WHEN answered_at IS NULL THEN 'connecting' ELSE 'connected' END WHERE id = $4",
        )
        .bind(text(&changed))
        .bind(what.session.map(|session| session.to_string()))
        .bind(i64::from(stage.is_open()))
        .bind(call.to_string())
        .execute(&mut *tx)
        .await?;
        step(&mut tx, &before, &changed, now).await?;
        let detail = json!({ "transfer": transfer, "mode": changed.mode, "stage": stage });
        let (tenant, subject) = (before.client_id, Subject::Call(call));
        let action = "call.transfer";
        audit::note(&mut tx, tenant, what.actor, action, subject, &detail, now).await?;
        if before.ended_at.is_none() {
            effects::updated(&mut tx, before, now).await?;
        }
        tx.commit().await?;
        Ok(Some(changed))
    }

    /// Nothing has to be done about a transfer any more.
    pub(crate) async fn leave_transfer(&self, call: CallId, transfer: &Transfer) -> Result<()> {
        debug_assert!(!transfer.stage.is_open());
        sqlx::query("UPDATE calls SET transfer_tended = 0 WHERE id = $1 AND transfer = $2")
            .bind(call.to_string())
            .bind(text(transfer))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sidetone_wire::TransferStage;

    use super::*;

    #[test]
    fn a_stage_is_open_as_long_as_something_can_happen() {
        for stage in TransferStage::ALL {
            let happens = next(*stage, Happening::Failed).is_some();
            assert_eq!(happens, stage.is_open(), "{stage}");
        }
    }
}
