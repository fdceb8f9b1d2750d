//! The whole system as it is shipped: the `sidetone` binary, a real livekit-server, real parties,
//! and nothing but HTTP, Socket.IO and LiveKit between them and the tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers are tests: what fails there fails the test"
)]
#![expect(
    clippy::print_stdout,
    reason = "the figures that a test prints are what it is run for"
)]

mod agents;
mod handing;
mod invisible;
mod kills;
mod listening;
mod office;
mod pausing;
mod plain;
mod realtime;
mod recordings;
mod restarts;
mod setup;
mod socket;
mod sockets;
mod sound;
mod supervising;
mod transcripts;
mod transferring;
mod upstreams;
