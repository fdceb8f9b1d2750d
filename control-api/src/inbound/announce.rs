//! Telling clients of what was committed.

use std::sync::Arc;

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{CallId, TranscriptSegment, TranscriptUpdate};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::calls::transcript::Row;
use crate::metrics;
use crate::store::{Changed, Kept};

/// Batches that wait to be told; the writer waits when there are more.
pub(super) const QUEUE: usize = 64;

/// Tells of every batch, in the order in which they were committed.
pub(super) async fn run(app: Arc<App>, mut batches: mpsc::Receiver<Vec<Changed>>) {
    while let Some(batch) = batches.recv().await {
        tell(&app, batch).await;
    }
}

async fn tell(app: &App, batch: Vec<Changed>) {
    let live: Vec<CallId> = batch
        .iter()
        .filter(|changed| changed.visible && changed.call.ended_at.is_none())
        .map(|changed| changed.call.id)
        .collect();
    let mut watching = app.store.watching(&live).await.unwrap_or_else(|error| {
        warn!(%error, "watchers could not be read");
        std::collections::HashMap::new()
    });
    for changed in batch {
        let Changed {
            kind,
            mut call,
            visible,
            released,
            transcript,
        } = changed;
        note(app, kind, &call);
        if released {
            let (tenant, id, control) = (call.client_id, call.id, call.control.clone());
            app.tell_control(tenant, id, control, "rule:call_ended")
                .await;
        }
        if visible {
            call.watchers = watching.remove(&call.id).unwrap_or_default();
            app.enliven(&mut call);
            app.announce(kind, &call).await;
        }
        for row in transcript.put.values().filter(|row| row.is_final) {
            app.alerts.said(call.id, &row.text);
        }
        if transcript.is_empty() || !app.realtime.is_followed(call.id) {
            continue;
        }
        let (id, tenant) = (call.id, call.client_id);
        let single = transcript.single(call.started_at);
        let update = match single.filter(|segment| !is_first(&segment.id)) {
            Some(segment) => Some(TranscriptUpdate {
                call_id: id,
                segment,
                transcript: None,
            }),
            // a first segment is the whole transcript, too
            None => whole(app, tenant, id).await,
        };
        if let Some(update) = update {
            let (realtime, event) = (&app.realtime, "transcript-update");
            realtime.tell_followers(id, event, &update).await;
        }
    }
}

/// Whether it may be the first that was said: of a conversation, or of its party.
fn is_first(id: &str) -> bool {
    id == "s0" || id.ends_with("-0")
}

/// Tells of what was heard in a call: of the segments, if each stands for itself, and else of the
/// transcript, in which one goes on with a former one, or has changed one.
pub(crate) async fn heard(app: &App, kept: &Kept) {
    let Kept { call, rows } = kept;
    let mut said: Vec<&Row> = rows.put.values().collect();
    said.sort_by_key(|row| row.at);
    for row in &said {
        app.alerts.said(call.id, &row.text);
    }
    app.realtime.said(call.id);
    if !app.realtime.is_followed(call.id) {
        return;
    }
    let Some(update) = whole(app, call.client_id, call.id).await else {
        return;
    };
    let segments = update.transcript.as_deref().unwrap_or_default();
    let own = said
        .iter()
        .filter_map(|row| segments.iter().find(|segment| segment.id == row.id))
        .cloned();
    let own: Vec<TranscriptSegment> = own.collect();
    // what is first is the whole transcript, too
    let alone = own.len() == said.len() && segments.len() > said.len() && !rows.rewritten;
    let updates = if alone {
        let of_segment = |segment| TranscriptUpdate {
            call_id: call.id,
            segment,
            transcript: None,
        };
        own.into_iter().map(of_segment).collect()
    } else {
        vec![update]
    };
    let (realtime, event) = (&app.realtime, "transcript-update");
    for update in &updates {
        realtime.tell_followers(call.id, event, update).await;
    }
}

/// A call's whole transcript, for those who know nothing of it yet.
pub(crate) async fn whole(
    app: &App,
    tenant: sidetone_wire::TenantId,
    call: CallId,
) -> Option<TranscriptUpdate> {
    let transcript = app.store.tenant(tenant).transcript(call).await;
    let transcript = transcript
        .inspect_err(|error| warn!(%call, %error, "a transcript could not be read for clients"))
        .ok()?;
    Some(TranscriptUpdate {
        call_id: call,
        segment: transcript.last()?.clone(),
        transcript: Some(transcript),
    })
}

fn note(app: &App, kind: CallEventType, call: &sidetone_wire::Call) {
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
}
