//! Simulated calls with real speech: for the demo, for tests and for load tests.

#![warn(missing_docs)]

pub mod clip;
pub mod conversation;
pub mod script;
