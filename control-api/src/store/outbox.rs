//! What is owed to webhook subscriptions, and what became of it.
//!
//! **Invariant**: what is owed is written in the transaction of the change that it tells of, so
//! nothing is told that did not happen, and nothing that happened is forgotten.

use serde::Serialize;
use serde_json::Value;
use sidetone_service::clock;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{
    CallDocument, CallId, RecordingDocument, RecordingId, TenantId, Timestamp, TranscriptDocument,
    WEBHOOK_VERSION, WebhookEvent, WebhookEventType,
};

use super::columns::{Columns as _, json as text};
use super::deliveries::{NewDelivery, insert, message_id};
use super::effects::Change;
use super::{Result, Tx, recordings, subscriptions};

/// Something that happened in a tenant.
struct Happened {
    tenant: TenantId,
    kind: WebhookEventType,
    data: Value,
}

fn value(data: &impl Serialize) -> Value {
    serde_json::to_value(data).expect("plain data without maps of odd keys")
}

/// Owes something that happened to those who want to be told.
pub(super) async fn owe(
    tx: &mut Tx,
    tenant: TenantId,
    kind: WebhookEventType,
    data: &impl Serialize,
    at: Timestamp,
) -> Result<()> {
    let data = value(data);
    let happened = Happened { tenant, kind, data };
    owe_all(tx, &[happened], at).await
}

/// Owes changes of calls.
pub(super) async fn owe_calls(tx: &mut Tx, changes: &[Change], at: Timestamp) -> Result<()> {
    let happened: Vec<Happened> = changes.iter().filter_map(happened).collect();
    owe_all(tx, &happened, at).await
}

/// What a change is to those outside; nothing when they would see no difference.
fn happened(change: &Change) -> Option<Happened> {
    let after = CallDocument::from(&change.after);
    let before = change.before.as_ref().map(CallDocument::from);
    let kind = match (change.kind, &before) {
        (CallEventType::Started, None) => WebhookEventType::CallStarted,
        (CallEventType::Ended, _) => WebhookEventType::CallEnded,
        (CallEventType::Started | CallEventType::Updated, before) => {
            if before.as_ref() == Some(&after) {
                return None;
            }
            WebhookEventType::CallUpdated
        }
    };
    Some(Happened {
        tenant: change.after.client_id,
        kind,
        data: value(&after),
    })
}

/// Owes that a recording is in the store.
pub(super) async fn owe_recording(tx: &mut Tx, id: RecordingId, at: Timestamp) -> Result<()> {
    let row = sqlx::query(
        "SELECT client_id, call_id, started_at, duration_ms FROM recordings \
         WHERE id = $1 AND state = 'stored'",
    )
    .bind(id.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let document = RecordingDocument {
        id,
        call_id: row.parsed("call_id")?,
        started_at: row.time("started_at")?,
        duration_seconds: row.int("duration_ms")? as f64 / 1000.0,
        audio_url: recordings::audio_url(id),
    };
    let kind = WebhookEventType::RecordingStored;
    owe(tx, row.parsed("client_id")?, kind, &document, at).await
}

/// Owes transcripts of calls that are over, as far as there are any: not what was said, but where
/// it is. What is reported after a call's end owes it again.
pub(super) async fn owe_transcripts(
    tx: &mut Tx,
    calls: &[(TenantId, CallId)],
    at: Timestamp,
) -> Result<()> {
    let kind = WebhookEventType::TranscriptFinal;
    let tenants: Vec<TenantId> = calls.iter().map(|(tenant, _)| *tenant).collect();
    if tenants.is_empty() {
        return Ok(());
    }
    let wishes = subscriptions::wishes(tx, &tenants).await?;
    for (tenant, call_id) in calls {
        let wanted =
            |wish: &subscriptions::Wish| wish.tenant == *tenant && wish.events.contains(&kind);
        if !wishes.iter().any(wanted) {
            continue;
        }
        let row = sqlx::query("SELECT COUNT(*) AS n FROM transcript_segments WHERE call_id = $1")
            .bind(call_id.to_string())
            .fetch_one(&mut **tx)
            .await?;
        let segments = row.unsigned("n")?;
        if segments > 0 {
            let document = TranscriptDocument {
                call_id: *call_id,
                segments,
                transcript_url: format!("/api/calls/{call_id}/transcript"),
            };
            owe(tx, *tenant, kind, &document, at).await?;
        }
    }
    Ok(())
}

async fn owe_all(tx: &mut Tx, happened: &[Happened], at: Timestamp) -> Result<()> {
    let mut tenants: Vec<TenantId> = happened.iter().map(|one| one.tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    if tenants.is_empty() {
        return Ok(());
    }
    let wishes = subscriptions::wishes(tx, &tenants).await?;
    if wishes.is_empty() {
        return Ok(());
    }
    for one in happened {
        let payload = text(&WebhookEvent {
            kind: one.kind,
            version: WEBHOOK_VERSION,
            timestamp: at,
            data: one.data.clone(),
        });
        let message_id = message_id();
        for wish in &wishes {
            if wish.tenant == one.tenant && wish.events.contains(&one.kind) {
                let row = NewDelivery {
                    id: clock::new_id(),
                    subscription: wish.subscription,
                    tenant: one.tenant,
                    message_id: &message_id,
                    kind: one.kind,
                    payload: &payload,
                    due: at,
                    replay_of: None,
                };
                insert(tx, &row, at).await?;
            }
        }
    }
    Ok(())
}
