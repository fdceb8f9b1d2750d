//! Metrics of the control plane.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{counter, gauge, histogram};
use sidetone_wire::{AlertKind, DeliveryState};

/// A request was answered. `route` is a pattern of ours, so there are few.
pub(crate) fn request(method: &Method, route: String, status: StatusCode, took: Duration) {
    // methods of clients' own making must not become labels
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => {
            known.to_owned()
        }
        _ => "other".to_owned(),
    };
    let status = status.as_str().to_owned();
    counter!("http_requests_total", "method" => method.clone(), "route" => route.clone(),
        "status" => status)
    .increment(1);
    histogram!("http_request_duration_seconds", "method" => method, "route" => route)
        .record(took.as_secs_f64());
}

/// A login was tried, with its outcome: `ok`, `wrong`, `limited` or `busy`.
pub(crate) fn login(outcome: &'static str) {
    counter!("logins_total", "outcome" => outcome).increment(1);
}

/// An event was applied; `changed` says whether it did anything.
pub(crate) fn event_applied(changed: bool, took: Duration) {
    let effect = if changed { "changed" } else { "none" };
    counter!("call_events_total", "effect" => effect).increment(1);
    histogram!("call_event_apply_seconds").record(took.as_secs_f64());
}

/// A call ended with that class.
pub(crate) fn call_ended(class: &'static str) {
    counter!("calls_ended_total", "class" => class).increment(1);
}

/// Connections to the database.
pub(crate) fn database_connections(used: usize, idle: usize) {
    gauge!("database_connections", "state" => "used").set(used as f64);
    gauge!("database_connections", "state" => "idle").set(idle as f64);
}

/// Sockets connected now.
pub(crate) fn sockets(change: f64) {
    gauge!("realtime_clients").increment(change);
}

/// A client was too slow to take what it was sent, and was cut off.
pub(crate) fn slow_client() {
    counter!("realtime_slow_clients_total").increment(1);
}

/// A message for the clients of other processes was dropped: Redis is away or too slow.
pub(crate) fn relay_dropped() {
    counter!("realtime_relay_dropped_total").increment(1);
}

/// Signals that came faster than they were passed on.
pub(crate) fn signals_missed(count: u64) {
    counter!("realtime_signals_missed_total").increment(count);
}

/// Reports of calls were written in one transaction.
pub(crate) fn ingested(count: usize, took: Duration) {
    counter!("call_reports_total").increment(count as u64);
    histogram!("call_reports_batch_reports").record(count as f64);
    histogram!("call_reports_write_seconds").record(took.as_secs_f64());
}

/// Reports of calls that wait to be written.
pub(crate) fn reports_waiting(count: usize) {
    gauge!("call_reports_waiting").set(count as f64);
}

/// Webhooks that wait to be sent, or to be sent again.
pub(crate) fn webhooks_waiting(count: u64) {
    gauge!("webhook_deliveries_waiting").set(count as f64);
}

/// A report of a call found no room in the queue.
pub(crate) fn ingest_refused() {
    counter!("call_reports_refused_total").increment(1);
}

/// A webhook came, with what became of it: `taken`, `duplicate`, `ignored` or `refused`.
pub(crate) fn webhook(source: &'static str, outcome: &'static str) {
    counter!("webhooks_total", "source" => source, "outcome" => outcome).increment(1);
}

/// Recordings were erased because of their age.
pub(crate) fn expired(count: usize) {
    counter!("recordings_expired_total").increment(count as u64);
}

/// Erased recordings of which something is left in the store: it refuses.
pub(crate) fn erasures_open(count: usize) {
    gauge!("recordings_erasures_open").set(count as f64);
}

/// An attempt at a vendor's recording ended: `stored`, `postponed`, `given_up` or `withdrawn`.
pub(crate) fn vendor_fetch(outcome: &'static str) {
    counter!("vendor_recording_fetches_total", "outcome" => outcome).increment(1);
}

/// News that alerts did not look at, because too much of it came at once.
pub(crate) fn alert_news_dropped() {
    counter!("alert_news_dropped_total").increment(1);
}

/// An alert of a rule of that kind fired.
pub(crate) fn alert_fired(kind: AlertKind) {
    counter!("alerts_fired_total", "kind" => kind.as_str()).increment(1);
}

/// An attempt at sending a webhook ended, and left its delivery so.
pub(crate) fn webhook_sent(state: DeliveryState, took: Duration) {
    counter!("webhook_attempts_total", "state" => state.as_str()).increment(1);
    histogram!("webhook_attempt_seconds").record(took.as_secs_f64());
}
