//! Calls counted by the hour in which they began.
//!
//! **Invariant**: what `call_hours` and `agent_hours` say is what a count of the rows of `calls`
//! would say, at every commit: each change of a call moves what the call counts for. Rows that an
//! older release wrote are found by [`Store::recount`] at the start.

use std::collections::BTreeMap;

use sidetone_wire::{Call, EndClass};
use tracing::info;

use super::columns::{Columns as _, Statement};
use super::effects::Change;
use super::{Result, Store, Tx};

/// Milliseconds of an hour.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// Rows of one statement: eight values each stay far below what databases take.
const ROWS: usize = 200;

/// What calls count for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) total: i64,
    pub(super) ended: i64,
    pub(super) completed: i64,
    pub(super) duration_ms: i64,
}

impl Tally {
    fn of(call: &Call) -> Self {
        let ended = call.ended_at.is_some();
        let completed = call
            .end_reason
            .as_ref()
            .is_some_and(|reason| reason.class == EndClass::Completed);
        let duration = call
            .ended_at
            .map_or(0, |at| at.unix_ms() - call.started_at.unix_ms());
        Self {
            total: 1,
            ended: i64::from(ended),
            completed: i64::from(ended && completed),
            duration_ms: duration,
        }
    }

    pub(super) fn add(&mut self, other: Self, times: i64) {
        self.total += times * other.total;
        self.ended += times * other.ended;
        self.completed += times * other.completed;
        self.duration_ms += times * other.duration_ms;
    }
}

/// A row's key but for the tenant and the hour: branch and outcome, or the agent.
type Place = (String, i64, Vec<String>);

#[derive(Default)]
struct Moves {
    calls: BTreeMap<Place, Tally>,
    agents: BTreeMap<Place, Tally>,
}

impl Moves {
    fn add(&mut self, call: &Call, times: i64) {
        let tally = Tally::of(call);
        let tenant = call.client_id.to_string();
        let hour = call.started_at.unix_ms().div_euclid(HOUR_MS);
        let branch = call.branch_id.clone().unwrap_or_default();
        let place = (tenant.clone(), hour, vec![branch, outcome(call)]);
        self.calls.entry(place).or_default().add(tally, times);
        if let Some(agent) = &call.agent_id {
            let place = (tenant, hour, vec![agent.clone()]);
            self.agents.entry(place).or_default().add(tally, times);
        }
    }
}

/// Under which outcome an ended call counts; empty while it goes on.
fn outcome(call: &Call) -> String {
    if call.ended_at.is_none() {
        return String::new();
    }
    let class = call.end_reason.as_ref().map(|it| it.class.as_str());
    let outcome = call.outcome.as_deref().or(class);
    outcome.unwrap_or_default().to_owned()
}

/// Moves what calls count for from where they were to where they are.
pub(super) async fn count(tx: &mut Tx, changes: &[Change]) -> Result<()> {
    let mut moves = Moves::default();
    for change in changes {
        if let Some(before) = &change.before {
            moves.add(before, -1);
        }
        moves.add(&change.after, 1);
    }
    write(tx, "call_hours", "branch_id, outcome", moves.calls).await?;
    write(tx, "agent_hours", "agent_id", moves.agents).await
}

/// Adds to rows, in the order of their keys: two transactions that touch the same rows then wait
/// for each other instead of for ever.
async fn write(
    tx: &mut Tx,
    table: &str,
    columns: &str,
    moves: BTreeMap<Place, Tally>,
) -> Result<()> {
    let moves = moves
        .into_iter()
        .filter(|(_, tally)| *tally != Tally::default());
    let moves: Vec<_> = moves.collect();
    for rows in moves.chunks(ROWS) {
        let mut statement = Statement::new("INSERT INTO ");
        statement.sql(table).sql(" (client_id, hour, ").sql(columns);
        statement.sql(", total, ended, completed, duration_ms) VALUES ");
        for (n, ((tenant, hour, rest), tally)) in rows.iter().enumerate() {
            statement.sql(if n > 0 { ", (" } else { "(" });
            statement.text(tenant.clone()).sql(", ").int(*hour);
            for key in rest {
                statement.sql(", ").text(key.clone());
            }
            for number in [tally.total, tally.ended, tally.completed, tally.duration_ms] {
                statement.sql(", ").int(number);
            }
            statement.sql(")");
        }
        statement
            .sql(" ON CONFLICT (client_id, hour, ")
            .sql(columns)
            .sql(") DO UPDATE SET ");
        for (n, column) in ["total", "ended", "completed", "duration_ms"]
            .iter()
            .enumerate()
        {
            statement.sql(if n > 0 { ", " } else { "" }).sql(column);
            statement.sql(" = ").sql(table).sql(".").sql(column);
            statement.sql(" + excluded.").sql(column);
        }
        statement.query().execute(&mut **tx).await?;
    }
    Ok(())
}

const RECOUNT_CALLS: &str = "INSERT INTO call_hours (client_id, hour, branch_id, outcome, total, \
    ended, completed, duration_ms) \
    SELECT client_id, started_at / 3600000, COALESCE(branch_id, ''), \
    CASE WHEN ended_at IS NULL THEN '' ELSE COALESCE(outcome, end_class, '') END, COUNT(*), \
    CAST(SUM(CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END) AS BIGINT), \
    CAST(SUM(CASE WHEN ended_at IS NOT NULL AND end_class = 'completed' THEN 1 ELSE 0 END) AS BIGINT), \
    CAST(SUM(COALESCE(ended_at - started_at, 0)) AS BIGINT) \
    FROM calls GROUP BY 1, 2, 3, 4";

const RECOUNT_AGENTS: &str = "INSERT INTO agent_hours (client_id, hour, agent_id, total, ended, \
    completed, duration_ms) \
    SELECT client_id, started_at / 3600000, agent_id, COUNT(*), \
    CAST(SUM(CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END) AS BIGINT), \
    CAST(SUM(CASE WHEN ended_at IS NOT NULL AND end_class = 'completed' THEN 1 ELSE 0 END) AS BIGINT), \
    CAST(SUM(COALESCE(ended_at - started_at, 0)) AS BIGINT) \
    FROM calls WHERE agent_id IS NOT NULL GROUP BY 1, 2, 3";

const CALLS_SUMS: &str = "SELECT COUNT(*) AS total, \
    CAST(COALESCE(SUM(CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END), 0) AS BIGINT) AS ended, \
    CAST(COALESCE(SUM(ended_at - started_at), 0) AS BIGINT) AS ms FROM calls";

const HOURS_SUMS: &str = "SELECT CAST(COALESCE(SUM(total), 0) AS BIGINT) AS total, \
    CAST(COALESCE(SUM(ended), 0) AS BIGINT) AS ended, \
    CAST(COALESCE(SUM(duration_ms), 0) AS BIGINT) AS ms FROM call_hours";

impl Store {
    /// Counts all calls anew if the figures do not agree with them: an older release changed calls
    /// without counting, or nobody counted yet. Gives whether that was so.
    pub(crate) async fn recount(&self) -> Result<bool> {
        let mut tx = self.write().await?;
        if !self.sqlite {
            // whoever changes calls meanwhile waits here, and then adds to what is counted
            sqlx::query("LOCK TABLE call_hours, agent_hours IN EXCLUSIVE MODE")
                .execute(&mut *tx)
                .await?;
        }
        let mut sums = Vec::new();
        for sql in [CALLS_SUMS, HOURS_SUMS] {
            let row = sqlx::query(sql).fetch_one(&mut *tx).await?;
            sums.push((row.int("total")?, row.int("ended")?, row.int("ms")?));
        }
        if sums[0] == sums[1] {
            return Ok(false);
        }
        for sql in [
            "DELETE FROM call_hours",
            RECOUNT_CALLS,
            "DELETE FROM agent_hours",
            RECOUNT_AGENTS,
        ] {
            sqlx::query(sql).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        info!(
            calls = sums[0].0,
            "the figures of all calls are counted anew"
        );
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::SecretString;
    use sidetone_service::clock;
    use sidetone_wire::{
        CallEvent, CallFacts, CallId, Direction, EndReason, Numbered, Timestamp, Upstream,
    };

    /// Begins in one of three hours, at one of four agents.
    #[derive(Debug, Clone)]
    enum Step {
        Facts {
            call: usize,
            agent: usize,
            acme: bool,
        },
        Ended {
            call: usize,
            after: i64,
            class: usize,
        },
    }

    const CALLS: usize = 6;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..CALLS, 0usize..4, any::<bool>()).prop_map(|(call, agent, acme)| Step::Facts {
                call,
                agent,
                acme
            }),
            (0..CALLS, 0i64..2 * HOUR_MS, 0..EndClass::ALL.len())
                .prop_map(|(call, after, class)| Step::Ended { call, after, class }),
        ]
    }

    fn started(call: usize) -> Timestamp {
        Timestamp::from_unix_ms(1_761_825_600_000 + call as i64 * HOUR_MS / 2)
    }

    fn event(step: &Step) -> (usize, CallEvent) {
        match step {
            Step::Facts { call, agent, acme } => {
                let facts = CallFacts {
                    upstream: Upstream::Livekit,
                    upstream_call_id: format!("RM_{call}"),
                    tenant: acme.then(|| "acme".to_owned()),
                    direction: Direction::Inbound,
                    from: "a".into(),
                    to: "b".into(),
                    customer_name: None,
                    agent_id: (*agent > 0).then(|| format!("agent-{agent}")),
                    agent_name: None,
                    livekit_room_name: None,
                    started_at: started(*call),
                    answered_at: None,
                    capabilities: Vec::new(),
                    campaign: None,
                };
                (*call, CallEvent::Facts(facts))
            }
            Step::Ended { call, after, class } => {
                let at = Timestamp::from_unix_ms(started(*call).unix_ms() + after);
                let reason = EndReason::new(EndClass::ALL[*class], "x");
                (*call, CallEvent::Ended { at, reason })
            }
        }
    }

    async fn store(folder: &std::path::Path) -> Store {
        let mut url = sidetone_testkit::database(folder).await;
        if url.is_empty() {
            url = format!("sqlite://{}/hours.db", folder.display());
        }
        let secret = SecretString::from("a secret of at least 32 characters");
        let store = Store::open(&SecretString::from(url), &secret)
            .await
            .unwrap();
        for slug in ["default", "acme"] {
            sqlx::query("INSERT INTO clients (id, slug, name, created_at) VALUES ($1, $2, $2, 0)")
                .bind(clock::new_id().to_string())
                .bind(slug)
                .execute(&store.pool)
                .await
                .unwrap();
        }
        store
    }

    /// Rows as text, those that count nothing left out.
    async fn rows(store: &Store, sql: &'static str) -> Vec<String> {
        let rows = sqlx::query(sql).fetch_all(&store.pool).await.unwrap();
        rows.iter().map(|row| row.text("line").unwrap()).collect()
    }

    async fn counted(store: &Store) -> Vec<String> {
        let mut all = rows(
            store,
            "SELECT client_id || ' ' || hour || ' ' || branch_id || ' ' || outcome || ' ' || total \
             || ' ' || ended || ' ' || completed || ' ' || duration_ms AS line FROM call_hours \
             WHERE total <> 0 OR ended <> 0 OR completed <> 0 OR duration_ms <> 0 ORDER BY line",
        )
        .await;
        all.extend(
            rows(
                store,
                "SELECT client_id || ' ' || hour || ' ' || agent_id || ' ' || total || ' ' || ended \
                 || ' ' || completed || ' ' || duration_ms AS line FROM agent_hours \
                 WHERE total <> 0 OR ended <> 0 OR completed <> 0 OR duration_ms <> 0 ORDER BY line",
            )
            .await,
        );
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn whatever_happens_to_calls_the_counts_are_those_of_a_full_recount(
            steps in prop::collection::vec(step(), 1..40)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let store = store(folder.path()).await;
                let now = Timestamp::from_unix_ms(clock::wall());
                for (seq, step) in (1u64..).zip(&steps) {
                    let (call, event) = event(step);
                    let id = CallId::of_upstream("livekit", &format!("RM_{call}"), started(call));
                    let event = Numbered { call: id, fence: 1, seq, event };
                    store.apply(&event, now, now).await.unwrap();
                }
                let kept = counted(&store).await;
                assert!(!store.recount().await.unwrap(), "nothing was missed");
                // a release that does not count leaves this
                for sql in ["DELETE FROM call_hours", "DELETE FROM agent_hours"] {
                    sqlx::query(sql).execute(&store.pool).await.unwrap();
                }
                let any = !kept.is_empty();
                assert_eq!(store.recount().await.unwrap(), any);
                assert_eq!(counted(&store).await, kept);
                assert!(!store.recount().await.unwrap(), "once is enough");
            });
        }
    }
}
