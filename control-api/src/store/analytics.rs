//! What reports are made of. Rows are streamed: none of these holds more than is running at once.

use futures_util::TryStreamExt as _;
use sidetone_wire::{EndClass, Timestamp};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, Statement};
use super::{Result, Tenant};
use crate::analytics::{Held, Tagged};

/// Milliseconds of a slot: every zone's hours begin at one.
const SLOT_MS: i64 = 900_000;

/// Which calls a report is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported<'a> {
    pub(crate) from: Timestamp,
    /// Not included.
    pub(crate) to: Timestamp,
    pub(crate) branch: Option<&'a str>,
}

/// The calls that began in a quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// A moment of the span in it.
    pub(crate) at: i64,
    pub(crate) calls: u64,
    pub(crate) ended: u64,
    pub(crate) duration_ms: i64,
}

/// Somebody's opinion of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opinion {
    pub(crate) at: i64,
    /// 1 to 5.
    pub(crate) rating: usize,
    pub(crate) agent_id: Option<String>,
}

impl Reported<'_> {
    fn branch(self, statement: &mut Statement) {
        if let Some(branch) = self.branch {
            statement.sql(" AND c.branch_id = ").text(branch);
        }
    }

    /// Those that began in the span.
    fn began(self, statement: &mut Statement) {
        statement
            .sql(" AND c.started_at >= ")
            .int(self.from.unix_ms());
        statement.sql(" AND c.started_at < ").int(self.to.unix_ms());
        self.branch(statement);
    }
}

fn held(row: &AnyRow, now: Timestamp) -> Result<Held> {
    Ok(Held {
        start: row.int("started_at")?,
        end: row.opt_int("ended_at")?.unwrap_or(now.unix_ms()),
        agent_id: row.opt_text("agent_id")?,
        agent_name: row.opt_text("agent_name")?,
    })
}

impl Tenant {
    /// The calls that began in the span, by quarters of an hour.
    pub(crate) async fn slots(&self, reported: Reported<'_>) -> Result<Vec<Slot>> {
        let mut statement = Statement::new(
            "SELECT c.started_at / 900000 AS slot, COUNT(*) AS total, \
             CAST(SUM(CASE WHEN c.ended_at IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS ended, \
             CAST(SUM(COALESCE(c.ended_at - c.started_at, 0)) AS BIGINT) AS ms \
             FROM calls c WHERE c.client_id = ",
        );
        statement.text(self.key());
        reported.began(&mut statement);
        statement.sql(" GROUP BY 1 ORDER BY 1");
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                let start = row.int("slot")? * SLOT_MS;
                Ok(Slot {
                    at: start.max(reported.from.unix_ms()),
                    calls: row.unsigned("total")?,
                    ended: row.unsigned("ended")?,
                    duration_ms: row.int("ms")?,
                })
            })
            .collect()
    }

    /// The calls that go on at some moment of the span, in the order in which they began; those
    /// that began before it in any order. One that has not ended goes on until `now`.
    pub(crate) async fn held(
        &self,
        reported: Reported<'_>,
        now: Timestamp,
        mut each: impl FnMut(Held),
    ) -> Result<()> {
        let before = [
            (" AND c.ended_at > ", Some(reported.from)),
            (" AND c.ended_at IS NULL", None),
        ];
        let mut running = Vec::new();
        for (condition, from) in before {
            let mut statement = self.held_statement();
            statement.sql(condition);
            if let Some(from) = from {
                statement.int(from.unix_ms());
            }
            statement
                .sql(" AND c.started_at < ")
                .int(reported.from.unix_ms());
            reported.branch(&mut statement);
            let mut rows = statement.query().fetch(self.pool());
            while let Some(row) = rows.try_next().await? {
                running.push(held(&row, now)?);
            }
        }
        running.sort_by_key(|held| held.start);
        running.into_iter().for_each(&mut each);
        let mut statement = self.held_statement();
        reported.began(&mut statement);
        statement.sql(" ORDER BY c.started_at");
        let mut rows = statement.query().fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            each(held(&row, now)?);
        }
        Ok(())
    }

    fn held_statement(&self) -> Statement {
        let mut statement = Statement::new(
            "SELECT c.started_at, c.ended_at, c.agent_id, c.agent_name FROM calls c \
             WHERE c.client_id = ",
        );
        statement.text(self.key());
        statement
    }

    /// The calls that began in the span, with their tags.
    pub(crate) async fn tagged(
        &self,
        reported: Reported<'_>,
        mut each: impl FnMut(Tagged),
    ) -> Result<()> {
        let mut statement = Statement::new(
            "SELECT c.tags, c.started_at, c.ended_at, c.end_class FROM calls c \
             WHERE c.client_id = ",
        );
        statement.text(self.key());
        reported.began(&mut statement);
        let mut rows = statement.query().fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            let started_at = row.int("started_at")?;
            let class: Option<EndClass> = row.opt_parsed("end_class")?;
            each(Tagged {
                tags: row.json("tags")?,
                ended_after_ms: row.opt_int("ended_at")?.map(|at| at - started_at),
                completed: class == Some(EndClass::Completed),
            });
        }
        Ok(())
    }

    /// What was said of calls in the span.
    pub(crate) async fn opinions(
        &self,
        reported: Reported<'_>,
        mut each: impl FnMut(Opinion),
    ) -> Result<()> {
        let mut statement = Statement::new(
            "SELECT f.created_at, f.rating, c.agent_id FROM feedback f \
             JOIN calls c ON c.id = f.call_id WHERE f.client_id = ",
        );
        statement.text(self.key());
        statement
            .sql(" AND f.created_at >= ")
            .int(reported.from.unix_ms());
        statement
            .sql(" AND f.created_at < ")
            .int(reported.to.unix_ms());
        reported.branch(&mut statement);
        let mut rows = statement.query().fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            each(Opinion {
                at: row.int("created_at")?,
                rating: usize::try_from(row.int("rating")?).unwrap_or(0),
                agent_id: row.opt_text("agent_id")?,
            });
        }
        Ok(())
    }
}
