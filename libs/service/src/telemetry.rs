//! Logs, metrics and traces.
//!
//! Conventions: one span `call{call}` per call and one `leg{leg}` per leg below it; fields, never
//! formatted text. ERROR: something is lost. WARN: somebody may be woken. INFO: a state changed.
//! DEBUG: details, and the only level that may name a customer. TRACE: per packet. A failure is
//! logged once, where it is handled.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, filter};

use crate::config::{Log, LogFormat};

/// What is logged when `RUST_LOG` says nothing. Statements of the database driver and frames of
/// HTTP are noise at INFO.
const DEFAULT_FILTER: &str =
    "info,sqlx=warn,hyper=warn,h2=warn,tungstenite=warn,opentelemetry_sdk=warn";

/// Buckets of every histogram named `…_seconds`: 0.5 ms to 10 s.
const SECONDS_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The name of this service in traces.
const SERVICE: &str = "sidetone";

/// Where a collector takes traces, below its address.
/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
const TRACES: &str = "/v1/traces";

/// How long a collector may take for what is sent to it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Says at INFO which server it dials, also one that a vendor has told in confidence: not unless
/// `RUST_LOG` names it.
const NAMES_SERVERS: &str = "livekit_signaling";

/// The span of every task ([`crate::Lifecycle`]): it lasts as long as the process, so that it is
/// nobody's parent in a trace.
const TASK: &str = "task";

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` cannot be understood.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// The exporter of traces cannot be made.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Traces(#[from] ExporterBuildError),
    /// Another subscriber is installed.
    #[error("logging was already started: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Telemetry that runs. Dropped, it sends what the collector has not had yet.
#[must_use]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            // a collector that is away has been complained about by the exporter
            drop(traces.shutdown_with_timeout(EXPORT_TIMEOUT));
        }
    }
}

/// Starts logging to standard error, filtered by `RUST_LOG` (default: INFO), and sending traces if
/// a collector is named. Called once, by the binary.
///
/// # Errors
/// When a setting cannot be used; the text names it.
pub fn init(log: &Log) -> Result<Telemetry, Error> {
    init_with(log.format, DEFAULT_FILTER, log.otlp_endpoint.as_deref())
}

/// The same with another filter for when `RUST_LOG` says nothing, and a collector's address.
///
/// # Errors
/// As [`init`].
pub fn init_with(
    format: LogFormat,
    default_filter: &str,
    collector: Option<&str>,
) -> Result<Telemetry, Error> {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let mut filter = if asked.is_empty() {
        EnvFilter::new(default_filter)
    } else {
        EnvFilter::try_from_default_env()?
    };
    if !asked.contains(NAMES_SERVERS) {
        let quiet = format!("{NAMES_SERVERS}=warn").parse();
        filter = filter.add_directive(quiet.expect("a target and a level"));
    }
    let traces = collector.map(provider).transpose()?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines)
        .with(traces.as_ref().map(spans))
        .with(filter)
        .try_init()?;
    Ok(Telemetry { traces })
}

/// Sends finished spans to the collector at that address, by OTLP over HTTP, from a thread of its
/// own; spans that come faster than it takes them are dropped.
fn provider(collector: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    // the exporter's client finds none otherwise; that another one was first is fine
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}{TRACES}", collector.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let resource = Resource::builder().with_service_name(SERVICE).build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// What becomes a trace: spans with what is logged in them, under the names they have in the log.
fn spans<S: Subscriber + for<'a> LookupSpan<'a>>(
    provider: &SdkTracerProvider,
) -> impl Layer<S> + use<S> {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SERVICE))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter::filter_fn(|metadata| metadata.name() != TASK))
}

/// The process's metrics. The first call installs the recorder; later ones give the same handle.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            install().expect("constant buckets are valid and this is the only recorder")
        })
        .clone()
}

fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)?
        .install_recorder()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::StatusCode;
    use axum::routing::post;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tracing::{info, info_span};

    use super::*;

    fn contains(body: &[u8], text: &str) -> bool {
        body.windows(text.len())
            .any(|found| found == text.as_bytes())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_gets_what_was_done_and_not_the_tasks_that_last_for_ever() {
        let (sender, mut received) = mpsc::unbounded_channel();
        let take = move |body: Bytes| async move {
            sender.send(body).unwrap();
            StatusCode::OK
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = axum::serve(listener, Router::new().route(TRACES, post(take)));
        let collector = tokio::spawn(collector.into_future());

        let provider = provider(&format!("http://{address}/")).unwrap();
        let subscriber = tracing_subscriber::registry().with(spans(&provider));
        tracing::subscriber::with_default(subscriber, || {
            info_span!(TASK, name = "for ever").in_scope(|| {
                info_span!("request", route = "/api/calls").in_scope(|| info!("answered"));
            });
        });
        let telemetry = Telemetry {
            traces: Some(provider),
        };
        tokio::task::spawn_blocking(move || drop(telemetry))
            .await
            .unwrap();

        let body = tokio::time::timeout(Duration::from_secs(20), received.recv());
        let body = body.await.unwrap().unwrap();
        for text in [SERVICE, "request", "/api/calls", "answered"] {
            assert!(contains(&body, text), "{text}");
        }
        assert!(!contains(&body, "for ever"));
        collector.abort();
    }
}
