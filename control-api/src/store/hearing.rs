//! Calls that are heard through sockets or rooms of their upstreams.

use std::collections::HashSet;

use sidetone_wire::{CallId, TenantId, Upstream};

use super::columns::Columns as _;
use super::{Result, Store, states};
use crate::calls::{End, State};

/// What is to be known of a call to hear it.
#[derive(Debug, Clone)]
pub(crate) struct Hearable {
    pub(crate) tenant: TenantId,
    pub(crate) slug: String,
    pub(crate) upstream: Upstream,
    pub(crate) upstream_call_id: String,
    /// Encrypted; where the upstream gave one.
    pub(crate) listen_url: Option<String>,
    pub(crate) customer_name: Option<String>,
    pub(crate) agent_name: Option<String>,
    /// A supervisor has it from its upstream's agent, for good.
    pub(crate) handed_over: bool,
}

impl Store {
    /// Live calls in which somebody can be heard by who dials.
    pub(crate) async fn hearable(&self) -> Result<HashSet<CallId>> {
        let rows = sqlx::query(
            "SELECT u.call_id FROM upstream_calls u JOIN calls c ON c.id = u.call_id \
             WHERE u.hearable = 1 AND c.ended_at IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row.parsed("call_id")).collect()
    }

    /// One of them.
    pub(crate) async fn hearable_call(&self, call: CallId) -> Result<Option<Hearable>> {
        let row = sqlx::query(
            "SELECT u.client_id, t.slug, u.upstream, u.upstream_call_id, u.listen_url, u.state, \
             c.customer_name, c.agent_name FROM upstream_calls u \
             JOIN calls c ON c.id = u.call_id JOIN clients t ON t.id = u.client_id \
             WHERE u.call_id = $1 AND u.hearable = 1 AND c.ended_at IS NULL",
        )
        .bind(call.to_string())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let state: State = row.json("state")?;
        Ok(Some(Hearable {
            handed_over: state.is_handed_over(),
            tenant: row.parsed("client_id")?,
            slug: row.text("slug")?,
            upstream: row.parsed("upstream")?,
            upstream_call_id: row.text("upstream_call_id")?,
            listen_url: row.opt_text("listen_url")?,
            customer_name: row.opt_text("customer_name")?,
            agent_name: row.opt_text("agent_name")?,
        }))
    }

    /// A supervisor is about to take a call from its upstream's agent for good: what the upstream
    /// says of the end of its agent's part is not the end of the call.
    pub(crate) async fn hand_over(&self, call: CallId) -> Result<()> {
        let mut tx = self.write().await?;
        states::change(&mut tx, call, State::hand_over).await?;
        tx.commit().await?;
        Ok(())
    }

    /// It came to nothing. Gives the end that the upstream has told of meanwhile.
    pub(crate) async fn keep(&self, call: CallId) -> Result<Option<End>> {
        let mut tx = self.write().await?;
        let end = states::change(&mut tx, call, State::keep).await?;
        tx.commit().await?;
        Ok(end.flatten())
    }
}
