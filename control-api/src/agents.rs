//! Agents' status: told when it changes, and over when nobody is there any more.

use std::sync::Arc;
use std::time::Duration;

use sidetone_service::Lifecycle;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Agent, Call, TenantId, Timestamp, Upstream};
use tracing::{error, info, warn};

use crate::app::{App, now};
use crate::store;

/// How often it is looked who is there.
const LOOK: Duration = Duration::from_secs(5);
/// How long somebody may be away before they are offline: a page loads again, a phone changes its
/// network.
const GRACE: Duration = Duration::from_mins(1);

impl App {
    /// Tells a tenant's clients what an agent's status is.
    pub(crate) async fn tell_agent(&self, tenant: TenantId, agent: &Agent) {
        self.realtime.tell(tenant, "status_update", agent).await;
        self.alerts.agents_changed(tenant);
    }

    /// Tells who is in a call now, or no longer. Vendors' calls are answered by machines.
    pub(crate) async fn tell_agent_of(&self, kind: CallEventType, call: &Call) {
        let here = [Upstream::Livekit, Upstream::Sip, Upstream::Twilio];
        let answered_here = here.contains(&call.upstream);
        let Some(agent_id) = call.agent_id.as_deref().filter(|_| answered_here) else {
            return;
        };
        match kind {
            CallEventType::Started | CallEventType::Ended => {}
            CallEventType::Updated => return,
        }
        match self
            .store
            .tenant(call.client_id)
            .agent_named(agent_id)
            .await
        {
            Ok(Some(agent)) => self.tell_agent(call.client_id, &agent).await,
            Ok(None) => {}
            Err(error) => warn!(call = %call.id, %error, "a call's agent could not be read"),
        }
    }
}

/// Looks who is there until the process drains.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = lifecycle.draining() => return Ok(()),
        }
        if let Err(error) = look_once(&app).await {
            error!(%error, "it could not be noted which agents are there; tried again soon");
        }
    }
}

async fn look_once(app: &App) -> store::Result<()> {
    let now = now();
    let present: Vec<store::Member> = app.realtime.present().into_iter().collect();
    app.store.seen(&present, now).await?;
    let before = Timestamp::from_unix_ms(now.unix_ms() - GRACE.as_millis() as i64);
    for (tenant, user) in app.store.set_offline(before, now).await? {
        info!(%user, "an agent is offline: nobody is there any more");
        if let Some(agent) = app.store.tenant(tenant).agent(user).await? {
            app.tell_agent(tenant, &agent).await;
        }
    }
    Ok(())
}
