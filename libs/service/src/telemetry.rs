//! Logs and metrics.
//!
//! Conventions: one span `call{call}` per call and one `leg{leg}` per leg below it; fields, never
//! formatted text. ERROR: something is lost. WARN: somebody may be woken. INFO: a state changed.
//! DEBUG: details, and the only level that may name a customer. TRACE: per packet. A failure is
//! logged once, where it is handled.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// What is logged when `RUST_LOG` says nothing. Statements of the database driver and frames of
/// HTTP are noise at INFO.
const DEFAULT_FILTER: &str = "info,sqlx=warn,hyper=warn,h2=warn,tungstenite=warn";

/// Buckets of every histogram named `…_seconds`: 0.5 ms to 10 s.
const SECONDS_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` cannot be understood.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// Another subscriber is installed.
    #[error("logging was already started: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to standard error, filtered by `RUST_LOG` (default: INFO). Called once, by the
/// binary.
pub fn init(format: LogFormat) -> Result<(), Error> {
    init_with(format, DEFAULT_FILTER)
}

/// The same with another filter for when `RUST_LOG` says nothing.
pub fn init_with(format: LogFormat, default_filter: &str) -> Result<(), Error> {
    let filter = if std::env::var_os("RUST_LOG").is_some_and(|value| !value.is_empty()) {
        EnvFilter::try_from_default_env()?
    } else {
        EnvFilter::new(default_filter)
    };
    let registry = tracing_subscriber::registry().with(filter);
    let writer = std::io::stderr;
    match format {
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_writer(writer))
            .try_init()?,
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(writer),
            )
            .try_init()?,
    }
    Ok(())
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
