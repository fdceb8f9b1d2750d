//! Reports of calls, many in one transaction.
//!
//! **Invariant**: a receipt and what it stands for are committed together, so that a report that
//! comes again, also to several processes at once, has one effect.
//! **Invariant**: what is known of a call is added to by one transaction at a time: the row in
//! `upstream_calls` is locked before it is read. Rows are locked in the order of their keys.

use std::collections::{BTreeMap, HashSet};

use sidetone_service::clock;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{
    Call, CallId, CallStatus, Capability, Consent, Control, RecordingFlag, RecordingState,
    TenantId, Timestamp, Upstream,
};

use super::columns::{self, Columns as _, Statement, batches};
use super::effects::{self, Change};
use super::policies::Redactions;
use super::vendor::NewFetch;
use super::{
    Result, Store, Tx, branches, calls, control, outbox, pauses, remote, transcripts, vendor,
};
use crate::calls::numbers::e164;
use crate::calls::{CallUpdate, Rows, Said, State, Unheard, obstacles};
use crate::hearing;
use crate::remote::{Reach, capabilities};

/// A report of a call, on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) tenant: TenantId,
    pub(crate) upstream: Upstream,
    pub(crate) upstream_call_id: String,
    /// `None` for what may be said again without harm.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) update: CallUpdate,
    /// Encrypted.
    pub(crate) listen_url: Option<String>,
    pub(crate) control_url: Option<String>,
    /// Their call is set when it is known.
    pub(crate) recordings: Vec<NewFetch>,
}

/// Names a report, so that it is taken once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Receipt {
    pub(crate) source: String,
    pub(crate) id: String,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken before.
    Duplicate,
    Taken {
        call: CallId,
        is_new: bool,
    },
}

/// A call that changed.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) kind: CallEventType,
    /// As it is now, without its watchers.
    pub(crate) call: Call,
    /// Whether anything that clients see of it is another.
    pub(crate) visible: bool,
    /// A supervisor had it, and it is over.
    pub(crate) released: bool,
    /// What changed of its transcript.
    pub(crate) transcript: Rows,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Ingested {
    /// In the order of the deliveries.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) changed: Vec<Changed>,
    /// Whether there are recordings to be fetched.
    pub(crate) recordings: bool,
    /// Whether there are calls to be heard, or to be heard no more.
    pub(crate) sockets: bool,
}

type Key = (TenantId, Upstream, String);

/// A call that the batch adds to.
struct Touched {
    id: CallId,
    before: Option<Call>,
    former: State,
    state: State,
    rows: Rows,
    unheard: Unheard,
    /// Its upstream brings its sound.
    streams: bool,
    /// It is heard by whoever dials.
    dialled: bool,
    listen_url: Option<String>,
    control_url: Option<String>,
}

impl Touched {
    /// Adds what a report says, but for what was said while nothing was to be kept.
    fn absorb(&mut self, update: &CallUpdate) {
        if self.unheard.is_empty() || update.said == Said::Nothing {
            return self.state.absorb(update, &mut self.rows);
        }
        let mut heard = update.clone();
        let known = Some(self.state.started_at()).filter(|at| *at != Timestamp::default());
        let started_at = update.started_at.or(known).unwrap_or(update.at);
        heard.said = self.unheard.leave_out(heard.said, update.at, started_at);
        self.state.absorb(&heard, &mut self.rows);
    }
}

impl Store {
    /// Takes reports, all or none.
    pub(crate) async fn ingest(&self, deliveries: &[Delivery], now: Timestamp) -> Result<Ingested> {
        let mut tx = self.write().await?;
        let fresh = receipts(&mut tx, deliveries, now).await?;
        let wanted: Vec<&Delivery> = fresh.iter().map(|n| &deliveries[*n]).collect();
        let mut touched = claim(&mut tx, &wanted, now).await?;
        let (mut fetches, mut redactions) = (Vec::new(), Redactions::default());
        for delivery in &wanted {
            let Some(call) = touched.get_mut(&delivery.key()) else {
                continue;
            };
            let update = &delivery.update;
            let update = redactions.kept(&mut tx, delivery.tenant, update).await?;
            call.absorb(&update);
            call.streams |= delivery.update.streams;
            call.listen_url = delivery.listen_url.clone().or(call.listen_url.take());
            call.control_url = delivery.control_url.clone().or(call.control_url.take());
            fetches.extend(delivery.recordings.iter().map(|fetch| NewFetch {
                call: call.id,
                ..fetch.clone()
            }));
        }
        let mut outcomes = vec![Outcome::Duplicate; deliveries.len()];
        let mut made = HashSet::new();
        for n in fresh {
            if let Some(call) = touched.get(&deliveries[n].key()) {
                // the first of those that came at once made it
                let (call, is_new) = (call.id, call.before.is_none() && made.insert(call.id));
                outcomes[n] = Outcome::Taken { call, is_new };
            }
        }
        let (changes, changed) = write(&mut tx, touched, now).await?;
        let sockets = changed.iter().any(|one| has_socket(&one.call));
        let mut recordings = false;
        for fetch in &fetches {
            recordings |= vendor::note(&mut tx, fetch, now).await?;
        }
        effects::follow(&mut tx, &changes, now).await?;
        let told = |one: &&Changed| {
            let said = one.kind == CallEventType::Ended || !one.transcript.is_empty();
            said && one.call.ended_at.is_some()
        };
        let over = changed.iter().filter(told);
        let over: Vec<_> = over.map(|one| (one.call.client_id, one.call.id)).collect();
        outbox::owe_transcripts(&mut tx, &over, now).await?;
        tx.commit().await?;
        Ok(Ingested {
            outcomes,
            changed,
            recordings,
            sockets,
        })
    }
}

impl Delivery {
    fn key(&self) -> Key {
        (self.tenant, self.upstream, self.upstream_call_id.clone())
    }
}

/// Notes the receipts; gives which deliveries are new, the first of each.
async fn receipts(tx: &mut Tx, deliveries: &[Delivery], now: Timestamp) -> Result<Vec<usize>> {
    let mut first: BTreeMap<&Receipt, usize> = BTreeMap::new();
    for (n, delivery) in deliveries.iter().enumerate() {
        if let Some(receipt) = &delivery.receipt {
            first.entry(receipt).or_insert(n);
        }
    }
    let receipts: Vec<&Receipt> = first.keys().copied().collect();
    let mut new: HashSet<Receipt> = HashSet::with_capacity(receipts.len());
    for batch in batches(&receipts) {
        let mut statement =
            Statement::new("INSERT INTO webhook_receipts (source, event_id, received_at) VALUES ");
        statement.rows(batch, |statement, receipt| {
            statement.text(receipt.source.clone()).sql(", ");
            statement.text(receipt.id.clone()).sql(", ");
            statement.int(now.unix_ms());
        });
        statement.sql(" ON CONFLICT (source, event_id) DO NOTHING RETURNING source, event_id");
        for row in &statement.query().fetch_all(&mut **tx).await? {
            new.insert(Receipt {
                source: row.text("source")?,
                id: row.text("event_id")?,
            });
        }
    }
    let fresh = |(n, delivery): (usize, &Delivery)| match &delivery.receipt {
        Some(receipt) => (first.get(receipt) == Some(&n) && new.contains(receipt)).then_some(n),
        None => Some(n),
    };
    Ok(deliveries.iter().enumerate().filter_map(fresh).collect())
}

/// Locks what is known of the calls, and reads it; calls that are new get an id.
async fn claim(
    tx: &mut Tx,
    deliveries: &[&Delivery],
    now: Timestamp,
) -> Result<BTreeMap<Key, Touched>> {
    let keys: BTreeMap<Key, CallId> = deliveries
        .iter()
        .map(|delivery| (delivery.key(), CallId(clock::new_id())))
        .collect();
    let keys: Vec<(Key, CallId)> = keys.into_iter().collect();
    let mut touched = BTreeMap::new();
    for batch in batches(&keys) {
        let mut statement = Statement::new(
            "INSERT INTO upstream_calls (client_id, upstream, upstream_call_id, call_id, state, \
             batches) VALUES ",
        );
        statement.rows(batch, |statement, ((tenant, upstream, id), call)| {
            statement.text(tenant.to_string()).sql(", ");
            statement.text(upstream.as_str()).sql(", ");
            statement.text(id.clone()).sql(", ");
            statement.text(call.to_string()).sql(", '{}', 1");
        });
        statement.sql(
            " ON CONFLICT (client_id, upstream, upstream_call_id) \
             DO UPDATE SET batches = upstream_calls.batches + 1 \
             RETURNING client_id, upstream, upstream_call_id, call_id, state, listen_url, \
             control_url",
        );
        for row in &statement.query().fetch_all(&mut **tx).await? {
            let state: State = row.json("state")?;
            let key = (
                row.parsed("client_id")?,
                row.parsed("upstream")?,
                row.text("upstream_call_id")?,
            );
            let call = Touched {
                id: row.parsed("call_id")?,
                before: None,
                former: state.clone(),
                state,
                rows: Rows::default(),
                unheard: Unheard::default(),
                streams: false,
                dialled: false,
                listen_url: row.opt_text("listen_url")?,
                control_url: row.opt_text("control_url")?,
            };
            touched.insert(key, call);
        }
    }
    let made: HashSet<CallId> = keys.iter().map(|(_, id)| *id).collect();
    let known: Vec<CallId> = touched
        .values()
        .map(|call| call.id)
        .filter(|id| !made.contains(id))
        .collect();
    let mut before = calls::many_for_change(tx, &known, now).await?;
    let mut unheard = pauses::unheard(tx, &known).await?;
    for call in touched.values_mut() {
        call.before = before.remove(&call.id);
        call.unheard = unheard.remove(&call.id).unwrap_or_default();
    }
    Ok(touched)
}

/// Writes what the calls are now.
async fn write(
    tx: &mut Tx,
    touched: BTreeMap<Key, Touched>,
    now: Timestamp,
) -> Result<(Vec<Change>, Vec<Changed>)> {
    let numbers = touched
        .values()
        .filter_map(|call| e164(call.state.line()?))
        .collect();
    let lines = branches::lines(tx, &numbers).await?;
    let accounts = remote::accounts(tx, touched.keys()).await?;
    let mut rows: Vec<(Key, Touched, Call)> = Vec::with_capacity(touched.len());
    for (key, mut call) in touched {
        let line = call.state.line().and_then(e164);
        let line = line.and_then(|number| lines.get(&number));
        let branch = line.filter(|line| line.tenant == key.0);
        let branch = branch.and_then(|line| line.branch);
        let mut after = call.before.clone().unwrap_or_else(|| unknown(&key, &call));
        call.state.project(&call.former, branch, &mut after);
        let account = accounts.contains(&(key.0, key.1));
        call.dialled = hearing::can_dial(key.1, call.listen_url.is_some(), account);
        after.capabilities = capabilities(Reach {
            upstream: after.upstream,
            listen: call.dialled
                || call.streams
                || after.capabilities.contains(&Capability::Listen),
            control: call.control_url.is_some(),
            account,
            goes_on: call.state.is_hearable(),
        });
        after.incapable = obstacles(&after);
        if after.ended_at.is_none() {
            after.duration_seconds = now.ms_since(after.started_at) / 1000;
        }
        rows.push((key, call, after));
    }
    // the one order in which everybody locks calls
    rows.sort_by_key(|(_, call, _)| call.id);
    let released = release(tx, &mut rows, now).await?;
    put_calls(tx, &rows, now).await?;
    put_states(tx, &rows).await?;
    let segments = rows.iter_mut();
    let mut segments: Vec<(&Call, &mut Rows)> = segments
        .map(|(_, call, after)| (&*after, &mut call.rows))
        .collect();
    transcripts::put(tx, &mut segments).await?;
    let (mut changes, mut changed) = (Vec::new(), Vec::new());
    for (_, call, mut after) in rows {
        if after.tags
            != call
                .before
                .as_ref()
                .map_or(Vec::new(), |call| call.tags.clone())
        {
            after.tags = put_tags(tx, &after, call.before.as_ref()).await?;
        }
        let kind = kind(call.before.as_ref(), &after);
        if kind == CallEventType::Ended {
            calls::over(tx, after.id).await?;
        }
        changed.push(Changed {
            kind,
            visible: differs(call.before.as_ref(), &after),
            released: released.contains(&after.id),
            call: after.clone(),
            transcript: call.rows,
        });
        changes.push(Change {
            kind,
            before: call.before,
            after,
        });
    }
    Ok((changes, changed))
}

/// Takes calls that are over from the supervisors who had them; gives which.
async fn release(
    tx: &mut Tx,
    rows: &mut [(Key, Touched, Call)],
    now: Timestamp,
) -> Result<HashSet<CallId>> {
    let mut released = HashSet::new();
    for (_, call, after) in rows {
        if kind(call.before.as_ref(), after) == CallEventType::Ended
            && let Some(control) = control::end(tx, after.id, now).await?
        {
            after.control = control;
            released.insert(after.id);
        }
    }
    Ok(released)
}

fn kind(before: Option<&Call>, after: &Call) -> CallEventType {
    let was_over = before.is_some_and(|before| before.ended_at.is_some());
    match (before, after.ended_at) {
        (_, Some(_)) if !was_over => CallEventType::Ended,
        (None, _) => CallEventType::Started,
        (Some(_), None) if was_over => CallEventType::Started,
        (Some(_), _) => CallEventType::Updated,
    }
}

/// Whether it is heard by whoever dials, or was until now.
fn has_socket(call: &Call) -> bool {
    hearing::is_dialled(call.upstream) && call.capabilities.contains(&Capability::Listen)
}

/// Whether clients see another call; that time passes they see for themselves.
fn differs(before: Option<&Call>, after: &Call) -> bool {
    before.is_none_or(|before| {
        let same_age = Call {
            duration_seconds: after.duration_seconds,
            ..before.clone()
        };
        same_age != *after
    })
}

/// A call of which nothing is known yet.
fn unknown(key: &Key, call: &Touched) -> Call {
    let started_at = call.state.started_at();
    Call {
        id: call.id,
        client_id: key.0,
        branch_id: None,
        upstream: key.1,
        upstream_call_id: key.2.clone(),
        direction: call.state.direction(),
        from: String::new(),
        to: String::new(),
        customer_name: None,
        agent_id: None,
        agent_name: None,
        livekit_room_name: None,
        status: CallStatus::Connecting,
        end_reason: None,
        outcome: None,
        started_at,
        answered_at: None,
        ended_at: None,
        duration_seconds: 0,
        tags: Vec::new(),
        consent: Consent::Unknown,
        control: Control {
            holder: "agent".to_owned(),
            holder_name: None,
            since: started_at,
            version: 0,
        },
        recording: RecordingFlag {
            state: RecordingState::Off,
            started_at: None,
            paused_at: None,
            paused_by: None,
            resume_at: None,
        },
        transfer: None,
        muted: Vec::new(),
        watchers: Vec::new(),
        levels: None,
        current_speaker: None,
        campaign: None,
        capabilities: Vec::new(),
        incapable: BTreeMap::new(),
        degraded: None,
        listen_proxy_url: None,
        recording_stored_url: None,
    }
}

async fn put_calls(tx: &mut Tx, rows: &[(Key, Touched, Call)], now: Timestamp) -> Result<()> {
    for batch in batches(rows) {
        let mut statement = Statement::new(
            "INSERT INTO calls (id, client_id, branch_id, upstream, upstream_call_id, direction, \
             from_party, to_party, customer_name, agent_id, agent_name, status, end_class, \
             end_code, outcome, started_at, answered_at, ended_at, control_since, call_metadata, \
             capabilities, seen_at) VALUES ",
        );
        statement.rows(batch, |statement, (_, touched, call)| {
            statement.text(call.id.to_string()).sql(", ");
            statement.text(call.client_id.to_string()).sql(", ");
            statement.opt_text(call.branch_id.clone()).sql(", ");
            statement.text(call.upstream.as_str()).sql(", ");
            statement.text(call.upstream_call_id.clone()).sql(", ");
            statement.text(call.direction.as_str()).sql(", ");
            statement.text(call.from.clone()).sql(", ");
            statement.text(call.to.clone()).sql(", ");
            statement.opt_text(call.customer_name.clone()).sql(", ");
            statement.opt_text(call.agent_id.clone()).sql(", ");
            statement.opt_text(call.agent_name.clone()).sql(", ");
            statement.text(call.status.as_str()).sql(", ");
            let end = call.end_reason.as_ref();
            let class = end.map(|end| end.class.as_str().to_owned());
            statement.opt_text(class).sql(", ");
            statement
                .opt_text(end.map(|end| end.code.clone()))
                .sql(", ");
            statement.opt_text(call.outcome.clone()).sql(", ");
            statement.int(call.started_at.unix_ms()).sql(", ");
            let ms = |at: Option<Timestamp>| at.map(Timestamp::unix_ms);
            statement.opt_int(ms(call.answered_at)).sql(", ");
            statement.opt_int(ms(call.ended_at)).sql(", ");
            statement.int(call.control.since.unix_ms()).sql(", ");
            statement
                .text(columns::json(&touched.state.metadata()))
                .sql(", ");
            statement.text(columns::json(&call.capabilities)).sql(", ");
            statement.int(now.unix_ms());
        });
        statement.sql(
            " ON CONFLICT (id) DO UPDATE SET branch_id = excluded.branch_id, \
             direction = excluded.direction, from_party = excluded.from_party, \
             to_party = excluded.to_party, customer_name = excluded.customer_name, \
             agent_id = excluded.agent_id, agent_name = excluded.agent_name, \
             status = excluded.status, end_class = excluded.end_class, \
             end_code = excluded.end_code, outcome = excluded.outcome, \
             started_at = excluded.started_at, answered_at = excluded.answered_at, \
             ended_at = excluded.ended_at, call_metadata = excluded.call_metadata, \
             capabilities = excluded.capabilities, seen_at = excluded.seen_at",
        );
        statement.query().execute(&mut **tx).await?;
    }
    Ok(())
}

async fn put_states(tx: &mut Tx, rows: &[(Key, Touched, Call)]) -> Result<()> {
    for batch in batches(rows) {
        let mut statement = Statement::new(
            "INSERT INTO upstream_calls (client_id, upstream, upstream_call_id, call_id, state, \
             listen_url, control_url, hearable) VALUES ",
        );
        statement.rows(batch, |statement, ((tenant, upstream, id), call, _)| {
            statement.text(tenant.to_string()).sql(", ");
            statement.text(upstream.as_str()).sql(", ");
            statement.text(id.clone()).sql(", ");
            statement.text(call.id.to_string()).sql(", ");
            statement.text(columns::json(&call.state)).sql(", ");
            statement.opt_text(call.listen_url.clone()).sql(", ");
            statement.opt_text(call.control_url.clone()).sql(", ");
            let hearable = call.dialled && call.state.is_hearable();
            statement.int(i64::from(hearable));
        });
        statement.sql(
            " ON CONFLICT (client_id, upstream, upstream_call_id) DO UPDATE SET \
             state = excluded.state, hearable = excluded.hearable, \
             listen_url = COALESCE(excluded.listen_url, upstream_calls.listen_url), \
             control_url = COALESCE(excluded.control_url, upstream_calls.control_url)",
        );
        statement.query().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Adds the tags that are new to those that the row has by now; gives all of them. The row is
/// locked.
async fn put_tags(tx: &mut Tx, after: &Call, before: Option<&Call>) -> Result<Vec<String>> {
    let row = sqlx::query("SELECT tags FROM calls WHERE id = $1")
        .bind(after.id.to_string())
        .fetch_one(&mut **tx)
        .await?;
    let mut tags: Vec<String> = row.json("tags")?;
    let known = before.map_or(&[][..], |before| &before.tags);
    for tag in after.tags.iter().filter(|tag| !known.contains(tag)) {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags.sort();
    sqlx::query("UPDATE calls SET tags = $1 WHERE id = $2")
        .bind(columns::json(&tags))
        .bind(after.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(tags)
}
