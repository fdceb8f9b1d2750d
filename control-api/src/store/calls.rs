//! Calls as their tenant sees them.

use std::collections::{BTreeMap, HashMap};

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{
    Call, CallId, CallStatus, Control, Direction, EndReason, RecordingFlag, RecordingId, TenantId,
    Timestamp, Upstream,
};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, Statement, batches, contains};
use super::effects::{self, Change};
use super::{Result, Store, Tenant, Tx, control, takes, watchers};
use crate::calls::obstacles;

/// Columns of a call, with its newest stored recording.
const CALL: &str = "SELECT c.id, c.client_id, c.branch_id, c.upstream, c.upstream_call_id, \
    c.direction, c.from_party, c.to_party, c.customer_name, c.agent_id, c.agent_name, \
    c.livekit_room_name, c.status, c.end_class, c.end_code, c.outcome, c.started_at, c.answered_at, \
    c.ended_at, c.tags, c.consent, c.control_holder, c.control_holder_name, c.control_since, \
    c.control_version, c.recording_state, c.recording_started_at, c.paused_at, c.paused_by, \
    c.resume_at, c.campaign, c.capabilities, c.muted, c.degraded, \
    c.transfer, \
    (SELECT r.id FROM recordings r WHERE r.call_id = c.id AND r.state = 'stored' \
     ORDER BY r.started_at DESC, r.id DESC LIMIT 1) AS stored_recording FROM calls c";

/// Which calls a list holds, all conditions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallFilter {
    pub(crate) state: CallState,
    pub(crate) direction: Option<Direction>,
    pub(crate) upstream: Option<Upstream>,
    /// Agent's id or name, exactly.
    pub(crate) agent: Option<String>,
    pub(crate) tag: Option<String>,
    /// Anywhere in numbers, names, room or upstream id, in whatever case.
    pub(crate) q: Option<String>,
    /// Numbers are found in the calls of these agents only, by their ids; `None`: in all.
    pub(crate) numbers_of: Option<[String; 2]>,
    /// Started then or later.
    pub(crate) from: Option<Timestamp>,
    /// Started then or earlier.
    pub(crate) to: Option<Timestamp>,
    /// Lasted at least that long, so far.
    pub(crate) min_duration_seconds: Option<u32>,
}

/// Which states a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum CallState {
    /// All of them.
    #[default]
    Any,
    /// Not ended.
    Active,
    /// Exactly this one.
    Is(CallStatus),
}

/// A call's place in a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) started_at: Timestamp,
    pub(crate) id: CallId,
}

fn call(row: &AnyRow, now: Timestamp) -> Result<Call> {
    let started_at = row.time("started_at")?;
    let ended_at = row.opt_time("ended_at")?;
    let end_reason = match (row.opt_parsed("end_class")?, row.opt_text("end_code")?) {
        (Some(class), Some(code)) => Some(EndReason { class, code }),
        _ => None,
    };
    let stored: Option<RecordingId> = row.opt_parsed("stored_recording")?;
    let mut call = Call {
        id: row.parsed("id")?,
        client_id: row.parsed("client_id")?,
        branch_id: row.opt_text("branch_id")?,
        upstream: row.parsed("upstream")?,
        upstream_call_id: row.text("upstream_call_id")?,
        direction: row.parsed("direction")?,
        from: row.text("from_party")?,
        to: row.text("to_party")?,
        customer_name: row.opt_text("customer_name")?,
        agent_id: row.opt_text("agent_id")?,
        agent_name: row.opt_text("agent_name")?,
        livekit_room_name: row.opt_text("livekit_room_name")?,
        status: row.parsed("status")?,
        end_reason,
        outcome: row.opt_text("outcome")?,
        started_at,
        answered_at: row.opt_time("answered_at")?,
        ended_at,
        duration_seconds: ended_at.unwrap_or(now).ms_since(started_at) / 1000,
        tags: row.json("tags")?,
        consent: row.parsed("consent")?,
        control: Control {
            holder: row.text("control_holder")?,
            holder_name: row.opt_text("control_holder_name")?,
            since: row.time("control_since")?,
            version: row.unsigned("control_version")?,
        },
        recording: RecordingFlag {
            state: row.parsed("recording_state")?,
            started_at: row.opt_time("recording_started_at")?,
            paused_at: row.opt_time("paused_at")?.filter(|_| ended_at.is_none()),
            paused_by: row.opt_text("paused_by")?.filter(|_| ended_at.is_none()),
            resume_at: row.opt_time("resume_at")?.filter(|_| ended_at.is_none()),
        },
        transfer: super::transfers::read(row)?,
        muted: match ended_at {
            None => row.json("muted")?,
            Some(_) => Vec::new(),
        },
        watchers: Vec::new(),
        levels: None,
        current_speaker: None,
        campaign: row.opt_text("campaign")?,
        capabilities: match ended_at {
            None => row.json("capabilities")?,
            Some(_) => Vec::new(),
        },
        incapable: BTreeMap::new(),
        degraded: row.opt_text("degraded")?.filter(|_| ended_at.is_none()),
        listen_proxy_url: None,
        recording_stored_url: stored.map(super::recordings::audio_url),
    };
    call.incapable = obstacles(&call);
    Ok(call)
}

impl CallFilter {
    fn conditions(&self, statement: &mut Statement, now: Timestamp) {
        match self.state {
            CallState::Any => {}
            CallState::Active => {
                statement.sql(" AND c.ended_at IS NULL");
            }
            CallState::Is(status) => {
                statement.sql(" AND c.status = ").text(status.as_str());
            }
        }
        if let Some(direction) = self.direction {
            statement
                .sql(" AND c.direction = ")
                .text(direction.as_str());
        }
        if let Some(upstream) = self.upstream {
            statement.sql(" AND c.upstream = ").text(upstream.as_str());
        }
        if let Some(agent) = &self.agent {
            statement.sql(" AND (c.agent_id = ").text(agent.clone());
            statement
                .sql(" OR c.agent_name = ")
                .text(agent.clone())
                .sql(")");
        }
        if let Some(tag) = &self.tag {
            // a tag is a whole element of the JSON array
            let element = super::columns::json(tag);
            statement
                .sql(" AND c.tags LIKE ")
                .text(contains(&element))
                .sql(" ESCAPE '\\'");
        }
        if let Some(q) = &self.q {
            search(statement, q, self.numbers_of.as_ref());
        }
        if let Some(from) = self.from {
            statement.sql(" AND c.started_at >= ").int(from.unix_ms());
        }
        if let Some(to) = self.to {
            statement.sql(" AND c.started_at <= ").int(to.unix_ms());
        }
        if let Some(seconds) = self.min_duration_seconds {
            statement
                .sql(" AND COALESCE(c.ended_at, ")
                .int(now.unix_ms());
            statement
                .sql(") - c.started_at >= ")
                .int(i64::from(seconds) * 1000);
        }
    }
}

/// Columns that have numbers in them, or may have.
const NUMBERS: [&str; 5] = [
    "c.from_party",
    "c.to_party",
    "c.customer_name",
    "c.livekit_room_name",
    "c.upstream_call_id",
];
const NAMES: [&str; 2] = ["c.agent_name", "c.agent_id"];

fn search(statement: &mut Statement, q: &str, numbers_of: Option<&[String; 2]>) {
    let pattern = contains(&q.to_lowercase());
    statement.sql(" AND (");
    any_like(statement, &NAMES, &pattern);
    // a text without digits finds no number
    let blind = numbers_of.filter(|_| q.chars().any(|c| c.is_ascii_digit()));
    match blind {
        None => {
            statement.sql(" OR ");
            any_like(statement, &NUMBERS, &pattern);
        }
        Some([id, name]) => {
            statement.sql(" OR (c.agent_id IN (").text(id.clone());
            statement.sql(", ").text(name.clone()).sql(") AND (");
            any_like(statement, &NUMBERS, &pattern);
            statement.sql("))");
        }
    }
    statement.sql(")");
}

fn any_like(statement: &mut Statement, columns: &[&str], pattern: &str) {
    for (n, column) in columns.iter().enumerate() {
        statement.sql(if n > 0 { " OR " } else { "" });
        statement.sql("LOWER(").sql(column).sql(") LIKE ");
        statement.text(pattern).sql(" ESCAPE '\\'");
    }
}

impl Tenant {
    /// Calls that fit, newest first, those after `after`.
    pub(crate) async fn calls(
        &self,
        filter: &CallFilter,
        after: Option<Place>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Call>> {
        let mut statement = Statement::new(CALL);
        statement.sql(" WHERE c.client_id = ").text(self.key());
        filter.conditions(&mut statement, now);
        if let Some(after) = after {
            let started_at = after.started_at.unix_ms();
            // said twice, so that the index is entered here
            statement.sql(" AND c.started_at <= ").int(started_at);
            statement.sql(" AND (c.started_at < ").int(started_at);
            statement.sql(" OR (c.started_at = ").int(started_at);
            statement
                .sql(" AND c.id < ")
                .text(after.id.to_string())
                .sql("))");
        }
        statement
            .sql(" ORDER BY c.started_at DESC, c.id DESC LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        let mut calls: Vec<Call> = rows
            .iter()
            .map(|row| call(row, now))
            .collect::<Result<_>>()?;
        let live: Vec<CallId> = calls
            .iter()
            .filter(|call| call.ended_at.is_none())
            .map(|call| call.id)
            .collect();
        let mut watching = watchers::of_calls(self.pool(), &live).await?;
        for call in &mut calls {
            call.watchers = watching.remove(&call.id).unwrap_or_default();
        }
        Ok(calls)
    }

    pub(crate) async fn call(&self, id: CallId, now: Timestamp) -> Result<Option<Call>> {
        let mut statement = Statement::new(CALL);
        statement.sql(" WHERE c.client_id = ").text(self.key());
        statement.sql(" AND c.id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        let Some(row) = row else { return Ok(None) };
        let mut found = call(&row, now)?;
        if found.ended_at.is_none() {
            let mut watching = watchers::of_calls(self.pool(), &[id]).await?;
            found.watchers = watching.remove(&id).unwrap_or_default();
        }
        Ok(Some(found))
    }

    /// How many calls are active.
    pub(crate) async fn active_count(&self) -> Result<u64> {
        sqlx::query("SELECT COUNT(*) AS n FROM calls WHERE client_id = $1 AND ended_at IS NULL")
            .bind(self.key())
            .fetch_one(self.pool())
            .await?
            .unsigned("n")
    }
}

impl Store {
    /// How many calls are active, of each client that has some.
    pub(crate) async fn active_counts(&self) -> Result<HashMap<TenantId, u64>> {
        let rows = sqlx::query(
            "SELECT client_id, COUNT(*) AS n FROM calls WHERE ended_at IS NULL GROUP BY client_id",
        )
        .fetch_all(&self.pool)
        .await?;
        let count = |row: &AnyRow| Ok((row.parsed("client_id")?, row.unsigned("n")?));
        rows.iter().map(count).collect()
    }

    /// Active calls that gateways found and that nobody has given a sign of life for since `before`,
    /// at most `limit`, the longest silent first. Not those of vendors, who tell us in their own
    /// time.
    pub(crate) async fn orphans(&self, before: Timestamp, limit: u32) -> Result<Vec<CallId>> {
        let rows = sqlx::query(
            "SELECT id FROM calls WHERE ended_at IS NULL AND seen_at < $1 AND NOT EXISTS \
             (SELECT 1 FROM upstream_calls u WHERE u.call_id = calls.id) \
             ORDER BY seen_at, id LIMIT $2",
        )
        .bind(before.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// Active calls that nobody has given a sign of life for since `before`, at most `limit`, the
    /// longest silent first.
    pub(crate) async fn silent_calls(&self, before: Timestamp, limit: u32) -> Result<Vec<CallId>> {
        let rows = sqlx::query(
            "SELECT id FROM calls WHERE ended_at IS NULL AND seen_at < $1 \
             ORDER BY seen_at, id LIMIT $2",
        )
        .bind(before.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// Notes a sign of life.
    pub(crate) async fn touch_call(&self, id: CallId, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE calls SET seen_at = $1 WHERE id = $2 AND seen_at < $1")
            .bind(now.unix_ms())
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends a call that nobody has given a sign of life for since `before`, for want of somebody
    /// who would say when and why. Its end is the last sign of life, or `at_least` if that is
    /// later. Gives the call if that ended it.
    pub(crate) async fn close_silent(
        &self,
        id: CallId,
        before: Timestamp,
        at_least: Timestamp,
        reason: &EndReason,
        now: Timestamp,
    ) -> Result<Option<Call>> {
        let mut tx = self.write().await?;
        let before_it = for_change(&mut tx, id, now).await?;
        control::end(&mut tx, id, now).await?;
        let done = sqlx::query(
            "UPDATE calls SET status = 'ended', end_class = $1, end_code = $2, \
             ended_at = CASE WHEN seen_at > $3 THEN seen_at ELSE $3 END \
             WHERE id = $4 AND ended_at IS NULL AND seen_at < $5",
        )
        .bind(reason.class.as_str())
        .bind(&reason.code)
        .bind(at_least.unix_ms())
        .bind(id.to_string())
        .bind(before.unix_ms())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        over(&mut tx, id).await?;
        let call = in_transaction(&mut tx, id, now).await?;
        if let Some(after) = call.clone() {
            let change = Change {
                kind: CallEventType::Ended,
                before: before_it,
                after,
            };
            effects::follow(&mut tx, &[change], now).await?;
        }
        tx.commit().await?;
        Ok(call)
    }
}

/// A call is over: nobody watches it, nothing of it is recorded, and nothing more can be heard of it.
pub(super) async fn over(tx: &mut Tx, id: CallId) -> Result<()> {
    sqlx::query("DELETE FROM watchers WHERE call_id = $1")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE upstream_calls SET hearable = 0 WHERE call_id = $1 AND hearable = 1")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    takes::lamp(tx, id).await
}

/// A call of whatever tenant, without its watchers, as the transaction sees it.
pub(super) async fn in_transaction(
    tx: &mut Tx,
    id: CallId,
    now: Timestamp,
) -> Result<Option<Call>> {
    read_one(tx, id, "", now).await
}

/// The same for who is going to change it: nobody else does until the transaction's end. What it
/// is afterwards differs from this by the transaction's own change and by nothing else.
pub(super) async fn for_change(tx: &mut Tx, id: CallId, now: Timestamp) -> Result<Option<Call>> {
    let lock = tx.lock_rows;
    read_one(tx, id, lock, now).await
}

async fn read_one(tx: &mut Tx, id: CallId, lock: &str, now: Timestamp) -> Result<Option<Call>> {
    let mut statement = Statement::new(CALL);
    statement.sql(" WHERE c.id = ").text(id.to_string());
    statement.sql(lock);
    let row = statement.query().fetch_optional(&mut **tx).await?;
    row.map(|row| call(&row, now)).transpose()
}

/// Several of them, as the transaction sees them.
pub(super) async fn many_in_transaction(
    tx: &mut Tx,
    ids: &[CallId],
    now: Timestamp,
) -> Result<HashMap<CallId, Call>> {
    read_many(tx, ids, "", now).await
}

/// Several of them, for who is going to change them.
pub(super) async fn many_for_change(
    tx: &mut Tx,
    ids: &[CallId],
    now: Timestamp,
) -> Result<HashMap<CallId, Call>> {
    let lock = tx.lock_rows;
    read_many(tx, ids, lock, now).await
}

async fn read_many(
    tx: &mut Tx,
    ids: &[CallId],
    lock: &str,
    now: Timestamp,
) -> Result<HashMap<CallId, Call>> {
    let mut ids = ids.to_vec();
    // in one order, so that two who change several do not wait for each other
    ids.sort_unstable();
    let mut found = HashMap::with_capacity(ids.len());
    for batch in batches(&ids) {
        let mut statement = Statement::new(CALL);
        statement.sql(" WHERE c.id IN (");
        statement
            .texts(batch.iter().map(CallId::to_string))
            .sql(") ORDER BY c.id");
        statement.sql(lock);
        for row in &statement.query().fetch_all(&mut **tx).await? {
            let call = call(row, now)?;
            found.insert(call.id, call);
        }
    }
    Ok(found)
}

impl Tenant {
    /// The newest call with that id at an upstream.
    pub(crate) async fn upstream_call(
        &self,
        upstream: Upstream,
        upstream_call_id: &str,
    ) -> Result<Option<CallId>> {
        let row = sqlx::query(
            "SELECT id FROM calls WHERE client_id = $1 AND upstream = $2 \
             AND upstream_call_id = $3 ORDER BY started_at DESC, id DESC LIMIT 1",
        )
        .bind(self.key())
        .bind(upstream.as_str())
        .bind(upstream_call_id)
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| row.parsed("id")).transpose()
    }
}
