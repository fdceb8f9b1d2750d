//! Events of gateways and recorders, applied exactly once.
//!
//! Events come at least once. Those of a call's state are applied in order of `(fence, seq)`, and
//! not again. Those of a recording may rightly come from a former holder of the call, so they are
//! applied whenever they come, and are idempotent by the recording's id.

use sidetone_wire::{
    BranchId, Call, CallEvent, CallFacts, CallId, EndReason, Numbered, TenantId, Timestamp, UserId,
    socket::CallEventType,
};
use tracing::info;

use super::columns::{Columns as _, json};
use super::effects::{self, Change};
use super::transcripts::Kept;
use super::{
    Result, Store, Tx, calls, campaigns, control, outbox, pauses, takes, tenants, transcripts,
};
use crate::control::Holder;
use crate::livekit::{monitor_room, side_room};

/// What an event changed.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) kind: CallEventType,
    /// The call as it is now, without its watchers.
    pub(crate) call: Call,
    /// Somebody else has it.
    pub(crate) control_changed: bool,
}

impl Store {
    /// Applies an event; `None` when it changed nothing. `trusted` is what time-outs count from,
    /// `now` is what is shown.
    pub(crate) async fn apply(
        &self,
        event: &Numbered,
        trusted: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Applied>> {
        let mut tx = self.write().await?;
        let fresh = advance(&mut tx, event).await?;
        let id = event.call;
        let before = calls::for_change(&mut tx, id, now).await?;
        let changed = change(&mut tx, event, fresh, trusted, now).await?;
        let applied = match changed {
            Some(kind) => {
                let version = before.as_ref().map(|call| call.control.version);
                let call = calls::in_transaction(&mut tx, id, now).await?;
                call.map(|call| Applied {
                    kind,
                    control_changed: version.is_some_and(|before| before != call.control.version),
                    call,
                })
            }
            None => None,
        };
        if let Some(Applied { kind, call, .. }) = &applied {
            let kind = *kind;
            let after = call.clone();
            let change = Change {
                kind,
                before,
                after,
            };
            effects::follow(&mut tx, &[change], now).await?;
            if kind == CallEventType::Ended {
                let over = [(call.client_id, call.id)];
                outbox::owe_transcripts(&mut tx, &over, now).await?;
            }
        }
        tx.commit().await?;
        Ok(applied)
    }

    /// Keeps what was said, as events in a row have it, all of it at once: a transaction for each
    /// would have the last wait for as many writes to disk as there are. Other events say nothing.
    pub(crate) async fn hear(&self, events: &[Numbered], now: Timestamp) -> Result<Vec<Kept>> {
        let mut tx = self.write().await?;
        let mut fresh = Vec::with_capacity(events.len());
        for event in events {
            if let CallEvent::Said(said) = &event.event
                && advance(&mut tx, event).await?
            {
                fresh.push((event.call, said));
            }
        }
        let kept = transcripts::heard(&mut tx, &fresh, now).await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// Forgets how far events were applied. An in-process fleet begins its fencing numbers anew
    /// with every start and keeps no event over one, so nothing old can come.
    pub(crate) async fn forget_cursors(&self) -> Result<()> {
        sqlx::query("DELETE FROM event_cursors")
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Does what an event says; gives what it was to the call. `fresh`: it is the newest of the call's
/// present holder.
async fn change(
    tx: &mut Tx,
    event: &Numbered,
    fresh: bool,
    trusted: Timestamp,
    now: Timestamp,
) -> Result<Option<CallEventType>> {
    let id = event.call;
    let updated = |changed: bool| changed.then_some(CallEventType::Updated);
    Ok(match &event.event {
        CallEvent::RecordingStarted {
            recording,
            started_at,
        } => updated(takes::started(tx, id, *recording, *started_at, fresh).await?),
        CallEvent::RecordingPaused { at, by, .. } => {
            updated(pauses::by_rule(tx, id, *at, by, trusted).await?)
        }
        CallEvent::RecordingDegraded {
            recording,
            degraded,
        } => updated(takes::degraded(tx, id, *recording, *degraded).await?),
        CallEvent::RecordingEnded { recording } => {
            updated(takes::ended(tx, id, *recording, now).await?)
        }
        CallEvent::RecordingFailed { recording, error } => {
            updated(takes::failed(tx, id, *recording, error, now).await?)
        }
        CallEvent::Facts(_)
        | CallEvent::Ended { .. }
        | CallEvent::Said(_)
        | CallEvent::ListenerLeft { .. }
        | CallEvent::SupervisorLost { .. }
        | CallEvent::Degraded { .. }
            if !fresh =>
        {
            None
        }
        CallEvent::Said(_) => None, // it changes nothing of the call itself
        CallEvent::Facts(facts) => Some(apply_facts(tx, id, facts, now).await?),
        CallEvent::SupervisorLost { user, room } => {
            let who = |holder: Holder| match holder {
                Holder::Agent => false,
                Holder::Supervisor(holder) => {
                    holder.user == *user && monitor_room(*user, holder.session).room == *room
                }
                Holder::Target(transfer) => side_room(transfer).room == *room,
            };
            updated(control::lost(tx, id, who, "supervisor_lost", now).await?)
        }
        CallEvent::Ended { at, reason } => {
            control::end(tx, id, now).await?;
            ended(tx, id, *at, reason).await?
        }
        CallEvent::Degraded { reason } => updated(degraded(tx, id, reason.as_deref(), now).await?),
        CallEvent::ListenerLeft { user } => listener_left(tx, id, *user).await?,
    })
}

/// Moves the call's cursor to the event; `false` when it was there or further already.
async fn advance(tx: &mut Tx, event: &Numbered) -> Result<bool> {
    let (fence, seq) = (event.fence.cast_signed(), event.seq.cast_signed());
    let done = sqlx::query(
        "INSERT INTO event_cursors (call_id, fence, seq) VALUES ($1, $2, $3) \
         ON CONFLICT (call_id) DO UPDATE SET fence = excluded.fence, seq = excluded.seq \
         WHERE excluded.fence > event_cursors.fence \
         OR (excluded.fence = event_cursors.fence AND excluded.seq > event_cursors.seq)",
    )
    .bind(event.call.to_string())
    .bind(fence)
    .bind(seq)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whose a call is.
type Owner = (TenantId, Option<BranchId>);

async fn apply_facts(
    tx: &mut Tx,
    id: CallId,
    facts: &CallFacts,
    now: Timestamp,
) -> Result<CallEventType> {
    let known = sqlx::query("SELECT ended_at FROM calls WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let owner = tenants::of_call(tx, facts).await?;
    let Some(known) = known else {
        insert(tx, id, owner, facts, now).await?;
        if let Some(word) = &facts.campaign {
            campaigns::named(tx, id, word).await?;
        }
        return Ok(CallEventType::Started);
    };
    let was_over = known.opt_int("ended_at")?.is_some();
    if was_over {
        info!(call = %id, "a call that was taken for over is alive");
    }
    update(tx, id, owner, facts, now).await?;
    if let Some(word) = &facts.campaign {
        campaigns::named(tx, id, word).await?;
    }
    Ok(if was_over {
        CallEventType::Started
    } else {
        CallEventType::Updated
    })
}

async fn insert(
    tx: &mut Tx,
    id: CallId,
    (tenant, branch): Owner,
    facts: &CallFacts,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO calls (id, client_id, upstream, upstream_call_id, direction, from_party, \
         to_party, customer_name, agent_id, agent_name, livekit_room_name, status, started_at, \
         answered_at, control_since, capabilities, seen_at, branch_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $13, $15, $16, $17)",
    )
    .bind(id.to_string())
    .bind(tenant.to_string())
    .bind(facts.upstream.as_str())
    .bind(&facts.upstream_call_id)
    .bind(facts.direction.as_str())
    .bind(&facts.from)
    .bind(&facts.to)
    .bind(facts.customer_name.clone())
    .bind(facts.agent_id.clone())
    .bind(facts.agent_name.clone())
    .bind(facts.livekit_room_name.clone())
    .bind(status(facts))
    .bind(facts.started_at.unix_ms())
    .bind(facts.answered_at.map(Timestamp::unix_ms))
    .bind(json(&facts.capabilities))
    .bind(now.unix_ms())
    .bind(branch.map(|branch| branch.to_string()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn update(
    tx: &mut Tx,
    id: CallId,
    (tenant, branch): Owner,
    facts: &CallFacts,
    now: Timestamp,
) -> Result<()> {
    // a call that was answered stays answered when its gateway starts over; a hold or transfer is
    // not the gateway's to end
    sqlx::query(
        "UPDATE calls SET client_id = $1, upstream = $2, upstream_call_id = $3, direction = $4, \
         from_party = $5, to_party = $6, customer_name = $7, agent_id = $8, agent_name = $9, \
         livekit_room_name = $10, answered_at = COALESCE(answered_at, $11), \
         status = CASE WHEN status IN ('on_hold', 'transferring') THEN status \
         WHEN COALESCE(answered_at, $11) IS NOT NULL THEN 'connected' ELSE 'connecting' END, \
         end_class = NULL, end_code = NULL, ended_at = NULL, capabilities = $12, seen_at = $13, \
         branch_id = COALESCE($15, CASE WHEN client_id = $1 THEN branch_id END) \
         WHERE id = $14",
    )
    .bind(tenant.to_string())
    .bind(facts.upstream.as_str())
    .bind(&facts.upstream_call_id)
    .bind(facts.direction.as_str())
    .bind(&facts.from)
    .bind(&facts.to)
    .bind(facts.customer_name.clone())
    .bind(facts.agent_id.clone())
    .bind(facts.agent_name.clone())
    .bind(facts.livekit_room_name.clone())
    .bind(facts.answered_at.map(Timestamp::unix_ms))
    .bind(json(&facts.capabilities))
    .bind(now.unix_ms())
    .bind(id.to_string())
    .bind(branch.map(|branch| branch.to_string()))
    .execute(&mut **tx)
    .await?;
    // a call that was taken for over may still be paused
    takes::lamp(tx, id).await?;
    // recordings belong to whom the call belongs to
    sqlx::query("UPDATE recordings SET client_id = $1 WHERE call_id = $2 AND client_id <> $1")
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn status(facts: &CallFacts) -> &'static str {
    if facts.answered_at.is_some() {
        "connected"
    } else {
        "connecting"
    }
}

async fn ended(
    tx: &mut Tx,
    id: CallId,
    at: Timestamp,
    reason: &EndReason,
) -> Result<Option<CallEventType>> {
    let done = sqlx::query(
        "UPDATE calls SET status = 'ended', end_class = $1, end_code = $2, \
         ended_at = CASE WHEN started_at > $3 THEN started_at ELSE $3 END \
         WHERE id = $4 AND ended_at IS NULL",
    )
    .bind(reason.class.as_str())
    .bind(&reason.code)
    .bind(at.unix_ms())
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    calls::over(tx, id).await?;
    Ok((done.rows_affected() > 0).then_some(CallEventType::Ended))
}

/// Notes why a call is not heard as it should be. Whoever says so has the call: it is alive.
async fn degraded(tx: &mut Tx, id: CallId, reason: Option<&str>, now: Timestamp) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE calls SET degraded = $1, seen_at = $2 WHERE id = $3 AND ended_at IS NULL",
    )
    .bind(reason.map(str::to_owned))
    .bind(now.unix_ms())
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn listener_left(tx: &mut Tx, id: CallId, user: UserId) -> Result<Option<CallEventType>> {
    let done = sqlx::query("DELETE FROM watchers WHERE call_id = $1 AND user_id = $2")
        .bind(id.to_string())
        .bind(user.to_string())
        .execute(&mut **tx)
        .await?;
    Ok((done.rows_affected() > 0).then_some(CallEventType::Updated))
}
