//! Simulated calls with real speech: for the demo, for tests and for load tests.
//!
//! [`Population`] keeps a number of calls running on a real server, [`SimulatedCall`] plays one.
//! Speech, loudness and texts are assets, made ahead of time: no call in a room ever encodes or
//! decodes. [`Vendors`] keeps calls running that live elsewhere, and reports them.

#![warn(missing_docs)]

mod call;
mod client;
pub mod clip;
pub mod control;
pub mod conversation;
pub mod listen;
pub mod load;
pub mod monitor;
mod population;
pub mod recognise;
pub mod retell;
pub mod script;
pub mod sip;
mod sockets;
pub mod speech;
pub mod stream;
pub mod vapi;
mod vendors;
pub mod webhook;

pub use call::{CallPlan, SimulatedCall};
pub use client::Server;
pub use population::{Population, PopulationSettings};
pub use vendors::{Vendor, Vendors};
