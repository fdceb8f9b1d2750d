//! What nobody else notices: calls whose holder is gone, rows that are of no more use, a database
//! that is away.

use std::sync::Arc;
use std::time::Duration;

use sidetone_service::Lifecycle;
use sidetone_service::ops::Condition;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{CallId, Command, CommandError, EndClass, EndReason, Timestamp};
use tracing::{error, warn};

use crate::app::{App, now};
use crate::metrics;
use crate::store;

/// The control plane's name among the heartbeats.
pub(crate) const PART: &str = "control-api";
/// How often this process notes that it works: bounds the end of calls that die with it.
const BEAT: Duration = Duration::from_secs(10);
/// How often silent calls are looked for.
const SWEEP: Duration = Duration::from_mins(1);
/// How long a call may be silent before its holder is asked.
const ASK_AFTER: Duration = Duration::from_mins(30);
/// How long a call without a holder may be silent before it is closed.
const STALE_AFTER: Duration = Duration::from_hours(1);
/// Calls looked at in one sweep; the next sweep takes the others.
const AT_ONCE: u32 = 500;
/// How long ended sessions and receipts of webhooks are kept: LiveKit repeats for some minutes.
const KEEP: Duration = Duration::from_hours(7 * 24);
/// How long the keys of acts are kept: a client that has not repeated its act by then never will.
const KEEP_KEYS: Duration = Duration::from_hours(24);

/// Sweeps until nobody is left to sweep for. `last_beat` is the former process's.
pub(crate) async fn run(
    app: Arc<App>,
    database: Condition,
    started: Timestamp,
    last_beat: Option<Timestamp>,
    refound: Duration,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(BEAT);
    let mut sweep = tokio::time::interval(SWEEP);
    let orphans = tokio::time::sleep(refound);
    tokio::pin!(orphans);
    let mut orphans_closed = false;
    for ticks in [&mut beat, &mut sweep] {
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            _ = beat.tick() => match app.store.beat(PART, now()).await {
                Ok(()) => database.ready(),
                Err(error) => {
                    error!(%error, "the database does not take what it is given");
                    database.not_ready(format!("DATABASE_URL: {error}"));
                }
            },
            () = &mut orphans, if !orphans_closed => {
                orphans_closed = true;
                told(close_orphans(&app, started, last_beat).await);
            }
            _ = sweep.tick() => told(sweep_once(&app).await),
            () = lifecycle.drained() => return Ok(()),
        }
    }
}

fn told(result: store::Result<()>) {
    if let Err(error) = result {
        error!(%error, "a sweep failed; the next one tries again");
    }
}

/// Closes calls that were active when the former process died and that no gateway has found again.
async fn close_orphans(
    app: &App,
    started: Timestamp,
    last_beat: Option<Timestamp>,
) -> store::Result<()> {
    let reason = EndReason::new(EndClass::Ours, "gateway_lost");
    let at_least = last_beat.unwrap_or(Timestamp::from_unix_ms(0));
    loop {
        let silent = app.store.orphans(started, AT_ONCE).await?;
        let count = silent.len();
        for call in silent {
            close(app, call, started, at_least, &reason).await?;
        }
        if count < AT_ONCE as usize {
            return Ok(());
        }
    }
}

async fn sweep_once(app: &App) -> store::Result<()> {
    let now = now();
    let ago = |age: Duration| Timestamp::from_unix_ms(now.unix_ms() - age.as_millis() as i64);
    app.store.forget_sessions(ago(KEEP)).await?;
    app.store.forget_webhooks(ago(KEEP)).await?;
    app.store.forget_keys(ago(KEEP_KEYS)).await?;
    app.renditions.tidy();
    let reason = EndReason::new(EndClass::Unknown, "stale");
    let stale = ago(STALE_AFTER);
    for call in app.store.silent_calls(ago(ASK_AFTER), AT_ONCE).await? {
        // any answer but this one is a sign of life
        let asked = app.fleet.command(call, Command::WatchLevels { call }).await;
        if asked == Err(CommandError::NoHolder) {
            close(app, call, stale, Timestamp::from_unix_ms(0), &reason).await?;
        } else {
            app.store.touch_call(call, now).await?;
        }
    }
    Ok(())
}

async fn close(
    app: &App,
    id: CallId,
    before: Timestamp,
    at_least: Timestamp,
    reason: &EndReason,
) -> store::Result<()> {
    let closed = app
        .store
        .close_silent(id, before, at_least, reason, now())
        .await?;
    if let Some(call) = closed {
        warn!(call = %id, code = reason.code, "a call was closed without word from its gateway");
        metrics::call_ended(reason.class.as_str());
        app.realtime.levels.ended(id);
        app.announce(CallEventType::Ended, &call).await;
    }
    Ok(())
}
