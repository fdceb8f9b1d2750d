//! Who has a call: changed by compare-and-set on its version, and what whoever carries the call
//! has to do about it.

use serde_json::{Value, json};
use sidetone_wire::{
    ActionKind, Author, Call, CallId, Control, Party, TenantId, Timestamp, Upstream, UserId,
    WatchMode,
};
use uuid::Uuid;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement, json as text};
use super::effects;
use super::{Result, Store, Tenant, Tx, calls, notes, transfers};
use crate::control::{Act, Holder, State, Step, Supervisor};

/// What an act came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Controlled {
    Changed(Control),
    /// It was so already.
    Same(Control),
    /// Another supervisor has the call.
    Refused(Control),
    /// The session of whoever acts is over.
    SessionOver,
    /// There is no such call, or it has ended.
    NotLive,
}

/// What whoever carries a call should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedFloor {
    pub(crate) tenant: TenantId,
    pub(crate) upstream: Upstream,
    pub(crate) state: State,
    pub(crate) holder_name: Option<String>,
    pub(crate) muted: Vec<Party>,
    /// Whoever has it talks with whom they would transfer it to.
    pub(crate) aside: bool,
    /// Whoever has it is on a telephone.
    pub(crate) telephone: bool,
    /// When the agent, who has it now, had it not and does not know what was said.
    pub(crate) missed: Option<(Timestamp, Timestamp)>,
}

struct Row {
    state: State,
    control: Control,
}

async fn read(tx: &mut Tx, call: CallId) -> Result<Option<Row>> {
    let row = sqlx::query(
        "SELECT control_holder, control_holder_name, control_since, control_version, \
         control_session, silenced FROM calls WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(call.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let word = row.text("control_holder")?;
    Ok(Some(Row {
        state: State {
            holder: Holder::read(&word, row.opt_parsed("control_session")?),
            version: row.unsigned("control_version")?,
            silenced: row.flag("silenced")?,
        },
        control: Control {
            holder: word,
            holder_name: row.opt_text("control_holder_name")?,
            since: row.time("control_since")?,
            version: row.unsigned("control_version")?,
        },
    }))
}

/// Does an act to a call that goes on; `None` when it has ended, or somebody was faster.
async fn step(
    tx: &mut Tx,
    call: CallId,
    act: Act,
    name: Option<&str>,
    now: Timestamp,
) -> Result<Option<(Step, Control)>> {
    let Some(Row { mut state, control }) = read(tx, call).await? else {
        return Ok(None);
    };
    let (before, held) = (state.version, state.holder);
    let step = state.handle(act);
    if step != Step::Changed {
        return Ok(Some((step, control)));
    }
    let name = match state.holder {
        Holder::Agent => None,
        Holder::Supervisor(_) | Holder::Target(_) => name.map(str::to_owned),
    };
    let held_since = (held == Holder::Agent).then_some(now.unix_ms());
    let done = sqlx::query(
        "UPDATE calls SET control_holder = $1, control_holder_name = $2, control_since = $3, \
         control_version = $4, control_session = $5, silenced = $6, \
         held_since = COALESCE($7, held_since) \
         WHERE id = $8 AND control_version = $9 AND ended_at IS NULL",
    )
    .bind(state.holder.word())
    .bind(name.clone())
    .bind(now.unix_ms())
    .bind(state.version.cast_signed())
    .bind(state.holder.session().map(|session| session.to_string()))
    .bind(i64::from(state.silenced))
    .bind(held_since)
    .bind(call.to_string())
    .bind(before.cast_signed())
    .execute(&mut **tx)
    .await?;
    let control = Control {
        holder: state.holder.word(),
        holder_name: name,
        since: now,
        version: state.version,
    };
    Ok((done.rows_affected() > 0).then_some((Step::Changed, control)))
}

/// A call is about to be over: nobody has it any more. Gives who has it now if that is news.
pub(super) async fn end(tx: &mut Tx, call: CallId, now: Timestamp) -> Result<Option<Control>> {
    let stepped = step(tx, call, Act::End, None, now).await?;
    Ok(stepped.and_then(|(step, control)| (step == Step::Changed).then_some(control)))
}

/// The holder is lost; `true` if that changes who has the call.
pub(super) async fn lost(
    tx: &mut Tx,
    call: CallId,
    who: impl FnOnce(Holder) -> bool,
    rule: &str,
    now: Timestamp,
) -> Result<bool> {
    let Some(Row { state, .. }) = read(tx, call).await? else {
        return Ok(false);
    };
    let holder = state.holder;
    if holder == Holder::Agent || !who(holder) {
        return Ok(false);
    }
    let stepped = step(tx, call, Act::Lost(holder), None, now).await?;
    if !matches!(stepped, Some((Step::Changed, _))) {
        return Ok(false);
    }
    let row = sqlx::query("SELECT client_id FROM calls WHERE id = $1")
        .bind(call.to_string())
        .fetch_one(&mut **tx)
        .await?;
    let (tenant, detail) = (row.parsed("client_id")?, json!({ "from": holder.word() }));
    let (actor, subject) = (Actor::rule(rule), Subject::Call(call));
    audit::note(tx, tenant, &actor, "control.lost", subject, &detail, now).await?;
    if let Some(session) = holder.session() {
        watches(tx, call, session, WatchMode::Listen).await?;
    }
    Ok(true)
}

/// A session that watches a call does so otherwise.
async fn watches(tx: &mut Tx, call: CallId, session: Uuid, mode: WatchMode) -> Result<()> {
    sqlx::query("UPDATE watchers SET mode = $1 WHERE call_id = $2 AND session_id = $3")
        .bind(mode.as_str())
        .bind(call.to_string())
        .bind(session.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Tenant {
    /// A supervisor takes a call: it is theirs, or it is another's and nothing changes.
    pub(crate) async fn take_over(
        &self,
        call: CallId,
        by: Supervisor,
        author: &Author,
        now: Timestamp,
    ) -> Result<Controlled> {
        let mut tx = self.store.write().await?;
        let before = self.goes_on(&mut tx, call, now).await?;
        let Some(before) = before else {
            return Ok(Controlled::NotLive);
        };
        let act = Act::TakeOver(by);
        let stepped = step(&mut tx, call, act, Some(&author.name), now).await?;
        let Some((step, control)) = stepped else {
            // PostgreSQL lets two read before either writes: the other one was faster
            return self.refused(call, now).await;
        };
        if step == Step::Refused {
            return Ok(Controlled::Refused(control));
        }
        let watches = self
            .joins(&mut tx, call, by.session, WatchMode::Takeover, now)
            .await?;
        if !watches {
            return Ok(Controlled::SessionOver);
        }
        if step == Step::Same {
            tx.commit().await?;
            return Ok(Controlled::Same(control));
        }
        let (kind, detail) = (ActionKind::JoinCall, json!({"mode": WatchMode::Takeover}));
        notes::acted(&mut tx, self.id, call, kind, author, &detail, now).await?;
        effects::updated(&mut tx, before, now).await?;
        tx.commit().await?;
        Ok(Controlled::Changed(control))
    }

    /// Somebody gives a call back to the agent.
    pub(crate) async fn hand_back(
        &self,
        call: CallId,
        act: Act,
        now: Timestamp,
    ) -> Result<Controlled> {
        self.give(call, act, None, now).await
    }

    /// Somebody gives a call to whom the act says, whose name is given unless it is the agent.
    pub(crate) async fn give(
        &self,
        call: CallId,
        act: Act,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Controlled> {
        let mut tx = self.store.write().await?;
        let before = self.goes_on(&mut tx, call, now).await?;
        let Some(before) = before else {
            return Ok(Controlled::NotLive);
        };
        let holder = read(&mut tx, call).await?.map(|row| row.state.holder);
        let Some((step, control)) = step(&mut tx, call, act, name, now).await? else {
            return self.refused(call, now).await;
        };
        match step {
            Step::Refused => Ok(Controlled::Refused(control)),
            Step::Same => Ok(Controlled::Same(control)),
            Step::Changed => {
                if let Some(session) = holder.and_then(Holder::session) {
                    watches(&mut tx, call, session, WatchMode::Listen).await?;
                }
                effects::updated(&mut tx, before, now).await?;
                tx.commit().await?;
                Ok(Controlled::Changed(control))
            }
        }
    }

    /// Notes that a supervisor speaks, or no longer; `false` when the session or the call has
    /// ended meanwhile.
    pub(crate) async fn speaks(
        &self,
        call: CallId,
        session: Uuid,
        mode: WatchMode,
        author: &Author,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        if !self.joins(&mut tx, call, session, mode, now).await? {
            return Ok(false);
        }
        let kind = match mode {
            WatchMode::Whisper => Some(ActionKind::CoachAgent),
            WatchMode::Barge => Some(ActionKind::JoinCall),
            WatchMode::Listen | WatchMode::Takeover => None,
        };
        if let Some(kind) = kind {
            let detail = json!({"mode": mode, "by": "voice"});
            notes::acted(&mut tx, self.id, call, kind, author, &detail, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Mutes a party, or lets it be heard again; gives who is muted now, `None` when there is no
    /// such call or it has ended.
    pub(crate) async fn mute(
        &self,
        call: CallId,
        party: Party,
        muted: bool,
        now: Timestamp,
    ) -> Result<Option<Vec<Party>>> {
        let mut tx = self.store.write().await?;
        let Some(before) = self.goes_on(&mut tx, call, now).await? else {
            return Ok(None);
        };
        let mut parties = before.muted.clone();
        parties.retain(|other| *other != party);
        if muted {
            parties.push(party);
            parties.sort_unstable();
        }
        sqlx::query("UPDATE calls SET muted = $1, silenced = 1 WHERE id = $2")
            .bind(text(&parties))
            .bind(call.to_string())
            .execute(&mut *tx)
            .await?;
        effects::updated(&mut tx, before, now).await?;
        tx.commit().await?;
        Ok(Some(parties))
    }

    /// Notes what a supervisor did to a call.
    pub(crate) async fn acted(
        &self,
        call: CallId,
        kind: ActionKind,
        detail: &Value,
        by: &Author,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.store.write().await?;
        notes::acted(&mut tx, self.id, call, kind, by, detail, now).await?;
        tx.commit().await
    }

    /// The call as the transaction sees it, if it is this tenant's and goes on.
    async fn goes_on(&self, tx: &mut Tx, call: CallId, now: Timestamp) -> Result<Option<Call>> {
        let found = calls::for_change(tx, call, now).await?;
        Ok(found.filter(|call| call.client_id == self.id && call.ended_at.is_none()))
    }

    /// Puts a session among those who take part; `false` when it or the call has ended.
    async fn joins(
        &self,
        tx: &mut Tx,
        call: CallId,
        session: Uuid,
        mode: WatchMode,
        now: Timestamp,
    ) -> Result<bool> {
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
        .execute(&mut **tx)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// What to say to whoever was not the first.
    async fn refused(&self, call: CallId, now: Timestamp) -> Result<Controlled> {
        Ok(match self.call(call, now).await? {
            Some(call) if call.ended_at.is_none() => Controlled::Refused(call.control),
            _ => Controlled::NotLive,
        })
    }
}

impl Store {
    /// What whoever carries a call should do about who is heard; `None` when it is over.
    pub(crate) async fn wanted_floor(&self, call: CallId) -> Result<Option<WantedFloor>> {
        let row = sqlx::query(
            "SELECT client_id, upstream, control_holder, control_holder_name, control_since, \
             control_version, control_session, silenced, muted, held_since, transfer, \
             transfer_session FROM calls WHERE id = $1 AND ended_at IS NULL",
        )
        .bind(call.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let word = row.text("control_holder")?;
            let holder = Holder::read(&word, row.opt_parsed("control_session")?);
            let held_since = row.opt_time("held_since")?;
            let held_since = held_since.filter(|_| holder == Holder::Agent);
            Ok(WantedFloor {
                tenant: row.parsed("client_id")?,
                upstream: row.parsed("upstream")?,
                state: State {
                    holder,
                    version: row.unsigned("control_version")?,
                    silenced: row.flag("silenced")?,
                },
                holder_name: row.opt_text("control_holder_name")?,
                muted: row.json("muted")?,
                aside: transfers::aside(&row, holder.session())?,
                telephone: transfers::by_telephone(&row, holder)?,
                missed: held_since.zip(row.opt_time("control_since")?),
            })
        })
        .transpose()
    }

    /// Whoever carries the call has made everybody heard whom this version does not silence.
    pub(crate) async fn heard_again(&self, call: CallId, version: u64) -> Result<()> {
        let mut tx = self.write().await?;
        let Some(Row { mut state, .. }) = read(&mut tx, call).await? else {
            return Ok(());
        };
        state.handle(Act::Heard { version });
        if state.silenced {
            return Ok(());
        }
        sqlx::query(
            "UPDATE calls SET silenced = 0 WHERE id = $1 AND control_version = $2 AND muted = '[]'",
        )
        .bind(call.to_string())
        .bind(version.cast_signed())
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// The agent, who has the call again since this version, knows what was said.
    pub(crate) async fn caught_up(&self, call: CallId, version: u64) -> Result<()> {
        sqlx::query("UPDATE calls SET held_since = NULL WHERE id = $1 AND control_version = $2")
            .bind(call.to_string())
            .bind(version.cast_signed())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes back the calls that a session has, which is over; gives them.
    pub(crate) async fn release_session(&self, session: Uuid, now: Timestamp) -> Result<Vec<Call>> {
        self.release_all("control_session", session.to_string(), now)
            .await
    }

    /// Takes back the calls that a user has, whose sessions are over; gives them.
    pub(crate) async fn release_user(&self, user: UserId, now: Timestamp) -> Result<Vec<Call>> {
        let word = format!("supervisor:{user}");
        self.release_all("control_holder", word, now).await
    }

    async fn release_all(
        &self,
        column: &'static str,
        key: String,
        now: Timestamp,
    ) -> Result<Vec<Call>> {
        let mut statement = Statement::new(
            "SELECT id FROM calls WHERE ended_at IS NULL AND control_session IS NOT NULL AND ",
        );
        statement.sql(column).sql(" = ").text(key);
        let rows = statement.query().fetch_all(&self.pool).await?;
        let mut released = Vec::new();
        for row in rows {
            let call: CallId = row.parsed("id")?;
            let mut tx = self.write().await?;
            let before = calls::for_change(&mut tx, call, now).await?;
            if let Some(before) = before
                && lost(&mut tx, call, |_| true, "session_over", now).await?
                && let Some(after) = effects::updated(&mut tx, before, now).await?
            {
                tx.commit().await?;
                released.push(after);
            }
        }
        Ok(released)
    }
}
