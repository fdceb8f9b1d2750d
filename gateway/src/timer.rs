//! Waiting for a moment, if there is one.

use std::time::Instant;

/// Waits until `due`; for ever, if that is never.
pub(crate) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
