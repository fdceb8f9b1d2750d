//! Simulated calls with real speech: for the demo, for tests and for load tests.
//!
//! [`Population`] keeps a number of calls running on a real server, [`SimulatedCall`] plays one.
//! Speech, loudness and texts are assets, made ahead of time: no call ever encodes or decodes.

#![warn(missing_docs)]

mod call;
mod client;
pub mod clip;
pub mod control;
pub mod conversation;
pub mod listen;
pub mod load;
mod population;
pub mod retell;
pub mod script;
pub mod speech;
pub mod stream;
pub mod vapi;
pub mod webhook;

pub use call::{CallPlan, SimulatedCall};
pub use client::Server;
pub use population::{Population, PopulationSettings};
