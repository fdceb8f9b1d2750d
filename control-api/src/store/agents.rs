//! Who answers calls, and whether they take any.
//!
//! Whoever is not seen for a while is offline. What counts as seen is a real-time connection, for
//! those who had one since they set their status, else a session that has not ended: any process
//! can tell from the rows alone.

use sidetone_wire::{Agent, AgentCall, AgentStatus, CallId, TenantId, Timestamp, UserId};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tenant};

/// Agents of a tenant: its users of that role, and others who set a status; with the newest call
/// that they are in.
const AGENT: &str = "SELECT u.id, u.username, u.full_name, m.role, s.status, s.since, \
    c.id AS call_id, c.direction, c.customer_name, c.started_at \
    FROM memberships m JOIN users u ON u.id = m.user_id \
    LEFT JOIN agent_status s ON s.user_id = m.user_id AND s.client_id = m.client_id \
    LEFT JOIN calls c ON c.id = (SELECT d.id FROM calls d WHERE d.client_id = m.client_id \
    AND d.ended_at IS NULL AND d.agent_id IN (u.id, u.username) \
    ORDER BY d.started_at DESC, d.id DESC LIMIT 1) \
    WHERE m.disabled = 0 AND m.role <> 'auditor' \
    AND (m.role = 'agent' OR s.status IS NOT NULL) AND m.client_id = ";

/// Users named in one statement.
const AT_ONCE: usize = 500;

/// A user in a tenant.
pub(crate) type Member = (TenantId, UserId);

fn agent(row: &AnyRow) -> Result<Agent> {
    let username = row.text("username")?;
    let current_call = match row.opt_parsed::<CallId>("call_id")? {
        Some(id) => Some(AgentCall {
            id,
            direction: row.parsed("direction")?,
            customer_name: row.opt_text("customer_name")?,
            started_at: row.time("started_at")?,
        }),
        None => None,
    };
    Ok(Agent {
        user_id: row.parsed("id")?,
        name: row
            .opt_text("full_name")?
            .unwrap_or_else(|| username.clone()),
        username,
        role: row.parsed("role")?,
        status: row.opt_parsed("status")?.unwrap_or(AgentStatus::Offline),
        since: row.opt_time("since")?,
        current_call,
    })
}

impl Tenant {
    /// Agents by name, those after `after`. `available`: only those who take a call now.
    pub(crate) async fn agents(
        &self,
        available: bool,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Agent>> {
        let mut statement = Statement::new(AGENT);
        statement.text(self.key());
        if available {
            statement.sql(" AND s.status = 'Available' AND c.id IS NULL");
        }
        if let Some(after) = after {
            statement.sql(" AND u.username > ").text(after);
        }
        statement.sql(" ORDER BY u.username").limit(limit);
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(agent).collect()
    }

    /// One agent; `None` for whoever is none.
    pub(crate) async fn agent(&self, user: UserId) -> Result<Option<Agent>> {
        self.agent_where(" AND u.id = ", user.to_string()).await
    }

    /// The agent whose id or name a call has.
    pub(crate) async fn agent_named(&self, agent_id: &str) -> Result<Option<Agent>> {
        let by_name = self
            .agent_where(" AND u.username = ", agent_id.to_owned())
            .await?;
        match by_name {
            Some(agent) => Ok(Some(agent)),
            None => self.agent_where(" AND u.id = ", agent_id.to_owned()).await,
        }
    }

    async fn agent_where(&self, condition: &'static str, value: String) -> Result<Option<Agent>> {
        let mut statement = Statement::new(AGENT);
        statement.text(self.key()).sql(condition).text(value);
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(agent).transpose()
    }

    /// Sets somebody's status; the time it began stays when it is what it was.
    pub(crate) async fn set_agent_status(
        &self,
        user: UserId,
        status: AgentStatus,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO agent_status (client_id, user_id, status, since, seen_at, connected) \
             VALUES ($1, $2, $3, $4, $4, 0) \
             ON CONFLICT (client_id, user_id) DO UPDATE SET \
             since = CASE WHEN agent_status.status = excluded.status THEN agent_status.since \
             ELSE excluded.since END, \
             connected = CASE WHEN agent_status.status = 'Offline' THEN 0 \
             ELSE agent_status.connected END, \
             status = excluded.status, seen_at = excluded.seen_at",
        )
        .bind(self.key())
        .bind(user.to_string())
        .bind(status.as_str())
        .bind(now.unix_ms())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// How many agents would take a call now.
    pub(crate) async fn available_agents(&self) -> Result<u64> {
        let mut statement = Statement::new("SELECT COUNT(*) AS n FROM (");
        statement.sql(AGENT).text(self.key());
        statement.sql(" AND s.status = 'Available' AND c.id IS NULL) a");
        statement
            .query()
            .fetch_one(self.pool())
            .await?
            .unsigned("n")
    }
}

impl Store {
    /// Notes that users are connected.
    pub(crate) async fn seen(&self, members: &[Member], now: Timestamp) -> Result<()> {
        for some in members.chunks(AT_ONCE) {
            let mut statement = Statement::new("UPDATE agent_status SET connected = 1, seen_at = ");
            statement.int(now.unix_ms());
            statement.sql(" WHERE status <> 'Offline' AND seen_at < ");
            statement.int(now.unix_ms()).sql(" AND (");
            for (n, (tenant, user)) in some.iter().enumerate() {
                if n > 0 {
                    statement.sql(" OR ");
                }
                statement.sql("(client_id = ").text(tenant.to_string());
                statement
                    .sql(" AND user_id = ")
                    .text(user.to_string())
                    .sql(")");
            }
            statement.sql(")");
            statement.query().execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Sets those offline who were not seen since `before`; gives them.
    pub(crate) async fn set_offline(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Member>> {
        let rows = sqlx::query(
            "UPDATE agent_status SET status = 'Offline', since = $1, connected = 0 \
             WHERE status <> 'Offline' AND seen_at < $2 AND (connected = 1 OR NOT EXISTS \
             (SELECT 1 FROM sessions s WHERE s.user_id = agent_status.user_id \
             AND s.client_id = agent_status.client_id AND s.revoked_at IS NULL \
             AND s.expires_at > $1 AND NOT EXISTS \
             (SELECT 1 FROM api_keys k WHERE k.id = s.id))) RETURNING client_id, user_id",
        )
        .bind(now.unix_ms())
        .bind(before.unix_ms())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.parsed("client_id")?, row.parsed("user_id")?)))
            .collect()
    }
}
