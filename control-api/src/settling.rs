//! Making whoever carries a call do what the database says about its recording.
//!
//! **Invariant**: a call's pause and what its holder is told of it change in the same order: one
//! request at a time writes and tells. What could not be told is told again every second until it
//! is, or until nobody holds the call; whoever takes it then asks the ledger.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_service::Lifecycle;
use sidetone_wire::{CallId, Command, CommandError};
use tokio::sync::MutexGuard as Turn;
use tracing::{debug, error, info, warn};

use crate::app::{App, now};
use crate::store::{self, Wanted};

/// Calls with the same remainder wait for each other: few enough to be made at once, and many
/// enough that one silent gateway holds up one call in a hundred.
const LANES: usize = 256;
/// How often what the holder is told may turn out to be stale before it is left to the next round.
const ROUNDS: usize = 3;
/// How often pauses that are over are looked for: a pause is at most that much too long.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// The order of changes, and what could not be told yet.
pub(crate) struct Settling {
    lanes: Vec<tokio::sync::Mutex<()>>,
    /// Bounded by the calls there are: one whose holder is gone is dropped.
    untold: Mutex<HashSet<CallId>>,
}

impl Default for Settling {
    fn default() -> Self {
        Self {
            lanes: (0..LANES).map(|_| tokio::sync::Mutex::default()).collect(),
            untold: Mutex::default(),
        }
    }
}

impl Settling {
    /// Waits for the right to change a call's pause or consent.
    pub(crate) async fn turn(&self, call: CallId) -> Turn<'_, ()> {
        let lane = call.0.as_u128() % LANES as u128;
        self.lanes[lane as usize].lock().await
    }

    pub(crate) fn untold(&self) -> MutexGuard<'_, HashSet<CallId>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the holder could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    #[error(transparent)]
    Holder(#[from] CommandError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl App {
    /// Tells a call's holder what the database says, and waits for its answer. The caller has the
    /// call's turn.
    pub(crate) async fn settle(&self, call: CallId) -> Result<(), Unsettled> {
        let settled = self.tell_holder(call).await;
        match &settled {
            Ok(())
            | Err(Unsettled::Holder(CommandError::NoHolder | CommandError::Unsupported { .. })) => {
                self.settling.untold().remove(&call);
            }
            Err(error) => {
                warn!(%call, %error, "what a call's recording should do is told again");
                self.settling.untold().insert(call);
            }
        }
        settled
    }

    async fn tell_holder(&self, call: CallId) -> Result<(), Unsettled> {
        for _ in 0..ROUNDS {
            let Some(wanted) = self.store.wanted(call).await? else {
                return Ok(());
            };
            let command = match wanted.clone() {
                Wanted::Kept => Command::ResumeRecording { call },
                Wanted::Paused { by } => Command::PauseRecording { call, by },
                Wanted::Nothing { erase } => Command::StopRecording { call, erase },
            };
            self.fleet.command(call, command).await?;
            // a rule may have paused while the holder was told
            if self.store.wanted(call).await?.as_ref() != Some(&wanted) {
                continue;
            }
            if matches!(wanted, Wanted::Paused { .. })
                && let Some(tenant) = self.store.confirm_pause(call).await?
            {
                self.tell_call(tenant, call).await;
            }
            return Ok(());
        }
        Err(Unsettled::Holder(CommandError::Overloaded))
    }

    /// The same without waiting: for those who must not be held up.
    pub(crate) fn settle_soon(self: &Arc<Self>, call: CallId) {
        let app = self.clone();
        tokio::spawn(async move {
            let _turn = app.settling.turn(call).await;
            if let Err(error) = app.settle(call).await {
                debug!(%call, %error, "the holder of a call was not told");
            }
        });
    }
}

/// Ends pauses whose time is over, and tells again what could not be told, until the process
/// drains.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = lifecycle.draining() => return Ok(()),
        }
        if let Err(error) = end_due(&app).await {
            error!(%error, "pauses that are over could not be ended; tried again in a second");
        }
        let again: Vec<CallId> = app.settling.untold().iter().copied().collect();
        for call in again {
            app.settle_soon(call);
        }
    }
}

async fn end_due(app: &Arc<App>) -> store::Result<()> {
    let trusted = app.trusted();
    for due in app.store.due_pauses(trusted).await? {
        let turn = app.settling.turn(due.call).await;
        let ended = app.store.end_due(due, trusted, now()).await?;
        drop(turn);
        if ended {
            info!(call = %due.call, "a pause's time is over");
            app.settle_soon(due.call);
            app.tell_call(due.tenant, due.call).await;
        }
    }
    Ok(())
}
