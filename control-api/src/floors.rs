//! Making whoever carries a call do what the database says about who has it and who is heard.
//!
//! **Invariant**: what could not be told is told again every second until it is, or until nobody
//! carries the call; whoever takes it then is told with its first word.

use std::sync::Arc;

use sidetone_service::Lifecycle;
use sidetone_wire::socket::ControlChange;
use sidetone_wire::{Call, CallId, Command, CommandError, Control, Floor, Seat, TenantId};
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::control::Holder;
use crate::livekit::monitor_room;
use crate::settling::{TICK, Unsettled};
use crate::store::WantedFloor;

/// What whoever carries a call is told.
fn floor(wanted: &WantedFloor) -> Floor {
    let holder = match wanted.state.holder {
        Holder::Agent => None,
        Holder::Supervisor(supervisor) => Some(Seat {
            monitor: monitor_room(supervisor.user, supervisor.session),
            name: wanted.holder_name.clone().unwrap_or_default(),
        }),
    };
    Floor {
        holder,
        muted: wanted.muted.clone(),
        restore: wanted.state.silenced && wanted.state.holder == Holder::Agent,
    }
}

impl App {
    /// Tells whoever carries a call who has it, and waits for the answer. The caller has the
    /// call's turn.
    pub(crate) async fn set_floor(&self, call: CallId) -> Result<(), Unsettled> {
        let told = self.tell_floor(call).await;
        match &told {
            Ok(())
            | Err(Unsettled::Holder(CommandError::NoHolder | CommandError::Unsupported { .. })) => {
                self.floors.untold().remove(&call);
            }
            Err(error) => {
                warn!(%call, %error, "who has a call is told again");
                self.floors.untold().insert(call);
            }
        }
        told
    }

    async fn tell_floor(&self, call: CallId) -> Result<(), Unsettled> {
        let Some(wanted) = self.store.wanted_floor(call).await? else {
            return Ok(());
        };
        let floor = floor(&wanted);
        let command = Command::SetFloor { call, floor };
        self.fleet.command(call, command).await?;
        if wanted.state.silenced && wanted.state.holder == Holder::Agent && wanted.muted.is_empty()
        {
            let version = wanted.state.version;
            self.store.heard_again(call, version).await?;
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
