//! The operators' listener: `/livez`, `/readyz`, `/metrics`. Never public.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::Lifecycle;

/// How often histograms are folded, so that they do not grow between scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// How long probes see `draining` before the listener closes.
const DRAIN_NOTICE: Duration = Duration::from_millis(500);

/// Named conditions, all of which must hold for the process to be ready. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>,
}

impl Readiness {
    /// No conditions: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition that does not hold yet, for example `database` or `livekit`.
    pub fn condition(&self, name: &'static str) -> Condition {
        self.set(name, Err("not there yet".to_owned()));
        Condition {
            readiness: self.clone(),
            name,
        }
    }

    /// What does not hold, as `name: reason`.
    pub fn problems(&self) -> Vec<String> {
        let conditions = self
            .conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        conditions
            .iter()
            .filter_map(|(name, state)| Some(format!("{name}: {}", state.as_ref().err()?)))
            .collect()
    }

    fn set(&self, name: &'static str, state: Result<(), String>) {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, state);
    }
}

/// One condition of readiness, set by the part that knows.
pub struct Condition {
    readiness: Readiness,
    name: &'static str,
}

impl Condition {
    /// It holds.
    pub fn ready(&self) {
        self.readiness.set(self.name, Ok(()));
    }

    /// It does not hold. The reason is for the operator: which setting, what was answered.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.readiness.set(self.name, Err(reason.into()));
    }
}

/// The listener, bound.
pub struct Ops {
    listener: TcpListener,
    state: Served,
}

#[derive(Clone)]
struct Served {
    readiness: Readiness,
    metrics: PrometheusHandle,
    lifecycle: Lifecycle,
}

impl Ops {
    /// Binds the listener.
    ///
    /// # Errors
    /// When the address cannot be bound; the text names the setting.
    pub async fn bind(
        address: SocketAddr,
        readiness: Readiness,
        lifecycle: Lifecycle,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            anyhow::anyhow!("SIDETONE_OPS: cannot listen on {address}: {error}")
        })?;
        let state = Served {
            readiness,
            metrics: crate::telemetry::metrics(),
            lifecycle,
        };
        Ok(Self { listener, state })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shortly after the drain began.
    pub async fn run(self) -> anyhow::Result<()> {
        let lifecycle = self.state.lifecycle.clone();
        let metrics = self.state.metrics.clone();
        let server = axum::serve(self.listener, router(self.state));
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                metrics.run_upkeep();
            }
        };
        tokio::select! {
            served = server => served.map_err(Into::into),
            () = upkeep => Ok(()),
            () = drain_noticed(&lifecycle) => Ok(()),
        }
    }
}

/// Resolves when the end was asked for and probes had time to notice it. The process waits for the
/// listener's task, so it must end with the drain; later probes find a closed port, which says the
/// same.
async fn drain_noticed(lifecycle: &Lifecycle) {
    lifecycle.draining().await;
    tokio::select! {
        () = lifecycle.stopping() => {}
        () = tokio::time::sleep(DRAIN_NOTICE) => {}
    }
}

fn router(state: Served) -> Router {
    Router::new()
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn readyz(State(state): State<Served>) -> impl IntoResponse {
    let mut problems = state.readiness.problems();
    if state.lifecycle.is_draining() {
        problems.push("lifecycle: draining".to_owned());
    }
    if problems.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
    }
}

async fn metrics(State(state): State<Served>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        state.metrics.render(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    fn served() -> Served {
        Served {
            readiness: Readiness::new(),
            metrics: crate::telemetry::metrics(),
            lifecycle: Lifecycle::new(Duration::from_secs(1)),
        }
    }

    async fn get_text(state: &Served, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(state.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readyz_lists_what_is_wrong_and_turns_green() {
        let state = served();
        let database = state.readiness.condition("database");
        let livekit = state.readiness.condition("livekit");
        livekit.not_ready("LIVEKIT_API_SECRET: the server answered 401 invalid token");
        let (status, text) = get_text(&state, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            text,
            "database: not there yet\nlivekit: LIVEKIT_API_SECRET: the server answered 401 invalid token\n"
        );
        database.ready();
        livekit.ready();
        assert_eq!(get_text(&state, "/readyz").await.0, StatusCode::OK);
        state.lifecycle.shut_down();
        let (status, text) = get_text(&state, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "lifecycle: draining\n");
        assert_eq!(get_text(&state, "/livez").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_are_in_prometheus_text() {
        let state = served();
        metrics::counter!("ops_test_total").increment(2);
        metrics::histogram!("ops_test_seconds").record(0.003);
        let (status, text) = get_text(&state, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("ops_test_total 2"), "{text}");
        assert!(
            text.contains("ops_test_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
    }
}
