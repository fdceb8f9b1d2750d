//! Looks after what others depend on: whether recordings can be stored, and how busy the database
//! is.

use std::sync::Arc;
use std::time::Duration;

use sidetone_service::Lifecycle;
use sidetone_service::ops::Condition;
use tracing::debug;

use crate::app::App;
use crate::metrics;

/// How often the store is asked: a request of it costs money.
const STORE_EVERY: Duration = Duration::from_secs(30);
/// How often figures are read that nobody tells.
const FIGURES_EVERY: Duration = Duration::from_secs(5);

/// Looks until the drain. The condition is that of the recordings' store.
pub(crate) async fn run(
    app: Arc<App>,
    objects: Condition,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let store = async {
        loop {
            match app.objects.check().await {
                Ok(()) => objects.ready(),
                Err(error) => objects.not_ready(error.to_string()),
            }
            tokio::time::sleep(STORE_EVERY).await;
        }
    };
    let figures = async {
        loop {
            let (used, idle) = app.store.connections();
            metrics::database_connections(used, idle);
            metrics::reports_waiting(app.ingest.waiting());
            match app.store.waiting_deliveries().await {
                Ok(count) => metrics::webhooks_waiting(count),
                Err(error) => debug!(%error, "webhooks that wait could not be counted"),
            }
            tokio::time::sleep(FIGURES_EVERY).await;
        }
    };
    tokio::select! {
        () = store => Ok(()),
        () = figures => Ok(()),
        () = lifecycle.draining() => Ok(()),
    }
}
