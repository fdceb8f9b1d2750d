//! The gateway against a real livekit-server.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one event of many"
)]

mod faults;
mod hearing;
mod peers;
mod tapping;
mod world;
