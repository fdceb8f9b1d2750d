//! What every role needs around its core: settings, telemetry, lifecycle, time and randomness.
//!
//! **Invariant**: production code takes time and randomness from [`clock`] and [`random`] (or as
//! parameters) and from nowhere else; `clippy.toml` bans the alternatives.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod dial;
pub mod files;
pub mod lifecycle;
pub mod ops;
pub mod random;
pub mod redact;
pub mod serve;
pub mod telemetry;

pub use config::Settings;
pub use lifecycle::Lifecycle;
pub use redact::{PhoneNumber, Redacted};
