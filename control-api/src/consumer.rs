//! Events of gateways and recorders: into the database, then to the clients.
//!
//! **Invariant**: an event is taken only after its effect is committed; what is not taken comes
//! again.

use std::sync::Arc;
use std::time::Duration;

use sidetone_fleet::Events;
use sidetone_service::backoff::Backoff;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{CallEvent, Consent, Numbered};
use tracing::{debug, error, info, warn};

use crate::app::{App, now};
use crate::inbound::announce;
use crate::metrics;
use crate::store::{self, Applied, Kept};

/// Waiting for a database that is away.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Of what was said so much is kept at once, at most: the writer of SQLite is somebody else's
/// again after some ten milliseconds.
const SAID_AT_ONCE: usize = 64;

/// Consumes events until everybody who sends some has ended and none is left.
pub(crate) async fn run(
    app: Arc<App>,
    mut events: Events,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    loop {
        let mut delivery = tokio::select! {
            biased; // what has arrived is taken before the end is looked at
            () = lifecycle.stopping() => return Ok(()),
            delivery = events.recv() => delivery,
            () = lifecycle.drained() => return Ok(()),
        };
        if is_said(&delivery.event().event) {
            delivery.take_along(SAID_AT_ONCE, is_said);
            let kept = tokio::select! {
                kept = hear(&app, delivery.events()) => kept,
                () = lifecycle.stopping() => return Ok(()), // the delivery goes back
            };
            delivery.taken();
            for kept in &kept {
                announce::heard(&app, kept).await;
            }
            continue;
        }
        let applied = tokio::select! {
            applied = apply(&app, delivery.event()) => applied,
            () = lifecycle.stopping() => return Ok(()), // the delivery goes back
        };
        if let Some(applied) = &applied {
            see_to(&app, &delivery.event().event, applied);
        }
        delivery.taken();
        if let Some(applied) = applied {
            tell(&app, applied).await;
        }
    }
}

fn is_said(event: &CallEvent) -> bool {
    matches!(event, CallEvent::Said(_))
}

/// Sees to it that whoever carries a call does what is decided: it knows only what it was told
/// itself.
fn see_to(app: &Arc<App>, event: &CallEvent, applied: &Applied) {
    let call = &applied.call;
    match event {
        CallEvent::SupervisorLost { user, room } => {
            if applied.control_changed {
                app.fall_back_soon(call.client_id, call.id, (*user, room));
            }
            app.set_floor_soon(call.id);
        }
        CallEvent::Facts(_) => {
            if call.control.version > 0 || !call.muted.is_empty() {
                app.set_floor_soon(call.id);
            }
        }
        CallEvent::RecordingStarted { .. } | CallEvent::RecordingPaused { .. } => {
            // what was decided while the take began or the rule spoke may not have been heard
            if call.recording.paused_by.is_some() || call.consent == Consent::Denied {
                app.settle_soon(call.id);
            }
        }
        CallEvent::Said(_)
        | CallEvent::Ended { .. }
        | CallEvent::ListenerLeft { .. }
        | CallEvent::Degraded { .. }
        | CallEvent::RecordingDegraded { .. }
        | CallEvent::RecordingEnded { .. }
        | CallEvent::RecordingFailed { .. } => {}
    }
}

/// Keeps what was said. What the database refuses together is tried one by one: it may be one of
/// them that it refuses.
async fn hear(app: &App, said: &[Numbered]) -> Vec<Kept> {
    let start = clock::now();
    let mut kept = Vec::new();
    match lasting(said, || app.store.hear(said, now())).await {
        Ok(all) => kept = all,
        Err(_) if said.len() > 1 => {
            for one in said.iter().map(std::slice::from_ref) {
                match lasting(one, || app.store.hear(one, now())).await {
                    Ok(more) => kept.extend(more),
                    Err(error) => refused(&one[0], &error),
                }
            }
        }
        Err(error) => refused(&said[0], &error),
    }
    let took = clock::now() - start;
    let rows = kept.iter().map(|kept| kept.rows.put.len()).sum();
    for n in 0..said.len() {
        metrics::event_applied(n < rows, took);
    }
    kept
}

/// Applies an event; `None` when it changed nothing.
async fn apply(app: &App, event: &Numbered) -> Option<Applied> {
    let start = clock::now();
    let apply = || app.store.apply(event, app.trusted(), now());
    match lasting(std::slice::from_ref(event), apply).await {
        Ok(applied) => {
            metrics::event_applied(applied.is_some(), clock::now() - start);
            applied
        }
        Err(error) => {
            refused(event, &error);
            None
        }
    }
}

/// What the database answers for these events, as soon as it is there; an error is final.
async fn lasting<T, F: Future<Output = store::Result<T>>>(
    events: &[Numbered],
    act: impl Fn() -> F,
) -> store::Result<T> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match act().await {
            Err(error) if error.is_temporary() || error.is_conflict() => {
                let (wait, count) = (backoff.wait(), events.len());
                let call = events.first().map(|event| event.call.to_string());
                warn!(call, count, %error, ?wait, "events wait for the database");
                tokio::time::sleep(wait).await;
            }
            answer => return answer,
        }
    }
}

/// An event that the database refuses will be refused again: it is dropped, so that those after it
/// are not held up.
fn refused(event: &Numbered, error: &store::Error) {
    let (fence, seq) = (event.fence, event.seq);
    error!(call = %event.call, fence, seq, %error, "an event cannot be applied and is dropped");
}

async fn tell(app: &App, applied: Applied) {
    let Applied {
        kind,
        mut call,
        control_changed,
    } = applied;
    if control_changed {
        let by = match kind {
            CallEventType::Ended => "rule:call_ended",
            CallEventType::Started | CallEventType::Updated => "rule:supervisor_lost",
        };
        let control = call.control.clone();
        app.tell_control(call.client_id, call.id, control, by).await;
    }
    match kind {
        CallEventType::Started => info!(call = %call.id, upstream = %call.upstream, "call"),
        CallEventType::Updated => debug!(call = %call.id, "call changed"),
        CallEventType::Ended => {
            let reason = call.end_reason.as_ref();
            let class = reason.map_or("unknown", |reason| reason.class.as_str());
            let code = reason.map_or("", |reason| reason.code.as_str());
            info!(call = %call.id, class, code, seconds = call.duration_seconds, "call ended");
            metrics::call_ended(class);
            app.realtime.levels.ended(call.id);
        }
    }
    if call.ended_at.is_none() {
        // the transaction does not read watchers
        match app.store.tenant(call.client_id).call(call.id, now()).await {
            Ok(Some(whole)) => call = whole,
            Ok(None) => return,
            Err(error) => warn!(call = %call.id, %error, "watchers could not be read"),
        }
        app.enliven(&mut call);
    }
    app.announce(kind, &call).await;
}
