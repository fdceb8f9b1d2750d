//! Numbers about a tenant's calls of the last hours, for the dashboard dialect.
//!
//! Whole hours are read from the counts of [`super::hours`], the hour in which the period begins
//! from the calls themselves: exact, and the same work however many calls there are.

use std::collections::BTreeMap;

use sidetone_wire::Timestamp;
use sidetone_wire::analytics::{AgentPerformance, Metrics};

use super::columns::{Columns as _, Statement};
use super::hours::{HOUR_MS, Tally};
use super::{Result, Tenant};

const SUMS: &str = "CAST(SUM(total) AS BIGINT) AS total, CAST(SUM(ended) AS BIGINT) AS ended, \
    CAST(SUM(completed) AS BIGINT) AS completed, CAST(SUM(duration_ms) AS BIGINT) AS duration_ms";

const COUNTS: &str = "COUNT(*) AS total, \
    CAST(SUM(CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS ended, \
    CAST(SUM(CASE WHEN ended_at IS NOT NULL AND end_class = 'completed' THEN 1 ELSE 0 END) AS BIGINT) \
    AS completed, CAST(SUM(COALESCE(ended_at - started_at, 0)) AS BIGINT) AS duration_ms";

/// How the same thing is called in the counts and in the calls.
struct By {
    table: &'static str,
    counted: &'static str,
    called: &'static str,
}

const OUTCOME: By = By {
    table: "call_hours",
    counted: "outcome",
    called: "CASE WHEN ended_at IS NULL THEN '' ELSE COALESCE(outcome, end_class, '') END",
};

const AGENT: By = By {
    table: "agent_hours",
    counted: "agent_id",
    called: "COALESCE(agent_id, '')",
};

impl Tally {
    /// Mean length of the ended ones in seconds, 0 when there are none.
    pub(super) fn average_seconds(self) -> f64 {
        average(self.duration_ms, self.ended)
    }

    /// Share of the ended ones that completed, in percent.
    pub(super) fn success_rate(self) -> f64 {
        if self.ended == 0 {
            return 0.0;
        }
        round(self.completed as f64 * 100.0 / self.ended as f64)
    }
}

/// Mean of milliseconds in seconds, to a hundredth.
pub(super) fn average(ms: i64, count: i64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    round(ms as f64 / 1000.0 / count as f64)
}

pub(super) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// When a period of hours begins, and the first whole hour in it.
fn beginning(hours: u32, now: Timestamp) -> (i64, i64) {
    let since = (now.unix_ms() - i64::from(hours) * HOUR_MS).max(0);
    (since, since.div_euclid(HOUR_MS) + 1)
}

impl Tenant {
    /// The calls that began in the last `hours`, by whatever.
    async fn tallies(
        &self,
        by: &By,
        hours: u32,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Tally>> {
        let (since, first) = beginning(hours, now);
        let mut statement = Statement::new("SELECT place, ");
        statement.sql(SUMS).sql(" FROM (SELECT ").sql(by.counted);
        statement.sql(" AS place, total, ended, completed, duration_ms FROM ");
        statement.sql(by.table).sql(" WHERE client_id = ");
        statement.text(self.key()).sql(" AND hour >= ").int(first);
        statement.sql(" UNION ALL SELECT ").sql(by.called);
        statement.sql(", ").sql(COUNTS);
        statement.sql(" FROM calls WHERE client_id = ");
        statement.text(self.key()).sql(" AND started_at >= ");
        statement.int(since).sql(" AND started_at < ");
        statement
            .int(first * HOUR_MS)
            .sql(" GROUP BY 1) AS parts GROUP BY place");
        let rows = statement.query().fetch_all(self.pool()).await?;
        let mut found = BTreeMap::new();
        for row in &rows {
            let tally = Tally {
                total: row.int("total")?,
                ended: row.int("ended")?,
                completed: row.int("completed")?,
                duration_ms: row.int("duration_ms")?,
            };
            if tally != Tally::default() {
                found.insert(row.text("place")?, tally);
            }
        }
        Ok(found)
    }

    /// Figures of the calls that began in the last `hours`; the active ones are counted elsewhere.
    pub(crate) async fn metrics(&self, hours: u32, now: Timestamp) -> Result<Metrics> {
        let by_outcome = self.tallies(&OUTCOME, hours, now).await?;
        let mut all = Tally::default();
        for tally in by_outcome.values() {
            all.add(*tally, 1);
        }
        let outcomes = by_outcome
            .into_iter()
            .filter(|(outcome, tally)| !outcome.is_empty() && tally.total > 0)
            .map(|(outcome, tally)| (outcome, unsigned(tally.total)));
        Ok(Metrics {
            total_calls: unsigned(all.total),
            active_calls: 0,
            completed_calls: unsigned(all.ended),
            average_duration: all.average_seconds(),
            success_rate: all.success_rate(),
            outcome_counts: outcomes.collect(),
            period_hours: hours,
        })
    }

    /// How each agent's calls of the last `hours` went, most calls first.
    pub(crate) async fn agent_performance(
        &self,
        hours: u32,
        now: Timestamp,
    ) -> Result<Vec<AgentPerformance>> {
        let mut by_agent = self.tallies(&AGENT, hours, now).await?;
        by_agent.remove("");
        let mut agents: Vec<_> = by_agent
            .into_iter()
            .map(|(agent_config_id, tally)| AgentPerformance {
                agent_config_id,
                total_calls: unsigned(tally.total),
                average_duration: tally.average_seconds(),
                success_rate: tally.success_rate(),
                completed_calls: unsigned(tally.ended),
            })
            .collect();
        agents.sort_by_key(|agent| std::cmp::Reverse(agent.total_calls));
        Ok(agents)
    }

    /// How many calls began in each hour of the last `hours`, by the hour's beginning; hours
    /// without calls are not in it.
    pub(crate) async fn calls_per_hour(
        &self,
        hours: u32,
        now: Timestamp,
    ) -> Result<BTreeMap<Timestamp, u64>> {
        let (since, first) = beginning(hours, now);
        let rows = sqlx::query(
            "SELECT hour, CAST(SUM(total) AS BIGINT) AS n FROM call_hours \
             WHERE client_id = $1 AND hour >= $2 GROUP BY hour \
             UNION ALL SELECT CAST($3 AS BIGINT), COUNT(*) FROM calls \
             WHERE client_id = $1 AND started_at >= $4 AND started_at < $5",
        )
        .bind(self.key())
        .bind(first)
        .bind(first - 1)
        .bind(since)
        .bind(first * HOUR_MS)
        .fetch_all(self.pool())
        .await?;
        let mut found = BTreeMap::new();
        for row in &rows {
            let count = row.unsigned("n")?;
            if count > 0 {
                let start = row.int("hour")? * HOUR_MS;
                found.insert(Timestamp::from_unix_ms(start), count);
            }
        }
        Ok(found)
    }
}
