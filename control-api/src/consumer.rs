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
use sidetone_wire::{Call, CallEvent, Consent, Numbered};
use tracing::{debug, error, info, warn};

use crate::app::{App, now};
use crate::inbound::announce;
use crate::metrics;
use crate::store::{self, Applied};

/// Waiting for a database that is away.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Consumes events until everybody who sends some has ended and none is left.
pub(crate) async fn run(
    app: Arc<App>,
    mut events: Events,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    loop {
        let delivery = tokio::select! {
            biased; // what has arrived is taken before the end is looked at
            () = lifecycle.stopping() => return Ok(()),
            delivery = events.recv() => delivery,
            () = lifecycle.drained() => return Ok(()),
        };
        let applied = tokio::select! {
            applied = apply(&app, delivery.event()) => applied,
            () = lifecycle.stopping() => return Ok(()), // the delivery goes back
        };
        let event = &delivery.event().event;
        let pausing = matches!(
            event,
            CallEvent::RecordingStarted { .. } | CallEvent::RecordingPaused { .. }
        );
        let found = matches!(event, CallEvent::Facts(_));
        let lost = match event {
            CallEvent::SupervisorLost { user, room } => Some((*user, room.clone())),
            CallEvent::Facts(_)
            | CallEvent::Said(_)
            | CallEvent::Ended { .. }
            | CallEvent::ListenerLeft { .. }
            | CallEvent::Degraded { .. }
            | CallEvent::RecordingStarted { .. }
            | CallEvent::RecordingPaused { .. }
            | CallEvent::RecordingDegraded { .. }
            | CallEvent::RecordingEnded { .. }
            | CallEvent::RecordingFailed { .. } => None,
        };
        delivery.taken();
        if let Some(applied) = applied {
            // whoever carries a call knows only what it was told itself
            let Call { control, muted, .. } = &applied.call;
            if let Some((user, room)) = lost.as_ref().filter(|_| applied.control_changed) {
                let call = &applied.call;
                app.fall_back_soon(call.client_id, call.id, (*user, room));
            }
            if lost.is_some() || (found && (control.version > 0 || !muted.is_empty())) {
                app.set_floor_soon(applied.call.id);
            }
            // what was decided while the take began or the rule spoke may not have been heard
            let call = &applied.call;
            let paused = call.recording.paused_by.is_some() || call.consent == Consent::Denied;
            if pausing && paused {
                app.settle_soon(call.id);
            }
            tell(&app, applied).await;
        }
    }
}

/// Applies an event, waiting for the database as long as it is away.
async fn apply(app: &App, event: &Numbered) -> Option<Applied> {
    let start = clock::now();
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match app.store.apply(event, app.trusted(), now()).await {
            Ok(applied) => {
                metrics::event_applied(applied.is_some(), clock::now() - start);
                return applied;
            }
            Err(error) if error.is_temporary() || error.is_conflict() => {
                let wait = backoff.wait();
                warn!(call = %event.call, %error, ?wait, "an event waits for the database");
                tokio::time::sleep(wait).await;
            }
            Err(error) => {
                refused(event, &error);
                return None;
            }
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
        said,
    } = applied;
    if let Some(said) = said {
        return announce::heard(app, &call, &said).await;
    }
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
