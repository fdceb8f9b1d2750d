//! Pauses, consent, and what follows from them for whoever carries the call.
//!
//! **Invariant**: a pause is in the database before anybody is told of it, and stays there until
//! somebody resumes or its time is over: whoever takes the call over asks here first.
//!
//! A rule never ends, shortens or takes over a person's pause.

use std::collections::HashMap;

use serde_json::json;
use sidetone_wire::{CallId, Consent, RecordingId, RecordingRule, TenantId, Timestamp, Upstream};

use super::audit::{self, Actor, RULE, Subject};
use super::columns::{Columns as _, Statement, batches};
use super::{Result, Store, Tenant, Tx, erasure, takes};
use crate::calls::Unheard;

/// How long a rule's pause holds for a tenant that did not say: a customer who types a card
/// number pauses less between two digits.
const RULE_HOLDS_MS: i64 = 60_000;

/// Calls resumed in one round; the next second takes the others.
const DUE_AT_ONCE: u32 = 500;

/// How a call is named by somebody who may not know our id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallName {
    Id(CallId),
    Upstream(String),
    Room(String),
}

/// A wish to pause.
#[derive(Debug, Clone)]
pub(crate) struct Pause {
    pub(crate) actor: Actor,
    pub(crate) reason: Option<String>,
    /// After what time it ends by itself; `None`: as the tenant has it.
    pub(crate) resume_after_seconds: Option<u32>,
    pub(crate) at: Timestamp,
    /// What its time-out counts from.
    pub(crate) trusted: Timestamp,
}

/// What whoever carries a call should do about its recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Kept,
    Paused {
        by: String,
    },
    /// Nothing more of it, and nothing that there is of it unless a legal hold says otherwise.
    Nothing {
        erase: bool,
    },
}

/// What a denied consent came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) erased: Vec<RecordingId>,
}

/// A pause whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) call: CallId,
    pub(crate) tenant: TenantId,
}

impl Tenant {
    /// Pauses a call's recording; `false` when there is no such call or it has ended.
    pub(crate) async fn pause(&self, call: CallId, pause: &Pause) -> Result<bool> {
        let mut tx = self.store.write().await?;
        if !self.is_live(&mut tx, call).await? {
            return Ok(false);
        }
        let default = resume_after_ms(&mut tx, self.id).await?;
        let after = pause
            .resume_after_seconds
            .map(|seconds| i64::from(seconds) * 1000)
            .or(default);
        let resume_at = after.map(|after| pause.trusted.unix_ms() + after);
        hold(&mut tx, self.id, call, pause, resume_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a call's pause; `false` when there is no such call or it has ended. A rule leaves a
    /// person's pause as it is.
    pub(crate) async fn resume(
        &self,
        call: CallId,
        actor: &Actor,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        if !self.is_live(&mut tx, call).await? {
            return Ok(false);
        }
        let rules_only = if actor.name.starts_with(RULE) {
            " AND paused_by LIKE 'rule:%'"
        } else {
            ""
        };
        let mut statement = Statement::new(
            "UPDATE calls SET paused_by = NULL, paused_at = NULL, resume_at = NULL, pause_confirmed = 0 \
             WHERE paused_by IS NOT NULL AND id = ",
        );
        statement.text(call.to_string()).sql(rules_only);
        let done = statement.query().execute(&mut *tx).await?;
        if done.rows_affected() > 0 {
            ended(&mut tx, call, at).await?;
            let detail = json!({ "reason": reason });
            let (action, subject) = ("recording.resumed", Subject::Call(call));
            audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
            takes::lamp(&mut tx, call).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The call of that name, the newest one if several had it.
    pub(crate) async fn named(&self, name: &CallName) -> Result<Option<CallId>> {
        let mut statement = Statement::new("SELECT id FROM calls WHERE client_id = ");
        statement.text(self.key());
        match name {
            CallName::Id(id) => statement.sql(" AND id = ").text(id.to_string()),
            CallName::Upstream(id) => statement.sql(" AND upstream_call_id = ").text(id.clone()),
            CallName::Room(room) => statement
                .sql(" AND livekit_room_name = ")
                .text(room.clone()),
        };
        statement.sql(" ORDER BY started_at DESC, id DESC LIMIT 1");
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.map(|row| row.parsed("id")).transpose()
    }

    /// Notes whether the customer agrees. A refusal erases what there is of the call, except what
    /// a legal hold keeps; `None` when there is no such call.
    pub(crate) async fn set_consent(
        &self,
        call: CallId,
        consent: Consent,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<Option<Denied>> {
        let mut tx = self.store.write().await?;
        let row = sqlx::query("SELECT consent FROM calls WHERE id = $1 AND client_id = $2")
            .bind(call.to_string())
            .bind(self.key())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let former: Consent = row.parsed("consent")?;
        if former != consent {
            sqlx::query("UPDATE calls SET consent = $1 WHERE id = $2")
                .bind(consent.as_str())
                .bind(call.to_string())
                .execute(&mut *tx)
                .await?;
            let detail = json!({ "from": former, "to": consent });
            let (action, subject) = ("call.consent", Subject::Call(call));
            audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        }
        let erased = match consent {
            Consent::Denied => erasure::erase_call(&mut tx, self.id, call, actor, at).await?,
            Consent::Unknown | Consent::Granted => Vec::new(),
        };
        takes::lamp(&mut tx, call).await?;
        tx.commit().await?;
        Ok(Some(Denied { erased }))
    }

    async fn is_live(&self, tx: &mut Tx, call: CallId) -> Result<bool> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n FROM calls \
             WHERE id = $1 AND client_id = $2 AND ended_at IS NULL",
        )
        .bind(call.to_string())
        .bind(self.key())
        .fetch_one(&mut **tx)
        .await?;
        Ok(row.int("n")? > 0)
    }
}

impl Store {
    /// Whether and how a call may be recorded, and whose it is; `None` when it is not known.
    pub(crate) async fn recording_rule(
        &self,
        call: CallId,
    ) -> Result<Option<(RecordingRule, TenantId, Upstream)>> {
        let row = sqlx::query(
            "SELECT c.client_id, c.upstream, c.consent, c.paused_by, COALESCE(p.pause_on_dtmf, 0) AS dtmf FROM calls c \
             LEFT JOIN retention p ON p.client_id = c.client_id WHERE c.id = $1",
        )
        .bind(call.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let consent: Consent = row.parsed("consent")?;
            let rule = RecordingRule {
                denied: consent == Consent::Denied,
                paused_by: row.opt_text("paused_by")?,
                pause_on_dtmf: row.flag("dtmf")?,
                recogniser: None,
            };
            Ok((rule, row.parsed("client_id")?, row.parsed("upstream")?))
        })
        .transpose()
    }

    /// What whoever carries the call should do; `None` when it is not known.
    pub(crate) async fn wanted(&self, call: CallId) -> Result<Option<Wanted>> {
        let row = sqlx::query(
            "SELECT c.consent, c.paused_by, COALESCE(p.legal_hold, 0) AS held, \
             (SELECT COUNT(*) FROM recordings r WHERE r.call_id = c.id AND r.legal_hold = 1 \
             AND r.state = 'recording') AS held_takes FROM calls c \
             LEFT JOIN retention p ON p.client_id = c.client_id WHERE c.id = $1",
        )
        .bind(call.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            if row.parsed::<Consent>("consent")? == Consent::Denied {
                let erase = !row.flag("held")? && row.int("held_takes")? == 0;
                return Ok(Wanted::Nothing { erase });
            }
            Ok(match row.opt_text("paused_by")? {
                Some(by) => Wanted::Paused { by },
                None => Wanted::Kept,
            })
        })
        .transpose()
    }

    /// Notes that a call's holder keeps nothing of it; gives its tenant when that is news.
    pub(crate) async fn confirm_pause(&self, call: CallId) -> Result<Option<TenantId>> {
        let mut tx = self.write().await?;
        if !confirm(&mut tx, call).await? {
            return Ok(None);
        }
        let row = sqlx::query("SELECT client_id FROM calls WHERE id = $1")
            .bind(call.to_string())
            .fetch_one(&mut *tx)
            .await?;
        let tenant = row.parsed("client_id")?;
        tx.commit().await?;
        Ok(Some(tenant))
    }

    /// Pauses whose time is over, the longest over first.
    pub(crate) async fn due_pauses(&self, now: Timestamp) -> Result<Vec<Due>> {
        let rows = sqlx::query(
            "SELECT id, client_id FROM calls WHERE resume_at IS NOT NULL AND resume_at <= $1 \
             ORDER BY resume_at, id LIMIT $2",
        )
        .bind(now.unix_ms())
        .bind(i64::from(DUE_AT_ONCE))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Due {
                    call: row.parsed("id")?,
                    tenant: row.parsed("client_id")?,
                })
            })
            .collect()
    }

    /// Ends a pause whose time is over at `trusted`; `false` when it was prolonged meanwhile, or
    /// the call has ended.
    pub(crate) async fn end_due(
        &self,
        due: Due,
        trusted: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "UPDATE calls SET paused_by = NULL, paused_at = NULL, resume_at = NULL, pause_confirmed = 0 \
             WHERE id = $1 AND resume_at IS NOT NULL AND resume_at <= $2 RETURNING ended_at",
        )
        .bind(due.call.to_string())
        .bind(trusted.unix_ms())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        ended(&mut tx, due.call, now).await?;
        let live = row.opt_int("ended_at")?.is_none();
        if live {
            let actor = Actor::rule("timeout");
            let (action, subject) = ("recording.resumed", Subject::Call(due.call));
            let detail = json!({});
            audit::note(&mut tx, due.tenant, &actor, action, subject, &detail, now).await?;
            takes::lamp(&mut tx, due.call).await?;
        }
        tx.commit().await?;
        Ok(live)
    }
}

/// A rule paused where the call is. `trusted` is what its time-out counts from.
pub(super) async fn by_rule(
    tx: &mut Tx,
    call: CallId,
    at: Timestamp,
    by: &str,
    trusted: Timestamp,
) -> Result<bool> {
    let row = sqlx::query("SELECT client_id FROM calls WHERE id = $1 AND ended_at IS NULL")
        .bind(call.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(false) };
    let tenant = row.parsed("client_id")?;
    let after = resume_after_ms(tx, tenant).await?.unwrap_or(RULE_HOLDS_MS);
    let name = by.strip_prefix(RULE).unwrap_or(by);
    let pause = Pause {
        actor: Actor::rule(name),
        reason: None,
        resume_after_seconds: None,
        at,
        trusted,
    };
    hold(tx, tenant, call, &pause, Some(trusted.unix_ms() + after)).await?;
    // it is where it was done
    confirm(tx, call).await?;
    Ok(true)
}

async fn confirm(tx: &mut Tx, call: CallId) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE calls SET pause_confirmed = 1 \
         WHERE id = $1 AND paused_by IS NOT NULL AND pause_confirmed = 0",
    )
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    takes::lamp(tx, call).await?;
    Ok(done.rows_affected() > 0)
}

/// The tenant's time-out of pauses.
async fn resume_after_ms(tx: &mut Tx, tenant: TenantId) -> Result<Option<i64>> {
    let row = sqlx::query("SELECT resume_after_seconds FROM retention WHERE client_id = $1")
        .bind(tenant.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let seconds = row.map(|row| row.opt_int("resume_after_seconds"));
    Ok(seconds.transpose()?.flatten().map(|seconds| seconds * 1000))
}

/// Notes for reports of what was said that a pause begins.
async fn begun(tx: &mut Tx, call: CallId, at: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO call_pauses (call_id, from_at) VALUES ($1, $2) \
         ON CONFLICT (call_id, from_at) DO UPDATE SET to_at = NULL",
    )
    .bind(call.to_string())
    .bind(at.unix_ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// ... and that it is over.
async fn ended(tx: &mut Tx, call: CallId, at: Timestamp) -> Result<()> {
    sqlx::query("UPDATE call_pauses SET to_at = $1 WHERE call_id = $2 AND to_at IS NULL")
        .bind(at.unix_ms())
        .bind(call.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// When the recordings of calls were paused; those that never were are left out.
pub(super) async fn unheard(tx: &mut Tx, calls: &[CallId]) -> Result<HashMap<CallId, Unheard>> {
    let mut found: HashMap<CallId, Unheard> = HashMap::new();
    for batch in batches(calls) {
        let mut statement =
            Statement::new("SELECT call_id, from_at, to_at FROM call_pauses WHERE call_id IN (");
        statement.texts(batch.iter().map(CallId::to_string));
        statement.sql(") ORDER BY call_id, from_at");
        for row in &statement.query().fetch_all(&mut **tx).await? {
            let span = (row.time("from_at")?, row.opt_time("to_at")?);
            found
                .entry(row.parsed("call_id")?)
                .or_default()
                .0
                .push(span);
        }
    }
    Ok(found)
}

/// Writes a pause. What pauses already keeps its beginning; a rule prolongs another rule's pause
/// and leaves a person's alone.
async fn hold(
    tx: &mut Tx,
    tenant: TenantId,
    call: CallId,
    pause: &Pause,
    resume_at: Option<i64>,
) -> Result<()> {
    let row = sqlx::query("SELECT paused_by FROM calls WHERE id = $1")
        .bind(call.to_string())
        .fetch_one(&mut **tx)
        .await?;
    let former = row.opt_text("paused_by")?;
    let rule = pause.actor.name.starts_with(RULE);
    let sql = if rule {
        "UPDATE calls SET paused_at = COALESCE(paused_at, $1), \
         resume_at = CASE WHEN paused_by IS NULL THEN CAST($2 AS BIGINT) \
         WHEN resume_at IS NULL OR $2 IS NULL THEN NULL \
         WHEN resume_at > $2 THEN resume_at ELSE CAST($2 AS BIGINT) END, \
         paused_by = COALESCE(paused_by, $3) \
         WHERE id = $4 AND (paused_by IS NULL OR paused_by LIKE 'rule:%')"
    } else {
        "UPDATE calls SET paused_at = COALESCE(paused_at, $1), \
         resume_at = CAST($2 AS BIGINT), paused_by = $3 WHERE id = $4"
    };
    let done = sqlx::query(sql)
        .bind(pause.at.unix_ms())
        .bind(resume_at)
        .bind(&pause.actor.name)
        .bind(call.to_string())
        .execute(&mut **tx)
        .await?;
    if former.is_none() {
        begun(tx, call, pause.at).await?;
    }
    let says = former.is_none() || (!rule && former.as_ref() != Some(&pause.actor.name));
    if done.rows_affected() > 0 && says {
        let detail = json!({
            "reason": pause.reason,
            "resumeAt": resume_at.map(Timestamp::from_unix_ms),
            "formerly": former,
        });
        let (actor, subject) = (&pause.actor, Subject::Call(call));
        let action = "recording.paused";
        audit::note(tx, tenant, actor, action, subject, &detail, pause.at).await?;
    }
    takes::lamp(tx, call).await
}
