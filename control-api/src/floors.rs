//! Making whoever carries a call do what the database says about who has it and who is heard.
//!
//! **Invariant**: what could not be told is told again every second until it is, or until nobody
//! carries the call; whoever takes it then is told with its first word.

use std::sync::Arc;

use sidetone_service::Lifecycle;
use sidetone_wire::socket::ControlChange;
use sidetone_wire::{
    Call, CallId, Command, CommandError, Control, Floor, Seat, TenantId, Timestamp,
    TranscriptSegment,
};
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use crate::app::{App, now};
use crate::control::Holder;
use crate::livekit::{monitor_room, side_room};
use crate::remote::{self, Trouble};
use crate::settling::TICK;
use crate::store::{self, WantedFloor};
use crate::watching;

/// Why whoever carries a call was not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    #[error(transparent)]
    Holder(#[from] CommandError),
    #[error(transparent)]
    Remote(#[from] Trouble),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What an agent that has a call again is told of what it missed, at most: an RPC carries 15 KiB.
const SUMMARY_BYTES: usize = 8 * 1024;

/// What whoever carries a call is told.
fn floor(wanted: &WantedFloor, summary: Option<String>) -> Floor {
    let holder = match wanted.state.holder {
        Holder::Agent => None,
        Holder::Supervisor(supervisor) => Some(Seat {
            monitor: monitor_room(supervisor.user, supervisor.session),
            name: wanted.holder_name.clone().unwrap_or_default(),
        }),
        Holder::Target(transfer) => Some(Seat {
            monitor: side_room(transfer),
            name: wanted.holder_name.clone().unwrap_or_default(),
        }),
    };
    Floor {
        holder,
        aside: wanted.aside,
        telephone: wanted.telephone,
        muted: wanted.muted.clone(),
        restore: wanted.state.silenced && wanted.state.holder == Holder::Agent,
        summary,
    }
}

/// What was said between two moments of a call, a line for each piece, the last ones if it is too
/// much; `None` when nothing was.
fn summary(
    segments: &[TranscriptSegment],
    began: Timestamp,
    (from, to): (Timestamp, Timestamp),
) -> Option<String> {
    let (from, to) = (from.ms_since(began), to.ms_since(began));
    let said = segments
        .iter()
        .filter(|said| said.end_ms >= from && said.start_ms <= to && !said.text.trim().is_empty());
    let lines: Vec<String> = said
        .map(|said| format!("{}: {}", said.party, said.text.trim()))
        .collect();
    let mut left = SUMMARY_BYTES;
    let mut fitting = 0;
    for line in lines.iter().rev() {
        let Some(rest) = left.checked_sub(line.len() + 1) else {
            break;
        };
        left = rest;
        fitting += 1;
    }
    let last = &lines[lines.len() - fitting..];
    (!last.is_empty()).then(|| last.join("\n"))
}

impl App {
    /// Tells whoever carries a call who has it, and waits for the answer. The caller has the
    /// call's turn.
    pub(crate) async fn set_floor(&self, call: CallId) -> Result<(), Untold> {
        let told = self.tell_floor(call).await;
        match &told {
            Ok(())
            | Err(Untold::Holder(CommandError::NoHolder | CommandError::Unsupported { .. })) => {
                self.floors.untold().remove(&call);
            }
            Err(Untold::Remote(trouble)) if !trouble.is_temporary() => {
                self.floors.untold().remove(&call);
            }
            Err(error) => {
                warn!(%call, %error, "who has a call is told again");
                self.floors.untold().insert(call);
            }
        }
        told
    }

    async fn tell_floor(&self, call: CallId) -> Result<(), Untold> {
        let Some(wanted) = self.store.wanted_floor(call).await? else {
            return Ok(());
        };
        let summary = self.missed(call, &wanted).await?;
        if remote::vendor(wanted.upstream).is_some() && !remote::has_rooms(wanted.upstream) {
            remote::silence(self, call, &wanted, summary.as_deref()).await?;
        } else {
            if let Holder::Target(transfer) = wanted.state.holder {
                let monitor = side_room(transfer);
                let listen = Command::Listen { call, monitor };
                self.fleet.command(call, listen).await?;
            }
            let floor = floor(&wanted, summary);
            let command = Command::SetFloor { call, floor };
            self.fleet.command(call, command).await?;
        }
        if wanted.missed.is_some() {
            self.store.caught_up(call, wanted.state.version).await?;
        }
        if wanted.state.silenced && wanted.state.holder == Holder::Agent && wanted.muted.is_empty()
        {
            let version = wanted.state.version;
            self.store.heard_again(call, version).await?;
        }
        Ok(())
    }

    /// What the agent, who has the call again, did not hear.
    async fn missed(&self, call: CallId, wanted: &WantedFloor) -> store::Result<Option<String>> {
        let Some(span) = wanted.missed else {
            return Ok(None);
        };
        let tenant = self.store.tenant(wanted.tenant);
        let Some(found) = tenant.call(call, now()).await? else {
            return Ok(None);
        };
        let said = tenant.transcript(call).await?;
        Ok(summary(&said, found.started_at, span))
    }

    /// A vendor's agent keeps a call that was to be taken from it for good. An end that was told
    /// meanwhile is the call's: somebody else was faster.
    pub(crate) async fn keep(&self, call: CallId) -> store::Result<()> {
        let end = self.store.keep(call).await?;
        if let (Some(end), Some(line)) = (end, self.store.line(call).await?)
            && !watching::handle_end(self, &line, end).await
        {
            warn!(%call, "the end of a call is not written: its vendor's next report has it");
        }
        Ok(())
    }

    /// The same without waiting: for those who must not be held up.
    pub(crate) fn set_floor_soon(self: &Arc<Self>, call: CallId) {
        let app = self.clone();
        tokio::spawn(async move {
            let _turn = app.floors.turn(call).await;
            if let Err(error) = app.set_floor(call).await {
                debug!(%call, %error, "whoever carries a call was not told who has it");
            }
        });
    }

    /// Tells a tenant's clients that somebody else has a call; `by` is a user's id or a rule.
    pub(crate) async fn tell_control(
        &self,
        tenant: TenantId,
        call: CallId,
        control: Control,
        by: &str,
    ) {
        info!(%call, holder = control.holder, version = control.version, by, "control changed");
        let change = ControlChange {
            call_id: call,
            control,
            by: by.to_owned(),
        };
        self.realtime.tell(tenant, "control-change", &change).await;
        self.tell_call(tenant, call).await;
    }

    /// Calls were taken back from somebody whose session is over.
    /// Whoever carries them learns it with the next round, and has lost the supervisor already.
    pub(crate) async fn tell_released(&self, calls: Vec<Call>) {
        for call in calls {
            self.floors.untold().insert(call.id);
            let by = "rule:session_over";
            self.tell_control(call.client_id, call.id, call.control, by)
                .await;
        }
    }
}

/// Tells again what could not be told, until the process drains.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = lifecycle.draining() => return Ok(()),
        }
        let again: Vec<CallId> = app.floors.untold().iter().copied().collect();
        for call in again {
            app.set_floor_soon(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_wire::Party;

    fn said(start_ms: u64, party: Party, text: &str) -> TranscriptSegment {
        TranscriptSegment {
            id: start_ms.to_string(),
            party,
            text: text.to_owned(),
            is_final: true,
            start_ms,
            end_ms: start_ms + 1000,
            confidence: None,
            sentiment: None,
        }
    }

    #[test]
    fn an_agent_is_told_what_was_said_while_it_was_not_there_and_no_more() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_000_000 + ms);
        let segments = [
            said(0, Party::Agent, "Hello."),
            said(10_000, Party::Customer, " I want a person. "),
            said(15_000, Party::Supervisor, "Here I am."),
            said(30_000, Party::Customer, "Thank you."),
        ];
        let of = |from, to| summary(&segments, at(0), (at(from), at(to)));
        let told = of(10_500, 20_000).unwrap();
        assert_eq!(told, "customer: I want a person.\nsupervisor: Here I am.");
        assert_eq!(of(40_000, 50_000), None);
        assert_eq!(summary(&[], at(0), (at(0), at(9))), None);
        let long = "x".repeat(5000);
        let much = [1, 2, 3].map(|n| said(n, Party::Customer, &format!("{n}{long}")));
        let told = summary(&much, at(0), (at(0), at(9000))).unwrap();
        assert!(told.starts_with("customer: 3") && told.len() <= SUMMARY_BYTES);
    }
}
